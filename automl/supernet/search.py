"""`search`: architectures for images, found over shared weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from automl.errors import SettingError
from automl.supernet.catalogue import one_shot
from automl.supernet.data import Budget, Halves
from automl.supernet.found import Found, Method, Problem
from automl.supernet.layout import Definition

CELLS = {"edge_cell": 1, "cells": 3}
"""Cells of a supernet where none are named: of each stage, or in all."""


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
    for name, value in (("keep", keep), ("filters", filters), ("cells", 1 if cells is None else cells)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise SettingError(f"{name} is {value!r}; it must be a whole number of at least 1")
    stacked = replace(definition, cells=(cells or CELLS[definition.family],), filters=(filters,))
    halves = Halves.of(images, labels, seed=seed, device=device)
    return chosen(Problem(stacked, halves, budget, keep, seed))
