"""The run of a competition turned around: AutoDL asks for training and predictions, and is given the latest ones."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from automl.submission.anytime import LAST_EMIT, Clock, anytime
from automl.submission.children import Processes
from automl.submission.formats.arrays import write_arrays
from automl.submission.formats.autodl import Layout, problem_of
from automl.submission.outlet import valid
from automl.submission.problem import DEFAULT_SECONDS, Data, Floats, Predictions, Problem

NAME = "data"


class Model:
    """Predicts at any time: each `train` waits for something better than what `test` gave last.

    Attributes
    ----------
    done_training: nothing better will come, or there is no time for it.
    """

    def __init__(self, metadata: Any) -> None:
        self.done_training = False
        self._clock: Clock | None = None
        self._train: tuple[Layout, np.ndarray, Floats] | None = None
        self._run: _Run | None = None

    def train(self, dataset: Any, remaining_time_budget: float | None = None) -> None:
        """Read the training examples, the first time; then wait for the next prediction."""
        if self._clock is None:
            self._clock = Clock(time.monotonic(), remaining_time_budget or DEFAULT_SECONDS)
            pairs = list(_pairs(dataset))
            tensors = [x for x, _ in pairs]
            layout = Layout.of(tensors)
            self._train = layout, layout.table(tensors), np.stack([y for _, y in pairs]).astype(np.float64)
        elif self._run is not None:
            self.done_training = not self._run.wait(self._clock.at(LAST_EMIT))

    def test(self, dataset: Any, remaining_time_budget: float | None = None) -> Floats | None:
        """(examples, outputs) probabilities, or None where there is nothing new, which ends the run."""
        if self._run is None:
            assert self._train is not None
            assert self._clock is not None
            layout, X, y = self._train
            test = layout.table([x for x, _ in _pairs(dataset)])
            self._run = _Run(Data(X, y, {"test": test}), self._clock)
            self._run.wait(self._clock.at(LAST_EMIT))
        return None if self.done_training else self._run.latest


class _Run:
    """The anytime core in a thread of its own, whose emissions are kept for whoever asks."""

    def __init__(self, data: Data, clock: Clock) -> None:
        self.latest: Floats | None = None
        self._best = float("-inf")
        self._news = threading.Condition()
        self._unseen, self._over = 0, False
        self._folder = Path(tempfile.mkdtemp(prefix="autonet-"))
        problem = problem_of(NAME, data.targets, {"test": len(data.parts["test"])})
        write_arrays(self._folder, problem, data)
        threading.Thread(target=self._compete, args=(problem, clock), daemon=True).start()

    def _compete(self, problem: Problem, clock: Clock) -> None:
        try:
            anytime([problem], clock, self._emit, Processes("arrays", self._folder, None), _log)
        except Exception as error:
            _log(f"{type(error).__name__}: {error}")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            with self._news:
                self._over = True
                self._news.notify_all()

    def _emit(self, problem: Problem, predictions: Predictions, score: float) -> bool:
        with self._news:
            if self.latest is not None and not score > self._best:
                return False
            self.latest, self._best = valid(problem, predictions)["test"], score
            self._unseen += 1
            self._news.notify_all()
        return True

    def wait(self, until: float) -> bool:
        """Whether something new came by then."""
        with self._news:
            self._news.wait_for(lambda: self._unseen or self._over, max(0.0, until - time.monotonic()))
            came, self._unseen = self._unseen > 0, 0
        return came


def _pairs(dataset: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Tensors and labels of a data set of TensorFlow or of ours."""
    found = dataset.as_numpy_iterator() if hasattr(dataset, "as_numpy_iterator") else dataset
    for x, y in found:
        yield np.asarray(x, dtype=np.float32), np.asarray(y, dtype=np.float32)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
