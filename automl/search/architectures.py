"""Architectures inside configurations: their graphs, and configurations as features of a regression."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

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
        found.append(decode_genotype(space, config)[0].graph())
    return found


def encoder(space: ConfigurationSpace, codes: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """What turns codes into features: paths of the architecture and the other choices, or all choices one-hot.

    Parameters
    ----------
    codes: observed ones; the paths that occur in them are the encoding.
    """
    found = definition_of(space)
    if found is None:
        return lambda each: features(space, each)
    _, prefix = found
    rest = np.array([not name.startswith(prefix) for name in space])
    vocabulary = path_vocabulary(graphs_of(space, codes), LONGEST)

    def encode(each: np.ndarray) -> np.ndarray:
        paths = path_encoding(graphs_of(space, each), vocabulary)
        if not rest.any():
            return paths
        hidden = each.copy()
        hidden[:, ~rest] = np.nan
        return np.hstack([paths, features(space, hidden)])

    return encode
