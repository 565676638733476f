"""What networks are built from, beside their family: enough to build one again that saved weights fit into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.artefact import State
from automl.errors import DataError
from automl.preprocessing.columns import Arrays
from automl.preprocessing.dense import DensePreparer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from automl.architectures.family import Family
    from automl.architectures.image_inputs import ImageNetwork
    from automl.architectures.inputs import TabularNet

    AnyNetwork = TabularNet | ImageNetwork

COUNTED_ROWS = 2


@dataclass(frozen=True)
class Blueprint:
    """Of a network for tables.

    Attributes
    ----------
    config: the family's hyperparameters.
    numbers: numeric columns after preparation.
    levels: levels of each categorical column, code 0 not counted.
    outputs: columns of its output.
    rows: training rows.
    snapshots: networks of a snapshot ensemble; 1 is a network alone.
    """

    config: dict[str, Any]
    numbers: int
    levels: tuple[int, ...]
    outputs: int
    rows: int
    snapshots: int = 1

    def build(self, family: Family, seed: int = 0) -> TabularNet:
        """A network with fresh weights."""
        from automl.architectures.inputs import tabular_network

        return tabular_network(
            family,
            self.config,
            numbers=self.numbers,
            levels=self.levels,
            outputs=self.outputs,
            rows=self.rows,
            seed=seed,
        )

    def blank(self) -> tuple[Tensor, Tensor]:
        """Inputs of a few rows, to count by."""
        import torch

        return torch.zeros(COUNTED_ROWS, self.numbers), torch.zeros(COUNTED_ROWS, len(self.levels), dtype=torch.int64)


@dataclass(frozen=True)
class ImageBlueprint:
    """Of a network for images.

    Attributes
    ----------
    config: the family's hyperparameters.
    image: channels, height and width of the images as they are stored.
    size: height and width that the network sees.
    mean, std: of each channel over the training images.
    outputs: columns of its output.
    rows: training images.
    snapshots: networks of a snapshot ensemble; 1 is a network alone.
    """

    config: dict[str, Any]
    image: tuple[int, int, int]
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    outputs: int
    rows: int
    snapshots: int = 1

    def build(self, family: Family, seed: int = 0) -> ImageNetwork:
        """A network with fresh weights."""
        from automl.architectures.image_inputs import image_network

        return image_network(
            family,
            self.config,
            channels=self.image[0],
            size=self.size,
            mean=self.mean,
            std=self.std,
            outputs=self.outputs,
            rows=self.rows,
            seed=seed,
        )

    def blank(self) -> tuple[Tensor, Tensor]:
        """A few images, to count by."""
        import torch

        return torch.zeros(COUNTED_ROWS, *self.image, dtype=torch.uint8), torch.zeros(COUNTED_ROWS, 0).long()


AnyBlueprint = Blueprint | ImageBlueprint


def read_blueprint(values: Mapping[str, Any]) -> AnyBlueprint:
    """The blueprint of fields as JSON has them."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return ImageBlueprint(**fields) if "image" in fields else Blueprint(**fields)


def empty(blueprint: AnyBlueprint, family: Family) -> nn.Module:
    """A module that a trained network's weights fit into."""
    from automl.architectures.snapshots import SnapshotEnsemble

    made = [blueprint.build(family) for _ in range(blueprint.snapshots)]
    return made[0] if blueprint.snapshots == 1 else SnapshotEnsemble(made)


@dataclass(frozen=True)
class ImagePreparer:
    """What stands in place of the preparation of tables: images go to the network as they are.

    Attributes
    ----------
    image: channels, height and width.
    """

    image: tuple[int, int, int]

    def transform(self, arrays: Arrays) -> NDArray[np.uint8]:
        """(n, channels, height, width)."""
        if arrays.images is None or arrays.images.shape[1:] != self.image:
            raise DataError(f"the model was fitted on images of {self.image} (channels, height, width); give the same")
        return arrays.images

    def codes(self, arrays: Arrays) -> NDArray[np.int32]:
        """(n, 0)."""
        return arrays.codes

    def state(self) -> State:
        return {"image": self.image}, {}


def read_preparer(state: State) -> DensePreparer | ImagePreparer:
    """The preparation of a state."""
    return ImagePreparer(tuple(state[0]["image"])) if "image" in state[0] else DensePreparer.from_state(*state)
