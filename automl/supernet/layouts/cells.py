"""The supernet of DARTS: a normal and a reduction cell in which every state feeds every later block.

Liu, Simonyan & Yang (2019), "DARTS", ICLR, arXiv:1806.09055, section 2. A cell gives all of its blocks; a block adds
two operations on two states.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from automl.errors import GenotypeError
from automl.genotypes.blocks import add
from automl.genotypes.cells import Block, Cell, Cells, reductions, stacked
from automl.genotypes.edge_cell import NONE
from automl.genotypes.plan import Draft, Plan, Shape
from automl.genotypes.space_of_cells import CellsSpace
from automl.supernet.layout import Choice, Edge, place

KINDS = ("normal", "reduce")
STEM = 3
"""Filters of the stem as a multiple of those of the cells, as `Cells` has it."""


@dataclass(frozen=True)
class CellsLayout:
    """All pairs of cells in one."""

    space: CellsSpace
    shape: Shape
    outputs: int
    pool_norms: bool = False

    def __post_init__(self) -> None:
        if self.space.concat != "all" or self.space.combine != ("add",):
            raise GenotypeError(
                f"cells that give {self.space.concat} blocks, joined by {self.space.combine}, do not share the shapes "
                "of their weights; make the space by CellsSpace(concat='all', combine=('add',))"
            )

    @cached_property
    def plan(self) -> Plan:
        return stacked(self.shape, self.outputs, self.space.cells[0], self.space.filters[0], STEM, self._write)

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        into = range(2, 2 + self.space.blocks)
        return tuple(Edge(cell, source, target) for cell in KINDS for target in into for source in range(target))

    @property
    def operations(self) -> tuple[str, ...]:
        """Those of the space behind "none", which takes weight from an edge but is never chosen."""
        return (NONE, *self.space.operations)

    @cached_property
    def mixtures(self) -> Mapping[str, tuple[Choice, ...]]:
        found = {}
        for name in (step.name for step in self.plan.steps if step.kind == "mixture"):
            cell, block = re.fullmatch(r"cell(\d+)\.block(\d+)\.mixture", name).groups()  # type: ignore[union-attr]
            found[name] = self._into(KINDS[int(cell) in reductions(self.space.cells[0])], 2 + int(block))
        return found

    def definition(self) -> CellsSpace:
        return replace(self.space, cells=self.space.cells[:1], filters=self.space.filters[:1])

    def choices(self, genotype: Cells) -> tuple[Choice, ...]:
        for kind, cell in zip(KINDS, (genotype.normal, genotype.reduce), strict=True):
            joined = {block.combine for block in cell.blocks}
            if len(cell.blocks) != self.space.blocks or cell.outputs != self.space.states or joined != {"add"}:
                raise GenotypeError(
                    f"the {kind} cell has {len(cell.blocks)} blocks, joined by {', '.join(sorted(joined))}, and gives "
                    f"{cell.outputs}; weights are shared by cells of {self.space.blocks} blocks that are added, all of "
                    "which the cell gives"
                )
        return tuple(
            (self.edges.index(Edge(kind, source, 2 + b)), place(self.operations, operation))
            for kind, cell in zip(KINDS, (genotype.normal, genotype.reduce), strict=True)
            for b, block in enumerate(cell.blocks)
            for source, operation in zip(block.inputs, block.operations, strict=True)
        )

    def genotype(self, choices: Sequence[Choice]) -> Cells:
        pair = []
        for kind in KINDS:
            blocks = []
            for target in range(2, 2 + self.space.blocks):
                mine = [(self.edges[e], self.operations[o]) for e, o in choices]
                (a, left), (b, right) = [(e.source, o) for e, o in mine if (e.cell, e.target) == (kind, target)]
                blocks.append(Block((a, b), (left, right)))
            pair.append(Cell(tuple(blocks), self.space.states))
        return Cells(pair[0], pair[1], self.space.cells[0], self.space.filters[0], STEM)

    def derived(self, weights: np.ndarray) -> tuple[Choice, ...]:
        """Of each block the two edges with the largest weight of an operation other than "none" (section 2.4)."""
        best, strength = 1 + weights[:, 1:].argmax(axis=1), weights[:, 1:].max(axis=1)
        kept: list[Choice] = []
        for kind in KINDS:
            for target in range(2, 2 + self.space.blocks):
                mine = [i for i, edge in enumerate(self.edges) if (edge.cell, edge.target) == (kind, target)]
                two = sorted(sorted(mine, key=lambda i: -strength[i])[:2])
                kept += [(i, int(best[i])) for i in two]
        return tuple(kept)

    def shared_name(self, genotype: Cells, name: str) -> str:
        found = re.fullmatch(r"cell(\d+)\.block(\d+)\.(left|right)\.(.*)", name)
        if found is None:
            return name
        i, b, side, rest = found.groups()
        cell = genotype.reduce if int(i) in reductions(genotype.cells) else genotype.normal
        block, right = cell.blocks[int(b)], side == "right"
        return f"cell{i}.block{b}.from{block.inputs[right]}.{block.operations[right]}.{rest}"

    def _into(self, kind: str, target: int) -> tuple[Choice, ...]:
        mine = [i for i, edge in enumerate(self.edges) if (edge.cell, edge.target) == (kind, target)]
        return tuple((edge, op) for edge in mine for op in range(1, len(self.operations)))

    def _write(self, draft: Draft, inputs: tuple[int, int], filters: int, name: str, reduce: bool) -> int:
        states = list(inputs)
        for b in range(self.space.blocks):
            terms = []
            for edge, op in self._into(KINDS[reduce], 2 + b):
                source, operation = self.edges[edge].source, self.operations[op]
                called = f"{name}.block{b}.from{source}.{operation}"
                term = add(draft, operation, states[source], filters, 2 if reduce and source < 2 else 1, called)
                pool = self.pool_norms and "pool" in operation
                terms.append(draft.norm(term, f"{called}.norm") if pool else term)
            states.append(draft.mixture(terms, f"{name}.block{b}.mixture"))
        return draft.concat(states[2:], f"{name}.concat")
