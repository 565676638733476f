"""How the linear layers of a network begin, by name, where torch's own way is not what a source used.

Sources: the initialisers of lasagne, which Auto-Net 1.0 (Mendoza et al. 2016) chose from, and those of Auto-PyTorch
(Zimmer et al. 2021, arXiv:2006.13799). Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852; Saxe et al. 2014,
arXiv:1312.6120; Martens 2010.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import init

from automl.errors import unknown

SPREAD = 0.01
"""Standard deviation of sparse weights and of normal biases, bound of uniform weights: lasagne's defaults."""
ZEROS = 0.9
"""Share of the weights that are zero in a sparse layer: a tenth is not, as in both sources."""
_WEIGHTS: Mapping[str, Callable[[Tensor, float], object]] = MappingProxyType(
    {
        "constant": lambda weight, std: init.zeros_(weight),  # lasagne's constant is 0
        "normal": lambda weight, std: init.normal_(weight, std=std),
        "uniform": lambda weight, std: init.uniform_(weight, -SPREAD, SPREAD),
        "glorot_normal": lambda weight, std: init.xavier_normal_(weight),
        "glorot_uniform": lambda weight, std: init.xavier_uniform_(weight),
        "he_normal": lambda weight, std: init.kaiming_normal_(weight, nonlinearity="relu"),
        "he_uniform": lambda weight, std: init.kaiming_uniform_(weight, nonlinearity="relu"),
        "orthogonal": lambda weight, std: init.orthogonal_(weight),
        "sparse": lambda weight, std: init.sparse_(weight, ZEROS, std=SPREAD),
    }
)


@torch.no_grad()
def begin(layer: nn.Linear, weights: str, bias: str = "zero", std: float = SPREAD) -> nn.Linear:
    """The layer with new first weights, drawn from torch's global generator.

    Parameters
    ----------
    weights: "none" leaves the layer as torch made it, bias included; else one of constant, normal, uniform,
        glorot_normal, glorot_uniform, he_normal, he_uniform, orthogonal and sparse.
    bias: "zero" or "normal".
    std: of weights "normal", > 0.
    """
    if weights == "none":
        return layer
    if weights not in _WEIGHTS:
        raise unknown("first weights", weights, (*_WEIGHTS, "none"))
    if bias not in ("zero", "normal"):
        raise unknown("first bias", bias, ("zero", "normal"))
    _WEIGHTS[weights](layer.weight, std)
    if layer.bias is not None:
        init.zeros_(layer.bias) if bias == "zero" else init.normal_(layer.bias, std=SPREAD)
    return layer
