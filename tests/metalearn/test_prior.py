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
    # A centre keeps its level by half. Else the level is one of the two (3/8) or of all three: there are as many values
    # as 1 / (.75² + .25²) = 1.6 equal ones, of which one is spread evenly.
    own = np.array([3 / 8 * 0.75, 0, 3 / 8 * 0.25]) + 5 / 8 / 3
    assert density == pytest.approx(0.5 * np.array([0.75, 0, 0.25]) + 0.5 * own)
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


def test_a_hyperparameter_has_a_narrow_prior_where_good_configurations_agree_and_a_wide_one_elsewhere() -> None:
    rng = np.random.default_rng(0)
    centres = np.stack([np.full(20, 0.5), 0.5 + rng.normal(0, 0.15, 20), np.tile([0.1, 0.9], 10)], axis=1)
    prior = Prior(centres, np.full(20, 1 / 20), np.array([0, 0, 0]))
    reference = 1.06 * centres[:, 1].std() * 20**-0.2
    assert prior.spreads == pytest.approx([0.05, reference, 1.06 * 0.4 * 20**-0.2])
    assert 0.05 < reference < 0.25


def test_a_hyperparameter_that_moves_takes_the_values_of_all_good_configurations() -> None:
    # Two groups of configurations: the mixture keeps them together by half, and mixes their values else.
    centres = np.array([[0.2, 0.25]] * 5 + [[0.8, 0.75]] * 5)
    prior = Prior(centres, np.full(10, 0.1), np.array([0, 2]))
    drawn = np.array([prior.draw(np.random.default_rng(seed)) for seed in range(2000)])
    mixed = np.mean((drawn[:, 0] > 0.5) != (drawn[:, 1] > 0.5))
    assert mixed == pytest.approx(3 / 8, abs=0.05)
    together, apart = prior.log_density(np.array([[0.2, 0.25], [0.2, 0.75]]))
    assert together > apart


def test_the_density_of_a_learned_prior_integrates_to_one() -> None:
    centres = np.random.default_rng(0).uniform(0.2, 0.8, (6, 1))
    prior = Prior(centres, np.arange(6, 0, -1) / 21, np.array([0]))
    grid = (np.arange(10_000) + 0.5) / 10_000
    assert np.exp(prior.log_density(grid[:, None])).mean() == pytest.approx(1, abs=1e-4)
    drawn = np.array([prior.draw(np.random.default_rng(seed))[0] for seed in range(3000)])
    assert drawn.mean() == pytest.approx(float((np.exp(prior.log_density(grid[:, None])) * grid).mean()), abs=0.02)
