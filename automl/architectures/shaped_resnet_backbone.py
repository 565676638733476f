"""Residual network whose widths and dropout rates follow one shape, as in Auto-Net 2.0 and Auto-PyTorch.

Sources: `shapedresnet` of Mendoza et al. 2018, `ShapedResNetBackbone` of Zimmer et al. 2021 (arXiv:2006.13799). As
there, the widest group has at least as many units as there are inputs. For a search of today, `resnet` has the better
space: this one is there so that the published systems can be run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl.architectures.family import Shape

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn


class ShapedResNetBackbone:
    """Stem, groups of residual blocks, norm → activation, then a head."""

    name = "shaped_resnet_backbone"
    members = True

    def space(self) -> ConfigurationSpace:
        from automl.architectures.backbones import backbone_space

        return backbone_space(self.name)

    def build(
        self,
        shape: Shape,
        *,
        resnet_shape: str,
        num_groups: int,
        blocks_per_group: int,
        max_units: int,
        activation: str,
        output_dim: int | None = None,
        use_dropout: bool = True,
        max_dropout: float = 0.0,
        use_shake_shake: bool = False,
        use_shake_drop: bool = False,
        max_shake_drop_probability: float = 0.0,
        **head: Any,
    ) -> nn.Module:
        """A module from (…, shape.inputs) to (…, shape.outputs) logits.

        Parameters
        ----------
        output_dim: where the shape ends, behind the last group; the logits' number when None.
        head: what the head takes, see `backbones.with_head`.
        """
        from automl.architectures.backbones import residual_groups, with_head
        from automl.architectures.shapes import shares, widths

        last = shape.outputs if output_dim is None else output_dim
        sizes = widths(resnet_shape, num_groups + 2, shape.inputs, last, max_units)[:-1]
        layers = residual_groups(
            shape,
            sizes,
            [blocks_per_group] * num_groups,
            [share * max_dropout * use_dropout for share in shares(resnet_shape, num_groups)],
            activation,
            use_shake_shake=use_shake_shake,
            use_shake_drop=use_shake_drop,
            max_shake_drop_probability=max_shake_drop_probability,
        )
        return with_head(layers, sizes[-1], shape.outputs, **head)
