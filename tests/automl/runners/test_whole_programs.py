"""Programs that use a process runner, from their first line to their end or their murder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import PATIENCE, PROMPT, ROOT, ended, eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses fork and signals")


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
