"""Task files → tasks that can be run; every rule is checked here, for all files, before anything is run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.batch.comparison import Split, split
from automl.data import kind_of
from automl.errors import AutoNetError, TasksRefused
from automl.taskfile import IMAGES, TaskFile, estimator_of, read_task

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CheckedTask:
    """A task whose table was read and whose settings fit it.

    Attributes
    ----------
    digest: hash of the settings and of the table, 64 hexadecimal digits: equal where a result may be kept.
    """

    task: TaskFile
    digest: str

    @property
    def name(self) -> str:
        return self.task.name


def check_tasks(paths: Sequence[str | Path]) -> tuple[CheckedTask, ...]:
    """The tasks of these files, in their order.

    Each table is read whole, and let go before the next one.

    Raises
    ------
    TasksRefused: has a line for every problem of every file.
    """
    if not paths:
        raise TasksRefused("no task file was given; name at least one, such as tasks/wine.toml")
    problems = list(_repeated_names([Path(path) for path in paths]))
    checked = []
    for path in map(Path, paths):
        try:
            checked.append(_checked(read_task(path)))
        except TasksRefused as error:
            problems += str(error).splitlines()
        except (AutoNetError, OSError) as error:
            problems.append(f"{path}: {' '.join(str(error).split())}")
    if problems:
        raise TasksRefused("\n".join(problems))
    return tuple(checked)


def rows_of(task: TaskFile) -> tuple[Split, str]:
    """The rows of a task, split, and its digest."""
    X, y = task.load()
    kind = task.kind if task.kind == IMAGES else kind_of(y, task.kind)
    return split(X, y, kind, task.test_share, task.seed), _digest(task, X, y)


def _repeated_names(paths: Sequence[Path]) -> Iterator[str]:
    names = [path.stem for path in paths]
    for name in sorted({name for name in names if names.count(name) > 1}):
        files = ", ".join(str(path) for path in paths if path.stem == name)
        yield f"{files}: {names.count(name)} files name a task {name!r}; give each file a name of its own"


def _checked(task: TaskFile) -> CheckedTask:
    from automl.assemble import make_plan
    from automl.metrics import DEFAULT, Metric
    from automl.resampling import make_folds

    plan = make_plan(estimator_of(task.kind)(**task.settings))
    rows, digest = rows_of(task)
    metric, labels = task.settings.get("metric"), rows.classes is not None
    usual = DEFAULT["classification" if labels else "regression"]
    Metric(usual if metric is None else metric, rows.classes).check()
    make_folds(task.settings.get("resampling"), rows.y, classification=labels, seed=plan.seed)
    return CheckedTask(task, digest)


def _digest(task: TaskFile, X: pd.DataFrame, y: pd.Series) -> str:
    said = {"kind": task.kind, "target": task.target, "test_share": task.test_share, "settings": dict(task.settings)}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode())
    for part in (X, y.to_frame()):
        digest.update(repr([(str(name), str(kind)) for name, kind in part.dtypes.items()]).encode())
        digest.update(_row_hashes(part).tobytes())
    if task.kind == IMAGES:
        digest.update(repr([Path(path).stat().st_size for path in X["path"]]).encode())
    return digest.hexdigest()


def _row_hashes(part: pd.DataFrame) -> NDArray[Any]:
    import pandas as pd

    return np.asarray(pd.util.hash_pandas_object(part, index=False), dtype=np.uint64)
