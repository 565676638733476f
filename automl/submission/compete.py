"""A whole run of a competition: a folder of data sets in, a folder of predictions out, exit code 0 whatever happens."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from automl.errors import AutoNetError
from automl.interrupts import terminations
from automl.submission.anytime import Clock, anytime, process_began
from automl.submission.catalogue import form
from automl.submission.children import Processes
from automl.submission.guess import trivial_guess
from automl.submission.outlet import Outlet
from automl.submission.problem import Format, Problem, Settings


class Stopped(BaseException):
    """The system asked the process to end."""


def compete(
    source: Path,
    output: Path,
    settings: Settings,
    *,
    began: float | None = None,
    asked: Sequence[int] = (),
    log: Callable[[str], None] | None = None,
) -> list[Problem]:
    """Predict all data sets of a folder, at any time and never late; the data sets that could be read.

    Whatever fails is told to the log: data sets that cannot be read are left out, and of the others the last valid
    prediction stands. SIGTERM ends the run as if the time were over.

    Parameters
    ----------
    began: `time.monotonic` value from which the budget counts; None for the start of the process.
    asked: how often SIGTERM came before, as `automl.interrupts.terminations` notes it.
    log: takes lines; None for standard error.
    """
    began = process_began() if began is None else began
    tell = _stamped(began, _to_stderr if log is None else log)
    chosen = form(settings.format)
    with terminations() as noted:  # first the guesses: that takes no time
        problems = read_all(chosen, source, settings.metric, tell)
        clock = Clock(began, settings.seconds or sum(p.share for p in problems))
        outlet = Outlet(chosen, source, output, end=clock.at(0.97), log=tell)
        try:
            _on_terminate(_stop)
            if asked or noted:
                raise Stopped
            anytime(problems, clock, outlet.emit, Processes(settings.format, source, settings.metric), tell)
            _on_terminate(signal.SIG_IGN)  # all is done: there is nothing more to end
        except (Stopped, KeyboardInterrupt):
            _on_terminate(signal.SIG_IGN)
            for problem in filter(outlet.lacks, problems):
                outlet.emit(problem, trivial_guess(problem), float("-inf"))
            tell("asked to end: what was written stands")
        except Exception as error:
            tell(f"{type(error).__name__}: {error}; what was written stands")
    return problems


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


def _on_terminate(handler: Any) -> None:
    """Set what SIGTERM does, where that is possible."""
    with suppress(ValueError):  # only the main thread may
        signal.signal(signal.SIGTERM, handler)


def _stamped(began: float, log: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: log(f"{time.monotonic() - began:8.2f} s  {line}")


def _to_stderr(line: str) -> None:
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)
