"""A raw table of any make as two arrays, numbers and codes. Fitted once, without looking at y."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from automl.errors import ArtefactError, AutoNetError, DataError
from automl.preprocessing.categories import Level, encode, fit_levels, read_level, write_level
from automl.preprocessing.dates import Dates, date_format, fit_dates, load_dates
from automl.preprocessing.ranges import Ranges, condense, join, measure
from automl.preprocessing.table import Table, as_table, distinct, is_date, parse_numbers
from automl.preprocessing.text import Text, are_many_names, fit_text, is_text, load_text
from automl.preprocessing.wide import Wide, fit_wide, is_wide

NEARLY_ALL = 0.95  # share of the rows of a text column that must read as numbers for it to be one
FAINT = 1e-4  # share of the widest component's spread below which a component of a text is noise
FORMAT = 1  # of the saved state


@dataclass(frozen=True)
class Arrays:
    """A table as a network or a tree wants it.

    Attributes
    ----------
    numbers: (n, d) float32, NaN where missing.
    codes: (n, c) int32, 0 where missing or never seen in training, else 1..L of the column.
    wide: (n, k) sparse float32, what `numbers` were reduced from, of a sparse table too wide to be dense; else None.
    images: (n, channels, height, width) uint8, in place of columns; else None.
    """

    numbers: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]
    wide: sparse.csr_array | None = None
    images: npt.NDArray[np.uint8] | None = None

    @classmethod
    def of_images(cls, images: npt.NDArray[np.uint8]) -> Arrays:
        """Images (n, channels, height, width) without any columns."""
        n = len(images)
        return cls(np.empty((n, 0), np.float32), np.empty((n, 0), np.int32), images=images)

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: npt.NDArray[Any] | slice) -> Arrays:
        """The rows at these positions, or where a mask of shape (n,) is True."""
        wide = None if self.wide is None else self.wide[rows]
        images = None if self.images is None else self.images[rows]
        return Arrays(self.numbers[rows], self.codes[rows], wide, images)


@dataclass(frozen=True)
class _Category:
    position: int
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class _Derived:
    """A column that becomes several numbers; `keep` (f,) are those that tell rows apart."""

    position: int
    source: Dates | Text
    ranges: Ranges
    keep: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Fitted:
    """All that fit learned. The numbers are those of `numbers`, then those of each of `derived`."""

    names: tuple[str, ...]
    numbers: npt.NDArray[np.intp]
    ranges: Ranges
    categories: tuple[_Category, ...]
    derived: tuple[_Derived, ...]
    wide: Wide | None = None


@dataclass
class TableEncoder:
    """Raw table → `Arrays`.

    A sparse table that would take more than 512 MiB as a dense one is kept, and also reduced to 128 numbers a row.
    Numbers, booleans, durations (in seconds) and text of which at least 95 % reads as numbers become numbers.
    Dates, also those written as text, become about ten numbers each, free text ten. All else becomes categories,
    the most frequent first (see `fit_levels`); text of more than 255 levels also ten numbers that say how it is
    spelled. Columns without any information are dropped. Infinite numbers are
    clipped to the finite range of training. Numbers far from zero relative to their spread are centred before
    the cast to float32, so that large IDs and timestamps keep their differences as far as float64 holds them
    (integers up to 2⁵³).

    Examples
    --------
    >>> import pandas as pd
    >>> encoder = TableEncoder()
    >>> people = pd.DataFrame({"age": [31.0, None, 47.0], "town": ["Ulm", "Bonn", "Ulm"]})
    >>> arrays = encoder.fit_transform(people)
    >>> arrays.numbers.shape, arrays.codes.ravel().tolist(), encoder.levels
    ((3, 1), [1, 2, 1], (3,))
    """

    _fitted: _Fitted | None = field(default=None, repr=False)

    def fit(self, X: object) -> TableEncoder:
        """Learn the kinds, ranges and levels of the columns of X (n, d), a table of any sort.

        Raises
        ------
        DataError: X is no table of numbers, text, dates and categories; the message names column and cure.
        """
        if is_wide(X):
            wide = fit_wide(X)
            self._fitted = replace(_fit(as_table(wide.reduced(wide.scaled(X)))), wide=wide)
        else:
            self._fitted = _fit(as_table(X))
        return self

    def fit_transform(self, X: object) -> Arrays:
        """`fit`, then `transform` of the same rows."""
        return self.fit(X).transform(X)

    def transform(self, X: object) -> Arrays:
        """Encode a table (n, d) with the columns of fit, in the order of fit.

        Raises
        ------
        DataError: X has another number of columns, or a column of numbers now holds dates or the reverse.
        """
        fitted = self.fitted
        if fitted.wide is not None:
            rows = fitted.wide.scaled(X)
            return replace(_transform(as_table(fitted.wide.reduced(rows)), fitted), wide=rows)
        table = as_table(X)
        if len(table.names) != len(fitted.names):
            raise DataError(
                f"X has {len(table.names)} features, but TableEncoder is expecting {len(fitted.names)} features "
                "as input; pass the columns that were passed to fit, in the same order"
            )
        return _transform(table, fitted)

    @property
    def fitted(self) -> _Fitted:
        """What fit learned, for what writes it in another form."""
        if self._fitted is None:
            raise AutoNetError("this TableEncoder is not fitted; call fit(X) first")
        return self._fitted

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of codes of each categorical column, code 0 included."""
        return tuple(len(category.levels) + 1 for category in self.fitted.categories)

    @property
    def code_names(self) -> tuple[str, ...]:
        """Name of each column of `Arrays.codes`."""
        return tuple(self.fitted.names[category.position] for category in self.fitted.categories)

    @property
    def number_names(self) -> tuple[str, ...]:
        """Name of each column of `Arrays.numbers`; derived ones are `column_feature`."""
        fitted = self.fitted
        names = [fitted.names[position] for position in fitted.numbers]
        for part in fitted.derived:
            column, source = fitted.names[part.position], part.source
            features = source.features if isinstance(source, Dates) else [str(k) for k in range(source.width)]
            names += [f"{column}_{name}" for name, keep in zip(features, part.keep, strict=True) if keep]
        return tuple(names) if names or fitted.categories else ("constant",)

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """What fit learned as (a dictionary for JSON, arrays by name); holds no training row and needs no pickle."""
        return _write(self.fitted)

    @classmethod
    def from_state(cls, json: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> TableEncoder:
        """The encoder that gave this `state()`; it transforms to the same bits.

        Raises
        ------
        ArtefactError: the state is of another format, incomplete, or holds types that are not trusted.
        """
        return cls(_read(json, arrays))


def _fit(table: Table) -> _Fitted:
    plain = table.plain()
    is_number = plain.copy()
    categories: list[_Category] = []
    derived: list[_Derived] = []
    for position in np.flatnonzero(~plain).tolist():
        kind = _column_kind(table.series(position), table.names[position])
        if kind is None:
            is_number[position] = True
        elif isinstance(kind, tuple):
            if kind:
                categories.append(_Category(position, kind))
                derived += _spelled(position, table)
        else:
            derived += _derive(position, kind, table)
    positions, tells = np.flatnonzero(is_number), np.zeros(int(is_number.sum()), dtype=np.bool_)
    parts = []
    for where, block in table.blocks(positions):
        ranges, tells[where] = measure(block)
        parts.append(ranges)
    fitted = _Fitted(table.names, positions[tells], join(parts).take(tells), tuple(categories), tuple(derived))
    if not (tells.any() or categories or derived):
        warnings.warn(
            f"no column of X ({len(table.names)} columns, {table.rows} rows) tells its rows apart: each is "
            "constant, empty, or all different names; a column of zeros stands in, and every prediction will be "
            "the same",
            stacklevel=3,
        )
    return fitted


def _column_kind(column: pd.Series[Any], name: str) -> Dates | Text | tuple[Level, ...] | None:
    """What a column that is not stored as plain numbers becomes: None for numbers, levels for categories."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return fit_levels(column, name)
    if is_date(dtype):
        return fit_dates(column, name)
    if pd.api.types.is_numeric_dtype(dtype) or dtype.kind in "bm":
        return None
    codes, values = distinct(column, name)
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    rows = int(counts.sum())
    if rows == 0 or counts[~np.isnan(parse_numbers(values, name))].sum() >= NEARLY_ALL * rows:
        return None
    if pd.api.types.infer_dtype(values, skipna=True) in ("datetime", "datetime64", "date"):
        return fit_dates(column, name)
    form = date_format(values)
    if form is not None:
        return fit_dates(column, name, form)
    return fit_text(values) if is_text(values, rows) else fit_levels(column, name)


def _spelled(position: int, table: Table) -> list[_Derived]:
    """The spelling of a column of categories that are many names: its parts tell of levels that are rare or new."""
    _, values = distinct(table.series(position).astype(object), table.names[position])
    return _derive(position, fit_text(values), table) if are_many_names(values) else []


def _derive(position: int, source: Dates | Text, table: Table) -> list[_Derived]:
    """The numbers that a column becomes, or none if none of them tells rows apart."""
    block = source.transform(table.series(position), table.names[position])
    ranges, keep = measure(block)
    if isinstance(source, Text):  # components beyond the rank of the text are rounding, and scaling would raise it
        spread = ranges.high - ranges.low
        keep &= spread > FAINT * spread.max()
    return [_Derived(position, source, ranges.take(keep), keep)] if keep.any() else []


def _transform(table: Table, fitted: _Fitted) -> Arrays:
    own = len(fitted.numbers)
    width = own + sum(int(part.keep.sum()) for part in fitted.derived)
    stand_in = not width and not fitted.categories
    numbers = np.zeros((table.rows, 1 if stand_in else width), dtype=np.float32)
    for where, block in table.blocks(fitted.numbers):
        numbers[:, where] = condense(block, fitted.ranges.part(where))
    for part in fitted.derived:
        block = part.source.transform(table.series(part.position), fitted.names[part.position])
        columns = condense(block[:, part.keep], part.ranges)
        numbers[:, own : own + columns.shape[1]] = columns
        own += columns.shape[1]
    codes = np.zeros((table.rows, len(fitted.categories)), dtype=np.int32)
    for k, category in enumerate(fitted.categories):
        name = fitted.names[category.position]
        codes[:, k] = encode(table.series(category.position), category.levels, name)
    return Arrays(numbers, codes)


def _write(fitted: _Fitted) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    arrays: dict[str, npt.NDArray[Any]] = {
        "numbers": fitted.numbers.astype(np.int64),
        **_pack(fitted.ranges, ""),
    }
    if fitted.wide is not None:
        arrays |= {"wide.scale": fitted.wide.scale, "wide.directions": fitted.wide.directions}
    derived = []
    for k, part in enumerate(fitted.derived):
        arrays |= {f"derived.{k}": part.source.dump(), f"derived.{k}.keep": part.keep.astype(np.uint8)}
        arrays |= _pack(part.ranges, f"derived.{k}.")
        entry: dict[str, Any] = {"position": part.position, "kind": "text"}
        if isinstance(part.source, Dates):
            entry |= {"kind": "dates", "form": part.source.form, "zone": part.source.zone}
        derived.append(entry)
    categories = [
        {"position": category.position, "levels": [write_level(level) for level in category.levels]}
        for category in fitted.categories
    ]
    json = {"format": FORMAT, "names": list(fitted.names), "categories": categories, "derived": derived}
    return json, arrays


def _read(json: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> _Fitted:
    if json.get("format") != FORMAT:
        raise ArtefactError(f"a saved table encoder is of format {json.get('format')!r}, known is {FORMAT}")
    try:
        derived = []
        for k, entry in enumerate(json["derived"]):
            saved = arrays[f"derived.{k}"]
            dates = entry["kind"] == "dates"
            source = load_dates(saved, entry["form"], entry["zone"]) if dates else load_text(saved)
            ranges, keep = _unpack(arrays, f"derived.{k}."), arrays[f"derived.{k}.keep"].astype(np.bool_)
            derived.append(_Derived(int(entry["position"]), source, ranges, keep))
        categories = [
            _Category(int(entry["position"]), tuple(read_level(level) for level in entry["levels"]))
            for entry in json["categories"]
        ]
        positions, ranges = arrays["numbers"].astype(np.intp), _unpack(arrays, "")
        wide = Wide(arrays["wide.scale"], arrays["wide.directions"]) if "wide.scale" in arrays else None
        return _Fitted(tuple(json["names"]), positions, ranges, tuple(categories), tuple(derived), wide)
    except (KeyError, TypeError) as error:
        raise ArtefactError(f"a saved table encoder is incomplete: {error!r} is missing or malformed") from error


def _pack(ranges: Ranges, prefix: str) -> dict[str, npt.NDArray[Any]]:
    names = ("low", "high", "centre", "unit")
    return {f"{prefix}{name}": getattr(ranges, name) for name in names}


def _unpack(arrays: dict[str, npt.NDArray[Any]], prefix: str) -> Ranges:
    return Ranges(*(arrays[f"{prefix}{name}"] for name in ("low", "high", "centre", "unit")))
