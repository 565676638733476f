"""What may be chosen of several families of architectures, of which one hyperparameter chooses one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from automl.errors import GenotypeError
from automl.genotypes.graph import INPUT, OUTPUT, Graph

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


@dataclass(frozen=True)
class Whole:
    """An architecture that is no genotype, such as a reference network: one layer of a kind of its own.

    Its hyperparameters are compared as those of training are.
    """

    family: ClassVar[str] = "whole"

    name: str

    @property
    def hash(self) -> str:
        """Equal for networks of one family."""
        return self.name

    def graph(self) -> Graph:
        return Graph((INPUT, self.name, OUTPUT), ((0, 1), (1, 2)), (1, 1, 1))


@dataclass(frozen=True)
class FamiliesSpace:
    """Architectures of several families.

    Attributes
    ----------
    choice: name of the hyperparameter that chooses.
    members: its values → what may be chosen of that family; hyperparameters are called `value:name`. Families that are
        not named have no genotypes.
    """

    family: ClassVar[str] = "families"

    choice: str
    members: Mapping[str, Any]

    def fill(self, space: ConfigurationSpace, prefix: str) -> None:
        """Not by itself: the families' spaces are joined first, and marked then."""
        raise GenotypeError("several families are joined by `automl.space.joint_space`; fill each one's own space")

    def decode(self, values: Mapping[str, Any]) -> Any:
        name = str(values[self.choice])
        if name not in self.members:
            return Whole(name)
        start = f"{name}:"
        own = {key.removeprefix(start): value for key, value in values.items() if key.startswith(start)}
        return self.members[name].decode(own)

    def encode(self, genotype: Any) -> dict[str, Any]:
        if isinstance(genotype, Whole):
            return {self.choice: genotype.name}
        fitting = [name for name, member in self.members.items() if member.family == genotype.family]
        if not fitting:
            raise GenotypeError(f"none of {', '.join(self.members)} holds genotypes of the family {genotype.family!r}")
        own = self.members[fitting[0]].encode(genotype)
        return {self.choice: fitting[0], **{f"{fitting[0]}:{key}": value for key, value in own.items()}}
