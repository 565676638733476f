"""Entry point of the interpreters that a runner starts.

`python -m automl.runners.child nursery <fd> [module …] [-- module …]` imports the modules once and then forks workers
from itself (POSIX): a fork takes milliseconds where importing torch takes seconds. One worker that is wanted early is
forked at the `--`, with the modules before it only, so that a first trial need not wait for the others.
`python -m automl.runners.child worker <handle>` is a single worker (Windows).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, cast

from automl.runners.worker import serve

FORK = b"f"
"""Request on the control socket.

It comes with two or three descriptors: the worker's connection, its lifeline and the file with the target's arrays.
"""
QUIT = b"q"
"""Request on the control socket: end all workers and the nursery."""
KILL = b"k"
"""Request on a lifeline: kill the worker. The end of a lifeline means the same."""
FAILED = "failed"
"""First word of the answer on a lifeline when no worker was made; the reason follows."""
EXITED = "exited"
"""First word of the answer on a lifeline when the worker has ended; its exit code follows (-signal)."""

LATER = "--"
"""Stands on the command line between the modules that an early worker has and those that it need not wait for."""

PARENT_CHECK = 1.0
"""Seconds between looks at whether the parent lives.

The control socket tells at once; a copy of it in a process that the user forked would keep it open.
"""

if sys.platform != "win32":

    class Nursery:
        """Forks workers on request, kills them on request and tells how they ended.

        It is single-threaded, since fork copies only the thread that calls it. As the parent of the workers it
        can kill them without ever hitting a stranger who was given the same process id.
        """

        def __init__(self, control: socket.socket) -> None:
            self._control = control
            self._failure = ""
            self._early = False
            self._parent = os.getppid()
            self._lifelines: dict[int, Connection[Any, Any]] = {}
            self._woken, self._waker = socket.socketpair()
            self._waker.setblocking(False)
            self._woken.setblocking(False)
            signal.signal(signal.SIGCHLD, lambda *_: None)
            signal.set_wakeup_fd(self._waker.fileno())
            self._selector = selectors.DefaultSelector()
            self._selector.register(control, selectors.EVENT_READ)
            self._selector.register(self._woken, selectors.EVENT_READ)

        def run(self, early: Sequence[str], late: Sequence[str]) -> None:
            """Import the modules; serve until the parent asks to quit, closes the control socket or dies."""
            try:
                self._import(early)
                if late and self._selector.select(0):
                    self._early = True
                    if not self._admit():
                        return
                    self._early = False
                self._import(late)
                while os.getppid() == self._parent:
                    for key, _ in self._selector.select(PARENT_CHECK):
                        if key.fileobj is self._control:
                            if not self._admit():
                                return
                        elif key.fileobj is self._woken:
                            with contextlib.suppress(BlockingIOError):
                                self._woken.recv(4096)
                        else:
                            self._forget(key.data)
                    self._reap()
            finally:
                signal.set_wakeup_fd(-1)
                for pid in self._lifelines:
                    _kill(pid)
                for pid in self._lifelines:
                    os.waitpid(pid, 0)

        def _import(self, modules: Sequence[str]) -> None:
            try:
                for module in modules:
                    importlib.import_module(module)
            except Exception:  # told to whoever asks for a worker
                self._failure = f"cannot import the modules to preload:\n{traceback.format_exc()}"
            gc.collect()
            gc.freeze()  # what is frozen is never touched by the collector and stays shared between the forks
            sys.stdout.flush()
            sys.stderr.flush()

        def _admit(self) -> bool:
            request, descriptors, _, _ = socket.recv_fds(self._control, 1, 3)
            if request != FORK:
                return False
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)  # not for the programs that a trial runs
            for_worker = [descriptors[0], *descriptors[2:]]
            lifeline: Connection[Any, Any] = Connection(descriptors[1])
            try:
                pid = -1 if self._failure else os.fork()
                reason = self._failure
            except OSError as error:
                pid, reason = -1, f"cannot fork a worker: {error}"
            if pid == 0:
                lifeline.close()
                self._become_worker(*for_worker)
            for descriptor in for_worker:
                os.close(descriptor)
            if pid < 0:
                _answer(lifeline, FAILED, reason)
            else:
                self._lifelines[pid] = lifeline
                self._selector.register(lifeline, selectors.EVENT_READ, pid)
            return True

        def _become_worker(self, connection: int, arrays: int | None = None) -> None:
            try:
                nursery = os.getppid()
                # A copy of any of these would hide the end of the nursery, or of a worker, from the parent.
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                self._selector.close()
                for end in (self._control, self._woken, self._waker):
                    end.close()
                for lifeline in self._lifelines.values():
                    lifeline.close()
                os.setsid()
                _die_with(nursery)
                serve(Connection(connection), arrays, early=self._early)
            finally:
                os._exit(1)  # serve ends by itself; an error must not return into the nursery's loop

        def _forget(self, pid: int) -> None:
            """Kill a worker that the parent no longer wants; it is reaped when it has ended."""
            lifeline = self._lifelines[pid]
            with contextlib.suppress(EOFError, OSError):
                lifeline.recv_bytes()  # a socket that is closed with something unread loses what it has sent
            self._selector.unregister(lifeline)
            _kill(pid)

        def _reap(self) -> None:
            for pid in list(self._lifelines):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(pid, signal.SIGKILL)  # what the worker had started and left behind
                    lifeline = self._lifelines.pop(pid)
                    with contextlib.suppress(KeyError):  # unregistered when the parent asked for its end
                        self._selector.unregister(lifeline)
                    _answer(lifeline, EXITED, str(os.waitstatus_to_exitcode(status)))

    def _answer(lifeline: Connection[Any, Any], word: str, text: str) -> None:
        with contextlib.suppress(OSError):  # the parent may have stopped listening
            lifeline.send((word, text))
        lifeline.close()

    def _kill(pid: int) -> None:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not made its group yet
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _die_with(nursery: int) -> None:
        """On Linux, have the kernel kill this worker when the nursery dies, whatever the worker is doing."""
        if sys.platform == "linux":
            set_parent_death_signal = 1  # PR_SET_PDEATHSIG in <sys/prctl.h>
            ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != nursery:
            os._exit(1)

    def run_nursery(descriptor: int, modules: Sequence[str]) -> None:
        """Import the modules and serve the control socket on this descriptor."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to decide on; workers inherit
        cut = modules.index(LATER) if LATER in modules else len(modules)
        with socket.socket(fileno=descriptor) as control:
            Nursery(control).run(modules[:cut], modules[cut + 1 :])


def main(arguments: Sequence[str]) -> None:
    """Run as the command line says; see the module's first lines."""
    role, handle, *modules = arguments
    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        serve(cast("Connection[Any, Any]", PipeConnection(int(handle))))
    elif role == "nursery":
        run_nursery(int(handle), modules)


if __name__ == "__main__":
    main(sys.argv[1:])
