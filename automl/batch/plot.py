"""The best loss over time as a picture: numbers → places on a drawing, which the page turns into SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 520.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 12.0, 14.0, 38.0
"""Margins: the left one holds the labels of the losses, the lower one those of the seconds."""
MOST_TICKS = 5
LOGARITHMIC_FROM = 8.0
"""Ratio of the largest to the least loss from which the axis is logarithmic."""


@dataclass(frozen=True)
class Tick:
    """A place on an axis and what stands there."""

    at: float
    label: str


@dataclass(frozen=True)
class Point:
    """A place on the drawing, and what it stands for."""

    x: float
    y: float
    seconds: float
    loss: float


@dataclass(frozen=True)
class Plot:
    """A step curve, its axes, and the height of a horizontal line.

    Attributes
    ----------
    points: the improvements. path: the curve through them, as SVG has it; area: what is below it.
    x_ticks, y_ticks: along the lower and the left edge.
    line: height of the ensemble's loss.
    """

    points: tuple[Point, ...]
    path: str
    area: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    line: float
    logarithmic: bool
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def plot(curve: Sequence[tuple[float, float]], ensemble: float) -> Plot | None:
    """The drawing of a curve of (seconds, least loss so far) beside the loss of the ensemble; None without a curve."""
    if not curve or not math.isfinite(ensemble):
        return None
    end = max(curve[-1][0], 1e-9)
    losses = [loss for _, loss in curve] + [ensemble]
    low, high = min(losses), max(losses)
    logarithmic = low > 0 and high / low > LOGARITHMIC_FROM
    scale: Callable[[float], float] = math.log if logarithmic else float
    margin = 0.06 * (scale(high) - scale(low)) or 0.05 * abs(scale(high)) or 1.0
    bottom, top = scale(low) - margin, scale(high) + margin

    def x_of(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * seconds / end

    def y_of(loss: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (top - scale(loss)) / (top - bottom)

    places = [(x_of(seconds), y_of(loss)) for seconds, loss in curve]
    path = f"M{places[0][0]:.1f} {places[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in places[1:])
    area = f"{path}V{HEIGHT - BOTTOM:.1f}H{places[0][0]:.1f}Z"
    improvements = [k for k, (_, loss) in enumerate(curve) if k == 0 or loss < curve[k - 1][1]]
    points = tuple(Point(round(places[k][0], 1), round(places[k][1], 1), *curve[k]) for k in improvements)
    undo: Callable[[float], float] = math.exp if logarithmic else float
    marks = ticks_between(undo(bottom), undo(top), logarithmic=logarithmic)
    return Plot(
        points,
        path,
        area,
        tuple(Tick(round(x_of(at), 1), f"{at:g}") for at in ticks_between(0.0, end)),
        tuple(Tick(round(y_of(at), 1), f"{at:.4g}") for at in marks),
        round(y_of(ensemble), 1),
        logarithmic,
    )


def ticks_between(low: float, high: float, *, logarithmic: bool = False) -> list[float]:
    """At most five round numbers (1, 2 or 5 times a power of ten) in [low, high], evenly spaced on their axis.

    Examples
    --------
    >>> ticks_between(0.0, 47.0)
    [0.0, 10.0, 20.0, 30.0, 40.0]
    >>> ticks_between(0.03, 1.5, logarithmic=True)
    [0.05, 0.1, 0.2, 0.5, 1.0]
    """
    if logarithmic:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1, 2, 5), (1,)):
            found = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
            if len(found) <= MOST_TICKS:
                return found
        return found[:: math.ceil(len(found) / MOST_TICKS)]
    step = next(size for size in _sizes((high - low) / MOST_TICKS) if _count(low, high, size) <= MOST_TICKS)
    first = math.ceil(low / step)
    return [round((first + k) * step, 12) for k in range(_count(low, high, step))]


def _sizes(least: float) -> Sequence[float]:
    power = math.floor(math.log10(least))
    return [size * 10.0 ** (power + more) for more in (0, 1, 2) for size in (1, 2, 5)]


def _count(low: float, high: float, step: float) -> int:
    return math.floor(high / step) - math.ceil(low / step) + 1
