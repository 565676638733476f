"""The folds of a trial of a scikit-learn family, one after another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier

from automl.architectures.family import Shape, inputs_of
from automl.architectures.learner import Rows, is_learner
from automl.evaluation import estimators
from automl.evaluation.class_weights import training_weight
from automl.evaluation.fidelity import Resources
from automl.evaluation.fitted import EstimatorModel, Fitted, TrialModel, estimator_inputs
from automl.evaluation.target import Target
from automl.preprocessing.dense import DensePreparer
from automl.preprocessing.encode import ordinal
from automl.preprocessing.labels import Labels
from automl.resampling import Fold
from automl.space import part_of, section

if TYPE_CHECKING:
    from automl.architectures.family import Family
    from automl.search.trial import Trial
    from automl.task import Task


LEAST_PART = 0.25
"""Share of a full run that each fold has at least, where the folds of a trial share one among them."""


def fit_estimators(task: Task, family: Family, trial: Trial, resources: Resources, deadline: float | None) -> Fitted:
    """Fit every fold; the time left is shared out evenly among the folds left.

    Raises
    ------
    TimeoutError: the deadline passed before the last fold was begun.
    """
    part = max(LEAST_PART, 1 / len(task.folds)) if getattr(family, "divisible", False) else 1.0
    resources = replace(resources, epochs=resources.epochs * part)
    models: list[EstimatorModel] = []
    for done, fold in enumerate(task.folds):
        now = time.monotonic()
        if deadline is not None and now >= deadline and done:
            raise TimeoutError(f"{done} of {len(task.folds)} folds were fitted when the time was over")
        end = None if deadline is None else now + (deadline - now) / (len(task.folds) - done)
        models.append(_fit_fold(task, family, trial, resources, fold, end))
    predictions = _judged(task, models)
    efforts = [estimators.effort(model.estimator) for model in models]
    effort = min(1.0, float(np.mean(efforts)) / part)
    converged = all(estimators.converged(model.estimator) for model in models)
    return Fitted(TrialModel(family.name, trial.config, tuple(models), effort), predictions, converged=converged)


def _judged(task: Task, models: Sequence[EstimatorModel]) -> list[NDArray[np.float64]]:
    """Predictions of each fold's validation rows, those of boosting after one number of rounds for all folds.

    Each model keeps the rounds that were best on its own validation rows. Predictions of the same rows after these look
    better than those of other rows, and than those of families that choose nothing by them.
    """
    curves = [estimators.losses(model.estimator) for model in models]
    longest = max(map(len, curves))
    rounds = None
    if len(models) > 1 and min(map(len, curves)) > 0:
        # What has ended before stays as it was then.
        padded = [np.pad(np.asarray(c), (0, longest - len(c)), mode="edge") for c in curves]
        rounds = int(np.argmin(np.mean(padded, axis=0))) + 1
    predictions = []
    for model, curve, fold in zip(models, curves, task.folds, strict=True):
        own = int(np.argmin(curve)) + 1 if len(curve) else None
        if rounds != own and rounds is not None:
            estimators.keep(model.estimator, rounds)
        predictions.append(model.predict(task.arrays.take(fold.valid)))
        if rounds != own and rounds is not None and own is not None:
            estimators.keep(model.estimator, own)
        estimators.forget(model.estimator)
    return predictions


def _fit_fold(
    task: Task, family: Family, trial: Trial, resources: Resources, fold: Fold, deadline: float | None
) -> EstimatorModel:
    rows = fold.subset(resources.rows, task.least_rows)
    target = Target.of(task.y[rows], task.outputs)
    train, valid = task.arrays.take(rows), task.arrays.take(fold.valid)
    choices, preparer, numbers = part_of(trial.config, family, "prepare"), None, None
    if inputs_of(family) != "ordinal":
        labels = Labels(task.y[rows], task.outputs)
        preparer, numbers = DensePreparer.fit_transform(train, task.gaps, levels=task.levels, labels=labels, **choices)
    wide = task.arrays.wide is not None and bool(getattr(family, "takes_wide", False))
    X = estimator_inputs(train, preparer, task.levels, numbers, wide=wide)
    levels = tuple(n - 1 for n in task.levels) if preparer is None else ()
    shape = Shape(X.shape[1], task.outputs, len(rows), numbers=X.shape[1] - len(levels), levels=levels)
    learned = Rows(X, target.encode(task.y[rows]), training_weight(task, rows, choices)).counting()
    estimator = family.build(shape, **section(trial.config, family.name))
    if task.classification and len(np.unique(learned.y)) == 1:
        estimator = DummyClassifier()  # few estimators can learn from one class only; there is one thing to say of it
    elif preparer is None and not is_learner(estimator) and "categorical_features" in estimator.get_params():
        estimator.set_params(categorical_features=ordinal(train, task.levels)[1])
    fitted = estimators.fit(
        estimator,
        learned,
        Rows(
            estimator_inputs(valid, preparer, task.levels, wide=wide),
            target.encode(task.y[fold.valid]),
            None if task.weight is None else task.weight[fold.valid],
        ).counting(),
        share=resources.epochs,
        seed=trial.seed,
        deadline=deadline,
    )
    return EstimatorModel(fitted, preparer, task.levels, target, estimators.trusted_by(family), wide)
