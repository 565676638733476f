"""Hyperparameters stated in TOML, with the conditions under which they are active."""

from __future__ import annotations

import tomllib

import pytest
from ConfigSpace import ConfigurationSpace

from automl.errors import SettingError
from automl.statements import part_space

DEEP = """
n_layers = { lower = 1, upper = 3 }
first = { choices = ["normal", "other"] }
units_1 = { lower = 64, upper = 128 }
"units_*" = { lower = 8, upper = 16, each = "n_layers" }
"init_*" = { choices = ["normal", "other"], each = "n_layers" }
"std_*" = { lower = 0.1, upper = 0.9, each = "n_layers", when = { "init_*" = "normal" } }
"""


def space(text: str) -> ConfigurationSpace:
    made = part_space("deep", tomllib.loads(text))
    made.seed(0)
    return made


def test_a_statement_for_each_layer_holds_for_the_layers_that_there_are() -> None:
    for sample in space(DEEP).sample_configuration(100):
        layers = range(1, sample["n_layers"] + 1)
        assert {name for name in sample if name.startswith("units_")} == {f"units_{i}" for i in layers}
        normal = {f"std_{i}" for i in layers if sample[f"init_{i}"] == "normal"}
        assert {name for name in sample if name.startswith("std_")} == normal


def test_a_layer_that_is_stated_by_itself_keeps_its_own_range() -> None:
    made = space(DEEP)
    assert [(made[f"units_{i}"].lower, made[f"units_{i}"].upper) for i in (1, 2, 3)] == [(64, 128), (8, 16), (8, 16)]


def test_a_parent_must_have_the_value_or_one_of_the_values_or_lie_above() -> None:
    made = space(
        """
        solver = { choices = ["adam", "sgd", "nesterov"] }
        beta = { lower = 0.1, upper = 0.9, when = { solver = "adam" } }
        momentum = { lower = 0.1, upper = 0.9, when = { solver = ["sgd", "nesterov"] } }
        depth = { lower = 1, upper = 4 }
        both = { value = 1, when = { depth = { above = 2 }, solver = "adam" } }
        """
    )
    for sample in made.sample_configuration(100):
        assert ("beta" in sample) == (sample["solver"] == "adam")
        assert ("momentum" in sample) == (sample["solver"] != "adam")
        assert ("both" in sample) == (sample["solver"] == "adam" and sample["depth"] > 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('rate = { value = 1, when = { solvr = "adam" } }', r"deep:rate depends on unknown hyperparameter 'solvr'"),
        ("rate = { value = 1, when = { rate = 1 } }", r"deep:rate depends on unknown hyperparameter 'rate'"),
        ('"units_*" = { lower = 1, upper = 2, each = "depth" }', r"each = 'depth' must name an integer"),
        ('d = { lower = 1, upper = 2 }\nunits = { value = 2, each = "d" }', r"holds one star"),
        ('s = { choices = ["a"] }\nr = { value = 1, when = { s = "b" } }', r"r: when = \{ s = 'b' \}"),
        ("rate = { least = 1 }", r"gives neither value, nor choices, nor lower and upper"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        space(text)
