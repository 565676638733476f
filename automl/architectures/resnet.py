"""Residual network for tables: groups of pre-activation blocks, each group of one width.

Sources: Auto-Net 2.0 (Mendoza et al. 2018), `resnet` and `shapedresnet`; Gorishniy et al. 2021
(arXiv:2106.11959) for residual networks as strong baselines on tables. Deviations: units are capped for CPUs,
one dropout rate for all blocks, no shake regularisation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.architectures.family import Shape
from automl.architectures.layers import add_widths, hidden_widths

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn


class ResNet:
    """Stem, groups × blocks, norm → activation → head."""

    name = "resnet"
    members = True

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

        space = ConfigurationSpace()
        space.add(
            Integer("n_groups", (1, 4), default=1),
            Integer("n_blocks", (1, 4), default=2),
            Categorical("activation", ["relu", "silu", "gelu", "selu"], default="relu"),
            Float("dropout", (0.0, 0.6), default=0.1),
        )
        add_widths(space, "n_groups", deepest=4, default=128)
        return space

    def build(
        self,
        shape: Shape,
        *,
        form: str,
        n_groups: int,
        n_blocks: int,
        activation: str,
        dropout: float,
        max_units: int | None = None,
        **widths: int,
    ) -> nn.Module:
        """A module from (…, shape.inputs) to (…, shape.outputs) logits."""
        from torch import nn

        from automl.architectures import blocks

        groups = hidden_widths(shape, form, n_groups, max_units, widths)
        inputs = groups[0]
        layers: list[nn.Module] = [nn.Linear(shape.inputs, inputs)]
        for width in groups:
            for _ in range(n_blocks):
                layers.append(blocks.Residual(inputs, width, act=activation, dropout=dropout))
                inputs = width
        head = nn.Linear(inputs, shape.outputs)
        return nn.Sequential(*layers, nn.BatchNorm1d(inputs), blocks.activation(activation), head)
