"""The cell of NAS-Bench-201: four nodes, an operation on each of six edges, sums at the nodes.

Dong & Yang (2020), "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR,
arXiv:2001.00326. The network is a 3×3 convolution, three stages of equal cells with residual blocks of stride 2 between
them that double the filters, batch norm, ReLU, the mean over pixels and a linear layer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from automl.errors import GenotypeError, unknown
from automl.genotypes.blocks import add, head, relu_conv_norm
from automl.genotypes.draw import Picture
from automl.genotypes.graph import INPUT, OUTPUT, PASSING, Graph, digest
from automl.genotypes.plan import Draft, Plan, Shape

NODES = 4
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(from, to) in the order of the published strings."""

NONE = "none"
PUBLISHED = {
    NONE: NONE,
    PASSING: PASSING,
    "conv_1x1": "nor_conv_1x1",
    "conv_3x3": "nor_conv_3x3",
    "avg_pool_3x3": "avg_pool_3x3",
}
"""Our name of an operation → the benchmark's."""

Write = Callable[[Draft, int, int, str], int]
"""(draft, input, filters, name) -> the output of a cell."""


@dataclass(frozen=True)
class EdgeCell:
    """A cell of NAS-Bench-201 and how often it is stacked.

    Attributes
    ----------
    edges: operation of each edge of `EDGES`, a name of `PUBLISHED`.
    cells: cells of each of the three stages, >= 1.
    filters: of the first stage, >= 1; each later stage has twice as many.
    """

    family: ClassVar[str] = "edge_cell"

    edges: tuple[str, ...]
    cells: int = 5
    filters: int = 16

    def __post_init__(self) -> None:
        if len(self.edges) != len(EDGES):
            raise GenotypeError(f"{len(self.edges)} edges; the cell has {len(EDGES)}: {EDGES}")
        for operation in self.edges:
            if operation not in PUBLISHED:
                raise unknown("operation", operation, PUBLISHED)
        for name in ("cells", "filters"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise GenotypeError(f"{name} is {getattr(self, name)!r}; it must be a whole number of at least 1")

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> EdgeCell:
        return cls(**fields | {"edges": tuple(fields["edges"])})

    @classmethod
    def from_string(cls, text: str, cells: int = 5, filters: int = 16) -> EdgeCell:
        """The cell of a string as the benchmark writes it, such as `|nor_conv_3x3~0|+|none~0|…`."""
        ours = {theirs: name for name, theirs in PUBLISHED.items()}
        found = re.findall(r"(\w+)~\d", text)
        if len(found) != len(EDGES) or any(operation not in ours for operation in found):
            raise GenotypeError(f"{text!r} is no cell: it must name six of {', '.join(ours)}, each as name~node")
        return cls(tuple(ours[operation] for operation in found), cells, filters)

    @property
    def string(self) -> str:
        """The cell as the benchmark writes it."""
        words = [f"{PUBLISHED[operation]}~{a}" for operation, (a, _) in zip(self.edges, EDGES, strict=True)]
        return "+".join(f"|{'|'.join(words[i:j])}|" for i, j in ((0, 1), (1, 3), (3, 6)))

    @cached_property
    def hash(self) -> str:
        """Equal for cells that compute the same by the same tree of operations.

        A node is the sum of its terms in any order; a node that is passed on whole gives its terms to the next sum.
        Edges without an operation, and operations on a node that nothing flows into, are left out. There are 4,930
        classes. The benchmark counts 6,466 by texts that keep the order of terms inside passed sums, which tells 711
        more apart, and also terms that are zero, another 825; no class of the benchmark falls into two of ours.
        """
        return digest(self.family, self.cells, self.filters, self._terms())

    def _terms(self) -> tuple[object, ...]:
        values: list[tuple[object, ...]] = [(INPUT,)]
        for node in range(1, NODES):
            terms: list[object] = []
            for operation, (a, b) in zip(self.edges, EDGES, strict=True):
                if b == node and operation != NONE and values[a]:
                    terms += values[a] if operation == PASSING else [(operation, values[a])]
            values.append(tuple(sorted(terms, key=repr)))
        return values[-1]

    def graph(self) -> Graph:
        """Operations as nodes; those on edges that leave a node take all that enters it."""
        kept = [(operation, edge) for operation, edge in zip(self.edges, EDGES, strict=True) if operation != NONE]
        places = {edge: i for i, (_, edge) in enumerate(kept, start=1)}
        last = len(kept) + 1
        links = [(0, place) for edge, place in places.items() if edge[0] == 0]
        links += [(places[a], places[b]) for a in places for b in places if a[1] == b[0]]
        links += [(place, last) for edge, place in places.items() if edge[1] == NODES - 1]
        labels = (INPUT, *(operation for operation, _ in kept), OUTPUT)
        return Graph(labels, tuple(sorted(links)), (self.filters,) * len(labels))

    def plan(self, shape: Shape, outputs: int) -> Plan:
        """All layers of the benchmark's network, those that nothing flows through included."""
        return stacked(shape, outputs, self.cells, self.filters, self._cell)

    def _cell(self, draft: Draft, at: int, filters: int, name: str) -> int:
        nodes = [at]
        for node in range(1, NODES):
            terms = [
                add(draft, operation, nodes[a], filters, 1, f"{name}.edge{a}{b}")
                for operation, (a, b) in zip(self.edges, EDGES, strict=True)
                if b == node and operation != NONE
            ]
            nodes.append(draft.sum(terms, f"{name}.node{node}") if terms else draft.zero(at, f"{name}.node{node}"))
        return nodes[-1]

    def pictures(self) -> tuple[Picture, ...]:
        links = tuple(
            (a, b, operation) for operation, (a, b) in zip(self.edges, EDGES, strict=True) if operation != NONE
        )
        return (Picture("cell", ("in", "1", "2", "out"), links),)

    @property
    def operations(self) -> Counter[str]:
        """How often each operation stands on an edge."""
        return Counter(self.edges)


def stacked(shape: Shape, outputs: int, cells: int, filters: int, write: Write) -> Plan:
    """The benchmark's network of cells that `write` writes, so many in each of its three stages."""
    draft = Draft(shape)
    at = draft.norm(draft.conv(0, filters, 3, "stem.conv"), "stem.norm")
    for stage in range(3):
        wide = filters * 2**stage
        if stage:
            at = residual(draft, at, wide, f"stage{stage}.reduce")
        for cell in range(cells):
            at = write(draft, at, wide, f"stage{stage}.cell{cell}")
    at = draft.relu(draft.norm(at, "last.norm"), "last.relu")
    return _planned(draft, head(draft, at, outputs))


def residual(draft: Draft, at: int, filters: int, name: str) -> int:
    """The residual block of stride 2 between stages, with a mean and a 1×1 convolution as its shortcut."""
    path = relu_conv_norm(draft, at, filters, 3, f"{name}.first", stride=2)
    path = relu_conv_norm(draft, path, filters, 3, f"{name}.second")
    short = at if min(draft.shape(at)[1:]) < 2 else draft.pool(at, "avg", 2, f"{name}.mean", stride=2)
    short = draft.conv(short, filters, 1, f"{name}.shortcut")
    if draft.shape(short) != draft.shape(path):
        raise GenotypeError(f"{name} halves {draft.shape(at)[1:]} pixels, which needs an even size; resize the images")
    return draft.sum((path, short), f"{name}.sum")


def _planned(draft: Draft, last: int) -> Plan:
    assert last == len(draft.plan().steps) - 1, "the classifier is written last"
    return draft.plan()
