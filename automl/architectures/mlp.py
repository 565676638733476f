"""Multilayer perceptron: linear → norm → activation → dropout, as often as there are layers.

Sources: Auto-Net 2.0 (Mendoza et al. 2018), `mlpnet` and `shapedmlpnet`; the shape of the dropout from Auto-PyTorch
(Zimmer et al. 2021, arXiv:2006.13799). Deviations: units are capped for CPUs, dropout rates follow from one, modern
activations in place of sigmoid and tanh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.architectures.family import Shape
from automl.architectures.layers import add_dropout, add_widths, hidden_widths
from automl.architectures.layout import Layout
from automl.architectures.shapes import shares

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn


class MLP:
    """Multilayer perceptron with explicit or shaped widths."""

    name = "mlp"
    members = True
    widths = ("max_units", "width_")

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import Categorical, ConfigurationSpace, GreaterThanCondition, Integer

        space = ConfigurationSpace()
        space.add(
            Integer("n_layers", (1, 6), default=2),
            Categorical("activation", ["relu", "silu", "gelu", "selu"], default="silu"),
            Categorical("norm", ["batch", "layer", "none"], default="batch", weights=[0.4, 0.2, 0.4]),
        )
        add_dropout(space)
        space.add(GreaterThanCondition(space["dropout_shape"], space["n_layers"], 1))
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
        norm: str,
        dropout_shape: str = "constant",
        max_units: int | None = None,
        **widths: int,
    ) -> nn.Module:
        """A module from (…, shape.inputs) to (…, shape.outputs) logits."""
        from torch import nn

        from automl.architectures import blocks

        layers: list[nn.Module] = []
        inputs = shape.inputs
        rates = shares(dropout_shape, n_layers)
        for width, share in zip(hidden_widths(shape, form, n_layers, max_units, widths), rates, strict=True):
            layers += [
                blocks.linear_before(norm, inputs, width),
                *blocks.norm(norm, width),
                blocks.activation(activation),
                *blocks.dropout(dropout * share),
            ]
            inputs = width
        return nn.Sequential(*layers, nn.Linear(inputs, shape.outputs))

    def layout(
        self,
        shape: Shape,
        *,
        form: str,
        n_layers: int,
        activation: str,
        dropout: float,
        norm: str,
        dropout_shape: str = "constant",
        max_units: int | None = None,
        **widths: int,
    ) -> Layout:
        """The layers that `build` makes of the same hyperparameters."""
        from automl.genotypes.plan import Draft

        draft, at, place, modules = Draft((shape.inputs, 1, 1)), 0, 0, dict[str, str]()
        units = hidden_widths(shape, form, n_layers, max_units, widths)
        for i, (width, share) in enumerate(zip(units, shares(dropout_shape, n_layers), strict=True)):
            at = draft.linear(at, width, f"layer{i}.linear")
            modules[f"layer{i}.linear"] = str(place)
            if norm != "none":
                at = draft.norm(at, f"layer{i}.norm")
                modules[f"layer{i}.norm"] = str(place + 1)
            at = draft.relu(at, f"layer{i}.act")
            place += 2 + (norm != "none") + (dropout * share > 0)
        draft.linear(at, shape.outputs, "classifier")
        return Layout(draft.plan(), modules | {"classifier": str(place)}, (activation, norm), units)
