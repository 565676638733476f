"""Recipes and their space."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from automl.architectures.family import native
from automl.errors import SettingError
from automl.training import recipe as rules
from automl.training.recipe import AUGMENTATIONS, Recipe
from automl.training.recipe_space import OPTIMIZER_WEIGHTS, SCHEDULE_WEIGHTS, recipe_space
from automl.training.regularisers.space import AUGMENTATION_WEIGHTS, AVERAGING_WEIGHTS
from automl.training.schedules import SCHEDULES


def samples(count: int) -> list[dict[str, Any]]:
    space = recipe_space()
    space.seed(0)
    return [native(dict(config)) for config in space.sample_configuration(count)]


def test_every_configuration_of_the_space_is_a_recipe_and_the_default_is_the_recipes_own() -> None:
    for config in samples(300):
        Recipe(**config)
    assert Recipe(**native(dict(recipe_space().get_default_configuration()))) == Recipe()


def test_random_search_mostly_takes_adamw_and_cosine_and_sometimes_all_others() -> None:
    for weights in (OPTIMIZER_WEIGHTS, SCHEDULE_WEIGHTS):
        assert sum(weights.values()) == pytest.approx(1)
    drawn = samples(1000)
    assert np.mean([c["optimizer"] == "adamw" for c in drawn]) == pytest.approx(0.78, abs=0.05)
    assert np.mean([c["schedule"] == "cosine" for c in drawn]) == pytest.approx(0.6, abs=0.05)
    assert {c["optimizer"] for c in drawn} == {"adamw", "adam", "sgd", "rmsprop"}
    assert {c["schedule"] for c in drawn} == SCHEDULES.keys()


def test_parameters_are_active_with_what_reads_them_and_only_then() -> None:
    of_optimizer = {
        "adamw": {"beta1", "beta2"},
        "adam": {"beta1", "beta2"},
        "sgd": {"momentum", "nesterov"},
        "rmsprop": {"momentum", "alpha"},
    }
    always = {"optimizer", "learning_rate", "weight_decay", "schedule", "batch_size", "label_smoothing"}
    always |= {"augmentation", "averaging", "lookahead"}
    for config in samples(500):
        chosen = [config["schedule"], config["augmentation"], config["averaging"], "lookahead" * config["lookahead"]]
        own = {f.name for f in fields(Recipe) for name in chosen if name and f.name.startswith(f"{name}_")}
        own -= {"cosine_epochs"}  # the wave is the whole run where nothing else is asked for
        assert set(config) == always | of_optimizer[config["optimizer"]] | own


def test_random_search_mostly_leaves_regularisers_off() -> None:
    for weights in (AUGMENTATION_WEIGHTS, AVERAGING_WEIGHTS):
        assert sum(weights.values()) == pytest.approx(1)
    drawn = samples(1000)
    assert np.mean([c["augmentation"] == "none" for c in drawn]) == pytest.approx(0.7, abs=0.05)
    assert np.mean([c["averaging"] == "none" for c in drawn]) == pytest.approx(0.75, abs=0.05)
    assert np.mean([c["lookahead"] for c in drawn]) == pytest.approx(0.15, abs=0.05)
    assert {c["augmentation"] for c in drawn} == set(AUGMENTATIONS)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("learning_rate", 0.0, r"learning_rate=0\.0 in the recipe must be a number in \(0, inf\)"),
        ("learning_rate", float("nan"), r"a number in \(0, inf\)"),
        ("learning_rate", float("inf"), r"a number in \(0, inf\)"),
        ("weight_decay", "much", r"weight_decay='much' in the recipe must be a number in \[0, inf\)"),
        ("momentum", 1.0, r"momentum=1\.0 .* in \[0, 1\)"),
        ("beta2", -0.1, r"beta2=-0\.1 .* in \[0, 1\)"),
        ("restarts_factor", 0.5, r"restarts_factor=0\.5 .* in \[1, inf\)"),
        ("step_factor", 0, r"step_factor=0 .* in \(0, 1\]"),
        ("batch_size", 1, r"batch_size=1 in the recipe must be a whole number ≥ 2"),
        ("epochs", 1.5, r"epochs=1\.5 in the recipe must be a whole number ≥ 1"),
        ("patience", True, r"patience=True in the recipe must be a whole number ≥ 1"),
        ("lookahead", "yes", r"lookahead='yes' in the recipe must be True or False"),
        ("swa_start", 1.0, r"swa_start=1\.0 .* in \[0, 1\)"),
        ("nesterov", 1, r"nesterov=1 in the recipe must be True or False"),
        ("clip", -1.0, r"clip=-1\.0 in the recipe must be a number in \(0, inf\) or None"),
    ],
)
def test_a_value_that_breaks_its_rule_is_named_with_the_rule(name: str, value: object, rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        replace(Recipe(), **{name: value})


def test_every_field_has_a_rule() -> None:
    assert {f.name for f in fields(Recipe)} == {*rules._NAMES, *rules._COUNTS, *rules._NUMBERS, *rules._SWITCHES}


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("optimizer", "adamax", "adam"),
        ("schedule", "cosinus", "cosine"),
        ("weight_decay_schedule", "flat_cos", "flat_cosine"),
        ("dropout_schedule", "cosine", "flat_cosine"),
        ("augmentation", "mixap", "mixup"),
        ("averaging", "swag", "swa"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_one(name: str, value: str, nearest: str) -> None:
    with pytest.raises(SettingError, match=f"unknown {name} '{value}'; did you mean '{nearest}'"):
        replace(Recipe(), **{name: value})  # type: ignore[arg-type]
