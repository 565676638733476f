"""The commands, through their own parser."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import automl
from automl.batch.run import run_checked
from automl.calibration import Calibration
from automl.cli import app
from automl.cli.terminal import one_line
from automl.data import write_table
from automl.estimator import AutoNetClassifier
from automl.progress import Board
from automl.search.trial import State, Trial

FAST = ("--trials", "2", "--jobs", "1", "--seed", "0", "--families", "linear", "--holdout", "0.3")


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of two numbers and a text, `label` (two words) and `value` (their sum)."""
    folder = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 80))
    table = pd.DataFrame({"first": first, "second": second, "town": rng.choice(["Ulm", "Jena"], 80)})
    write_table(table, folder / "features.csv")
    write_table(table.assign(label=np.where(first + second > 0, "high", "low")), folder / "labels.csv")
    write_table(table.assign(value=first + second), folder / "values.tsv")
    return folder


@pytest.fixture(scope="module")
def fitted(home: Path) -> Result:
    return call("fit", home / "labels.csv", "--target", "label", "-o", home / "made" / "model.autonet", *FAST)


def test_fit_prints_the_leaderboard_and_saves_a_model_that_predicts(home: Path, fitted: Result) -> None:
    assert fitted.exit_code == 0, fitted.output
    model = home / "made" / "model.autonet"
    assert "'label': classification (2 distinct values" in fitted.stdout
    assert "the best 2 of 2 trials" in fitted.stdout
    assert "validation loss" in fitted.stdout
    assert f"saved {model}" in fitted.stdout
    labels = pd.read_csv(home / "labels.csv")
    predicted = automl.load(model).predict(labels.drop(columns="label"))
    assert np.mean(predicted == labels["label"]) > 0.8


def test_only_results_are_printed_where_there_is_no_terminal(fitted: Result) -> None:
    assert fitted.stderr == ""


def test_predict_writes_one_line_a_row_with_the_probability_of_each_class(home: Path, fitted: Result) -> None:
    out = home / "out" / "predictions.csv"
    answer = call("predict", home / "made" / "model.autonet", home / "features.csv", "--proba", "-o", out)
    assert answer.exit_code == 0, answer.output
    predictions = pd.read_csv(out)
    assert list(predictions.columns) == ["prediction", "probability_high", "probability_low"]
    assert len(predictions) == 80
    high = predictions["probability_high"] > predictions["probability_low"]
    assert (predictions["prediction"] == np.where(high, "high", "low")).all()


def test_a_saved_model_predicts_where_the_libraries_of_the_search_are_not_installed(home: Path, fitted: Result) -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['ConfigSpace', 'hpbandster', 'optuna', 'smac', 'sqlalchemy'])); "
        "from automl.__main__ import main; main()"
    )
    words = ["predict", str(home / "made" / "model.autonet"), str(home / "features.csv")]
    command = [sys.executable, "-c", program, *words]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout.splitlines()) == 81


def test_predict_without_a_file_prints_csv_and_takes_columns_in_any_order(home: Path, fitted: Result) -> None:
    turned = pd.read_csv(home / "features.csv")[["town", "second", "first"]]
    write_table(turned, home / "turned.csv")
    model = home / "made" / "model.autonet"
    answer, other = call("predict", model, home / "turned.csv"), call("predict", model, home / "features.csv")
    assert answer.stdout.startswith("prediction\n")
    assert answer.stdout == other.stdout


def test_predictions_are_the_same_with_and_without_their_probabilities(home: Path, fitted: Result) -> None:
    model = automl.load(home / "made" / "model.autonet")
    strict = replace(model.ensemble_, calibration=Calibration(factors=(1.0, 100.0)))  # "low" unless "high" is certain
    model.ensemble_ = strict
    model.save(home / "strict.autonet")
    answers = [call("predict", home / "strict.autonet", home / "features.csv", *words) for words in ((), ("--proba",))]
    plain, beside = (pd.read_csv(StringIO(answer.stdout)) for answer in answers)
    assert plain["prediction"].tolist() == beside["prediction"].tolist()
    assert (beside["prediction"] == "low").sum() > (beside["probability_low"] > 0.5).sum()


