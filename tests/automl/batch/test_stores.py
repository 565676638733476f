"""A batch on a file and on a server: a task whose process was killed goes on in the store where it stopped."""

from __future__ import annotations

import sys
from dataclasses import astuple
from pathlib import Path

import pytest

from automl import run_batch
from automl.batch.check import check_tasks
from automl.batch.result import TaskState
from automl.batch.run import CHILD, run_checked
from metalearn import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses signals")
TRIALS, KILLED_AFTER = 4, 2
DYING = f"""
import os, signal
from automl.batch.child import main
from metalearn import Store

write = Store.write

def write_and_die(self, run, record):
    write(self, run, record)
    if record.state != "running" and record.number == {KILLED_AFTER - 1}:
        os.kill(os.getpid(), signal.SIGKILL)

Store.write = write_and_die
main()
"""
"""The child of a batch, killed as soon as so many trials have finished."""


@pytest.fixture(params=["server", pytest.param("file", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.getfixturevalue("postgres_url") if request.param == "server" else tmp_path / "other.db")


def finished(store: str, folder: Path) -> list[str]:
    """The records of the finished trials of all runs, as text: NaN is equal to itself there."""
    with Store(store if "://" in store else f"sqlite:///{store}", artefacts=folder / "artefacts") as opened:
        assert opened.problems() == []
        return [repr(astuple(t)) for run in opened.runs() for t in opened.trials(run) if t.state != "running"]


def test_a_killed_task_goes_on_in_the_store_and_ends_as_one_that_was_left_alone(tmp_path: Path, store: str) -> None:
    path = tmp_path / "iris.toml"
    settings = f'families = ["linear"]\nn_trials = {TRIALS}\nn_jobs = 1\nwarm_start = []\nrandom_state = 0\n'
    path.write_text(f'data = "sklearn:iris"\n{settings}', encoding="utf-8")
    folder = tmp_path / "results"

    def run(child: tuple[str, ...]) -> TaskState:
        checked = check_tasks([path])
        batch = run_checked(checked, store=store, jobs=1, folder=folder, listen=lambda result: None, child=child)
        return batch["iris"].state

    assert run((sys.executable, "-c", DYING)) is TaskState.FAILED
    before = finished(store, folder)
    assert len(before) == KILLED_AFTER
    assert run(CHILD) is TaskState.DONE
    after = finished(store, folder)
    assert len(after) == TRIALS
    assert after[:KILLED_AFTER] == before  # with the seconds that they took: they were not run again
    kept = run_batch([path], store=store, folder=folder)["iris"]  # and nothing more is done
    assert (kept.state, kept.trials) == (TaskState.DONE, TRIALS)
    assert finished(store, folder) == after
    alone = run_batch([path], folder=tmp_path / "alone")["iris"]
    assert (kept.autonet, kept.validation_loss) == (alone.autonet, alone.validation_loss)
