"""Greedy selection: Caruana et al. 2004, by hand and by law."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from automl.ensemble import Predictions, affordable_weights, greedy_weights, pruned


def one_row(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32).reshape(-1, 1, 1)


def distance_to(target: float) -> Callable[[Predictions], float]:
    return lambda p: abs(float(p[0, 0]) - target)


def test_two_models_around_the_truth_share_the_weight() -> None:
    # 0 and 4 around 1: first 0 (off by 1), then means 0, 2 (off by 1), then 0+0+4 → 4/3, then 0+0+0+4 → 1.
    weights = greedy_weights(one_row(0, 4), distance_to(1), size=4)
    assert weights.tolist() == [0.75, 0.25]


def test_the_best_prefix_is_returned_not_the_last_one() -> None:
    # After 4 choices the mean is 1 exactly; the fifth can only spoil it.
    assert greedy_weights(one_row(0, 4), distance_to(1), size=5).tolist() == [0.75, 0.25]


def test_one_choice_is_the_best_single_model() -> None:
    assert greedy_weights(one_row(3, 1.5, 9), distance_to(1), size=1).tolist() == [0, 1, 0]


def test_useless_models_get_no_weight() -> None:
    assert greedy_weights(one_row(1, 50, -70), distance_to(1), size=10).tolist() == [1, 0, 0]


@given(seed=st.integers(0, 1000), models=st.integers(1, 6), size=st.integers(1, 12))
@settings(deadline=None, max_examples=60)
def test_never_worse_than_the_best_single_model(seed: int, models: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    predictions = rng.normal(size=(models, 20, 1)).astype(np.float32)
    target = rng.normal(size=20)

    def loss(p: Predictions) -> float:
        return float(np.mean((p[:, 0] - target) ** 2))

    weights = greedy_weights(predictions, loss, size=size)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    mean = np.tensordot(weights, predictions, axes=1)
    assert loss(mean) <= min(loss(p) for p in predictions) + 1e-6


def test_a_deadline_that_has_passed_leaves_the_best_single_model() -> None:
    calls = 0

    def loss(p: Predictions) -> float:
        nonlocal calls
        calls += 1
        return abs(float(p[0, 0]) - 1)

    weights = greedy_weights(one_row(0.5, 4), loss, size=50, deadline=time.monotonic())
    assert weights.tolist() == [1, 0]
    assert calls == 2


def test_a_model_that_takes_too_much_work_is_not_added() -> None:
    models = one_row(0, 4, 3)
    weights = greedy_weights(models, distance_to(1), size=4, work=[5, 1, 10])
    assert weights == pytest.approx([2 / 3, 0, 1 / 3])  # 0 + 0 + 3, off by nothing
    assert greedy_weights(models, distance_to(1), size=4, work=[5, 1, 10], most_work=6).tolist() == [0.75, 0.25, 0.0]
    assert greedy_weights(models, distance_to(1), size=4, work=[5, 10, 1], most_work=0).tolist() == [1.0, 0.0, 0.0]


def test_pruning_leaves_out_what_hardly_lowers_the_loss() -> None:
    models, weights = one_row(0.0, 2.0, 1.5), np.array([0.5, 0.49, 0.01])
    loss = lambda p: 1 + distance_to(1)(p)  # noqa: E731
    # All: 0.995, loss 1.005. Without the third: 0.98/0.99, loss 1.0101, half a per cent above.
    assert pruned(models, weights, loss, tolerance=0.001).tolist() == weights.tolist()
    assert pruned(models, weights, loss, tolerance=0.01) == pytest.approx([0.5 / 0.99, 0.49 / 0.99, 0.0])


def test_pruning_keeps_a_model_and_stops_with_the_time() -> None:
    models, weights = one_row(1.0, 1.0), np.array([0.5, 0.5])
    assert (pruned(models, weights, distance_to(1), tolerance=0.5) > 0).sum() == 1
    assert pruned(models, weights, distance_to(1), tolerance=0.5, deadline=0.0).tolist() == [0.5, 0.5]


def test_cheap_models_that_are_better_together_are_preferred_to_a_costly_one() -> None:
    # The first is the best alone (off by 0.5) and takes all the work; the mean of the others is off by nothing.
    models = one_row(1.5, 0.0, 2.0)
    weights = affordable_weights(
        models, distance_to(1), size=2, single=[0.5, 1.0, 1.0], work=[10.0, 1.0, 1.0], most_work=10.0
    )
    assert weights.tolist() == [0.0, 0.5, 0.5]
