"""AutoDL 2019-2020: TFRecords of pictures, videos and rows of numbers; `Model.train` and `Model.test` in turn."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from automl.errors import DataError
from automl.submission.formats.chalearn import predict_faults, text
from automl.submission.images import features
from automl.submission.problem import Data, Floats, Predictions, Problem, Settings
from automl.submission.tfrecord import Example, count_records, picture, read_examples

COUNTED = 20_000
"""Records whose labels are looked at for a guess, at most."""
LEAST_SIDE = 8
"""Pixels of a side below which a matrix is taken for numbers rather than for a picture."""
FRAMES = 4
"""Of a video that are looked at."""


@dataclass(frozen=True)
class Metadata:
    """What `metadata.textproto` says, with the methods that the organisers' class has.

    Attributes
    ----------
    sides: rows and columns of a matrix, −1 where they vary.
    """

    name: str
    samples: int
    outputs: int
    sides: tuple[int, int]

    @classmethod
    def of(cls, folder: Path) -> Metadata:
        try:
            content = (folder / "metadata.textproto").read_text()
        except OSError as error:
            raise DataError(f"{folder}: {error}; a data set has train/ and test/ with a metadata.textproto") from error

        def number(key: str, otherwise: int) -> int:
            found = re.search(rf"\b{key}:\s*(-?\d+)", content)
            return int(found.group(1)) if found else otherwise

        sides = number("row_count", -1), number("col_count", -1)
        return cls(folder.parent.name, number("sample_count", 0), number("output_dim", 0), sides)

    def get_dataset_name(self) -> str:
        return self.name

    def get_output_size(self) -> int:
        return self.outputs

    def size(self) -> int:
        return self.samples

    def get_tensor_shape(self, index: int = 0) -> tuple[int, int, int, int]:
        return -1, *self.sides, -1


@dataclass(frozen=True)
class Records:
    """A part of a data set as pairs of a tensor (frames, rows, columns, channels) and labels (outputs,), read anew for
    every pass, as the organisers' is."""

    folder: Path

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        about = Metadata.of(self.folder)
        for example in examples(self.folder):
            yield tensor(example, about.sides), labels(example, about.outputs)

    as_numpy_iterator = __iter__


@dataclass(frozen=True)
class AutoDL:
    """Files `NAME.predict_0`, `NAME.predict_1`, …, each scored from the moment on at which it is there."""

    name: str = "autodl"

    def names(self, source: Path) -> Sequence[str]:
        return sorted(path.name.removesuffix(".data") for path in source.glob("*.data") if path.is_dir())

    def read(self, source: Path, name: str, metric: str | None = None) -> Problem:
        folder = source / f"{name}.data"
        about = Metadata.of(folder / "train")
        found = [labels(e, about.outputs) for _, e in zip(range(COUNTED), examples(folder / "train"), strict=False)]
        if not found:
            raise DataError(f"{folder / 'train'} holds no record; add its sample files")
        targets = np.stack(found)
        rows = {"test": sum(count_records(path) for path in sorted((folder / "test").glob("sample*")))}
        return problem_of(name, targets, rows, metric)

    def data(self, source: Path, problem: Problem) -> Data:
        folder = source / f"{problem.name}.data"
        train, test = list(Records(folder / "train")), list(Records(folder / "test"))
        layout = Layout.of([x for x, _ in train])
        tables = [layout.table([x for x, _ in part]) for part in (train, test)]
        return Data(tables[0], np.stack([y for _, y in train]).astype(np.float64), {"test": tables[1]})

    def files(self, source: Path, problem: Problem, predictions: Predictions, number: int) -> Mapping[str, bytes]:
        return {f"{problem.name}.predict_{number}": text(predictions["test"])}

    def faults(self, source: Path, problem: Problem, output: Path) -> Sequence[str]:
        paths = sorted(output.glob(f"{problem.name}.predict_*"))
        if not paths:
            return [f"{problem.name}.predict_0 is missing"]
        return [f for path in paths for f in predict_faults(path, problem.rows["test"], problem.outputs, problem.kind)]

    def top(self, settings: Settings) -> Mapping[str, str]:
        from automl.submission.archive import START

        about = '"""What AutoDL\'s ingestion program asks for predictions."""\n\n'
        return {"model.py": f"{about}{START}\nfrom automl.submission.anytime_model import Model  # noqa: E402, F401\n"}

    def toy(self, folder: Path) -> None:
        from automl.submission.toys import autodl_toy

        autodl_toy(folder)


