"""Families of genotypes as spaces of hyperparameters, joined with those of training: every method searches both.

A definition says what may be chosen of a family and within which bounds. `joined` makes the ConfigurationSpace, whose
`meta` keeps the definition: so `decode` needs nothing but the space. Hyperparameters are marked in their own `meta`,
for methods that do more than change values:

* `depth`: True, a number of layers; `layer`: i, a choice of the i-th one, 1 the first;
* `module`: the part of the network that a choice belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from automl.errors import GenotypeError, unknown
from automl.genotypes.space_of_cells import CellsSpace, EdgeCellSpace
from automl.genotypes.space_of_families import FamiliesSpace
from automl.genotypes.space_of_layers import BranchesSpace, ChainSpace

if TYPE_CHECKING:
    from dataclasses import Field
    from typing import ClassVar

    from ConfigSpace import ConfigurationSpace

    from automl.genotypes.genotype import Genotype

META = "genotype"
PREFIX = "arch:"
DEFINITIONS: dict[str, Any] = {each.family: each for each in (BranchesSpace, CellsSpace, ChainSpace, EdgeCellSpace)}
"""Family → class of its definition."""


class Definition(Protocol):
    """What may be chosen of a family."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    family: ClassVar[str]

    def fill(self, space: ConfigurationSpace, prefix: str) -> None:
        """Add the hyperparameters, their marks and conditions."""
        ...

    def decode(self, values: Mapping[str, Any]) -> Genotype:
        """The genotype of the active hyperparameters, without the prefix."""
        ...

    def encode(self, genotype: Any) -> dict[str, Any]:
        """The active hyperparameters of a genotype, the inverse of `decode`."""
        ...


def joined(
    definition: Definition, training: ConfigurationSpace | None = None, *, prefix: str = PREFIX, name: str = ""
) -> ConfigurationSpace:
    """A space of architectures, joined with hyperparameters of training under their own names.

    Examples
    --------
    >>> from automl.genotypes.spaces import EdgeCellSpace, decode, joined
    >>> space = joined(EdgeCellSpace())
    >>> genotype, training = decode(space, space.get_default_configuration())
    >>> genotype.edges[0], len(space)
    ('skip_connect', 6)
    """
    from ConfigSpace import ConfigurationSpace

    meta = {META: {"family": definition.family, "prefix": prefix, "options": asdict(definition)}}
    space = ConfigurationSpace(name=name or definition.family, meta=meta)
    definition.fill(space, prefix)
    if training is not None:
        space.add(list(training.values()))
        space.add(list(training.conditions))
        space.add(list(training.forbidden_clauses))
    return space


def families_mark(choice: str, members: Mapping[str, Definition]) -> dict[str, Any]:
    """The `meta` of a space that joins families, each under its name, by the hyperparameter `choice`."""
    marks = {name: {"family": member.family, "options": asdict(member)} for name, member in members.items()}
    return {META: {"choice": choice, "members": marks}}


def definition_of(space: ConfigurationSpace) -> tuple[Definition, str | tuple[str, ...]] | None:
    """The definition that a space was made from, and its prefix; None for a space without architectures.

    Where several families are joined, there are several prefixes, and the definition takes names with them.
    """
    mark = (space.meta or {}).get(META)
    if mark is None:
        return None
    if "members" in mark:
        members = {name: _defined(each) for name, each in mark["members"].items()}
        return FamiliesSpace(mark["choice"], members), (mark["choice"], *(f"{name}:" for name in members))
    return _defined(mark), mark["prefix"]


def _defined(mark: Mapping[str, Any]) -> Definition:
    if mark["family"] not in DEFINITIONS:
        raise unknown("family of genotypes", mark["family"], DEFINITIONS)
    options = {name: tuple(v) if isinstance(v, list) else v for name, v in mark["options"].items()}
    made: Definition = DEFINITIONS[mark["family"]](**options)
    return made


def decode(space: ConfigurationSpace, config: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The genotype of a configuration, and its other hyperparameters."""
    definition, prefix = _needed(space)
    cut = prefix if isinstance(prefix, str) else ""
    own = {name.removeprefix(cut): value for name, value in config.items() if name.startswith(prefix)}
    rest = {name: value for name, value in config.items() if not name.startswith(prefix)}
    return definition.decode(own), rest


def encode(space: ConfigurationSpace, genotype: Any, training: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The configuration of a genotype and the hyperparameters of training: the inverse of `decode`."""
    definition, prefix = _needed(space)
    cut = prefix if isinstance(prefix, str) else ""
    own = {f"{cut}{name}": value for name, value in definition.encode(genotype).items()}
    missing = [name for name in own if name not in space]
    illegal = [name for name in own if name in space and not space[name].legal_value(own[name])]
    if missing or illegal:
        raise GenotypeError(
            f"the space {space.name!r} does not hold this {definition.family}: {(missing or illegal)[0]!r} is out of "
            "its bounds; widen the definition of the space"
        )
    return own | dict(training or {})


def _needed(space: ConfigurationSpace) -> tuple[Definition, str | tuple[str, ...]]:
    found = definition_of(space)
    if found is None:
        raise GenotypeError(
            f"the space {space.name!r} holds no architectures; make it by `automl.genotypes.spaces.joined`, "
            "for example joined(EdgeCellSpace(), training)"
        )
    return found
