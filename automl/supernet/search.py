"""`search`: architectures for images, found over shared weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from automl.errors import unknown
from automl.genotypes.spaces import decode, joined
from automl.supernet.catalogue import one_shot
from automl.supernet.data import Budget, Halves, check_counts
from automl.supernet.found import Found, Method, Problem
from automl.supernet.layout import Definition

CELLS = {"edge_cell": 1, "cells": 3}
"""Cells of a supernet where none are named: of each stage, or in all."""
MULTIPLES = {"edge_cell": 4, "cells": 1}
"""What the sides of images must be multiples of: they are padded as by the families of networks (`cnn_edge_cell`)."""


def search(
    images: np.ndarray,
    labels: np.ndarray,
    definition: Definition,
    *,
    method: str | Method = "darts",
    epochs: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    cells: int | None = None,
    filters: int = 8,
    keep: int = 8,
    device: str = "cpu",
) -> Found:
    """Train the shared weights of a space of cells, and rank architectures by what they say.

    Parameters
    ----------
    images: (n, channels, height, width), finite numbers; half of them train the weights, half judge.
    labels: (n,), of at least two classes.
    definition: `EdgeCellSpace(...)` or `CellsSpace(concat="all")`; its stacking does not matter.
    method: a name of `automl.supernet.catalogue.ONE_SHOT`, or a method such as `Darts(order=2)`.
    epochs, seconds: when the search ends, whichever is first; at least one is needed. With epochs alone, the same seed
        gives the same result. Each part of a step runs to its end, so that seconds are passed by a little.
    cells, filters: stacking of the supernet, a small one; `cells` of each stage, or in all for pairs of cells.
    keep: architectures wanted, >= 1.
    device: of torch.

    Raises
    ------
    SettingError, DataError, GenotypeError: a value breaks a rule; nothing was trained.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from automl.genotypes.space_of_cells import EdgeCellSpace
    >>> x, y = load_digits(return_X_y=True)
    >>> found = search(x[:200].reshape(-1, 1, 8, 8), y[:200], EdgeCellSpace(), method="darts", epochs=1, filters=2)
    >>> len(found.genotypes[0].edges)
    6
    """
    budget = Budget(epochs, seconds)
    chosen = one_shot(method) if isinstance(method, str) else method
    check_counts(keep=keep, filters=filters, cells=1 if cells is None else cells)
    if definition.family not in CELLS:
        raise unknown("space with shared weights", definition.family, CELLS)
    stacked = replace(definition, cells=(cells or CELLS[definition.family],), filters=(filters,))
    space = joined(stacked)
    decode(space, space.get_default_configuration())  # refuses a stacking that no architecture can have
    halves = Halves.of(images, labels, seed=seed, device=device).padded(MULTIPLES[definition.family])
    return chosen(Problem(stacked, halves, budget, keep, seed))
