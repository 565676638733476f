"""The search loop: ask, run, collect, repeat, until a limit is reached."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from automl.errors import AutoNetError
from automl.search.trial import Proposal, Result, State, Trial, trial_seed

if TYPE_CHECKING:
    from automl.search.history import History
    from automl.search.protocols import Optimizer, Runner

MAX_PRUNED = 20
"""Trials in a row that cannot end before the deadline, after which the search ends."""

POLL = 0.005
"""Seconds between looks at the runner while a worker is free and a proposal is being made."""

DEADLINE = "cut off by the time limit of the search"
INTERRUPTED = "interrupted"
NO_TIME = "expected to take longer than the time left"


@dataclass
class Search:
    """One search and its state; `run()` does it, once.

    Attributes
    ----------
    seed: of the run; trials get theirs from it and their number, promoted trials inherit.
    history: trials so far. Those that were running when a process was killed are run again as they are.
    n_trials: trials in all, those of the given history included; None for no limit.
    total_budget: sum of the budgets of all trials, in full runs; a trial that would exceed it is not started.
    deadline: value of `time.monotonic()` at which the search returns, whatever still runs.
    ordered: whether results count in the order of the trials' numbers. Then trial t is asked as soon as all trials
        before t - lag have ended, and knows those only, where lag = capacity - 1 + lookahead: the search is a
        function of its seed. Otherwise each proposal uses all results that are there.
    lookahead: proposals to prepare in a thread of their own while trials run; 0 asks in this thread, when needed.
    record: called with each trial when it starts (RUNNING) and when it ends.
    predict: seconds that a proposal will take, or None if unknown; trials that cannot end before the deadline are
        recorded as PRUNED without being run, and 20 in a row end the search.
    """

    optimizer: Optimizer
    runner: Runner
    seed: int
    history: History
    n_trials: int | None = None
    total_budget: float | None = None
    deadline: float | None = None
    ordered: bool = True
    lookahead: int = 0
    record: Callable[[Trial], None] = lambda trial: None
    predict: Callable[[History, Proposal], float | None] | None = None
    interrupted: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        given = self.history
        self._changed = threading.Condition()  # guards all that follows, and `history`
        self._waiting = deque(t for t in given if t.state is State.RUNNING)
        self._running: set[int] = set()
        self._given = self._started = len(given)  # trials below _started have been started
        self._spent = sum(t.budget for t in given if t.state is not State.PRUNED)
        self._ended = len(given) - len(self._waiting)
        self._first_open = 0
        self._full_lag = self._lag = self.runner.capacity - 1 + self.lookahead
        self._refused_at = -1  # number of ended trials when the optimizer last returned None
        self._pruned = 0
        self._asking = self._closed = self._stopped = False
        self._failure: BaseException | None = None

    def run(self) -> History:
        """Search until a limit is reached or the optimizer has nothing more; Ctrl-C ends it early.

        Returns
        -------
        All trials that were started. Those that still ran at the end are PRUNED, with the reason as their error;
        after an interrupt (`interrupted`) they stay RUNNING for `record`, so that resuming runs them again.
        """
        try:
            with self._asker():
                while not self._over():
                    self._fill()
                    self._wait()
            self._finish(DEADLINE)
        except KeyboardInterrupt:
            self.interrupted = True
            self._finish(INTERRUPTED)
        return self.history

    # Asking

    def _may_ask(self) -> bool:
        number = len(self.history)
        if self._closed or (self.n_trials is not None and number >= self.n_trials):
            return False
        if len(self._waiting) >= max(self.lookahead, 1):
            return False
        if self.ordered:
            while self._first_open < number and self.history[self._first_open].state is not State.RUNNING:
                self._first_open += 1
            return self._first_open >= number - self._lag
        return self._refused_at != self._ended

    def _view(self) -> History:
        return self.history.as_of(len(self.history), self._lag) if self.ordered else self.history

    def _take(self, proposal: Proposal | None, ended: int) -> None:
        """Number a proposal and let it wait for a worker.

        Parameters
        ----------
        ended: number of trials that had ended when it was asked for.
        """
        if self._closed:
            return
        if proposal is None:  # show the next question one more result, or wait for one
            self._refused_at = ended
            self._lag -= 1
            self._closed = self.ordered and self._lag < 0
            return
        self._lag = self._full_lag
        number, parent = len(self.history), proposal.parent if proposal.promoted else None
        seed = trial_seed(self.seed, number) if parent is None else self.history[parent].seed
        trial = Trial(number, proposal, seed)
        self.history = self.history.put(trial)
        self._waiting.append(trial)

    @contextmanager
    def _asker(self) -> Iterator[None]:
        """Ask ahead in a thread while the body runs, if there is anything to look ahead to."""
        thread = threading.Thread(target=self._ask_ahead, name="autonet-asker", daemon=True)
        if self.lookahead:
            thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
            if self.lookahead:  # an ask under way must not hold up the deadline: its answer is dropped
                thread.join(timeout=0.2)

    def _ask_ahead(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped or self._may_ask())
                    if self._stopped:
                        return
                    view, ended = self._view(), self._ended
                    self._asking = True
                proposal = self.optimizer.ask(view)
                with self._changed:
                    self._asking = False
                    self._take(proposal, ended)
                    self._changed.notify_all()
        except BaseException as error:
            with self._changed:
                self._asking, self._failure = False, error
                self._changed.notify_all()

    # Running

    def _over(self) -> bool:
        with self._changed:
            if self._failure is not None:
                raise self._failure
            if self._time_left() == 0:
                return True
            return not (self._running or self._waiting or self._asking or self._may_ask())

    def _time_left(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def _fill(self) -> None:
        """Start trials, and ask for them if no thread does, while workers are free."""
        while len(self._running) < self.runner.capacity and self._time_left() != 0:
            with self._changed:
                if self._waiting:
                    self._start(self._waiting.popleft())
                    self._changed.notify_all()
                elif self.lookahead or not self._may_ask():
                    return
                else:
                    self._take(self.optimizer.ask(self._view()), self._ended)

    def _start(self, trial: Trial) -> None:
        if trial.number >= self._given:  # those of the given history are counted already
            self._spent += trial.budget
            if self.total_budget is not None and self._spent > self.total_budget * (1 + 1e-9):
                self._close()
                return
        self._started = max(self._started, trial.number + 1)
        left = self._time_left()
        seconds = self.predict(self.history, trial.proposal) if self.predict and left is not None else None
        if seconds is not None and left is not None and seconds > left:
            self._spent -= trial.budget
            self._settle(trial.number, Result(State.PRUNED, error=NO_TIME))
            self._pruned += 1
            if self._pruned >= MAX_PRUNED:
                self._close()
            return
        self._pruned = 0
        self._running.add(trial.number)
        self.record(trial)
        self.runner.submit(trial)

    def _close(self) -> None:
        """Start nothing more."""
        self._closed = True
        self._waiting.clear()

    def _wait(self) -> None:
        """Wait for a result or, while a worker is free, for a proposal of the thread."""
        left = self._time_left()
        with self._changed:
            coming = bool(self.lookahead and (self._asking or self._waiting or self._may_ask()))
            if not self._running:
                if coming:
                    self._changed.wait_for(self._answered, timeout=left)
                return
            hungry = coming and len(self._running) < self.runner.capacity
        timeout = POLL if hungry and (left is None or left > POLL) else left
        if not self._collect(timeout) and timeout is None:
            raise AutoNetError(f"the runner lost the trials {sorted(self._running)}: collect() returned nothing")

    def _collect(self, timeout: float | None) -> int:
        results = self.runner.collect(timeout)
        with self._changed:
            for number, result in results:
                if number in self._running:
                    self._settle(number, result)
            self._changed.notify_all()
        return len(results)

    def _answered(self) -> bool:
        waiting = bool(self._waiting) or self._failure is not None
        return waiting or not (self._asking or self._may_ask())

    def _settle(self, number: int, result: Result, record: bool = True) -> None:
        trial = replace(self.history[number], result=result)
        self.history = self.history.put(trial)
        self._running.discard(number)
        self._ended += 1
        if record:
            self.record(trial)

    def _finish(self, reason: str) -> None:
        """Drop what was asked but not started, and mark what still runs as PRUNED."""
        if self._running:
            self._collect(0)  # what has just ended is not lost
        with self._changed:
            self._close()
            self.history = replace(self.history, trials=self.history.trials[: self._started])
            for trial in self.history.running:
                self._settle(trial.number, Result(State.PRUNED, error=reason), record=not self.interrupted)


def run(
    optimizer: Optimizer,
    runner: Runner,
    *,
    seed: int,
    history: History,
    n_trials: int | None = None,
    total_budget: float | None = None,
    deadline: float | None = None,
    ordered: bool = True,
    lookahead: int = 0,
    record: Callable[[Trial], None] = lambda trial: None,
    predict: Callable[[History, Proposal], float | None] | None = None,
) -> History:
    """Search and return all trials; see `Search` for the parameters."""
    search = Search(
        optimizer, runner, seed, history, n_trials, total_budget, deadline, ordered, lookahead, record, predict
    )
    return search.run()
