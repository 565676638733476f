"""Bring number columns to a common scale: affine, affine with a smooth clip, by quantiles or a power to a normal.

`robust_clip` is the scaling of RealMLP (Holzmüller et al. 2024, arXiv:2407.04491): (x − median) / IQR, then
x / √(1 + (x / 3)²). `quantile` maps a column to a normal distribution through its quantiles, as in Gorishniy et
al. 2021 (arXiv:2106.11959), here by one piecewise linear map to the normal scores of the quantiles, so that ties
get the mean of their scores and no tail is longer than the training rows can tell. `power` is the transformation of
Yeo & Johnson 2000 (see `power`), of robustly scaled columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from automl.errors import unknown
from automl.preprocessing import power
from automl.preprocessing.ranges import FURTHEST

Numbers = npt.NDArray[np.float32]
CLIP = 3.0  # the smooth clip's bound (RealMLP)
MOST_ROWS = 50_000  # rows that quantiles are estimated from
MOST_KNOTS = 256
ROWS_PER_KNOT = 30  # as in Gorishniy et al.: few knots on few rows do not follow every point
FEWEST_KNOTS = 10


@dataclass(frozen=True)
class Scaling:
    """z = (x − shift) · factor per column, then what the method adds.

    Attributes
    ----------
    method: a key of SCALINGS.
    shift, factor: (d,) float32; factor 0 for a column that is constant in training.
    knots: (d, q) float64, the quantiles of each column; empty but for `quantile`.
    scores: (d, q) float64, what each knot is mapped to.
    bends: (d, 3) float64, the λ of Yeo & Johnson, then the mean and the spread of what it gives; empty but for
        `power`.
    """

    method: str
    shift: Numbers
    factor: Numbers
    knots: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    bends: npt.NDArray[np.float64]


def fit_scaling(numbers: Numbers, method: str) -> Scaling:
    """Learn from imputed training rows (n, d).

    Raises
    ------
    SettingError: `method` is not in SCALINGS.
    """
    if method not in SCALINGS:
        raise unknown("scaling", method, SCALINGS)
    shift, spread, knots = SCALINGS[method](numbers)
    with np.errstate(divide="ignore"):
        factor = np.where(spread > 0, 1 / spread, 0.0)
    scores = _normal_scores(knots) if knots.size else knots
    affine = shift.astype(np.float32), factor.astype(np.float32)
    bends = np.empty((len(shift), 0))
    if method == "power":
        bends = power.fit((numbers - affine[0]) * affine[1])
    return Scaling(method, *affine, knots, scores, bends)


def scale(numbers: Numbers, fitted: Scaling) -> Numbers:
    """Scaled rows (n, d) as a new array."""
    if fitted.method == "none":
        return numbers.copy()
    if fitted.method == "quantile":
        return _to_normal(numbers, fitted)
    with np.errstate(over="ignore"):
        scaled = (numbers - fitted.shift) * fitted.factor
    if fitted.method == "power":
        return power.bend(scaled, fitted.bends)
    return _smoothly_clipped(scaled) if fitted.method == "robust_clip" else scaled


def _smoothly_clipped(scaled: Numbers) -> Numbers:
    """x / √(1 + (x / 3)²), of which the square must not overflow: infinity would make zeros of the furthest numbers."""
    scaled = np.clip(scaled, -FURTHEST, FURTHEST)
    return scaled / np.sqrt(1 + np.square(scaled / CLIP))


def _to_normal(numbers: Numbers, fitted: Scaling) -> Numbers:
    scaled = np.empty(numbers.shape[::-1], dtype=np.float32)
    for j, column in enumerate(np.ascontiguousarray(numbers.T)):
        scaled[j] = np.interp(column, fitted.knots[j], fitted.scores[j])
    return np.ascontiguousarray(scaled.T)


def _normal_scores(knots: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(d, q) the normal quantile of each knot's share of the rows, the mean of these where knots are equal.

    The shares of the outermost knots lie half a knot inside, so that their scores are finite.
    """
    columns, count = knots.shape
    shares = np.clip(np.linspace(0, 1, count), 0.5 / count, 1 - 0.5 / count)
    begins = np.ones(knots.shape, dtype=np.bool_)
    begins[:, 1:] = knots[:, 1:] != knots[:, :-1]
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=knots.size)
    means = np.add.reduceat(np.tile(ndtri(shares), columns), starts) / lengths
    return np.repeat(means, lengths).reshape(knots.shape)


Fit = tuple[npt.NDArray[np.floating], npt.NDArray[np.floating], npt.NDArray[np.float64]]


def _affine(shift: npt.NDArray[np.floating], spread: npt.NDArray[np.floating]) -> Fit:
    return shift, spread, np.empty((len(shift), 0))


def _none(numbers: Numbers) -> Fit:
    return _affine(np.zeros(numbers.shape[1]), np.ones(numbers.shape[1]))


def _standard(numbers: Numbers) -> Fit:
    mean = numbers.mean(axis=0, dtype=np.float64)
    spread = (numbers - mean).std(axis=0)  # of the differences: exact for columns far from zero
    constant = numbers.min(axis=0) == numbers.max(axis=0)
    return _affine(mean, np.where(constant, 0.0, spread))


def _minmax(numbers: Numbers) -> Fit:
    low, high = numbers.min(axis=0).astype(np.float64), numbers.max(axis=0).astype(np.float64)
    return _affine((low + high) / 2, (high - low) / 2)


def _maxabs(numbers: Numbers) -> Fit:
    return _affine(np.zeros(numbers.shape[1]), np.abs(numbers).max(axis=0).astype(np.float64))


def _robust(numbers: Numbers) -> Fit:
    """Median and interquartile range; half the range where the quartiles agree."""
    ordered = _ordered(numbers)
    quarter, median, three_quarters = _quantiles(ordered, np.array([0.25, 0.5, 0.75])).T
    iqr = three_quarters - quarter
    half = (numbers.max(axis=0).astype(np.float64) - numbers.min(axis=0)) / 2
    return _affine(median, np.where(iqr > 0, iqr, half))


def _quantile(numbers: Numbers) -> Fit:
    knots = int(np.clip(len(numbers) // ROWS_PER_KNOT, FEWEST_KNOTS, MOST_KNOTS))
    shift, spread, _ = _none(numbers)
    return shift, spread, _quantiles(_ordered(numbers), np.linspace(0, 1, knots))


def _ordered(numbers: Numbers) -> Numbers:
    """(d, n') each column sorted, a fixed sample of its rows if they are many."""
    if len(numbers) > MOST_ROWS:
        numbers = numbers[np.random.default_rng(0).integers(len(numbers), size=MOST_ROWS)]
    return np.sort(numbers.T, axis=1)


def _quantiles(ordered: Numbers, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(d, q) quantiles of sorted columns (d, n), linear between neighbours."""
    place = shares * (ordered.shape[1] - 1)
    below = place.astype(np.intp)
    above = np.minimum(below + 1, ordered.shape[1] - 1)
    low, high = ordered[:, below].astype(np.float64), ordered[:, above].astype(np.float64)
    return low + (high - low) * (place - below)


SCALINGS: dict[str, Callable[[Numbers], Fit]] = {
    "none": _none,
    "standard": _standard,
    "minmax": _minmax,
    "maxabs": _maxabs,
    "robust": _robust,
    "robust_clip": _robust,
    "quantile": _quantile,
    "power": _robust,
}
