"""Activations that torch does not have."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ScaledTanh(nn.Module):
    """β · tanh(α · x) (LeCun et al. 1998, "Efficient BackProp", section 4.4: α = 2/3, β = 1.7159 keep f(±1) = ±1).

    Examples
    --------
    >>> round(ScaledTanh(2 / 3, 1.7159)(torch.tensor(1.0)).item(), 3)
    1.0
    """

    def __init__(self, alpha: float, beta: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.beta = beta

    def extra_repr(self) -> str:
        return f"alpha={self.alpha:.4g}, beta={self.beta:.4g}"

    def forward(self, x: Tensor) -> Tensor:
        return self.beta * torch.tanh(self.alpha * x)