def test_predict_names_a_missing_and_an_extra_column_and_ignores_what_it_is_told_to(home: Path, fitted: Result) -> None:
    model = home / "made" / "model.autonet"
    write_table(pd.read_csv(home / "features.csv").drop(columns="town"), home / "short.csv")
    missing = call("predict", model, home / "short.csv")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "lacks the column 'town'" in missing.stderr
    extra = call("predict", model, home / "labels.csv")
    assert extra.exit_code == 2
    assert "not fitted on the column 'label'" in extra.stderr
    assert call("predict", model, home / "labels.csv", "--ignore", "label").exit_code == 0


def test_a_regression_is_fitted_and_has_no_probabilities(home: Path) -> None:
    model = home / "values.autonet"
    answer = call("fit", home / "values.tsv", "-t", "value", "-o", model, *FAST)
    assert answer.exit_code == 0, answer.output
    assert "'value': regression" in answer.stdout
    predictions = call("predict", model, home / "features.csv")
    assert len(predictions.stdout.splitlines()) == 81
    refused = call("predict", model, home / "features.csv", "--proba")
    assert refused.exit_code == 2
    assert "regressor" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.csv", "-t", "label"], "none.csv: there is no such file"),
        (["labels.csv", "-t", "lable"], "did you mean 'label'?"),
        (["labels.csv", "-t", "label", "--optimizer", "bobh"], "unknown optimizer 'bobh'; did you mean 'bohb'?"),
        (["labels.csv", "-t", "label", "--families", "mlp,liner"], "did you mean 'linear'?"),
        (["labels.csv", "-t", "label", "--kind", "clasification"], "did you mean 'classification'?"),
        (["labels.csv", "-t", "label", "--folds", "3", "--holdout", "0.2"], "exclude each other"),
        (["labels.csv", "-t", "label", "--trials", "0"], "n_trials 0 must be a whole number"),
        (["labels.csv", "-t", "town", "--kind", "regression"], "is no number"),
    ],
)
def test_an_error_is_one_line_on_standard_error_and_exit_code_2(
    home: Path, monkeypatch: pytest.MonkeyPatch, words: Sequence[str], said: str
) -> None:
    monkeypatch.chdir(home)
    answer = call("fit", *words)
    assert answer.exit_code == 2
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert not Path("model.autonet").exists()


def test_debug_shows_the_error_itself(home: Path) -> None:
    answer = call("fit", home / "none.csv", "-t", "label", "--debug")
    assert type(answer.exception).__name__ == "DataError"


def test_a_file_that_is_no_model_is_refused_in_one_line(home: Path) -> None:
    answer = call("predict", home / "labels.csv", home / "labels.csv")
    assert answer.exit_code == 2
    assert len(answer.stderr.splitlines()) == 1


def test_of_a_long_message_the_first_and_the_last_line_are_kept() -> None:
    error = ValueError("none of 3 trials finished; the first failed with:\n  File x\n\nKeyError: 'a'\n")
    assert one_line(error) == "none of 3 trials finished; the first failed with: KeyError: 'a'"


def test_methods_lists_what_can_be_typed() -> None:
    answer = call("methods")
    assert answer.exit_code == 0
    for name in ("bohb", "Falkner", "resnet", "neural", "medium", "epochs", "neg_log_loss"):
        assert name in answer.stdout


def test_space_lists_the_search_spaces_with_a_line_each() -> None:
    answer = call("space")
    assert answer.exit_code == 0, answer.output
    for said in ("default", "autonet-1", "Mendoza", "cocktails", "Kadra", "mlp, resnet"):
        assert said in answer.stdout


def test_space_prints_ranges_scales_defaults_and_conditions() -> None:
    answer = call("space", "cocktails")
    assert answer.exit_code == 0, answer.output
    lines = [" ".join(line.split()) for line in answer.stdout.splitlines()]
    assert "weight_decay float 1e-05 to 0.1 log 0.0001 @use_weight_decay = True" in lines
    assert "lookahead_steps integer 5 to 10 6 lookahead = True" in lines
    assert "shake choice none, shake_drop, shake_shake none skip = True" in lines
    assert "epochs constant 105 105" in lines
    assert "families: resnet" in lines
    assert "44 hyperparameters, 23 of them constant" in lines
    assert "2. family = resnet, resnet:@use_dropout = True, train:@use_weight_decay = True" in lines


