"""Images for the weights and images for the choices, and how long both may take."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from automl.errors import DataError, SettingError
from automl.genotypes.plan import Shape

Batch = tuple[Tensor, Tensor]
"""Images (n, channels, height, width) and labels (n,)."""


@dataclass(frozen=True)
class Halves:
    """Images in two parts: the weights learn from one, architectures are judged by the other.

    Attributes
    ----------
    train, valid: images, standardised by the channels of the first part (one that is constant there is only moved), and
        labels from 0.
    outputs: classes.
    """

    train: Batch
    valid: Batch
    outputs: int

    @classmethod
    def of(
        cls, images: np.ndarray, labels: np.ndarray, *, seed: int, valid: float = 0.5, device: str = "cpu"
    ) -> Halves:
        """The halves of arrays.

        Parameters
        ----------
        images: (n, channels, height, width), finite numbers.
        labels: (n,), at least two different ones.
        valid: share of the second part, in (0, 1); a half as in DARTS.
        """
        images, labels = np.asarray(images), np.asarray(labels)
        if images.ndim != 4 or labels.shape != images.shape[:1] or len(labels) < 4:
            raise DataError(
                f"images are {images.shape} and labels {labels.shape}; they must be (n, channels, height, width) and "
                "(n,) with n of at least 4"
            )
        if not 0 < valid < 1:
            raise SettingError(f"valid is {valid!r}; it must be in (0, 1): the share of images that judge")
        levels, codes = np.unique(labels, return_inverse=True)
        if len(levels) < 2:
            raise DataError("all labels are equal; give images of at least two classes")
        order = np.random.default_rng(seed).permutation(len(labels))
        at = min(max(round((1 - valid) * len(order)), 2), len(order) - 2)
        numbers = images[order].astype(np.float32, copy=False)  # a copy already, which may be changed
        if not np.isfinite(numbers).all():
            raise DataError("images hold NaN or infinite numbers; replace them")
        first = numbers[:at]
        centre, scale = first.mean((0, 2, 3), keepdims=True), first.std((0, 2, 3), keepdims=True) + 1e-6
        constant = first.max((0, 2, 3), keepdims=True) == first.min((0, 2, 3), keepdims=True)
        scale[constant] = 1.0  # what differs in the other part would be thousands of them
        numbers -= centre
        numbers /= scale
        x = torch.from_numpy(numbers).to(device)
        y = torch.from_numpy(codes[order].astype(np.int64)).to(device)
        return cls((x[:at], y[:at]), (x[at:], y[at:]), len(levels))

    def padded(self, multiple: int) -> Halves:
        """The same with zeros below and at the right, so that both sides are multiples of a number."""
        _, height, width = self.shape
        more = (0, -width % multiple, 0, -height % multiple)
        train, valid = ((pad(images, more), labels) for images, labels in (self.train, self.valid))
        return replace(self, train=train, valid=valid)

    @property
    def shape(self) -> Shape:
        """Of one image."""
        _, channels, height, width = self.train[0].shape
        return (channels, height, width)


def check_counts(**values: int) -> None:
    """SettingError where one is no whole number of at least 1."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise SettingError(f"{name} is {value!r}; it must be a whole number of at least 1")


def batches(part: Batch, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """An epoch in batches of exactly `size`, or of all rows where there are fewer; rows that are left over wait."""
    images, labels = part
    order = torch.from_numpy(rng.permutation(len(labels))).to(labels.device)
    size = min(size, len(order))
    for at in range(0, len(order) - size + 1, size):
        rows = order[at : at + size]
        yield images[rows], labels[rows]


def drawn(part: Batch, size: int, rng: np.random.Generator) -> Batch:
    """One batch, without replacement."""
    return next(batches(part, size, rng))


@dataclass(frozen=True)
class Budget:
    """What a search over shared weights may take; at least one of the two is given.

    Attributes
    ----------
    epochs: of the shared weights, >= 1.
    seconds: > 0, counted from `began`.
    """

    epochs: int | None = None
    seconds: float | None = None
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.epochs is None and self.seconds is None:
            raise SettingError("epochs and seconds are both None, so the search would never end; give at least one")
        if self.epochs is not None:
            check_counts(epochs=self.epochs)
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise SettingError(f"seconds is {self.seconds!r}; it must be finite and above 0")

    def spent(self, epochs: float) -> float:
        """Share of the budget that is spent after so many epochs, in [0, 1]."""
        shares = [0.0]
        if self.epochs is not None:
            shares.append(epochs / self.epochs)
        if self.seconds is not None:
            shares.append((time.monotonic() - self.began) / self.seconds)
        return min(1.0, max(shares))

    def part(self, share: float) -> Budget:
        """The same epochs, in a share of the seconds."""
        return Budget(self.epochs, None if self.seconds is None else share * self.seconds, self.began)
