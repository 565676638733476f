"""A valid prediction at once, better ones as time goes on, none too late: the timeline of a competition's run.

The parent guesses, keeps the time and writes. All that may fail (reading tables, learning, memory, libraries that are
not there) happens in children, which are killed when their time is over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from automl.submission.guess import trivial_guess
from automl.submission.messages import Begun, Failed, Predicted
from automl.submission.problem import Predictions, Problem

QUICK_BY, QUICK_ENDS = 0.05, 0.5
"""Shares of the budget by which quick models should be there, and at which they are given up."""
SEARCH_ENDS, LAST_EMIT = 0.8, 0.9
LEAST_SEARCH = 3.0
"""Seconds in which a child can at least import what it needs."""
MOST_START = 30.0
"""Seconds that the start of a process may have taken; more is a clock of another kind."""

Emit = Callable[[Problem, Predictions, float], bool]
"""Hands in a prediction with its validation score, greater is better; says whether it was taken."""


class Child(Protocol):
    """A process that learns, as its parent sees it."""

    def receive(self, until: float) -> Begun | Predicted | Failed | None:
        """The next message, or None when the child has ended or `until` has come."""
        ...

    def end(self) -> str:
        """Have the child and all that it started killed; how it ended, in words, or "" where nothing was wrong."""
        ...


class Learners(Protocol):
    """Starts children."""

    def missing(self) -> Sequence[str]:
        """Packages that a search needs and that are not installed."""
        ...

    def quick(self, problems: Sequence[Problem], until: float) -> Child:
        """A child that fits one quick model after another; each is to be there by its share of the time until then."""
        ...

    def search(self, problem: Problem, until: float) -> Child:
        """A child that searches until then."""
        ...


@dataclass(frozen=True)
class Clock:
    """When what must be over, as `time.monotonic` values."""

    began: float
    budget: float

    def at(self, share: float) -> float:
        return self.began + share * self.budget


def process_began() -> float:
    """`time.monotonic` value at which this process began, where the system tells; else now.

    On a busy machine seconds pass before the first line of a program runs, and organisers count them.
    """
    now = time.monotonic()
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = now - ticks / os.sysconf("SC_CLK_TCK")  # both count from the start of the system
    except (OSError, ValueError, IndexError):
        return now
    return now - age if 0 <= age < MOST_START else now


def anytime(
    problems: Sequence[Problem],
    clock: Clock,
    emit: Emit,
    learners: Learners,
    log: Callable[[str], None] = lambda line: None,
) -> None:
    """Predict all problems within the budget: a guess of each first, then quick models, then a search for each.

    Parameters
    ----------
    problems: in the order in which they are searched; the time is shared out in proportion to their `share`.
    emit: refuses what is not valid, in time and better than before.
    """
    for problem in problems:
        emit(problem, trivial_guess(problem), float("-inf"))
    if missing := learners.missing():
        log(f"there will be no search: {', '.join(missing)} cannot be found; install what is missing")
    _quick(problems, clock, emit, learners, log)
    if missing:
        return
    shares = [problem.share for problem in problems]
    for k, problem in enumerate(problems):
        now, last = time.monotonic(), clock.at(LAST_EMIT)
        end = now + max(0.0, last - now) * shares[k] / sum(shares[k:])
        until = end - (LAST_EMIT - SEARCH_ENDS) * clock.budget * shares[k] / sum(shares)
        if until - now < LEAST_SEARCH:
            log(f"{problem.name}: no time is left to search")
            continue
        child = learners.search(problem, until)
        try:
            _listen([problem], child, end, emit, log)
        finally:
            _ended(problem.name, child, log)


def _quick(
    problems: Sequence[Problem],
    clock: Clock,
    emit: Emit,
    learners: Learners,
    log: Callable[[str], None],
) -> None:
    """Quick models of all problems; after one at which a child dies, the next child goes on behind it."""
    left = list(problems)
    while left and time.monotonic() < clock.at(QUICK_ENDS):
        child = learners.quick(left, clock.at(QUICK_BY))
        try:
            begun = _listen(left, child, clock.at(QUICK_ENDS), emit, log)
        finally:
            _ended("quick models", child, log)
        left = left[max(begun, 1) :]


def _listen(problems: Sequence[Problem], child: Child, end: float, emit: Emit, log: Callable[[str], None]) -> int:
    """Hand in what a child predicts until it ends or `end` comes; how many problems it had begun by then."""
    by_name = {p.name: p for p in problems}
    begun = 0
    while (message := child.receive(end)) is not None:
        match message:
            case Begun():
                begun += 1
            case Predicted():
                emit(by_name[message.problem], message.predictions, message.score)
            case Failed():
                log(f"{message.problem}: {message.reason}")
    return begun


def _ended(what: str, child: Child, log: Callable[[str], None]) -> None:
    reason = child.end()
    if reason:
        log(f"{what}: {reason}")
