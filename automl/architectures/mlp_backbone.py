"""Multilayer perceptron whose layers have widths and dropout rates of their own, as in Auto-Net 2.0 and Auto-PyTorch.

Sources: `mlpnet` of Mendoza et al. 2018, `MLPBackbone` of Zimmer et al. 2021 (arXiv:2006.13799). For a search of today,
`mlp` has the better space: this one is there so that the published systems can be run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl.architectures.family import Shape

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn


class MLPBackbone:
    """Linear → activation → dropout for each group, then a head."""

    name = "mlp_backbone"
    members = True

    def space(self) -> ConfigurationSpace:
        from automl.architectures.backbones import backbone_space

        return backbone_space(self.name)

    def build(
        self, shape: Shape, *, num_groups: int, activation: str, use_dropout: bool = False, **more: Any
    ) -> nn.Module:
        """A module from (…, shape.inputs) to (…, shape.outputs) logits.

        more: num_units_i, with dropout dropout_i, and what the head takes (see `backbones.with_head`).
        """
        from automl.architectures.backbones import chain, dropout_rates, taken, with_head

        widths = taken(more, "num_units", range(1, num_groups + 1))
        layers = chain(shape.inputs, widths, dropout_rates(use_dropout, more, num_groups), activation)
        return with_head(layers, widths[-1], shape.outputs, **more)
