"""A worker: it runs the trials that its connection brings, one after another, and sends back their results.

This is the child's side. The parent's first two messages are a `Setup` and the target, every later one a trial.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NoReturn

from automl.errors import SettingError
from automl.runners.heap import give_back, keep_freed
from automl.runners.parcel import Span, unpack
from automl.search.trial import Result, State, Trial

Target = Callable[[Trial], Result]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def thread_environment(threads: int) -> dict[str, str]:
    """Variables that hold numerical libraries to `threads` threads; a library reads them when it is loaded."""
    # A passive thread sleeps while it waits: spinning ones take the cores of the other workers.
    return dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"OMP_WAIT_POLICY": "PASSIVE"}


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker takes over from the process that it works for.

    A worker may be forked from a nursery that was started long before, so the current values are sent along.

    Attributes
    ----------
    environ: environment variables.
    path: `sys.path`.
    folder: working directory; None where it no longer exists.
    threads: share of the cores, >= 1.
    spans: where the arrays of the target lie in the file that came with the worker's start.
    """

    environ: Mapping[str, str]
    path: tuple[str, ...]
    folder: str | None
    threads: int
    spans: tuple[Span, ...] = ()

    @classmethod
    def of_this_process(cls, threads: int, spans: tuple[Span, ...]) -> Setup:
        try:
            folder = os.getcwd()
        except FileNotFoundError:
            folder = None
        return cls(dict(os.environ), tuple(sys.path), folder, threads, spans)

    def apply(self) -> None:
        os.environ.clear()
        os.environ.update(self.environ)
        os.environ.update(thread_environment(self.threads))
        sys.path[:] = self.path
        if self.folder is not None:
            os.chdir(self.folder)


@dataclass(frozen=True, slots=True)
class Started:
    """The worker lives and waits for its setup.

    Attributes
    ----------
    pid: its own, not that of a launcher before it.
    early: whether it was forked before all modules were imported.
    """

    pid: int
    early: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """The target is loaded: trials may come."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The target could not be loaded."""

    error: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial ended by itself."""

    result: Result


def serve(connection: Connection[Any, Any], arrays: int | None = None, *, early: bool = False) -> NoReturn:
    """Run trials until the connection ends; never returns.

    Parameters
    ----------
    arrays: descriptor of the file with the target's arrays, if it has any.
    early: whether this worker lacks some of the modules that later ones have.
    """
    messages: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(connection, messages), daemon=True).start()
    connection.send(Started(os.getpid(), early))
    try:
        target = _load(messages.get(), messages.get(), arrays)
    except BaseException:
        connection.send(Broken(traceback.format_exc()))
        _exit(1)
    connection.send(Ready())
    keep_freed()
    while True:
        result = _run(target, messages.get())
        give_back()
        for stream in (sys.stdout, sys.stderr):  # a worker ends by being killed: nothing may wait in a buffer
            with suppress(OSError, ValueError):  # nobody reads it any more, or the target has closed it
                if stream is not None:
                    stream.flush()
        connection.send(Ended(result))


def _read(connection: Connection[Any, Any], messages: SimpleQueue[bytes]) -> None:
    # A thread of its own, so that the end of the parent ends the worker in the middle of a trial too.
    try:
        while True:
            messages.put(connection.recv_bytes())
    except (EOFError, OSError):
        _exit(1)


def _exit(code: int) -> NoReturn:
    if sys.platform != "win32":
        # The worker leads a process group of its own: what a trial has started ends with it.
        os.killpg(0, signal.SIGKILL)
    os._exit(code)


def _load(setup: bytes, stream: bytes, arrays: int | None) -> Target:
    given: Setup = pickle.loads(setup)
    given.apply()
    target: Target = unpack(stream, arrays, given.spans)
    # Only now are the libraries that the target needs in memory, and their pools can be told their size.
    import threadpoolctl

    threadpoolctl.threadpool_limits(limits=given.threads)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(given.threads)
    return target


def _run(target: Target, message: bytes) -> Result:
    start = time.perf_counter()
    try:
        result = _checked(target(pickle.loads(message)))
    except BaseException as error:  # the one place where exceptions become states; sys.exit() in a target too
        state = _state_of(error)
        # The first entry of the traceback is this function, which tells a reader nothing.
        inner = error.__traceback__ and error.__traceback__.tb_next
        result = Result(state, error="".join(traceback.format_exception(type(error), error, inner)))
    return result if result.cost else replace(result, cost=time.perf_counter() - start)


def _checked(given: object) -> Result:
    if not isinstance(given, Result):
        kind = type(given).__name__
        raise SettingError(f"the target returned a {kind}; a target must return a Result")
    pickle.dumps(given)  # here, where what fails is the trial's fault
    return given


def _state_of(error: BaseException) -> State:
    if isinstance(error, TimeoutError):
        return State.TIMEOUT
    return State.MEMORY if _out_of_memory(error) else State.CRASHED


def _out_of_memory(error: BaseException) -> bool:
    # torch has no MemoryError: its GPU error is told by its name, its CPU error by its text alone.
    name_of_torch = type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, MemoryError) or name_of_torch or "DefaultCPUAllocator" in str(error)
