"""The rows of a fold as a network is trained and judged on them, and what they say about how it is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from automl.evaluation.blueprints import AnyBlueprint, Blueprint, ImageBlueprint, ImagePreparer
from automl.evaluation.class_weights import training_weight
from automl.evaluation.target import Target
from automl.preprocessing.dense import DensePreparer
from automl.preprocessing.labels import Labels
from automl.training.data import FoldData, Rows

if TYPE_CHECKING:
    from automl.preprocessing.columns import Arrays
    from automl.task import Task

COUNTED_AT_ONCE = 2**20
"""Pixels whose values are counted at once."""


@dataclass(frozen=True)
class Prepared:
    """What was learned from the training rows of a fold.

    Attributes
    ----------
    blueprint: of its network. preparer: of its inputs. target: how its outputs become predictions.
    """

    blueprint: AnyBlueprint
    preparer: DensePreparer | ImagePreparer
    target: Target


def prepared(
    task: Task,
    rows: NDArray[np.int64],
    valid: NDArray[np.int64],
    config: dict[str, Any],
    choices: Mapping[str, Any],
) -> tuple[Prepared, FoldData]:
    """What is learned from training rows, and both kinds of rows prepared by it.

    Parameters
    ----------
    config: hyperparameters of the family. choices: of the preparation; there are none for images.
    """
    train, y = task.arrays.take(rows), task.y[rows]
    target = Target.of(y, task.outputs)
    if train.images is None:
        labels = Labels(y, task.outputs)
        preparer, numbers = DensePreparer.fit_transform(train, task.gaps, levels=task.levels, labels=labels, **choices)
        levels = tuple(n - 1 for n in preparer.levels(task.levels))
        part = Prepared(Blueprint(config, preparer.width, levels, task.outputs, len(rows)), preparer, target)
    else:
        part, numbers = Prepared(_image_blueprint(train.images, config, task.outputs), _as_is(train), target), None
    learned = _rows(task, rows, train, part, training_weight(task, rows, choices), numbers)
    if not len(valid):
        return part, FoldData(learned, None)
    weight = None if task.weight is None else task.weight[valid]
    return part, FoldData(learned, _rows(task, valid, task.arrays.take(valid), part, weight))


def _as_is(arrays: Arrays) -> ImagePreparer:
    assert arrays.images is not None
    channels, height, width = arrays.images.shape[1:]
    return ImagePreparer((channels, height, width))


def _image_blueprint(images: NDArray[np.uint8], config: dict[str, Any], outputs: int) -> ImageBlueprint:
    mean, std = channel_statistics(images)
    channels, height, width = images.shape[1:]
    return ImageBlueprint(config, (channels, height, width), (height, width), mean, std, outputs, len(images))


def channel_statistics(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, counted exactly; the latter is 1 where a channel is constant.

    Examples
    --------
    >>> channel_statistics(np.array([[[[0, 10]]], [[[0, 10]]]], dtype=np.uint8))
    ((5.0,), (5.0,))
    """
    values = np.arange(256.0)
    mean, std = [], []
    at_once = max(1, COUNTED_AT_ONCE // images[0, 0].size)
    for channel in range(images.shape[1]):
        counts = np.zeros(256)
        for first in range(0, len(images), at_once):
            counts += np.bincount(images[first : first + at_once, channel].ravel(), minlength=256)
        centre = float(counts @ values / counts.sum())
        spread = float(counts @ (values - centre) ** 2 / counts.sum()) ** 0.5
        mean.append(centre)
        std.append(spread or 1.0)
    return tuple(mean), tuple(std)


def _rows(
    task: Task,
    rows: NDArray[np.int64],
    arrays: Arrays,
    part: Prepared,
    weight: NDArray[np.float64] | None,
    numbers: NDArray[Any] | None = None,
) -> Rows:
    """numbers: the arrays after preparation, where they are known already."""
    y = part.target.encode(task.y[rows])
    return Rows(
        torch.from_numpy(part.preparer.transform(arrays) if numbers is None else numbers),
        torch.from_numpy(part.preparer.codes(arrays).astype(np.int64)),
        torch.from_numpy(y.astype(np.int64 if task.classification else np.float32)),
        None if weight is None else torch.from_numpy(weight.astype(np.float32)),
    )
