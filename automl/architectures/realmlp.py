"""RealMLP-TD: a multilayer perceptron with tuned defaults (Holzmüller et al. 2024, arXiv:2407.04491).

Constants are those of pytabkit 1.7 (`RealMLP_TD_CLASS`, `RealMLP_TD_REG`), ranges those of its search space.
Deviations: a full run has the epochs that it is given in place of 256, over which its schedules stretch; the epoch
is chosen by the validation loss that networks are trained on, not by the error rate. Values are learned five times as
fast as classes, as in the reference (0.2 and 0.04), whatever the recipe's learning rate is.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from automl.architectures.family import Shape
from automl.architectures.preparation import numbers_space

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn

HIDDEN: Mapping[str, tuple[int, ...]] = MappingProxyType({"3x256": (256,) * 3, "5x64": (64,) * 5, "1x512": (512,)})
BY_TASK = "by_task"
"""SELU for classes, Mish for values."""
VALUES_RATE = 5.0
"""Factor of the learning rate for values."""


class RealMLP:
    """Strong defaults in every part: preparation, first weights, embeddings, rates and schedules."""

    name = "realmlp"
    inputs = "columns"

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import Categorical, ConfigurationSpace, Float, NotEqualsCondition

        space = ConfigurationSpace()
        embedding = Categorical("embedding", ["pbld", "pl", "plr", "none"], default="pbld")
        sigma = Float("sigma", (0.05, 0.5), log=True, default=0.1)
        space.add(
            Categorical("hidden", list(HIDDEN), default="3x256", weights=[0.6, 0.2, 0.2]),
            Categorical("activation", [BY_TASK, "selu", "mish", "relu"], default=BY_TASK),
            Categorical("dropout", [0.0, 0.15, 0.3], default=0.15, weights=[0.3, 0.5, 0.2]),
            Categorical("front_scale", [True, False], default=True, weights=[0.6, 0.4]),
            embedding,
            sigma,
        )
        space.add(NotEqualsCondition(sigma, embedding, "none"))
        return space

    def recipe_space(self) -> ConfigurationSpace:
        from ConfigSpace import Categorical, ConfigurationSpace, Constant, Float

        space = ConfigurationSpace()
        space.add(
            Float("learning_rate", (1.5e-2, 1.5e-1), log=True, default=4e-2),
            Categorical("weight_decay", [0.0, 2e-2], default=2e-2),
            Categorical("label_smoothing", [0.0, 0.1], default=0.1, weights=[0.3, 0.7]),
            Constant("optimizer", "adamw"),
            Constant("beta2", 0.95),
            Constant("schedule", "coslog4"),
            Constant("warmup", 0.0),
            Constant("dropout_schedule", "flat_cosine"),
            Constant("weight_decay_schedule", "flat_cosine"),
            Constant("batch_size", 256),
            # The loss rises in mid-cycle and falls at the end of it, so patience would end runs too soon.
            Constant("patience", 1000),
        )
        return space

    def preparation_space(self) -> ConfigurationSpace:
        return numbers_space(["robust_clip"])

    def build(
        self,
        shape: Shape,
        *,
        hidden: str,
        activation: str,
        dropout: float,
        front_scale: bool,
        embedding: str,
        sigma: float | None = None,
    ) -> nn.Module:
        """A module from numbers and codes to (rows, shape.outputs) logits."""
        from automl.architectures.number_embeddings import PeriodicEmbeddings
        from automl.architectures.realmlp_network import RealMLPNetwork

        values = shape.outputs == 1
        embed = None
        if embedding != "none":
            if sigma is None:
                raise TypeError(f"embedding {embedding!r} needs sigma")
            if shape.numbers:
                embed = PeriodicEmbeddings(shape.numbers, embedding, sigma)
        by_task = "mish" if values else "selu"
        return RealMLPNetwork(
            shape,
            embed,
            hidden=HIDDEN[hidden],
            activation=by_task if activation == BY_TASK else activation,
            dropout=dropout,
            front_scale=front_scale,
            rate=VALUES_RATE if values else 1.0,
        )
