"""Batches of tasks: what runs, what is kept, and what becomes of tasks that fail, die or are stopped."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import pytest

from automl.batch.check import CheckedTask
from automl.batch.result import RESULT, BatchResult, TaskResult, TaskState, read_result
from automl.batch.run import LOCK, run_checked
from automl.errors import AutoNetError, SettingError
from automl.taskfile import TaskFile
from metalearn import StoreError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses signals and named pipes")
FAKE = (sys.executable, str(Path(__file__).with_name("fake_child.py")))


def tasks(*names: str) -> list[CheckedTask]:
    return [CheckedTask(TaskFile(Path(f"{name}.toml"), "sklearn:iris"), f"digest of {name}") for name in names]


def run(folder: Path, given: Sequence[CheckedTask], *, jobs: int = 1, **changes: Any) -> BatchResult:
    return run_checked(
        given, **{"store": None, "jobs": jobs, "folder": folder, "listen": lambda result: None, "child": FAKE} | changes
    )


def started(folder: Path) -> list[str]:
    return [line.split()[0] for line in (folder / "started.txt").read_text(encoding="utf-8").splitlines()]


def states(result: BatchResult) -> dict[str, str]:
    return {task.name: task.state.value for task in result}


def test_a_task_that_fails_and_one_that_dies_do_not_stop_the_others(tmp_path: Path) -> None:
    result = run(tmp_path, tasks("fails", "dies", "good"))
    assert states(result) == {"fails": "failed", "dies": "failed", "good": "done"}
    assert not result.complete
    assert result["fails"].error == "none of 2 trials finished"
    assert "signal 9 (SIGKILL)" in result["dies"].error
    assert str(tmp_path / "dies" / "log.txt") in result["dies"].error
    told = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert [task["state"] for task in told["tasks"]] == ["failed", "failed", "done"]
    assert told["counts"]["failed"] == 2


def test_a_task_with_a_result_is_not_run_again_until_its_digest_changes(tmp_path: Path) -> None:
    first, second = tasks("first", "second")
    run(tmp_path, [first, second])
    again = run(tmp_path, [first, replace(second, digest="another")])
    assert started(tmp_path) == ["first", "second", "second"]
    assert again.complete
    assert again["second"].digest == "another"


def test_what_failed_or_was_left_half_written_is_run_again(tmp_path: Path) -> None:
    run(tmp_path, tasks("fails", "good"))
    (tmp_path / "good" / RESULT).write_text('{"name": "good", "sta', encoding="utf-8")
    assert run(tmp_path, tasks("fails", "good"))["good"].state is TaskState.DONE
    assert started(tmp_path) == ["fails", "good", "fails", "good"]


def test_as_many_tasks_run_at_once_as_asked_and_share_the_cores(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")  # each of the two ends only when the other has come
    assert run(tmp_path, tasks("meets_a", "meets_b"), jobs=2).complete
    share = str(max(1, joblib.cpu_count() // 2))
    lines = (tmp_path / "started.txt").read_text(encoding="utf-8").splitlines()
    assert {tuple(line.split()[1:]) for line in lines} == {(share, share)}


def test_a_listener_is_told_when_tasks_start_and_end(tmp_path: Path) -> None:
    told: list[TaskResult] = []
    run(tmp_path, tasks("good", "fails"), listen=told.append)
    assert [(each.name, each.state.value) for each in told] == [
        ("good", "running"),
        ("good", "done"),
        ("fails", "running"),
        ("fails", "failed"),
    ]


def test_the_summary_is_there_while_tasks_are_still_running(tmp_path: Path) -> None:
    seen: list[dict[str, int]] = []

    def look(result: TaskResult) -> None:
        if result.name == "last" and result.state is TaskState.DONE:
            seen.append(json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["counts"])

    run(tmp_path, tasks("first", "last"), listen=look)
    assert seen[0]["done"] + seen[0]["running"] + seen[0]["waiting"] == 2
    assert seen[0]["done"] < 2


def test_ctrl_c_is_passed_on_and_starts_no_other_task(tmp_path: Path) -> None:
    result = run(tmp_path, tasks("good", "pressed", "later"))
    assert states(result) == {"good": "done", "pressed": "interrupted", "later": "waiting"}
    assert result["pressed"].autonet is not None
    assert started(tmp_path) == ["good", "pressed"]


def test_an_interrupted_task_goes_on_with_the_next_batch(tmp_path: Path) -> None:
    run(tmp_path, tasks("pressed"))
    run(tmp_path, tasks("pressed"))
    assert started(tmp_path) == ["pressed", "pressed"]


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, tasks("stubborn", "later"))
    assert time.monotonic() - began < 45  # the child would go on for a minute
    assert started(tmp_path) == ["stubborn"]
    assert read_result(tmp_path / "stubborn") is None


def test_a_listener_that_fails_ends_the_batch_with_its_error(tmp_path: Path) -> None:
    def listen(result: TaskResult) -> None:
        raise RuntimeError("no terminal")

    with pytest.raises(RuntimeError, match="no terminal"):
        run(tmp_path, tasks("good", "later"), listen=listen)


def test_a_child_ends_when_the_batch_is_gone() -> None:
    program = "import time; from automl.interrupts import end_with_parent; end_with_parent(); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.close()  # as the kernel does with the pipes of a killed process
        assert child.wait(60) == 1


def test_a_task_whose_folder_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("a file in its place")
    result = run(tmp_path, tasks("first", "good"))
    assert states(result) == {"first": "failed", "good": "done"}
    assert "FileExistsError" in result["first"].error


def test_a_child_that_dies_before_it_is_told_anything_fails_alone(tmp_path: Path) -> None:
    long = replace(tasks("long")[0], task=TaskFile(Path("long.toml"), "x" * 2**20))  # more than a pipe holds
    result = run(tmp_path, [long], child=(sys.executable, "-c", "raise SystemExit(3)"))
    assert states(result) == {"long": "failed"}
    assert "3" in result["long"].error


@pytest.mark.parametrize(
    ("store", "why"),
    [("sqlite://", "in the memory of one process"), ("mysql://host/name", "unsupported"), (__file__, "no SQLite")],
)
def test_a_store_that_tasks_cannot_share_is_refused_before_any_runs(tmp_path: Path, store: str, why: str) -> None:
    with pytest.raises((SettingError, StoreError), match=why):
        run(tmp_path, tasks("good"), store=store)
    assert not (tmp_path / "started.txt").exists()


@pytest.mark.parametrize("jobs", [0, -1, True, 1.5])
def test_the_number_of_jobs_is_checked_before_anything_is_written(tmp_path: Path, jobs: Any) -> None:
    with pytest.raises(SettingError, match=r"jobs .* must be a whole number of at least 1"):
        run(tmp_path / "new", tasks("good"), jobs=jobs)
    assert not (tmp_path / "new").exists()


def test_two_batches_cannot_share_a_folder_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from metalearn.lock import sole_holder\n"
        "with sole_holder(Path(sys.argv[1])) as mine: print(mine, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(AutoNetError, match="another process works in"):
            run(tmp_path, tasks("good"))
    assert run(tmp_path, tasks("good")).complete
