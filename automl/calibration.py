"""Corrections of an ensemble's predictions, learned from those that are out of fold.

Temperature scaling (Guo et al. 2017, arXiv:1706.04599) where the metric is a proper score, with a floor where it knows
none itself; factors on the classes' probabilities, which for two classes are a decision threshold, where the metric
judges labels; a shift to the median where it judges values by their absolute errors; a least value where it wants one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.metrics import log_loss

Probabilities = NDArray[Any]
Loss = Callable[[NDArray[np.int64], Probabilities], float]
"""Loss of probabilities for some of the rows: (row numbers, (rows, classes)) → loss."""

FLOOR = 1e-7
"""Smallest probability whose logarithm is taken; near single precision's epsilon, at which the log loss clips."""
TEMPERATURES = (0.25, 4.0)
THRESHOLDS = 50
"""Quantiles of the probability ratio that are tried as a class's threshold."""
MOST_FLOOR = 0.5
ROUNDS = 2
HALVINGS = 3
"""Random halvings of the rows on which factors must prove that they help."""


@dataclass(frozen=True)
class Calibration:
    """What is done to an ensemble's probabilities or values.

    Attributes
    ----------
    temperature: probabilities become p^(1/temperature), normalised; 1 leaves them as they are.
    factors: (classes,) the label is the class of the largest factor × probability; empty for equal factors.
    floor: share of the uniform distribution that is then mixed in, so that no probability is 0.
    shift: what is added to values.
    least: the smallest value that is answered; None where any is.
    apart: whether each column is the probability of a label of its own, which is there or not; a factor then
        multiplies the label's odds.
    """

    temperature: float = 1.0
    factors: tuple[float, ...] = ()
    floor: float = 0.0
    shift: float = 0.0
    least: float | None = None
    apart: bool = False

    def corrected(self, outputs: Probabilities) -> Probabilities:
        """Corrected probabilities (rows, classes) or values (rows, 1)."""
        if self.apart:
            return replace(self, apart=False).corrected(two_classes(outputs))[:, 1].reshape(outputs.shape)
        if self.temperature != 1.0:
            outputs = at_temperature(outputs, self.temperature)
        if self.floor:
            outputs = floored(outputs, self.floor)
        outputs = outputs + self.shift if self.shift else outputs
        return outputs if self.least is None else np.maximum(outputs, self.least)

    def decided(self, outputs: Probabilities) -> Probabilities:
        """Shares (rows, classes) whose largest one is the label; of labels apart, those from one half on are there."""
        if self.apart and self.factors:
            odds = outputs * np.array(self.factors)
            return np.asarray(odds / (odds + 1 - outputs))
        return outputs * np.array(self.factors) if self.factors else outputs

    def shares(self, outputs: Probabilities) -> NDArray[Any]:
        """Corrected outputs as probabilities (rows, classes), which sum to 1 unless the labels are apart."""
        return outputs if self.apart else outputs / outputs.sum(axis=1, keepdims=True)

    def labels(self, probabilities: Probabilities, classes: NDArray[Any]) -> NDArray[Any]:
        """(rows,) the label of each row, or (rows, labels) of 0 and 1 where they are apart."""
        decided = self.decided(probabilities)
        return (decided >= 0.5).astype(np.int64) if self.apart else classes[decided.argmax(axis=1)]


def two_classes(labels: Probabilities) -> NDArray[Any]:
    """(rows · labels, 2) probabilities that a label is not there and that it is, of (rows, labels)."""
    return np.stack([1 - labels, labels], axis=-1).reshape(-1, 2)


