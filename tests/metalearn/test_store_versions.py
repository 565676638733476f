"""The store's tasks, and what becomes of a store that an earlier version has made."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import pytest

from metalearn import Store, TaskRecord


@pytest.fixture(params=["file", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "server":
        return Store(request.getfixturevalue("postgres_url"))
    return Store(f"sqlite:///{tmp_path / 'runs.db'}")


def test_tasks_are_read_as_they_were_written_the_oldest_first(store: Store) -> None:
    first = TaskRecord("b", "iris", "classification", "neg_log_loss", {"NumberOfClasses": 3.0, "SkewnessMax": math.inf})
    second = TaskRecord("a")
    store.put_task(first)
    store.put_task(second)
    assert store.tasks() == [first, second]


def test_writing_a_task_again_replaces_it_in_its_place(store: Store) -> None:
    for task in (TaskRecord("a"), TaskRecord("b"), TaskRecord("a", metafeatures={"ClassEntropy": 1.0})):
        store.put_task(task)
    assert [(task.fingerprint, len(task.metafeatures)) for task in store.tasks()] == [("a", 1), ("b", 0)]


VERSION_1 = """
CREATE TABLE metalearn_schema (version INTEGER NOT NULL PRIMARY KEY);
INSERT INTO metalearn_schema VALUES (1);
CREATE TABLE metalearn_runs (id INTEGER NOT NULL PRIMARY KEY, fingerprint VARCHAR(255) NOT NULL, space TEXT NOT NULL,
    method TEXT NOT NULL, seed BIGINT NOT NULL, settings TEXT NOT NULL, created DATETIME NOT NULL,
    finished BOOLEAN NOT NULL);
INSERT INTO metalearn_runs VALUES (7, 'f', '{}', 'bohb', 1, '{}', '2026-01-02 03:04:05.000000', 0);
CREATE TABLE metalearn_trials (run INTEGER NOT NULL, number INTEGER NOT NULL, config TEXT NOT NULL, budget FLOAT,
    bracket INTEGER NOT NULL, rung INTEGER NOT NULL, parent INTEGER, seed BIGINT NOT NULL, state VARCHAR(32) NOT NULL,
    loss FLOAT, cost FLOAT, curve TEXT NOT NULL, artefact TEXT, error TEXT NOT NULL, PRIMARY KEY (run, number));
INSERT INTO metalearn_trials VALUES (7, 0, '{"x": 1}', 1.0, 0, 0, NULL, 1, 'done', 0.5, 1.0, '[]', NULL, '');
"""


def test_a_store_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    with sqlite3.connect(tmp_path / "runs.db") as old:
        old.executescript(VERSION_1)
    old.close()
    for _ in range(2):
        with Store(url) as store:
            (run,) = store.runs()
            assert (run.id, run.task, run.versions) == (7, None, {})
            assert [(t.config, t.loss) for t in store.trials(run)] == [({"x": 1}, 0.5)]
            assert store.open_run("f", space="{}", method="bohb", seed=1, settings={}) == 7
            store.put_task(TaskRecord("a"))
            assert len(store.tasks()) == 1
