"""A task file: one table to learn from, as flat keys in TOML → a frozen dataclass.

# tasks/wine.toml: the file is called as the task is.
data = "sklearn:wine"    # what comes with scikit-learn, "openml:31" or "openml:credit-g" from scikit-learn's cache,
                         # or a .csv, .tsv, .parquet, .arff or .npz file, by its path from the task file
target = "target"        # the column to predict; named tables and .npz files (y) know theirs
kind = "classification"  # or "regression"; by default "auto", which goes by the target; "images" where data is a folder
                         # with a subfolder of images for each class: then there is no target
test_share = 0.25        # the default: share of the rows that are kept for the test
metric = "accuracy"      # and every other parameter of the estimators that TOML can say, such as
time_limit = 20          # time_limit, n_trials, memory_limit, preset, optimizer, families, random_state
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.data import KINDS, NPZ_TARGET, SKLEARN_TABLES, read_table, sklearn_table, split_target
from automl.errors import TasksRefused, unknown

if TYPE_CHECKING:
    import pandas as pd

    from automl.base import AutoNet

SKLEARN, OPENML = "sklearn:", "openml:"
IMAGES = "images"
"""Kind of a task whose data is a folder of images."""
OWN = ("data", "target", "kind", "test_share")
"""Keys that are no parameters of the estimators."""
TEXTS = ("data", "target", "kind", "device", "knowledge", "metric", "optimizer", "preset", "search_space")
LISTS = ("families", "fidelities", "warm_start")
"""Keys whose values are text, and those that may also be lists or tables."""
BACKSLASH = ": in double quotes a backslash begins a special character; put a path in single quotes, or write it with /"
OF_THE_BATCH = ("store", "verbose")
"""Parameters of the estimators that are the batch's to set."""


@dataclass(frozen=True)
class TaskFile:
    """One table to learn from.

    Attributes
    ----------
    path: of the file; its stem is the task's name, which also names the folder with its results.
    data: "sklearn:NAME", "openml:NAME", or the absolute path of a file or of a folder of images.
    target: column to predict; None for what knows its own.
    kind: "classification", "regression", "images" or "auto".
    test_share: share of the rows that are kept for the test, in (0, 1).
    settings: parameters of the estimator.
    """

    path: Path
    data: str
    target: str | None = None
    kind: str = "auto"
    test_share: float = 0.25
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def seed(self) -> int:
        """Of the split, and of the search."""
        return int(self.settings.get("random_state", 0))

    def load(self) -> tuple[pd.DataFrame, pd.Series]:
        """Features and target; of images their paths and classes.

        Raises
        ------
        DataError: the table or the folder cannot be read, or has no such column.
        """
        if self.kind == IMAGES:
            return _folder(Path(self.data))
        if self.data.startswith(OPENML):
            from automl.openml import openml_table

            table, target = openml_table(self.data.removeprefix(OPENML))
        elif self.data.startswith(SKLEARN):
            table, target = sklearn_table(self.data.removeprefix(SKLEARN)), "target"
        else:
            table, target = read_table(Path(self.data), self.target), NPZ_TARGET
        return split_target(table, self.target or target)


def _folder(folder: Path) -> tuple[pd.DataFrame, pd.Series]:
    import pandas as pd

    from automl.images.files import class_folders

    paths, labels = class_folders(folder)
    return pd.DataFrame({"path": list(map(str, paths))}), pd.Series(labels, name="class")


def estimator_of(kind: str) -> type[AutoNet]:
    """The estimator for tasks of a kind: "images", "regression", or anything else for a classification of tables."""
    import automl

    names = {IMAGES: "AutoNetImageClassifier", "regression": "AutoNetRegressor"}
    made: type[AutoNet] = getattr(automl, names.get(kind, "AutoNetClassifier"))
    return made


def read_task(path: Path) -> TaskFile:
    """The task of a file.

    Raises
    ------
    TasksRefused: has a line for every problem of the file, with the key, the value, the rule and the cure.
    """
    if not path.is_file():
        raise TasksRefused(f"{path}: there is no such task file; check the path")
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors of Windows put a mark before the text
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise TasksRefused(f"{path}: not a TOML file in UTF-8: {error}; save it in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        cure = f"mend the line{BACKSLASH if 'string' in str(error) or 'hex' in str(error) else ''}"
        raise TasksRefused(f"{path}: not a TOML file: {error}; {cure}") from error
    problems = [f"{path}: {problem}" for problem in _problems(path, table)]
    if problems:
        raise TasksRefused("\n".join(problems))
    own = {key: table.pop(key) for key in OWN if key in table}
    if not own["data"].startswith((SKLEARN, OPENML)):
        own["data"] = str((path.parent / own["data"]).resolve())
    return TaskFile(path, **own, settings=table)


def _problems(path: Path, table: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a file, as far as the file alone tells."""
    if not re.fullmatch(r"\w[\w-]*", path.stem):
        yield f"the name {path.stem!r} may hold letters, digits, '_' and '-' only, since it names a folder; rename it"
    parameters = estimator_of(str(table.get("kind")))().get_params(deep=False)
    known = [*OWN, *(key for key in parameters if key not in OF_THE_BATCH)]
    for key in table:
        if key not in known:
            yield str(unknown("key", key, known))
    for key in TEXTS:
        if not isinstance(table.get(key, ""), str):
            yield f"{key} = {table[key]!r} is no text; put it in quotes"
    for key in LISTS:
        if not isinstance(table.get(key, ""), str | list | dict) and table[key] is not False:
            yield f"{key} = {table[key]!r} is neither text nor a list; put names in quotes and brackets"
    if table.get("kind", "auto") not in (*KINDS, IMAGES):
        yield f"kind: {unknown('kind', table['kind'], (*KINDS, IMAGES))}"
    share = table.get("test_share", 0.25)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        yield f"test_share = {share!r} must be a number between 0 and 1, such as 0.25"
    seed = table.get("random_state", 0)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        yield f"random_state = {seed!r} must be a whole number from 0 to 2**32 - 1, such as 0"
    if isinstance(table.get("data", ""), str):
        yield from _problems_of_data(table)


def _problems_of_data(table: Mapping[str, Any]) -> Iterator[str]:
    data = table.get("data", "")
    if not data:
        yield 'the key \'data\' is missing; give a table, such as data = "table.csv" or data = "sklearn:iris"'
    elif not data.isprintable():
        yield f"data = {data!r} holds a special character{BACKSLASH}"
    elif table.get("kind") == IMAGES:
        if "target" in table:
            yield f"target = {table['target']!r}: the classes of images are their folders in {data}; remove the line"
    elif data.startswith(SKLEARN):
        name = data.removeprefix(SKLEARN)
        if name not in SKLEARN_TABLES:
            yield f"data: {unknown('table of scikit-learn', name, SKLEARN_TABLES)}"
    elif not data.startswith(OPENML) and not data.lower().endswith(".npz") and "target" not in table:
        yield f"the key 'target' is missing; name the column of {data} to predict"
