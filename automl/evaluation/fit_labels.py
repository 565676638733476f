"""Several labels of a row: one model for each, in every fold (binary relevance; Tsoumakas & Katakis 2007,
doi:10.4018/jdwm.2007070101). Every family, preparation and class weighting so serves them as it serves two classes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from automl.evaluation.fitted import Fitted, LabelsModel, TrialModel

if TYPE_CHECKING:
    from automl.task import Task


def fit_labels(task: Task, fit: Callable[[Task, float | None], Fitted], deadline: float | None) -> Fitted:
    """Fit the same configuration to each label; the time left is shared out evenly among the labels left.

    Parameters
    ----------
    fit: of a task with two classes, until a `time.monotonic` value.

    Raises
    ------
    TimeoutError: the deadline passed before the last label was begun.
    """
    fitted: list[Fitted] = []
    for k in range(task.outputs):
        now = time.monotonic()
        if deadline is not None and now >= deadline and k:
            raise TimeoutError(f"{k} of {task.outputs} labels were fitted when the time was over")
        end = None if deadline is None else now + (deadline - now) / (task.outputs - k)
        fitted.append(fit(task.label(k), end))
    first = fitted[0].model
    folds = tuple(LabelsModel(tuple(each.model.folds[j] for each in fitted)) for j in range(len(task.folds)))
    model = TrialModel(first.family, first.config, folds, float(np.mean([each.model.effort for each in fitted])))
    predictions = [np.stack([each.predictions[j][:, 1] for each in fitted], axis=1) for j in range(len(task.folds))]
    return Fitted(model, predictions, converged=all(each.converged for each in fitted))
