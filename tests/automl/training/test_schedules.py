"""Schedules against values worked out by hand and against torch's own."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from automl.errors import SettingError
from automl.training.recipe import Recipe
from automl.training.schedules import RISING, SCHEDULES, factor, strength

BY_HAND: list[tuple[str, dict[str, Any], float, float]] = [
    ("constant", {}, 0.9, 1.0),
    ("cosine", {}, 0.0, 1.0),
    ("cosine", {}, 0.5, 0.5),
    ("cosine", {}, 1.0, 0.0),
    ("cosine", {}, 1 / 3, 0.75),  # (1 + cos 60°) / 2
    ("restarts", {"restarts_first": 10, "restarts_factor": 2.0}, 0.0, 1.0),
    ("restarts", {"restarts_first": 10, "restarts_factor": 2.0}, 0.05, 0.5),  # half of epochs 0 to 10
    ("restarts", {"restarts_first": 10, "restarts_factor": 2.0}, 0.1, 1.0),
    ("restarts", {"restarts_first": 10, "restarts_factor": 2.0}, 0.2, 0.5),  # half of epochs 10 to 30
    ("restarts", {"restarts_first": 10, "restarts_factor": 2.0}, 0.5, 0.5),  # half of epochs 30 to 70
    ("restarts", {"restarts_first": 10, "restarts_factor": 1.0}, 0.95, 0.5),
    ("step", {"step_every": 30, "step_factor": 0.1}, 0.29, 1.0),
    ("step", {"step_every": 30, "step_factor": 0.1}, 0.3, 0.1),
    ("step", {"step_every": 30, "step_factor": 0.1}, 0.95, 0.001),
    ("exponential", {"exponential_factor": 0.9}, 0.02, 0.81),
    ("inverse", {"inverse_gamma": 0.03, "inverse_power": 0.5}, 1.0, 0.5),  # (1 + 3)^-½
    ("one_cycle", {"one_cycle_rise": 0.4}, 0.0, 0.04),
    ("one_cycle", {"one_cycle_rise": 0.4}, 0.2, 0.52),  # half way from 0.04 to 1
    ("one_cycle", {"one_cycle_rise": 0.4}, 0.4, 1.0),
    ("one_cycle", {"one_cycle_rise": 0.4}, 1.0, 4e-6),
    ("cyclic", {"cyclic_length": 10, "cyclic_low": 0.2}, 0.0, 0.2),
    ("cyclic", {"cyclic_length": 10, "cyclic_low": 0.2}, 0.025, 0.6),
    ("cyclic", {"cyclic_length": 10, "cyclic_low": 0.2}, 0.55, 1.0),
    ("cyclic", {"cyclic_length": 10, "cyclic_low": 0.2, "cyclic_shrink": 0.5}, 0.15, 0.6),
    ("coslog4", {}, 0.0, 0.0),
    ("coslog4", {}, (math.sqrt(2) - 1) / 15, 1.0),  # log2 √2 is half a wave
    ("coslog4", {}, 1 / 15, 0.0),  # log2 2: one wave
    ("coslog4", {}, (2**3.5 - 1) / 15, 1.0),
    ("coslog4", {}, 1.0, 0.0),  # log2 16: four waves
    ("flat_cosine", {}, 0.49, 1.0),
    ("flat_cosine", {}, 0.75, 0.5),
    ("flat_cosine", {}, 1.0, 0.0),
]


@pytest.mark.parametrize(("schedule", "fields", "progress", "expected"), BY_HAND)
def test_schedules_have_their_values(schedule: str, fields: dict[str, Any], progress: float, expected: float) -> None:
    recipe = Recipe(schedule=schedule, warmup=0.0, epochs=100, **fields)
    assert factor(recipe, progress) == pytest.approx(expected, abs=1e-12)


def test_every_schedule_but_plateau_was_worked_out_by_hand() -> None:
    assert {schedule for schedule, *_ in BY_HAND} == SCHEDULES.keys() - {"plateau"}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_factors_lie_between_zero_and_one(schedule: str) -> None:
    recipe = Recipe(schedule=schedule, epochs=37)
    assert all(0 <= factor(recipe, i / 1000, [1.0] * 30) <= 1 for i in range(1001))


@pytest.mark.parametrize(("progress", "expected"), [(0.0, 0.01), (0.05, 0.505), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0)])
def test_a_warm_up_rises_linearly_and_the_schedule_has_the_rest(progress: float, expected: float) -> None:
    assert factor(Recipe(schedule="cosine", warmup=0.1), progress) == pytest.approx(expected)


def test_epochs_count_from_the_end_of_the_warm_up() -> None:
    recipe = Recipe(schedule="step", warmup=0.1, epochs=100, step_every=20, step_factor=0.5)
    assert [factor(recipe, e / 100) for e in (10, 29, 30, 49, 50)] == [1.0, 1.0, 0.5, 0.5, 0.25]


@pytest.mark.parametrize("schedule", sorted(RISING))
def test_schedules_that_begin_low_have_no_warm_up(schedule: str) -> None:
    with_one, without = (Recipe(schedule=schedule, warmup=w) for w in (0.2, 0.0))
    assert [factor(with_one, t / 10) for t in range(11)] == [factor(without, t / 10) for t in range(11)]


@pytest.mark.parametrize("epochs", [15, 49, 100])
@pytest.mark.parametrize("steps", [3, 7])
def test_a_cycle_begins_at_the_first_step_of_its_epoch(epochs: int, steps: int) -> None:
    recipe = Recipe(schedule="restarts", warmup=0.0, epochs=epochs, restarts_first=1, restarts_factor=1)
    assert all(factor(recipe, epoch * steps / (steps * epochs)) == 1.0 for epoch in range(epochs))


def test_the_rate_on_a_plateau_falls_after_more_epochs_than_are_borne() -> None:
    recipe = Recipe(schedule="plateau", warmup=0.0, plateau_patience=2, plateau_factor=0.1)
    losses = [1.0, 0.8, 0.9, 0.8, 0.81, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]
    falls = [factor(recipe, 0.5, losses[:n]) for n in range(len(losses) + 1)]
    assert falls == pytest.approx([1.0] * 5 + [0.1] * 4 + [0.01] * 3)


def rates_of_torch(make: Any, count: int, losses: list[float] | None = None) -> list[float]:
    """Learning rates of torch's scheduler at `count` epochs or steps, the height being 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = make(optimizer), []
    for i in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([] if losses is None else [losses[i]]))
    return rates


