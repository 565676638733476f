"""A pair of cells, normal and reduction, as NASNet and DARTS stack them.

Zoph, Vasudevan, Shlens & Le (2018), "Learning Transferable Architectures for Scalable Image Recognition", CVPR,
arXiv:1707.07012; Liu, Simonyan & Yang (2019), "DARTS", ICLR, arXiv:1806.09055, whose network this is (`model.py`,
without the auxiliary head and drop path): a 3×3 convolution, `cells` cells with reductions after one and two thirds,
the mean over pixels and a linear layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from automl.errors import GenotypeError, unknown
from automl.genotypes.blocks import OPERATIONS, add, factorized_reduce, head, relu_conv_norm
from automl.genotypes.draw import Picture
from automl.genotypes.graph import INPUT, OUTPUT, Graph, canonical_hash
from automl.genotypes.plan import Draft, Plan, Shape

COMBINE = ("add", "concat")

Write = Callable[[Draft, tuple[int, int], int, str, bool], int]
"""(draft, inputs, filters, name, whether it is a reduction) -> the output of a cell."""


@dataclass(frozen=True, slots=True)
class Block:
    """Two operations on two earlier states, joined.

    Attributes
    ----------
    inputs: the states taken: 0 is the cell before the last, 1 the last one, 2 + b block b.
    operations: one for each input.
    combine: "add" or "concat"; a concatenation passes a 1×1 convolution to its width.
    """

    inputs: tuple[int, int]
    operations: tuple[str, str]
    combine: str = "add"


@dataclass(frozen=True, slots=True)
class Cell:
    """Blocks in order, and the states that are concatenated to the output.

    Attributes
    ----------
    blocks: at least one; block b may take the states below 2 + b.
    concat: states of the output, or () for all blocks that no other takes.
    """

    blocks: tuple[Block, ...]
    concat: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.blocks:
            raise GenotypeError("a cell has no blocks; give at least one")
        for b, block in enumerate(self.blocks):
            if len(block.inputs) != 2 or len(block.operations) != 2 or not all(0 <= i < 2 + b for i in block.inputs):
                raise GenotypeError(f"block {b} takes {block.inputs!r}; it takes two of the states 0 to {1 + b}")
            for operation in block.operations:
                if operation not in OPERATIONS:
                    raise unknown("operation", operation, OPERATIONS)
            if block.combine not in COMBINE:
                raise GenotypeError(f"block {b} is joined by {block.combine!r}; it must be one of {COMBINE}")
        if len(set(self.concat)) != len(self.concat) or not all(0 <= i < 2 + len(self.blocks) for i in self.concat):
            raise GenotypeError(f"concat is {self.concat!r}; it names states 0 to {1 + len(self.blocks)}, each once")

    @classmethod
    def of(cls, edges: tuple[tuple[str, int], ...], concat: tuple[int, ...] = ()) -> Cell:
        """The cell of (operation, state) pairs, two a block, as DARTS writes it."""
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return cls(tuple(Block((a[1], b[1]), (a[0], b[0])) for a, b in pairs), concat)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Cell:
        blocks = [Block(tuple(b["inputs"]), tuple(b["operations"]), b["combine"]) for b in fields["blocks"]]
        return cls(tuple(blocks), tuple(fields["concat"]))

    @property
    def outputs(self) -> tuple[int, ...]:
        """States that are concatenated."""
        used = {i for block in self.blocks for i in block.inputs}
        return self.concat or tuple(i for i in range(2, 2 + len(self.blocks)) if i not in used)


@dataclass(frozen=True)
class Cells:
    """A normal and a reduction cell, and how they are stacked.

    Attributes
    ----------
    normal, reduce: the cells; in the latter, operations on the states 0 and 1 have stride 2.
    cells: cells in all, >= 3; those at one and two thirds are reductions.
    filters: of the first cells, >= 2; each reduction doubles them.
    stem: filters of the first convolution as a multiple of `filters` (3 for CIFAR).
    """

    family: ClassVar[str] = "cells"

    normal: Cell
    reduce: Cell
    cells: int = 20
    filters: int = 36
    stem: int = 3

    def __post_init__(self) -> None:
        for name, least in (("cells", 3), ("filters", 2), ("stem", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise GenotypeError(f"{name} is {value!r}; it must be a whole number of at least {least}")

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Cells:
        pair = {name: Cell.from_fields(fields[name]) for name in ("normal", "reduce")}
        return cls(**fields | pair)

    @cached_property
    def hash(self) -> str:
        """Equal for pairs that differ in the order of blocks, inputs or concatenated states alone."""
        return f"{self.cells}-{self.filters}-{self.stem}-{canonical_hash(self.graph())}"

    def graph(self) -> Graph:
        """The normal cell, then the reduction cell, one of each; a block is a node behind its two operations."""
        labels, units, edges = [INPUT], [self.filters], list[tuple[int, int]]()
        before, last = 0, 0
        for cell, name, width in ((self.normal, "normal", 1), (self.reduce, "reduce", 2)):
            states: list[int] = []
            for state in (before, last):
                labels.append(f"{name}:state{len(states)}")
                edges.append((state, len(labels) - 1))
                states.append(len(labels) - 1)
            for block in cell.blocks:
                ends = []
                for operation, state in zip(block.operations, block.inputs, strict=True):
                    stride = "/2" if name == "reduce" and state < 2 else ""
                    labels.append(operation + stride)
                    edges.append((states[state], len(labels) - 1))
                    ends.append(len(labels) - 1)
                labels.append(block.combine)
                edges += [(end, len(labels) - 1) for end in ends]
                states.append(len(labels) - 1)
            labels.append(f"{name}:concat")
            edges += [(states[state], len(labels) - 1) for state in cell.outputs]
            before, last = last, len(labels) - 1
            units += [self.filters * width] * (len(labels) - len(units))
        labels.append(OUTPUT)
        edges += [(state, len(labels) - 1) for state in {before, last} - {0}]
        return Graph(tuple(labels), tuple(sorted(set(edges))), (*units, units[-1]))

    def plan(self, shape: Shape, outputs: int) -> Plan:
        return stacked(shape, outputs, self.cells, self.filters, self.stem, self._cell)

    def _cell(self, draft: Draft, inputs: tuple[int, int], filters: int, name: str, reduce: bool) -> int:
        cell, states = self.reduce if reduce else self.normal, list(inputs)
        for b, block in enumerate(cell.blocks):
            ends = [
                add(
                    draft,
                    operation,
                    states[state],
                    filters,
                    2 if reduce and state < 2 else 1,
                    f"{name}.block{b}.{side}",
                )
                for operation, state, side in zip(block.operations, block.inputs, ("left", "right"), strict=True)
            ]
            if block.combine == "add":
                states.append(draft.sum(ends, f"{name}.block{b}.sum"))
            else:
                both = draft.concat(ends, f"{name}.block{b}.concat")
                states.append(_pointwise(draft, both, filters, f"{name}.block{b}.join"))
        size = min(draft.shape(states[s])[1:] for s in cell.outputs)
        ends = [
            states[s]
            if draft.shape(states[s])[1:] == size
            else factorized_reduce(draft, states[s], filters, f"{name}.shrink{s}")
            for s in cell.outputs
        ]
        return draft.concat(ends, f"{name}.concat")

    def pictures(self) -> tuple[Picture, ...]:
        return (_picture("normal cell", self.normal), _picture("reduction cell", self.reduce))


def reductions(cells: int) -> tuple[int, int]:
    """Places of the reduction cells among so many."""
    return cells // 3, 2 * cells // 3


def stacked(shape: Shape, outputs: int, cells: int, filters: int, stem: int, write: Write) -> Plan:
    """The network of cells that `write` writes, each on the two before it at its own width and resolution."""
    draft, halved = Draft(shape), False
    before = last = draft.norm(draft.conv(0, stem * filters, 3, "stem.conv"), "stem.norm")
    for i in range(cells):
        reduce = i in reductions(cells)
        filters *= 2 if reduce else 1
        first = factorized_reduce if halved else _pointwise
        inputs = (
            first(draft, before, filters, f"cell{i}.before"),
            _pointwise(draft, last, filters, f"cell{i}.last"),
        )
        before, last = last, write(draft, inputs, filters, f"cell{i}", reduce)
        halved = reduce
    head(draft, last, outputs)
    return draft.plan()


def _pointwise(draft: Draft, at: int, channels: int, name: str) -> int:
    return relu_conv_norm(draft, at, channels, 1, name)


def _picture(title: str, cell: Cell) -> Picture:
    nodes = ("c_{k-2}", "c_{k-1}", *(str(b) for b in range(len(cell.blocks))), "c_{k}")
    links = tuple(
        (state, 2 + b, operation)
        for b, block in enumerate(cell.blocks)
        for operation, state in zip(block.operations, block.inputs, strict=True)
    )
    return Picture(title, nodes, (*links, *((state, len(nodes) - 1, "") for state in cell.outputs)))
