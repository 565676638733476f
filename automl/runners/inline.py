"""Trials in a thread of this process: no start-up, no isolation, one at a time."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable

from automl.search.trial import Result, State, Trial


class InlineRunner:
    """Runs one trial at a time in a thread, so that the next proposal can be made meanwhile.

    An exception in the target gives CRASHED, a MemoryError gives MEMORY, both with the traceback. A trial cannot be
    killed: one that still runs when the runner is closed ends in the background, its result dropped.

    Parameters
    ----------
    target: turns a trial into its result.
    """

    capacity = 1

    def __init__(self, target: Callable[[Trial], Result]) -> None:
        self._target = target
        self._todo: queue.SimpleQueue[Trial | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[int, Result]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="autonet-inline", daemon=True)
        self._thread.start()

    def submit(self, trial: Trial) -> None:
        self._todo.put(trial)

    def collect(self, timeout: float | None) -> list[tuple[int, Result]]:
        """Number and result of the trial that ended; empty when the time (seconds) has passed."""
        try:
            results = [self._done.get(timeout=timeout)]
        except queue.Empty:
            return []
        while not self._done.empty():
            results.append(self._done.get())
        return results

    def close(self) -> None:
        self._todo.put(None)

    def _work(self) -> None:
        while (trial := self._todo.get()) is not None:
            start = time.perf_counter()
            try:
                result = self._target(trial)
            except BaseException as error:  # also SystemExit: whatever ends a trial is its result
                state = State.MEMORY if isinstance(error, MemoryError) else State.CRASHED
                cost = time.perf_counter() - start
                result = Result(state, cost=cost, error=traceback.format_exc())
            self._done.put((trial.number, result))
