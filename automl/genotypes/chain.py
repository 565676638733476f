"""Chains: one layer after another.

Elsken, Metzen & Hutter (2019), "Neural Architecture Search: A Survey", JMLR 20(55), section 2; Baker et al. (2017),
arXiv:1611.02167. A chain of dense layers alone is a perceptron for tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from automl.genotypes.blocks import head
from automl.genotypes.draw import Picture
from automl.genotypes.graph import INPUT, OUTPUT, Graph, canonical_hash
from automl.genotypes.layers import Layer, checked, finish, layers_of, write
from automl.genotypes.plan import Draft, Plan, Shape


@dataclass(frozen=True)
class Chain:
    """Layers in a row; convolutions and pools first, dense layers last.

    Attributes
    ----------
    layers: at least one.
    order: of norm, ReLU and weights in a layer, a name of `layers.ORDERS`.
    """

    family: ClassVar[str] = "chain"

    layers: tuple[Layer, ...]
    order: str = "conv-norm-relu"

    def __post_init__(self) -> None:
        checked(self.layers, self.order)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Chain:
        return cls(**fields | {"layers": layers_of(fields["layers"])})

    @cached_property
    def hash(self) -> str:
        """Equal for equal chains; layers that only pass on do not count."""
        return self.order + canonical_hash(self.graph())

    def graph(self) -> Graph:
        kept = [layer for layer in self.layers if layer.operation != "skip"]
        labels = (INPUT, *(layer.label for layer in kept), OUTPUT)
        units = [0]
        for layer in kept:
            units.append(layer.filters or units[-1])
        return Graph(labels, tuple((i, i + 1) for i in range(len(labels) - 1)), (*units, units[-1]))

    def plan(self, shape: Shape, outputs: int) -> Plan:
        draft, at = Draft(shape), 0
        for i, layer in enumerate(self.layers):
            at = write(draft, at, layer, self.order, f"layer{i}", first=at == 0)
        head(draft, finish(draft, at, self.order), outputs)
        return draft.plan()

    def pictures(self) -> tuple[Picture, ...]:
        texts = [f"{layer.filters or ''}" for layer in self.layers]
        links = tuple((i, i + 1, layer.label) for i, layer in enumerate(self.layers))
        return (Picture("chain", ("in", *texts[:-1], texts[-1] or "out"), links),)
