"""What a fit is worth after 3, 5, 10, 20 and 60 seconds, and when its first trial has finished.

    python tests/benchmarks/anytime.py --data FOLDER --out anytime.json

On a generated and a real table of 10,000 rows, 75/25 split; every fit in a new interpreter, where what it has to import
counts. The package is not changed: the listener that shows the progress of a fit is wrapped in that interpreter, and a
trial counts as finished when the fitting process is told so.

Required: `fit` ends within max(5 %, 2 s) of its limit, with a model. Exits with 1 where it does not.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import (
    Output,
    add_settings,
    attempt,
    autonet,
    data_folder,
    fresh,
    generated,
    load_table,
    parser,
    reason,
    say,
    score,
    show,
    split,
    states,
)

GENERATED = "generated"
COLUMNS = 20
SHOWN = (
    *("table", "limit", "seconds", "within", "first_trial", "finished", "states", "members"),
    *("validation_loss", "test_loss", "score", "error"),
)


def table(folder: Path, name: str, rows: int) -> tuple[pd.DataFrame, Any, bool]:
    """X, y, and whether y are labels: at most so many rows of the table, always the same."""
    if name == GENERATED:
        X, y = generated(rows, COLUMNS)
        return pd.DataFrame(X), y, True
    frame, y, labels = load_table(folder, name)
    taken = np.random.default_rng(0).permutation(len(frame))[:rows]
    return frame.iloc[taken], y[taken], labels


def noted(finished: list[float]) -> None:
    """Have every fit of this process append the `time.monotonic` values at which its trials finish."""
    from automl import progress

    inner = progress.watch

    @contextlib.contextmanager
    def watch(*args: Any) -> Iterator[Callable[[Any], None]]:
        with inner(*args) as listen:

            def told(trial: Any) -> None:
                if trial.state == "done":
                    finished.append(time.monotonic())
                listen(trial)

            yield told

    progress.watch = watch


def fit_row(
    folder: Path, name: str, rows: int, limit: float, jobs: int, seed: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """One fit under a time limit."""
    X, y, labels = table(folder, name, rows)
    train, test, y_train, y_test = split(X, y, labels)
    model = autonet(labels, **{"time_limit": limit, "n_jobs": jobs, "random_state": seed, **settings})
    finished: list[float] = []
    noted(finished)
    row: dict[str, Any] = {}
    began = time.monotonic()
    try:
        model.fit(train, y_train)
    except Exception as error:  # a limit too short for any trial
        row["error"] = reason(error)
    seconds = time.monotonic() - began
    row |= {"seconds": seconds, "within": seconds - limit <= max(0.05 * limit, 2.0)}
    row["first_trial"] = finished[0] - began if finished else None
    if "error" in row:
        return row
    return row | {
        "finished": len(finished),
        "states": states(model.history_),
        "members": len(model.ensemble_.members),
        "validation_loss": float(model.validation_loss_),
        **score(model, test, y_test, labels),
    }


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--tables", nargs="+", default=[GENERATED, "adult"])
    made.add_argument("--rows", type=int, default=10_000, help="of each table, at most")
    made.add_argument("--limits", nargs="+", type=float, default=[3.0, 5.0, 10.0, 20.0, 60.0], help="seconds")
    made.add_argument("--jobs", type=int, default=2)
    add_settings(made)
    args = made.parse_args()
    folder, output = data_folder(args), Output(args.out)
    for name in args.tables:
        for limit in args.limits:
            given = (folder, name, args.rows, limit, args.jobs, args.seed, args.settings)
            row = attempt(fresh, fit_row, *given)
            output.add({"table": name, "limit": limit, **row})
            fine = "loss {test_loss:.4f}, {seconds:.1f} s, first trial after {first_trial:.1f} s"
            say(f"{name} {limit:g} s: {row.get('error') or fine.format(**row)}")
    show(f"Any time, {args.rows} rows", output.rows, SHOWN)
    return int(any(row.get("within") is False or "error" in row for row in output.rows))


if __name__ == "__main__":
    sys.exit(main())
