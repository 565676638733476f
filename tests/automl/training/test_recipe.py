"""Recipes, their space and their schedules."""

from __future__ import annotations

import pytest

from automl.architectures.family import native
from automl.errors import SettingError
from automl.training.recipe import Recipe
from automl.training.recipe_space import recipe_space
from automl.training.schedules import factor


def test_every_configuration_of_the_space_is_a_recipe_and_the_default_is_the_recipes_own() -> None:
    space = recipe_space()
    space.seed(0)
    for config in space.sample_configuration(50):
        Recipe(**native(dict(config)))
    assert Recipe(**native(dict(space.get_default_configuration()))) == Recipe()


@pytest.mark.parametrize(
    ("name", "value"), [("learning_rate", 0.0), ("batch_size", 1), ("momentum", 1.0), ("clip", -1.0)]
)
def test_a_value_that_breaks_its_rule_is_named(name: str, value: float) -> None:
    with pytest.raises(SettingError, match=name):
        Recipe(**{name: value})  # type: ignore[arg-type]


def test_an_unknown_optimiser_names_the_nearest_one() -> None:
    with pytest.raises(SettingError, match="unknown optimizer 'adamax'; did you mean 'adam'"):
        Recipe(optimizer="adamax")


@pytest.mark.parametrize(
    ("schedule", "progress", "warmup", "expected"),
    [
        ("cosine", 0.0, 0.0, 1.0),
        ("cosine", 0.5, 0.0, 0.5),
        ("cosine", 1.0, 0.0, 0.0),
        ("cosine", 1 / 3, 0.0, 0.75),  # (1 + cos 60°) / 2
        ("cosine", 0.0, 0.1, 0.01),
        ("cosine", 0.05, 0.1, 0.505),
        ("cosine", 0.1, 0.1, 1.0),
        ("cosine", 0.55, 0.1, 0.5),
        ("constant", 0.9, 0.1, 1.0),
    ],
)
def test_schedules_have_their_values(schedule: str, progress: float, warmup: float, expected: float) -> None:
    assert factor(Recipe(schedule=schedule, warmup=warmup), progress) == pytest.approx(expected)
