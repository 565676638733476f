"""Multilayer perceptron whose widths and dropout rates follow one shape, as in Auto-Net 2.0 and Auto-PyTorch.

Sources: `shapedmlpnet` of Mendoza et al. 2018, `ShapedMLPBackbone` of Zimmer et al. 2021 (arXiv:2006.13799). As there,
the widest layer has at least as many units as there are inputs. For a search of today, `mlp` has the better space: this
one is there so that the published systems can be run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl.architectures.family import Shape

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn


class ShapedMLPBackbone:
    """Linear → activation → dropout for each group, then a head."""

    name = "shaped_mlp_backbone"
    members = True

    def space(self) -> ConfigurationSpace:
        from automl.architectures.backbones import backbone_space

        return backbone_space(self.name)

    def build(
        self,
        shape: Shape,
        *,
        mlp_shape: str,
        num_groups: int,
        max_units: int,
        activation: str,
        output_dim: int | None = None,
        use_dropout: bool = False,
        max_dropout: float = 0.0,
        **head: Any,
    ) -> nn.Module:
        """A module from (…, shape.inputs) to (…, shape.outputs) logits.

        Parameters
        ----------
        num_groups: layers; without `output_dim`, the last of them is the one that gives the logits.
        output_dim: width of the last group, in front of the head.
        head: what the head takes, see `backbones.with_head`.
        """
        from automl.architectures.backbones import chain, with_head
        from automl.architectures.shapes import shares, widths

        last = shape.outputs if output_dim is None else output_dim
        sizes = widths(mlp_shape, num_groups, shape.inputs, last, max_units)
        rates = [share * max_dropout * use_dropout for share in (*shares(mlp_shape, num_groups - 1), 0.0)]
        if output_dim is None:
            sizes, rates = sizes[:-1], rates[:-1]
        layers = chain(shape.inputs, sizes, rates, activation)
        return with_head(layers, (shape.inputs, *sizes)[-1], shape.outputs, **head)
