"""Residual network whose groups have widths and dropout rates of their own, as in Auto-Net 2.0 and Auto-PyTorch.

Sources: `resnet` of Mendoza et al. 2018, `ResNetBackbone` of Zimmer et al. 2021 (arXiv:2006.13799). For a search of
today, `resnet` has the better space: this one is there so that the published systems can be run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl.architectures.family import Shape

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn


class ResNetBackbone:
    """Stem, groups of residual blocks, norm → activation, then a head."""

    name = "resnet_backbone"
    members = True

    def space(self) -> ConfigurationSpace:
        from automl.architectures.backbones import backbone_space

        return backbone_space(self.name)

    def build(
        self,
        shape: Shape,
        *,
        num_groups: int,
        activation: str,
        blocks_per_group: int | None = None,
        use_dropout: bool = True,
        use_shake_shake: bool = False,
        use_shake_drop: bool = False,
        max_shake_drop_probability: float = 0.0,
        **more: Any,
    ) -> nn.Module:
        """A module from (…, shape.inputs) to (…, shape.outputs) logits.

        Parameters
        ----------
        blocks_per_group: of all groups; None where blocks_per_group_i says it of each.
        more: num_units_0 of the stem and num_units_i, dropout_i and blocks_per_group_i of the groups, and what the
            head takes (see `backbones.with_head`).
        """
        from automl.architectures.backbones import dropout_rates, residual_groups, taken, with_head

        groups = range(1, num_groups + 1)
        widths = taken(more, "num_units", (0, *groups))
        if blocks_per_group is None:
            counts = taken(more, "blocks_per_group", groups)
        else:
            counts = [blocks_per_group] * num_groups
        layers = residual_groups(
            shape,
            widths,
            counts,
            dropout_rates(use_dropout, more, num_groups),
            activation,
            use_shake_shake=use_shake_shake,
            use_shake_drop=use_shake_drop,
            max_shake_drop_probability=max_shake_drop_probability,
        )
        return with_head(layers, widths[-1], shape.outputs, **more)
