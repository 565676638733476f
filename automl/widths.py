"""Networks for images as wide as there is time for: the work of a convolution grows with the square of its filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl.space import FAMILY

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.architectures.family import Family

STATED_FOR = 2e-5
"""Seconds of a full trial for each pixel of the training images that the widths of initial configurations are stated
for: six minutes for 17,000 images of 32×32."""
NARROWEST, WIDEST = 0.25, 2.0
"""Factors of the widths."""
MULTIPLE = 4
"""Of what filters are: kernels take 8 numbers at once, and all stages but the first have twice as many and more."""


def widened(
    space: ConfigurationSpace, config: Mapping[str, Any], families: Mapping[str, Family], seconds: float
) -> dict[str, Any]:
    """An initial configuration with filters for so many seconds a pixel, as far as the space has them.

    Examples
    --------
    >>> from automl.architectures.small_resnet import SmallResNet
    >>> from automl.space import complete, joint_space
    >>> family = SmallResNet()
    >>> space = joint_space([family])
    >>> stated = complete(space, {"small_resnet:width": 16})
    >>> [widened(space, stated, {"small_resnet": family}, s)["small_resnet:width"] for s in (5e-6, 2e-5, 1.0)]
    [8, 16, 32]
    """
    name, widths = config[FAMILY], getattr(families[config[FAMILY]], "widths", ())
    factor = min(WIDEST, max(NARROWEST, (seconds / STATED_FOR) ** 0.5))
    made = dict(config)
    for key, value in config.items():
        prefix, _, own = key.partition(":")
        if prefix == name and own.rstrip("0123456789") in widths:
            made[key] = _nearest(space[key], factor * value)
    return made


def _nearest(hp: Any, value: float) -> int:
    """The allowed value that is nearest, of two equally near ones the smaller; of a range a multiple of 4."""
    if hasattr(hp, "lower"):
        return int(min(hp.upper, max(hp.lower, MULTIPLE * round(value / MULTIPLE))))
    allowed = [hp.value] if hasattr(hp, "value") else getattr(hp, "sequence", None) or hp.choices
    return int(min(allowed, key=lambda each: (abs(each - value), each)))
