"""A raw table of any kind, seen as columns: float64 blocks of numbers, or one pandas Series at a time."""

from __future__ import annotations

import collections.abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from automl.errors import DataError

Floats = npt.NDArray[np.float64]
Data = npt.NDArray[Any] | sparse.csc_array[Any] | pd.DataFrame
BLOCK_CELLS = 1 << 21  # cells converted at once: 16 MiB of float64, so that a tall table is never copied whole


@dataclass(frozen=True)
class Table:
    """A checked raw table.

    Attributes
    ----------
    data: numeric array (n, d), CSC matrix (n, d), or DataFrame with d columns.
    names: a name per column as text; duplicates are allowed, columns are addressed by position.
    """

    data: Data
    names: tuple[str, ...]

    @property
    def rows(self) -> int:
        return int(self.data.shape[0])

    def plain(self) -> npt.NDArray[np.bool_]:
        """(d,) True where the column is stored as numpy numbers or booleans."""
        if not isinstance(self.data, pd.DataFrame):
            return np.ones(len(self.names), dtype=np.bool_)
        return np.array([isinstance(t, np.dtype) and t.kind in "fiub" for t in self.data.dtypes], dtype=np.bool_)

    def series(self, position: int) -> pd.Series[Any]:
        """One column, as it came."""
        if isinstance(self.data, pd.DataFrame):
            return self.data.iloc[:, position]
        return pd.Series(self._dense(np.array([position]))[:, 0])

    def blocks(self, positions: npt.NDArray[np.intp]) -> Iterator[tuple[slice, Floats]]:
        """The columns at `positions` as float64 blocks (n, k), with where they lie among `positions`.

        Infinite entries stay; what is missing or no number is NaN.
        """
        width = max(1, BLOCK_CELLS // max(1, self.rows))
        plain = self.plain()
        for start in range(0, len(positions), width):
            chosen = positions[start : start + width]
            yield slice(start, start + len(chosen)), self._floats(chosen, plain[chosen])

    def _floats(self, positions: npt.NDArray[np.intp], plain: npt.NDArray[np.bool_]) -> Floats:
        if not isinstance(self.data, pd.DataFrame):
            return np.asarray(self._dense(positions), dtype=np.float64)
        if plain.all():
            return self.data.iloc[:, positions].to_numpy(dtype=np.float64)
        block = np.empty((self.rows, len(positions)))
        if plain.any():
            block[:, plain] = self.data.iloc[:, positions[plain]].to_numpy(dtype=np.float64)
        for k in np.flatnonzero(~plain):
            position = int(positions[k])
            block[:, k] = as_floats(self.data.iloc[:, position], self.names[position])
        return block

    def _dense(self, positions: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        assert not isinstance(self.data, pd.DataFrame)
        first, last = int(positions[0]), int(positions[-1]) + 1
        chosen = slice(first, last) if last - first == len(positions) else positions
        part: Any = self.data[:, chosen]  # type: ignore[index]  # the stubs know no slices of columns
        return np.asarray(part if isinstance(part, np.ndarray) else part.toarray())


def as_table(X: object) -> Table:
    """Check a raw table and bring it into one of three forms.

    Raises
    ------
    DataError: X is not two-dimensional, has no row or no column, holds complex numbers, or has ragged rows.
    """
    data = _two_dimensional(X)
    rows, columns = data.shape
    if columns == 0:
        raise DataError(
            f"X has 0 feature(s) (shape=({rows}, 0)) while a minimum of 1 is required; pass a column at least"
        )
    if rows == 0:
        raise DataError(
            f"X has 0 sample(s) (shape=(0, {columns})) while a minimum of 1 is required; pass a row at least"
        )
    if isinstance(data, pd.DataFrame):
        named = isinstance(X, pd.DataFrame) or hasattr(X, "to_pandas")
        names = tuple(str(name) if named else f"x{j}" for j, name in enumerate(data.columns))
        for name, dtype in zip(names, data.dtypes, strict=True):
            if isinstance(dtype, np.dtype) and dtype.kind == "c":
                raise _complex(f"column {name!r}", dtype)
        return Table(data, names)
    return Table(data, tuple(f"x{j}" for j in range(columns)))


def unwrapped(X: Any) -> Any:
    """X, of which NumPy would lose nothing: tables of polars and pyarrow as frames, masked entries as missing ones."""
    if isinstance(X, np.ma.MaskedArray):
        number = X.dtype.kind in "fiub"
        whole = np.array(X.data, dtype=np.float64 if number else object)
        whole[np.ma.getmaskarray(X)] = np.nan if number else None
        return whole
    if hasattr(X, "to_pandas") and not hasattr(X, "iloc"):
        return X.to_pandas()
    return X


def _two_dimensional(X: Any) -> Data:
    X = unwrapped(X)
    if isinstance(X, pd.DataFrame):
        return X
    if sparse.issparse(X):
        matrix: Any = sparse.csc_array(X)  # type: ignore[call-overload]  # the stubs' issparse is too narrow
        if matrix.dtype.kind == "c":
            raise _complex("X", matrix.dtype)
        return matrix
    if isinstance(X, collections.abc.Sequence) and not isinstance(X, str | bytes) and _holds_rows(X):
        return pd.DataFrame([list(row) for row in X])
    array = np.asarray(X)
    if array.dtype.kind == "c":
        raise _complex("X", array.dtype)
    if array.ndim == 0 or array.dtype.kind not in "fiubOUSMm":
        raise DataError(
            f"X is no table but {type(X).__name__} of type {array.dtype}; pass a DataFrame, an array (rows, columns) "
            "of numbers, text or dates, a sparse matrix, or a list of rows"
        )
    if array.ndim != 2:
        raise DataError(
            f"X is {array.ndim}-dimensional (shape={array.shape}), a table has rows and columns. Reshape your "
            "data: X.reshape(-1, 1) if it is one column, X.reshape(1, -1) if it is one row"
        )
    if array.dtype.kind in "fiub":
        return array
    if array.dtype.kind == "O":
        try:  # one cast for a wide table; what is not all numbers is looked at column by column
            return array.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            return pd.DataFrame(array)
    return pd.DataFrame(array.astype(object) if array.dtype.kind in "US" else array)


def _holds_rows(X: collections.abc.Sequence[Any]) -> bool:
    """Whether X is a sequence of rows of one length; ragged rows are an error."""
    if not X or not all(isinstance(row, list | tuple | np.ndarray) and np.ndim(row) >= 1 for row in X):
        return False
    lengths = sorted({len(row) for row in X})
    if len(lengths) > 1:
        raise DataError(
            f"the rows of X have {lengths[0]} to {lengths[-1]} entries; give every row as many as the others"
        )
    return True


def as_floats(column: pd.Series[Any], name: str) -> Floats:
    """A column of any type as float64 (n,): durations in seconds, text parsed; no number is NaN.

    Raises
    ------
    DataError: the column holds dates, which are never read as numbers.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = pd.Series(column.cat.categories.astype(object))
        return np.append(as_floats(categories, name), np.nan)[column.cat.codes]
    if dtype.kind == "m":
        return column.dt.total_seconds().to_numpy(dtype=np.float64, na_value=np.nan)
    if pd.api.types.is_numeric_dtype(dtype) or dtype.kind == "b":
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if is_date(dtype):
        if column.isna().all():
            return np.full(len(column), np.nan)
        raise DataError(f"column {name!r} is of type {dtype} but was fitted as numbers; convert it as it was for fit")
    codes, levels = distinct(column, name)
    return np.append(parse_numbers(levels, name), np.nan)[codes]


def is_date(dtype: Any) -> bool:
    """Whether a column of this type holds points in time, by any of the libraries."""
    return bool(pd.api.types.is_datetime64_any_dtype(dtype)) or str(dtype).startswith("date32")


def distinct(column: pd.Series[Any], name: str) -> tuple[npt.NDArray[np.intp], list[Any]]:
    """Codes (n,) of each row into the distinct values; −1 where missing.

    Raises
    ------
    DataError: cells hold lists, arrays or other things that cannot be compared.
    """
    try:
        codes, levels = pd.factorize(column)
    except (TypeError, NotImplementedError) as error:  # pyarrow's nested types raise the latter
        raise DataError(
            f"column {name!r} (type {column.dtype}) holds nested values ({error}); every cell must be one "
            "number, text, date or category: spread lists and arrays over columns of their own"
        ) from error
    return codes, levels.tolist()


def parse_numbers(levels: list[Any], name: str) -> Floats:
    """Distinct values as float64: numbers, booleans, text that reads as numbers, seconds; NaN for all else."""
    values: npt.NDArray[Any] = np.empty(len(levels), dtype=object)
    values[:] = levels
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if any(isinstance(value, complex | np.complexfloating) for value in levels):
        raise _complex(f"column {name!r}", np.dtype(complex))
    if kind == "timedelta":
        return np.asarray(pd.to_timedelta(pd.Series(values)).dt.total_seconds(), dtype=np.float64)
    if kind in ("datetime", "datetime64", "date"):
        return np.full(len(levels), np.nan)
    try:
        return np.asarray(pd.to_numeric(values, errors="coerce"), dtype=np.float64)
    except OverflowError as error:
        raise DataError(
            f"column {name!r} holds an integer beyond 1.8e308 ({error}); pass its logarithm, or text if it is an ID"
        ) from error


def _complex(what: str, dtype: object) -> DataError:
    return DataError(
        f"Complex data not supported: {what} is of type {dtype}; pass real and imaginary parts as two columns"
    )
