"""Embeddings of numbers: each number becomes several features of its own before the first layer.

Sources: Gorishniy et al. 2022 (arXiv:2203.05556) for periodic and piecewise-linear embeddings; Holzmüller et al. 2024
(arXiv:2407.04491, appendix B) for PBLD and its constants. All map (rows, d) to (rows, d · width).
"""

from __future__ import annotations

import math

import torch
from rtdl_num_embeddings import PiecewiseLinearEmbeddings
from torch import Tensor, nn

from automl.architectures.rates import Rate
from automl.errors import unknown

PERIODIC = ("pbld", "pl", "plr")
PERIODIC_RATE = 0.1
"""Of the rest's (RealMLP)."""
MOST_ROWS = 20_000
"""Rows that edges of bins are estimated from."""


class PeriodicEmbeddings(nn.Module):
    """Waves of each number, and a linear map of them.

    Parameters
    ----------
    numbers: d. kind: "pl" maps the cosines and sines of 2πwx; "plr" puts a ReLU after it; "pbld" maps cos(2πwx + b)
        to one feature less and gives x itself as the last one (a dense connection).
    sigma: spread of the frequencies w at the start. waves: per number, even for "pl" and "plr".
    width: features per number.
    """

    def __init__(self, numbers: int, kind: str, sigma: float, waves: int = 16, width: int = 4) -> None:
        super().__init__()
        if kind not in PERIODIC:
            raise unknown("periodic embedding", kind, PERIODIC)
        self.kind, self.width = kind, width
        dense = kind == "pbld"
        self.frequency = nn.Parameter(sigma * torch.randn(numbers, waves if dense else waves // 2))
        if dense:
            self.phase = nn.Parameter(math.pi * (2 * torch.rand(numbers, waves) - 1))
        bound = waves**-0.5
        self.weight = nn.Parameter(bound * (2 * torch.rand(numbers, waves, width - dense) - 1))
        self.bias = nn.Parameter(bound * (2 * torch.rand(numbers, width - dense) - 1))
        # Of the decay, too: pytabkit applies the factor of the rate to both.
        self.rates = {name: Rate(PERIODIC_RATE, PERIODIC_RATE) for name, _ in self.named_parameters()}

    def forward(self, x: Tensor) -> Tensor:
        wave = 2 * math.pi * x.unsqueeze(-1) * self.frequency
        wave = torch.cos(wave + self.phase) if self.kind == "pbld" else torch.cat([wave.cos(), wave.sin()], -1)
        # One small matrix per number: (d, rows, waves) × (d, waves, features).
        out = torch.baddbmm(self.bias.unsqueeze(1), wave.transpose(0, 1), self.weight).transpose(0, 1)
        if self.kind == "plr":
            out = out.relu()
        return torch.cat([out.flatten(-2), x], -1) if self.kind == "pbld" else out.flatten(-2)


class PiecewiseLinear(nn.Module):
    """Piecewise-linear embeddings whose bins lie between quantiles of the training rows.

    The bins are buffers of a size that does not depend on the rows: a column with fewer distinct quantiles leaves
    components at zero, and one that is constant all of them.

    Parameters
    ----------
    numbers: d. bins: per number, at least 2. width: features per number.
    """

    def __init__(self, numbers: int, bins: int, width: int) -> None:
        super().__init__()
        self.bins, self.width = bins, width
        unit = [torch.linspace(0.0, 1.0, bins + 1)] * numbers
        self.embeddings = PiecewiseLinearEmbeddings(unit, width, activation=False, version="B")
        self.embeddings.impl.register_buffer("single_bin_mask", torch.zeros(numbers, dtype=torch.bool))

    def prime(self, numbers: Tensor) -> None:
        """Set the bins from training rows (n, d)."""
        code = self.embeddings.impl
        code.weight.zero_(), code.bias.zero_(), code.single_bin_mask.zero_()
        some = numbers[:: max(1, len(numbers) // MOST_ROWS)]
        for j, quantiles in enumerate(some.quantile(torch.linspace(0.0, 1.0, self.bins + 1), dim=0).T):
            edges = quantiles.unique()
            widths = edges.diff()
            if not len(widths):
                continue
            weight, bias = 1 / widths, -edges[:-1] / widths
            # The layout of rtdl_num_embeddings: the last bin's component stands last, unused ones before it.
            code.weight[j, : len(widths) - 1], code.weight[j, -1] = weight[:-1], weight[-1]
            code.bias[j, : len(widths) - 1], code.bias[j, -1] = bias[:-1], bias[-1]
            code.single_bin_mask[j] = len(widths) == 1

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.embeddings(x).flatten(-2)
        return out
