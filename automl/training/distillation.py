"""Distillation: a network learns to give the logits of another one.

Hinton, Vinyals & Dean (2015), arXiv:1503.02531; on logits by squares as Ba & Caruana (2014), arXiv:1312.6184. Elsken,
Metzen & Hutter (2019), arXiv:1804.09081, section 3, let a child of an approximate morphism learn from its parent so,
without labels, before it is trained like any other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from automl.errors import SettingError


def distil(
    child: nn.Module,
    parent: nn.Module,
    inputs: Tensor,
    *,
    epochs: int,
    seed: int,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
) -> float:
    """Train a network to give another one's logits; the mean square of what is left in the last epoch.

    Parameters
    ----------
    child: is changed, and left in training mode.
    parent: is asked in evaluation mode, and left in it.
    inputs: (n, …), n >= 2, what both take. batch_size: >= 2.
    epochs: >= 1, over all inputs, in an order that follows from the seed, as dropout does.
    learning_rate: of Adam at first; it falls to 0 along a cosine.
    """
    if epochs < 1 or batch_size < 2 or len(inputs) < 2:
        raise SettingError(
            f"distillation takes >= 1 epoch, batches of >= 2 and >= 2 inputs, not {epochs}, {batch_size}, {len(inputs)}"
        )
    with torch.no_grad():
        parent.eval()
        wanted = torch.cat([parent(part) for part in inputs.split(max(batch_size, 256))])
    with torch.random.fork_rng(devices=[]):  # dropout draws from torch's own generator
        torch.manual_seed(seed)
        return _taught(child, inputs, wanted, epochs, batch_size, learning_rate)


def _taught(
    child: nn.Module, inputs: Tensor, wanted: Tensor, epochs: int, batch_size: int, learning_rate: float
) -> float:
    optimizer = torch.optim.Adam(child.parameters(), lr=learning_rate)
    batches = max(1, len(inputs) // batch_size)  # what is left over might be a single input, which a norm refuses
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    child.train()
    total = 0.0
    for _ in range(epochs):
        rows, total = torch.randperm(len(inputs)), 0.0
        for part in rows[: batches * batch_size].split(batch_size):
            loss = functional.mse_loss(child(inputs[part]), wanted[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
    return total / batches
