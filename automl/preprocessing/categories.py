"""Categories as codes: 0 for missing or never seen, 1..L for the levels seen in training."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.errors import ArtefactError
from automl.preprocessing.table import distinct

Level = str | int | float | bool | pd.Timestamp
Codes = npt.NDArray[np.int32]
FREE_LEVELS = 255  # up to here every level is kept
MOST_LEVELS = 10_000  # beyond it an embedding table would be larger than what it could learn


def fit_levels(column: pd.Series[Any], name: str) -> tuple[Level, ...]:
    """The levels of a column, the most frequent first, or in their own order for an ordered categorical.

    With more than 255 levels, those seen once are left out, and at most the 10,000 most frequent are kept:
    the others get code 0, which they share with what is missing or new, so that this code is trained. A column
    without levels, or with one level and nothing missing, tells nothing and gives ().
    """
    codes, values = _level_codes(column, name)
    counts = np.bincount(codes[codes >= 0], minlength=len(values)) if len(values) else np.zeros(0, dtype=np.intp)
    total: dict[Level, int] = {}
    for value, count in zip(values, counts.tolist(), strict=True):
        if count:
            total[value] = total.get(value, 0) + count
    if len(total) == 1 and sum(total.values()) == len(column):
        return ()
    ranked = sorted(total, key=lambda level: (-total[level], type(level).__name__, _comparable(level)))
    if len(ranked) > FREE_LEVELS:
        ranked = [level for level in ranked[:MOST_LEVELS] if total[level] > 1]
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        order = {value: place for place, value in enumerate(values)}
        ranked.sort(key=order.__getitem__)
    return tuple(ranked)


def encode(column: pd.Series[Any], levels: tuple[Level, ...], name: str) -> Codes:
    """Codes (n,) int32 of a column: its place among `levels` from 1 on, else 0."""
    codes, values = _level_codes(column, name)
    place = {level: code for code, level in enumerate(levels, start=1)}
    known = np.array([*(place.get(value, 0) for value in values), 0], dtype=np.int32)
    return known[codes]


def _level_codes(column: pd.Series[Any], name: str) -> tuple[npt.NDArray[Any], list[Level]]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), [as_level(value) for value in column.cat.categories.tolist()]
    codes, values = distinct(column, name)
    return codes, [as_level(value) for value in values]


def as_level(value: Any) -> Level:
    """A value as a type that JSON can hold and that compares as it did; an object of another type as its text."""
    if isinstance(value, np.datetime64 | datetime.datetime):
        return pd.Timestamp(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return value
    for plain in (int, float):
        if isinstance(value, plain):
            return plain(value)  # an enumeration's member is written as its number
    return str(value)


def _comparable(level: Level) -> Any:
    """The level, or the nanoseconds of a time: times with and without a zone cannot be compared."""
    return level.value if isinstance(level, pd.Timestamp) else level


def write_level(level: Level) -> list[str]:
    """A level as [type, text], exact for floats and nanoseconds."""
    if isinstance(level, pd.Timestamp):
        return ["time", level.isoformat()]
    if isinstance(level, float):
        return ["float", level.hex()]
    return [type(level).__name__, str(level)]


def read_level(written: list[str]) -> Level:
    """The level that `write_level` wrote.

    Raises
    ------
    ArtefactError: the type is none of those that are written.
    """
    kind, text = written
    if kind == "str":
        return text
    if kind == "int":
        return int(text)
    if kind == "bool":
        return text == "True"
    if kind == "float":
        return float.fromhex(text)
    if kind == "time":
        return pd.Timestamp(text)
    raise ArtefactError(f"a saved level is of type {kind!r}; known are str, int, bool, float and time")
