"""Genotypes as vectors: one-hot of every choice, and the paths through the graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from automl.genotypes.graph import Graph

Path = tuple[str, ...]


def path_vocabulary(graphs: Sequence[Graph], longest: int | None = None) -> tuple[Path, ...]:
    """Ways from the input to the output that occur, the shortest first (White, Neiswanger & Savani 2021).

    Parameters
    ----------
    longest: ways kept; the most frequent of the shortest, as truncation costs little (their section 3.1).
    """
    counted = Counter(path for graph in graphs for path in graph.paths)
    ranked = sorted(counted, key=lambda path: (len(path), -counted[path], path))
    return tuple(ranked[:longest])


def path_encoding(graphs: Sequence[Graph], vocabulary: Sequence[Path]) -> np.ndarray:
    """(n, len(vocabulary)) with 1 where a graph has the path, else 0."""
    places = {path: i for i, path in enumerate(vocabulary)}
    matrix = np.zeros((len(graphs), len(vocabulary)))
    for row, graph in enumerate(graphs):
        matrix[row, [places[path] for path in graph.paths if path in places]] = 1.0
    return matrix
