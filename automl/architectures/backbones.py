"""What the backbones of Auto-Net 2.0 and Auto-PyTorch share: numbered hyperparameters, residual groups and heads.

Sources: Mendoza et al. 2018, "Towards Automatically-Tuned Deep Neural Networks"; Zimmer et al. 2021 (arXiv:2006.13799),
whose names the hyperparameters have. Spaces are those of Auto-PyTorch, in configs/spaces/autopytorch.toml.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from automl.architectures.family import Shape
from automl.settings import space_settings

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn


def backbone_space(name: str) -> ConfigurationSpace:
    """The space of a backbone in Auto-PyTorch."""
    return space_settings("autopytorch").part(name)


def taken(values: dict[str, Any], name: str, numbers: Iterable[int]) -> list[Any]:
    """`name_i` for each number, taken out of the values.

    Raises
    ------
    TypeError: one is missing, as for any function called without an argument.
    """
    names = [f"{name}_{i}" for i in numbers]
    if missing := [each for each in names if each not in values]:
        raise TypeError(f"missing hyperparameters: {', '.join(missing)}")
    return [values.pop(each) for each in names]


def chain(inputs: int, widths: Sequence[int], rates: Sequence[float], activation: str) -> list[nn.Module]:
    """Linear → activation → dropout, once for each width."""
    from torch import nn

    from automl.architectures import blocks

    layers: list[nn.Module] = []
    for width, rate in zip(widths, rates, strict=True):
        layers += [nn.Linear(inputs, width), blocks.activation(activation), *blocks.dropout(rate)]
        inputs = width
    return layers


def residual_groups(
    shape: Shape,
    widths: Sequence[int],
    counts: Sequence[int],
    rates: Sequence[float],
    activation: str,
    *,
    use_shake_shake: bool,
    use_shake_drop: bool,
    max_shake_drop_probability: float,
) -> list[nn.Module]:
    """Stem → groups of residual blocks → norm → activation.

    Parameters
    ----------
    widths: of the stem, then of each group.
    counts, rates: blocks of each group, and the rate of their dropout.
    """
    from torch import nn

    from automl.architectures import blocks
    from automl.architectures.shake import drop_probabilities

    style = blocks.ResidualStyle(activation, shake_shake="shake_shake" if use_shake_shake else None)
    drops = iter(drop_probabilities(max_shake_drop_probability if use_shake_drop else 0.0, sum(counts)))
    inputs = widths[0]
    layers: list[nn.Module] = [nn.Linear(shape.inputs, inputs)]
    for width, count, rate in zip(widths[1:], counts, rates, strict=True):
        for _ in range(count):
            layers.append(blocks.Residual(inputs, width, style, dropout=rate, shake_drop=next(drops)))
            inputs = width
    return [*layers, *blocks.norm("batch", inputs), blocks.activation(activation)]


def with_head(
    layers: Sequence[nn.Module],
    inputs: int,
    outputs: int,
    *,
    head_layers: int = 1,
    head_activation: str = "relu",
    init: str = "none",
    init_bias: str = "zero",
    **units: Any,
) -> nn.Module:
    """The layers, whose last width is `inputs`, and a head of `head_layers` linear maps to the outputs.

    Raises
    ------
    TypeError: `units` are not exactly head_units_1 … head_units_<head_layers − 1>.
    """
    from torch import nn

    from automl.architectures.first_weights import begin

    widths = taken(units, "head_units", range(1, head_layers))
    if units:
        raise TypeError(f"unexpected hyperparameters: {', '.join(units)}")
    hidden = chain(inputs, widths, [0.0] * len(widths), head_activation)
    network = nn.Sequential(*layers, *hidden, nn.Linear([inputs, *widths][-1], outputs))
    for leaf in network.modules():
        if isinstance(leaf, nn.Linear):
            begin(leaf, init, init_bias)
    return network


def dropout_rates(use_dropout: bool, values: dict[str, Any], groups: int) -> list[float]:
    """`dropout_i` of each group, taken out of the values; zeros where there is no dropout."""
    return taken(values, "dropout", range(1, groups + 1)) if use_dropout else [0.0] * groups
