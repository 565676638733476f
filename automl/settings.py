"""configs/*.toml → frozen settings; an unknown key fails."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import SettingError, unknown
from automl.statements import hyperparameter, part_space

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


@dataclass(frozen=True)
class Preset:
    """What the estimators do where a parameter is left at None.

    Attributes
    ----------
    optimizer: name of a method.
    fidelities: axes along which budgets are spent.
    search_space: name of a file in configs/spaces. image_space: the same, for images.
    ensemble_size: choices of the greedy ensemble.
    min_budget: smallest budget of a trial, a share in (0, 1].
    eta: ratio of two neighbouring budgets.
    """

    optimizer: str
    fidelities: tuple[str, ...]
    search_space: str
    ensemble_size: int
    min_budget: float
    eta: int
    image_space: str = "images"


@dataclass(frozen=True)
class SpaceSettings:
    """A named search space.

    Attributes
    ----------
    families: names of the families that it joins.
    about: what it is, in a line.
    weights: family → how often it is drawn by chance beside the others; 1 for those that are not named.
    initial: partial configurations to try first.
    knowledge: "shipped" where what comes with the package was measured in this space.
    update: hyperparameters that replace those of the same full name.
    parts: prefix ("train", "prepare" or a family's) → the hyperparameters that stand in place of that part.
    """

    families: tuple[str, ...]
    about: str = ""
    weights: dict[str, float] | None = None
    initial: tuple[dict[str, Any], ...] = ()
    knowledge: str | None = None
    update: dict[str, Any] | None = None
    parts: dict[str, dict[str, Any]] | None = None

    def updates(self) -> ConfigurationSpace | None:
        from ConfigSpace import ConfigurationSpace

        if not self.update:
            return None
        space = ConfigurationSpace()
        space.add(*(hyperparameter(name, spec) for name, spec in self.update.items()))
        return space

    def part(self, prefix: str) -> ConfigurationSpace:
        """The part of this prefix, which must be one of `parts`."""
        return part_space(prefix, (self.parts or {})[prefix])

    def spaces(self) -> dict[str, ConfigurationSpace]:
        """Prefix → the space that stands in place of that part.

        Raises
        ------
        SettingError: a prefix that is neither shared nor a family's, or a hyperparameter that is not well stated.
        """
        for prefix in self.parts or {}:
            if prefix.partition(".")[0] not in (*self.families, "train", "prepare"):
                raise unknown("part of a search space", prefix, (*self.families, "train", "prepare"))
        return {prefix: self.part(prefix) for prefix in self.parts or {}}


def folder(name: str) -> Path:
    """configs/ or tasks/, beside the packages in a clone and inside the package once installed."""
    inside = Path(__file__).parent / name
    return inside if inside.is_dir() else Path(__file__).parent.parent / name


def preset(name: str) -> Preset:
    """The preset of that name in configs/presets."""
    return Preset(**_read("presets", "preset", name, Preset))


def space_settings(name: str) -> SpaceSettings:
    """The search space of that name in configs/spaces."""
    return SpaceSettings(**_read("spaces", "search space", name, SpaceSettings))


def names(part: str) -> list[str]:
    """Names of the files in configs/presets or configs/spaces, sorted."""
    return sorted(path.stem for path in (folder("configs") / part).glob("*.toml"))


def _read(part: str, kind: str, name: str, into: type) -> dict[str, Any]:
    files = {path.stem: path for path in (folder("configs") / part).glob("*.toml")}
    if name not in files:
        raise unknown(kind, name, files)
    return checked(tomllib.loads(files[name].read_text(encoding="utf-8")), into, str(files[name].name))


def checked(table: Mapping[str, Any], into: type, where: str) -> dict[str, Any]:
    """Fields of the dataclass `into` from a TOML table, lists as tuples.

    Raises
    ------
    SettingError: a key that is no field, or a field without a default that is missing.
    """
    from dataclasses import MISSING

    known = {f.name: f for f in fields(into)}
    for key in table:
        if key not in known:
            raise SettingError(f"{where}: {unknown('key', key, known)}")
    for name, field in known.items():
        if name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise SettingError(f"{where}: the key {name!r} is missing; give it a value")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
