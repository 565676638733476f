"""Stores that are carried elsewhere: nothing is lost, nothing comes twice, and nothing damaged gets in."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from metalearn import Store, StoreError, TaskRecord, TrialRecord
from metalearn.exchange import export_store, import_store, merge_stores

TASK = TaskRecord("t", "iris", "classification", "neg_log_loss", {"ClassEntropy": 1.58})
TRIALS = (
    TrialRecord(0, {"family": "mlp"}, state="done", loss=0.1, curve=((0.5, 0.2), (1.0, 0.1)), artefact="somewhere"),
    TrialRecord(
        1, {"family": "linear"}, state="crashed", loss=math.inf, error="Traceback\nValueError: row 7 holds 'Smith'\n"
    ),
)


def filled(url: str = "sqlite://", fingerprint: str = "f", finished: bool = True) -> Store:
    store = Store(url)
    store.put_task(TASK)
    run = store.open_run(fingerprint, space="{}", method="bohb", seed=1, settings={"eta": 3}, task="t")
    for trial in TRIALS:
        store.write(run, trial)
    if finished:
        store.finish(run)
    return store


def content(store: Store) -> list[object]:
    plain = [replace(run, id=0) for run in store.runs()]
    # Paths mean nothing elsewhere, and the words of an error may quote the data.
    trials = [[replace(t, artefact=None, error="") for t in store.trials(run)] for run in store.runs()]
    return [store.tasks(), plain, trials]


def test_what_was_exported_is_imported_once(tmp_path: Path) -> None:
    with filled() as source, Store("sqlite://") as target:
        assert export_store(source, tmp_path / "runs.jsonl") == 1
        assert import_store(target, tmp_path / "runs.jsonl") == 1
        assert import_store(target, tmp_path / "runs.jsonl") == 0
        assert content(target) == content(source)
        assert [trial.error for trial in target.trials(1)] == ["", "ValueError"]
    written = (tmp_path / "runs.jsonl").read_text()
    assert "Smith" not in written
    assert "Infinity" not in written


def test_what_is_known_of_a_task_is_not_replaced() -> None:
    with filled() as source, Store("sqlite://") as target:
        target.put_task(replace(TASK, name="mine"))
        merge_stores(target, source)
        assert [task.name for task in target.tasks()] == ["mine"]


def test_stores_are_merged_without_doubles() -> None:
    with filled() as one, filled(fingerprint="g") as other, Store("sqlite://") as target:
        assert [merge_stores(target, store) for store in (one, other, one)] == [1, 1, 0]
        assert len(target.runs()) == 2
        assert target.problems() == []


def test_an_open_run_stays_where_it_is_until_it_is_finished(tmp_path: Path) -> None:
    with filled(finished=False) as source, Store("sqlite://") as target:
        assert export_store(source, tmp_path / "runs.jsonl") == merge_stores(target, source) == 0
        source.finish(1)
        assert merge_stores(target, source) == 1


def test_a_file_is_taken_in_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    with filled() as source, filled(fingerprint="g") as other, Store("sqlite://") as target:
        merge_stores(source, other)
        export_store(source, path)
        *good, last = path.read_text().splitlines()
        path.write_text("\n".join([*good, last.replace('"number": 1', '"number": 0')]))
        with pytest.raises(StoreError, match="nothing was taken in"):
            import_store(target, path)
        assert content(target) == [[], [], []]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [], "no export of a store"),
        (lambda lines: ["a,b", "1,2"], "no export of a store"),
        (lambda lines: ['{"metalearn": 9}', *lines[1:]], "format 9, and this program reads 1"),
        (lambda lines: [*lines[:-1], lines[-1][:50]], "line 3: damaged.*nothing was taken in"),
        (lambda lines: [*lines[:-1], '{"run": {"id": 1}, "trials": []}'], "line 3: damaged"),
    ],
)
def test_a_damaged_file_is_reported_and_changes_nothing(tmp_path: Path, change, words: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "runs.jsonl"
    with filled() as source:
        export_store(source, path)
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with Store("sqlite://") as target:
        with pytest.raises(StoreError, match=words):
            import_store(target, path)
        assert content(target) == [[], [], []]


def test_a_run_is_removed_with_its_trials_and_files(tmp_path: Path) -> None:
    with filled(f"sqlite:///{tmp_path / 'runs.db'}") as store:
        (run,) = store.runs()
        folder = store.artefact_dir(run.id)
        (folder / "model").touch()
        store.remove_run(run.id)
        assert not folder.exists()
        assert store.runs() == []
        assert store.problems() == []


def test_what_is_wrong_is_said() -> None:
    with filled() as store:
        with store._transaction(write=True) as connection:
            connection.execute(text("DELETE FROM metalearn_trials WHERE number = 0"))
        assert store.problems() == ["run 1 holds 1 trials, but the last one is number 1"]
