"""Adam (Kingma & Ba 2015, arXiv:1412.6980) on plain arrays; nothing is changed in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FIRST, SECOND, EPSILON = 0.9, 0.999, 1e-8

Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Adam:
    """Parameters with the moments of their gradients after so many steps."""

    parameters: Arrays
    first: Arrays
    second: Arrays
    steps: int = 0

    @classmethod
    def of(cls, parameters: Sequence[np.ndarray]) -> Adam:
        zeros = tuple(np.zeros_like(p) for p in parameters)
        return cls(tuple(parameters), zeros, zeros)

    def down(self, gradients: Sequence[np.ndarray], rate: float, decay: float = 0.0) -> Adam:
        """One step against the gradients, with decoupled weight decay as a share of the rate."""
        n = self.steps + 1
        first = tuple(FIRST * m + (1 - FIRST) * g for m, g in zip(self.first, gradients, strict=True))
        second = tuple(SECOND * v + (1 - SECOND) * g * g for v, g in zip(self.second, gradients, strict=True))
        scale = rate / (1 - FIRST**n)
        parameters = tuple(
            p - scale * m / (np.sqrt(v / (1 - SECOND**n)) + EPSILON) - rate * decay * p
            for p, m, v in zip(self.parameters, first, second, strict=True)
        )
        return Adam(parameters, first, second, n)
