"""What augmentations have in common that mix a row with another: columns of both, and the losses of both targets.

The other row is the one before it in the batch. Batches are in random order, so this is as random as a drawn one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from automl.training.data import Batch

Objective = Callable[[Tensor, Batch], Tensor]
"""Logits (…, rows, outputs) and the batch with their targets → the loss of the step, a scalar."""
Generators = Sequence[np.random.Generator]
"""One per member."""


def kept_shares(dense: Tensor, random: Generators, draw: Callable[[np.random.Generator], NDArray[Any]]) -> Tensor:
    """What each member's rows keep of each column, in [0, 1]: (members, 1, columns), or (1, columns) for one member.

    Parameters
    ----------
    dense: the rows, (members, rows, columns) or (rows, columns).
    draw: a member's shares, (columns,), or (1,) where they are equal.
    """
    drawn = np.stack([draw(generator) for generator in random]).astype(np.float32)
    return torch.from_numpy(drawn).to(dense.device).view(*dense.shape[:-2], 1, -1)


def mixed_rows(dense: Tensor, kept: Tensor) -> Tensor:
    """The kept share of each row and the rest of the one before it.

    Examples
    --------
    >>> mixed_rows(torch.tensor([[0.0, 0.0], [4.0, 8.0]]), torch.tensor([[1.0, 0.75]]))
    tensor([[0., 2.],
            [4., 6.]])
    """
    return kept * dense + (1 - kept) * dense.roll(1, -2)


def mixed_loss(logits: Tensor, batch: Batch, own: Tensor, objective: Objective) -> Tensor:
    """The losses by a row's own target and by the target of the row before it, weighed by what each has given.

    Parameters
    ----------
    logits: of mixed rows.
    own: share of each member's own rows, (members, 1), or (1,) for one member.
    """
    members, rows = own.numel(), len(batch.targets) // own.numel()
    weights = own.new_ones(members, rows) if batch.weights is None else batch.weights.view(members, rows)
    shares = own.reshape(members, 1)
    targets = batch.targets.view(members, rows, *batch.targets.shape[1:])
    mine = replace(batch, weights=(shares * weights).flatten())
    other = replace(
        batch,
        targets=targets.roll(1, 1).flatten(0, 1),
        weights=((1 - shares) * weights.roll(1, 1)).flatten(),
    )
    return objective(logits, mine) + objective(logits, other)
