"""Seconds to predict 10,000 rows with our fitted ensemble, beside a LightGBM of 500 trees.

    python tests/benchmarks/predict_speed.py --data FOLDER --out predict_speed.json

The rows of a table are repeated up to 10,000; the least of five predictions each, after one that is not timed, on the
same number of threads, each model in a new interpreter. Ours begins with the table as it is; what LightGBM needs
first, categories in place of text, is done before its clock begins.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import Output, add_settings, attempt, autonet, data_folder, fresh, load_table, parser, say, show, split
from side import native

TABLES = ("credit_g", "phoneme", "adult", "kin8nm")
ROWS = 10_000
TREES = 500
REPEATS = 5


def repeated(X: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table, again and again up to ROWS."""
    return X.iloc[np.arange(ROWS) % len(X)].reset_index(drop=True)


def least_seconds(call: Callable[[], Any]) -> float:
    """Of REPEATS calls, after one that loads what the first one has to."""
    found = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return min(found[1:])


def ours(folder: Path, name: str, limit: float, jobs: int, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """A fit under a time limit, and the seconds of its predictions."""
    import torch

    X, y, labels = load_table(folder, name)
    train, test, y_train, _ = split(X, y, labels)
    model = autonet(labels, **{"time_limit": limit, "n_jobs": jobs, "random_state": seed, **settings})
    model.fit(train, y_train)
    torch.set_num_threads(jobs)
    rows = repeated(test)
    members = [f"{m.family} × {len(m.folds)}" for m in model.ensemble_.members]
    return {"ours": least_seconds(lambda: (model.predict_proba if labels else model.predict)(rows)), "members": members}


def lightgbm(folder: Path, name: str, jobs: int, seed: int) -> dict[str, Any]:
    """The same for LightGBM."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    X, y, labels = load_table(folder, name)
    train, test, y_train, _ = split(X, y, labels)
    prepare = native(train)
    kind = LGBMClassifier if labels else LGBMRegressor
    model = kind(n_estimators=TREES, n_jobs=jobs, random_state=seed, verbose=-1).fit(prepare(train), y_train)
    rows = prepare(repeated(test))
    return {"lightgbm": least_seconds(lambda: (model.predict_proba if labels else model.predict)(rows))}


def compared(folder: Path, name: str, limit: float, jobs: int, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Both, each in a new interpreter, and how many times LightGBM's seconds ours are."""
    row = {**fresh(ours, folder, name, limit, jobs, seed, settings), **fresh(lightgbm, folder, name, jobs, seed)}
    return {**row, "ratio": row["ours"] / row["lightgbm"]}


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--tables", nargs="+", default=list(TABLES))
    made.add_argument("--limit", type=float, default=60.0, help="of our fit, seconds")
    made.add_argument("--jobs", type=int, default=2)
    add_settings(made)
    args = made.parse_args()
    folder, output = data_folder(args), Output(args.out)
    for name in args.tables:
        row = attempt(compared, folder, name, args.limit, args.jobs, args.seed, args.settings)
        output.add({"table": name, **row})
        say(f"{name}: {row.get('error') or '{ours:.3f} s, {ratio:.2f} times LightGBM'.format(**row)}")
    show(f"Seconds for {ROWS} rows", output.rows, ["table", "ours", "lightgbm", "ratio", "members", "error"])
    return int(any("error" in row for row in output.rows))


if __name__ == "__main__":
    sys.exit(main())
