"""Network morphisms: changes of an architecture after which a network can compute what it computed before.

Chen, Goodfellow & Shlens (2016), "Net2Net", ICLR, arXiv:1511.05641; Wei, Wang, Rui & Chen (2016), "Network Morphism",
ICML, arXiv:1603.01670; Elsken, Metzen & Hutter (2017), arXiv:1711.04528, and (2019), "Efficient Multi-Objective Neural
Architecture Search via Lamarckian Evolution", ICLR, arXiv:1804.09081, which adds approximate ones that shrink networks.

A `Morph` is a value. Applied to a genotype it gives another one, and a `Link`: how the parts of the two correspond.
`inheritance.inherit` follows a link when it hands weights on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from automl.errors import GenotypeError, unknown

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from automl.genotypes.genotype import Genotype
    from automl.genotypes.plan import Shape

EXACT = ("widen", "deepen", "skip", "branch", "kernel")
APPROXIMATE = ("prune", "remove")
KINDS = (*EXACT, *APPROXIMATE)
"""Kinds of morphisms. The approximate ones are followed by distillation (`training.distillation`)."""

Argument = int | str | bool


@dataclass(frozen=True, slots=True)
class Link:
    """How the parts of a child correspond to those of its parent.

    Attributes
    ----------
    layers: for each layer of the child the one of its parent that it comes from, None for a new one; empty where the
        steps of both plans have the same names.
    identities: layers of the child that begin as the identity.
    shared: layers of the child, two of each source, that begin with parts of what it gives.
    zeroed: steps of the child, norms, that begin at 0.
    exact: whether the child can compute what its parent does.
    """

    layers: tuple[int | None, ...] = ()
    identities: frozenset[int] = frozenset()
    shared: frozenset[int] = frozenset()
    zeroed: frozenset[str] = frozenset()
    exact: bool = True


Rule = Callable[..., tuple[Any, Link]]
"""(genotype, *arguments) -> (genotype after, link)."""


@dataclass(frozen=True, slots=True)
class Morph:
    """A kind of change with its arguments; what these are says the family's file, `morphs_of_….py`.

    Examples
    --------
    >>> from automl.genotypes.chain import Chain
    >>> from automl.genotypes.layers import Layer
    >>> parent = Chain((Layer("conv", 3, 8),))
    >>> Morph("widen", (0, 16)).apply(parent).layers[0].filters
    16
    """

    kind: str
    args: tuple[Argument, ...] = field(default=())

    def apply(self, genotype: Genotype) -> Genotype:
        """The architecture after the change.

        Raises
        ------
        GenotypeError: the family does not know the change, or it breaks a rule here.
        """
        changed: Genotype = self.linked(genotype)[0]
        return changed

    def linked(self, genotype: Genotype) -> tuple[Any, Link]:
        """The architecture after the change, and how its parts correspond to those before."""
        if self.kind not in KINDS:
            raise unknown("kind of morphism", self.kind, KINDS)
        rules = _family(genotype).RULES
        if self.kind not in rules:
            raise GenotypeError(
                f"{genotype.family} has no {self.kind!r}: {_family(genotype).REFUSED.get(self.kind, 'no such part')}; "
                f"it has {', '.join(rules)}"
            )
        try:
            return rules[self.kind](genotype, *self.args)
        except TypeError as error:
            raise GenotypeError(f"{self.kind} of {genotype.family} does not take {self.args!r}: {error}") from error

    def transfer(
        self,
        genotype: Genotype,
        weights: Mapping[str, Tensor],
        child: Genotype,
        rng: np.random.Generator,
        *,
        shape: Shape,
        batch: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Weights of the child that compute what those of its parent do, nearly so for approximate kinds.

        Parameters
        ----------
        weights: state dict of the parent's network; it is read only.
        child: `apply(genotype)`.
        shape: of one input. batch: some inputs (n, *shape), for layers with a batch norm that begin as the identity.
        """
        applied, link = self.linked(genotype)
        if applied != child:
            raise GenotypeError(f"{self} does not lead to the child given; use the child of `apply`")
        handed: Callable[..., dict[str, Tensor]] = import_module("automl.genotypes.inheritance").handed_on
        return handed(genotype, weights, child, link, rng, shape=shape, batch=batch)

    def to_json(self) -> str:
        return json.dumps([self.kind, *self.args])

    @classmethod
    def from_json(cls, text: str) -> Morph:
        kind, *args = json.loads(text)
        return cls(kind, tuple(args))


_FILES: Mapping[str, str] = MappingProxyType(
    {
        "branches": "automl.genotypes.morphs_of_layers",
        "cells": "automl.genotypes.morphs_of_cells",
        "chain": "automl.genotypes.morphs_of_layers",
        "edge_cell": "automl.genotypes.morphs_of_edge_cell",
    }
)
"""Family → module with RULES, REFUSED, `options` and `links`."""


def _family(genotype: Genotype) -> Any:
    if genotype.family not in _FILES:
        raise unknown("family with morphisms", genotype.family, _FILES)
    return import_module(_FILES[genotype.family])


def morphs_of(
    genotype: Genotype, kinds: Sequence[str] = EXACT, *, widths: Sequence[int] | None = None
) -> Iterator[Morph]:
    """The morphs that apply to a genotype, always in the same order.

    Parameters
    ----------
    kinds: of `KINDS`.
    widths: that layers may be widened or pruned to; by default twice and half of what they have.
    """
    for morph in _family(genotype).options(genotype, widths):
        if morph.kind in kinds:
            try:
                morph.apply(genotype)
            except GenotypeError:
                continue
            yield morph


def links_of(parent: Genotype, child: Genotype) -> Iterator[Link]:
    """How two architectures of a family may correspond, as far as their layers tell; none for two families.

    Where morphs lead from one to the other, one of the links is theirs, but for rare sequences; which one it is shows
    when it is followed. Layers of the child are new where they fit no layer of the parent. The first link, of which
    there always is one, says what else has most in common.
    """
    if parent.family == child.family:
        yield from _family(parent).links(parent, child)


def link_of(parent: Genotype, child: Genotype) -> Link | None:
    """The first of `links_of`; None for two families."""
    return next(links_of(parent, child), None)
