"""Zero-cost proxies: how good an untrained network looks.

Abdelfattah, Mehrotra, Dudziak & Lane (2021), "Zero-Cost Proxies for Lightweight NAS", ICLR, arXiv:2101.08134. Greater
is better for all. They see one batch, or none, and train nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from automl.errors import unknown
from automl.genotypes.genotype import build

if TYPE_CHECKING:
    from automl.genotypes.plan import Shape

ROWS = 32
"""Examples of a batch of noise where none are given."""


def synflow(network: nn.Module, batch: Tensor) -> float:
    """log(1 + Σ |θ · ∂R/∂θ|), R the sum of the outputs for ones, with |θ| for θ and without norms.

    Tanaka, Kunin, Yamins & Ganguli (2020), arXiv:2006.05467, equation 3, summed over parameters.
    """
    network = network.double().eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):  # the identity, but for the ε of its variance
                module.reset_running_stats()
        for parameter in network.parameters():
            parameter.abs_()
    network(torch.ones_like(batch[:1], dtype=torch.float64)).sum().backward()
    return math.log1p(sum(float((p * p.grad).abs().sum()) for p in network.parameters() if p.grad is not None))


def jacob_cov(network: nn.Module, batch: Tensor) -> float:
    """−Σ (log(λ + k) + 1/(λ + k)) over eigenvalues λ of the correlations of input gradients, k = 1e-5.

    Mellor, Turner, Storkey & Crowley (2021), arXiv:2006.04647v1, as computed by Abdelfattah et al.
    """
    batch = batch.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network.train()(batch).sum(), batch, allow_unused=True)
    if gradient is None or not bool((gradient.flatten(1).std(dim=1) > 0).all()):
        return -float("inf")  # nothing of the input reaches the output
    rows = gradient.flatten(1).double()
    eigenvalues = torch.linalg.eigvalsh(torch.corrcoef(rows)).clamp_min(0) + 1e-5
    return -float((eigenvalues.log() + 1 / eigenvalues).sum())


def params(network: nn.Module, batch: Tensor) -> float:
    """The number of parameters."""
    return float(sum(p.numel() for p in network.parameters()))


PROXIES: Mapping[str, Callable[[nn.Module, Tensor], float]] = MappingProxyType(
    {"jacob_cov": jacob_cov, "params": params, "synflow": synflow}
)
"""Proxies by name."""


def proxy(
    name: str, shape: Shape, outputs: int, *, batch: Tensor | None = None, seed: int = 0
) -> Callable[[Any], float]:
    """A score of genotypes, greater is better, for `automl.search.warmup.warm_up`.

    Parameters
    ----------
    name: of `PROXIES`.
    shape, outputs: of the networks that are built.
    batch: (n, channels, height, width) real examples; standard normal noise by default.
    seed: of the first weights and of the noise.
    """
    if name not in PROXIES:
        raise unknown("proxy", name, PROXIES)

    def score(genotype: Any) -> float:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            seen = torch.randn(ROWS, *shape) if batch is None else batch
            return PROXIES[name](build(genotype, shape, outputs), seen)

    return score
