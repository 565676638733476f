"""Losses, lower is better everywhere: any scikit-learn scorer or challenge score goes in, a loss comes out.

The only place where a sign is flipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.challenge_metrics import ALIASES, CHALLENGE_METRICS, REGRESSION, challenge_score, present_auc
from automl.errors import DataError, SettingError, unknown

Array = NDArray[Any]
DEFAULT = {"classification": "neg_log_loss", "regression": "neg_root_mean_squared_error"}


def log_loss(y: Array, probabilities: Array, weight: Array | None) -> float:
    """Mean negative log-likelihood of class indices `y` (n,) under `probabilities` (n, classes).

    Probabilities are clipped to single precision's epsilon, as scikit-learn does for float32.
    """
    chosen = probabilities[np.arange(len(y)), y].astype(np.float64)
    total = probabilities.sum(axis=1, dtype=np.float64)
    eps = float(np.finfo(np.float32).eps)
    return float(np.average(-np.log(np.clip(chosen / total, eps, 1.0)), weights=weight))


def error_rate(y: Array, probabilities: Array, weight: Array | None) -> float:
    """Share of rows whose most probable class is not `y`."""
    return float(np.average(probabilities.argmax(axis=1) != y, weights=weight))


def mean_squared_error(y: Array, values: Array, weight: Array | None) -> float:
    return float(np.average((values[:, 0].astype(np.float64) - y) ** 2, weights=weight))


def root_mean_squared_error(y: Array, values: Array, weight: Array | None) -> float:
    return float(np.sqrt(mean_squared_error(y, values, weight)))


def mean_absolute_error(y: Array, values: Array, weight: Array | None) -> float:
    return float(np.average(np.abs(values[:, 0].astype(np.float64) - y), weights=weight))


FAST: dict[str, tuple[str, Callable[[Array, Array, Array | None], float]]] = {
    "neg_log_loss": ("classification", log_loss),
    "accuracy": ("classification", error_rate),
    "neg_mean_squared_error": ("regression", mean_squared_error),
    "neg_root_mean_squared_error": ("regression", root_mean_squared_error),
    "neg_mean_absolute_error": ("regression", mean_absolute_error),
}
"""Scorers that a search calls thousands of times, without scikit-learn's checks; equal to them (tested)."""

PROPER = ("neg_log_loss", "neg_brier_score", "d2_log_loss_score", "d2_brier_score", "pac_metric")
OF_LABELS = ("bac_metric", "f1_metric")
ABSOLUTE = ("neg_mean_absolute_error", "neg_median_absolute_error", "a_metric")
"""Of values, judged by their distance, so that the median is the best constant."""
OF_LOGARITHMS = ("neg_mean_squared_log_error", "neg_root_mean_squared_log_error")
"""Of values that are 0 at least."""
OF_RATIOS = ("neg_mean_poisson_deviance", "neg_mean_gamma_deviance")
"""Of predicted values above 0."""


def loss_name(metric: str) -> str:
    """What is minimised when the scorer of this name is maximised."""
    return metric.removeprefix("neg_").replace("_", " ") if metric.startswith("neg_") else f"1 − {metric}"


class _Answers:
    """An estimator that answers with values predicted earlier, for scorers that want an estimator."""

    def __init__(self, outputs: Array) -> None:
        self.outputs = outputs

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import RegressorTags, Tags, TargetTags

        return Tags("regressor", TargetTags(required=True), regressor_tags=RegressorTags())

    def fit(self, X: Array, y: Array) -> _Answers:
        return self

    def predict(self, X: Array) -> Array:
        return self.outputs[:, 0]


class _ClassAnswers(_Answers):
    """The same with probabilities of classes."""

    def __init__(self, outputs: Array, classes: Array) -> None:
        super().__init__(outputs)
        self.classes_ = classes

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, Tags, TargetTags

        return Tags("classifier", TargetTags(required=True), classifier_tags=ClassifierTags())

    def predict_proba(self, X: Array) -> Array:
        return self.outputs / self.outputs.sum(axis=1, keepdims=True)

    def predict(self, X: Array) -> Array:
        return self.classes_[self.outputs.argmax(axis=1)]


