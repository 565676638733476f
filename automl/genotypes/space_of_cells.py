"""What may be chosen of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from automl.errors import GenotypeError, unknown
from automl.genotypes.cells import Block, Cell, Cells
from automl.genotypes.edge_cell import EDGES, PUBLISHED, EdgeCell
from automl.genotypes.graph import PASSING

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

DARTS = ("max_pool_3x3", "avg_pool_3x3", PASSING, "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
"""Operations of the space of DARTS, `none` apart."""

CONCAT = ("unused", "all")


@dataclass(frozen=True)
class EdgeCellSpace:
    """Cells of NAS-Bench-201.

    Attributes
    ----------
    operations: choices of every edge; an edge passes on by default, where that is among them.
    cells, filters: choices of the stacking; of one there is nothing to search.
    """

    family: ClassVar[str] = "edge_cell"

    operations: tuple[str, ...] = tuple(PUBLISHED)
    cells: tuple[int, ...] = (5,)
    filters: tuple[int, ...] = (16,)

    def fill(self, space: ConfigurationSpace, prefix: str) -> None:
        from ConfigSpace import Categorical

        default = PASSING if PASSING in self.operations else self.operations[0]
        for a, b in EDGES:
            meta = {"module": f"node{b}"}
            space.add(Categorical(f"{prefix}edge{a}{b}", self.operations, default=default, meta=meta))
        _fill_stacking(space, prefix, self)

    def decode(self, values: Mapping[str, Any]) -> EdgeCell:
        edges = tuple(values[f"edge{a}{b}"] for a, b in EDGES)
        return EdgeCell(edges, *_stacking(self, values))

    def encode(self, genotype: EdgeCell) -> dict[str, Any]:
        edges = {f"edge{a}{b}": operation for operation, (a, b) in zip(genotype.edges, EDGES, strict=True)}
        return edges | _encoded_stacking(self, genotype)


@dataclass(frozen=True)
class CellsSpace:
    """Pairs of a normal and a reduction cell.

    Attributes
    ----------
    blocks: of each cell; 4 in DARTS, 5 in NASNet.
    operations: choices of each of the two operations of a block.
    combine: choices of how the two are joined.
    concat: what a cell gives: its "unused" blocks, as in NASNet, or "all", as in DARTS.
    cells, filters: choices of the stacking; of one there is nothing to search.
    """

    family: ClassVar[str] = "cells"

    blocks: int = 4
    operations: tuple[str, ...] = DARTS
    combine: tuple[str, ...] = ("add",)
    concat: str = "unused"
    cells: tuple[int, ...] = (8,)
    filters: tuple[int, ...] = (16,)

    def __post_init__(self) -> None:
        if self.concat not in CONCAT:
            raise unknown("output of cells", self.concat, CONCAT)

    @property
    def states(self) -> tuple[int, ...]:
        """States of a cell's output, or () for those that no block takes."""
        return tuple(range(2, 2 + self.blocks)) if self.concat == "all" else ()

    def fill(self, space: ConfigurationSpace, prefix: str) -> None:
        from ConfigSpace import Categorical

        for cell in ("normal", "reduce"):
            for b in range(self.blocks):
                stem, meta = f"{prefix}{cell}{b}", {"module": cell}
                for side in ("left", "right"):
                    space.add(Categorical(f"{stem}_{side}_in", tuple(range(2 + b)), meta=meta))
                    space.add(Categorical(f"{stem}_{side}_op", self.operations, meta=meta))
                if len(self.combine) > 1:
                    space.add(Categorical(f"{stem}_combine", self.combine, meta=meta))
        _fill_stacking(space, prefix, self)

    def decode(self, values: Mapping[str, Any]) -> Cells:
        pair: dict[str, Cell] = {}
        for cell in ("normal", "reduce"):
            blocks = []
            for stem in (f"{cell}{b}" for b in range(self.blocks)):
                inputs = (int(values[f"{stem}_left_in"]), int(values[f"{stem}_right_in"]))
                operations = (values[f"{stem}_left_op"], values[f"{stem}_right_op"])
                blocks.append(Block(inputs, operations, values.get(f"{stem}_combine", self.combine[0])))
            pair[cell] = Cell(tuple(blocks), self.states)
        cells, filters = _stacking(self, values)
        return Cells(pair["normal"], pair["reduce"], cells, filters)

    def encode(self, genotype: Cells) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
            if len(cell.blocks) != self.blocks:
                raise GenotypeError(f"the {name} cell has {len(cell.blocks)} blocks; the space has {self.blocks}")
            if cell.outputs != Cell(cell.blocks, self.states).outputs:
                raise GenotypeError(f"the {name} cell gives {cell.outputs}; in the space it gives {self.concat} blocks")
            for b, block in enumerate(cell.blocks):
                for side, state, operation in zip(("left", "right"), block.inputs, block.operations, strict=True):
                    values |= {f"{name}{b}_{side}_in": state, f"{name}{b}_{side}_op": operation}
                if len(self.combine) > 1:
                    values[f"{name}{b}_combine"] = block.combine
        return values | _encoded_stacking(self, genotype)


def _fill_stacking(space: ConfigurationSpace, prefix: str, bounds: EdgeCellSpace | CellsSpace) -> None:
    from ConfigSpace import Categorical

    for name in ("cells", "filters"):
        choices = getattr(bounds, name)
        if len(choices) > 1:
            space.add(Categorical(f"{prefix}{name}", choices, ordered=True))


def _stacking(bounds: EdgeCellSpace | CellsSpace, values: Mapping[str, Any]) -> tuple[int, int]:
    return int(values.get("cells", bounds.cells[0])), int(values.get("filters", bounds.filters[0]))


def _encoded_stacking(bounds: EdgeCellSpace | CellsSpace, genotype: EdgeCell | Cells) -> dict[str, int]:
    values = {}
    for name in ("cells", "filters"):
        choices, value = getattr(bounds, name), getattr(genotype, name)
        if value not in choices:
            raise GenotypeError(f"{name} is {value!r}; the space has {choices}")
        if len(choices) > 1:
            values[name] = value
    return values
