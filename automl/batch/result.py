"""What became of the tasks of a batch, as values and as JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from automl.search.rank_correlation import RankCorrelation

RESULT = "result.json"
MODEL = "model.autonet"
LOG = "log.txt"


class TaskState(StrEnum):
    """What has become of a task."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class Quality:
    """On the test rows: the loss that the search minimised, and accuracy or R²."""

    loss: float
    score: float


@dataclass(frozen=True)
class TaskResult:
    """What became of a task. Without qualities there is no model, as `error` says.

    Attributes
    ----------
    digest: of the settings and the table that it comes from.
    kind: "classification" or "regression".
    metric: the scorer whose loss was minimised. scored: "accuracy" or "R²".
    rows, test_rows, features: of the table, after the split.
    seconds: that the last `fit` took; less than all of them where it went on with an earlier one.
    trials: that the search had asked for.
    validation_loss: of the ensemble, on the rows that it was chosen by.
    autonet, baseline: on the test rows, beside scikit-learn's gradient boosting with its defaults.
    curve: (seconds that trials have taken by then, in the order of their numbers; least loss of a trial so far).
    rungs: how well each rung has foretold full training.
    error: why there is no model; the first lines say the most.
    """

    name: str
    state: TaskState
    digest: str = ""
    kind: str = ""
    metric: str = ""
    scored: str = ""
    rows: int = 0
    test_rows: int = 0
    features: int = 0
    seconds: float = 0.0
    trials: int = 0
    validation_loss: float | None = None
    autonet: Quality | None = None
    baseline: Quality | None = None
    curve: tuple[tuple[float, float], ...] = ()
    rungs: tuple[RankCorrelation, ...] = ()
    error: str = ""

    @property
    def wins(self) -> bool:
        """Whether the model's test loss is below that of the baseline."""
        return self.autonet is not None and self.baseline is not None and self.autonet.loss < self.baseline.loss


@dataclass(frozen=True)
class BatchResult:
    """The results of a batch, in the order in which its files were given.

    Attributes
    ----------
    folder: holds summary.json, index.html, and a folder for each task with its model, result and log.
    """

    folder: Path
    tasks: tuple[TaskResult, ...]

    def __getitem__(self, name: str) -> TaskResult:
        """The result of the task of this name."""
        return next(task for task in self if task.name == name)

    def __iter__(self) -> Iterator[TaskResult]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def complete(self) -> bool:
        """Whether every task is done."""
        return all(task.state is TaskState.DONE for task in self)

    def count(self, state: TaskState | str) -> int:
        """Number of the tasks in this state."""
        return sum(task.state == state for task in self)


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def write_result(result: TaskResult, folder: Path) -> None:
    """Write the result of a task into its folder."""
    write_whole(folder / RESULT, as_json(asdict(result)))


def read_result(folder: Path) -> TaskResult | None:
    """The result in the folder of a task; None where there is none that this version can read."""
    try:
        held = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        for name in ("autonet", "baseline"):
            held[name] = None if held[name] is None else Quality(**held[name])
        curve = tuple((float(seconds), float(loss)) for seconds, loss in held.pop("curve"))
        rungs = tuple(RankCorrelation(**rung) for rung in held.pop("rungs"))
        return TaskResult(**{**held, "state": TaskState(held["state"]), "curve": curve, "rungs": rungs})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def as_json(values: Any) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"
