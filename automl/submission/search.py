"""The search of the estimators as a child carries it out: a short one first where there is time, then a long one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from automl.submission.answers import score_of_loss, shifted
from automl.submission.problem import Floats, Format, Predictions, Problem

FIRST_SHARE = 0.25
"""Of the time, for a search whose ensemble is handed in early, and whose best configurations begin the second …"""
LEAST_TWICE = 60.0
"""… where there are as many seconds."""
LEAST_SECONDS = 1.0
SLACK = 0.5
"""Seconds by which a search may pass its limit."""


def searched(problem: Problem, chosen: Format, source: Path, until: float) -> Iterator[tuple[Predictions, float]]:
    """Predictions of the ensembles that searches find until then, with their scores on out-of-fold predictions."""
    from automl.workers import prepare_workers

    prepare_workers()  # they import what they need while this process does, and reads the data
    from automl.estimator import AutoNetClassifier, AutoNetRegressor

    make = AutoNetRegressor if problem.kind == "regression" else AutoNetClassifier
    data = chosen.data(source, problem)
    y = targets_of(problem, data.targets)
    left = until - time.monotonic() - SLACK
    model = None
    for share in (FIRST_SHARE, 1.0) if left > LEAST_TWICE else (1.0,):
        limit = share * (until - time.monotonic() - SLACK)
        if limit <= LEAST_SECONDS:
            return
        history = None if model is None else model.history_
        model = make(time_limit=limit, metric=problem.metric, warm_start=history, random_state=0).fit(data.train, y)
        yield (
            {part: outputs(problem, model, X) for part, X in data.parts.items()},
            score_of_loss(problem, model.validation_loss_),
        )


def targets_of(problem: Problem, targets: Floats) -> Any:
    """Targets as the estimators take them."""
    if problem.kind == "multiclass":
        return targets.argmax(axis=1)
    if problem.kind == "multilabel":
        return targets.astype(np.int64)
    return targets[:, 0] if problem.kind == "regression" else targets[:, 0].astype(np.int64)


def outputs(problem: Problem, model: Any, X: Any) -> Floats:
    """(rows, outputs) of a fitted estimator, decided by the thresholds that it has learned."""
    if problem.kind == "regression":
        return np.asarray(model.predict(X), dtype=np.float64)[:, None]
    shares = model.predict_proba(X)
    if problem.kind == "multilabel":
        return np.asarray(model.ensemble_.calibration.decided(shares))
    factors = model.ensemble_.calibration.factors
    if problem.kind == "binary":
        found = shares[:, list(model.classes_).index(1)][:, None]
        return shifted(found, factors)
    whole = np.zeros((len(shares), problem.outputs))
    whole[:, np.asarray(model.classes_, dtype=int)] = shifted(shares, factors)
    return whole
