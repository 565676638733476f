"""Extrapolated learning curves: errors and intervals on synthetic curves, and what holds for every one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from automl.search.curves.extrapolate import Extrapolation, extrapolate
from automl.search.curves.families import FAMILIES, CurveFamily
from automl.search.curves.forecast import Forecast, curve_of, exchange_rate
from automl.search.curves.least_squares import Problem, least_squares
from automl.search.history import History
from automl.search.trial import Proposal, Result, State, Trial

TIMES = np.arange(1.0, 101.0)
Curve = list[tuple[float, float]]


def curve(losses: np.ndarray | list[float], of: int = 100) -> Curve:
    return [((k + 1) / of, float(loss)) for k, loss in enumerate(losses)]


def found(points: Curve, seed: int = 0) -> Extrapolation:
    made = extrapolate(points, 1.0, np.random.default_rng(seed))
    assert made is not None
    return made


def synthetic(rng: np.random.Generator) -> np.ndarray:
    """A rising curve of one family in (0, 1), of which half has risen by three tenths of its time."""
    while True:
        family = FAMILIES[int(rng.integers(len(FAMILIES)))]
        values: np.ndarray = family(np.array(family.start) * np.exp(rng.normal(0, 0.3, (1, len(family.start)))), TIMES)[
            0
        ]
        rise = values[-1] - values[0]
        if values.min() > 0 and values.max() < 1 and rise > 0.1 and values[29] - values[0] > rise / 2:
            return values


def test_synthetic_curves_are_foretold_within_three_hundredths_and_intervals_hold_what_they_say() -> None:
    rng = np.random.default_rng(0)
    errors, last, held = [], [], []
    for k in range(100):
        values = synthetic(rng)
        losses = 1 - (values + rng.normal(0, 0.01, 100))
        made = found(curve(losses[:30]), k)
        low, high = made.interval(0.9)
        errors.append(abs(made.median - (1 - values[-1])))
        last.append(abs(losses[29] - (1 - values[-1])))
        held.append(low <= losses.min() <= high)
    assert np.mean(errors) < 0.03
    assert np.mean(errors) < np.mean(last)
    assert 0.8 <= np.mean(held) <= 0.97


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_finds_its_own_curve_from_other_start_values(family: CurveFamily) -> None:
    truth = np.array(family.start)
    values = family(truth[None], TIMES)
    low, high = np.array(family.low), np.array(family.high)
    start = np.clip(truth * 1.3, low, high)[None]
    ((parameters, costs),) = least_squares([Problem(family, start, low, high, values)], TIMES, np.ones(100), 40)
    assert math.sqrt(costs[0] / 100) < 0.01
    assert ((parameters >= low) & (parameters <= high)).all()


def test_problems_do_not_depend_on_those_beside_them() -> None:
    problems = []
    for family in FAMILIES[:4]:
        low, high = np.array(family.low), np.array(family.high)
        values = family(np.array(family.start)[None], TIMES) + 0.01 * np.sin(TIMES)
        problems.append(Problem(family, np.clip(np.array(family.start)[None] * 1.2, low, high), low, high, values))
    together = least_squares(problems, TIMES, np.ones(100), 10)
    for problem, (theta, cost) in zip(problems, together, strict=True):
        ((alone, its_cost),) = least_squares([problem], TIMES, np.ones(100), 10)
        assert theta == pytest.approx(alone, rel=1e-4, abs=1e-6)
        assert cost == pytest.approx(its_cost, rel=1e-6)


def test_what_is_foretold_scales_with_the_losses_and_with_the_unit_of_time() -> None:
    losses = 0.2 + TIMES[:30] ** -0.7
    made = found(curve(losses))
    assert found(curve(1000 * losses)).samples == pytest.approx(1000 * made.samples, rel=1e-6)
    in_epochs = extrapolate([(100 * t, loss) for t, loss in curve(losses)], 100.0, np.random.default_rng(0))
    assert in_epochs is not None
    assert in_epochs.samples == pytest.approx(made.samples, rel=1e-6)


def test_a_loss_stays_between_zero_and_the_best_so_far() -> None:
    made = found(curve(np.linspace(1.0, 0.05, 30)))
    assert made.samples.min() >= 0
    assert made.samples.max() <= 0.05


def test_losses_below_zero_are_foretold_too() -> None:
    made = found(curve(-1 + TIMES[:30] ** -0.7))
    assert made.median == pytest.approx(-1 + 100**-0.7, abs=0.05)


def test_a_run_that_overfits_is_worth_its_best_epoch() -> None:
    made = found(curve([1.0, 0.6, 0.4, 0.3, *np.linspace(0.3, 2.0, 26)]))
    assert 0.2 < made.median <= 0.3


def test_a_curve_that_stands_still_stays_where_it_is() -> None:
    assert set(found(curve([0.5] * 30)).samples) == {0.5}


@pytest.mark.parametrize("first", [2.0, 20.0, 1e6])
def test_a_start_that_diverged_hides_nothing_of_what_followed(first: float) -> None:
    """What has been gained is small beside such a start, and is still to be seen."""
    losses = 0.2 + 0.5 * TIMES[:15] ** -0.7
    made = found(curve([first, *losses[1:]], of=50))
    low, high = made.interval(0.9)
    assert low < 0.2 + 0.5 * 50**-0.7 < high
    assert made.median < losses[-1] - 0.01


def test_a_loss_that_has_reached_zero_stays_there() -> None:
    assert set(found(curve([1.0, 0.5, 0.2, 0.0, 0.0, 0.0])).samples) == {0.0}


def test_too_short_a_curve_says_nothing_and_losses_that_are_no_numbers_are_left_out() -> None:
    assert extrapolate(curve([0.5, 0.4, 0.3, 0.2]), 1.0, np.random.default_rng(0)) is None
    assert extrapolate(curve([0.5, math.inf, 0.4, math.nan, 0.3, 0.2]), 1.0, np.random.default_rng(0)) is None
    assert extrapolate([], 1.0, np.random.default_rng(0)) is None


def test_chances_and_improvements_follow_from_the_samples() -> None:
    made = Extrapolation(np.array([1.0, 2.0, 3.0, 4.0]))
    assert (made.below(2.5), made.improvement(3.0), made.median) == (0.5, 0.75, 2.5)


# Curves of trials


def trial(number: int, loss: float, budget: float, points: Curve | None = None, parent: int | None = None) -> Trial:
    proposal = Proposal({"x": 1}, budget, parent=parent)
    return Trial(number, proposal, 0, Result(State.DONE, loss, 1.0, tuple(points or ())))


FALLING = curve(0.2 + 0.5 * TIMES[:30] ** -0.7)
ENDS = float(found(FALLING).median)
"""Where this curve is foretold to end, in its own unit."""


def foretold(*trials: Trial) -> float:
    """Median of the loss of the last of these trials."""
    made = Forecast(seed=0)(History(trials), trials[-1])
    assert made is not None
    return made.median


def test_what_is_foretold_is_in_the_unit_of_the_loss() -> None:
    reached = FALLING[-1][1]
    assert foretold(trial(0, reached, 0.3, FALLING)) == pytest.approx(ENDS, abs=0.01)
    assert foretold(trial(0, 1000 * reached, 0.3, FALLING)) == pytest.approx(1000 * ENDS, abs=10)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e5])
def test_losses_below_zero_fall_as_those_of_the_trials_do_by_their_curves(unit: float) -> None:
    """A negated score: its unit is read off what the trials have reached."""
    others = [trial(k, unit * (high - 9.0), 1.0, [(1.0, high)]) for k, high in enumerate((0.3, 0.4, 0.5, 0.9))]
    reached = FALLING[-1][1]
    negative = trial(4, unit * (reached - 9.0), 0.3, FALLING)
    assert foretold(*others, negative) == pytest.approx(unit * (ENDS - 9.0), abs=0.01 * unit)
    assert exchange_rate(History((*others, negative))) == pytest.approx(unit)


def test_one_trial_tells_no_exchange_rate() -> None:
    assert exchange_rate(History()) == exchange_rate(History((trial(0, -1.0, 0.3, FALLING),))) == 1.0


def test_a_run_without_an_error_has_nothing_to_gain() -> None:
    perfect = trial(0, 0.0, 0.3, FALLING)
    assert foretold(perfect) == 0.0
    assert foretold(trial(0, -1.0, 1.0, [(1.0, 0.1)]), replace(perfect, number=1)) < 0


def test_trials_without_a_curve_have_a_point_each() -> None:
    history = History((trial(0, 0.5, 0.1), trial(1, 0.4, 0.3, parent=0), trial(2, 0.3, 1.0, parent=1)))
    assert curve_of(history, history[2]) == ((0.1, 0.5), (0.3, 0.4), (1.0, 0.3))
