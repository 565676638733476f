"""Kaggle: train.csv, test.csv and sample_submission.csv, whose columns, rows and order are those to hand in.

The first column of the sample is the id, the others are wanted: one column of labels, probabilities or values, or a
column for each class or label. What is wanted follows from the sample's values and from where its columns stand in
train.csv.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from automl.challenge_metrics import Kind
from automl.data import read_text
from automl.errors import DataError
from automl.submission.cells import are_numbers, labels_of, targets_of
from automl.submission.problem import Data, Floats, Predictions, Problem, Settings

TRAIN, TEST, SAMPLE, ANSWER = "train.csv", "test.csv", "sample_submission.csv", "submission.csv"
COUNTED_ROWS = 100_000
"""Rows of train.csv that are looked at for a guess, at most."""
LABELS, SHARES, VALUES = "labels", "probabilities", "values"


@dataclass(frozen=True)
class _Sample:
    """The sample: header, ids in their order, and what its first answers look like."""

    header: tuple[str, ...]
    ids: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True)
class _Wanted:
    """What is wanted, as header and targets tell.

    Attributes
    ----------
    targets: columns of train.csv.
    classes: labels of the one target in the order of the outputs; () where it holds values, or there are several.
    form: labels, probabilities or values.
    """

    targets: tuple[str, ...]
    classes: tuple[str, ...]
    form: str

    @property
    def kind(self) -> Kind:
        if len(self.targets) > 1:
            return "multilabel"
        if not self.classes:
            return "regression"
        return "binary" if len(self.classes) == 2 else "multiclass"


@dataclass(frozen=True)
class Kaggle:
    """One file, submission.csv, replaced by each better one."""

    name: str = "kaggle"

    def names(self, source: Path) -> Sequence[str]:
        return [source.resolve().name] if (source / TRAIN).is_file() else []

    def read(self, source: Path, name: str, metric: str | None = None) -> Problem:
        sample, (header, rows) = _sample(source), _head(source / TRAIN)
        wanted = _wanted(sample, header, rows, _header(source / TEST))
        columns = {target: [row[header.index(target)] for row in rows] for target in wanted.targets}
        usual = {LABELS: "accuracy", SHARES: "neg_log_loss", VALUES: "neg_root_mean_squared_error"}
        return Problem.of(
            name,
            wanted.kind,
            metric or usual[wanted.form],
            _targets(wanted, columns),
            rows={"test": len(sample.ids)},
            labels=wanted.classes,
        )

    def data(self, source: Path, problem: Problem) -> Data:
        import pandas as pd

        sample, (header, rows) = _sample(source), _head(source / TRAIN)
        wanted = _wanted(sample, header, rows, _header(source / TEST))
        index = sample.header[0]
        train = pd.read_csv(source / TRAIN, low_memory=False)
        test = pd.read_csv(source / TEST, low_memory=False)
        targets = _targets(wanted, read_text(source / TRAIN, wanted.targets))
        known = np.isfinite(targets).all(axis=1)
        if index in test.columns:  # rows of the sample's ids, in its order; one that is not there is empty
            test.index = pd.Index(_as_text(source / TEST, index))
            test = test.reindex(list(sample.ids))
        columns = [name for name in train.columns if name in test.columns and name != index]
        if not columns or len(test) != len(sample.ids):
            raise DataError(
                f"{TEST} has {len(test)} rows and {len(columns)} columns in common with {TRAIN}; {SAMPLE} wants "
                f"{len(sample.ids)} rows; give files of one competition"
            )
        return Data(train[columns][known].reset_index(drop=True), targets[known], {"test": test[columns]})

    def files(self, source: Path, problem: Problem, predictions: Predictions, number: int) -> Mapping[str, bytes]:
        sample, (header, rows) = _sample(source), _head(source / TRAIN)
        wanted = _wanted(sample, header, rows, _header(source / TEST))
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(sample.header)
        writer.writerows(
            [row, *cells] for row, cells in zip(sample.ids, _cells(wanted, sample, predictions["test"]), strict=True)
        )
        return {ANSWER: buffer.getvalue().encode()}

    def faults(self, source: Path, problem: Problem, output: Path) -> Sequence[str]:
        sample, path = _sample(source), output / ANSWER
        if not path.is_file():
            return [f"{ANSWER} is missing"]
        with path.open(newline="", encoding="utf-8") as stream:
            header, *rows = list(csv.reader(stream))
        if tuple(header) != sample.header:
            return [f"{ANSWER} has the columns {header} instead of {list(sample.header)}"]
        if [row[0] for row in rows] != list(sample.ids):
            return [f"{ANSWER} has other ids, or another order, than {SAMPLE}"]
        if any(cell.strip().lower() in ("", "nan", "inf", "-inf") for row in rows for cell in row):
            return [f"{ANSWER} holds empty cells or what is no finite number"]
        return []

    def top(self, settings: Settings) -> Mapping[str, str]:
        from automl.submission.archive import RUN

        return {"run.py": RUN.format(settings=settings)}

    def toy(self, folder: Path) -> None:
        from automl.submission.toys import kaggle_toy

        kaggle_toy(folder)


def _head(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and first rows of a file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            header, rows = next(reader), list(islice(reader, COUNTED_ROWS))
    except (StopIteration, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no CSV file in UTF-8 ({error}); mend it") from error
    return header, [row for row in rows if len(row) == len(header)]


def _header(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return next(csv.reader(stream), [])


def _sample(source: Path) -> _Sample:
    with (source / SAMPLE).open(newline="", encoding="utf-8-sig") as stream:
        header, *rows = [row for row in csv.reader(stream) if row]
    if len(header) < 2 or not rows:
        raise DataError(f"{SAMPLE} has {len(header)} columns and {len(rows)} rows; an id and a target are needed")
    return _Sample(tuple(header), tuple(row[0] for row in rows), tuple(row[1] for row in rows[:COUNTED_ROWS]))


def _as_text(path: Path, column: str) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return [row[column] for row in csv.DictReader(stream)]


def _wanted(sample: _Sample, header: Sequence[str], rows: Sequence[Sequence[str]], test: Sequence[str]) -> _Wanted:
    asked = sample.header[1:]
    if all(column in header for column in asked) and len(asked) > 1:
        labels = all(cell in ("0", "1", "0.0", "1.0") for row in rows for cell in (row[header.index(c)] for c in asked))
        if not labels:
            raise DataError(f"{SAMPLE} wants several columns of values {list(asked)}; predict each by itself")
        return _Wanted(asked, (), SHARES)
    if len(asked) == 1 and asked[0] in header:
        target = asked[0]
    else:  # probabilities of the classes of the one column that only the training rows have
        own = [name for name in header if name not in test and name != sample.header[0]]
        if len(own) != 1:
            raise DataError(
                f"{SAMPLE} wants {list(asked)}, and {TRAIN} has {own} beside the columns of {TEST}; one is needed"
            )
        target = own[0]
    cells = [row[header.index(target)] for row in rows]
    if len(asked) > 1:
        return _Wanted((target,), _matching(asked, set(cells), target), SHARES)
    classes = labels_of(cells)
    if not classes:
        return _Wanted((target,), (), VALUES)
    shares = are_numbers(sample.answers) and any("." in a or a not in classes for a in sample.answers)
    return _Wanted((target,), classes, SHARES if shares and len(classes) == 2 else LABELS)


def _matching(columns: tuple[str, ...], labels: set[str], target: str) -> tuple[str, ...]:
    """The label of each column of probabilities, whose name may have a prefix, such as Status_C."""
    found = []
    for column in columns:
        ends = [label for label in labels if label and (column == label or column.endswith(f"_{label}"))]
        if not ends:
            raise DataError(f"no label of {target!r} is called like the column {column!r} of {SAMPLE}; rename one")
        found.append(max(ends, key=len))
    return tuple(found)


def _targets(wanted: _Wanted, columns: Mapping[str, Sequence[str]]) -> Floats:
    """(n, outputs); NaN in rows without a target or of an unknown label."""
    return np.hstack([targets_of(columns[name], wanted.classes) for name in wanted.targets])


def _cells(wanted: _Wanted, sample: _Sample, predictions: Floats) -> Sequence[Sequence[str]]:
    """What stands beside each id."""
    if wanted.form == LABELS:
        # Of two, one half counts as the second, as in all metrics of competitions.
        two = len(wanted.classes) == 2
        chosen = (predictions[:, 0] >= 0.5).astype(int) if two else predictions.argmax(axis=1)
        return [[wanted.classes[k]] for k in chosen]
    if wanted.kind == "binary" and len(sample.header) == 3:
        predictions = np.hstack([1 - predictions, predictions])
    return [[f"{value:.9g}" for value in row] for row in predictions]
