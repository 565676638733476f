"""Pictures of any size as rows of numbers: colours, coarse pixels and orientations of edges.

Histograms of oriented gradients (Dalal & Triggs 2005, doi:10.1109/CVPR.2005.177) tell shapes apart where there are too
few pictures to learn that from; needs NumPy alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIDE = 32
"""Pixels of a side to which pictures are brought."""
CELLS, ORIENTATIONS, COARSE, LEVELS = 4, 9, 8, 8
FAINT = 1e-3
"""Of a cell's edges, below which it has none."""


def features(pictures: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """(n, d) numbers of pictures (rows, columns, channels) in any range and of one number of channels."""
    return np.stack([_features(picture) for picture in pictures]) if len(pictures) else np.empty((0, 0), np.float32)


def _features(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    values = resized(np.nan_to_num(picture), SIDE)
    grey = values.mean(axis=2)
    coarse = _pooled(values, COARSE)
    low, high = np.quantile(grey, (0.02, 0.98))
    tones = np.histogram(np.clip(grey, low, high), LEVELS, (low, max(high, low + 1e-6)))[0] / grey.size
    moments = np.concatenate([values.mean(axis=(0, 1)), values.std(axis=(0, 1))])
    hues = values - values.mean(axis=2, keepdims=True)
    colours = np.abs(hues).mean(axis=(0, 1)) if values.shape[2] > 1 else np.empty(0)
    return np.concatenate([coarse.ravel(), _edges(grey), tones, moments, colours]).astype(np.float32)


def _edges(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(cells · cells · orientations) strengths of edges, normalised over the cells' neighbourhoods."""
    down, right = np.gradient(grey)
    strength, angle = np.hypot(down, right), np.arctan2(down, right) % np.pi
    place = angle / np.pi * ORIENTATIONS
    near, share = np.floor(place).astype(int) % ORIENTATIONS, place - np.floor(place)
    bins = np.zeros((*grey.shape, ORIENTATIONS))
    rows, columns = np.indices(grey.shape)
    bins[rows, columns, near] += strength * (1 - share)
    bins[rows, columns, (near + 1) % ORIENTATIONS] += strength * share
    cells = _pooled(bins, CELLS)
    padded = np.pad(np.square(cells).sum(axis=2), 1, mode="edge")
    around = sum(padded[i : i + CELLS, j : j + CELLS] for i in range(3) for j in range(3))
    return np.asarray(cells / np.sqrt(around + FAINT**2)[:, :, None], dtype=np.float32).ravel()


def _pooled(values: NDArray[np.floating], cells: int) -> NDArray[np.float64]:
    """(cells, cells, …) means of blocks."""
    block = values.shape[0] // cells
    return values.reshape(cells, block, cells, block, -1).mean(axis=(1, 3))


def resized(picture: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """(side, side, channels) by linear interpolation between the means of blocks."""
    for axis in (0, 1):
        block = picture.shape[axis] // side
        if block > 1:  # a mean first: what lies between two pixels that are far apart must count as well
            kept = np.take(picture, np.arange(block * (picture.shape[axis] // block)), axis=axis)
            shape = (*kept.shape[:axis], -1, block, *kept.shape[axis + 1 :])
            picture = kept.reshape(shape).mean(axis=axis + 1)
        at = (np.arange(side) + 0.5) * picture.shape[axis] / side - 0.5
        low = np.clip(np.floor(at).astype(int), 0, picture.shape[axis] - 1)
        high = np.minimum(low + 1, picture.shape[axis] - 1)
        share = np.clip(at - low, 0, 1).reshape([-1 if k == axis else 1 for k in range(3)])
        picture = np.take(picture, low, axis=axis) * (1 - share) + np.take(picture, high, axis=axis) * share
    return picture.astype(np.float32)
