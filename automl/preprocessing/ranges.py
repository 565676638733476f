"""Numbers that fit into float32: infinities clipped, large offsets removed, dull columns found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
EXACT = 2.0**24  # integers up to here are exact in float32
COARSE = 2.0**-10  # a spread below this share of the magnitude keeps fewer than 14 of float32's 24 bits
REACH = 1e15  # distances beyond this, or below its inverse, are measured in units of the reach
FURTHEST = 1e18  # bound of an output: its square is still finite in float32


@dataclass(frozen=True)
class Ranges:
    """What fit saw of k number columns; each array has shape (k,).

    Attributes
    ----------
    low, high: least and greatest finite value.
    centre: subtracted before the cast to float32; 0 unless the column needs it.
    unit: divided by before the cast; 1 unless the column lies beyond what float32 can hold.
    """

    low: Floats
    high: Floats
    centre: Floats
    unit: Floats

    def take(self, chosen: npt.NDArray[np.bool_]) -> Ranges:
        """The ranges of the chosen columns."""
        return Ranges(self.low[chosen], self.high[chosen], self.centre[chosen], self.unit[chosen])

    def part(self, where: slice) -> Ranges:
        """The ranges of neighbouring columns."""
        return Ranges(self.low[where], self.high[where], self.centre[where], self.unit[where])


def join(parts: list[Ranges]) -> Ranges:
    """The ranges of several blocks in a row."""
    empty = np.empty(0)
    low, high, centre, unit = (
        np.concatenate([empty, *(getattr(part, field) for part in parts)])
        for field in ("low", "high", "centre", "unit")
    )
    return Ranges(low, high, centre, unit)


def measure(block: Floats) -> tuple[Ranges, npt.NDArray[np.bool_]]:
    """Ranges of a block (n, k), and (k,) True where a column tells rows apart.

    A column is dull, and to be dropped, if it has no finite value or one value and nothing missing.
    """
    finite = np.isfinite(block)
    missing = np.zeros(block.shape[1], dtype=np.bool_)
    if finite.all():
        low, high = block.min(axis=0), block.max(axis=0)
    else:
        low = block.min(axis=0, where=finite, initial=np.inf)
        high = block.max(axis=0, where=finite, initial=-np.inf)
        missing |= np.isnan(block).any(axis=0)
    tells = (low < high) | ((low == high) & missing)
    low, high = np.where(tells, low, 0.0), np.where(tells, high, 0.0)
    centre = _centres(block, finite, low, high)
    with np.errstate(over="ignore"):
        reach = np.maximum(high - centre, centre - low)
    reach = np.where(np.isfinite(reach), reach, np.maximum(np.abs(low), np.abs(high)))
    extreme = (reach > 0) & ((reach > REACH) | (reach < 1 / REACH))
    return Ranges(low, high, centre, np.where(extreme, reach, 1.0)), tells


def _centres(block: Floats, finite: npt.NDArray[np.bool_], low: Floats, high: Floats) -> Floats:
    """(k,) the lower median where float32 would blur the differences between values, else 0.

    The median and not the middle of the range: one outlier must not move the centre away from the rest.
    """
    centre = np.zeros(block.shape[1])
    magnitude = np.maximum(np.abs(low), np.abs(high))
    with np.errstate(over="ignore"):
        needs = np.flatnonzero((low < high) & ((magnitude > EXACT) | (high - low < COARSE * magnitude)))
    if finite.all() and len(needs):
        centre[needs] = np.quantile(block[:, needs], 0.5, axis=0, method="lower")
        return centre
    for k in needs:
        centre[k] = np.quantile(block[finite[:, k], k], 0.5, method="lower")
    return centre


def condense(block: Floats, ranges: Ranges) -> npt.NDArray[np.float32]:
    """A block (n, k) of any floats as float32; ±inf becomes the end of the training range, NaN stays."""
    infinite = np.isinf(block)
    if infinite.any():
        ends = np.where(block > 0, ranges.high, ranges.low)
        block = np.where(infinite, ends, block)
    if (ranges.unit != 1).any():
        with np.errstate(over="ignore"):  # what overflows is clipped below
            block = block / ranges.unit
    if ranges.centre.any():
        block = block - ranges.centre / ranges.unit
    return np.clip(block, -FURTHEST, FURTHEST).astype(np.float32)
