"""The graph of an architecture, and what is read off it: hashes, paths, arrays.

Nodes are layers with a label; an edge says that a layer takes what another one gives. Node 0 is the input, the last
node the output, and every edge leads to a later node.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import networkx

INPUT, OUTPUT = "input", "output"
PASSING = "skip_connect"
"""Label of a layer that hands on what it gets."""


@dataclass(frozen=True)
class Graph:
    """A directed acyclic graph of layers.

    Attributes
    ----------
    labels: of the nodes; the first is "input", the last "output".
    edges: (from, to) with from < to.
    units: width (filters, units) of each node; what only passes on has the width of what it gets.
    """

    labels: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    units: tuple[int, ...]

    @cached_property
    def parents(self) -> tuple[tuple[int, ...], ...]:
        """Nodes that each node takes."""
        found: list[list[int]] = [[] for _ in self.labels]
        for a, b in self.edges:
            found[b].append(a)
        return tuple(tuple(sorted(each)) for each in found)

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Nodes that take each node."""
        found: list[list[int]] = [[] for _ in self.labels]
        for a, b in self.edges:
            found[a].append(b)
        return tuple(tuple(sorted(each)) for each in found)

    @cached_property
    def live(self) -> tuple[bool, ...]:
        """Whether each node stands on a path from the input to the output."""
        forward, backward = [True], [True]
        for node in range(1, len(self.labels)):
            forward.append(any(forward[p] for p in self.parents[node]))
        for node in reversed(range(len(self.labels) - 1)):
            backward.append(any(backward[len(self.labels) - 1 - c] for c in self.children[node]))
        return tuple(a and b for a, b in zip(forward, reversed(backward), strict=True))

    @property
    def connected(self) -> bool:
        """Whether anything of the input reaches the output."""
        return self.live[-1]

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The (n, n) adjacency matrix, True at [from, to], and the (n,) labels."""
        adjacency = np.zeros((len(self.labels),) * 2, dtype=bool)
        for a, b in self.edges:
            adjacency[a, b] = True
        return adjacency, np.array(self.labels)

    def networkx(self) -> networkx.DiGraph:
        """The graph in networkx, with `label` and `units` at each node."""
        import networkx

        graph: Any = networkx.DiGraph()
        for node, (label, units) in enumerate(zip(self.labels, self.units, strict=True)):
            graph.add_node(node, label=label, units=units)
        graph.add_edges_from(self.edges)
        return graph

    @cached_property
    def paths(self) -> frozenset[tuple[str, ...]]:
        """Labels along every way from the input to the output (White, Neiswanger & Savani 2021, section 3)."""
        ways: list[set[tuple[str, ...]]] = [{()}]
        last = len(self.labels) - 1
        for node in range(1, last + 1):
            label = () if node == last else (self.labels[node],)
            ways.append({way + label for parent in self.parents[node] for way in ways[parent]})
        return frozenset(ways[-1])


def canonical_hash(graph: Graph) -> str:
    """Text that is equal for isomorphic graphs, whatever the order of their nodes.

    Colours in the manner of Weisfeiler & Leman, exact on acyclic graphs in one pass each way: a node is coloured by
    its label, its width, the colours of what it takes and of what takes it. Layers that nothing flows through do not
    count. Passing layers stay, as a sum taken twice differs from the sum of its parts.
    """
    n = len(graph.labels)
    own = [f"{label}:{units}" for label, units in zip(graph.labels, graph.units, strict=True)]
    up, down = [""] * n, [""] * n
    for node in range(n):
        up[node] = digest(own[node], sorted(up[p] for p in graph.parents[node] if graph.live[p]))
    for node in reversed(range(n)):
        down[node] = digest(own[node], sorted(down[c] for c in graph.children[node] if graph.live[c]))
    return digest("graph", sorted(up[i] + down[i] for i in range(n) if graph.live[i]))


def digest(*parts: object) -> str:
    """Twenty hexadecimal digits of the parts' text."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]
