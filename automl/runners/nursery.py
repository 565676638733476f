"""Worker processes as their parent sees them, and how they come to be.

On POSIX one *nursery* process imports the heavy modules once and forks a worker in milliseconds, whenever one
is asked for; it lives on between runners. On Windows, which cannot fork, each worker is a fresh interpreter.

Neither imports the user's `__main__` again, so a script needs no `if __name__ == "__main__"`. There is no
server: parent and children talk through anonymous socket pairs and pipes, which nobody else can reach.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import Any, Protocol, cast

from automl.errors import AutoNetError
from automl.runners.child import EXITED, FORK, KILL, LATER, QUIT
from automl.runners.worker import thread_environment

GRACE = 0.5
"""Seconds given to a process that is ending, before it is killed or given up."""


class WorkerProcess(Protocol):
    """One worker process."""

    @property
    def connection(self) -> Connection[Any, Any]:
        """Carries setup and trials to the worker, and its answers back."""
        ...

    @property
    def sentinel(self) -> Any:
        """Something for `multiprocessing.connection.wait` that becomes ready when the process has ended."""
        ...

    def kill(self) -> None:
        """Have the process and all that it started killed; returns at once."""
        ...

    def reason(self) -> str:
        """How the process ended, in words; waits up to a second, and kills one that does not end."""
        ...

    def close(self) -> None:
        """Give the handles back; a process that still runs is killed."""
        ...


def exit_reason(code: int) -> str:
    """An exit code of a worker in words; a negative one is a signal."""
    if code >= 0:
        return f"the worker process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    cause = "; the system may have run out of memory" if name == "SIGKILL" else ""
    return f"the worker process was ended by signal {-code} ({name}){cause}"


@dataclass(frozen=True, slots=True)
class Preload:
    """Modules that the nursery imports, which its workers then have for nothing.

    Attributes
    ----------
    first: imported first; one worker that is wanted by then starts with these alone, for one trial.
    then: imported after these, for all other workers.
    """

    first: tuple[str, ...] = ()
    then: tuple[str, ...] = ()

    def arguments(self) -> tuple[str, ...]:
        """As the nursery's command line names them."""
        return (*self.first, LATER, *self.then) if self.first else self.then


def start_worker(preload: Preload, arrays: int | None) -> WorkerProcess:
    """Begin a worker; returns within milliseconds, long before the worker says that it has started.

    Parameters
    ----------
    arrays: descriptor of the file with the target's arrays, if it has any.

    Raises
    ------
    OSError: the system has no process, memory or descriptor to give.
    """
    if sys.platform == "win32":
        return FreshWorker()
    else:
        return nursery(preload, os.getpid()).fork(arrays)


def prepare(preload: Preload) -> None:
    """Begin to import the modules that workers will need; does nothing where workers cannot be forked."""
    if sys.platform != "win32":
        nursery(preload, os.getpid()).warm()


def _child_command(role: str, handle: int, *modules: str) -> list[str]:
    if not sys.executable:
        raise AutoNetError("sys.executable is empty, so no worker can be started; run under a Python interpreter")
    # -P: the folder of the child's module must not go before the packages that the parent sees.
    return [sys.executable, "-P", "-m", "automl.runners.child", role, str(handle), *modules]


def _child_environment() -> dict[str, str]:
    # The child must find the same packages, this one first of all.
    path = os.pathsep.join(entry or "." for entry in sys.path)
    return {**os.environ, **thread_environment(1), "PYTHONPATH": path}


if sys.platform == "win32":

    class FreshWorker:
        """A worker in an interpreter of its own."""

        def __init__(self) -> None:
            ours, theirs = Pipe()
            self.connection = cast("Connection[Any, Any]", ours)
            handle = theirs.fileno()
            os.set_handle_inheritable(handle, True)
            startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
            try:
                self._process = subprocess.Popen(
                    _child_command("worker", handle),
                    env=_child_environment(),
                    stdin=subprocess.DEVNULL,
                    startupinfo=startup,
                    creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
                )
            except OSError:
                self.connection.close()
                raise
            finally:
                theirs.close()

        @property
        def sentinel(self) -> Any:
            return int(self._process._handle)  # type: ignore[attr-defined]

        def kill(self) -> None:
            self._process.kill()

        def reason(self) -> str:
            try:
                code = self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.kill()
                code = self._process.wait(GRACE)
            return exit_reason(code)

        def close(self) -> None:
            self.kill()
            self.connection.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)

