"""Pictures of cells as papers show them: states and operations as boxes, from left to right.

SVG is written here; a PNG is drawn from the same layout by matplotlib, where that is installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from automl.errors import GenotypeError

if TYPE_CHECKING:
    from automl.genotypes.genotype import Genotype

COLUMN, ROW, WIDTH, HEIGHT, MARGIN, TITLE = 128, 40, 96, 26, 20, 28
"""Pixels: between columns and rows, of a box, around all, of the title."""

LEAD, LIFT, FURTHER = 24, 28, 3
"""Pixels of a line that would run through boxes: within which it leaves their row, how far, and more a column."""

INK, STATE, END, OPERATION = "#1f2937", "#dbeafe", "#dcfce7", "#fef3c7"
FONT = "Helvetica, Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Box:
    """A box in a picture: text, colour, and its centre in pixels."""

    text: str
    colour: str
    x: float
    y: float


@dataclass(frozen=True)
class Picture:
    """What is drawn of a cell.

    Attributes
    ----------
    title: above it.
    nodes: texts of the states; the last is the output.
    links: (from, to, operation) between states; one without an operation is a plain line.
    """

    title: str
    nodes: tuple[str, ...]
    links: tuple[tuple[int, int, str], ...]

    def layout(self) -> tuple[list[Box], list[tuple[int, int, float]]]:
        """Boxes of states, then of operations, and the lines between them: from, to, and how far they are lifted.

        A state stands in the column of the longest way that leads to it, at the mean height of its operations, which
        stand in the column before. Lines that would run through other boxes are lifted above their row.
        """
        last, column = len(self.nodes) - 1, [0] * len(self.nodes)
        for a, b, text in sorted(self.links, key=lambda link: link[1]):
            column[b] = max(column[b], column[a] + (2 if text else 1))
        column[last] = max(column)
        named = [(a, b, text) for a, b, text in self.links if text]
        height: dict[int, float] = {}
        rows: dict[tuple[int, int], float] = {}
        for c in sorted(set(column)):
            slots: list[tuple[int, int]] = []  # (state, its operation or -1), from top to bottom
            for state in (s for s in range(last + 1) if column[s] == c):
                slots += [(state, k) for k, link in enumerate(named) if link[1] == state] or [(state, -1)]
            for row, slot in enumerate(slots):
                rows[slot] = row - (len(slots) - 1) / 2
            for state in {state for state, _ in slots}:
                own = [rows[slot] for slot in slots if slot[0] == state]
                height[state] = sum(own) / len(own)
        top = min([*rows.values(), *height.values()])

        def box(text: str, colour: str, c: int, row: float) -> Box:
            return Box(text, colour, MARGIN + WIDTH / 2 + c * COLUMN, MARGIN + TITLE + HEIGHT / 2 + (row - top) * ROW)

        boxes = [
            box(text, END if column[i] == 0 or i == last else STATE, column[i], height[i])
            for i, text in enumerate(self.nodes)
        ]
        lines = [(a, b) for a, b, text in self.links if not text]
        for k, (a, b, text) in enumerate(named):
            lines += [(a, len(boxes)), (len(boxes), b)]
            boxes.append(box(text, OPERATION, column[b] - 1, rows[b, k]))
        lifted = [(a, b, _lift(boxes, boxes[a], boxes[b])) for a, b in lines]
        above = max((0.75 * lift - min(boxes[a].y, boxes[b].y) for a, b, lift in lifted), default=0.0)
        down = max(0.0, above + min(b.y for b in boxes))
        return [replace(b, y=b.y + down) for b in boxes], lifted

    def size(self) -> tuple[float, float]:
        """Width and height in pixels."""
        boxes, _ = self.layout()
        return max(b.x for b in boxes) + WIDTH / 2 + MARGIN, max(b.y for b in boxes) + HEIGHT / 2 + MARGIN


def draw(genotype: Genotype, path: str | Path | None = None) -> str:
    """The picture of a genotype as SVG text; written to `path` if one is given, as its ending .svg or .png says."""
    text = _svg(genotype.pictures())
    if path is None:
        return text
    target = Path(path)
    if target.suffix == ".svg":
        target.write_text(text, encoding="utf-8")
    elif target.suffix == ".png":
        _png(genotype.pictures(), target)
    else:
        raise GenotypeError(f"cannot draw to {target.name!r}: the name must end in .svg or .png")
    return text


def _lift(boxes: Sequence[Box], start: Box, end: Box) -> float:
    """How far the curve between two boxes has to be lifted so that others do not hide it; 0 where none does."""
    slope = (end.y - start.y) / (end.x - start.x)
    between = [box for box in boxes if start.x < box.x < end.x]
    hidden = any(abs(start.y + slope * (box.x - start.x) - box.y) < HEIGHT / 2 for box in between)
    return LIFT + FURTHER * (end.x - start.x) / COLUMN if hidden else 0.0


def _curve(start: Box, end: Box, lift: float) -> tuple[tuple[float, float], ...]:
    """Four points of a cubic curve from the right side of one box to the left of another."""
    x0, x1 = start.x + WIDTH / 2, end.x - WIDTH / 2
    if lift:
        return (x0, start.y), (x0 + LEAD, start.y - lift), (x1 - LEAD, end.y - lift), (x1, end.y)
    middle = (x0 + x1) / 2
    return (x0, start.y), (middle, start.y), (middle, end.y), (x1, end.y)


def _svg(pictures: Sequence[Picture]) -> str:
    parts, top, width = [], 0.0, 0.0
    for picture in pictures:
        w, h = picture.size()
        parts.append(f'<g transform="translate(0 {top:.0f})">{"".join(_shapes(picture))}</g>')
        top, width = top + h, max(width, w)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {top:.0f}" width="{width:.0f}" '
        f'height="{top:.0f}" font-family="{FONT}" font-size="12" fill="{INK}">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _shapes(picture: Picture) -> Iterator[str]:
    boxes, lines = picture.layout()
    yield f'<text x="{MARGIN}" y="{MARGIN + 8}" font-weight="bold">{escape(picture.title)}</text>'
    for a, b, lift in lines:
        points = [f"{x:.0f} {y:.0f}" for x, y in _curve(boxes[a], boxes[b], lift)]
        yield f'<path d="M{points[0]} C{" ".join(points[1:])}" fill="none" stroke="{INK}"/>'
    for box in boxes:
        yield (
            f'<rect x="{box.x - WIDTH / 2:.0f}" y="{box.y - HEIGHT / 2:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
            f'fill="{box.colour}" stroke="{INK}"/>'
            f'<text x="{box.x:.0f}" y="{box.y + 4:.0f}" text-anchor="middle">{escape(box.text)}</text>'
        )


def _png(pictures: Sequence[Picture], path: Path) -> None:
    try:
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch, PathPatch
        from matplotlib.path import Path as Curve
    except ImportError as error:
        raise GenotypeError("a .png is drawn by matplotlib, which is not installed; draw to .svg instead") from error
    sizes = [p.size() for p in pictures]
    width, height = max(w for w, _ in sizes), sum(h for _, h in sizes)
    figure = Figure(figsize=(width / 100, height / 100), dpi=150)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    top = 0.0
    for picture, (_, h) in zip(pictures, sizes, strict=True):
        boxes, lines = picture.layout()
        axes.text(MARGIN, top + MARGIN + 8, picture.title, weight="bold", color=INK, size=9)
        for a, b, lift in lines:
            points = [(x, y + top) for x, y in _curve(boxes[a], boxes[b], lift)]
            axes.add_patch(PathPatch(Curve(points, [1, 4, 4, 4]), fc="none", ec=INK, lw=0.8))
        for box in boxes:
            corner, style = (box.x - WIDTH / 2, box.y - HEIGHT / 2 + top), "round,pad=0,rounding_size=6"
            axes.add_patch(
                FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle=style, fc=box.colour, ec=INK, lw=0.8, zorder=2)
            )
            axes.text(box.x, box.y + top, box.text, ha="center", va="center", size=7.5, color=INK, zorder=3)
        top += h
    figure.savefig(path)
