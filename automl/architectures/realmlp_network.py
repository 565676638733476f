"""The network of RealMLP-TD, and how it starts from the training rows.

Its linear layers are y = W x / √d + b (the neural tangent parametrisation). They are ordinary ones here whose weights
are divided by √d: Adam takes the same steps when their rate is divided by √d, too, and the decay multiplied by it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl.architectures.family import Shape
from automl.architectures.inputs import Embeddings, Front
from automl.architectures.number_embeddings import PeriodicEmbeddings
from automl.architectures.rates import Rate
from automl.errors import unknown

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"selu": F.selu, "mish": F.mish, "relu": F.relu}
CATEGORIES = Embeddings(one_hot_max=8, factor=8.0, power=0.0, max_dim=8, signs=True)
"""One-hot up to 9 values of a column, of which "missing" is one; else 8 dimensions. Two levels become −1 and 1."""
SCALE_RATE, BIAS_RATE, SLOPE_RATE = 6.0, 0.1, 0.1
"""Of the rest's. Where pytabkit decays such a parameter, the factor holds for the decay, too."""
SIMPLEX = 5
"""Rows that a first bias is a random mean of ("he+5")."""
CLIP = 3.0
"""Bound of the smooth clip x / √(1 + (x / 3)²)."""
MOST_ROWS = 10_000
"""Training rows that first weights follow from."""


class Scale(nn.Module):
    """A learned factor for each input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.rates = {"weight": Rate(SCALE_RATE, SCALE_RATE)}

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class ParametricActivation(nn.Module):
    """x + w · (f(x) − x), with a learned w for each unit, 1 at the start."""

    def __init__(self, name: str, width: int) -> None:
        super().__init__()
        if name not in ACTIVATIONS:
            raise unknown("activation", name, ACTIVATIONS)
        self.function = ACTIVATIONS[name]
        self.weight = nn.Parameter(torch.ones(width))
        self.rates = {"weight": Rate(SLOPE_RATE, SLOPE_RATE)}

    def forward(self, x: Tensor) -> Tensor:
        return torch.lerp(x, self.function(x), self.weight)


class Tangent(nn.Linear):
    """A linear layer of standard normal weights over √inputs, trained as in the tangent parametrisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        nn.init.normal_(self.weight, std=inputs**-0.5)
        nn.init.zeros_(self.bias)
        self.rates = {"weight": Rate(inputs**-0.5, inputs**0.5), "bias": Rate(BIAS_RATE, 0.0)}

    def prime(self, x: Tensor) -> None:
        """Give each output a spread of 1 over the rows x (n, inputs), and a zero near one of them."""
        out = x @ self.weight.T
        spread = out.std(0, correction=0)
        factor = torch.where(spread > 0, 1 / spread, 1.0)
        self.weight.mul_(factor.unsqueeze(1))
        out = out * factor
        chosen = torch.randint(len(x), (SIMPLEX, self.out_features))
        shares = torch.empty(SIMPLEX, self.out_features).exponential_()
        self.bias.copy_(-(out.gather(0, chosen) * shares / shares.sum(0)).sum(0))


class RealMLPNetwork(nn.Module):
    """numbers (rows, d) and codes (rows, c) → logits (rows, outputs).

    Parameters
    ----------
    embedding: of the numbers, or None.
    hidden: widths. rate: factor of the learning rate of all parameters.
    """

    hot_centre: Tensor
    hot_factor: Tensor
    low: Tensor
    high: Tensor

    def __init__(
        self,
        shape: Shape,
        embedding: PeriodicEmbeddings | None,
        *,
        hidden: Sequence[int],
        activation: str,
        dropout: float,
        front_scale: bool,
        rate: float,
    ) -> None:
        super().__init__()
        self.front = Front(0, shape.levels, CATEGORIES)
        self.embedding = embedding
        width = shape.numbers * (1 if embedding is None else embedding.width) + self.front.width
        self.scale = Scale(width) if front_scale else nn.Identity()
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise([width, *hidden]):
            layers += [Tangent(before, after), ParametricActivation(activation, after), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, Tangent(hidden[-1], shape.outputs))
        self.values = shape.outputs == 1
        self.register_buffer("hot_centre", torch.zeros(self.front.hot))
        self.register_buffer("hot_factor", torch.ones(self.front.hot))
        self.register_buffer("low", torch.tensor(-torch.inf))
        self.register_buffer("high", torch.tensor(torch.inf))
        _multiply_rates(self, rate)

    def prime(self, numbers: Tensor, codes: Tensor, targets: Tensor) -> None:
        """Scale the one-hot columns, start each layer from what reaches it, and bound the output by the targets."""
        if self.values:
            self.low.copy_(targets.min()), self.high.copy_(targets.max())
        every = slice(None, None, max(1, len(numbers) // MOST_ROWS))
        numbers, codes = numbers[every], codes[every]
        hot = self.front(numbers[:, :0], codes)[:, : self.front.hot]
        if hot.shape[1]:
            low, middle, high = hot.quantile(torch.tensor([0.25, 0.5, 0.75]), dim=0)
            spread = torch.where(high > low, high - low, (hot.amax(0) - hot.amin(0)) / 2)
            self.hot_centre.copy_(middle), self.hot_factor.copy_(torch.where(spread > 0, 1 / spread, 0.0))
        x = self._features(numbers, codes)
        for layer in self.layers:
            if isinstance(layer, Tangent):
                layer.prime(x)
            x = layer(x)

    def _features(self, numbers: Tensor, codes: Tensor) -> Tensor:
        categories = self.front(numbers[:, :0], codes)
        hot, tables = categories.tensor_split([self.front.hot], dim=-1)
        hot = (hot - self.hot_centre) * self.hot_factor
        hot = hot / (1 + (hot / CLIP).square()).sqrt()
        embedded = numbers if self.embedding is None else self.embedding(numbers)
        x: Tensor = self.scale(torch.cat([embedded, hot, tables], -1))
        return x

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        out: Tensor = self.layers(self._features(numbers, codes))
        return out.clamp(self.low, self.high) if self.values and not self.training else out


def _multiply_rates(network: nn.Module, factor: float) -> None:
    """Let every parameter learn at `factor` of its rate."""
    for module in network.modules():
        own = getattr(module, "rates", {})
        names = [name for name, _ in module.named_parameters(recurse=False)]
        if names:
            rates = {name: own.get(name, Rate()) for name in names}
            module.rates = {n: replace(r, learning_rate=factor * r.learning_rate) for n, r in rates.items()}  # type: ignore[assignment]
