"""autonet store: what a run has left is listed, carried elsewhere and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from automl import optimize
from automl.cli import app
from metalearn import Store


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["store", *(str(word) for word in words)])


def objective(config: dict[str, float], budget: float, seed: int) -> float:
    if config["x"] > 0.9:
        raise ValueError("too great")
    return config["x"] ** 2


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A store with a finished run of 6 trials, one of which crashed."""
    from ConfigSpace import ConfigurationSpace

    space = ConfigurationSpace({"x": (0.0, 1.0)})
    history = optimize(
        objective,
        space,
        method="random",
        n_trials=6,
        seed=0,
        initial=[{"x": 0.95}, {"x": 0.5}],
        store=f"sqlite:///{tmp_path / 'runs.db'}",
    )
    assert np.isinf(history[0].loss)
    return tmp_path / "runs.db"


def test_runs_and_their_trials_are_listed(runs: Path) -> None:
    listed = call("ls", "--store", runs)
    assert listed.exit_code == 0
    assert "random" in listed.output
    assert "finished" in listed.output
    shown = call("show", 1, "--store", runs).output.splitlines()
    assert len([line for line in shown if " done " in line]) == 5
    assert "ValueError: too great" in shown[-2] + shown[-1]  # the failed one stands last


def test_a_store_is_carried_by_a_file_and_by_merging(runs: Path, tmp_path: Path) -> None:
    assert "wrote 1 runs" in call("export", tmp_path / "runs.jsonl", "--store", runs).output
    assert "took in 1 runs" in call("import", tmp_path / "runs.jsonl", "--store", tmp_path / "new.db").output
    assert "took in 0 runs" in call("merge", runs, "--store", tmp_path / "new.db").output
    assert "in order: 1 runs" in call("check", "--store", tmp_path / "new.db").output


def test_only_runs_that_were_left_open_are_pruned(runs: Path) -> None:
    with Store(f"sqlite:///{runs}") as store:
        store.open_run("left", space="{}", method="bohb", seed=0, settings={})
    assert "removed 0 runs" in call("prune", "--store", runs).output
    assert "removed 1 runs" in call("prune", "--days", 0, "--store", runs).output
    with Store(f"sqlite:///{runs}") as store:
        assert [run.finished for run in store.runs()] == [True]


def test_a_store_that_lacks_trials_is_told_by_the_exit_code(runs: Path) -> None:
    with Store(f"sqlite:///{runs}") as store, store._transaction(write=True) as connection:
        connection.execute(text("DELETE FROM metalearn_trials WHERE number = 2"))
    checked = call("check", "--store", runs)
    assert checked.exit_code == 1
    assert "run 1 holds 5 trials, but the last one is number 5" in checked.output


def test_a_store_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    missing = call("ls", "--store", tmp_path / "none.db")
    assert missing.exit_code == 2
    assert "there is no store" in missing.output
    assert not (tmp_path / "none.db").exists()
