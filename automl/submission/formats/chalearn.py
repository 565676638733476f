"""ChaLearn AutoML 2015 to 2018: directories of text files, a file a prediction (the organisers' kits, v0.8 to AutoML2).

Nothing is believed of `NAME_public.info` that can be counted: rows, columns and classes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl.challenge_metrics import ALIASES, CHALLENGE_METRICS, Kind
from automl.errors import DataError
from automl.submission.problem import Data, Floats, Predictions, Problem, Settings

KINDS: Mapping[str, Kind] = {
    "binary.classification": "binary",
    "multiclass.classification": "multiclass",
    "multilabel.classification": "multilabel",
    "regression": "regression",
}
USUAL_METRIC: Mapping[Kind, str] = {
    "binary": "bac_metric",
    "multiclass": "bac_metric",
    "multilabel": "bac_metric",
    "regression": "r2_metric",
}
PARTS = ("valid", "test")
BLOCK = 1 << 22
HOLDS = (".data",)


@dataclass(frozen=True)
class ChaLearn:
    """Numbered files `NAME_valid_000.predict` and `NAME_test_000.predict`, of which the last one counts."""

    name: str = "chalearn"

    def names(self, source: Path) -> Sequence[str]:
        found = {path.name.removesuffix("_train.data") for path in _files(source, "*_train.data")}
        return sorted(found)

    def read(self, source: Path, name: str, metric: str | None = None) -> Problem:
        info = _info(_place(source, name, "_public.info"))
        targets = _numbers(_place(source, name, "_train.solution"))
        kind = _kind(info, targets)
        named = metric or info.get("metric", "")
        known = ALIASES.get(named, named) in CHALLENGE_METRICS
        blank = _layout(info, _place(source, name, "_train.data")) != "dense"
        rows = {}
        for part in PARTS:
            path = _place(source, name, f"_{part}.data")
            if path.is_file():
                rows[part] = _count(path, blank=blank)
        if not rows:
            raise DataError(f"{name}: there is neither {name}_valid.data nor {name}_test.data; add what to predict")
        return Problem.of(
            name,
            kind,
            named if known or metric else USUAL_METRIC[kind],
            targets,
            rows=rows,
            seconds=_number(info.get("time_budget")),
        )

    def data(self, source: Path, problem: Problem) -> Data:
        info = _info(_place(source, problem.name, "_public.info"))
        paths = {part: _place(source, problem.name, f"_{part}.data") for part in ("train", *problem.rows)}
        targets = _numbers(_place(source, problem.name, "_train.solution"))
        layout = _layout(info, paths["train"])
        if layout == "dense":
            arrays = {part: _numbers(path) for part, path in paths.items()}
            tables = _typed(arrays, _categorical(_place(source, problem.name, "_feat.type"), info))
        else:
            tables = _sparse(paths, layout == "sparse", int(_number(info.get("feat_num")) or 0))
        if tables["train"].shape[0] != len(targets):
            raise DataError(
                f"{problem.name}: {tables['train'].shape[0]} training rows have {len(targets)} targets; mend the files"
            )
        return Data(tables.pop("train"), targets, tables)

    def files(self, source: Path, problem: Problem, predictions: Predictions, number: int) -> Mapping[str, bytes]:
        return {f"{problem.name}_{part}_{number:03d}.predict": text(p) for part, p in predictions.items()}

    def faults(self, source: Path, problem: Problem, output: Path) -> Sequence[str]:
        found = []
        for part, rows in problem.rows.items():
            paths = sorted(output.glob(f"{problem.name}_{part}*.predict"))
            if not paths:
                found.append(f"{problem.name}_{part}_000.predict is missing")
            for path in paths:
                found += predict_faults(path, rows, problem.outputs, problem.kind)
        return found

    def top(self, settings: Settings) -> Mapping[str, str]:
        from automl.submission.archive import RUN

        return {
            "metadata": "command: python $program/run.py $input $output\ndescription: AutoNet\n",
            "run.py": RUN.format(settings=settings),
        }

    def toy(self, folder: Path) -> None:
        from automl.submission.toys import chalearn_toys

        chalearn_toys(folder)


def text(predictions: Floats) -> bytes:
    """A line a row, columns separated by spaces."""
    buffer = io.BytesIO()
    np.savetxt(buffer, predictions, fmt="%.9g")
    return buffer.getvalue()


def latest_files(problem: Problem, predictions: Predictions) -> dict[str, bytes]:
    """`NAME_PART.predict` and its content for each part, for formats in which a better prediction replaces the last."""
    return {f"{problem.name}_{part}.predict": text(p) for part, p in predictions.items()}


def latest_faults(problem: Problem, output: Path) -> list[str]:
    """What is wrong with these files."""
    found = list[str]()
    for part, rows in problem.rows.items():
        path = output / f"{problem.name}_{part}.predict"
        found += predict_faults(path, rows, problem.outputs, problem.kind)
    return found


def predict_faults(path: Path, rows: int, outputs: int, kind: Kind) -> list[str]:
    """What is wrong with a file of predictions."""
    try:
        values = _numbers(path)
    except DataError as error:
        return [str(error)]
    if values.shape != (rows, outputs):
        return [f"{path.name} is of shape {values.shape} instead of {(rows, outputs)}"]
    if not np.isfinite(values).all():
        return [f"{path.name} holds values that are no finite numbers"]
    if kind != "regression" and (values.min() < 0 or values.max() > 1):
        return [f"{path.name} holds probabilities outside [0, 1]"]
    if kind == "multiclass" and not np.allclose(values.sum(axis=1), 1, atol=1e-6):
        return [f"{path.name} has rows that do not sum to 1"]
    return []


def _files(source: Path, pattern: str) -> list[Path]:
    return [*source.glob(pattern), *source.glob(f"*/{pattern}")]


def _place(source: Path, name: str, ending: str) -> Path:
    """A file of a data set, in a folder of its own or beside the others."""
    own = source / name / f"{name}{ending}"
    return own if own.exists() or not (source / f"{name}{ending}").exists() else source / f"{name}{ending}"


def _info(path: Path) -> dict[str, str]:
    """`key = value` lines; nothing where the file is missing."""
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
    except OSError:
        return {}
    pairs = [line.partition("=") for line in lines if "=" in line]
    return {key.strip().lower(): value.strip().strip("'\"").strip() for key, _, value in pairs}


def _number(value: str | None) -> float | None:
    try:
        return float(value) if value is not None and 0 < float(value) < math.inf else None
    except ValueError:
        return None


def _numbers(path: Path) -> Floats:
    """(rows, columns) of a file of numbers separated by spaces."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path.name}: there is no such file; add it to {path.parent}") from error
    lines = [line for line in content.split(b"\n") if line.strip()]
    if not lines:
        raise DataError(f"{path.name} is empty; give a line a row")
    columns = len(lines[0].split())
    try:
        values = np.array(content.split(), dtype=np.float64)
        return values.reshape(len(lines), columns)
    except ValueError as error:
        raise DataError(f"{path.name} is no table of numbers ({error}); mend the file") from error


