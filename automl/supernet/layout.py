"""The layout of a supernet: a plan that holds every operation on every edge, and where architectures lie in it.

A supernet has *edges* between the states of its cells, shared by all cells of a kind, and on each edge one of each
operation. A *choice* is an (edge, operation) pair; an architecture is a set of choices, or, as weights, an array of
(edges, operations). Operations on an edge meet in the "mixture" steps of the plan. No torch here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from automl.errors import unknown
from automl.genotypes.graph import PASSING
from automl.genotypes.plan import Plan
from automl.genotypes.space_of_cells import CellsSpace, EdgeCellSpace

Choice = tuple[int, int]
"""Places of an edge and of an operation."""

Definition = EdgeCellSpace | CellsSpace


@dataclass(frozen=True, slots=True)
class Edge:
    """Where an operation may stand.

    Attributes
    ----------
    cell: kind of cell: "cell", "normal" or "reduce".
    source, target: states that it leads from and to.
    """

    cell: str
    source: int
    target: int


class Layout(Protocol):
    """A supernet of a family as values."""

    @property
    def plan(self) -> Plan:
        """All layers. A step of an operation is called as in a network of its own, with the operation's name put in."""
        ...

    @property
    def edges(self) -> tuple[Edge, ...]: ...

    @property
    def operations(self) -> tuple[str, ...]:
        """Of every edge; "none" may be among them."""
        ...

    @property
    def mixtures(self) -> Mapping[str, tuple[Choice, ...]]:
        """Name of a mixture step → the choice that each of its inputs belongs to."""
        ...

    def definition(self) -> Definition:
        """What may be chosen, stacked as the supernet is."""
        ...

    def choices(self, genotype: Any) -> tuple[Choice, ...]:
        """The choices of an architecture."""
        ...

    def genotype(self, choices: Sequence[Choice]) -> Any:
        """The architecture of choices, stacked as the supernet is."""
        ...

    def derived(self, weights: np.ndarray) -> tuple[Choice, ...]:
        """The choices that are kept when (edges, operations) weights become an architecture."""
        ...

    def shared_name(self, genotype: Any, name: str) -> str:
        """Name in the supernet of a parameter of the architecture's own network."""
        ...


def place(operations: Sequence[str], operation: str) -> int:
    """Place of an operation; SettingError where the supernet does not have it."""
    if operation not in operations:
        raise unknown("operation", operation, operations)
    return operations.index(operation)


def one_hot(layout: Layout, choices: Sequence[Choice]) -> np.ndarray:
    """(edges, operations) times that each choice is taken: 1 or 0, or 2 where a block takes it twice."""
    counts = np.zeros((len(layout.edges), len(layout.operations)))
    for choice in choices:
        counts[choice] += 1
    return counts


def skips(layout: Layout, choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """The choices that only pass on, outside reduction cells."""
    passing = layout.operations.index(PASSING) if PASSING in layout.operations else -1
    return tuple((edge, op) for edge, op in choices if op == passing and layout.edges[edge].cell != "reduce")
