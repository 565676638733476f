"""Several networks of one run as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SnapshotEnsemble(nn.Module):
    """k networks side by side: numbers (…, d) and codes (…, c) → logits (…, k, outputs).

    k predictions of a row are averaged wherever networks are validated or predicted with: probabilities, or values.
    Source: snapshot ensembles (Huang et al. 2017, arXiv:1704.00109).

    Parameters
    ----------
    networks: of one configuration; they are kept, not copied. Where each makes predictions of its own, (…, j,
        outputs), they are all put side by side.

    Examples
    --------
    >>> class Constant(nn.Module):
    ...     def forward(self, numbers, codes):
    ...         return numbers[..., :1]
    >>> SnapshotEnsemble([Constant(), Constant()])(torch.zeros(5, 3), torch.zeros(5, 0)).shape
    torch.Size([5, 2, 1])
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        each = [network(numbers, codes) for network in self.networks]
        return torch.cat([out if out.dim() > numbers.dim() else out.unsqueeze(-2) for out in each], -2)
