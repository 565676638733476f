"""Architectures inside configurations: their graphs, and configurations as features of a regression."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.errors import SettingError
from automl.genotypes.encodings import path_encoding, path_vocabulary
from automl.genotypes.spaces import decode as decode_genotype
from automl.genotypes.spaces import definition_of
from automl.search.candidates import features
from automl.search.draw import decode

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.genotypes.graph import Graph

LONGEST = 400
"""Paths that an encoding keeps."""


def graphs_of(space: ConfigurationSpace, codes: np.ndarray) -> list[Graph]:
    """The graph of the architecture of each code. The space must hold architectures."""
    found = []
    for code in codes:
        config = decode(space, code)
        if config is None:
            raise SettingError(f"a forbidden clause of the space {space.name!r} excludes a candidate")
        found.append(_graph(decode_genotype(space, config)[0]))
    return found


@lru_cache(maxsize=4096)
def _graph(genotype: Any) -> Graph:
    """The graph of a genotype, remembered with what is read off it: observed ones come back with every model."""
    graph: Graph = genotype.graph()
    return graph


def encoded(space: ConfigurationSpace, codes: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features of two sets of codes: paths of the architecture and the other choices, or all choices one-hot.

    Parameters
    ----------
    codes: observed ones; the paths that occur in them are the encoding.
    """
    found = definition_of(space)
    if found is None:
        return features(space, codes), features(space, others)
    _, prefix = found
    architectural = np.array([name.startswith(prefix) for name in space])
    graphs = graphs_of(space, codes), graphs_of(space, others)
    vocabulary = path_vocabulary(graphs[0], LONGEST)

    def encode(each: np.ndarray, own: list[Graph]) -> np.ndarray:
        paths = path_encoding(own, vocabulary)
        rest = features(space, np.where(architectural, np.nan, each))
        return paths if architectural.all() else np.hstack([paths, rest])

    return encode(codes, graphs[0]), encode(others, graphs[1])
