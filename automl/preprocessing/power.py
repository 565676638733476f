"""The power transformation of Yeo & Johnson 2000 (doi:10.1093/biomet/87.4.954), which makes columns more normal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from automl.preprocessing.ranges import FURTHEST

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.float32]
LEAST, MOST = -4.0, 6.0  # of λ; 1 changes nothing
STEPS = 16  # of the golden section search, each to 0.62 of the interval: λ to within 0.003
FITTED_ROWS = 2_000
FITTED_CELLS = 200_000
FEWEST_ROWS = 200
REACH = 1e6  # values beyond are cut, so that no power overflows
SMALL = 1e-8


def fit(scaled: Numbers) -> Floats:
    """(d, 3) λ of the greatest likelihood (eq. 3.1) of each column (n, d), then mean and spread of what it gives.

    Columns must be scaled to about one, since large values make the likelihood flat.
    """
    rows, columns = scaled.shape
    most = min(FITTED_ROWS, max(FEWEST_ROWS, FITTED_CELLS // max(1, columns)))
    if rows > most:
        scaled = scaled[np.sort(np.random.default_rng(0).choice(rows, most, replace=False))]
    x = np.clip(scaled, -REACH, REACH).astype(np.float64)
    size = np.log1p(np.abs(x))
    exponent = _search(x, size)
    bent = _bend(x, size, exponent)
    mean = bent.mean(axis=0)
    return np.stack([exponent, mean, (bent - mean).std(axis=0)], axis=1)


def bend(scaled: Numbers, bends: Floats) -> Numbers:
    """Columns (n, d) with a mean of zero and a spread of one, as far as the training rows could tell."""
    exponent, mean, spread = bends.T
    factor = np.where(spread > SMALL, 1 / np.maximum(spread, SMALL), 0.0)
    x = np.clip(scaled, -REACH, REACH).astype(np.float64)
    return np.clip((_bend(x, np.log1p(np.abs(x)), exponent) - mean) * factor, -FURTHEST, FURTHEST).astype(np.float32)


def _bend(x: Floats, size: Floats, exponent: Floats) -> Floats:
    """ψ(λ, x) of columns (n, d) with a λ each (eq. 2.1): ((x + 1)^λ − 1) / λ, and mirrored with 2 − λ below zero.

    `size` is log(|x| + 1).
    """
    power = np.where(x >= 0, exponent, 2 - exponent)
    flat = np.abs(power) < SMALL
    grown = np.expm1(power * size) / np.where(flat, 1.0, power)
    return np.copysign(np.where(flat, size, grown), x)


def _search(x: Floats, size: Floats) -> Floats:
    """(d,) λ of the greatest likelihood, by golden section in all columns at once (the likelihood has one summit)."""
    golden = (np.sqrt(5) - 1) / 2
    low, high = np.full(x.shape[1], LEAST), np.full(x.shape[1], MOST)
    logs = np.copysign(size, x).sum(axis=0)

    def likelihood(exponent: Floats) -> Floats:
        """But for constants (eq. 3.1): −n/2 · log variance of ψ + (λ − 1) · Σ sign(x) log(|x| + 1)."""
        variance = _bend(x, size, exponent).var(axis=0)
        return -len(x) / 2 * np.log(np.maximum(variance, 1e-300)) + (exponent - 1) * logs

    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = likelihood(left), likelihood(right)
    for _ in range(STEPS):
        down = at_left >= at_right
        low, high = np.where(down, low, left), np.where(down, right, high)
        tried = np.where(down, high - golden * (high - low), low + golden * (high - low))
        at_tried = likelihood(tried)
        left, right = np.where(down, tried, right), np.where(down, left, tried)
        at_left, at_right = np.where(down, at_tried, at_right), np.where(down, at_left, at_tried)
    return (low + high) / 2
