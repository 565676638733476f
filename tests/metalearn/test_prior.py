"""The prior: a density that sums to one, and draws that follow it."""

from __future__ import annotations

import numpy as np
import pytest

from metalearn.prior import Prior

NAN = float("nan")


def test_the_density_of_levels_sums_to_one_and_draws_follow_it() -> None:
    prior = Prior(np.array([[0.5 / 3], [2.5 / 3]]), np.array([0.75, 0.25]), np.array([3]))
    levels = (np.arange(3)[:, None] + 0.5) / 3
    density = np.exp(prior.log_density(levels))
    # A centre keeps its level by half, and the other half is shared by all three.
    assert density == pytest.approx([0.75 * (1 / 2 + 1 / 6) + 0.25 / 6, 1 / 6, 0.75 / 6 + 0.25 * (1 / 2 + 1 / 6)])
    rng = np.random.default_rng(0)
    drawn = np.array([prior.draw(rng)[0] for _ in range(4000)])
    shares = [np.mean(np.isclose(drawn, level)) for level in levels[:, 0]]
    assert shares == pytest.approx(density, abs=4 * np.sqrt(0.25 / 4000))


def test_the_density_of_a_number_is_that_of_a_truncated_normal() -> None:
    prior = Prior(np.array([[0.1]]), np.array([1.0]), np.array([0]))
    grid = (np.arange(10_000) + 0.5) / 10_000
    assert np.exp(prior.log_density(grid[:, None])).mean() == pytest.approx(1, abs=1e-4)


def test_draws_stay_in_the_cube_and_keep_the_gaps_of_their_centre() -> None:
    prior = Prior(np.array([[0.0, NAN], [1.0, 0.5]]), np.array([0.5, 0.5]), np.array([0, 0]))
    rng = np.random.default_rng(1)
    drawn = np.array([prior.draw(rng) for _ in range(500)])
    assert ((drawn[:, 0] >= 0) & (drawn[:, 0] <= 1)).all()
    assert np.isnan(drawn[:, 1]).mean() == pytest.approx(0.5, abs=0.1)


def test_what_is_not_active_alike_is_unlikely() -> None:
    prior = Prior(np.array([[0.5, 0.5]]), np.array([1.0]), np.array([0, 0]))
    same, other = prior.log_density(np.array([[0.5, 0.5], [0.5, NAN]]))
    assert other < same - 1
