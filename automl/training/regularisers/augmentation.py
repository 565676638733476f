"""What may be done to a step's rows before a network learns from them: one kind a file, at most one at a time.

Codes cannot be mixed or moved, so all of it happens to the dense tensor between a network's front and its body. Each
member draws from a generator of its own, which follows from (seed, epoch).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from torch import Tensor, nn

from automl.architectures.image_inputs import ImageNetwork
from automl.architectures.inputs import TabularNet
from automl.errors import SettingError
from automl.training.data import Batch
from automl.training.recipe import Recipe
from automl.training.regularisers.adversarial import Adversarial
from automl.training.regularisers.cutmix import CutMix
from automl.training.regularisers.cutout import Cutout
from automl.training.regularisers.images import ImageAugmentation
from automl.training.regularisers.mixing import Generators, Objective
from automl.training.regularisers.mixup import Mixup


class Augmentation(Protocol):
    """A kind of augmentation.

    Attributes
    ----------
    passes: of each step's rows through the network.
    """

    @property
    def passes(self) -> int: ...

    def loss(self, network: TabularNet, batch: Batch, random: Generators, objective: Objective) -> Tensor:
        """The loss of a step.

        Parameters
        ----------
        network: one, or several along the members axis; in training mode.
        random: a generator for each member, from which it draws what it would draw alone.
        objective: of logits and the batch with their targets.
        """
        ...


AUGMENTATIONS: Mapping[str, Callable[[Recipe], Augmentation]] = MappingProxyType(
    {
        "mixup": lambda recipe: Mixup(recipe.mixup_alpha),
        "cutmix": lambda recipe: CutMix(recipe.cutmix_probability),
        "cutout": lambda recipe: Cutout(recipe.cutout_probability, recipe.cutout_share),
        "adversarial": lambda recipe: Adversarial(recipe.adversarial_epsilon),
    }
)
"""Name in `Recipe.augmentation` → the augmentation with the recipe's parameters."""


def augmentation_of(recipe: Recipe, network: nn.Module) -> Augmentation | ImageAugmentation | None:
    """The recipe's augmentation of what the network is fed, or None.

    Raises
    ------
    SettingError: the network has no dense input that could be augmented.
    """
    if isinstance(network, ImageNetwork):
        return ImageAugmentation.of(recipe)
    if recipe.augmentation == "none":
        return None
    if not isinstance(network, TabularNet) or network.front is None:
        raise SettingError(
            f"augmentation={recipe.augmentation!r} needs a network with a dense input, and {type(network).__name__} "
            'takes numbers and codes apart; set augmentation="none" in the recipe space of its family'
        )
    return AUGMENTATIONS[recipe.augmentation](recipe)
