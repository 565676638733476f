"""From a model's outputs to what a metric wants, learned on rows that the model was not trained on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from automl.calibration import fit_factors
from automl.challenge_metrics import ALIASES, CHALLENGE_METRICS, challenge_score, present_auc
from automl.metrics import Metric
from automl.submission.problem import Floats, Problem

Correction = Callable[[Floats], Floats]


def metric_of(problem: Problem) -> Metric:
    """The problem's metric as the estimators know it."""
    classes = None if problem.kind == "regression" else np.arange(max(2, problem.outputs))
    return Metric(problem.metric, classes, several=problem.kind == "multilabel")


def score_of(problem: Problem, outputs: Floats, targets: Floats) -> float:
    """Score of outputs (n, outputs) on their targets; greater is better."""
    if _is_challenges(problem):
        if problem.metric == "auc_metric":  # a class may be missing among few rows
            return present_auc(targets, outputs)
        return challenge_score(problem.metric, targets, outputs, problem.kind)
    if problem.kind == "regression":
        return score_of_loss(problem, metric_of(problem).loss(targets[:, 0], outputs))
    if problem.kind == "multilabel":
        return score_of_loss(problem, metric_of(problem).loss(targets.astype(np.int64), outputs))
    return score_of_loss(problem, metric_of(problem).loss(class_numbers(targets), as_classes(outputs)))


def score_of_loss(problem: Problem, loss: float) -> float:
    """The score that a loss of the estimators stands for."""
    return 1.0 - loss if _is_challenges(problem) else -loss


def _is_challenges(problem: Problem) -> bool:
    return ALIASES.get(problem.metric, problem.metric) in CHALLENGE_METRICS


def as_classes(outputs: Floats) -> Floats:
    """(n, classes) of probabilities; those of the second of two classes become two columns."""
    return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs


def class_numbers(targets: Floats) -> np.ndarray:
    """(n,) class of each row."""
    return targets[:, 0].astype(np.int64) if targets.shape[1] == 1 else targets.argmax(axis=1)


def tuned(problem: Problem, outputs: Floats, targets: Floats, seed: int = 0) -> Correction:
    """What is done to a model's outputs: thresholds are moved to one half, values to the median of their errors."""
    metric = metric_of(problem)
    if problem.kind == "regression":
        shift = float(np.median(targets - outputs)) if metric.absolute else 0.0
        return lambda p: p + shift
    if not metric.judges_labels:
        return lambda p: p
    if problem.kind == "multilabel":
        two, labels = metric.of_one(), range(targets.shape[1])
        each = [_factors(two, outputs[:, [k]], targets[:, [k]], seed) for k in labels]
        return lambda p: np.hstack([shifted(p[:, [k]], f) for k, f in enumerate(each)])
    factors = _factors(metric, outputs, targets, seed)
    return lambda p: shifted(p, factors)


def _factors(metric: Metric, outputs: Floats, targets: Floats, seed: int) -> tuple[float, ...]:
    y, p = class_numbers(targets), as_classes(outputs)
    return fit_factors(p, y, lambda rows, q: metric.loss(y[rows], q), seed=seed)


def shifted(outputs: Floats, factors: tuple[float, ...]) -> Floats:
    """Probabilities times factors, normalised: of two classes, the threshold is then one half."""
    if not factors:
        return outputs
    shares = as_classes(outputs) * np.array(factors)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    return shares[:, 1:] if outputs.shape[1] == 1 else shares
