"""What a budget buys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automl.errors import SettingError, unknown

AXES = ("epochs", "rows", "resolution", "width", "cells")
SQUARED = ("resolution", "width")
"""Axes whose cost grows with the square: pixels with the side of an image, weights with the filters of two layers."""


@dataclass(frozen=True)
class Resources:
    """Shares of a full run, in (0, 1].

    Attributes
    ----------
    epochs, rows: of the full number; rows are also images.
    resolution: of the side of an image; all of it for tables.
    width, cells: of the units or filters of a network, and of its cells or blocks; all where its family has none.
    """

    epochs: float = 1.0
    rows: float = 1.0
    resolution: float = 1.0
    width: float = 1.0
    cells: float = 1.0


@dataclass(frozen=True)
class Fidelity:
    """Axes along which a budget is spent.

    With several axes a budget is split geometrically, so that its share of the full cost stays what it says:
    1/9 buys 1/3 of the epochs on 1/3 of the rows. Resolution and width get the root of their part: a quarter of the
    cost is half of the side.
    """

    axes: tuple[str, ...] = ("epochs",)

    @classmethod
    def of(cls, axes: str | Sequence[str]) -> Fidelity:
        """Raises SettingError for a name that is not an axis, a name given twice, or none at all."""
        names = (axes,) if isinstance(axes, str) else tuple(axes)
        for name in names:
            if name not in AXES:
                raise unknown("fidelity", name, AXES)
        if not names or len(set(names)) < len(names):
            raise SettingError(f"fidelities {names!r} must name each of {AXES} at most once, and at least one")
        return cls(names)

    @property
    def continues(self) -> bool:
        """Whether a trial at a larger budget goes on where a smaller one ended; on more rows it begins anew."""
        return self.axes == ("epochs",)

    def at(self, budget: float) -> Resources:
        share = budget ** (1 / len(self.axes))
        return Resources(**{axis: share**0.5 if axis in SQUARED else share for axis in self.axes})
