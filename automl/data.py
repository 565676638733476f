"""Tables from files and by name, and what their target column says about the kind of task."""

from __future__ import annotations

import difflib
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from automl.errors import DataError, SettingError, unknown

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("auto", "classification", "regression")
MOST_LABELS = 20
"""Whole numbers with at most so many distinct values are taken for labels."""

SKLEARN_TABLES: Mapping[str, str] = MappingProxyType(
    {
        "breast_cancer": "load_breast_cancer",
        "diabetes": "load_diabetes",
        "digits": "load_digits",
        "iris": "load_iris",
        "wine": "load_wine",
    }
)
"""Real tables that come with scikit-learn → the function that loads them."""

SEPARATORS: Mapping[str, str] = MappingProxyType({".csv": ",", ".tsv": "\t"})
READ = (".csv", ".tsv", ".parquet", ".arff", ".npz")
WRITTEN = (".csv", ".tsv", ".parquet")
NPZ_TARGET = "y"
"""What the target of a .npz file is called, and the array that holds it."""


def read_table(path: Path, target: str | None = None) -> pd.DataFrame:
    """The table in a .csv, .tsv (both may end in .gz), .parquet, .arff or .npz file.

    The first line of a text file names the columns. A .npz file holds arrays X (rows, columns) and y (rows,), which
    become columns x0, x1, … and y.

    Parameters
    ----------
    target: column whose text is taken as it is: NA and None may be names of classes, and only an empty cell is missing.
        Where all else in it is numbers, they are missing, too.

    Raises
    ------
    DataError: there is no such file, its name ends in something else, or it cannot be read as what its name says: also
        a text file of which columns share a name, or whose rows have more cells than there are names.
    """
    import pandas as pd

    ending = _ending(path, READ)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; check the path")
    try:
        if ending == ".parquet":
            table = pd.read_parquet(path)
        elif ending == ".arff":
            table = _read_arff(path)
        elif ending == ".npz":
            table = _read_npz(path)
        else:
            table = _read_text_table(path, SEPARATORS[ending])
            if target is not None and target in table and not pd.api.types.is_numeric_dtype(table[target]):
                table[target] = [word or None for word in read_text(path, [target], SEPARATORS[ending])[target]]
    except ImportError as error:
        raise DataError(f"{path}: reading parquet needs pyarrow; install it, or give a .csv file") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8 ({error}); save it in UTF-8") from error
    except (ValueError, OSError, zipfile.BadZipFile) as error:  # pandas', pyarrow's and scipy's errors are ValueErrors
        raise DataError(f"{path} cannot be read as {ending}: {error}; mend the file") from error
    table.columns = table.columns.map(str)
    if table.empty:
        raise DataError(f"{path} holds {table.shape[0]} rows and {table.shape[1]} columns; give at least one of each")
    return table


