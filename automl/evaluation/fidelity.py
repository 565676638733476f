"""What a budget buys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automl.errors import SettingError, unknown

AXES = ("epochs", "rows")


@dataclass(frozen=True)
class Resources:
    """Shares of a full run, in (0, 1]."""

    epochs: float = 1.0
    rows: float = 1.0


@dataclass(frozen=True)
class Fidelity:
    """Axes along which a budget is spent.

    With several axes a budget is split geometrically, so that its share of the full cost stays what it says:
    1/9 buys 1/3 of the epochs on 1/3 of the rows.
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
        return Resources(**dict.fromkeys(self.axes, share))
