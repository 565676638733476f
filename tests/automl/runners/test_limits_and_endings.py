"""Trials in worker processes: limits, endings and settings."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from processes import PATIENCE, PROMPT, done, eventually, gone, hanging_target, nursery_pid, one, several, trial

from automl.errors import AutoNetError, SettingError
from automl.runners.processes import ProcessRunner
from automl.search.trial import Result, State, Trial

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses fork and signals")


def test_a_trial_that_passes_its_time_limit_is_killed_even_in_native_code(
    tmp_path: Path, pids: Callable[[], list[int]]
) -> None:
    with ProcessRunner(hanging_target(tmp_path), n_jobs=1, time_limit=0.3) as runner:
        result = one(runner)
        assert result.state is State.TIMEOUT
        assert "time limit of 0.3 s" in result.error
        assert 0.3 <= result.cost < PROMPT
        assert eventually(lambda: all(gone(pid) for pid in pids()))


def test_the_time_limit_holds_while_the_caller_is_busy(tmp_path: Path, pids: Callable[[], list[int]]) -> None:
    with ProcessRunner(hanging_target(tmp_path), n_jobs=1, time_limit=0.3) as runner:
        runner.submit(trial())
        assert eventually(lambda: pids() and gone(pids()[0]))
        assert [r.state for _, r in runner.collect(0)] == [State.TIMEOUT]


def test_trials_go_on_after_a_timeout() -> None:
    def target(t: Trial) -> Result:
        time.sleep(600 if t.number == 0 else 0)
        return done()

    with ProcessRunner(target, n_jobs=1, time_limit=0.3) as runner:
        runner.submit(trial(0))
        runner.submit(trial(1))
        states = {n: r.state for n, r in several(runner, 2).items()}
    assert states == {0: State.TIMEOUT, 1: State.DONE}


def test_what_a_killed_trial_had_started_ends_with_it(tmp_path: Path) -> None:
    def target(_: Trial) -> Result:
        child = subprocess.Popen(["sleep", "600"])
        (tmp_path / "child.tmp").write_text(str(child.pid))
        (tmp_path / "child.tmp").rename(tmp_path / "child")
        child.wait()
        return done()

    with ProcessRunner(target, n_jobs=1, time_limit=0.5) as runner:
        assert one(runner).state is State.TIMEOUT
        assert eventually(lambda: gone(int((tmp_path / "child").read_text())))


def test_a_trial_that_passes_its_memory_limit_is_killed() -> None:
    def target(t: Trial) -> Result:
        held = b"x" * (t.config["mebibytes"] * 2**20)
        time.sleep(600 if t.number == 0 else 0)
        return done(len(held))

    with ProcessRunner(target, n_jobs=1, memory_limit=100, time_limit=PATIENCE) as runner:
        result = one(runner, 0, mebibytes=250)
        assert result.state is State.MEMORY
        assert "above its memory limit of 100 MiB" in result.error
        assert one(runner, 1, mebibytes=20).state is State.DONE


def test_memory_that_a_trial_left_behind_is_not_counted_against_the_next() -> None:
    def target(_: Trial) -> Result:
        os.left = [*getattr(os, "left", []), b"x" * (70 * 2**20)]  # type: ignore[attr-defined]
        time.sleep(0.3)  # long enough to be looked at
        return done(os.getpid())

    with ProcessRunner(target, n_jobs=1, memory_limit=100) as runner:
        results = [one(runner, number) for number in range(3)]
    assert {r.state for r in results} == {State.DONE}
    assert len({r.loss for r in results}) == 3  # each in a worker of its own


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_worker_keeps_to_its_share_of_the_threads(library: str) -> None:
    def target(_: Trial) -> Result:
        import threadpoolctl
        import torch

        sizes = {each["num_threads"] for each in threadpoolctl.threadpool_info()}
        sizes |= {torch.get_num_threads(), int(os.environ["OMP_NUM_THREADS"])}
        return done(artefact=str(sizes))

    for threads in (1, 2):
        with ProcessRunner(target, n_jobs=1, threads=threads, preload=[library]) as runner:
            assert one(runner).artefact == str({threads})


# Endings


def test_abandon_kills_what_runs_and_forgets_what_waits(tmp_path: Path, pids: Callable[[], list[int]]) -> None:
    hang = hanging_target(tmp_path)
    with ProcessRunner(lambda t: done() if t.number == 9 else hang(t), n_jobs=2) as runner:
        for number in range(4):
            runner.submit(trial(number))
        assert eventually(lambda: len(pids()) == 2)
        start = time.monotonic()
        runner.abandon()
        assert runner.collect(None) == []
        assert time.monotonic() - start < PROMPT
        assert eventually(lambda: all(gone(pid) for pid in pids()))
        assert one(runner, 9).state is State.DONE
        assert len(pids()) == 2  # those that waited never ran


def test_results_that_were_there_before_survive_abandon() -> None:
    with ProcessRunner(lambda t: done(), n_jobs=1) as runner:
        runner.submit(trial())
        assert eventually(lambda: runner._pool._books.ended)
        runner.abandon()
        assert [number for number, _ in runner.collect(0)] == [0]


def test_close_ends_hanging_workers_promptly(tmp_path: Path, pids: Callable[[], list[int]]) -> None:
    runner = ProcessRunner(hanging_target(tmp_path), n_jobs=2)
    runner.submit(trial(0))
    runner.submit(trial(1))
    assert eventually(lambda: len(pids()) == 2)
    start = time.monotonic()
    runner.close()
    assert time.monotonic() - start < PROMPT
    assert all(gone(pid) for pid in pids())
    runner.close()
    runner.abandon()
    assert runner.collect(None) == []
    with pytest.raises(AutoNetError, match="closed"):
        runner.submit(trial(2))


def test_a_runner_that_was_never_used_can_be_closed() -> None:
    runner = ProcessRunner(lambda t: done(), n_jobs=2)
    runner.close()
    runner.close()
    assert runner.collect(None) == []


def test_a_runner_that_is_dropped_ends_its_workers(tmp_path: Path, pids: Callable[[], list[int]]) -> None:
    runner = ProcessRunner(hanging_target(tmp_path), n_jobs=1)
    runner.submit(trial())
    assert eventually(pids)
    del runner
    gc.collect()
    assert eventually(lambda: gone(pids()[0]))


def test_runners_leave_no_process_no_descriptor_and_no_thread_behind() -> None:
    def target(t: Trial) -> Result:
        if t.number % 3 == data[0]:
            os._exit(1)
        time.sleep(600 if t.number % 3 == 1 else 0)
        return done()

    data = np.zeros(10**5)

    def use() -> None:
        with ProcessRunner(target, n_jobs=2, time_limit=0.1) as runner:
            for number in range(6):
                runner.submit(trial(number))
            several(runner, 6)

    me = psutil.Process()
    use()
    descriptors, threads, children = me.num_fds(), threading.active_count(), me.children()
    family = psutil.Process(nursery_pid())
    assert eventually(lambda: family.children() == [])  # a worker that is ending still has its descriptors
    inside = family.num_fds()
    for _ in range(3):
        use()
    assert (me.num_fds(), threading.active_count(), me.children()) == (descriptors, threads, children)
    assert eventually(lambda: family.num_fds() <= inside)
    assert family.children() == []  # nor a zombie: those count as children


def test_the_nursery_serves_one_runner_after_another() -> None:
    with ProcessRunner(lambda t: done(os.getppid()), n_jobs=1) as runner:
        first = one(runner).loss
    with ProcessRunner(lambda t: done(os.getppid()), n_jobs=1) as runner:
        assert one(runner).loss == first == nursery_pid()


def test_warm_up_starts_all_workers_without_a_trial() -> None:
    with ProcessRunner(lambda t: done(), n_jobs=3) as runner:
        runner.warm_up()
        assert eventually(lambda: len(psutil.Process(nursery_pid()).children()) == 3)
        assert one(runner).state is State.DONE


# Settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_jobs": 0}, "n_jobs is 0; it must be a whole number of at least 1"),
        ({"n_jobs": 1.5}, "n_jobs is 1.5"),
        ({"n_jobs": 1, "threads": 0}, "threads is 0"),
        ({"n_jobs": 1, "time_limit": 0}, "time_limit is 0; it must be above 0 s"),
        ({"n_jobs": 1, "memory_limit": float("nan")}, "memory_limit is nan; it must be above 0 MiB"),
        ({"n_jobs": 1, "preload": ["no_such_package.part"]}, "cannot preload 'no_such_package.part'"),
    ],
)
def test_a_bad_setting_is_refused_by_name(settings: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError, match=words.replace(".", r"\.")):
        ProcessRunner(lambda t: done(), **settings)  # type: ignore[arg-type]


def test_a_target_that_cannot_be_pickled_is_refused() -> None:
    lock = threading.Lock()
    with pytest.raises(SettingError, match="cannot be sent to worker processes"):
        ProcessRunner(lambda t: done(float(lock.locked())), n_jobs=1)
