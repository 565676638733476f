"""One process at a time works on a run, whoever else asks at the same instant and however the first one ends."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier

import pytest

from metalearn import Store, StoreError
from metalearn.lock import sole_holder

PROGRAM = """
import sys
from metalearn import Store, StoreError
with Store(sys.argv[1]) as store:
    print("ready", flush=True)
    for run in map(int, sys.stdin):
        try:
            with store.sole(run):
                print("mine", flush=True)
                sys.stdin.readline()
        except StoreError:
            print("refused", flush=True)
            sys.stdin.readline()
"""


@pytest.fixture(params=["file", "memory", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    urls = {"file": f"sqlite:///{tmp_path}/runs.db", "memory": "sqlite://"}
    with Store(urls.get(request.param) or request.getfixturevalue("postgres_url")) as opened:
        yield opened


@pytest.fixture(params=["file", "server"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a store that several processes may use at once."""
    return f"sqlite:///{tmp_path}/runs.db" if request.param == "file" else request.getfixturevalue("postgres_url")


def open_run(store: Store, fingerprint: str = "f") -> int:
    return store.open_run(fingerprint, space="{}", method="bohb", seed=1, settings={})


def free(store: Store, run: int) -> bool:
    try:
        with store.sole(run):
            return True
    except StoreError:
        return False


class Process:
    """Another process, which works on the run that it is told."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def told(self, line: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_of_processes_that_ask_for_a_run_at_the_same_instant_one_has_it(shared_url: str) -> None:
    with Store(shared_url) as store, ExitStack() as stack:
        others = [stack.enter_context(Process(shared_url)) for _ in range(4)]
        assert [other.says() for other in others] == ["ready"] * 4
        for run in [open_run(store, str(k)) for k in range(25)]:
            for other in others:
                other.told(run)
            assert sorted(other.says() for other in others) == ["mine", "refused", "refused", "refused"]
            for other in others:
                other.told("go on")


def test_of_threads_that_ask_for_a_run_at_the_same_instant_one_has_it(store: Store) -> None:
    together = Barrier(4)

    def mine(run: int) -> bool:
        together.wait()
        with ExitStack() as stack:
            try:
                stack.enter_context(store.sole(run))
                return True
            except StoreError:
                return False
            finally:
                together.wait()

    with ThreadPoolExecutor(4) as threads:
        for run in [open_run(store, str(k)) for k in range(10)]:
            assert sum(threads.map(mine, [run] * 4)) == 1


def test_a_run_that_a_killed_process_worked_on_is_free(shared_url: str) -> None:
    with Store(shared_url) as store, Process(shared_url) as other:
        run = open_run(store)
        assert other.says() == "ready"
        other.told(run)
        assert other.says() == "mine"
        with pytest.raises(StoreError, match=f"another process is working on run {run} of"), store.sole(run):
            pass
        other.process.kill()
        other.process.wait()
        deadline = time.monotonic() + 30  # a server learns of it from its socket, a moment later
        while not free(store, run):
            assert time.monotonic() < deadline


def test_a_run_is_free_for_others_when_its_work_has_ended_or_failed(store: Store) -> None:
    run = open_run(store)
    with pytest.raises(ZeroDivisionError), store.sole(run):
        raise ZeroDivisionError
    with store.sole(run), store.sole(open_run(store, "other")):
        pass
    with store.sole(run):
        pass


def test_another_store_has_a_run_that_this_one_has_left(shared_url: str) -> None:
    with Store(shared_url) as first, Store(shared_url) as second:
        run = open_run(first)
        with first.sole(run), pytest.raises(StoreError, match="another process is working"), second.sole(run):
            pass
        with second.sole(run):  # though the first one is still open
            pass


def test_a_run_that_was_finished_while_it_was_opened_is_refused(store: Store) -> None:
    run = open_run(store)
    with store.sole(run):
        store.finish(run)
    with pytest.raises(StoreError, match=f"has finished run {run} .* meanwhile; call again"), store.sole(run):
        pass
    with pytest.raises(StoreError, match="has no run 99"), store.sole(99):
        pass


def test_a_finished_run_leaves_no_file(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path}/runs.db") as store:
        run = open_run(store)
        with store.sole(run):
            (store.artefact_dir(run) / "weights").write_bytes(b"1")
            store.finish(run)
        assert list((tmp_path / "runs.db.artefacts").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_child_that_was_forked_meanwhile_does_not_keep_the_lock(tmp_path: Path) -> None:
    import os

    reading, writing = os.pipe()
    with sole_holder(tmp_path / "lock") as mine:
        assert mine
        child = os.fork()
        if child == 0:
            os.read(reading, 1)
            os._exit(0)
    with sole_holder(tmp_path / "lock") as mine:
        assert mine
    os.write(writing, b"1")
    os.waitpid(child, 0)