@pytest.mark.parametrize(
    ("fields", "make"),
    [
        ({"schedule": "cosine"}, lambda o: lr_scheduler.CosineAnnealingLR(o, 60)),
        ({"schedule": "cosine", "cosine_epochs": 25}, lambda o: lr_scheduler.CosineAnnealingLR(o, 25)),
        ({"schedule": "cosine", "cosine_epochs": 200}, lambda o: lr_scheduler.CosineAnnealingLR(o, 200)),
        (
            {"schedule": "restarts", "restarts_first": 7, "restarts_factor": 2},
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7, 2),
        ),
        ({"schedule": "step", "step_every": 9, "step_factor": 0.3}, lambda o: lr_scheduler.StepLR(o, 9, 0.3)),
        ({"schedule": "exponential", "exponential_factor": 0.95}, lambda o: lr_scheduler.ExponentialLR(o, 0.95)),
        (
            {"schedule": "cyclic", "cyclic_length": 8, "cyclic_low": 0.1},
            lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, step_size_up=4, cycle_momentum=False),
        ),
        (
            {"schedule": "cyclic", "cyclic_length": 8, "cyclic_low": 0.1, "cyclic_shrink": 0.5},
            lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, step_size_up=4, mode="triangular2", cycle_momentum=False),
        ),
        (
            {"schedule": "one_cycle", "one_cycle_rise": 0.3},
            # Torch's phases end one step before their share of the steps, the last of which is step 60 here.
            lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=61, pct_start=19 / 61, cycle_momentum=False),
        ),
    ],
)
def test_rates_equal_those_of_torch(fields: dict[str, Any], make: Any) -> None:
    recipe = Recipe(warmup=0.0, epochs=60, **fields)
    assert [factor(recipe, e / 60) for e in range(60)] == pytest.approx(rates_of_torch(make, 60), abs=1e-6)


def test_rates_on_a_plateau_equal_those_of_torch() -> None:
    losses = torch.rand(60, generator=torch.Generator().manual_seed(0)).tolist()
    recipe = Recipe(schedule="plateau", warmup=0.0, epochs=60, plateau_patience=3, plateau_factor=0.5)
    theirs = rates_of_torch(lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=3), 60, losses)
    assert [factor(recipe, e / 60, losses[:e]) for e in range(60)] == pytest.approx(theirs)
    assert theirs[-1] < 0.01


def test_strengths_are_constant_or_fall_in_the_second_half() -> None:
    assert [strength("constant", t) for t in (0.0, 1.0)] == [1.0, 1.0]
    assert [strength("flat_cosine", t) for t in (0.0, 0.5, 0.75, 1.0)] == pytest.approx([1.0, 1.0, 0.5, 0.0])
    with pytest.raises(SettingError, match="did you mean 'flat_cosine'"):
        strength("flat_cos", 0.5)
