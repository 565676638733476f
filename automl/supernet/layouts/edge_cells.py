"""The supernet of NAS-Bench-201's topology: six edges, shared by all cells (Dong & Yang 2020, arXiv:2001.00326)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from automl.errors import GenotypeError
from automl.genotypes.blocks import add
from automl.genotypes.edge_cell import EDGES, NODES, NONE, EdgeCell, stacked
from automl.genotypes.plan import Draft, Plan, Shape
from automl.genotypes.space_of_cells import EdgeCellSpace
from automl.supernet.layout import Choice, Edge, place


@dataclass(frozen=True)
class EdgeCellLayout:
    """All cells of NAS-Bench-201 in one."""

    space: EdgeCellSpace
    shape: Shape
    outputs: int
    pool_norms: bool = False

    def __post_init__(self) -> None:
        if set(self.space.operations) <= {NONE}:
            raise GenotypeError(
                f"the operations {self.space.operations} have no weights to share and nothing to choose; add one such "
                "as 'conv_3x3'"
            )

    @cached_property
    def plan(self) -> Plan:
        return stacked(self.shape, self.outputs, self.space.cells[0], self.space.filters[0], self._write)

    @property
    def edges(self) -> tuple[Edge, ...]:
        return tuple(Edge("cell", a, b) for a, b in EDGES)

    @property
    def operations(self) -> tuple[str, ...]:
        return self.space.operations

    @cached_property
    def mixtures(self) -> Mapping[str, tuple[Choice, ...]]:
        into = {node: tuple(c for c in self._steps if EDGES[c[0]][1] == node) for node in range(1, NODES)}
        named = {step.name: step.name.rpartition("node")[2] for step in self.plan.steps if step.kind == "mixture"}
        return {name: into[int(node)] for name, node in named.items()}

    def definition(self) -> EdgeCellSpace:
        return replace(self.space, cells=self.space.cells[:1], filters=self.space.filters[:1])

    def choices(self, genotype: EdgeCell) -> tuple[Choice, ...]:
        return tuple((edge, place(self.operations, op)) for edge, op in enumerate(genotype.edges))

    def genotype(self, choices: Sequence[Choice]) -> EdgeCell:
        edges = tuple(self.operations[op] for _, op in sorted(choices))
        return EdgeCell(edges, self.space.cells[0], self.space.filters[0])

    def derived(self, weights: np.ndarray) -> tuple[Choice, ...]:
        """The operation of the largest weight on each edge, "none" apart."""
        allowed = np.array([op != NONE for op in self.operations])
        best = np.where(allowed, weights, -np.inf).argmax(axis=1)
        return tuple((edge, int(op)) for edge, op in enumerate(best))

    def shared_name(self, genotype: EdgeCell, name: str) -> str:
        found = re.fullmatch(r"(.*\.edge)(\d)(\d)\.(.*)", name)
        if found is None:
            return name
        before, a, b, rest = found.groups()
        return f"{before}{a}{b}.{genotype.edges[EDGES.index((int(a), int(b)))]}.{rest}"

    @property
    def _steps(self) -> tuple[Choice, ...]:
        """Choices that have steps: all but "none"."""
        return tuple((e, o) for e in range(len(EDGES)) for o, op in enumerate(self.operations) if op != NONE)

    def _write(self, draft: Draft, at: int, filters: int, name: str) -> int:
        nodes = [at]
        for node in range(1, NODES):
            terms = []
            for edge, op in self._steps:
                a, b = EDGES[edge]
                if b == node:
                    operation = self.operations[op]
                    called = f"{name}.edge{a}{b}.{operation}"
                    term = add(draft, operation, nodes[a], filters, 1, called)
                    pool = self.pool_norms and "pool" in operation
                    terms.append(draft.norm(term, f"{called}.norm") if pool else term)
            nodes.append(draft.mixture(terms, f"{name}.node{node}"))
        return nodes[-1]
