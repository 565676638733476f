"""Task files: a TOML file that lists tables to learn from, one after another → frozen dataclasses.

[defaults]                  # holds for every task that does not say otherwise
test_share = 0.25
settings = { time_limit = 20, random_state = 0 }

[[task]]
name = "digits"             # also names the saved model
data = "sklearn:digits"     # or a .csv, .tsv or .parquet file, relative to the task file
kind = "classification"     # or "regression"; "auto" goes by the target
# target = "y"              # for files: the column to predict
settings = { families = "neural" }  # parameters of the estimator, added to those of the defaults
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.data import KINDS, SKLEARN_TABLES, read_table, sklearn_table, split_target
from automl.errors import SettingError, unknown
from automl.settings import checked

if TYPE_CHECKING:
    import pandas as pd

SKLEARN = "sklearn:"


@dataclass(frozen=True)
class TaskEntry:
    """One table to learn from.

    Attributes
    ----------
    name: unique in its file; letters, digits, ".", "_" and "-", since it names the saved model.
    data: "sklearn:" and the name of a table that comes with scikit-learn, or the path of a file.
    target: column to predict; None for scikit-learn's tables, which know theirs.
    kind: "classification", "regression" or "auto".
    test_share: share of the rows that are kept for the test, in (0, 1).
    settings: parameters of the estimator.
    """

    name: str
    data: str
    target: str | None = None
    kind: str = "auto"
    test_share: float = 0.25
    settings: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> tuple[pd.DataFrame, pd.Series]:
        """Features and target."""
        if self.data.startswith(SKLEARN):
            return split_target(sklearn_table(self.data.removeprefix(SKLEARN)), self.target or "target")
        return split_target(read_table(Path(self.data)), str(self.target))


@dataclass(frozen=True)
class _Defaults:
    """What a task that says nothing is given."""

    target: str | None = None
    kind: str = "auto"
    test_share: float = 0.25
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _File:
    task: tuple[Mapping[str, Any], ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)


def read_tasks(path: Path) -> tuple[TaskEntry, ...]:
    """The tasks of a file, in its order, with the defaults filled in and paths made absolute.

    Raises
    ------
    SettingError: names the file, the task, the value, the rule and the cure.
    """
    if not path.is_file():
        raise SettingError(f"{path}: there is no such task file; check the path")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: not a TOML file: {error}") from error
    content = _File(**checked(table, _File, path.name))
    if not content.task or not all(isinstance(entry, Mapping) for entry in content.task):
        raise SettingError(f"{path.name}: it lists no task; add a table [[task]] with name and data")
    _mapping(content.defaults, f"{path.name}, defaults")
    defaults = _Defaults(**checked(content.defaults, _Defaults, f"{path.name}, [defaults]"))
    tasks = tuple(_entry(entry, defaults, path) for entry in content.task)
    names = [task.name for task in tasks]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(
                f"{path.name}: {names.count(name)} tasks are called {name!r}; give each a name of its own"
            )
    return tasks


def _entry(table: Mapping[str, Any], defaults: _Defaults, path: Path) -> TaskEntry:
    where = f"{path.name}, task {table.get('name', '?')!r}"
    own = checked(table, TaskEntry, where)
    shared = {f.name: getattr(defaults, f.name) for f in fields(_Defaults)}
    for settings in (own.get("settings", {}), defaults.settings):
        _mapping(settings, f"{where}, settings")
    entry = TaskEntry(**(shared | own | {"settings": {**defaults.settings, **own.get("settings", {})}}))
    _check(entry, where)
    if entry.data.startswith(SKLEARN):
        return entry
    return replace(entry, data=str((path.parent / entry.data).resolve()))


def _mapping(value: Any, where: str) -> None:
    if not isinstance(value, Mapping):
        raise SettingError(f"{where}: {value!r} is no table; write key = value pairs")


def _check(entry: TaskEntry, where: str) -> None:
    for name in ("name", "data", "kind"):
        if not isinstance(getattr(entry, name), str):
            raise SettingError(f"{where}: {name} = {getattr(entry, name)!r} is no text; put it in quotes")
    if not re.fullmatch(r"\w[\w.-]*", entry.name):
        raise SettingError(
            f"{where}: the name must consist of letters, digits, '.', '_' and '-', since it names the saved model"
        )
    if entry.kind not in KINDS:
        raise SettingError(f"{where}: {unknown('kind', entry.kind, KINDS)}")
    share = entry.test_share
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise SettingError(f"{where}: test_share = {share!r} must be a number between 0 and 1, such as 0.25")
    if entry.target is not None and not isinstance(entry.target, str):
        raise SettingError(f"{where}: target = {entry.target!r} is no text; put the column's name in quotes")
    if entry.data.startswith(SKLEARN):
        name = entry.data.removeprefix(SKLEARN)
        if name not in SKLEARN_TABLES:
            raise SettingError(f"{where}: {unknown('table of scikit-learn', name, SKLEARN_TABLES)}")
    elif entry.target is None:
        raise SettingError(f"{where}: the key 'target' is missing; name the column of {entry.data} to predict")
    _check_settings(entry.settings, where)


def _check_settings(settings: Mapping[str, Any], where: str) -> None:
    from automl.estimator import AutoNetClassifier

    known = AutoNetClassifier().get_params(deep=False)
    for name in settings:
        if name not in known:
            raise SettingError(f"{where}: {unknown('setting', name, known)}")
