"""The plug point for networks: a family declares its space and builds from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.trial import Configuration


IMAGES = "images"
"""What the inputs of a family for images are called."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network is built for.

    Attributes
    ----------
    inputs: width of the dense input, encoded categories included; at least 1. Columns for a family that takes them.
    outputs: logits per row: the number of classes (2 for a binary task), or 1 for regression.
    rows: training rows, for families that size themselves by them; at least 1.
    numbers: numeric columns after preparation.
    levels: levels of each categorical column, code 0 (missing or unseen) not counted; for "ordinal" inputs these are
        the last columns, for "one-hot" there are none left.
    """

    inputs: int
    outputs: int
    rows: int
    numbers: int = 0
    levels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageShape:
    """What a network for images is built for.

    Attributes
    ----------
    channels, height, width: of an image as the network sees it; each at least 1.
    outputs: logits per image: the number of classes.
    rows: training images.
    """

    channels: int
    height: int
    width: int
    outputs: int
    rows: int


@runtime_checkable
class Family(Protocol):
    """A kind of model: what can be chosen about it, and how a choice becomes a model.

    `build` is called as `build(shape, **config)` with the active hyperparameters of `space` and nothing
    else, so that a name that drifts is a TypeError. It returns a `torch.nn.Module` that maps
    (rows, shape.inputs) float32 to (rows, shape.outputs) logits, a scikit-learn estimator, or a
    `learner.Learner`, which knows by itself how it is fitted and kept. Random
    numbers may be drawn from torch's global generator, which is seeded around the call. A module may also give
    (rows, k, shape.outputs): k predictions of each row, each trained on its own loss, whose mean counts.

    A module whose first weights or constants depend on the training rows has a method `prime(*inputs, targets)`. It
    is called once before the first step, in evaluation mode and without gradients, with what `forward` takes and the
    targets as they are trained on: all rows of a table, or the first thousand images. What it sets must be parameters
    or buffers of shapes that do not depend on rows: a saved model is built and loaded without it.

    Optional attributes
    -------------------
    members: bool, False when absent. True says that several networks of one configuration may be trained
        as one (see `stacking.stack`): the forward pass must then hold for any leading dimensions, with
        features last, and only use leaves that `stack` knows.

    inputs: what `build`'s model is fed, "dense" when absent: a network gets numbers and encoded categories as one
        dense tensor. One that encodes by itself says "columns" and is called as `module(numbers, codes)`, (rows,
        shape.numbers) float32 and (rows, categorical columns) int64. A scikit-learn estimator says "one-hot"
        (prepared numbers, then a column a level) or "ordinal" (raw numbers with NaN, then codes). A network for images
        says "images": `build` gets an `ImageShape`, and its module maps (rows, channels, height, width) float32,
        standardised by channel, to logits.
    widths: names of hyperparameters, without the numbers that they may end in, which a share of the fidelity "width"
        multiplies; none when absent.
    cells: name → least value of the hyperparameters that a share of the fidelity "cells" multiplies.
    genotypes: the definition of what may be chosen of its architecture (`automl.genotypes.spaces.Definition`), where
        `space` is made from one.
    budgeted: bool, True when absent. False says that a share of the epochs buys nothing less, so that a promoted
        trial is its parent over again and need not be trained.
    takes_wide: bool, False when absent. True says that a scikit-learn estimator takes sparse inputs of any width: a
        table too wide to be dense is given to it as it is, beside what it was reduced to.
    divisible: bool, False when absent. True says that a full run is a mean of independent parts, such as trees: as the
        folds of a trial are averaged, each then takes a part of a full run only.
    recipe_space, preparation_space: methods that give a fresh space of `training.recipe.Recipe` and of
        `preprocessing.choices.Preparation` for this family alone, in place of those that families share.
    restore: method that makes a learner from its `state()`, for families whose `build` gives one.
    package: name of the library that the family needs, where it comes with an optional extra of AutoNet.
    recipe: method that turns a configuration of `recipe_space` into fields of `Recipe`, called as
        `recipe(rows, **config)` with the number of training rows, where the two have other names.
    trusted: names of types that skops may load beside its own, for estimators of other libraries.

    Examples
    --------
    >>> from ConfigSpace import ConfigurationSpace
    >>> from torch import nn
    >>> class Wide:
    ...     name = "wide"
    ...
    ...     def space(self):
    ...         return ConfigurationSpace({"width": (16, 256)})
    ...
    ...     def build(self, shape, *, width):
    ...         first = nn.Linear(shape.inputs, width)
    ...         return nn.Sequential(first, nn.ReLU(), nn.Linear(width, shape.outputs))
    >>> Wide().build(Shape(inputs=4, outputs=3, rows=100), width=16)[2].out_features
    3
    """

    @property
    def name(self) -> str:
        """Unique, lower case; the value of `family` in configurations."""
        ...

    def space(self) -> ConfigurationSpace:
        """A fresh space; ConfigSpace is imported inside, since a saved model must load without it."""
        ...

    def build(self, shape: Any, **config: Any) -> Any:
        """shape: a `Shape`, or an `ImageShape` for images."""
        ...


def members(family: Family) -> bool:
    """Whether networks of the family may be stacked along the members axis."""
    return bool(getattr(family, "members", False))


def inputs_of(family: Family) -> str:
    """What a family is fed: "dense", "columns" or "images" (networks), "one-hot" or "ordinal" (estimators)."""
    return getattr(family, "inputs", "dense")


def is_network(family: Family) -> bool:
    """Whether the family builds networks, which are trained by epochs."""
    return inputs_of(family) in ("dense", "columns", IMAGES)


def takes_images(family: Family) -> bool:
    """Whether the family builds networks for images."""
    return inputs_of(family) == IMAGES


def native(config: Configuration) -> dict[str, Any]:
    """The configuration with NumPy scalars turned into Python values."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in config.items()}
