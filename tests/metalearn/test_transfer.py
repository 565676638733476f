"""Gaussian processes and their ranking-weighted ensemble, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from metalearn.gaussian import expected_improvement
from metalearn.transfer import GP, distances, rank_weighted, ranking_losses

NUMERIC = np.zeros(2, dtype=int)
NAN = float("nan")


def smooth(points: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.sin(4 * points[:, 0]) + points[:, 1] ** 2
    return found


def model(n: int, seed: int, sign: float = 1.0, noise: float = 0.0) -> GP:
    rng = np.random.default_rng(seed)
    points = rng.random((n, 2))
    return GP(points, sign * smooth(points) + noise * rng.standard_normal(n), NUMERIC)


def test_distances_of_levels_gaps_and_numbers() -> None:
    levels = np.array([3, 0])
    points = np.array([[0.5 / 3, 0.2], [1.5 / 3, 0.2], [0.5 / 3, NAN], [NAN, NAN]])
    found = distances(points, points, levels, 2) ** 2 * 2
    off = 0.3**2 + 0.75  # an absent number against 0.2: height and the way to the middle
    assert found == pytest.approx(
        np.array([[0, 1, off, 1 + off], [1, 0, 1 + off, 1 + off], [off, 1 + off, 0, 1], [1 + off, 1 + off, 1, 0]]),
        abs=1e-12,
    )


def test_predictions_are_those_of_scikit_learn_with_the_same_kernel() -> None:
    ours = model(20, 0)
    length, noise, _ = ours._fit
    kernel = Matern(length * np.sqrt(2), nu=2.5)  # ours is in units of the mean square difference
    theirs = GaussianProcessRegressor(kernel, alpha=noise + 1e-8, optimizer=None).fit(ours.points, ours.standard)
    new = np.random.default_rng(1).random((7, 2))
    mean, deviation = theirs.predict(new, return_std=True)
    assert ours.predict(new)[0] == pytest.approx(mean, abs=1e-6)
    assert ours.predict(new)[1] == pytest.approx(deviation, abs=1e-5)


def test_a_prediction_does_not_depend_on_what_else_is_predicted() -> None:
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.random((10, 2)), np.full(10, NAN)])
    process = GP(points, smooth(points), np.zeros(3, dtype=int))
    new = np.array([[0.1, 0.2, NAN], [0.1, 0.2, 0.3]])  # the second has more active hyperparameters than any point
    mean, deviation = process.predict(new)
    alone = process.predict(new[:1])
    assert (mean[0], deviation[0]) == pytest.approx((alone[0][0], alone[1][0]), rel=1e-12)
    assert process.predict(points[:1])[0] == pytest.approx(process.standard[:1], abs=0.05)


def test_left_out_predictions_are_those_of_models_without_the_row() -> None:
    ours = model(12, 3, noise=0.1)
    length, noise, posterior = ours._fit
    mean, variance = posterior.left_out()
    for i in range(12):
        kept = np.arange(12) != i
        kernel = Matern(length * np.sqrt(2), nu=2.5)
        theirs = GaussianProcessRegressor(kernel, alpha=noise + 1e-8, optimizer=None)
        theirs.fit(ours.points[kept], ours.standard[kept])
        m, s = theirs.predict(ours.points[i : i + 1], return_std=True)
        assert (mean[i], variance[i]) == pytest.approx((m[0], s[0] ** 2 + noise + 1e-8), abs=1e-6)


def test_ranking_losses_count_pairs_in_the_wrong_order() -> None:
    predicted = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 3.0, 2.0]])
    observed = np.tile([10.0, 20.0, 30.0], (3, 1))
    assert ranking_losses(predicted, observed).tolist() == [0, 6, 2]  # each pair is met twice


def test_a_source_alike_has_most_of_the_weight_and_an_opposite_one_none() -> None:
    target = model(8, 5)
    ensemble = rank_weighted([model(40, 1), model(40, 2, sign=-1.0)], target, np.random.default_rng(0))
    assert ensemble.weights.sum() == pytest.approx(1)
    assert ensemble.weights[0] > 0.6
    assert ensemble.weights[1] == 0


def test_after_fifteen_observations_an_adversarial_source_has_lost_its_say() -> None:
    weights = [
        rank_weighted([model(40, 1, sign=-1.0)], model(15, seed), np.random.default_rng(seed)).weights[-1]
        for seed in range(10)
    ]
    assert min(weights) > 0.8


def test_ties_are_shared_equally() -> None:
    twin = model(40, 1)
    weights = rank_weighted([twin, twin], model(8, 5), np.random.default_rng(0)).weights
    assert weights[0] == weights[1] > 0


def test_expected_improvement_by_hand() -> None:
    # One standard deviation below the best: φ(1) + Φ(1) = 0.24197 + 0.84134.
    assert expected_improvement(np.array([-1.0]), np.array([1.0]), 0.0) == pytest.approx([1.08331], abs=1e-5)
