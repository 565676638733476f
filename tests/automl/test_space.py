"""The joint space: every family with its own hyperparameters, and the shared ones where they are used."""

from __future__ import annotations

import pytest
from ConfigSpace import Categorical, ConfigurationSpace, Constant, ForbiddenEqualsClause, Integer

from automl.architectures.catalogue import FAMILIES, family
from automl.architectures.family import inputs_of, is_network, native
from automl.errors import SettingError
from automl.preprocessing.choices import Preparation
from automl.space import FAMILY, complete, joint_space, part_of, recipe_fields, section
from automl.training.recipe import Recipe

ALL = [family(name) for name in FAMILIES]
OWN = {"prepare": "preparation_space", "train": "recipe_space"}


def prefixes_of(name: str) -> set[str]:
    """What stands before the colon in a configuration of this family."""
    used = {"ordinal": set(), "one-hot": {"prepare"}, "images": {"train"}}.get(inputs_of(family(name)), set(OWN))
    return {name} | {f"{name}.{part}" if hasattr(family(name), OWN[part]) else part for part in used}


@pytest.fixture(scope="module")
def space() -> ConfigurationSpace:
    return joint_space(ALL, seed=0)


def test_samples_hold_what_their_family_needs_and_nothing_else(space: ConfigurationSpace) -> None:
    seen = set()
    for sample in space.sample_configuration(500):
        config = dict(sample)
        chosen = config[FAMILY]
        seen.add(chosen)
        prefixes = {name.partition(":")[0] for name in config if name != FAMILY}
        assert prefixes == prefixes_of(chosen)
    assert seen == set(FAMILIES)


@pytest.mark.parametrize("name", [name for name in FAMILIES if is_network(family(name))])
def test_every_recipe_and_preparation_that_a_network_may_get_is_a_legal_one(name: str) -> None:
    space = joint_space([family(name)], seed=0)
    for sample in (space.get_default_configuration(), *space.sample_configuration(50)):
        config = native(dict(sample))
        fields, choices = recipe_fields(config, family(name), rows=100), part_of(config, family(name), "prepare")
        recipe, preparation = Recipe(**{"epochs": 10} | fields), Preparation(**choices)
        assert {key: getattr(recipe, key) for key in fields} == fields
        assert {key: getattr(preparation, key) for key in choices} == choices


def test_conditions_inside_a_family_survive_the_joining(space: ConfigurationSpace) -> None:
    explicit = 0
    for sample in space.sample_configuration(500):
        config = dict(sample)
        if config[FAMILY] != "mlp":
            continue
        own = section(config, "mlp")
        widths = sorted(name for name in own if name.startswith("width_"))
        wanted = [f"width_{i}" for i in range(1, own["n_layers"] + 1)] if own["form"] == "explicit" else []
        explicit += bool(wanted)
        assert widths == wanted
        assert ("max_units" in own) == (own["form"] != "explicit")
        assert ("momentum" in section(config, "train")) == (config["train:optimizer"] in ("sgd", "rmsprop"))
    assert explicit > 0


def test_a_family_alone_brings_only_the_shared_parts_that_it_uses() -> None:
    names = {name.partition(":")[0] for name in joint_space([family("gradient_boosting")])}
    assert names == {FAMILY, "gradient_boosting"}
    assert {name.partition(":")[0] for name in joint_space([family("linear")])} == {FAMILY, "linear", "prepare"}


def test_updates_replace_hyperparameters_of_the_same_name() -> None:
    update = ConfigurationSpace()
    update.add(Integer("mlp:n_layers", (2, 3)), Constant("train:learning_rate", 0.5))
    for sample in joint_space([family("mlp")], update, seed=0).sample_configuration(50):
        assert sample["mlp:n_layers"] in (2, 3)
        assert sample["train:learning_rate"] == 0.5


def test_update_of_the_family_restricts_the_families() -> None:
    update = ConfigurationSpace()
    update.add(Categorical(FAMILY, ["linear", "resnet"]))
    space = joint_space(ALL, update, seed=0)
    assert {c[FAMILY] for c in space.sample_configuration(50)} == {"linear", "resnet"}
    assert not any(name.startswith("mlp:") for name in space)


def test_update_of_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    update = ConfigurationSpace()
    update.add(Integer("mlp:n_layer", (2, 3)))
    with pytest.raises(SettingError, match=r"unknown hyperparameter 'mlp:n_layer'; did you mean 'mlp:n_layers'\?"):
        joint_space(ALL, update)


def test_forbidden_clauses_are_refused_with_the_cure() -> None:
    class Picky:
        name = "picky"

        def space(self) -> ConfigurationSpace:
            space = ConfigurationSpace({"width": (1, 9)})
            space.add(ForbiddenEqualsClause(space["width"], 3))
            return space

        def build(self, shape: object, *, width: int) -> None: ...

    with pytest.raises(SettingError, match=r"'picky' has forbidden clauses; state them as conditions"):
        joint_space([Picky()])


def test_complete_fills_in_defaults_and_leaves_out_what_is_inactive(space: ConfigurationSpace) -> None:
    whole = complete(space, {FAMILY: "linear", "linear:strength": 2.0})
    assert whole == {
        FAMILY: "linear",
        "linear:strength": 2.0,
        "prepare:class_weighting": False,
        "prepare:coalescing": False,
        "prepare:encoding": "embedding",
        "prepare:imputation": "median",
        "prepare:missing_indicator": True,
        "prepare:reduction": "none",
        "prepare:scaling": "quantile",
    }
    assert all(type(value) in (str, int, float, bool) for value in whole.values())


def test_complete_takes_any_sample_as_it_is(space: ConfigurationSpace) -> None:
    for sample in space.sample_configuration(50):
        assert complete(space, dict(sample)) == dict(sample)


def test_complete_refuses_unknown_names_and_values(space: ConfigurationSpace) -> None:
    with pytest.raises(SettingError, match=r"unknown hyperparameter 'mlp:layers'"):
        complete(space, {"mlp:layers": 2})
    with pytest.raises(SettingError, match=r"mlp:n_layers = 99 is not allowed; it must be one of"):
        complete(space, {"mlp:n_layers": 99})


def test_section_strips_its_prefix_and_no_other() -> None:
    assert section({"family": "mlp", "mlp:a": 1, "mlpx:a": 2}, "mlp") == {"a": 1}


class Tied:
    """A family that is defined together with its training and preparation."""

    name = "tied"

    def space(self) -> ConfigurationSpace:
        return ConfigurationSpace({"width": (16, 64)})

    def build(self, shape: object, *, width: int) -> object: ...

    def recipe_space(self) -> ConfigurationSpace:
        return ConfigurationSpace({"learning_rate": (0.01, 0.1)})

    def preparation_space(self) -> ConfigurationSpace:
        return ConfigurationSpace({"scaling": ["robust_clip"]})


def test_a_family_may_have_its_own_training_and_preparation() -> None:
    tied, mlp = Tied(), family("mlp")
    for sample in joint_space([mlp, tied], seed=0).sample_configuration(50):
        config = dict(sample)
        prefixes = {name.partition(":")[0] for name in config if name != FAMILY}
        if config[FAMILY] == "tied":
            assert prefixes == {"tied", "tied.train", "tied.prepare"}
            assert part_of(config, tied, "prepare") == {"scaling": "robust_clip"}
            assert set(part_of(config, tied, "train")) == {"learning_rate"}
        else:
            assert prefixes == {"mlp", "train", "prepare"}
            assert "optimizer" in part_of(config, mlp, "train")
