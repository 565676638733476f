"""A whole run of a competition: a folder of data sets in, a folder of predictions out, exit code 0 whatever happens."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from automl.errors import AutoNetError
from automl.submission.anytime import Clock, anytime
from automl.submission.catalogue import form
from automl.submission.children import Processes
from automl.submission.guess import trivial_guess
from automl.submission.outlet import Outlet
from automl.submission.problem import Format, Problem, Settings

DEFAULT_SECONDS = 1200.0
"""Of a data set for which nobody says more."""


MOST_START = 30.0
"""Seconds that the start of a process may have taken; more is a clock of another kind."""


class Stopped(BaseException):
    """The system asked the process to end."""


def compete(
    source: Path,
    output: Path,
    settings: Settings,
    *,
    began: float | None = None,
    log: Callable[[str], None] | None = None,
) -> list[Problem]:
    """Predict all data sets of a folder, at any time and never late; the data sets that could be read.

    Whatever fails is told to the log: data sets that cannot be read are left out, and of the others the last valid
    prediction stands. SIGTERM ends the run as if the time were over.

    Parameters
    ----------
    began: `time.monotonic` value from which the budget counts; None for the start of the process.
    log: takes lines; None for standard error.
    """
    began = process_began() if began is None else began
    tell = _stamped(began, _to_stderr if log is None else log)
    asked: list[int] = []
    before = _on_terminate(lambda number, frame: asked.append(number))  # first the guesses: that takes no time
    chosen = form(settings.format)
    problems = read_all(chosen, source, settings.metric, tell)
    seconds = settings.seconds or sum(p.seconds or DEFAULT_SECONDS for p in problems)
    clock = Clock(began, seconds)
    outlet = Outlet(chosen, source, output, end=clock.at(0.97), log=tell)
    _on_terminate(_stop)
    try:
        if asked:
            raise Stopped
        anytime(problems, clock, outlet.emit, Processes(settings.format, source, settings.metric), tell)
    except (Stopped, KeyboardInterrupt):
        _on_terminate(signal.SIG_IGN)
        for problem in filter(outlet.lacks, problems):
            outlet.emit(problem, trivial_guess(problem), float("-inf"))
        tell("asked to end: what was written stands")
    except Exception as error:
        tell(f"{type(error).__name__}: {error}; what was written stands")
    finally:
        _on_terminate(before)
    return problems


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


def read_all(chosen: Format, source: Path, metric: str | None, log: Callable[[str], None]) -> list[Problem]:
    """The data sets that can be read; why another cannot is told to the log."""
    problems = []
    try:
        names: Sequence[str] = chosen.names(source)
    except (AutoNetError, OSError, ValueError) as error:
        log(f"{source}: {error}")
        return []
    if not names:
        log(f"{source} holds no data set of the format {chosen.name}; check the path")
    for name in names:
        try:
            problems.append(chosen.read(source, name, metric))
        except Exception as error:  # whatever is in a file of others
            log(f"{name}: cannot be read and is left out: {type(error).__name__}: {error}")
    return problems


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped


def _on_terminate(handler: object) -> object:
    """Set what SIGTERM does, where that is possible; what it did before."""
    with suppress(ValueError):  # only the main thread may
        return signal.signal(signal.SIGTERM, handler)  # type: ignore[arg-type]
    return signal.SIG_DFL


def _stamped(began: float, log: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: log(f"{time.monotonic() - began:8.2f} s  {line}")


def _to_stderr(line: str) -> None:
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)
