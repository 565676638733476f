"""Trials in processes: what comes back, what is held to, and what is left behind (nothing)."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from automl.errors import AutoNetError, SettingError
from automl.runners.processes import ProcessRunner
from automl.search.trial import Proposal, Result, State, Trial

if sys.platform != "win32":
    from automl.runners.nursery import nursery

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses fork and signals")

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
    pid = nursery((), os.getpid()).pid
    assert pid is not None
    return pid


@pytest.fixture
def pids(tmp_path: Path) -> Callable[[], list[int]]:
    """Reads the process ids that trials left in the folder `tmp_path / "pids"`."""
    folder = tmp_path / "pids"
    folder.mkdir()
    return lambda: sorted(int(each.name) for each in folder.iterdir())


def hanging_target(folder: Path) -> Callable[[Trial], Result]:
    """A target that leaves its process id and then hangs, holding the interpreter's lock."""

    def target(_: Trial) -> Result:
        (folder / "pids" / str(os.getpid())).touch()
        ctypes.PyDLL(None).sleep(600)
        return done()

    return target


# What comes back


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
        assert 'raise ValueError("no such thing")' in result.error
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


# Limits


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
    inside = family.num_fds()
    for _ in range(3):
        use()
    assert (me.num_fds(), threading.active_count(), me.children()) == (descriptors, threads, children)
    assert eventually(lambda: family.num_fds() == inside)
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


# Whole programs

HEAD = """
import os, sys, time
from pathlib import Path
from automl.runners.processes import ProcessRunner
from automl.search.trial import Proposal, Result, State, Trial

def trial(number):
    return Trial(number, Proposal({}), seed=0)
"""


def start_program(folder: Path, text: str) -> subprocess.Popen[str]:
    script = folder / "program.py"
    script.write_text(HEAD + textwrap.dedent(text))
    environment = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.Popen(
        [sys.executable, str(script)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def output_of(folder: Path, text: str) -> str:
    program = start_program(folder, text)
    output, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, errors) == (0, "")
    return output


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    text = """
    print("run")
    class Model:
        loss = 0.25
    runner = ProcessRunner(lambda t: Result(State.DONE, Model.loss), n_jobs=2)
    runner.submit(trial(0))
    print(runner.collect(None)[0][1].loss)
    """
    assert output_of(tmp_path, text) == "run\n0.25\n"


def test_importing_the_runner_does_not_import_torch(tmp_path: Path) -> None:
    assert output_of(tmp_path, "print('torch' in sys.modules, 'pandas' in sys.modules)") == "False False\n"


def test_a_forked_process_needs_and_gets_a_runner_of_its_own(tmp_path: Path) -> None:
    text = """
    target = lambda t: Result(State.DONE, os.getppid())
    runner = ProcessRunner(target, n_jobs=1)
    runner.submit(trial(0))
    nursery = runner.collect(None)[0][1].loss
    if os.fork() == 0:
        try:
            runner.submit(trial(1))
        except Exception as error:
            print("belongs to process" in str(error))
        runner.close()  # closes nothing of the parent
        own = ProcessRunner(target, n_jobs=1)
        own.submit(trial(0))
        print(own.collect(None)[0][1].loss != nursery, flush=True)
        sys.exit()
    os.wait()
    runner.submit(trial(2))
    print(runner.collect(None)[0][1].loss == nursery)
    """
    assert output_of(tmp_path, text) == "True\nTrue\nTrue\n"


@pytest.mark.parametrize("a_fork_lives_on", [False, True])
def test_everything_ends_when_the_main_process_is_killed(
    tmp_path: Path, pids: Callable[[], list[int]], a_fork_lives_on: bool
) -> None:
    text = f"""
    import ctypes
    def target(t):
        for pid in (os.getpid(), os.getppid()):
            Path("pids", str(pid)).touch()
        if t.number == 0:
            ctypes.PyDLL(None).sleep(600)  # holds the interpreter's lock
        while True:
            pass
    runner = ProcessRunner(target, n_jobs=2)
    runner.submit(trial(0)); runner.submit(trial(1))
    while len(list(Path("pids").iterdir())) < 3:
        time.sleep(0.01)
    if {a_fork_lives_on} and os.fork() == 0:  # its copies of the descriptors keep every connection open
        time.sleep(600)
    Path("begun").touch()
    runner.collect(None)
    """
    program = start_program(tmp_path, text)
    try:
        assert eventually((tmp_path / "begun").exists)
        assert len(pids()) == 3
        assert not any(ended(pid) for pid in pids())
        os.kill(program.pid, signal.SIGKILL)
        program.wait(PATIENCE)
        start = time.monotonic()
        assert eventually(lambda: all(ended(pid) for pid in pids()))
        assert time.monotonic() - start < PROMPT
    finally:
        if a_fork_lives_on:
            os.killpg(program.pid, signal.SIGKILL)
        program.communicate(timeout=PATIENCE)


def test_an_interrupt_is_for_the_main_process_to_decide_on(tmp_path: Path) -> None:
    text = """
    def target(t):
        Path("begun").touch()
        while not Path("go").exists():
            time.sleep(0.01)
        return Result(State.DONE, 1.0)
    runner = ProcessRunner(target, n_jobs=1)
    runner.submit(trial(0))
    try:
        runner.collect(None)
    except KeyboardInterrupt:
        Path("go").touch()
        print(runner.collect(None)[0][1].state)
    """
    program = start_program(tmp_path, text)
    assert eventually((tmp_path / "begun").exists)
    os.killpg(program.pid, signal.SIGINT)
    assert program.communicate(timeout=PATIENCE) == ("done\n", "")
