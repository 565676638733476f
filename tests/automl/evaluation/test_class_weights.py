"""Class weights: equal sums for all classes, in training alone, and for classification alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight
from small_tasks import make_task, make_trial, run

from automl.evaluation.class_weights import balanced, training_weight
from automl.evaluation.evaluator import OUT_OF_FOLD

Y = np.array([0, 0, 0, 0, 0, 2, 2, 5])


def test_balanced_weights_are_those_of_scikit_learn():
    assert balanced(Y, None) == pytest.approx(compute_sample_weight("balanced", Y))


def test_weights_of_rows_are_kept_within_a_class_and_the_sum_over_all():
    own = np.arange(1.0, 9.0)
    found = balanced(Y, own)
    assert found.sum() == pytest.approx(own.sum())
    assert np.bincount(Y, weights=found)[[0, 2, 5]] == pytest.approx([12, 12, 12])
    assert found[1] / found[0] == pytest.approx(2)


def test_a_class_without_weight_gets_none():
    assert balanced(np.array([0, 0, 1]), np.array([1.0, 1.0, 0.0])).tolist() == [1, 1, 0]


def test_without_the_choice_and_for_values_the_weights_are_the_tasks_own():
    rows = np.arange(10)
    assert training_weight(make_task(), rows, {}) is None
    assert training_weight(make_task("regression"), rows, {"class_weighting": True}) is None
    assert training_weight(make_task(), rows, {"class_weighting": True}) is not None


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_weighting_raises_what_is_predicted_of_a_rare_class_and_leaves_the_loss_as_it_is(name: str, tmp_path: Path):
    task = make_task(rows=300, classes=2)
    task = replace(task, y=(np.random.default_rng(1).random(300) < 0.1).astype(np.int64))  # nothing but a rare class
    more = {"train:learning_rate": 0.03} if name == "mlp" else {}
    shares, losses = [], []
    for weighting in (False, True):
        folder = tmp_path / str(weighting)
        result = run(task, folder, make_trial(name, **more, **{"prepare:class_weighting": weighting}))
        predicted = np.load(folder / "0" / OUT_OF_FOLD)
        assert result.loss == pytest.approx(task.loss(predicted))
        shares.append(predicted[:, 1].mean())
        losses.append(result.loss)
    assert shares[0] == pytest.approx(0.1, abs=0.1)
    assert shares[1] > 0.25
    assert losses[1] > losses[0]
