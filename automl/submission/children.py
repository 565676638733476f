"""Children as processes of their own, which read the data by themselves and are killed with all that they started."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import automl
from automl.runners.nursery import exit_reason
from automl.runners.worker import thread_environment
from automl.submission.messages import Message, messages
from automl.submission.problem import Problem

GRACE = 0.2
"""Seconds in which a child that has closed its pipe may end by itself."""
NEEDED = ("ConfigSpace", "pandas", "sklearn", "torch")
"""What no search does without."""


@dataclass(frozen=True)
class Order:
    """What a child is to do.

    Attributes
    ----------
    format, source, metric: where the data are, and how they are read.
    names: data sets.
    search: whether to search, rather than to fit quick models.
    seconds: in which it should be done.
    """

    format: str
    source: str
    metric: str | None
    names: tuple[str, ...]
    search: bool
    seconds: float


class ProcessChild:
    """A child process; its messages are read by a thread, so that waiting for them has a limit."""

    def __init__(self, order: Order) -> None:
        root = str(Path(automl.__file__).parent.parent)
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "automl.submission.child", json.dumps(vars(order))],
            stdin=subprocess.PIPE,  # nothing comes, but its end: of this process, and so of the child
            stdout=subprocess.PIPE,
            env=os.environ | thread_environment(1) | {"PYTHONPATH": path},
            start_new_session=True,
        )
        self._queue: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._killed = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            for message in messages(self._process.stdout):
                self._queue.put(message)
        self._queue.put(None)

    def receive(self, until: float) -> Message | None:
        try:
            return self._queue.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            self._killed = True
            return None

    def end(self) -> str:
        if not self._killed:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
        code = self._process.poll()  # None: all was told, and it is still clearing up
        end_descendants(self._process.pid)
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._killed:
            return "its time was over"
        return "" if code in (0, None) else exit_reason(code)


def end_descendants(pid: int) -> None:
    """Kill what a process has started, in whatever session it is; where psutil is missing, it ends by itself soon."""
    with contextlib.suppress(ImportError):
        import psutil

        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    process.kill()


@dataclass(frozen=True)
class Processes:
    """Starts children for the data sets of one folder."""

    format: str
    source: Path
    metric: str | None

    def missing(self) -> tuple[str, ...]:
        # Where they are is looked up and nothing is imported: it takes milliseconds on a machine however busy.
        return tuple(name for name in NEEDED if find_spec(name) is None)

    def quick(self, problems: Sequence[Problem], until: float) -> ProcessChild:
        return self._child(problems, False, until)

    def search(self, problem: Problem, until: float) -> ProcessChild:
        return self._child([problem], True, until)

    def _child(self, problems: Sequence[Problem], search: bool, until: float) -> ProcessChild:
        names = tuple(problem.name for problem in problems)
        seconds = until - time.monotonic()
        return ProcessChild(Order(self.format, str(self.source), self.metric, names, search, seconds))
