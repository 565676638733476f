"""The rows that a network learns from, and the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from automl.errors import DataError

CHUNK_BYTES = 2**23
"""Batches are gathered this many bytes at a time: few index operations, and little memory beside the data."""
IMAGES_AT_ONCE, PIXELS_AT_ONCE = 256, 2**20
"""Images, and pixels of theirs, that go through a network at once where nothing is learned from them."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded rows.

    Attributes
    ----------
    numbers: (n, d) float32, finite; or images (n, channels, height, width) uint8, which a network standardises itself.
    codes: (n, c) int64; 0 is missing or unseen, 1 … L are the levels. c may be 0.
    targets: (n,) int64 classes, or (n,) or (n, outputs) float32 values, standardised by the caller.
    weights: (n,) float32, not negative, or None for equal ones.
    """

    numbers: Tensor
    codes: Tensor
    targets: Tensor
    weights: Tensor | None = None

    def __post_init__(self) -> None:
        n = len(self.numbers)
        for field in fields(self):
            tensor = getattr(self, field.name)
            if tensor is not None and len(tensor) != n:
                raise DataError(f"{field.name} has {len(tensor)} rows, numbers has {n}: they must be equal")

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class FoldData:
    """Rows to train on and rows to validate on; without the latter a run keeps its last epoch."""

    train: Rows
    valid: Rows | None


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's rows: (members, B, …), or (B, …) for one member; targets and weights are flat, (members · B, …)."""

    numbers: Tensor
    codes: Tensor
    targets: Tensor
    weights: Tensor | None


def stream(*key: int) -> int:
    """Seed of the random stream that is named by the key, in [0, 2**32).

    Streams that follow from (seed, epoch, purpose) need no saved state, so a resumed run cannot drift.
    """
    return int(np.random.SeedSequence(key).generate_state(1)[0])


class TrainingRows:
    """The training rows of one member or of several, on the device.

    Parameters
    ----------
    rows: one per member.
    per_epoch: rows that each member sees in an epoch, at most the smallest member's rows.
    batch_size: rows of a step at most; the batches of an epoch are of equal size, give or take one row.
    """

    def __init__(self, rows: Sequence[Rows], per_epoch: int, batch_size: int, device: str) -> None:
        self.members = len(rows)
        self.counts = [len(r) for r in rows]
        self.per_epoch = per_epoch
        self.sizes = batch_sizes(per_epoch, batch_size)
        self.numbers = _joined([r.numbers for r in rows], device)
        self.codes = _joined([r.codes for r in rows], device)
        self.targets = _joined([_columns(r.targets) for r in rows], device)
        weighted = any(r.weights is not None for r in rows)
        self.weights = _joined([_mean_one(r) for r in rows], device) if weighted else None
        row = self.numbers[0].nbytes + 8 * self.codes.shape[1] + 16
        width = row * self.members * max(self.sizes)
        self.steps_per_chunk = max(1, CHUNK_BYTES // width)
        self.lead = () if self.members == 1 else (self.members,)

    def epoch(self, seeds: Sequence[int], epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, each member's rows in an order of its own (seed, epoch)."""
        generator = torch.Generator()
        orders, start = [], 0
        for seed, count in zip(seeds, self.counts, strict=True):
            order = torch.randperm(count, generator=generator.manual_seed(stream(seed, epoch, 0)))
            # A batch norm needs two rows, so a single row counts twice.
            order = order[: self.per_epoch] if self.per_epoch > 1 else order[:1].expand(2)
            orders.append(order + start)
            start += count
        steps = torch.stack(orders).split(self.sizes, dim=1)
        for first in range(0, len(steps), self.steps_per_chunk):
            chunk = steps[first : first + self.steps_per_chunk]
            yield from self._batches(chunk)

    def _batches(self, chunk: Sequence[Tensor]) -> Iterator[Batch]:
        index = torch.cat([step.reshape(-1) for step in chunk]).to(self.numbers.device)
        sizes = [step.numel() for step in chunk]
        numbers, codes, targets, weights = (
            [None] * len(chunk) if table is None else table.index_select(0, index).split(sizes)
            for table in (self.numbers, self.codes, self.targets, self.weights)
        )
        for x, c, y, w in zip(numbers, codes, targets, weights, strict=True):
            if self.lead:
                each = len(x) // self.members  # said, since a table without numbers or categories has no cells
                x, c = x.view(*self.lead, each, x.shape[1]), c.view(*self.lead, each, c.shape[1])
            yield Batch(x, c, y, w)


def batch_sizes(rows: int, batch_size: int) -> list[int]:
    """Sizes of the batches of an epoch: as few as `batch_size` allows, equal give or take one, none of one row.

    Examples
    --------
    >>> batch_sizes(257, 256)
    [129, 128]
    """
    if rows == 1:
        return [2]
    steps = -(-rows // batch_size)
    while steps > 1 and rows // steps < 2:
        steps -= 1
    each, more = divmod(rows, steps)
    return [each + 1] * more + [each] * (steps - more)


def rows_at_once(numbers: Tensor, of_table: int) -> int:
    """Rows that go through a network at once where nothing is learned from them, which bounds memory.

    Fixed for a size of images, since results must not depend on the machine.

    Parameters
    ----------
    numbers: rows of a table, or images (n, channels, height, width). of_table: how many where they are rows.

    Examples
    --------
    >>> rows_at_once(torch.zeros(1, 3, 32, 32), 2048), rows_at_once(torch.zeros(1, 3, 512, 512), 2048)
    (256, 4)
    """
    if numbers.dim() < 4:
        return of_table
    return max(1, min(IMAGES_AT_ONCE, PIXELS_AT_ONCE // (numbers.shape[-2] * numbers.shape[-1])))


def _joined(tensors: Sequence[Tensor], device: str) -> Tensor:
    return (tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))).to(device)


def _columns(targets: Tensor) -> Tensor:
    """Values as (n, outputs); classes as they are."""
    return targets.unsqueeze(1) if targets.is_floating_point() and targets.dim() == 1 else targets


def _mean_one(rows: Rows) -> Tensor:
    """Weights scaled to a mean of one, so that the learning rate keeps its meaning."""
    if rows.weights is None:
        return torch.ones(len(rows))
    total = float(rows.weights.sum(dtype=torch.float64))
    if not total > 0:
        raise DataError(f"sample weights sum to {total}; at least one training row needs a positive weight")
    return (rows.weights * (len(rows) / total)).float()
