"""Multilayer perceptron: linear → batch norm → activation → dropout, as often as there are layers.

Source: Auto-Net 2.0 (Mendoza et al. 2018), `mlpnet` and `shapedmlpnet`. Deviations: units are capped for CPUs,
one dropout rate for all layers, modern activations in place of sigmoid and tanh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.architectures.family import Shape
from automl.architectures.layers import add_widths, hidden_widths

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn


class MLP:
    """Multilayer perceptron with explicit or shaped widths."""

    name = "mlp"
    members = True

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

        space = ConfigurationSpace()
        space.add(
            Integer("n_layers", (1, 6), default=2),
            Categorical("activation", ["relu", "silu", "gelu", "selu"], default="silu"),
            Float("dropout", (0.0, 0.6), default=0.1),
            Categorical("batch_norm", [True, False], default=True),
        )
        add_widths(space, "n_layers", deepest=6, default=128)
        return space

    def build(
        self,
        shape: Shape,
        *,
        form: str,
        n_layers: int,
        activation: str,
        dropout: float,
        batch_norm: bool,
        max_units: int | None = None,
        **widths: int,
    ) -> nn.Module:
        """A module from (…, shape.inputs) to (…, shape.outputs) logits."""
        from torch import nn

        from automl.architectures import blocks

        layers: list[nn.Module] = []
        inputs = shape.inputs
        for width in hidden_widths(shape, form, n_layers, max_units, widths):
            # A bias before a batch norm has no effect: the norm subtracts it.
            layers.append(nn.Linear(inputs, width, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(blocks.activation(activation))
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            inputs = width
        return nn.Sequential(*layers, nn.Linear(inputs, shape.outputs))
