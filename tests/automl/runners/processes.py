"""What the tests of the process runner share."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from automl.runners.processes import ProcessRunner
from automl.search.trial import Proposal, Result, State, Trial

if sys.platform != "win32":
    from automl.runners.nursery import Preload, nursery

ROOT = str(Path(__file__).parents[3])
PATIENCE = 30.0  # seconds: far above what anything here takes, for a busy machine
PROMPT = 5.0  # seconds: what takes milliseconds, on a busy machine; a hanging trial takes 600


def trial(number: int = 0, **config: object) -> Trial:
    return Trial(number, Proposal(config), seed=number)


def done(loss: float = 0.0, **others: object) -> Result:
    return Result(State.DONE, loss, **others)  # type: ignore[arg-type]


def eventually(condition: Callable[[], object]) -> bool:
    """Whether the condition comes true before the patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def one(runner: ProcessRunner, number: int = 0, **config: object) -> Result:
    runner.submit(trial(number, **config))
    ((ended, result),) = runner.collect(PATIENCE)
    assert ended == number
    return result


def several(runner: ProcessRunner, count: int) -> dict[int, Result]:
    found: dict[int, Result] = {}
    while len(found) < count and (new := runner.collect(PATIENCE)):
        found.update(new)
    return found


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid)


def ended(pid: int) -> bool:
    """Whether an orphan has ended; when it is reaped is the system's affair."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def nursery_pid() -> int:
    pid = nursery(Preload(), os.getpid()).pid
    assert pid is not None
    return pid


def hanging_target(folder: Path) -> Callable[[Trial], Result]:
    """A target that leaves its process id and then hangs, holding the interpreter's lock."""

    def target(_: Trial) -> Result:
        (folder / "pids" / str(os.getpid())).touch()
        ctypes.PyDLL(None).sleep(600)
        return done()

    return target
