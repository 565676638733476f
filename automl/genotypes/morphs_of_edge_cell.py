"""Morphisms of the cells of NAS-Bench-201.

widen, prune (filters)           of the whole network
deepen ()                        a cell more in each stage, where edge 0 → 3 passes on and all else that reaches
                                 node 3 can begin at 0
branch (edge, operation)         a convolution on an edge without an operation, its norm at 0
kernel (edge)                    from 1×1 to 3×3
remove (edge)                    approximate: none in place of an operation
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from automl.errors import GenotypeError
from automl.genotypes.edge_cell import EDGES, NODES, NONE, EdgeCell
from automl.genotypes.graph import PASSING
from automl.genotypes.morphs import Link, Morph

REFUSED: Mapping[str, str] = MappingProxyType({"skip": "a sum of the cell has no scale that could begin at 0"})
CONVOLUTIONS = ("conv_1x1", "conv_3x3")
STAGES = 3


def _edge(genotype: EdgeCell, edge: Any) -> str:
    if not isinstance(edge, int) or not 0 <= edge < len(EDGES):
        raise GenotypeError(f"there is no edge {edge!r}; there are {len(EDGES)}, counted from 0")
    return genotype.edges[edge]


def _with(genotype: EdgeCell, edge: int, operation: str) -> EdgeCell:
    return replace(genotype, edges=(*genotype.edges[:edge], operation, *genotype.edges[edge + 1 :]))


def _names(cells: Sequence[int]) -> list[str]:
    return [f"stage{stage}.cell{cell}" for stage in range(STAGES) for cell in cells]


def _widen(genotype: EdgeCell, filters: int) -> tuple[EdgeCell, Link]:
    if filters <= genotype.filters:
        raise GenotypeError(f"there are {genotype.filters} filters; widening to {filters!r} needs more")
    return replace(genotype, filters=filters), Link()


def _prune(genotype: EdgeCell, filters: int) -> tuple[EdgeCell, Link]:
    if not 1 <= filters < genotype.filters:
        raise GenotypeError(f"there are {genotype.filters} filters; pruning to {filters!r} needs fewer, at least 1")
    return replace(genotype, filters=filters), Link(exact=False)


def _deepen(genotype: EdgeCell) -> tuple[EdgeCell, Link]:
    if genotype.edges[EDGES.index((0, 3))] != PASSING:
        raise GenotypeError(f"edge 0 → 3 is {genotype.edges[3]!r}; only where it passes on can a new cell begin so")
    zeroed = _muted(genotype, NODES - 1, besides=0)
    cells = _names([genotype.cells])
    names = frozenset(f"{cell}.edge{a}{b}.norm" for cell in cells for a, b in zeroed)
    return replace(genotype, cells=genotype.cells + 1), Link(zeroed=names)


def _muted(genotype: EdgeCell, node: int, besides: int | None = None) -> list[tuple[int, int]]:
    """Edges whose norms begin at 0, so that a node does, what comes straight from node `besides` apart."""
    found: list[tuple[int, int]] = []
    for operation, (a, b) in zip(genotype.edges, EDGES, strict=True):
        if b != node or operation == NONE or (a == besides and operation == PASSING):
            continue
        if operation in CONVOLUTIONS:
            found.append((a, b))
        elif a == 0:
            raise GenotypeError(f"{operation} on edge 0 → {b} cannot begin at 0, so that no new cell can pass on")
        else:
            found += _muted(genotype, a)
    return found


def _branch(genotype: EdgeCell, edge: int, operation: str) -> tuple[EdgeCell, Link]:
    before = _edge(genotype, edge)
    if before != NONE or operation not in CONVOLUTIONS:
        raise GenotypeError(f"edge {edge} is {before!r}; only a convolution in place of 'none' can begin at 0")
    a, b = EDGES[edge]
    names = frozenset(f"{cell}.edge{a}{b}.norm" for cell in _names(range(genotype.cells)))
    return _with(genotype, edge, operation), Link(zeroed=names)


def _kernel(genotype: EdgeCell, edge: int) -> tuple[EdgeCell, Link]:
    if _edge(genotype, edge) != "conv_1x1":
        raise GenotypeError(f"edge {edge} is {genotype.edges[edge]!r}; only a conv_1x1 can be enlarged here")
    return _with(genotype, edge, "conv_3x3"), Link()


def _remove(genotype: EdgeCell, edge: int) -> tuple[EdgeCell, Link]:
    if _edge(genotype, edge) == NONE:
        raise GenotypeError(f"edge {edge} has no operation to remove")
    child = _with(genotype, edge, NONE)
    if not child.graph().connected:
        raise GenotypeError(f"without edge {edge}, nothing reaches the end of the cell")
    return child, Link(exact=False)


RULES: Mapping[str, Callable[..., tuple[Any, Link]]] = MappingProxyType(
    {"widen": _widen, "deepen": _deepen, "branch": _branch, "kernel": _kernel, "prune": _prune, "remove": _remove}
)


def options(genotype: EdgeCell, widths: Sequence[int] | None) -> Iterator[Morph]:
    """Candidates; those that break a rule are left out by `morphs_of`."""
    now = genotype.filters
    for filters in (2 * now, now // 2) if widths is None else widths:
        yield Morph("widen" if filters > now else "prune", (filters,))
    yield Morph("deepen")
    for edge in range(len(EDGES)):
        yield from (Morph("branch", (edge, operation)) for operation in CONVOLUTIONS)
        yield Morph("kernel", (edge,))
        yield Morph("remove", (edge,))


def links(parent: EdgeCell, child: EdgeCell) -> Iterator[Link]:
    """New cells and new edges begin at 0, where they can."""
    zeroed: set[str] = set()
    for a, b in (
        edge
        for edge, before, after in zip(EDGES, parent.edges, child.edges, strict=True)
        if before == NONE and after in CONVOLUTIONS
    ):
        zeroed |= {f"{cell}.edge{a}{b}.norm" for cell in _names(range(child.cells))}
    for cell in range(parent.cells, child.cells):
        try:
            zeroed |= _deepen(replace(child, cells=cell))[1].zeroed
        except GenotypeError:
            break
    yield Link(zeroed=frozenset(zeroed))