else:

    class ForkedWorker:
        """A worker that the nursery forks.

        Its *lifeline* leads to the nursery: a request on it, or its end, kills the worker, and the nursery
        answers on it how the worker ended. So it serves as the sentinel.
        """

        def __init__(self, connection: Connection[Any, Any], lifeline: Connection[Any, Any]) -> None:
            self.connection = connection
            self._lifeline = lifeline

        @property
        def sentinel(self) -> Any:
            return self._lifeline

        def kill(self) -> None:
            with contextlib.suppress(OSError):  # the nursery has gone, and its workers with it
                self._lifeline.send_bytes(KILL)

        def reason(self) -> str:
            if not self._lifeline.poll(GRACE):
                self.kill()
                if not self._lifeline.poll(GRACE):
                    return "the worker process does not answer"
            try:
                word, text = self._lifeline.recv()
            except (EOFError, OSError):
                return "the process that starts the workers has died"
            return exit_reason(int(text)) if word == EXITED else str(text)

        def close(self) -> None:
            self.connection.close()
            self._lifeline.close()

    class Nursery:
        """The nursery process of this process; it is started when first needed, and again if it has died."""

        def __init__(self, preload: Preload) -> None:
            self._preload = preload
            self._lock = threading.Lock()
            self._owner = os.getpid()
            self._process: subprocess.Popen[bytes] | None = None
            self._control: socket.socket | None = None
            self._closed = False

        @property
        def pid(self) -> int | None:
            """Process id; None before the first worker."""
            return None if self._process is None else self._process.pid

        def warm(self) -> None:
            """Begin the imports, so that a worker asked for later need not wait for them; returns at once."""
            with self._lock:
                if not self._closed and (self._process is None or self._process.poll() is not None):
                    self._end()
                    self._start()

        def fork(self, arrays: int | None = None) -> ForkedWorker:
            """Ask for a worker; `arrays` is the descriptor of the file with its target's arrays."""
            connection, their_connection = Pipe()
            lifeline, their_lifeline = Pipe()
            try:
                descriptors = [their_connection.fileno(), their_lifeline.fileno()]
                if arrays is not None:
                    descriptors.append(arrays)
                with self._lock:
                    self._ask(descriptors)
            except BaseException:
                connection.close()
                lifeline.close()
                raise
            finally:
                their_connection.close()
                their_lifeline.close()
            return ForkedWorker(connection, lifeline)

        def close(self) -> None:
            """End the nursery and its workers; does nothing in a process that was forked from the owner."""
            if self._owner != os.getpid():
                return
            with self._lock:
                self._closed = True
                self._end()

        def _ask(self, descriptors: list[int]) -> None:
            if self._closed:
                raise OSError("this process is ending: no worker is started any more")
            if self._process is not None and self._process.poll() is None and self._control is not None:
                with contextlib.suppress(OSError):  # it died just now
                    socket.send_fds(self._control, [FORK], descriptors)
                    return
            self._end()
            socket.send_fds(self._start(), [FORK], descriptors)

        def _start(self) -> socket.socket:
            self._control, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    _child_command("nursery", theirs.fileno(), *self._preload.arguments()),
                    env=_child_environment(),
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # a Ctrl-C in the terminal reaches the whole foreground group
                )
            return self._control

        def _end(self) -> None:
            if self._control is not None:
                # Closing alone says nothing while a process that the user forked has a copy.
                with contextlib.suppress(OSError):
                    self._control.sendall(QUIT)
                self._control.close()
                self._control = None
            if self._process is not None:
                try:
                    self._process.wait(GRACE)
                except subprocess.TimeoutExpired:  # still importing, say
                    self._process.kill()
                    self._process.wait()
                self._process = None

    @functools.cache  # the handle of a process, kept so that later runners need not import torch again
    def nursery(preload: Preload, owner: int) -> Nursery:
        """The nursery with these modules of the process with the id `owner`; a fork needs one of its own."""
        made = Nursery(preload)
        atexit.register(made.close)
        return made
