"""Which trials become the ensemble."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np

from automl.evaluation.evaluator import OUT_OF_FOLD
from automl.search.history import History
from automl.search.trial import Proposal, Result, State, Trial
from automl.selection import MOST_WORK, candidates, most_work
from automl.task import Task


def history(folder: Path, *trials: tuple[str, float, State]) -> History:
    """Trials (configuration, loss, state), each finished one with predictions in the folder."""
    made = []
    for number, (name, loss, state) in enumerate(trials):
        made.append(Trial(number, Proposal({"family": name}), 0, Result(state, loss)))
        (folder / str(number)).mkdir()
        np.save(folder / str(number) / OUT_OF_FOLD, np.zeros((2, 1)))
    return History(tuple(made))


def test_candidates_are_the_finished_trials_best_first(tmp_path: Path) -> None:
    trials = history(tmp_path, ("a", 0.3, State.DONE), ("b", 0.1, State.CRASHED), ("c", 0.2, State.DONE))
    assert [t.number for t in candidates(trials, tmp_path)] == [2, 0]


def test_a_promoted_trial_that_repeats_its_parent_counts_once(tmp_path: Path) -> None:
    trials = history(tmp_path, ("a", 0.3, State.DONE), ("a", 0.3, State.DONE), ("b", 0.3, State.DONE))
    assert [t.number for t in candidates(trials, tmp_path)] == [0, 2]


def test_trials_whose_predictions_are_gone_are_left_out(tmp_path: Path) -> None:
    trials = history(tmp_path, ("a", 0.3, State.DONE), ("b", 0.4, State.DONE))
    (tmp_path / "0" / OUT_OF_FOLD).unlink()
    assert [t.number for t in candidates(trials, tmp_path)] == [1]


def test_an_ensemble_may_take_as_long_to_predict_as_boosting_with_a_tree_for_each_class() -> None:
    table = SimpleNamespace(images=None)
    tasks = [cast("Task", SimpleNamespace(outputs=outputs, arrays=table)) for outputs in (1, 2, 3, 19)]
    assert [most_work(task) / MOST_WORK for task in tasks] == [1, 1, 3, 19]
