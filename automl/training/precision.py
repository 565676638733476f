"""In which precision networks are trained; they are judged and predict in float32 or better.

Micikevicius et al. 2018 (arXiv:1710.03740) in bfloat16, whose range needs no scaling of the loss (Kalamkar et al. 2019,
arXiv:1905.12322): weights, gradients and moments stay in float32, products and convolutions are computed in 16 bits.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from automl.architectures.image_inputs import ImageNetwork


@cache
def has_matrix_units() -> bool:
    """Whether this CPU multiplies matrices of bfloat16 by units of their own (AMX).

    Residual networks of 16 to 32 filters train 2.0 to 2.5 times as fast with them (measured, one core).
    """
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def mixed(network: nn.Module, device: str) -> torch.autocast:
    """The precision of a network's training steps, as a context: bfloat16 where the hardware is made for it.

    On CPUs that is for convolutions only: the products of networks for tables are too small to gain.
    """
    on_gpu = device.startswith("cuda")
    convolves = isinstance(network, ImageNetwork) and has_matrix_units()
    return torch.autocast("cuda" if on_gpu else "cpu", dtype=torch.bfloat16, enabled=on_gpu or convolves)
