"""OpenML AutoML Benchmark: the directory that makes AutoNet known to it, and tables of a fold as its programs see them
(Gijsbers et al. 2024, AMLB: an AutoML Benchmark, JMLR 25)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl.challenge_metrics import Kind
from automl.data import read_text
from automl.errors import DataError
from automl.submission.cells import labels_of, targets_of
from automl.submission.problem import Data, Predictions, Problem, Settings

ABOUT, ANSWER = "task.json", "predictions.csv"
METRICS = {
    "acc": "accuracy",
    "auc": "roc_auc",
    "balacc": "balanced_accuracy",
    "logloss": "neg_log_loss",
    "mae": "neg_mean_absolute_error",
    "mse": "neg_mean_squared_error",
    "r2": "r2",
    "rmse": "neg_root_mean_squared_error",
}
"""The benchmark's names → scikit-learn's scorers."""
USUAL: Mapping[Kind, str] = {
    "binary": "roc_auc",
    "multiclass": "neg_log_loss",
    "regression": "neg_root_mean_squared_error",
}


@dataclass(frozen=True)
class AMLB:
    """`NAME/task.json` with target, classes, metric and paths of train and test; `NAME/predictions.csv`."""

    name: str = "amlb"

    def names(self, source: Path) -> Sequence[str]:
        return sorted(path.parent.name for path in source.glob(f"*/{ABOUT}"))

    def read(self, source: Path, name: str, metric: str | None = None) -> Problem:
        about = _about(source, name)
        cells = _column(about["train"], about["target"])
        classes = tuple(about.get("classes") or labels_of(cells))
        kind: Kind = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
        asked = METRICS.get(about.get("metric", ""))
        rows = {"test": len(_column(about["test"], None))}
        targets = targets_of(cells, classes)
        return Problem.of(name, kind, metric or asked or USUAL[kind], targets, rows=rows, labels=classes)

    def data(self, source: Path, problem: Problem) -> Data:
        import pandas as pd

        about = _about(source, problem.name)
        train = pd.read_csv(about["train"], low_memory=False).drop(columns=about["target"])
        test = pd.read_csv(about["test"], low_memory=False)
        targets = targets_of(read_text(Path(about["train"]), [about["target"]])[about["target"]], problem.labels)
        known = np.isfinite(targets).all(axis=1)
        columns = [name for name in train.columns if name in test.columns]
        return Data(train[columns][known].reset_index(drop=True), targets[known], {"test": test[columns]})

    def files(self, source: Path, problem: Problem, predictions: Predictions, number: int) -> Mapping[str, bytes]:
        p, labels = predictions["test"], problem.labels
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([*labels, "predictions"])
        if labels:
            shares = np.hstack([1 - p, p]) if p.shape[1] == 1 else p
            writer.writerows([*(f"{v:.9g}" for v in row), labels[row.argmax()]] for row in shares)
        else:
            writer.writerows([f"{row[0]:.9g}"] for row in p)
        return {f"{problem.name}_{ANSWER}": buffer.getvalue().encode()}

    def faults(self, source: Path, problem: Problem, output: Path) -> Sequence[str]:
        path = output / f"{problem.name}_{ANSWER}"
        if not path.is_file():
            return [f"{path.name} is missing"]
        with path.open(newline="", encoding="utf-8") as stream:
            header, *rows = list(csv.reader(stream))
        if header != [*problem.labels, "predictions"] or len(rows) != problem.rows["test"]:
            return [f"{path.name} has the columns {header} and {len(rows)} rows"]
        numbers = np.array([row[:-1] if problem.labels else row for row in rows], dtype=np.float64)
        return [] if np.isfinite(numbers).all() else [f"{path.name} holds what is no finite number"]

    def top(self, settings: Settings) -> Mapping[str, str]:
        from automl.submission.formats import amlb_files

        return amlb_files.FILES

    def toy(self, folder: Path) -> None:
        from automl.submission.toys import amlb_toy

        amlb_toy(folder)


def _about(source: Path, name: str) -> dict[str, Any]:
    """task.json with whole paths; train.csv and test.csv beside it where it names none."""
    folder = source / name
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / ABOUT} cannot be read ({error}); write the target's name as JSON") from error
    return about | {part: str(folder / about.get(part, f"{part}.csv")) for part in ("train", "test")}


def _column(path: str, name: str | None) -> list[str]:
    """The cells of a column, or of the first one."""
    with Path(path).open(newline="", encoding="utf-8-sig") as stream:
        header, *rows = list(csv.reader(stream))
    if name is not None and name not in header:
        raise DataError(f"{path} has no column {name!r} (columns: {', '.join(header[:10])}); name the target")
    place = 0 if name is None else header.index(name)
    return [row[place] for row in rows if row]
