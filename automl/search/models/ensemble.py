"""An ensemble of small perceptrons, trained as one: the members are a dimension of every array.

Deep ensembles (Lakshminarayanan, Pritzel & Blundell 2017, arXiv:1612.01474) without the variance head, as the
predictors of BANANAS and PNAS are: mean and spread over members.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from automl.search.models.adam import Adam, Arrays


@dataclass(frozen=True)
class Ensemble:
    """Trained members.

    Attributes
    ----------
    weights: (members, in, out) and (members, 1, out) of each layer in turn.
    """

    weights: Arrays
    centre: float
    scale: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(members, n) predictions for (n, k) features."""
        output = _forward(self.weights, features)[-1]
        return self.centre + self.scale * output[..., 0]


def fitted(
    features: np.ndarray,
    targets: np.ndarray,
    rng: np.random.Generator,
    *,
    members: int = 5,
    hidden: tuple[int, ...] = (32, 32),
    steps: int = 100,
    rate: float = 0.01,
    share: float = 1.0,
    decay: float = 1e-4,
) -> Ensemble:
    """An ensemble trained by Adam on squared errors, on all rows at once.

    Parameters
    ----------
    features: (n, k); targets: (n,).
    share: of the rows that each member sees, drawn without replacement (4/5 in PNAS).
    decay: decoupled weight decay a step, as a share of the rate.
    """
    centre, scale = float(targets.mean()), float(targets.std()) or 1.0
    wanted = ((targets - centre) / scale).astype(np.float32)[None, :, None]
    n = len(targets)
    kept = max(1, round(share * n))
    rows = np.stack([rng.permutation(n) < kept for _ in range(members)])[..., None] / np.float32(kept)
    sizes = (features.shape[1], *hidden, 1)
    weights: list[np.ndarray] = []
    for a, b in pairwise(sizes):
        weights.append((rng.standard_normal((members, a, b)) * np.sqrt(2 / a)).astype(np.float32))
        weights.append(np.zeros((members, 1, b), np.float32))
    state = Adam.of(weights)
    for step in range(1, steps + 1):
        values = _forward(state.parameters, features)
        gradients = _backward(state.parameters, values, 2 * rows * (values[-1] - wanted))
        state = state.down(gradients, float(rate * 0.5 * (1 + np.cos(np.pi * step / steps))), decay)
    return Ensemble(state.parameters, centre, scale)


def _forward(weights: Arrays, features: np.ndarray) -> list[np.ndarray]:
    """Inputs of every layer and the output, (members, n, width) each."""
    values = [np.broadcast_to(features.astype(np.float32), (len(weights[0]), *features.shape))]
    for k in range(0, len(weights), 2):
        out = values[-1] @ weights[k] + weights[k + 1]
        values.append(np.maximum(out, 0.0) if k + 2 < len(weights) else out)
    return values


def _backward(weights: Arrays, values: list[np.ndarray], gradient: np.ndarray) -> list[np.ndarray]:
    """Gradients of all weights, given that of the output."""
    found: list[np.ndarray] = []
    for k in range(len(weights) - 2, -1, -2):
        inputs = values[k // 2]
        found = [inputs.transpose(0, 2, 1) @ gradient, gradient.sum(axis=1, keepdims=True), *found]
        if k:
            gradient = (gradient @ weights[k].transpose(0, 2, 1)) * (inputs > 0)
    return found
