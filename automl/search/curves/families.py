"""The eleven parametric families of learning curves, for many parameter vectors at once.

Domhan, Springenberg & Hutter (2015), "Speeding up Automatic Hyperparameter Optimization of Deep Neural Networks by
Extrapolation of Learning Curves", IJCAI, Table 1; start values as in their code. All rise with time (an accuracy).
Bounds are ours: they keep a curve rising, and finite from the first epoch on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TOP = 1e3
"""Stands for "no bound"; levels are bounded by what is still to be gained."""


@dataclass(frozen=True)
class CurveFamily:
    """A family.

    Attributes
    ----------
    value: (parameters, each (b, 1); times (n,) >= 1; their logarithms) -> (b, n).
    start: published start values, one a parameter.
    low, high: bounds of the parameters.
    level: place of the parameter that is the asymptote; -1 where the curve has none.
    """

    name: str
    value: Callable[..., Any]
    start: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    level: int = -1

    def __call__(self, parameters: Floats, times: Floats) -> Floats:
        """(b, n) values of the curves of (b, p) parameters at (n,) times; finite."""
        with np.errstate(all="ignore"):
            return bounded(self.value(*parameters.T[:, :, None], times, np.log(times)))


def bounded(values: Floats) -> Floats:
    """Finite values in place of those that are none, or too large to count with."""
    return np.clip(np.where(np.isnan(values), TOP, values), -TOP, TOP)


FAMILIES = (
    CurveFamily(
        "pow3",
        lambda c, a, alpha, t, log: c - a * np.exp(-alpha * log),
        (0.84, 0.52, 0.01),
        (0.0, 0.0, 1e-3),
        (TOP, TOP, 5.0),
        level=0,
    ),
    CurveFamily(
        "pow4",
        lambda c, a, b, alpha, t, log: c - np.exp(-alpha * np.log(a * t + b)),
        (0.8, 200.0, 0.0, 0.1),
        (0.0, 1e-3, 0.0, 1e-3),
        (TOP, TOP, TOP, 5.0),
        level=0,
    ),
    CurveFamily(
        "logpower",
        lambda a, b, c, t, log: a / (1 + np.exp(c * (log - b))),
        (0.77, 2.98, -0.51),
        (0.0, -10.0, -5.0),
        (TOP, 10.0, -1e-3),
        level=0,
    ),
    CurveFamily(
        "weibull",
        lambda a, b, kappa, delta, t, log: a - (a - b) * np.exp(-np.exp(delta * (np.log(kappa) + log))),
        (0.7, 0.1, 0.01, 1.0),
        (0.0, -2.0, 1e-6, 0.05),
        (TOP, 1.0, 10.0, 5.0),
        level=0,
    ),
    CurveFamily(
        "mmf",
        lambda a, b, kappa, delta, t, log: a - (a - b) / (1 + np.exp(delta * (np.log(kappa) + log))),
        (0.7, 0.1, 0.01, 5.0),
        (0.0, -2.0, 1e-6, 0.05),
        (TOP, 1.0, 10.0, 8.0),
        level=0,
    ),
    CurveFamily(
        "janoschek",
        lambda a, b, kappa, delta, t, log: a - (a - b) * np.exp(-kappa * np.exp(delta * log)),
        (0.73, 0.07, 0.355, 0.46),
        (0.0, -2.0, 1e-6, 0.05),
        (TOP, 1.0, 10.0, 5.0),
        level=0,
    ),
    CurveFamily(
        "exp4",
        lambda c, a, b, alpha, t, log: c - np.exp(b - a * np.exp(alpha * log)),
        (0.7, 0.8, -0.8, 0.3),
        (0.0, 1e-6, -10.0, 0.05),
        (TOP, 10.0, 10.0, 3.0),
        level=0,
    ),
    CurveFamily(
        "ilog2",
        lambda c, a, t, log: c - a / np.log(t + 1),
        (0.78, 0.43),
        (0.0, 0.0),
        (TOP, TOP),
        level=0,
    ),
    CurveFamily(
        "loglog-linear",
        lambda a, b, t, log: np.log(a * log + b),
        (0.2, 1.1),
        (0.0, 1e-3),
        (TOP, TOP),
    ),
    CurveFamily(
        "vapor-pressure",
        lambda a, b, c, t, log: np.exp(a + b / t + c * log),
        (-0.622, -0.470, 0.042),
        (-10.0, -10.0, 0.0),
        (5.0, 0.0, 2.0),
    ),
    CurveFamily(
        "hill3",
        lambda theta, eta, kappa, t, log: theta / (1 + np.exp(eta * (np.log(kappa) - log))),
        (0.772, 0.586, 2.461),
        (0.0, 0.05, 1e-3),
        (TOP, 8.0, TOP),
        level=0,
    ),
)
"""In the order of Table 1, but for `loglog-linear`, whose start values are ours."""
MOST = max(len(family.start) for family in FAMILIES)
"""Parameters that a family has at most."""
