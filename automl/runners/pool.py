"""The workers of one runner and the thread that looks after them.

The thread starts workers, hands out trials, holds them to their limits and replaces workers that end. It is a
thread so that the limits hold while the caller is busy, choosing the next trial for instance.
"""

from __future__ import annotations

import pickle
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Pipe, wait
from typing import Any

import psutil

from automl.errors import AutoNetError
from automl.runners.nursery import WorkerProcess
from automl.runners.worker import Broken, Ended, Ready, Setup, Started
from automl.search.trial import Result, State

MEMORY_CHECK = 0.1
"""Seconds between looks at the memory of the workers."""

START_ATTEMPTS = 3
"""Workers that may fail one after another before the waiting trials are given up."""

CLOSE_TIME = 1.0
"""Seconds that closing waits for killed workers to end."""

MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a trial may use: seconds, and MiB above what its worker had at its start. None is no limit."""

    seconds: float | None = None
    mebibytes: float | None = None


@dataclass(slots=True, eq=False)
class _Worker:
    process: WorkerProcess
    memory: psutil.Process | None = None
    baseline: int = 0
    ready: bool = False
    early: bool = False  # lacks modules that later workers have
    leaving: bool = False  # killed; waits only for its process to end
    trial: int | None = None
    since: float = 0.0

    def rss(self) -> int:
        """Resident bytes; 0 once the process has ended."""
        try:
            return 0 if self.memory is None else int(self.memory.memory_info().rss)
        except psutil.Error:
            return 0

    def leave(self) -> None:
        self.leaving = True
        self.trial = None
        self.process.kill()


@dataclass(slots=True)
class _Books:
    """Trials on their way through the pool."""

    waiting: deque[tuple[int, bytes]] = field(default_factory=deque)
    ended: list[tuple[int, Result]] = field(default_factory=list)
    open: int = 0  # submitted and not ended

    def end(self, number: int, result: Result) -> None:
        self.ended.append((number, result))
        self.open -= 1


class Pool:
    """At most `size` workers that run one target, each trial within the limits.

    Parameters
    ----------
    start: begins a worker process.
    stream: the pickled target.
    setup: what workers take over from this process.
    """

    def __init__(
        self, start: Callable[[], WorkerProcess], stream: bytes, setup: Setup, size: int, limits: Limits
    ) -> None:
        self._start = start
        self._stream = stream
        self._setup = pickle.dumps(setup)
        self._size = size
        self._limits = limits
        self._lock = threading.Condition()
        self._books = _Books()
        self._workers: list[_Worker] = []
        self._failures = 0  # workers in a row that did not get ready
        self._warm = False
        self._closing = False
        self._fault = ""
        self._woken = False
        self._wake_receiver, self._wake_sender = Pipe(duplex=False)
        self._thread: threading.Thread | None = None

    # What the runner calls, from any thread.

    def submit(self, number: int, message: bytes) -> None:
        with self._lock:
            self._check_open()
            self._books.waiting.append((number, message))
            self._books.open += 1
            self._wake()

    def warm_up(self) -> None:
        with self._lock:
            self._check_open()
            self._warm = True
            self._wake()

    def collect(self, timeout: float | None) -> list[tuple[int, Result]]:
        with self._lock:
            self._lock.wait_for(lambda: self._books.ended or not self._books.open or self._fault, timeout)
            if self._fault:
                raise AutoNetError(f"the thread that looks after the workers has failed:\n{self._fault}")
            ended, self._books.ended = self._books.ended, []
            return ended

    def abandon(self) -> None:
        with self._lock:
            self._books.waiting.clear()
            self._books.open = 0
            for worker in self._workers:
                if worker.trial is not None:
                    worker.leave()
            self._lock.notify_all()

    def close(self) -> None:
        with self._lock:
            first, self._closing = not self._closing, True
            self._books.waiting.clear()
            self._books.open = 0
            self._lock.notify_all()
            if self._thread is None:
                if first:
                    self._wake_receiver.close()
                    self._wake_sender.close()
                return
            self._wake()
        # The garbage collector may call this from the thread itself, which cannot wait for its own end.
        if self._thread is not threading.current_thread():
            self._thread.join(2 * CLOSE_TIME)

    def _check_open(self) -> None:
        if self._closing:
            raise AutoNetError("the runner is closed and takes no more trials; make a new one")

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._look_after, name="autonet-runner", daemon=True)
            self._thread.start()
        elif not self._woken and not self._wake_sender.closed:  # one message at a time: the pipe never fills
            self._wake_sender.send_bytes(b"")
            self._woken = True

    # What the thread does. It alone starts workers and closes connections.

    def _look_after(self) -> None:
        try:
            while not self._closing:
                with self._lock:
                    self._hire()
                    self._hand_out()
                    sources = self._sources()
                    timeout = self._time_to_next_check()
                ready = wait(list(sources), timeout)
                with self._lock:
                    if self._wake_receiver in ready:
                        self._wake_receiver.recv_bytes()
                        self._woken = False
                    for source in ready:
                        self._serve(source, sources[source])
                    self._enforce()
                    if self._books.ended or not self._books.open:
                        self._lock.notify_all()
        except BaseException:
            with self._lock:
                self._fault = traceback.format_exc()
                self._lock.notify_all()
        finally:
            self._end_all()

    def _hire(self) -> None:
        alive = [w for w in self._workers if not w.leaving]
        free = sum(w.trial is None for w in alive)
        room = self._size - len(alive)
        missing = room if self._warm else min(room, len(self._books.waiting) - free)
        self._warm = False
        while missing > 0:
            missing -= 1
            try:
                self._workers.append(_Worker(self._start()))
            except (OSError, AutoNetError) as error:
                self._start_failed(f"cannot start a worker process: {error}")
                missing = min(missing + 1, len(self._books.waiting))

    def _hand_out(self) -> None:
        for worker in self._workers:
            if not self._books.waiting:
                return
            if worker.ready and worker.trial is None and not worker.leaving:
                number, message = self._books.waiting[0]
                try:
                    worker.process.connection.send_bytes(message)
                except OSError:  # it has just ended by itself, as its sentinel will tell
                    continue
                self._books.waiting.popleft()
                worker.trial, worker.since = number, time.monotonic()

    def _sources(self) -> dict[Any, _Worker | None]:
        sources: dict[Any, _Worker | None] = {self._wake_receiver: None}
        for worker in self._workers:
            sources[worker.process.sentinel] = worker
            if not worker.leaving:
                sources[worker.process.connection] = worker
        return sources

    def _time_to_next_check(self) -> float | None:
        busy = [w.since for w in self._workers if w.trial is not None]
        times = []
        if busy and self._limits.seconds is not None:
            times.append(max(0.0, min(busy) + self._limits.seconds - time.monotonic()))
        if busy and self._limits.mebibytes is not None:
            times.append(MEMORY_CHECK)
        return min(times, default=None)

    def _serve(self, source: Any, worker: _Worker | None) -> None:
        if worker is None or worker not in self._workers:
            return
        connection = worker.process.connection
        try:
            if source is connection and not worker.leaving:
                self._heed(worker, pickle.loads(connection.recv_bytes()))
            elif source is not connection:
                while not worker.leaving and connection.poll():  # the last words of a worker that has ended
                    self._heed(worker, pickle.loads(connection.recv_bytes()))
                self._lost(worker)
        except (EOFError, OSError):
            self._lost(worker)

    def _heed(self, worker: _Worker, message: object) -> None:
        match message:
            case Started(pid, early):
                worker.early = early
                with suppress(psutil.Error):  # it has ended already, as its sentinel will tell
                    worker.memory = psutil.Process(pid)
                worker.process.connection.send_bytes(self._setup)
                worker.process.connection.send_bytes(self._stream)
            case Ready():
                worker.ready = True
                worker.baseline = worker.rss()
                self._failures = 0
            case Broken(error):
                worker.leave()
                self._start_failed(error)
            case Ended(result) if worker.trial is not None:
                self._books.end(worker.trial, result)
                worker.trial = None
                # What a trial leaves behind must not count against the next one: a new worker costs little.
                limit = self._limits.mebibytes
                grown = limit is not None and worker.rss() - worker.baseline > limit * MEBIBYTE / 2
                if grown or worker.early:  # it would import what the others have, beside the nursery that does
                    worker.leave()

    def _lost(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        if not worker.leaving:
            reason = worker.process.reason()
            if worker.trial is not None:
                self._stop(worker, State.CRASHED, reason)
            elif not worker.ready:
                self._start_failed(reason)
        worker.process.close()

    def _stop(self, worker: _Worker, state: State, error: str) -> None:
        assert worker.trial is not None
        cost = time.monotonic() - worker.since
        self._books.end(worker.trial, Result(state, cost=cost, error=error))
        worker.leave()

    def _start_failed(self, reason: str) -> None:
        self._failures += 1
        if self._failures >= START_ATTEMPTS:
            error = f"{START_ATTEMPTS} workers in a row failed to start, the last one so:\n{reason}"
            for number, _ in self._books.waiting:
                self._books.end(number, Result(State.CRASHED, error=error))
            self._books.waiting.clear()
            self._failures = 0

    def _enforce(self) -> None:
        seconds, mebibytes = self._limits.seconds, self._limits.mebibytes
        now = time.monotonic()
        for worker in self._workers:
            if worker.trial is None:
                continue
            if seconds is not None and now - worker.since >= seconds:
                self._stop(worker, State.TIMEOUT, f"the trial passed its time limit of {seconds:g} s")
            elif mebibytes is not None:
                used = (worker.rss() - worker.baseline) / MEBIBYTE
                if used > mebibytes:
                    error = f"the trial held {used:.0f} MiB, above its memory limit of {mebibytes:g} MiB"
                    self._stop(worker, State.MEMORY, error)

    def _end_all(self) -> None:
        deadline = time.monotonic() + CLOSE_TIME
        with self._lock:
            for worker in self._workers:
                worker.leave()
            left = list(self._workers)
            while left and (ended := wait([w.process.sentinel for w in left], deadline - time.monotonic())):
                left = [w for w in left if w.process.sentinel not in ended]
            for worker in self._workers:
                worker.process.close()
            self._workers.clear()
            self._wake_receiver.close()
            self._wake_sender.close()
