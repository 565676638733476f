"""NAS Unseen Data: images in arrays, class numbers out, a time limit in hours (Geada et al. 2024, Insights from the Use
of Previously Unseen Neural Architecture Search Datasets)."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl.errors import DataError
from automl.submission.images import features
from automl.submission.problem import Data, Floats, Predictions, Problem, Settings

DEFAULT_HOURS = 0.5


@dataclass(frozen=True)
class NASUnseen:
    """An array `CODENAME.npy` of class numbers for a data set."""

    name: str = "nas-unseen"

    def names(self, source: Path) -> Sequence[str]:
        return sorted(folder.name for folder in _folders(source))

    def read(self, source: Path, name: str, metric: str | None = None) -> Problem:
        folder = _folder(source, name)
        y = np.concatenate([np.load(folder / f"{part}_y.npy").ravel() for part in ("train", "valid")])
        classes = max(int(y.max()) + 1, 2)
        rows = {"test": int(np.load(folder / "test_x.npy", mmap_mode="r").shape[0])}
        targets, kind = _targets(y, classes), "binary" if classes == 2 else "multiclass"
        return Problem.of(name, kind, metric or "accuracy", targets, rows=rows, seconds=_seconds(folder))  # type: ignore[arg-type]

    def data(self, source: Path, problem: Problem) -> Data:
        folder = _folder(source, problem.name)
        arrays = {part: np.load(folder / f"{part}_x.npy") for part in ("train", "valid", "test")}
        y = np.concatenate([np.load(folder / f"{part}_y.npy").ravel() for part in ("train", "valid")])
        train = as_rows(np.concatenate([arrays["train"], arrays["valid"]]))
        return Data(train, _targets(y, max(problem.outputs, 2)), {"test": as_rows(arrays["test"])})

    def files(self, source: Path, problem: Problem, predictions: Predictions, number: int) -> Mapping[str, bytes]:
        buffer = io.BytesIO()
        p = predictions["test"]
        np.save(buffer, (p[:, 0] >= 0.5).astype(np.int64) if p.shape[1] == 1 else p.argmax(axis=1))
        return {f"{_codename(source, problem.name)}.npy": buffer.getvalue()}

    def faults(self, source: Path, problem: Problem, output: Path) -> Sequence[str]:
        path = output / f"{_codename(source, problem.name)}.npy"
        if not path.is_file():
            return [f"{path.name} is missing"]
        found = np.load(path, allow_pickle=False)
        if found.shape != (problem.rows["test"],):
            return [f"{path.name} is of shape {found.shape} instead of {(problem.rows['test'],)}"]
        if not np.isin(found, np.arange(max(2, problem.outputs))).all():
            return [f"{path.name} holds what is no class number"]
        return []

    def top(self, settings: Settings) -> Mapping[str, str]:
        from automl.submission.archive import START

        parts = {"data_processor": "DataProcessor", "nas": "NAS", "trainer": "Trainer"}
        code = "{start}\nfrom automl.submission.nas_classes import {name}  # noqa: E402, F401\n"
        return {f"{file}.py": code.format(start=START, name=name) for file, name in parts.items()}

    def toy(self, folder: Path) -> None:
        from automl.submission.toys import nas_toy

        nas_toy(folder)


def as_rows(x: np.ndarray) -> np.ndarray:
    """(n, d) features of images (n, channels, rows, columns) or (n, rows, columns); rows of numbers as they are."""
    if x.ndim < 3:
        return np.asarray(x.reshape(len(x), -1), dtype=np.float32)
    pictures = x[:, None] if x.ndim == 3 else x
    return features(list(np.moveaxis(pictures, 1, -1).astype(np.float32)))


def _targets(y: np.ndarray, classes: int) -> Floats:
    one_hot = np.eye(classes)[y.astype(np.int64)]
    return one_hot[:, 1:] if classes == 2 else one_hot


def _folders(source: Path) -> list[Path]:
    return [path.parent for path in [source / "train_x.npy", *source.glob("*/train_x.npy")] if path.is_file()]


def _folder(source: Path, name: str) -> Path:
    for folder in _folders(source):
        if folder.name == name:
            return folder
    raise DataError(f"{source} has no data set {name!r}; its folder must hold train_x.npy")


def _about(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "metadata").read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _seconds(folder: Path) -> float:
    """The time limit, which is given in hours; the usual one where what is given is none."""
    try:
        hours = float(_about(folder).get("time_limit", DEFAULT_HOURS))
    except (ValueError, TypeError):
        hours = DEFAULT_HOURS
    return 3600 * (hours if 0 < hours < math.inf else DEFAULT_HOURS)


def _codename(source: Path, name: str) -> str:
    return str(_about(_folder(source, name)).get("codename", name))
