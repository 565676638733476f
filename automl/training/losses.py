"""What a network is trained on, per batch, and judged by, per member.

A network may make k predictions of a row: logits (…, rows, k, outputs) instead of (…, rows, outputs). Each is trained
on a loss of its own; the prediction is their mean (Gorishniy et al. 2025, arXiv:2410.24210, section 3.2).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from automl.training.data import Batch, Rows, rows_at_once

Loss = Literal["cross_entropy", "squared"]


def step_loss(loss: Loss, logits: Tensor, batch: Batch, smoothing: float) -> Tensor:
    """Mean loss over all rows of all members, a scalar; times the members it is the sum of their mean losses.

    logits: (…, rows, outputs), or (…, rows, k, outputs): the mean of the k losses, never the loss of the mean.
    """
    flat = logits.reshape(-1, logits.shape[-1]).float()
    rows, targets = len(batch.targets), batch.targets
    if len(flat) > rows:
        targets = targets.repeat_interleave(len(flat) // rows, dim=0)
    reduction = "mean" if batch.weights is None else "none"
    if loss == "cross_entropy":
        out = F.cross_entropy(flat, targets, reduction=reduction, label_smoothing=smoothing)
    else:
        out = F.mse_loss(flat, targets, reduction=reduction)
    if batch.weights is None:
        return out
    return (out.reshape(rows, -1).mean(1) * batch.weights).mean()


def mean_prediction(loss: Loss, logits: Tensor) -> Tensor:
    """k predictions as one: (…, k, outputs) → (…, outputs), the mean of values or, as logits, of probabilities.

    Examples
    --------
    >>> two = torch.tensor([[0.9, 0.1], [0.5, 0.5]]).log()
    >>> mean_prediction("cross_entropy", two).softmax(-1)
    tensor([0.7000, 0.3000])
    """
    if loss == "squared":
        return logits.mean(-2)
    return logits.log_softmax(-1).logsumexp(-2) - math.log(logits.shape[-2])


class ValidationRows:
    """The validation rows of several members as one table, padded with rows of no weight.

    Parameters
    ----------
    rows: of each member.
    """

    rows_at_once = 4096
    """Bounds the memory of the activations; fixed, since results must not depend on the machine."""

    def __init__(self, rows: list[Rows], loss: Loss, device: str) -> None:
        most = max(len(r) for r in rows)
        self.loss = loss
        self.lead = len(rows) > 1
        self.numbers = torch.stack([_padded(r.numbers, most) for r in rows]).to(device)
        self.codes = torch.stack([_padded(r.codes, most) for r in rows]).to(device)
        targets = torch.stack([_padded(r.targets, most) for r in rows]).to(device)
        if targets.is_floating_point() and targets.dim() == 2:
            targets = targets.unsqueeze(2)
        self.targets = targets
        weights = [torch.ones(len(r)) if r.weights is None else r.weights.float() for r in rows]
        shares = [w.double() / w.sum(dtype=torch.float64) for w in weights]
        self.weights = torch.stack([_padded(w, most) for w in shares]).to(device)

    def losses(self, module: torch.nn.Module) -> list[float]:
        """Weighted mean loss of each member; the module is in evaluation mode."""
        total = torch.zeros(len(self.numbers), dtype=torch.float64, device=self.weights.device)
        at_once = rows_at_once(self.numbers[0], self.rows_at_once)
        for first in range(0, self.numbers.shape[1], at_once):
            part = slice(first, first + at_once)
            numbers, codes = self.numbers[:, part], self.codes[:, part]
            logits = (module(numbers, codes) if self.lead else module(numbers[0], codes[0]).unsqueeze(0)).float()
            if logits.dim() == 4:
                logits = mean_prediction(self.loss, logits)
            each = self._each(logits, self.targets[:, part])
            # A row of no weight must not turn an infinite loss into NaN, nor a NaN into nothing.
            total += torch.where(self.weights[:, part] > 0, each.double() * self.weights[:, part], 0.0).sum(1)
        return total.tolist()

    def _each(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.loss == "cross_entropy":
            return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
        return (logits - targets).square().mean(2)


def _padded(tensor: Tensor, rows: int) -> Tensor:
    """The tensor with zeros for the rows that lack."""
    return F.pad(tensor, (0, 0) * (tensor.dim() - 1) + (0, rows - len(tensor)))
