"""Augmentation of images: each is moved and flipped, some are distorted, and then mixed or cut.

Random crops and flips as in He et al. 2016 (arXiv:1512.03385), borders by reflection; RandAugment (Cubuk et al. 2020,
arXiv:1909.13719) by torchvision; mixup (Zhang et al. 2018, arXiv:1710.09412), CutMix (Yun et al. 2019,
arXiv:1905.04899) and cutout (DeVries & Taylor 2017, arXiv:1708.04552) of whole batches. Crops and flips are one look-up
for a batch: torchvision's own would call a function for every image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from automl.architectures.image_inputs import ImageNetwork
from automl.architectures.vision import torchvision
from automl.training.data import Batch
from automl.training.recipe import Recipe
from automl.training.regularisers.adversarial import Adversarial
from automl.training.regularisers.mixing import Generators, Objective, mixed_loss

GROUPS = 16
"""Parts of a batch that RandAugment distorts apart: one call an image would take longer than the step."""


class Mix(Protocol):
    """What is done to the standardised images of a step, and the loss of it."""

    passes: ClassVar[int]

    def loss(self, network: ImageNetwork, batch: Batch, random: Generators, objective: Objective) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class MixupImages:
    """Weighted means of pairs of images and of their losses, λ ~ Beta(α, α) for a batch."""

    alpha: float
    passes: ClassVar[int] = 1

    def loss(self, network: ImageNetwork, batch: Batch, random: Generators, objective: Objective) -> Tensor:
        dense = network.dense(batch.numbers, batch.codes)
        share = float(random[0].beta(self.alpha, self.alpha)) if self.alpha > 0 else 1.0
        own = dense.new_tensor([max(share, 1 - share)])
        return mixed_loss(network.body(own * dense + (1 - own) * dense.roll(1, 0)), batch, own, objective)


@dataclass(frozen=True, slots=True)
class CutMixImages:
    """A box comes from another image, whose target counts as much as its area; the box's area is ~ U(0, 1)."""

    probability: float
    passes: ClassVar[int] = 1

    def loss(self, network: ImageNetwork, batch: Batch, random: Generators, objective: Objective) -> Tensor:
        dense = network.dense(batch.numbers, batch.codes)
        height, width = dense.shape[-2:]
        area = random[0].random() if random[0].random() < self.probability else 0.0
        (top, bottom), (left, right) = (_span(random[0], side, area**0.5) for side in (height, width))
        mixed = dense.clone()
        mixed[:, :, top:bottom, left:right] = dense.roll(1, 0)[:, :, top:bottom, left:right]
        own = dense.new_tensor([1 - (bottom - top) * (right - left) / (height * width)])
        return mixed_loss(network.body(mixed), batch, own, objective)


@dataclass(frozen=True, slots=True)
class CutoutImages:
    """A square of each image is blanked, at a place of its own; `share` is its side over the image's."""

    probability: float
    share: float
    passes: ClassVar[int] = 1

    def loss(self, network: ImageNetwork, batch: Batch, random: Generators, objective: Objective) -> Tensor:
        dense = network.dense(batch.numbers, batch.codes)
        inside = []
        for side in dense.shape[-2:]:
            offset = np.arange(side) - random[0].integers(0, side, len(dense))[:, None]
            inside.append((offset >= -self.share * side / 2) & (offset < self.share * side / 2))
        cut = random[0].random(len(dense)) < self.probability
        box = inside[0][:, :, None] & inside[1][:, None, :] & cut[:, None, None]
        kept = torch.from_numpy(~box[:, None]).to(dense.device)
        return objective(network.body(dense * kept), batch)


MIXES: Mapping[str, Callable[[Recipe], Mix]] = MappingProxyType(
    {
        "mixup": lambda recipe: MixupImages(recipe.mixup_alpha),
        "cutmix": lambda recipe: CutMixImages(recipe.cutmix_probability),
        "cutout": lambda recipe: CutoutImages(recipe.cutout_probability, recipe.cutout_share),
        "adversarial": lambda recipe: Adversarial(recipe.adversarial_epsilon),
    }
)
"""Name in `Recipe.augmentation` → what it means for images."""


@dataclass(frozen=True, slots=True)
class ImageAugmentation:
    """Moves, flips and distorts the images of a step, then mixes them.

    Attributes
    ----------
    crop: share of the side by which an image is moved at most, in [0, 0.5).
    flip: whether half of the images are mirrored from left to right.
    operations, magnitude: of RandAugment; for images with one channel or three.
    mix: what follows, or None.
    """

    crop: float
    flip: bool
    operations: int
    magnitude: int
    mix: Mix | None

    @classmethod
    def of(cls, recipe: Recipe) -> ImageAugmentation | None:
        """The recipe's augmentation, or None where all of it is off."""
        mix = None if recipe.augmentation == "none" else MIXES[recipe.augmentation](recipe)
        if not (recipe.crop or recipe.flip or recipe.randaugment or mix):
            return None
        return cls(recipe.crop, recipe.flip, recipe.randaugment, recipe.randaugment_magnitude, mix)

    @property
    def passes(self) -> int:
        """Of each step's rows through the network."""
        return 1 if self.mix is None else self.mix.passes

    def loss(self, network: ImageNetwork, batch: Batch, random: Generators, objective: Objective) -> Tensor:
        """The loss of a step; see `regularisers.augmentation.Augmentation`."""
        changed = replace(batch, numbers=self._distorted(self._moved(batch.numbers, random[0])))
        if self.mix is not None:
            return self.mix.loss(network, changed, random, objective)
        return objective(network(changed.numbers, changed.codes), changed)

    def _moved(self, images: Tensor, generator: np.random.Generator) -> Tensor:
        if not (self.crop or self.flip):
            return images
        n, channels, *sides = images.shape
        rows, columns = (self._places(n, side, generator) for side in sides)
        if self.flip:
            mirrored = generator.random(n) < 0.5
            columns[mirrored] = columns[mirrored, ::-1]
        each, channel = np.arange(n)[:, None, None, None], np.arange(channels)[None, :, None, None]
        index = (each, channel, rows[:, None, :, None], columns[:, None, None, :])
        return images[tuple(torch.from_numpy(np.ascontiguousarray(i)).to(images.device) for i in index)]

    def _places(self, n: int, side: int, generator: np.random.Generator) -> np.ndarray:
        """The pixels of a side that each image shows, (n, side); beyond the border they are reflected."""
        most = round(self.crop * side)
        moved = np.arange(side) + generator.integers(-most, most + 1, n)[:, None]
        moved = np.abs(moved)
        return np.minimum(moved, 2 * (side - 1) - moved) if side > 1 else np.zeros_like(moved)

    def _distorted(self, images: Tensor) -> Tensor:
        if not self.operations or images.shape[1] not in (1, 3):
            return images
        torchvision()
        from torchvision.transforms import v2

        transform = v2.RandAugment(self.operations, self.magnitude)
        return torch.cat([transform(part) for part in images.chunk(GROUPS)])


def _span(generator: np.random.Generator, side: int, share: float) -> tuple[int, int]:
    """First and last pixel, the latter excluded, of a part of a side around a random centre."""
    half, centre = share * side / 2, generator.uniform(0, side)
    return round(max(0.0, centre - half)), round(min(float(side), centre + half))
