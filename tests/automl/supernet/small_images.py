"""Digits, and two small spaces with the shape of their images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from automl.genotypes.space_of_cells import CellsSpace, EdgeCellSpace
from automl.supernet.data import Halves
from automl.supernet.families import layout_of
from automl.supernet.layout import Definition, Layout

EDGE_CELLS = EdgeCellSpace(cells=(1,), filters=(4,))
CELLS = CellsSpace(
    blocks=2, operations=("max_pool_3x3", "skip_connect", "sep_conv_3x3"), concat="all", cells=(3,), filters=(4,)
)
SPACES: dict[str, Definition] = {"edge_cell": EDGE_CELLS, "cells": CELLS}


def digits(n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(n, 1, 8, 8) images and their labels."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x[:n].reshape(-1, 1, 8, 8), y[:n]


def halves(n: int | None = None, seed: int = 0) -> Halves:
    return Halves.of(*digits(n), seed=seed)


def layout(family: str, *, pool_norms: bool = False) -> Layout:
    return layout_of(SPACES[family], (1, 8, 8), 10, pool_norms=pool_norms)


def batch(n: int = 16, dtype: torch.dtype = torch.float32, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images and labels of noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 1, 8, 8, generator=generator, dtype=dtype), torch.arange(n) % 10
