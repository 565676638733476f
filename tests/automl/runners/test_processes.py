"""Trials in worker processes: what comes back, and what becomes of failures."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from processes import PATIENCE, done, eventually, gone, hanging_target, nursery_pid, one, several, trial

from automl.runners.processes import ProcessRunner
from automl.search.trial import Result, State, Trial

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses fork and signals")


def test_every_trial_comes_back_with_its_result() -> None:
    with ProcessRunner(lambda t: done(t.config["x"] ** 2, artefact="a", curve=((0.5, 1.0),)), n_jobs=2) as runner:
        for number in range(20):
            runner.submit(trial(number, x=float(number)))
        results = several(runner, 20)
    assert {n: r.loss for n, r in results.items()} == {n: n**2 for n in range(20)}
    assert all(r.artefact == "a" and r.curve == ((0.5, 1.0),) for r in results.values())


def test_trials_run_at_once_up_to_the_capacity(tmp_path: Path) -> None:
    def meet(t: Trial) -> Result:
        (tmp_path / str(t.number)).touch()
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.001)
        return done()

    with ProcessRunner(meet, n_jobs=2, time_limit=PATIENCE) as runner:
        assert runner.capacity == 2
        runner.submit(trial(0))
        runner.submit(trial(1))
        assert {r.state for r in several(runner, 2).values()} == {State.DONE}


def test_a_worker_keeps_its_process_from_trial_to_trial() -> None:
    with ProcessRunner(lambda t: done(os.getpid()), n_jobs=1) as runner:
        assert one(runner, 0).loss == one(runner, 1).loss != os.getpid()


def test_a_target_may_be_of_a_local_class_with_captured_values() -> None:
    class Offset:
        def __init__(self, by: float) -> None:
            self.by = by

        def __call__(self, t: Trial) -> Result:
            return done(t.number + self.by)

    with ProcessRunner(Offset(0.5), n_jobs=1) as runner:
        assert one(runner, 3).loss == 3.5


def test_large_arrays_of_a_target_reach_every_worker_and_stay_its_own() -> None:
    data = np.arange(10**6, dtype=np.float64)
    frozen = data.copy()
    frozen.flags.writeable = False

    def target(t: Trial) -> Result:
        data[0] += 1.0
        return done(float(data[0] + data[-1]), artefact=f"{os.getpid()} {frozen.flags.writeable}")

    with ProcessRunner(target, n_jobs=1) as runner:
        assert [one(runner, n).loss for n in range(2)] == [10**6, 10**6 + 1.0]
        assert str(one(runner, 2).artefact).endswith("False")
    with ProcessRunner(target, n_jobs=1) as runner:
        assert one(runner).loss == 10**6
    assert data[0] == 0.0


def test_the_data_of_a_target_do_not_count_as_memory_of_its_trials() -> None:
    data = np.ones(150 * 2**17)  # 150 MiB

    def target(_: Trial) -> Result:
        total = float(data.sum())
        data[:] = 0.0
        time.sleep(0.3)  # long enough to be looked at
        return done(total)

    with ProcessRunner(target, n_jobs=1, memory_limit=100) as runner:
        assert one(runner).state is State.DONE


def test_cost_is_measured_unless_the_target_gave_one() -> None:
    def target(t: Trial) -> Result:
        time.sleep(0.05)
        return done(cost=t.config["cost"])

    with ProcessRunner(target, n_jobs=1) as runner:
        assert 0.05 <= one(runner, 0, cost=0.0).cost < PATIENCE
        assert one(runner, 1, cost=7.0).cost == 7.0


def test_collect_returns_at_once_when_nothing_is_under_way() -> None:
    with ProcessRunner(lambda t: done(), n_jobs=1) as runner:
        assert runner.collect(None) == []
        one(runner)
        assert runner.collect(None) == []


def test_collect_returns_empty_when_its_time_has_passed(tmp_path: Path, pids: Callable[[], list[int]]) -> None:
    with ProcessRunner(hanging_target(tmp_path), n_jobs=1) as runner:
        runner.submit(trial())
        start = time.monotonic()
        assert runner.collect(0.1) == []
        assert 0.1 <= time.monotonic() - start < PATIENCE


def test_workers_see_the_environment_and_the_folder_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ProcessRunner(lambda t: done(), n_jobs=1) as runner:
        one(runner)  # the nursery has been started by now, in another folder
    monkeypatch.setenv("AUTONET_TEST_WORD", "later")
    monkeypatch.chdir(tmp_path)
    with ProcessRunner(lambda t: done(artefact=os.environ["AUTONET_TEST_WORD"] + os.getcwd()), n_jobs=1) as runner:
        assert one(runner).artefact == f"later{tmp_path}"


# Failures become states


def test_an_exception_becomes_a_crash_with_its_traceback_and_the_worker_goes_on() -> None:
    def target(t: Trial) -> Result:
        if t.config["fail"]:
            raise ValueError("no such thing")
        return done(os.getpid())

    with ProcessRunner(target, n_jobs=1) as runner:
        before = one(runner, 0, fail=False).loss
        result = one(runner, 1, fail=True)
        assert result.state is State.CRASHED
        assert "ValueError: no such thing" in result.error
        # The text of the line is there only where cloudpickle keeps the name of the file.
        assert re.search(r"line \d+, in target", result.error)
        assert result.loss == float("inf")
        assert one(runner, 2, fail=False).loss == before


@pytest.mark.parametrize("message", ["", "[enforce fail] DefaultCPUAllocator: can't allocate memory"])
def test_running_out_of_memory_becomes_the_memory_state(message: str) -> None:
    def target(_: Trial) -> Result:
        raise RuntimeError(message) if message else MemoryError()

    with ProcessRunner(target, n_jobs=1) as runner:
        assert one(runner).state is State.MEMORY


def test_a_target_that_closes_its_output_loses_no_result() -> None:
    with ProcessRunner(lambda t: done(float(bool(sys.stdout.close()))), n_jobs=1) as runner:
        assert [one(runner, number).state for number in range(2)] == [State.DONE, State.DONE]


def test_sys_exit_in_a_target_is_a_crash() -> None:
    with ProcessRunner(lambda t: sys.exit(3), n_jobs=1) as runner:
        result = one(runner)
    assert (result.state, "SystemExit: 3" in result.error) == (State.CRASHED, True)


def test_a_target_that_returns_no_result_is_told_what_to_return() -> None:
    with ProcessRunner(lambda t: 0.5, n_jobs=1) as runner:  # type: ignore[arg-type,return-value]
        assert "returned a float; a target must return a Result" in one(runner).error


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda: os._exit(7), "exit code 7"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "SIGSEGV"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "out of memory"),
    ],
)
def test_a_worker_that_dies_is_a_crash_and_is_replaced(end: Callable[[], None], words: str) -> None:
    def target(t: Trial) -> Result:
        if t.number == 0:
            end()
        return done()

    with ProcessRunner(target, n_jobs=1) as runner:
        result = one(runner, 0)
        assert result.state is State.CRASHED
        assert words in result.error
        assert one(runner, 1).state is State.DONE


class _Unloadable:
    def __init__(self, how: str) -> None:
        self.how = how

    def __call__(self, t: Trial) -> Result:
        return done()

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, (self.how,))


@pytest.mark.parametrize(
    ("how", "words"), [("raise OSError('gone')", "OSError: gone"), ("import os; os._exit(5)", "exit code 5")]
)
def test_workers_that_never_get_ready_give_up_the_waiting_trials(how: str, words: str) -> None:
    with ProcessRunner(_Unloadable(how), n_jobs=2) as runner:
        for number in range(4):
            runner.submit(trial(number))
        results = several(runner, 4)
        assert {r.state for r in results.values()} == {State.CRASHED}
        assert all(words in r.error and "failed to start" in r.error for r in results.values())
        assert words in one(runner, 4).error  # a later trial is tried again and ends too


def test_a_module_that_cannot_be_preloaded_is_named_in_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaks_at_import.py").write_text("raise RuntimeError('half installed')")
    monkeypatch.syspath_prepend(tmp_path)
    with ProcessRunner(lambda t: done(), n_jobs=1, preload=["breaks_at_import"]) as runner:
        assert "RuntimeError: half installed" in one(runner).error


def test_a_killed_nursery_is_started_again() -> None:
    with ProcessRunner(lambda t: done(), n_jobs=1) as runner:
        one(runner, 0)
        worker = psutil.Process(nursery_pid()).children()
        os.kill(nursery_pid(), signal.SIGKILL)
        assert eventually(lambda: all(gone(each.pid) for each in worker))
        # The runner may hand the next trial out before it has seen that its worker went too.
        assert eventually(lambda: one(runner, 1).state is State.DONE)


def test_a_first_trial_does_not_wait_for_modules_that_it_does_not_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "comes_late.py").write_text(
        f"import pathlib, time\nwhile not pathlib.Path({str(tmp_path / 'now')!r}).exists():\n    time.sleep(0.01)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def knows(t: Trial) -> Result:
        return done(float("comes_late" in sys.modules), artefact=str(os.getpid()))

    with ProcessRunner(knows, n_jobs=1, first=["zipfile"], preload=["comes_late"]) as runner:
        early = one(runner, 0)
        (tmp_path / "now").touch()
        assert eventually(lambda: one(runner, 1).loss == 1.0)
        late = one(runner, 2)
    assert early.loss == 0.0
    assert late.loss == 1.0
    assert late.artefact != early.artefact
