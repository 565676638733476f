"""How wide the layers of a network are and how much they drop. Shared by the families that are chains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from automl.architectures.family import Shape
from automl.architectures.shapes import SHAPES, widths

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

EXPLICIT = "explicit"
UNITS = (16, 512)
"""Least and most units of a layer: what a CPU core trains in minutes."""


def add_widths(space: ConfigurationSpace, count: str, deepest: int, default: int) -> None:
    """Add `form`, `max_units` and `width_1` … `width_<deepest>` to a space that holds the integer `count`.

    `form` is "explicit" (each width is chosen by itself) or one of `SHAPES` (all follow from `max_units`).
    """
    from ConfigSpace import (
        AndConjunction,
        Categorical,
        EqualsCondition,
        GreaterThanCondition,
        Integer,
        NotEqualsCondition,
    )

    form = Categorical("form", [EXPLICIT, *SHAPES], default="brick")
    top = Integer("max_units", UNITS, log=True, default=default)
    each = [Integer(f"width_{i}", UNITS, log=True, default=default) for i in range(1, deepest + 1)]
    space.add(form, top, *each)
    space.add(NotEqualsCondition(top, form, EXPLICIT))
    for i, width in enumerate(each, start=1):
        chosen = EqualsCondition(width, form, EXPLICIT)
        if i == 1:
            space.add(chosen)
        else:
            space.add(AndConjunction(chosen, GreaterThanCondition(width, space[count], i - 1)))


def add_dropout(space: ConfigurationSpace) -> None:
    """Add `dropout`, the highest rate of a layer, and `dropout_shape`, how it changes over the layers."""
    from ConfigSpace import Categorical, Float

    weights = [0.65, *(0.05 for _ in SHAPES)]
    space.add(
        Float("dropout", (0.0, 0.6), default=0.1),
        Categorical("dropout_shape", ["constant", *SHAPES], default="constant", weights=weights),
    )


def hidden_widths(
    shape: Shape, form: str, count: int, max_units: int | None, explicit: Mapping[str, int]
) -> tuple[int, ...]:
    """Widths of `count` hidden layers.

    `explicit` holds exactly `width_1` … `width_<count>` when the form is "explicit", and nothing otherwise;
    anything else is a TypeError, as for any function called with wrong names.
    """
    wanted = [f"width_{i}" for i in range(1, count + 1)] if form == EXPLICIT else []
    if sorted(explicit) != sorted(wanted):
        raise TypeError(f"form {form!r} with {count} layers takes {wanted or 'no widths'}, got {sorted(explicit)}")
    if form == EXPLICIT:
        return tuple(int(explicit[name]) for name in wanted)
    if max_units is None:
        raise TypeError(f"form {form!r} needs max_units")
    # Capped, so that many one-hot inputs do not inflate the layers; the last width is the head's.
    return widths(form, count + 1, min(shape.inputs, max_units), shape.outputs, max_units)[:-1]