def test_space_says_which_families_a_shared_hyperparameter_belongs_to() -> None:
    lines = [" ".join(line.split()) for line in call("space", "default").stdout.splitlines()]
    learning_rate = next(line for line in lines if line.startswith("learning_rate float 0.0001"))
    assert learning_rate.endswith("family = mlp | resnet")
    assert "max_units integer 16 to 512 log 128 form ≠ explicit" in lines


def test_space_answers_an_unknown_name_with_the_nearest_one() -> None:
    answer = call("space", "autonet3")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "unknown search space 'autonet3'; did you mean 'autonet-2'?" in answer.stderr


def test_the_version_is_told() -> None:
    assert call("--version").stdout.startswith("autonet 0.")


def test_python_m_automl_is_the_command() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "automl", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    for name in ("fit", "predict", "batch", "methods"):
        assert name in answer.stdout


TASK = """
data = "labels.csv"
target = "label"
n_trials = 2
n_jobs = 1
families = "linear"
resampling = 0.3
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the process that stands for a search uses signals")
def test_batch_runs_all_tasks_though_one_fails_and_keeps_what_is_done(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = (sys.executable, str(Path(__file__).parent / "batch" / "fake_child.py"))
    monkeypatch.setattr("automl.batch.run.run_checked", partial(run_checked, child=child))
    for name in ("fails", "labels"):
        (home / f"{name}.toml").write_text(TASK, encoding="utf-8")
    answer = call("batch", home / "fails.toml", home / "labels.toml", "--out", home / "results")
    assert answer.exit_code == 1, answer.output
    assert answer.stderr == "autonet: task 'fails' failed: none of 2 trials finished\n"
    assert "labels: done in 1.5 s, log loss 0.1 (boosting 0.2), accuracy 0.9000 (0.8000)" in answer.stdout
    summary = answer.stdout[answer.stdout.index("Test rows") :]
    assert [line.split()[:2] for line in summary.splitlines() if line.split()[:1] == ["fails"]] == [["fails", "failed"]]
    assert f"curves and models: {home / 'results' / 'index.html'}" in summary
    again = call("batch", home / "labels.toml", "--out", home / "results")
    assert again.exit_code == 0
    assert "labels: running" not in again.stdout


def test_batch_refuses_all_wrong_task_files_at_once_with_a_line_each(home: Path) -> None:
    (home / "wrong.toml").write_text(TASK.replace("n_trials", "n_trails"), encoding="utf-8")
    (home / "other.toml").write_text(TASK.replace("labels.csv", "lables.csv"), encoding="utf-8")
    answer = call("batch", home / "wrong.toml", home / "other.toml", "--out", home / "refused")
    assert answer.exit_code == 2
    assert len(answer.stderr.splitlines()) == 2
    assert "did you mean 'n_trials'?" in answer.stderr
    assert "lables.csv: there is no such file" in answer.stderr
    assert not (home / "refused").exists()


@pytest.fixture
def pressed_at_third_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is pressed when the third trial has ended."""
    ended: list[int] = []

    def put(board: Board, trial: Trial) -> None:
        if trial.state is State.DONE:
            ended.append(trial.number)
            if len(ended) == 3:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Board, "put", put)


LONG = ("--trials", "300", "--jobs", "1", "--seed", "0", "--families", "linear", "--holdout", "0.3")


@pytest.mark.usefixtures("pressed_at_third_trial")
def test_ctrl_c_ends_the_search_and_saves_what_was_found(home: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    answer = call("fit", home / "labels.csv", "-t", "label", "-o", home / "early.autonet", *LONG)
    assert answer.exit_code == 0, answer.output
    assert "saved" in answer.stdout
    assert 3 <= len(automl.load(home / "early.autonet").history_) < 10
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("pressed_at_third_trial")
def test_ctrl_c_pressed_twice_stops_with_exit_code_130(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AutoNetClassifier, "save", lambda self, path: signal.raise_signal(signal.SIGINT))
    answer = call("fit", home / "labels.csv", "-t", "label", "-o", home / "never.autonet", *LONG)
    assert answer.exit_code == 130
    assert not (home / "never.autonet").exists()
