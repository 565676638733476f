"""Images are moved, mirrored, distorted, mixed and cut as said, and each by the random numbers of its member alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from automl.architectures.image_inputs import ImageNetwork
from automl.errors import SettingError
from automl.training.data import Batch
from automl.training.recipe import Recipe
from automl.training.regularisers.augmentation import augmentation_of
from automl.training.regularisers.images import ImageAugmentation


class Seen(nn.Module):
    """Keeps what it is fed; its logits are the mean of each channel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.images = x.detach().clone()
        return x.mean((2, 3))


def network(size: tuple[int, int] = (6, 6), channels: int = 3) -> ImageNetwork:
    return ImageNetwork(Seen(), [0.0] * channels, [1.0] * channels, size)


def images(n: int = 5, size: tuple[int, int] = (6, 6), channels: int = 3) -> torch.Tensor:
    values = torch.arange(n * channels * size[0] * size[1]) % 251
    return values.to(torch.uint8).view(n, channels, *size)


def fed(recipe: Recipe, x: torch.Tensor, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network sees, and the loss: the mean over rows of their target's logit."""

    def objective(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        each = logits[torch.arange(len(logits)), batch.targets]
        return (each if batch.weights is None else each * batch.weights).mean()

    net = network(tuple(x.shape[-2:]), x.shape[1])
    batch = Batch(x, torch.zeros(len(x), 0).long(), torch.arange(len(x)) % x.shape[1], None)
    augmentation: Any = augmentation_of(recipe, net)
    loss = augmentation.loss(net, batch, [np.random.default_rng(seed)], objective)
    return net.body.images, loss


def test_all_switched_off_is_no_augmentation() -> None:
    assert augmentation_of(Recipe(), network()) is None


def test_a_flip_mirrors_about_half_of_the_images_and_changes_nothing_else() -> None:
    x = images(400)
    seen, _ = fed(Recipe(flip=True), x)
    mirrored = (seen == x.flip(3)).flatten(1).all(1)
    assert ((seen == x).flatten(1).all(1) ^ mirrored).all()
    assert 160 <= int(mirrored.sum()) <= 240  # four standard deviations of a fair coin are 40


def test_a_crop_moves_each_image_by_at_most_its_share_and_reflects_at_the_border() -> None:
    x = torch.arange(8, dtype=torch.uint8).view(1, 1, 1, 8).expand(300, 1, 8, 8)
    seen, _ = fed(Recipe(crop=0.25), x)
    rows = {tuple(row) for row in seen[:, 0, 0].int().tolist()}
    assert rows == {
        (2, 1, 0, 1, 2, 3, 4, 5),
        (1, 0, 1, 2, 3, 4, 5, 6),
        (0, 1, 2, 3, 4, 5, 6, 7),
        (1, 2, 3, 4, 5, 6, 7, 6),
        (2, 3, 4, 5, 6, 7, 6, 5),
    }


def test_cutout_blanks_a_square_of_each_image_at_a_place_of_its_own() -> None:
    x = torch.full((50, 1, 10, 10), 9, dtype=torch.uint8)
    seen, _ = fed(Recipe(augmentation="cutout", cutout_probability=1.0, cutout_share=0.4), x)
    blank = (seen[:, 0] == 0).flatten(1).sum(1)
    assert blank.max() == 16
    assert blank.min() >= 4  # in a corner a quarter is left
    assert len({tuple(mask) for mask in (seen[:, 0] == 0).flatten(1).tolist()}) > 20


def test_cutmix_weighs_both_targets_by_area() -> None:
    x = torch.stack([torch.full((3, 10, 10), k * 10, dtype=torch.uint8) for k in range(6)])
    seen, loss = fed(Recipe(augmentation="cutmix", cutmix_probability=1.0), x, seed=3)
    other = (seen[1, 0] == 0).float().mean()  # pixels of the image before the second one, which is black
    assert 0 < other < 1
    means = seen.mean((2, 3))
    targets = torch.arange(6) % 3
    own, before = means[torch.arange(6), targets].mean(), means[torch.arange(6), targets.roll(1)].mean()
    torch.testing.assert_close(loss, (1 - other) * own + other * before)


def test_mixup_is_the_weighted_mean_of_neighbours() -> None:
    x = torch.stack([torch.full((1, 2, 2), k, dtype=torch.uint8) for k in (0, 100)])
    seen, _ = fed(Recipe(augmentation="mixup", mixup_alpha=1.0), x, seed=1)
    low, high = float(seen[0, 0, 0, 0]), float(seen[1, 0, 0, 0])
    assert low + high == pytest.approx(100)
    assert 0 < low <= 50


@pytest.mark.parametrize("channels", [1, 3])
def test_randaugment_changes_gray_and_coloured_images_and_keeps_their_shape(channels: int) -> None:
    x = images(32, (12, 12), channels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        seen, _ = fed(Recipe(randaugment=2, randaugment_magnitude=10), x)
    assert seen.shape == x.shape
    assert not torch.equal(seen, x.float())


def test_randaugment_leaves_images_of_other_channels_alone() -> None:
    x = images(4, channels=2)
    assert torch.equal(fed(Recipe(randaugment=1), x)[0], x.float())


def test_equal_generators_augment_equally() -> None:
    recipe = Recipe(flip=True, crop=0.2, augmentation="cutout", cutout_probability=0.5)
    assert torch.equal(fed(recipe, images())[0], fed(recipe, images())[0])
    assert not torch.equal(fed(recipe, images())[0], fed(recipe, images(), seed=1)[0])


@pytest.mark.parametrize("field", [{"crop": 0.5}, {"flip": 1}, {"randaugment": -1}, {"randaugment_magnitude": 0.5}])
def test_values_out_of_range_are_refused(field: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(field))):
        Recipe(**field)


def test_the_adversarial_form_takes_two_passes() -> None:
    made = ImageAugmentation.of(Recipe(augmentation="adversarial"))
    assert made is not None
    assert made.passes == 2