@dataclass(frozen=True)
class Metric:
    """What is minimised.

    Attributes
    ----------
    spec: a name of scikit-learn's scorers or of `CHALLENGE_METRICS`, or a scorer `(estimator, X, y) -> float`,
        greater is better.
    classes: (classes,) original labels; None for regression.
    several: whether a row may have several of the labels, or none.
    """

    spec: str | Callable[..., float]
    classes: Array | None = None
    several: bool = False

    @property
    def name(self) -> str:
        if isinstance(self.spec, str):
            return ALIASES.get(self.spec, self.spec)
        return getattr(self.spec, "__name__", repr(self.spec))

    @property
    def proper(self) -> bool:
        """Whether it is known to judge probabilities by a proper score, which calibration can only help."""
        return self.classes is not None and self.name in PROPER

    def of_one(self) -> Metric:
        """The same for one of several labels, which is there or not."""
        return Metric(self.spec, np.arange(2))

    @property
    def judges_labels(self) -> bool:
        """Whether it is known to look at the predicted labels alone, so that it matters how they are decided on."""
        if self.name in CHALLENGE_METRICS:
            return self.name in OF_LABELS
        return self.classes is not None and getattr(self.scorer, "_response_method", None) == "predict"

    @property
    def unfloored(self) -> bool:
        """Whether a probability of 0 for what happens costs all that there is to win."""
        return self.classes is not None and self.name == "pac_metric"

    @property
    def absolute(self) -> bool:
        """Whether it is known to judge values by their absolute errors."""
        return self.classes is None and self.name in ABSOLUTE

    def least(self, y: Array) -> float | None:
        """The smallest value that may be answered where the true ones are `y` (n,); None where any may.

        Where it must be above 0, it is the mean of `y` if all of it fell on one row of n + 2: what never happened on n
        rows still happens once in n + 2 (Laplace's rule of succession).
        """
        if self.classes is not None or self.name not in (*OF_LOGARITHMS, *OF_RATIOS):
            return None
        return 0.0 if self.name in OF_LOGARITHMS else float(np.mean(y)) / (len(y) + 2)

    @cached_property
    def scorer(self) -> Callable[..., float]:
        if callable(self.spec):
            return self.spec
        from sklearn.metrics import get_scorer, get_scorer_names

        if self.spec not in get_scorer_names():
            raise unknown("metric", self.spec, [*get_scorer_names(), *CHALLENGE_METRICS])
        return get_scorer(self.spec)

    def loss(self, y: Array, outputs: Array, weight: Array | None = None) -> float:
        """Loss of `outputs` (n, classes) probabilities or (n, 1) values for `y` (n,) class indices or values.

        Of several labels, of (n, labels) probabilities for (n, labels) of 0 and 1: the mean of each label's loss, or
        the challenge's score of all. Values below `least` are judged as that, as they would be answered.
        """
        if self.several:
            return self._labels_loss(y, outputs, weight)
        if self.name in CHALLENGE_METRICS:
            return self._challenge_loss(y, outputs, weight)
        kind = "regression" if self.classes is None else "classification"
        fast = FAST.get(self.spec) if isinstance(self.spec, str) else None
        if fast is not None and fast[0] == kind:
            return fast[1](y, outputs, weight)
        least = self.least(y)
        outputs = outputs if least is None else np.maximum(outputs, least)
        truth = y if self.classes is None else self.classes[y]
        answers = _Answers(outputs) if self.classes is None else _ClassAnswers(outputs, self.classes)
        args = {} if weight is None else {"sample_weight": weight}
        try:
            score = float(self.scorer(answers, np.zeros((len(y), 1)), truth, **args))
        except ValueError:
            known = np.unique(y)
            if self.classes is None or not 1 < len(known) < len(self.classes):
                raise
            # Some scorers (areas under curves) want every class to occur; the score is then over those that do.
            return replace(self, classes=self.classes[known]).loss(np.searchsorted(known, y), outputs[:, known], weight)
        bounded = isinstance(self.spec, str) and not self.spec.startswith("neg_")
        return 1.0 - score if bounded else -score

    def _challenge_loss(self, y: Array, outputs: Array, weight: Array | None) -> float:
        """1 − the challenge's score; classes that do not occur are left out of its areas under curves."""
        if weight is not None:
            raise ValueError(f"{self.name} knows no sample_weight")
        if (self.classes is not None) == (self.name in REGRESSION):
            raise ValueError(f"{self.name} is for {'values' if self.name in REGRESSION else 'labels'}")
        if self.classes is None:
            return 1.0 - challenge_score(self.name, y[:, None], outputs, "regression")
        shares = outputs / outputs.sum(axis=1, keepdims=True)
        first = 1 if len(self.classes) == 2 else 0
        solution = (y[:, None] == np.arange(first, len(self.classes))).astype(np.float64)
        if self.name == "auc_metric":
            return 1.0 - present_auc(solution, shares[:, first:])
        return 1.0 - challenge_score(self.name, solution, shares[:, first:], "binary" if first else "multiclass")

    def _labels_loss(self, y: Array, outputs: Array, weight: Array | None) -> float:
        if self.name in CHALLENGE_METRICS and weight is None and self.name not in REGRESSION:
            score = present_auc if self.name == "auc_metric" else partial(challenge_score, self.name, kind="multilabel")
            return 1.0 - score(solution=y, prediction=outputs)
        one = self.of_one()
        pairs = [(y[:, k], np.stack([1 - p, p], axis=1)) for k, p in enumerate(outputs.T)]
        # A label that all rows have, or none has, can be judged by none of some scorers, and tells nothing by the rest.
        varied = [(truth, p) for truth, p in pairs if truth.min() < truth.max()] or pairs
        return float(np.mean([one.loss(truth, p, weight) for truth, p in varied]))

    def check(self, given: Array | None = None, *, weighted: bool = False) -> None:
        """Fail early, with the cure, when the metric cannot score this kind of task, or takes no weights.

        Values `given` (n,), if any, are those that it would have to judge.

        Raises
        ------
        SettingError: it cannot. DataError: it can, but not these values.
        """
        if self.several:
            return self.of_one().check(weighted=weighted)
        n = 4 if self.classes is None else 2 * len(self.classes)
        y = np.arange(1.0, n + 1) if self.classes is None else np.arange(n) % len(self.classes)
        outputs = (
            np.linspace(1, 2, n)[:, None]
            if self.classes is None
            else np.eye(len(self.classes))[y] * 0.8 + 0.2 / len(self.classes)
        )
        scorer = self.name if self.name in CHALLENGE_METRICS else self.scorer
        task = "regression" if self.classes is None else f"classification with labels {self.classes[:5]}"
        try:
            self.loss(y, outputs)
        except Exception as error:
            raise SettingError(
                f"metric {self.name!r} ({scorer!r}) cannot score a {task}: {error}; choose another name from "
                "sklearn.metrics.get_scorer_names(), or make one with sklearn.metrics.make_scorer"
            ) from error
        if given is not None and self.classes is None:
            try:
                self.loss(given, np.full((len(given), 1), np.mean(given)))
            except ValueError as error:
                raise DataError(
                    f"metric {self.name!r} cannot judge these targets, from {np.min(given):g} to {np.max(given):g}: "
                    f"{error}; choose another metric, or drop or shift what it does not allow"
                ) from error
        if not weighted:
            return
        try:
            self.loss(y, outputs, np.ones(n))
        except Exception as error:
            raise SettingError(
                f"metric {self.name!r} ({scorer!r}) takes no sample_weight ({error}); leave the weights out, or "
                "choose a scorer that takes them"
            ) from error