def problem_of(name: str, targets: Floats, rows: Mapping[str, int], metric: str | None = None) -> Problem:
    """The problem of 0/1 targets (n, outputs), judged by areas under curves."""
    one = targets.shape[1] > 1 and bool((targets.sum(axis=1) == 1).all())
    return Problem.of(name, "multiclass" if one else "multilabel", metric or "auc_metric", targets, rows=rows)


def examples(folder: Path) -> Iterator[Example]:
    for path in sorted(folder.glob("sample*")):
        yield from read_examples(path)


def labels(example: Example, outputs: int) -> np.ndarray:
    """(outputs,) with the score of each label that an example has."""
    found = np.zeros(outputs, dtype=np.float32)
    index = np.asarray(example.context.get("label_index", ()), dtype=np.int64)
    scores = np.asarray(example.context.get("label_score", ()), dtype=np.float32)
    found[index] = scores if len(scores) == len(index) else 1.0
    return found


def tensor(example: Example, sides: tuple[int, int]) -> np.ndarray:
    """(frames, rows, columns, channels) float32."""
    if "0_compressed" in example.steps:
        return np.stack([picture(content) for step in example.steps["0_compressed"] for content in step])
    if "0_dense_input" in example.steps:
        steps = np.stack([np.asarray(step, dtype=np.float32) for step in example.steps["0_dense_input"]])
        rows, columns = (sides[0], sides[1]) if min(sides) > 0 else (1, steps.shape[1])
        return steps.reshape(len(steps), rows, columns, -1)
    raise DataError(f"an example holds {sorted(example.steps)}; compressed pictures and dense numbers can be read")


@dataclass(frozen=True)
class Layout:
    """How tensors become rows of one length; learned from the training examples, so that others become the same.

    Attributes
    ----------
    kind: of pictures features, of tensors of one shape the numbers themselves, of others statistics over the frames.
    width: channels of the pictures, or numbers of a tensor or a frame.
    """

    kind: Literal["pictures", "numbers", "statistics"]
    width: int

    @classmethod
    def of(cls, tensors: Sequence[Any]) -> Layout:
        """The layout of (frames, rows, columns, channels) tensors, at least one."""
        shapes = [np.shape(x) for x in tensors]
        if min(min(shape[1:3]) for shape in shapes) >= LEAST_SIDE:
            return cls("pictures", max(shape[3] for shape in shapes))
        if len(set(shapes)) == 1:
            return cls("numbers", math.prod(shapes[0]))
        return cls("statistics", min(math.prod(shape[1:]) for shape in shapes))

    def table(self, tensors: Sequence[Any]) -> np.ndarray:
        """(n, d) float32 of tensors; NaN where one has fewer numbers than are looked at."""
        arrays = [np.asarray(x, dtype=np.float32) for x in tensors]
        if not arrays:
            return np.empty((0, self.width), np.float32)
        if self.kind == "pictures":
            seen = [x[np.linspace(0, len(x) - 1, min(FRAMES, len(x))).astype(int)] for x in arrays]
            return np.stack([features(list(_in_channels(x, self.width))).mean(axis=0) for x in seen])
        if self.kind == "numbers":
            return np.stack([_of_width(x.reshape(1, -1), self.width)[0] for x in arrays])
        frames = [_of_width(x.reshape(len(x), -1), self.width) for x in arrays]
        quantiles = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)
        parts = [np.concatenate([np.quantile(x, quantiles, axis=0).ravel(), [len(x)]]) for x in frames]
        return np.stack(parts).astype(np.float32)


def _in_channels(frames: np.ndarray, channels: int) -> np.ndarray:
    """Pictures (frames, rows, columns, channels) in so many channels: a grey one has the same number in all."""
    if frames.shape[3] == channels:
        return frames
    return np.repeat(frames.mean(axis=3, keepdims=True), channels, axis=3)


def _of_width(rows: np.ndarray, width: int) -> np.ndarray:
    """Rows cut off, or filled with NaN."""
    return np.pad(rows[:, :width], ((0, 0), (0, max(0, width - rows.shape[1]))), constant_values=np.nan)
