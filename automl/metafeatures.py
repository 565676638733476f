"""The metafeatures of a task."""

from __future__ import annotations

import numpy as np

from automl.task import Task
from metalearn.metafeatures import describe


def metafeatures(task: Task) -> dict[str, float]:
    """By name, as `metalearn.metafeatures.describe` defines them; where a row may have several labels, of the first."""
    from threadpoolctl import threadpool_limits

    if task.metric.several:
        task = task.label(0)
    classes = task.outputs if task.classification else 0
    numbers, codes = task.arrays.numbers.astype(np.float64), task.arrays.codes.astype(np.int64)
    with threadpool_limits(1):  # threads of libraries wait in busy loops: beside workers, seconds become minutes
        return describe(numbers, codes, task.y, classes=classes)
