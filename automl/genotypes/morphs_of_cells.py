"""Morphisms of pairs of cells.

    widen, prune (filters)           of the whole network
    branch (cell, first, second, operation)   a block more in the "normal" or "reduce" cell, which takes two states that
                                     are not part of the output; what it adds to the output is not read at first
    kernel (cell, block, side)       of a convolution, side 0 or 1: to the next larger one

A cell more would move the reductions, and sums have no scale that could begin at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from automl.errors import GenotypeError
from automl.genotypes.cells import Block, Cell, Cells
from automl.genotypes.morphs import Link, Morph

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "deepen": "a cell more would move the reductions",
        "skip": "a sum of two operations has no scale that could begin at 0",
        "remove": "a block is taken by others or part of the output",
    }
)
LARGER: Mapping[str, str] = MappingProxyType(
    {
        "conv_1x1": "conv_3x3",
        "conv_3x3": "conv_5x5",
        "sep_conv_3x3": "sep_conv_5x5",
        "sep_conv_5x5": "sep_conv_7x7",
        "dil_conv_3x3": "dil_conv_5x5",
    }
)
NEW = ("sep_conv_3x3", "conv_3x3")
"""Operations of a new block that `options` offers."""


def _cell(genotype: Cells, name: str) -> Cell:
    if name not in ("normal", "reduce"):
        raise GenotypeError(f"there is no cell {name!r}; there are 'normal' and 'reduce'")
    cell: Cell = getattr(genotype, name)
    return cell


def _with(genotype: Cells, name: str, cell: Cell) -> Cells:
    return replace(genotype, normal=cell) if name == "normal" else replace(genotype, reduce=cell)


def _widen(genotype: Cells, filters: int) -> tuple[Cells, Link]:
    if filters <= genotype.filters:
        raise GenotypeError(f"there are {genotype.filters} filters; widening to {filters!r} needs more")
    return replace(genotype, filters=filters), Link()


def _prune(genotype: Cells, filters: int) -> tuple[Cells, Link]:
    if not 2 <= filters < genotype.filters:
        raise GenotypeError(f"there are {genotype.filters} filters; pruning to {filters!r} needs fewer, at least 2")
    return replace(genotype, filters=filters), Link(exact=False)


def _branch(genotype: Cells, name: str, first: int, second: int, operation: str) -> tuple[Cells, Link]:
    cell = _cell(genotype, name)
    lost = [state for state in (first, second) if state in cell.outputs and not cell.concat]
    if lost:
        raise GenotypeError(f"state {lost[0]} of the {name} cell is part of its output; a new block would take it away")
    block = Block((first, second), (operation, operation))
    concat = (*cell.concat, 2 + len(cell.blocks)) if cell.concat else ()
    return _with(genotype, name, Cell((*cell.blocks, block), concat)), Link()


def _kernel(genotype: Cells, name: str, block: int, side: int) -> tuple[Cells, Link]:
    cell = _cell(genotype, name)
    if not (0 <= block < len(cell.blocks) and side in (0, 1)):
        raise GenotypeError(f"there is no block {block!r}, side {side!r}; there are {len(cell.blocks)} of two sides")
    found = cell.blocks[block]
    if found.operations[side] not in LARGER:
        raise GenotypeError(f"{found.operations[side]!r} has no larger kernel; there is one of {', '.join(LARGER)}")
    sides = [LARGER[o] if i == side else o for i, o in enumerate(found.operations)]
    grown = replace(found, operations=(sides[0], sides[1]))
    blocks = (*cell.blocks[:block], grown, *cell.blocks[block + 1 :])
    return _with(genotype, name, replace(cell, blocks=blocks)), Link()


RULES: Mapping[str, Callable[..., tuple[Any, Link]]] = MappingProxyType(
    {"widen": _widen, "branch": _branch, "kernel": _kernel, "prune": _prune}
)


def options(genotype: Cells, widths: Sequence[int] | None) -> Iterator[Morph]:
    """Candidates; those that break a rule are left out by `morphs_of`."""
    now = genotype.filters
    for filters in (2 * now, now // 2) if widths is None else widths:
        yield Morph("widen" if filters > now else "prune", (filters,))
    for name in ("normal", "reduce"):
        cell = _cell(genotype, name)
        for b in range(len(cell.blocks)):
            yield from (Morph("kernel", (name, b, side)) for side in (0, 1))
        yield from (Morph("branch", (name, 0, 1, operation)) for operation in NEW)


def links(parent: Cells, child: Cells) -> Iterator[Link]:
    """Names are the same."""
    yield Link()
