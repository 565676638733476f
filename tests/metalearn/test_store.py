"""The store: what is written is read again, by whoever reads, whatever happened to the writer."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from metalearn import Run, Store, StoreError, TrialRecord

ROOT = str(Path(__file__).parents[2])
PATIENCE = 30.0  # seconds: far above what anything here takes, for a busy machine

RECORD = TrialRecord(
    number=0,
    config={"lr": 1e-3, "layers": 3, "norm": "batch", "bias": True},
    budget=1 / 3,
    bracket=2,
    rung=1,
    parent=None,
    seed=2**32 - 1,
    state="done",
    loss=0.1,
    cost=1.25,
    curve=((0.1, 0.9), (0.2, 0.5)),
    artefact="trials/0",
    error="",
)


def eventually(condition: Callable[[], object]) -> bool:
    """Whether the condition comes true before the patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def open_run(store: Store, fingerprint: str = "f") -> int:
    return store.open_run(fingerprint, space="{}", method="bohb", seed=1, settings={"eta": 3})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'runs.db'}"


@pytest.fixture(params=["file", "memory", "server"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    names = {"file": "url", "server": "postgres_url"}
    with Store(request.getfixturevalue(names[request.param]) if request.param in names else "sqlite://") as opened:
        yield opened


@pytest.fixture(params=["file", "server"])
def shared_url(request: pytest.FixtureRequest) -> str:
    """Of a store that several processes may use at once."""
    return str(request.getfixturevalue("url" if request.param == "file" else "postgres_url"))


# Runs


def test_an_unfinished_run_is_found_again_by_its_fingerprint(store: Store) -> None:
    run = open_run(store, "a")
    assert open_run(store, "a") == run
    assert open_run(store, "b") != run


def test_a_finished_run_is_not_continued(store: Store) -> None:
    run = open_run(store)
    store.finish(run)
    store.finish(run)
    assert open_run(store) != run
    assert [r.finished for r in store.runs()] == [True, False]


def test_a_run_keeps_what_it_was_opened_with(store: Store) -> None:
    number = store.open_run("f", space="x in [0, 1]", method="smac-hb", seed=2**40, settings={"t": [1, None, math.inf]})
    (run,) = store.runs()
    expected = Run(number, "f", "x in [0, 1]", "smac-hb", 2**40, {"t": [1, None, math.inf]}, run.created, False)
    assert run == expected
    assert run.created.tzinfo is UTC
    assert abs(datetime.now(UTC) - run.created) < timedelta(minutes=1)


def test_a_run_names_its_task_and_the_versions_it_used(store: Store) -> None:
    store.open_run("f", space="", method="", seed=0, settings={}, task="iris", versions={"torch": "2.13"})
    (run,) = store.runs()
    assert (run.task, run.versions) == ("iris", {"torch": "2.13"})


# Trials


def test_a_trial_is_read_as_it_was_written(store: Store) -> None:
    run = open_run(store)
    store.write(run, RECORD)
    assert store.trials(run) == [RECORD]
    assert store.trials(store.runs()[0]) == [RECORD]


def test_trials_come_in_the_order_of_their_numbers(store: Store) -> None:
    run = open_run(store)
    for number in (2, 0, 1):
        store.write(run, replace(RECORD, number=number, parent=0))
    assert [t.number for t in store.trials(run)] == [0, 1, 2]


def test_writing_a_trial_again_replaces_it(store: Store) -> None:
    run, other = open_run(store, "a"), open_run(store, "b")
    store.write(other, RECORD)
    store.write(run, TrialRecord(0, state="running"))
    crashed = replace(RECORD, config={}, state="crashed", loss=math.inf, curve=(), artefact=None, error="Traceback")
    store.write(run, crashed)
    assert store.trials(run) == [crashed]
    assert store.trials(other) == [RECORD]


@pytest.mark.parametrize("loss", [math.inf, -math.inf, 0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2])
def test_every_loss_survives_exactly(store: Store, loss: float) -> None:
    run = open_run(store)
    record = replace(RECORD, config={"x": loss}, loss=loss, cost=loss, curve=((0.5, loss),))
    store.write(run, record)
    assert store.trials(run) == [record]


def test_a_loss_that_is_no_number_survives(store: Store) -> None:
    run = open_run(store)
    store.write(run, replace(RECORD, loss=math.nan, curve=((0.5, math.nan),)))
    (record,) = store.trials(run)
    assert math.isnan(record.loss)
    assert math.isnan(record.curve[0][1])


def test_an_error_with_odd_characters_stays_readable(store: Store) -> None:
    run = open_run(store)
    store.write(run, replace(RECORD, error="größe \0 \ud800"))
    assert store.trials(run)[0].error == "größe \\x00 \\ud800"


def test_a_value_that_is_not_json_is_named(store: Store) -> None:
    run = open_run(store)
    with pytest.raises(StoreError, match=r"cannot store .*\{1, 2\}.*use str, int"):
        store.write(run, replace(RECORD, config={"x": {1, 2}}))
    with pytest.raises(StoreError, match=r"numbers in a store lie in"):
        store.write(run, replace(RECORD, seed=2**70))
    assert store.trials(run) == []


def test_a_run_that_does_not_exist_is_named(store: Store) -> None:
    for use in (store.trials, store.finish, lambda run: store.write(run, RECORD)):
        with pytest.raises(StoreError, match="has no run 7"):
            use(7)


def test_a_write_takes_less_than_five_milliseconds(url: str) -> None:
    with Store(url) as store:
        run = open_run(store)
        times = []
        for number in range(200):
            start = time.perf_counter()
            store.write(run, replace(RECORD, number=number))
            times.append(time.perf_counter() - start)
    assert statistics.median(times) < 0.005


# Places


def test_artefacts_lie_beside_the_file(tmp_path: Path, url: str) -> None:
    with Store(url) as store:
        folder = store.artefact_dir(open_run(store))
    assert folder == tmp_path / "runs.db.artefacts" / "1"
    assert folder.is_dir()


def test_artefacts_of_a_store_in_memory_go_with_it() -> None:
    with Store("sqlite://") as store:
        folder = store.artefact_dir(1)
        assert folder.is_dir()
        assert store.artefact_dir(2).parent == folder.parent
    assert not folder.parent.exists()
    store.close()


def test_artefacts_may_lie_where_the_user_says(tmp_path: Path) -> None:
    with Store("sqlite://", artefacts=tmp_path / "kept") as store:
        assert store.artefact_dir(3) == tmp_path / "kept" / "3"
    assert (tmp_path / "kept" / "3").is_dir()


def test_a_relative_file_stays_the_same_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Store("sqlite:///runs.db") as store:
        monkeypatch.chdir("elsewhere")
        run = open_run(store)
        assert store.artefact_dir(run) == tmp_path / "runs.db.artefacts" / "1"
    with Store("sqlite:///../runs.db") as store:
        assert [r.id for r in store.runs()] == [run]


# Refusals


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("runs.db", "'runs.db' is not a database URL.*write 'sqlite:///runs.db'"),
        ("", "not a database URL"),
        ("mysql://host/name", "unsupported database 'mysql'"),
        ("sqlite:////no/such/folder/runs.db", "folder /no/such/folder, which does not exist; make it first"),
    ],
)
def test_a_bad_url_is_answered_with_the_rule_and_the_cure(bad: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        Store(bad)


@pytest.mark.parametrize("content", [b"id,loss\n1,0.5\n" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_reported_and_left_as_it_is(tmp_path: Path, url: str, content: bytes) -> None:
    (tmp_path / "runs.db").write_bytes(content)
    with pytest.raises(StoreError, match="damaged or no SQLite database"):
        Store(url)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"runs.db": content}


def test_a_damaged_store_is_reported_and_left_as_it_is(tmp_path: Path, url: str) -> None:
    with Store(url) as store:
        run = open_run(store)
        for number in range(100):
            store.write(run, replace(RECORD, number=number))
    damaged = bytearray((tmp_path / "runs.db").read_bytes())
    damaged[100:] = b"\xff" * (len(damaged) - 100)
    (tmp_path / "runs.db").write_bytes(damaged)
    with pytest.raises(StoreError, match="damaged"):
        Store(url)
    assert (tmp_path / "runs.db").read_bytes() == damaged


def test_the_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path, url: str) -> None:
    with sqlite3.connect(tmp_path / "runs.db") as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    before = (tmp_path / "runs.db").read_bytes()
    with pytest.raises(StoreError, match=r"not a store \(it holds recipes\)"):
        Store(url)
    assert (tmp_path / "runs.db").read_bytes() == before


def test_a_store_of_a_newer_version_is_refused(url: str) -> None:
    with Store(url) as store:
        open_run(store)
        with store._transaction(write=True) as connection:
            connection.execute(text("UPDATE metalearn_schema SET version = 99"))
    with pytest.raises(StoreError, match=r"version 99, newer than the version 2.*upgrade the program"):
        Store(url)


# Many at once


def test_threads_share_a_store(store: Store) -> None:
    run = open_run(store)
    failures: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for number in range(first, first + 25):
                store.write(run, replace(RECORD, number=number))
                store.trials(run)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(25 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [t.number for t in store.trials(run)] == list(range(100))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="uses fork")
def test_a_forked_process_opens_connections_of_its_own(url: str) -> None:
    with Store(url) as store:
        run = open_run(store)
        if (child := os.fork()) == 0:
            try:
                store.write(run, RECORD)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        store.write(run, replace(RECORD, number=1))
        assert [t.number for t in store.trials(run)] == [0, 1]


WRITER = """
import sys
from metalearn import Store, TrialRecord
url, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sys.stdin.readline()
store = Store(url)
run = store.open_run("shared", space="", method="", seed=0, settings={})
for number in range(first, first + count):
    store.write(run, TrialRecord(number, {"x": "y" * 500}, state="done", loss=float(number)))
    print(number, flush=True)
"""


def start_writer(url: str, first: int, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(first), str(count)],
        env={**os.environ, "PYTHONPATH": ROOT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_open_one_new_store_and_write_to_it_at_once(shared_url: str) -> None:
    writers = [start_writer(shared_url, 50 * i, 50) for i in range(3)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=PATIENCE)
        assert writer.returncode == 0
    with Store(shared_url) as store:
        (run,) = store.runs()
        assert [t.number for t in store.trials(run)] == list(range(150))


@pytest.mark.skipif(sys.platform == "win32", reason="uses SIGKILL")
def test_killed_writers_lose_nothing_that_they_had_written(shared_url: str) -> None:
    for again in range(2):
        writers = [start_writer(shared_url, (2 * again + i) * 10**6, 10**6) for i in range(2)]
        with Store(shared_url) as watcher:
            for writer in writers:
                assert writer.stdin is not None
                writer.stdin.write("go\n")
                writer.stdin.flush()
            run = watcher.open_run("shared", space="", method="", seed=0, settings={})
            least = len(watcher.trials(run)) + 50
            assert eventually(lambda watcher=watcher, run=run, least=least: len(watcher.trials(run)) >= least)
            for writer in writers:
                writer.send_signal(signal.SIGKILL)
        told = {int(line) for writer in writers for line in writer.communicate(timeout=PATIENCE)[0].split("\n")[:-1]}
        with Store(shared_url) as store:
            kept = {t.number: t.loss for t in store.trials(run)}
            assert told <= set(kept)
            assert all(loss == number for number, loss in kept.items())
            store.write(run, replace(RECORD, loss=0.0))  # no lock is left behind
            assert not [line for line in store.problems() if line.startswith("the file")]
