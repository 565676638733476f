"""Weights with which all classes count the same in training (King & Zeng 2001, doi:10.1093/oxfordjournals.pan.a004868).

They move what is predicted away from the classes' shares, and so cost log loss; they are for metrics such as balanced
accuracy. Validation rows keep their own weights: a loss means the same whatever a trial has chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.preprocessing.choices import Preparation

if TYPE_CHECKING:
    from automl.task import Task


def training_weight(task: Task, rows: NDArray[np.int64], choices: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Weights of training rows: the task's own, balanced where `class_weighting` is among the choices."""
    own = None if task.weight is None else task.weight[rows]
    if not (task.classification and Preparation(**choices).class_weighting):
        return own
    return balanced(task.y[rows], own)


def balanced(y: NDArray[Any], weight: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Weights (n,) of training rows with equal sums for all classes among y (n,) int64, and the same sum over all.

    Examples
    --------
    >>> balanced(np.array([0, 0, 0, 1]), None).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    weight = np.ones(len(y)) if weight is None else weight
    mass = np.bincount(y, weights=weight)
    present = mass > 0
    share = np.divide(mass.sum() / present.sum(), mass, out=np.zeros_like(mass), where=present)
    return weight * share[y]
