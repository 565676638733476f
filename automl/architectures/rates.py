"""Learning rates and weight decays of single parameters, as factors of the recipe's.

Some layers need rates of their own: RealMLP (Holzmüller et al. 2024, arXiv:2407.04491) trains its scale layer six
times as fast as its weights and its biases a tenth as fast. A module says so of its own direct parameters by
`self.rates: dict[str, Rate]`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import nn

from automl.errors import SettingError


@dataclass(frozen=True, slots=True)
class Rate:
    """What a parameter makes of the recipe.

    Attributes
    ----------
    learning_rate: factor of the recipe's learning rate, ≥ 0.
    decay: factor of the recipe's weight decay, ≥ 0. None is the usual rule: 1 for weights of two or more dimensions,
        0 for biases and norms.
    """

    learning_rate: float = 1.0
    decay: float | None = None

    def __post_init__(self) -> None:
        for name in ("learning_rate", "decay"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise SettingError(f"{name}={value!r} of a parameter's rate is a factor and must be in [0, inf)")


def parameter_rates(network: nn.Module) -> dict[str, Rate]:
    """The rates of all parameters of an ordinary network by full name, with the usual rule for decays filled in.

    Raises
    ------
    SettingError: a module names a parameter that it does not have.

    Examples
    --------
    >>> layer = nn.Linear(3, 2)
    >>> layer.rates = {"bias": Rate(learning_rate=0.1)}
    >>> parameter_rates(nn.Sequential(layer))
    {'0.weight': Rate(learning_rate=1.0, decay=1.0), '0.bias': Rate(learning_rate=0.1, decay=0.0)}
    """
    declared: dict[str, Rate] = {}
    for path, module in network.named_modules():
        own = dict(module.named_parameters(recurse=False))
        for name, rate in getattr(module, "rates", {}).items():
            if name not in own:
                raise SettingError(
                    f"{type(module).__name__} at {path or 'the top'!r} has a rate for {name!r}, which is no parameter "
                    f"of its own (it has {', '.join(own) or 'none'})"
                )
            declared[f"{path}.{name}".lstrip(".")] = rate
    return {name: _filled(declared.get(name, Rate()), p.dim()) for name, p in network.named_parameters()}


def _filled(rate: Rate, dimensions: int) -> Rate:
    return rate if rate.decay is not None else replace(rate, decay=1.0 if dimensions >= 2 else 0.0)
