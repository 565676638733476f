"""The best prediction that looks at no column: what a metric gives most for."""

from __future__ import annotations

import numpy as np

from automl.challenge_metrics import ALIASES
from automl.metrics import ABSOLUTE
from automl.submission.problem import Floats, Predictions, Problem


def trivial_guess(problem: Problem) -> Predictions:
    """The same row everywhere.

    The mean of the targets, which are the classes' frequencies; the median where absolute errors count; one half,
    which counts as predicted, where F1 asks for labels: without any that is found it is 0.

    Examples
    --------
    >>> problem = Problem.of("t", "binary", "f1_metric", np.array([[1.0], [0.0], [0.0]]), rows={"test": 2})
    >>> trivial_guess(problem)["test"].tolist()
    [[0.5], [0.5]]
    """
    row = np.nan_to_num(np.array(problem.prior, dtype=np.float64))
    metric = ALIASES.get(problem.metric, problem.metric)
    if problem.kind == "regression" and metric in ABSOLUTE:
        row = np.nan_to_num(np.array(problem.median, dtype=np.float64))
    elif problem.kind in ("binary", "multilabel") and metric in ("f1_metric", "f1", "f1_macro", "f1_samples"):
        row = np.maximum(row, 0.5)
    return {part: constant(row, rows) for part, rows in problem.rows.items()}


def constant(row: Floats, rows: int) -> Floats:
    return np.tile(row, (rows, 1))
