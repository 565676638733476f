"""Every file in configs/ becomes frozen settings; what they do not know is an error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from ConfigSpace import Constant
from ConfigSpace.hyperparameters import (
    CategoricalHyperparameter,
    UniformFloatHyperparameter,
    UniformIntegerHyperparameter,
)

from automl import settings
from automl.architectures.catalogue import family
from automl.errors import SettingError
from automl.evaluation.fidelity import Fidelity
from automl.search.catalogue import METHODS
from automl.settings import SpaceSettings, checked, folder, preset, space_settings
from automl.space import complete, joint_space

PRESETS = sorted(path.stem for path in (folder("configs") / "presets").glob("*.toml"))
SPACES = sorted(path.stem for path in (folder("configs") / "spaces").glob("*.toml"))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_names_a_method_fidelities_and_a_space(name: str) -> None:
    found = preset(name)
    assert found.optimizer in METHODS
    assert Fidelity.of(found.fidelities)
    assert found.search_space in SPACES
    assert 0 < found.min_budget <= 1
    assert found.ensemble_size >= 1
    assert found.eta >= 2


@pytest.mark.parametrize("name", SPACES)
def test_every_search_space_joins_its_families_and_its_first_configurations_fit(name: str) -> None:
    found = space_settings(name)
    space = joint_space([family(f) for f in found.families], found.updates(), parts=found.spaces())
    assert found.initial
    for partial in found.initial:
        assert complete(space, partial)


@pytest.mark.parametrize("name", ["medium", "default"])
def test_the_defaults_exist(name: str) -> None:
    assert name in PRESETS + SPACES


def test_unknown_file_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(SettingError, match=r"unknown preset 'mediun'; did you mean 'medium'\?"):
        preset("mediun")
    with pytest.raises(SettingError, match=r"unknown search space 'nets'"):
        space_settings("nets")


def test_unknown_key_in_a_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces" / "odd.toml").write_text('families = ["mlp"]\nfamily = "mlp"\n')
    monkeypatch.setattr(settings, "folder", lambda name: tmp_path)
    with pytest.raises(SettingError, match=r"odd.toml: unknown key 'family'; did you mean 'families'\?"):
        space_settings("odd")


def test_missing_key_is_an_error_and_lists_become_tuples() -> None:
    @dataclass(frozen=True)
    class Both:
        needed: tuple[int, ...]
        other: int = 1

    assert checked({"needed": [1, 2]}, Both, "both.toml") == {"needed": (1, 2)}
    with pytest.raises(SettingError, match=r"both.toml: the key 'needed' is missing; give it a value"):
        checked({"other": 2}, Both, "both.toml")


def test_updates_become_hyperparameters() -> None:
    update = {
        "a": {"value": 3},
        "b": {"choices": ["x", "y"], "default": "y"},
        "c": {"lower": 1, "upper": 8, "log": True},
        "d": {"lower": 0.5, "upper": 2.0, "default": 1.0},
    }
    space = SpaceSettings(families=(), update=update).updates()
    assert space is not None
    kinds = [Constant, CategoricalHyperparameter, UniformIntegerHyperparameter, UniformFloatHyperparameter]
    assert [type(space[name]) for name in "abcd"] == kinds
    assert space["b"].default_value == "y"
    assert space["c"].log
    assert SpaceSettings(families=()).updates() is None


@pytest.mark.parametrize(
    "wrong",
    [{"lower": 1}, {"value": 1, "default": 2}, {"lower": 3, "upper": 1}, {"choices": [1], "colour": 2}],
    ids=str,
)
def test_updates_that_say_too_little_or_too_much_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingError, match=r"^a = "):
        SpaceSettings(families=(), update={"a": wrong}).updates()
