"""One task of a batch, from its table to its result."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss, r2_score

import automl
from automl.batch import learn as module
from automl.batch.check import check_tasks, rows_of
from automl.batch.child import Job, attempt, reason
from automl.batch.comparison import Split, quality
from automl.batch.learn import best_so_far, learn
from automl.batch.result import Quality, TaskResult, TaskState, read_result
from automl.calibration import Calibration
from automl.data import write_table
from automl.errors import SearchFailed
from automl.interrupts import Presses
from automl.search.trial import Proposal, Result, State, Trial
from automl.taskfile import TaskFile, read_task
from metalearn import Store

QUICK = 'data = "table.csv"\nn_trials = 2\nn_jobs = 1\nfamilies = "linear"\nresampling = 2\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 120))
    value = first + second
    labels = np.where(value + rng.normal(size=120) > 0, "high", "low")
    table = pd.DataFrame({"first": first, "second": second, "label": labels, "value": value})
    write_table(table, tmp_path / "table.csv")
    return tmp_path


def job(home: Path, target: str = "label", more: str = "") -> Job:
    path = home / f"{target}.toml"
    path.write_text(f'{QUICK}target = "{target}"\n{more}', encoding="utf-8")
    (home / target).mkdir(exist_ok=True)
    (checked,) = check_tasks([path])
    return Job(checked.task, checked.digest, home / target, f"sqlite:///{home / 'runs.db'}", None, 4096.0)


def result_of(job: Job) -> TaskResult:
    found = read_result(job.folder)
    assert found is not None
    return found


def test_the_result_is_what_the_saved_model_does_on_the_test_rows(home: Path) -> None:
    given = job(home)
    attempt(given)
    result = result_of(given)
    model = automl.load(given.folder / "model.autonet")
    rows, digest = rows_of(given.task)
    assert rows.classes is not None
    assert (result.state, result.digest, digest) == (TaskState.DONE, given.digest, given.digest)
    assert (result.rows, result.test_rows, result.features, result.trials) == (90, 30, 3, 2)
    assert result.autonet is not None
    truth = rows.classes[rows.y_test]
    assert result.autonet.loss == pytest.approx(log_loss(truth, model.predict_proba(rows.X_test)), abs=1e-6)
    assert result.autonet.score == pytest.approx(accuracy_score(truth, model.predict(rows.X_test)))
    assert result.validation_loss == model.validation_loss_
    assert result.curve[-1][1] == min(t.loss for t in model.history_)


def test_a_regression_is_judged_by_its_loss_and_r2(home: Path) -> None:
    given = job(home, "value")
    attempt(given)
    result = result_of(given)
    model, (rows, _) = automl.load(given.folder / "model.autonet"), rows_of(given.task)
    assert result.autonet is not None
    assert result.baseline is not None
    assert (result.kind, result.metric, result.scored) == ("regression", "neg_root_mean_squared_error", "R²")
    assert result.autonet.score == pytest.approx(r2_score(rows.y_test, model.predict(rows.X_test)))
    assert result.autonet.loss < result.baseline.loss  # a sum of two columns is linear


def test_the_result_is_there_before_the_run_counts_as_finished(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, seen = job(home), []

    def look(store: Store, run: int) -> None:
        seen.append(result_of(given).state)
        finish(store, run)

    finish = Store.finish
    monkeypatch.setattr(Store, "finish", look)
    attempt(given)
    assert seen == [TaskState.DONE]


def test_a_task_that_was_killed_before_its_result_was_written_repeats_no_trial(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = job(home)

    def killed(*_: Any) -> None:
        raise SystemExit  # nothing after it is done, as after a kill

    with monkeypatch.context() as patched:
        patched.setattr(module, "quality", killed)
        with pytest.raises(SystemExit):
            attempt(given)
    with Store(given.store) as store:
        (run,) = store.runs()
        before = store.trials(run)
        assert (run.finished, len(before)) == (False, 2)
    attempt(given)
    with Store(given.store) as store:
        (run,) = store.runs()
        assert run.finished
        assert store.trials(run) == before
    assert result_of(given).state is TaskState.DONE


def test_labels_on_the_test_rows_go_by_the_thresholds_of_the_model() -> None:
    shares = np.array([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.2, 0.8]])
    rows = Split(pd.DataFrame(), np.zeros(0), pd.DataFrame(), np.array([1, 1, 0, 1]), np.array(["a", "b"]))
    model = SimpleNamespace(predict_proba=lambda X: shares)
    assert quality(model, rows, "accuracy") == Quality(0.5, 0.5)
    model.ensemble_ = SimpleNamespace(calibration=Calibration(factors=(1.0, 2.0)))  # the threshold is a third
    assert quality(model, rows, "accuracy") == Quality(0.0, 1.0)


def test_a_task_that_fails_leaves_the_reason_as_its_result(home: Path) -> None:
    given = job(home)
    (home / "table.csv").unlink()
    with pytest.raises(automl.errors.DataError):
        attempt(given)
    result = result_of(given)
    assert result.state is TaskState.FAILED
    assert "there is no such file" in result.error


def test_a_search_that_ctrl_c_ended_is_interrupted_and_not_done(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = job(home, more="")
    long = replace(given, task=replace(given.task, settings={**given.task.settings, "n_trials": 300}))
    write = Store.write

    def pressed(store: Store, run: int, record: Any) -> None:
        write(store, run, record)
        if record.number == 2 and record.state == "done":
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Store, "write", pressed)
    attempt(long)
    result = result_of(long)
    assert result.state is TaskState.INTERRUPTED
    assert result.autonet is not None
    assert 3 <= result.trials < 20
    with Store(long.store) as store:
        assert [run.finished for run in store.runs()] == [False]


def test_memory_is_shared_out_among_the_workers_unless_the_task_says_otherwise(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "fit_autonet", lambda rows, settings, keep: given.append(settings))
    for more in ("", "memory_limit = 77.0\n"):
        task = read_task(Path(job(home, more=more).task.path))
        with Store(f"sqlite:///{home / 'runs.db'}") as store:
            learn(replace(task, settings={**task.settings, "n_jobs": 4}), home, store, 1000.0, Presses())
    assert [settings["memory_limit"] for settings in given] == [250.0, 77.0]
    assert given[0]["random_state"] == 0


def test_a_job_comes_through_its_line(home: Path) -> None:
    given = job(home)
    assert Job.read(given.line()) == given
    assert Job.read(replace(given, artefacts=home).line()).artefacts == home


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_child_runs_the_job_of_its_standard_input(home: Path) -> None:
    given = job(home)
    command = [sys.executable, "-m", "automl.batch.child"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, "LOKY_MAX_CPU_COUNT": "1"}) as child:
        assert child.stdin is not None
        child.stdin.write(given.line())
        child.stdin.flush()
        assert child.wait(120) == 0
    assert result_of(given).state is TaskState.DONE


def trial(number: int, loss: float, cost: float = 1.0, state: State = State.DONE) -> Trial:
    return Trial(number, Proposal({}), 0, Result(state, loss, cost))


def test_the_curve_has_a_point_for_each_better_trial_and_one_for_the_end() -> None:
    trials = [
        trial(0, math.inf, 2.0, State.CRASHED),
        trial(1, 0.5),
        trial(2, 0.75),
        trial(3, 0.25),
        trial(4, 0.25, 3.0),
    ]
    assert list(best_so_far(trials)) == [(3.0, 0.5), (5.0, 0.25), (8.0, 0.25)]
    assert list(best_so_far(trials[:1])) == []


def test_an_error_is_told_in_its_own_words_and_by_its_type_where_it_is_not_autonets() -> None:
    long = "none of 3 trials succeeded:\n  3 × timeout"
    assert reason(SearchFailed(long)) == long
    assert reason(ValueError("x")) == "ValueError: x"
    assert reason(KeyboardInterrupt()) == "stopped by Ctrl-C"
    assert reason(MemoryError()) == "MemoryError"


def test_a_named_table_is_read_by_the_child_as_by_the_check() -> None:
    rows, digest = rows_of(TaskFile(Path("iris.toml"), "sklearn:iris"))
    assert (len(rows.X), len(rows.X_test)) == (112, 38)
    assert digest == rows_of(TaskFile(Path("iris.toml"), "sklearn:iris"))[1]
