"""The only way out: a prediction is checked, compared and written whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from automl.errors import DataError
from automl.submission.problem import Floats, Format, Predictions, Problem

MOST_NUMBER = 999
"""Organisers sort files by name and know three digits."""
PART = ".part"
"""Ending of a file that is being written; no scoring program looks for it."""


class Outlet:
    """Writes predictions of a format into a folder until a moment.

    Parameters
    ----------
    end: `time.monotonic` value from which nothing is written.
    log: is told what was refused, and why.
    """

    def __init__(
        self, form: Format, source: Path, folder: Path, *, end: float, log: Callable[[str], None] = lambda line: None
    ) -> None:
        self._form, self._source, self._folder, self._end, self._log = form, source, folder, end, log
        self._best: dict[str, float] = {}
        self._count: dict[str, int] = {}

    def emit(self, problem: Problem, predictions: Predictions, score: float) -> bool:
        """Write a prediction of every part if it is valid, in time, and no worse than what was written before.

        Parameters
        ----------
        score: on rows that were not trained on, greater is better; −inf for a guess.

        Returns
        -------
        Whether it was written. The last one that was stands, whatever fails.
        """
        number = self._count.get(problem.name, 0)
        if number > MOST_NUMBER:
            return self._refused(problem, f"{number} predictions are as many as the organisers can sort")
        if number and not score > self._best[problem.name]:
            return self._refused(problem, f"its score of {score:.6g} is no better than {self._best[problem.name]:.6g}")
        try:
            checked = valid(problem, predictions)
            files = self._form.files(self._source, problem, checked, number)
            if not self._write(files):
                return self._refused(problem, "the time for writing is over")
        except (ValueError, OSError) as error:  # DataError is one of the first
            return self._refused(problem, str(error))
        except Exception as error:  # whatever it is, it must not cost the other data sets theirs
            return self._refused(problem, f"{type(error).__name__}: {error}")
        self._best[problem.name], self._count[problem.name] = score, number + 1
        self._log(f"{problem.name}: prediction {number} written, score {score:.6g}")
        return True

    def lacks(self, problem: Problem) -> bool:
        """Whether nothing was written yet."""
        return problem.name not in self._count

    def _refused(self, problem: Problem, why: str) -> bool:
        self._log(f"{problem.name}: a prediction was not written: {why}")
        return False

    def _write(self, files: Mapping[str, bytes]) -> bool:
        """All files aside, then each in its place; False where it is too late for that."""
        self._folder.mkdir(parents=True, exist_ok=True)
        aside = {self._folder / name: self._folder / f"{name}{PART}" for name in files}
        try:
            for path, content in zip(aside.values(), files.values(), strict=True):
                path.write_bytes(content)
            if time.monotonic() >= self._end:
                return False
            for place, path in aside.items():
                os.replace(path, place)
        finally:
            for path in aside.values():
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
        return True


def valid(problem: Problem, predictions: Predictions) -> dict[str, Floats]:
    """The predictions with probabilities clipped to [0, 1] and, of several classes, summing to 1 in each row.

    Raises
    ------
    DataError: a part is missing, of another shape, or holds what is no finite number.
    """
    checked = {}
    for part, rows in problem.rows.items():
        if part not in predictions:
            raise DataError(f"the part {part!r} is missing; predict every part")
        values = np.asarray(predictions[part], dtype=np.float64)
        if values.shape != (rows, problem.outputs):
            raise DataError(f"{part} is of shape {values.shape}, {(rows, problem.outputs)} is wanted")
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            raise DataError(f"{part} holds {bad} values that are no finite numbers; predict numbers")
        checked[part] = values if problem.kind == "regression" else _probabilities(values, problem.kind == "multiclass")
    return checked


def _probabilities(values: Floats, one_of_several: bool) -> Floats:
    values = np.clip(values, 0.0, 1.0)
    if not one_of_several:
        return values
    total = values.sum(axis=1, keepdims=True)
    even = np.full_like(values, 1 / values.shape[1])
    return np.where(total > 0, values / np.where(total > 0, total, 1.0), even)
