"""What every genotype is: a frozen value that checks itself, and what can be asked of it.

A genotype is immutable and legal: what breaks a rule of its family cannot be made (`GenotypeError`). `plan(shape,
outputs)` says which layers it means for inputs of a shape; parameters and multiply-accumulates come from there, and
`build` makes the torch module.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from automl.errors import GenotypeError, unknown

if TYPE_CHECKING:
    from torch import nn

    from automl.genotypes.draw import Picture
    from automl.genotypes.graph import Graph
    from automl.genotypes.plan import Plan, Shape

FAMILIES = {
    "branches": "automl.genotypes.branches:Branches",
    "cells": "automl.genotypes.cells:Cells",
    "chain": "automl.genotypes.chain:Chain",
    "edge_cell": "automl.genotypes.edge_cell:EdgeCell",
}
"""Name → "module:class" of the genotypes."""


class Genotype(Protocol):
    """An architecture as a value."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    family: ClassVar[str]

    @property
    def hash(self) -> str:
        """Equal for isomorphic architectures."""
        ...

    def graph(self) -> Graph:
        """Layers and what they take."""
        ...

    def plan(self, shape: Shape, outputs: int) -> Plan:
        """The layers for inputs of a shape and so many outputs."""
        ...

    def pictures(self) -> tuple[Picture, ...]:
        """What is drawn: one picture a cell."""
        ...

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Genotype:
        """The genotype of fields as JSON has them."""
        ...


def to_json(genotype: Genotype) -> str:
    """The genotype as JSON, its family included."""
    return json.dumps({"family": genotype.family, **asdict(genotype)})


def from_json(text: str) -> Genotype:
    """The genotype of a text of `to_json`; GenotypeError says what is wrong with another one."""
    try:
        fields = json.loads(text)
        family = fields.pop("family")
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise GenotypeError(f"{text[:80]!r} is no genotype: it must be a JSON object with a 'family'") from error
    if family not in FAMILIES:
        raise unknown("family of genotypes", family, FAMILIES)
    try:
        return kind(family).from_fields(fields)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        if isinstance(error, GenotypeError):
            raise
        raise GenotypeError(f"the fields {sorted(fields)} do not make a {family!r} genotype: {error}") from error


def kind(family: str) -> type[Genotype]:
    """The class of a family."""
    module, _, name = FAMILIES[family].partition(":")
    made: type[Genotype] = getattr(import_module(module), name)
    return made


def build(genotype: Genotype, shape: Shape, outputs: int) -> nn.Module:
    """The torch module of a genotype.

    Parameters
    ----------
    shape: (channels, height, width) of one example; (columns, 1, 1) for rows of a table.
    outputs: logits an example.

    Returns
    -------
    A module from (n, channels, height, width), or (n, columns), to (n, outputs).
    """
    network: nn.Module = import_module("automl.genotypes.network").Network(genotype.plan(shape, outputs))
    return network
