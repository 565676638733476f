"""The preparation that is searched for families that encode columns by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


def numbers_space(scalings: Sequence[str]) -> ConfigurationSpace:
    """Numbers imputed, marked and scaled; categories left alone, and no columns added, each of which costs time.

    Parameters
    ----------
    scalings: keys of `preprocessing.scale.SCALINGS`, the default first.
    """
    from ConfigSpace import Categorical, ConfigurationSpace

    space = ConfigurationSpace()
    space.add(
        Categorical("imputation", ["median", "mean"], default="median"),
        Categorical("missing_indicator", [True, False], default=True),
        Categorical("scaling", list(scalings), default=scalings[0]),
    )
    return space
