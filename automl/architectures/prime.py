"""What a network takes from its training rows before its first step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from automl.architectures.image_inputs import ImageNetwork
    from automl.architectures.inputs import TabularNet

MOST_IMAGES = 1_000
"""Images that a body sees, at most: as floating-point numbers all would take several times their memory."""


@torch.no_grad()
def prime(network: TabularNet | ImageNetwork, numbers: Tensor, codes: Tensor, targets: Tensor, seed: int) -> None:
    """Let the body see the training rows, or the first of the images, if it has a method `prime` (see `Family`).

    Parameters
    ----------
    numbers, codes: what the network is fed. targets: as they are trained on.
    seed: of what the body draws; torch's global generator is left as it was.
    """
    own: Callable[..., None] | None = getattr(network.body, "prime", None)
    if own is None:
        return
    seen = slice(0, MOST_IMAGES if numbers.dim() == 4 else None)
    mode = network.training
    network.eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        own(*network.fed(numbers[seen], codes[seen]), targets[seen])
    network.train(mode)
