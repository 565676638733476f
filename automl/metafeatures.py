"""The metafeatures of a task."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl.task import Task
from metalearn.metafeatures import describe

COARSE = 4
"""Pixels of a side that an image is reduced to."""


def metafeatures(task: Task) -> dict[str, float]:
    """By name, as `metalearn.metafeatures.describe` defines them; where a row may have several labels, of the first.

    Images count as the tables of their coarse pixels.
    """
    from threadpoolctl import threadpool_limits

    if task.metric.several:
        task = task.label(0)
    classes = task.outputs if task.classification else 0
    if task.arrays.images is None:
        numbers, codes = task.arrays.numbers.astype(np.float64), task.arrays.codes.astype(np.int64)
    else:
        numbers, codes = coarse(task.arrays.images), np.empty((len(task.y), 0), np.int64)
    with threadpool_limits(1):  # threads of libraries wait in busy loops: beside workers, seconds become minutes
        return describe(numbers, codes, task.y, classes=classes)


def coarse(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(n, channels, height, width) → (n, columns): every channel at a resolution of about 4×4, by picking pixels."""
    height, width = images.shape[2:]
    rows, columns = (
        np.unique(np.linspace(0, side - 1, COARSE + 2).round()[1:-1].astype(int)) for side in (height, width)
    )
    return images[:, :, rows][..., columns].reshape(len(images), -1).astype(np.float64)
