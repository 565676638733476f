"""What is to be learned: columns, target, metric and folds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.metrics import Metric
from automl.preprocessing.columns import Arrays
from automl.resampling import Fold

WIDE = ("data", "indices", "indptr")
"""What a sparse table is made of."""


@dataclass(frozen=True)
class Task:
    """A table that is ready to be learned from.

    Attributes
    ----------
    arrays: numbers (n, d) with NaN where missing and codes (n, c) with 0 where missing or never seen; or images.
    levels: number of codes of each categorical column, the 0 included.
    y: (n,) class indices (int64), or values (float64), or (n, labels) of 0 and 1 (int64).
    weight: (n,) non-negative, or None.
    metric: what is minimised; `metric.classes` is None for regression.
    folds: rows to train and to validate on.
    """

    arrays: Arrays
    levels: tuple[int, ...]
    y: NDArray[Any]
    weight: NDArray[np.float64] | None
    metric: Metric
    folds: tuple[Fold, ...]

    @property
    def classification(self) -> bool:
        return self.metric.classes is not None

    @property
    def outputs(self) -> int:
        """Columns of a prediction: classes or labels, or 1 for regression."""
        return 1 if self.metric.classes is None else len(self.metric.classes)

    @cached_property
    def judged(self) -> NDArray[np.int64]:
        """Rows that are validated in some fold, ascending: the rows of out-of-fold predictions."""
        return np.unique(np.concatenate([fold.valid for fold in self.folds]))

    @cached_property
    def gaps(self) -> NDArray[np.bool_]:
        """(d,) True for the numeric columns in which a value is missing."""
        return np.asarray(np.isnan(self.arrays.numbers).any(axis=0))

    @property
    def least_rows(self) -> int:
        """Rows that the smallest subset keeps: enough to meet every class."""
        return max(64, 10 * self.outputs)

    def label(self, k: int) -> Task:
        """The task of telling one of several labels."""
        return replace(self, y=self.y[:, k], metric=self.metric.of_one())

    def loss(self, out_of_fold: NDArray[Any]) -> float:
        """Loss of predictions for the `judged` rows; 0 where none is judged, as when all rows are trained on."""
        if not len(self.judged):
            return 0.0
        weight = None if self.weight is None else self.weight[self.judged]
        return self.metric.loss(self.y[self.judged], out_of_fold, weight)


@dataclass(frozen=True)
class StoredTask:
    """A task on disk: workers map its arrays into memory instead of copying them."""

    folder: Path
    levels: tuple[int, ...]
    metric: Metric
    folds: tuple[Fold, ...]
    weighted: bool

    @classmethod
    def write(cls, task: Task, folder: Path) -> StoredTask:
        folder.mkdir(parents=True, exist_ok=True)
        parts = {"numbers": task.arrays.numbers, "codes": task.arrays.codes, "y": task.y, "weight": task.weight}
        parts["images"] = task.arrays.images
        if (wide := task.arrays.wide) is not None:
            parts |= {f"wide_{name}": getattr(wide, name) for name in WIDE} | {"wide_shape": np.array(wide.shape)}
        for name, array in parts.items():
            # What is there is the same task: its hash is part of the run's identity. Workers may have it mapped.
            if array is not None and not (folder / f"{name}.npy").exists():
                np.save(folder / f"{name}.part.npy", array)
                (folder / f"{name}.part.npy").replace(folder / f"{name}.npy")
        return cls(folder, task.levels, task.metric, task.folds, task.weight is not None)

    def open(self) -> Task:
        def mapped(name: str) -> NDArray[Any]:
            return np.load(self.folder / name, mmap_mode="r")

        weight = np.asarray(mapped("weight.npy")) if self.weighted else None
        wide = None
        if (self.folder / "wide_shape.npy").exists():
            from scipy import sparse

            entries = tuple(np.asarray(mapped(f"wide_{name}.npy")) for name in WIDE)
            wide = sparse.csr_array(entries, shape=tuple(np.load(self.folder / "wide_shape.npy")))
        images = mapped("images.npy") if (self.folder / "images.npy").exists() else None
        arrays = Arrays(mapped("numbers.npy"), mapped("codes.npy"), wide, images)
        return Task(arrays, self.levels, np.asarray(mapped("y.npy")), weight, self.metric, self.folds)
