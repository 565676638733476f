"""Small inputs of each format, with something to learn in them, on which a submission is tried before."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROWS = {"train": 120, "valid": 40, "test": 40}
Numbers = np.ndarray


def chalearn_toys(folder: Path, names: Sequence[str] = ("bina", "labe", "mult", "regr")) -> None:
    """Data sets of every kind of task and in every layout of the files; the true targets go to `truth`."""
    for name, kind, metric, layout in (
        ("bina", "binary.classification", "bac_metric", "dense"),
        ("labe", "multilabel.classification", "f1_metric", "sparse_binary"),
        ("mult", "multiclass.classification", "pac_metric", "sparse"),
        ("regr", "regression", "a_metric", "dense"),
    ):
        if name not in names:
            continue
        rng, own = np.random.default_rng(0), folder / name
        own.mkdir(parents=True, exist_ok=True)
        X, y = _toy(kind, layout, rng)
        start = 0
        for part, rows in ROWS.items():
            (own / f"{name}_{part}.data").write_text("".join(_line(row, layout) for row in X[start : start + rows]))
            solution = "".join(" ".join(f"{v:g}" for v in row) + "\n" for row in y[start : start + rows])
            place = own if part == "train" else folder / "truth"
            place.mkdir(exist_ok=True)
            (place / f"{name}_{part}.solution").write_text(solution)
            start += rows
        sparse = int(layout != "dense")
        info = {
            "name": f"'{name}'",
            "task": f"'{kind}'",
            "metric": f"'{metric}'",
            "time_budget": 20,
            "is_sparse": sparse,
        }
        lines = [f"{key} = {value}\n" for key, value in (info | {"feat_num": X.shape[1]}).items()]
        (own / f"{name}_public.info").write_text("".join(lines))


def _toy(kind: str, layout: str, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    rows = sum(ROWS.values())
    X = (rng.random((rows, 30)) < 0.3).astype(float) if layout == "sparse_binary" else rng.normal(size=(rows, 8))
    if layout == "sparse":
        X = np.round(10 * X) * (rng.random(X.shape) < 0.6)
    first, second = X[:, 0] + 0.2 * rng.normal(size=rows), X[:, 1] - X[:, 2] + 0.2 * rng.normal(size=rows)
    if kind == "regression":
        return X, (3 * first + second)[:, None]
    if kind.startswith("binary"):
        return X, (first > 0).astype(float)[:, None]
    if kind.startswith("multilabel"):
        return X, np.stack([first > 0.5, second > 0.5], axis=1).astype(float)
    return X, np.eye(3)[np.digitize(first, np.quantile(first, (0.4, 0.7)))]


def _line(row: Numbers, layout: str) -> str:
    if layout == "dense":
        return " ".join(f"{value:.6g}" for value in row) + " \n"
    filled = np.flatnonzero(row)
    if layout == "sparse":
        return " ".join(f"{k + 1}:{row[k]:.6g}" for k in filled) + "\n"
    return " ".join(str(k + 1) for k in filled) + "\n"


def kaggle_toy(folder: Path) -> None:
    """A table with categories and gaps; yes or no is to be told."""
    folder.mkdir(parents=True, exist_ok=True)
    train, test = _people(160, 1), _people(60, 2)
    _csv(folder / "train.csv", ["id", "age", "town", "target"], [[k, *row] for k, row in enumerate(train)])
    rows = [[200 + k, *row[:-1]] for k, row in enumerate(test)]
    _csv(folder / "test.csv", ["id", "age", "town"], rows)
    _csv(folder / "sample_submission.csv", ["id", "target"], [[row[0], "no"] for row in rows])


def amlb_toy(folder: Path) -> None:
    """Labels and values, in two folders."""
    for name, target in (("people", "target"), ("ages", "age")):
        own = folder / name
        own.mkdir(parents=True, exist_ok=True)
        header = ["age", "town", "target"]
        _csv(own / "train.csv", header, [row for row in _people(160, 1) if row[0] != ""])
        _csv(own / "test.csv", header, [row for row in _people(60, 2) if row[0] != ""])
        (own / "task.json").write_text(json.dumps({"target": target}))


def _people(rows: int, seed: int) -> list[list[object]]:
    rng = np.random.default_rng(seed)
    ages, towns = np.round(rng.uniform(18, 90, rows), 2), rng.choice(["Ulm", "Bonn", "Kiel"], rows)
    old = ages + 15 * (towns == "Ulm") + rng.normal(0, 5, rows) > 60
    gap = rng.random(rows) < 0.05
    return [
        ["" if missing else float(age), str(town), "yes" if yes else "no"]
        for age, town, yes, missing in zip(ages, towns, old, gap, strict=True)
    ]


def _csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in [header, *rows]))


def images(rows: int, seed: int, *, side: int = 12, channels: int = 1) -> tuple[Numbers, Numbers]:
    """(rows, channels, side, side) float32 in [0, 1] of bars that lie or stand, and which of the two (rows,)."""
    rng = np.random.default_rng(seed)
    pictures = rng.uniform(0, 0.4, (rows, channels, side, side)).astype(np.float32)
    y = rng.integers(0, 2, rows)
    for picture, standing, at in zip(pictures, y, rng.integers(1, side - 1, rows), strict=True):
        if standing:
            picture[:, :, at] = 1.0
        else:
            picture[:, at, :] = 1.0
    return pictures, y


def nas_toy(folder: Path) -> None:
    """Images in arrays, with the true labels of the test part."""
    own = folder / "bars"
    own.mkdir(parents=True, exist_ok=True)
    for k, (part, rows) in enumerate(ROWS.items()):
        pictures, y = images(rows, k)
        np.save(own / f"{part}_x.npy", pictures)
        np.save(own / f"{part}_y.npy", y)
    about = {
        "num_classes": 2,
        "input_shape": [120, 1, 12, 12],
        "codename": "Bars",
        "benchmark": 60.0,
        "time_limit": 0.01,
    }
    (own / "metadata").write_text(json.dumps(about))


def autodl_toy(folder: Path) -> None:
    """Bars as dense numbers in records, with the true labels beside them."""
    for k, (part, rows) in enumerate({"train": 120, "test": 40}.items()):
        pictures, y = images(rows, k)
        own = folder / "bars.data" / part
        own.mkdir(parents=True, exist_ok=True)
        about = f"sample_count: {rows}\nsequence_size: 1\noutput_dim: 2\n"
        spec = "matrix_spec {\n  col_count: 12\n  row_count: 12\n  num_channels: 1\n  format: DENSE\n}\n"
        (own / "metadata.textproto").write_text(about + spec)
        records = [_example(x, int(label) if part == "train" else None) for x, label in zip(pictures, y, strict=True)]
        content = b"".join(struct.pack("<QI", len(r), 0) + r + struct.pack("<I", 0) for r in records)
        (own / f"sample-bars-{part}.tfrecord").write_bytes(content)
        if part == "test":
            (folder / "bars.solution").write_text("".join(f"{1 - label} {label}\n" for label in y))


def _example(picture: Numbers, label: int | None) -> bytes:
    """A SequenceExample of Protocol Buffers: the label in the context, the numbers as a list of one step."""
    numbers = _field(2, _field(1, picture.astype("<f4").tobytes()))
    dense = _field(1, _field(1, b"0_dense_input") + _field(2, _field(1, numbers)))
    if label is None:
        return _field(2, dense)
    index = _field(1, _field(1, b"label_index") + _field(2, _field(3, _field(1, bytes([label])))))
    score = _field(1, _field(1, b"label_score") + _field(2, _field(2, _field(1, struct.pack("<f", 1.0)))))
    return _field(1, index + score) + _field(2, dense)


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes; lengths below 2 ** 14."""
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([number << 3 | 2]) + length + content