def _read_text_table(path: Path, separator: str) -> pd.DataFrame:
    import pandas as pd

    names = pd.read_csv(path, sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
    if len(names) == 1 and ";" in names[0]:
        raise ValueError(f"its columns are separated by ';' instead of {separator!r}, as its first line shows")
    # pandas would rename the second of two columns, which may be a copy of the target …
    if twice := [name for name in names[names.duplicated()].unique() if name]:
        raise ValueError(f"more than one column is called {_listed(twice)}; give each a name of its own")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:  # … and, but for `index_col`, take the first column for names of rows where the first line is one short
            return pd.read_csv(path, sep=separator, low_memory=False, index_col=False)
        except pd.errors.ParserWarning as error:
            raise ValueError(
                f"its rows have more cells than its first line has names ({len(names)}); name all columns"
            ) from error


def read_text(path: Path, columns: Sequence[str], separator: str = ",") -> dict[str, list[str]]:
    """Columns of a text file by name, as they are written; what is missing is the empty text."""
    import pandas as pd

    found = pd.read_csv(path, sep=separator, usecols=list(columns), dtype=str, keep_default_na=False)
    return {name: found[name].tolist() for name in columns}


def _read_arff(path: Path) -> pd.DataFrame:
    """Attributes that are numeric, nominal or dates; "?" is missing."""
    import pandas as pd
    from scipy.io import arff

    try:
        with path.open(encoding="utf-8") as file:
            rows, attributes = arff.loadarff(file)
    except (NotImplementedError, StopIteration) as error:  # text and relations; a file without attributes
        raise ValueError(f"{error or 'it ends early'}; write it as .csv instead") from error
    table = pd.DataFrame(rows)
    for name, kind in zip(attributes.names(), attributes.types(), strict=True):
        if kind == "nominal":
            words = table[name].str.decode("utf-8")
            table[name] = words.mask(words == "?")
    return table


def _read_npz(path: Path) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    with np.load(path, allow_pickle=False) as held:
        missing = [name for name in ("X", NPZ_TARGET) if name not in held.files]
        if missing:
            raise ValueError(f"it holds no array {' and no array '.join(missing)} (arrays: {', '.join(held.files)})")
        X, y = held["X"], held[NPZ_TARGET]
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise ValueError(f"X has the shape {X.shape} and y {y.shape}; they must be (rows, columns) and (rows,)")
    return pd.DataFrame(X, columns=[f"x{k}" for k in range(X.shape[1])]).assign(**{NPZ_TARGET: y})


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as .csv, .tsv (both may end in .gz) or .parquet, as the name of the file says; folders are made."""
    ending = _ending(path, WRITTEN)
    path.parent.mkdir(parents=True, exist_ok=True)
    if ending != ".parquet":
        table.to_csv(path, sep=SEPARATORS[ending], index=False)
        return
    try:
        table.to_parquet(path, index=False)
    except ImportError as error:
        raise DataError(f"{path}: writing parquet needs pyarrow; install it, or name a .csv file") from error


def _ending(path: Path, known: tuple[str, ...]) -> str:
    ending = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if ending not in known or (path.suffix.lower() == ".gz" and ending not in SEPARATORS):
        listed = f"{', '.join(known[:-1])} or {known[-1]}"
        raise DataError(f"{path}: a name ending in {path.suffix!r} says no format; give a {listed} file")
    return ending


def sklearn_table(name: str) -> pd.DataFrame:
    """A table that comes with scikit-learn; its last column is called target."""
    if name not in SKLEARN_TABLES:
        raise unknown("table of scikit-learn", name, SKLEARN_TABLES)
    from sklearn import datasets

    return getattr(datasets, SKLEARN_TABLES[name])(as_frame=True).frame


def split_target(table: pd.DataFrame, target: str) -> tuple[pd.DataFrame, pd.Series]:
    """Features and target of a table.

    Raises
    ------
    DataError: there is no such column, or no other one.
    """
    if target not in table.columns:
        near = difflib.get_close_matches(target, list(table.columns), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise DataError(f"the table has no column {target!r}{hint} (columns: {_listed(list(table.columns))})")
    if table.shape[1] < 2:
        raise DataError(f"the table has no column besides the target {target!r}; add features")
    return table.drop(columns=target), table[target]


def kind_of(y: pd.Series, wanted: str = "auto") -> str:
    """Classification or regression: as wanted, or else by the target's dtype and number of distinct values.

    Anything but numbers are labels. So are whole numbers with few distinct values that come back: at most 20, and
    at most half as many as there are rows.
    """
    import pandas as pd

    if wanted not in KINDS:
        raise unknown("kind", wanted, KINDS)
    if wanted != "auto":
        return wanted
    present = y.dropna()
    if pd.api.types.is_bool_dtype(y) or not pd.api.types.is_numeric_dtype(y):
        return "classification"
    distinct = present.nunique()
    labels = distinct <= min(MOST_LABELS, len(present) / 2) and bool((present % 1 == 0).all())
    return "classification" if labels else "regression"


def match_columns(table: pd.DataFrame, names: list[str], ignored: list[str]) -> pd.DataFrame:
    """The columns that a model was fitted on, in its order.

    Parameters
    ----------
    ignored: columns of the table that are no features, such as the target.

    Raises
    ------
    SettingError: an ignored column is a feature. DataError: a column is missing, or is neither feature nor ignored.
    """
    for column in ignored:
        if column in names:
            raise SettingError(f"column {column!r} is a feature of the model; it cannot be ignored")
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise DataError(f"the table lacks the column {_listed(missing)} that the model was fitted on; add it")
    extra = [name for name in table.columns if name not in names and name not in ignored]
    if extra:
        raise DataError(
            f"the model was not fitted on the column {_listed(extra)}; remove it from the table or pass "
            + " ".join(f"--ignore {name}" for name in extra[:10])
        )
    return table[names]


def _listed(names: list[str], most: int = 10) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
