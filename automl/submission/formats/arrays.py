"""Arrays in NumPy's files, a folder a data set: how one process of a submission hands data to another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from automl.submission.formats.chalearn import latest_faults, latest_files
from automl.submission.problem import Data, Predictions, Problem, Settings

ABOUT = "problem.json"


@dataclass(frozen=True)
class ArrayFiles:
    """`NAME/problem.json`, train.npy, targets.npy and an array for each part; a file `NAME_PART.predict` each."""

    name: str = "arrays"

    def names(self, source: Path) -> Sequence[str]:
        return sorted(path.parent.name for path in source.glob(f"*/{ABOUT}"))

    def read(self, source: Path, name: str, metric: str | None = None) -> Problem:
        about = json.loads((source / name / ABOUT).read_text())
        listed = {key: tuple(about[key]) for key in ("prior", "median", "labels")}
        problem = Problem(**about | listed)
        return replace(problem, metric=metric) if metric else problem

    def data(self, source: Path, problem: Problem) -> Data:
        folder = source / problem.name
        parts = {part: np.load(folder / f"part_{part}.npy") for part in problem.rows}
        return Data(np.load(folder / "train.npy"), np.load(folder / "targets.npy"), parts)

    def files(self, source: Path, problem: Problem, predictions: Predictions, number: int) -> Mapping[str, bytes]:
        return latest_files(problem, predictions)

    def faults(self, source: Path, problem: Problem, output: Path) -> Sequence[str]:
        return latest_faults(problem, output)

    def top(self, settings: Settings) -> Mapping[str, str]:
        from automl.submission.archive import RUN

        return {"run.py": RUN.format(settings=settings)}

    def toy(self, folder: Path) -> None:
        from automl.submission.toys import images

        (pictures, y), (others, _) = images(120, 0), images(40, 1)
        targets = y[:, None].astype(np.float64)
        problem = Problem.of("bars", "binary", "auc_metric", targets, rows={"test": 40})
        write_arrays(folder, problem, Data(pictures.reshape(120, -1), targets, {"test": others.reshape(40, -1)}))


def write_arrays(folder: Path, problem: Problem, data: Data) -> None:
    """Write a data set where `ArrayFiles` reads it."""
    own = folder / problem.name
    own.mkdir(parents=True, exist_ok=True)
    for part, table in data.parts.items():
        np.save(own / f"part_{part}.npy", table)
    np.save(own / "train.npy", data.train)
    np.save(own / "targets.npy", data.targets)
    (own / ABOUT).write_text(json.dumps(asdict(problem)))