def _kind(info: Mapping[str, str], targets: Floats) -> Kind:
    """As the info file says, where the targets do not say otherwise."""
    said = KINDS.get(info.get("task", ""))
    zero_one = bool(np.isin(targets, (0, 1)).all())
    if targets.shape[1] == 1:
        if said == "regression" or (said is None and len(np.unique(targets)) > 2):
            return "regression"
        return "binary"
    if said in ("multiclass", "multilabel"):
        return said
    return "multiclass" if zero_one and (targets.sum(axis=1) == 1).all() else "multilabel"


def _count(path: Path, *, blank: bool) -> int:
    """Lines of a file; a blank one is a row of zeros in a sparse file, and nothing in a dense one."""
    rows, last = 0, b"\n"
    with path.open("rb") as stream:
        if not blank:
            return sum(1 for line in stream if line.strip())
        while block := stream.read(BLOCK):
            rows, last = rows + block.count(b"\n"), block
    return rows + (not last.endswith(b"\n"))


def _layout(info: Mapping[str, str], path: Path) -> str:
    """dense, sparse (index:value) or binary (indices)."""
    with path.open("rb") as stream:
        heads = [line for _, line in zip(range(200), stream, strict=False)]
    filled = [line for line in heads if line.strip()]
    if info.get("is_sparse") == "0" and not any(b":" in line for line in filled):
        return "dense"
    if any(b":" in line for line in filled):
        return "sparse"
    if info.get("is_sparse") == "1" or len({len(line.split()) for line in filled}) > 1:
        return "binary"
    return "dense"


def _rows(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    lines = content.split(b"\n")
    yield from lines[:-1] if content.endswith(b"\n") else lines


def _sparse(paths: Mapping[str, Path], valued: bool, columns: int) -> dict[str, Any]:
    """CSR matrices of as many columns as the largest index of any part, or as are said, if these are more."""
    from scipy import sparse

    read = {part: _entries(path, valued) for part, path in paths.items()}
    width = max([columns, *(int(index.max(initial=0)) for _, index, _ in read.values())])
    return {
        part: sparse.csr_array((values, index - 1, starts), shape=(len(starts) - 1, width))
        for part, (starts, index, values) in read.items()
    }


def _entries(path: Path, valued: bool) -> tuple[Any, Any, Any]:
    """Start of each row, and the indices (from 1) and values of its entries."""
    lines = list(_rows(path))
    counts = [len(line.split()) for line in lines]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    try:
        found = np.array(b" ".join(lines).replace(b":", b" ").split(), dtype=np.float64)
        index, values = (found[::2], found[1::2]) if valued else (found, np.ones(len(found)))
        if len(index) != starts[-1] or len(values) != starts[-1] or index.min(initial=1) < 1:
            raise ValueError("an entry without a value, or an index below 1")
    except ValueError as error:
        raise DataError(f"{path.name} is no sparse table ({error}); write index:value, from 1") from error
    return starts.astype(np.int32), index.astype(np.int32), values  # trees know no wider ones


def _categorical(path: Path, info: Mapping[str, str]) -> list[int]:
    """Positions of the columns that hold categories."""
    try:
        words = path.read_text(encoding="latin-1").split()
    except OSError:
        return [-1] if info.get("feat_type") == "Categorical" else []
    return [k for k, word in enumerate(words) if word.lower() == "categorical"]


def _typed(arrays: Mapping[str, Floats], categorical: Sequence[int]) -> dict[str, Any]:
    """The arrays, or frames whose categorical columns are of that type."""
    width = arrays["train"].shape[1]
    chosen = range(width) if categorical == [-1] else [k for k in categorical if k < width]
    for part, array in arrays.items():
        if array.shape[1] != width:
            raise DataError(f"{part} has {array.shape[1]} columns, train has {width}; mend the files")
    if not len(chosen):
        return dict(arrays)
    import pandas as pd

    frames = {}
    for part, array in arrays.items():
        frame = pd.DataFrame(array, columns=[f"x{k}" for k in range(width)])
        frames[part] = frame.astype({f"x{k}": "category" for k in chosen})
    return frames
