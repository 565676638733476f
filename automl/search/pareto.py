"""Error against the size of networks: which trials nothing beats in both, and their picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from automl.errors import SettingError
from automl.search.offspring import grows, parameters

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Trial

WIDTH, HEIGHT, MARGIN = 520, 320, 52
INK, OTHER, FRONT = "#1f2937", "#9ca3af", "#dc2626"


def front(space: ConfigurationSpace, history: History) -> tuple[Trial, ...]:
    """Finished trials at the largest budget that no other beats in both parameters and loss, the smallest first.

    Of two that are equal in both, the earlier one counts. Reference networks, which a space may hold beside families of
    genotypes, have no size that is known here, and are left out.
    """
    trials = _finished(space, history)
    points = [(parameters(space, t.config), t.loss) for t in trials]
    return tuple(trials[i] for i in non_dominated(points))


def non_dominated(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points that no other is as good as in both coordinates, by the first coordinate.

    Points of which a coordinate is no number count for nothing.
    """
    kept: list[int] = []
    least = math.inf
    known = (i for i, point in enumerate(points) if not any(map(math.isnan, point)))
    for i in sorted(known, key=lambda i: (*points[i], i)):
        if points[i][1] < least:
            least = points[i][1]
            kept.append(i)
    return kept


def draw_front(space: ConfigurationSpace, history: History, path: str | Path | None = None) -> str:
    """All finished trials and the front among them as SVG text, with parameters on a logarithmic axis.

    Parameters
    ----------
    path: where it is written, too; its ending .svg or .png says how. A PNG is drawn by matplotlib.
    """
    trials = _finished(space, history)
    points = [(parameters(space, t.config), t.loss) for t in trials]
    if not points:
        raise SettingError("no trial has finished, so that there is no front to draw")
    best = non_dominated(points)
    text = _svg(points, best)
    if path is None:
        return text
    target = Path(path)
    if target.suffix == ".svg":
        target.write_text(text, encoding="utf-8")
    elif target.suffix == ".png":
        _png(points, best, target)
    else:
        raise SettingError(f"cannot draw to {target.name!r}: the name must end in .svg or .png")
    return text


def _finished(space: ConfigurationSpace, history: History) -> list[Trial]:
    sized = [t for t in history.done if grows(space, t.config)]
    top = max((t.budget for t in sized), default=1.0)
    return [t for t in sized if t.budget == top]


def _svg(points: Sequence[tuple[float, float]], best: Sequence[int]) -> str:
    sizes, losses = [math.log10(size) for size, _ in points], [loss for _, loss in points]

    def x(size: float) -> float:
        share = (math.log10(size) - min(sizes)) / ((max(sizes) - min(sizes)) or 1.0)
        return MARGIN + share * (WIDTH - 2 * MARGIN)

    def y(loss: float) -> float:
        share = (loss - min(losses)) / ((max(losses) - min(losses)) or 1.0)
        return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)

    def dot(i: int) -> str:
        size, loss = points[i]
        colour = FRONT if i in best else OTHER
        title = escape(f"{size:,} parameters, loss {loss:.4g}")
        return f'<circle cx="{x(size):.1f}" cy="{y(loss):.1f}" r="4" fill="{colour}"><title>{title}</title></circle>'

    corners: list[str] = []
    for i in best:  # a step curve: a larger network is worth its size from where it stands
        corners += [
            f"{x(points[i][0]):.1f},{y(points[j][1]):.1f}" for j in ([best[best.index(i) - 1]] if corners else [])
        ]
        corners.append(f"{x(points[i][0]):.1f},{y(points[i][1]):.1f}")
    labels = "".join(
        f'<text x="{at:.1f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{escape(f"{10**size:,.0f}")}</text>'
        for at, size in {x(10**s): s for s in (min(sizes), max(sizes))}.items()
    ) + "".join(
        f'<text x="{MARGIN - 8}" y="{at + 4:.1f}" text-anchor="end">{loss:.3g}</text>'
        for at, loss in {y(value): value for value in (min(losses), max(losses))}.items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="{INK}">'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<path d="M{MARGIN},{MARGIN} V{HEIGHT - MARGIN} H{WIDTH - MARGIN}" fill="none" stroke="{INK}"/>'
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">parameters</text>'
        f'<text x="{MARGIN}" y="{MARGIN - 14}">loss</text>{labels}'
        f'<polyline points="{" ".join(corners)}" fill="none" stroke="{FRONT}"/>'
        f"{''.join(dot(i) for i in range(len(points)))}</svg>\n"
    )


def _png(points: Sequence[tuple[float, float]], best: Sequence[int], path: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SettingError("a .png is drawn by matplotlib, which is not installed; draw to .svg instead") from error
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=150, layout="constrained")
    axes = figure.subplots()
    sizes, losses = zip(*points, strict=True)
    axes.scatter(sizes, losses, color=OTHER, s=14)
    at, height = [sizes[i] for i in best], [losses[i] for i in best]
    axes.step(at, height, where="post", color=FRONT, marker="o", markersize=4)
    axes.set(xscale="log", xlabel="parameters", ylabel="loss")
    figure.savefig(path)
