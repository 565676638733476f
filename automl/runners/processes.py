"""Trials in worker processes on this machine, with a time and a memory limit for each."""

from __future__ import annotations

import functools
import importlib.util
import math
import os
import weakref
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import cloudpickle

from automl.errors import AutoNetError, SettingError
from automl.runners.nursery import Preload, start_worker
from automl.runners.parcel import Parcel, pack
from automl.runners.pool import Limits, Pool
from automl.runners.worker import Setup, Target
from automl.search.trial import Result, Trial


class ProcessRunner:
    """Runs trials in worker processes.

    Workers start with the first trials, take one trial after another, and are killed and replaced when a
    trial passes a limit or takes its worker down. Every ending of a trial becomes a `Result`: an exception, an
    exit code or a signal gives CRASHED (`MemoryError` gives MEMORY) with its traceback or reason in `error`, a
    limit gives TIMEOUT or MEMORY. When this process dies, even by SIGKILL, its workers end with it.

    Parameters
    ----------
    target: turns a trial into its result. It goes to each worker once, by cloudpickle, so that it may be a
        lambda, a closure, or a class of a notebook, and scripts need no `if __name__ == "__main__"`. On POSIX the
        workers share the memory of its large arrays.
    n_jobs: trials at once, >= 1.
    threads: cores that a worker's numerical libraries may use, >= 1.
    time_limit: seconds for one trial, > 0; None for no limit.
    memory_limit: MiB (resident) for one trial, > 0, above what its worker held at its start; None for no
        limit.
    first: modules that the first trials need; on POSIX one worker starts as soon as these are imported.
    preload: modules that workers will need, such as "torch". On POSIX they are imported once for all workers,
        also those of later runners; elsewhere they are imported when the target needs them.

    Raises
    ------
    SettingError: a value breaks its rule, a module to preload is not installed, or the target cannot be
        pickled.
    """

    def __init__(
        self,
        target: Target,
        *,
        n_jobs: int,
        threads: int = 1,
        time_limit: float | None = None,
        memory_limit: float | None = None,
        first: Sequence[str] = (),
        preload: Sequence[str] = (),
    ) -> None:
        self.capacity = _count("n_jobs", n_jobs)
        threads = _count("threads", threads)
        limits = Limits(_limit("time_limit", time_limit, "s"), _limit("memory_limit", memory_limit, "MiB"))
        modules = Preload(_installed(first), _installed(preload))
        self._parcel = _packed(target)
        start = functools.partial(start_worker, modules, self._parcel.descriptor)
        setup = Setup.of_this_process(threads, self._parcel.spans)
        self._pool = Pool(start, self._parcel.stream, setup, self.capacity, limits)
        self._owner = os.getpid()
        # A runner that is dropped, or never closed before the end, closes itself.
        weakref.finalize(self, _close, self._pool, self._parcel, self._owner)

    def submit(self, trial: Trial) -> None:
        """Run this trial as soon as a worker is free; returns at once.

        Raises
        ------
        AutoNetError: the runner is closed, or belongs to the process from which this one was forked.
        """
        self._check_owner()
        self._pool.submit(trial.number, cloudpickle.dumps(trial))

    def collect(self, timeout: float | None) -> list[tuple[int, Result]]:
        """Numbers and results of the trials that ended since the last call.

        Parameters
        ----------
        timeout: seconds to wait for the first one; None waits for as long as a trial runs.

        Returns
        -------
        In the order in which they ended; empty when the time has passed or no trial is under way.
        """
        self._check_owner()
        return self._pool.collect(timeout)

    def warm_up(self) -> None:
        """Start all workers now, so that the first trials need not wait for them; returns at once."""
        self._check_owner()
        self._pool.warm_up()

    def abandon(self) -> None:
        """Kill the trials that run and forget those that wait; none of them is ever collected.

        Returns at once. Results that were there before can still be collected, and new trials submitted.
        """
        self._check_owner()
        self._pool.abandon()

    def close(self) -> None:
        """Kill what runs and end the workers, within about a second; a second call does nothing."""
        _close(self._pool, self._parcel, self._owner)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_owner(self) -> None:
        if os.getpid() != self._owner:
            raise AutoNetError(
                f"this runner belongs to process {self._owner}, from which process {os.getpid()} was forked; "
                "make a new runner here"
            )


def _close(pool: Pool, parcel: Parcel, owner: int) -> None:
    if os.getpid() == owner:
        pool.close()
        parcel.close()


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingError(f"{name} is {value!r}; it must be a whole number of at least 1")
    return value


def _limit(name: str, value: float | None, unit: str) -> float | None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise SettingError(f"{name} is {value!r}; it must be above 0 {unit} and finite, or None for no limit")
    return value


def _installed(modules: Sequence[str]) -> tuple[str, ...]:
    for module in modules:
        # Only the outermost package: looking for an inner one would import what is around it.
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            raise SettingError(f"cannot preload {module!r}: no such module is installed; install it or leave it out")
    return tuple(modules)


def _packed(target: Target) -> Parcel:
    try:
        return pack(target)
    except Exception as error:
        raise SettingError(
            f"the target {target!r} cannot be sent to worker processes ({error}); "
            "leave out what it holds open, such as files, locks and connections"
        ) from error
