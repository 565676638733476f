"""The store's tasks, and what becomes of a store that an earlier version has made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text

from metalearn import Store, StoreError, TaskRecord, TrialRecord
from metalearn.connections import checked_url, make_engine
from metalearn.migrations import STEPS
from metalearn.tables import METADATA, VERSION


@pytest.fixture(params=["file", "server"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return (
        str(request.getfixturevalue("postgres_url")) if request.param == "server" else f"sqlite:///{tmp_path}/runs.db"
    )


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as opened:
        yield opened


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


NUMBER = {"sqlite": "INTEGER", "postgresql": "SERIAL"}
MOMENT = {"sqlite": "DATETIME", "postgresql": "TIMESTAMP WITHOUT TIME ZONE"}
FALSE = {"sqlite": "0", "postgresql": "false"}
VERSION_1 = """
CREATE TABLE metalearn_schema (version INTEGER NOT NULL, PRIMARY KEY (version));
INSERT INTO metalearn_schema VALUES (1);
CREATE TABLE metalearn_runs (id {number} NOT NULL, fingerprint VARCHAR(255) NOT NULL, space TEXT NOT NULL,
    method TEXT NOT NULL, seed BIGINT NOT NULL, settings TEXT NOT NULL, created {moment} NOT NULL,
    finished BOOLEAN NOT NULL, PRIMARY KEY (id));
CREATE UNIQUE INDEX metalearn_one_unfinished_run ON metalearn_runs (fingerprint) WHERE finished = {false};
CREATE TABLE metalearn_trials (run INTEGER NOT NULL, number INTEGER NOT NULL, config TEXT NOT NULL,
    budget FLOAT(53) NOT NULL, bracket INTEGER NOT NULL, rung INTEGER NOT NULL, parent INTEGER, seed BIGINT NOT NULL,
    state VARCHAR(32) NOT NULL, loss FLOAT(53), cost FLOAT(53), curve TEXT NOT NULL, artefact TEXT, error TEXT NOT NULL,
    PRIMARY KEY (run, number), FOREIGN KEY(run) REFERENCES metalearn_runs (id));
INSERT INTO metalearn_runs (fingerprint, space, method, seed, settings, created, finished) VALUES
    ('f', '{{}}', 'bohb', 1, '{{"eta": 3}}', '2026-01-02 03:04:05.000000', {false}),
    ('g', '{{}}', 'smac', 2, '{{}}', '2026-01-03 03:04:05.000000', NOT {false});
INSERT INTO metalearn_trials VALUES
    (1, 0, '{{"x": 1}}', 1.0, 0, 0, NULL, 1, 'done', 0.5, 1.25, '[[0.5, 0.75]]', 'trials/0', ''),
    (1, 1, '{{"x": 2}}', 0.1, 2, 1, 0, 4294967295, 'crashed', NULL, 0.1, '[]', NULL, 'KeyError: ''x'''),
    (2, 0, '{{"y": "é"}}', 1.0, 0, 0, NULL, 3, 'done', -2.5, 9.0, '[]', NULL, '');
"""
"""The tables as version 1 made them on each database, with two runs."""


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Of a database that holds a store of version 1."""
    made = make_engine(checked_url(url))
    name = made.dialect.name
    script = VERSION_1.format(number=NUMBER[name], moment=MOMENT[name], false=FALSE[name])
    with made.begin() as connection:
        for statement in filter(str.strip, script.split(";")):
            connection.exec_driver_sql(statement)
    yield made
    made.dispose()


def columns(engine: Engine) -> dict[str, Any]:
    """Of each table: name → type and whether it may be empty, its keys and its indexes."""
    seen = inspect(engine)
    return {
        name: (
            {each["name"]: (str(each["type"]), each["nullable"]) for each in seen.get_columns(name)},
            seen.get_pk_constraint(name)["constrained_columns"],
            [(each["constrained_columns"], each["referred_table"]) for each in seen.get_foreign_keys(name)],
            [(each["name"], each["column_names"], bool(each["unique"])) for each in seen.get_indexes(name)],
        )
        for name in METADATA.tables
    }


def test_what_a_store_of_version_1_holds_is_there_after_it_was_brought_up_to_date(url: str, engine: Engine) -> None:
    for _ in range(2):  # the first opens the old one, the second what the first has made of it
        with Store(url) as store:
            assert [(run.id, run.fingerprint, run.method, run.seed, run.settings) for run in store.runs()] == [
                (1, "f", "bohb", 1, {"eta": 3}),
                (2, "g", "smac", 2, {}),
            ]
            assert [(run.finished, run.task, run.versions) for run in store.runs()] == [
                (False, None, {}),
                (True, None, {}),
            ]
            assert [run.created.isoformat() for run in store.runs()] == [
                "2026-01-02T03:04:05+00:00",
                "2026-01-03T03:04:05+00:00",
            ]
            good, crashed = store.trials(1)
            assert good == TrialRecord(
                0, {"x": 1}, 1.0, 0, 0, None, 1, "done", 0.5, 1.25, ((0.5, 0.75),), "trials/0", ""
            )
            assert (crashed.seed, crashed.parent, crashed.error) == (4294967295, 0, "KeyError: 'x'")
            assert math.isnan(crashed.loss)
            assert [(trial.config, trial.loss) for trial in store.trials(2)] == [({"y": "é"}, -2.5)]
            assert store.problems() == []
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version FROM metalearn_schema")) == VERSION


def test_a_store_that_was_brought_up_to_date_takes_what_a_new_one_takes(url: str, engine: Engine) -> None:
    with Store(url) as store:
        assert store.open_run("f", space="{}", method="bohb", seed=1, settings={}) == 1  # goes on with the old one
        new = store.open_run("h", space="", method="", seed=0, settings={}, task="a", versions={"torch": "2"})
        assert new == 3
        assert (store.run(new).task, store.run(new).versions) == ("a", {"torch": "2"})
        store.write(new, TrialRecord(0, {"x": 1}, 1.0, 0, 0, None, 1, "done", 0.5, 1.0, (), None, ""))
        assert [trial.number for trial in store.best_trials("a", 5)] == [0]
        store.put_task(TaskRecord("a"))
        assert len(store.tasks()) == 1


def test_its_tables_are_those_of_a_new_store(url: str, engine: Engine, tmp_path: Path) -> None:
    Store(url).close()
    migrated = columns(engine)
    with engine.begin() as connection:
        METADATA.drop_all(connection)
    Store(url).close()
    assert migrated == columns(engine)


def test_several_that_open_an_old_store_at_once_bring_it_up_to_date_once(url: str, engine: Engine) -> None:
    def opened(_: int) -> list[int]:
        with Store(url) as store:
            return [run.id for run in store.runs()]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(opened, range(8))) == [[1, 2]] * 8


def test_a_step_that_fails_leaves_the_old_store_as_it_was(
    url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = inspect(engine).get_columns("metalearn_runs")
    with monkeypatch.context() as patched:
        patched.setitem(STEPS, 1, (*STEPS[1], "ALTER TABLE metalearn_nothing ADD COLUMN x INTEGER"))
        with pytest.raises(StoreError, match="metalearn_nothing"):
            Store(url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version FROM metalearn_schema")) == 1
    assert list(map(str, inspect(engine).get_columns("metalearn_runs"))) == list(map(str, before))
    with Store(url) as store:
        assert [run.id for run in store.runs()] == [1, 2]