def at_temperature(probabilities: Probabilities, temperature: float) -> NDArray[np.float64]:
    """Probabilities (rows, classes) with their logarithms divided by `temperature` > 0, normalised.

    Examples
    --------
    >>> at_temperature(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    logits = np.log(np.maximum(probabilities, FLOOR, dtype=np.float64)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    shares = np.exp(logits)
    result: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
    return result


def fit_temperature(probabilities: Probabilities, y: NDArray[np.int64], weight: NDArray[Any] | None = None) -> float:
    """The temperature of least log loss; 1 unless it gains more than one parameter of no use may.

    The rule is Akaike's (1974): a parameter must raise the log-likelihood of all rows by more than 1.

    Parameters
    ----------
    probabilities: (rows, classes), out of fold.
    y: (rows,) class indices.
    weight: (rows,) or None.
    """
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda t: log_loss(y, at_temperature(probabilities, float(np.exp(t))), weight),
        bounds=tuple(np.log(TEMPERATURES)),
        method="bounded",
        options={"xatol": 1e-3},
    )
    gain = log_loss(y, probabilities, weight) - float(found.fun)
    return float(np.exp(found.x)) if gain > 1 / len(y) else 1.0


def floored(probabilities: Probabilities, share: float) -> Probabilities:
    """Probabilities (rows, classes) with `share` of the uniform distribution mixed in."""
    return (1 - share) * probabilities + share / probabilities.shape[1]


def fit_floor(probabilities: Probabilities, y: NDArray[np.int64]) -> float:
    """The share of the uniform distribution of least log loss, at least 1 / (rows + 2).

    What never happened on n rows still happens once in n + 2 (Laplace's rule of succession): a score that knows no
    floor makes one certain mistake as costly as all else together.
    """
    from scipy.optimize import minimize_scalar

    least = 1 / (len(y) + 2)
    found = minimize_scalar(
        lambda t: log_loss(y, floored(probabilities, float(np.exp(t))), None),
        bounds=(np.log(least), np.log(MOST_FLOOR)),
        method="bounded",
    )
    ends_better = found.fun < log_loss(y, floored(probabilities, least), None)
    return float(np.exp(found.x)) if ends_better else least


def fit_factors(
    probabilities: Probabilities, y: NDArray[np.int64], loss: Loss, *, seed: int, deadline: float | None = None
) -> tuple[float, ...]:
    """Factors on the classes' probabilities that lower a loss of labels; () unless they also do on held-out rows.

    Parameters
    ----------
    probabilities: (rows, classes), out of fold.
    y: (rows,) class indices.
    loss: of shares whose largest one is the label.
    deadline: `time.monotonic` value after which nothing more is tried.
    """
    everything = np.arange(len(y))
    rng = np.random.default_rng(seed)
    gains = []
    for _ in range(HALVINGS):
        order = rng.permutation(everything)
        for part in (slice(None, None, 2), slice(1, None, 2)):
            chosen, other = order[part], np.setdiff1d(everything, order[part])
            factors = _search(probabilities, chosen, loss, deadline)
            gains.append(loss(other, probabilities[other]) - loss(other, probabilities[other] * factors))
    late = deadline is not None and time.monotonic() >= deadline
    # The two halves are independent, the halvings of the same rows hardly.
    if late or not np.mean(gains) > np.std(gains) / np.sqrt(2):
        return ()
    factors = _search(probabilities, everything, loss, deadline)
    return tuple(factors / factors.max())


def _search(
    probabilities: Probabilities, rows: NDArray[np.int64], loss: Loss, deadline: float | None
) -> NDArray[np.float64]:
    """Class by class, the factor in the middle of the best stretch; the other classes' factors stay."""
    p = np.maximum(probabilities[rows], FLOOR)
    classes = p.shape[1]
    factors = np.ones(classes)
    best = loss(rows, p)
    for _ in range(1 if classes == 2 else ROUNDS):
        for k in range(1 if classes == 2 else 0, classes):
            if deadline is not None and time.monotonic() >= deadline:
                return factors
            others = np.delete(p * factors, k, axis=1).max(axis=1)
            ratios = np.unique(np.quantile(others / p[:, k], np.linspace(0, 1, THRESHOLDS + 1)))
            tried = np.append(np.sqrt(ratios[1:] * ratios[:-1]), factors[k])
            losses = np.array([loss(rows, p * np.where(np.arange(classes) == k, f, factors)) for f in tried])
            if losses.min() < best:
                best = float(losses.min())
                factors[k] = _middle(tried[:-1], losses[:-1])
    return factors


def _middle(tried: NDArray[np.float64], losses: NDArray[np.float64]) -> float:
    """The geometric middle of the longest run of least losses, away from where the loss jumps."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (losses == losses.min()).astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    run = tried[starts[longest] : ends[longest]]
    return float(np.sqrt(run[0] * run[-1]))
