"""Our estimator against scikit-learn's defaults on tables, and the wall clock of `fit`.

    python tests/benchmarks/tables.py --data FOLDER --limits 60 --out tables.json
    python tests/benchmarks/tables.py --data FOLDER --limits 10 30 60 --rank-at 60 --out tables.json
    python tests/benchmarks/tables.py --data FOLDER --clock-only --limits 10 30 60 --out clock.json

75/25 split (stratified for labels), log loss or RMSE on the test part. Every fit of ours runs in a new interpreter
unless `--warm` is given, so that what the first fit of a process has to load counts against its limit.

Required: `fit` ends within max(5 %, 2 s) of its limit. Exits with 1 where it does not.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
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
    load_table,
    parser,
    reason,
    say,
    score,
    show,
)
from common import split as split_table
from common import states as count_states
from scipy.stats import rankdata

DEVELOPMENT = {
    "credit_g": "1000 rows, mixed columns: noise rules, the ensemble matters",
    "soybean": "19 classes, all categorical, missing cells",
    "anneal": "two thirds of the cells missing, 5 uneven classes",
    "vehicle": "small, 4 classes, numbers only: networks do well",
    "phoneme": "5 numbers, medium: trees do well",
    "madelon": "500 columns of which 20 matter",
    "adult": "49 thousand rows, categorical, missing cells",
    "insurance": "small regression, categorical",
    "kin8nm": "smooth regression: networks do well",
    "diamonds": "54 thousand rows, regression, categorical",
}
CLOCK = {
    "arcene": "200 rows × 10 000 columns",
    "letter": "26 classes × 20 thousand rows",
    "mlbench_shuttle": "58 thousand rows, 7 classes, the rarest with 10 rows",
    "leaf_flavia": "32 classes, mixed columns",
    "nursery": "all categorical, a class of 2 rows",
    "hypothyroid": "missing cells, a class of 2 rows",
    "electricity": "45 thousand rows, numbers",
    "triazines": "186 rows × 60 columns, regression",
    "pol": "15 thousand rows × 48 columns, regression",
    "iris": "150 rows: trials are short, so what is around them counts",
}
OURS = "AutoNet"
SHOWN = (
    *("table", "system", "limit", "seconds", "overrun", "within", "finished"),
    *("validation_loss", "test_loss", "score", "predict_seconds", "error"),
)


# Baselines


def _columns(X: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Names of the columns with categories and with numbers; empty ones, which boosting cannot bin, are left out."""
    names = [str(c) for c in X.columns if X[c].notna().any()]
    numbers = [c for c in names if pd.api.types.is_numeric_dtype(X[c])]
    return [c for c in names if c not in numbers], numbers


def _boosting(X: pd.DataFrame, labels: bool, seed: int, jobs: int) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    categories, numbers = _columns(X)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    native = [i for i, c in enumerate(categories) if X[c].nunique() <= 255]  # its limit; others are numbers to it
    kind = HistGradientBoostingClassifier if labels else HistGradientBoostingRegressor
    return make_pipeline(
        make_column_transformer((ordinal, categories), ("passthrough", numbers)),
        kind(random_state=seed, categorical_features=native or None),
    )


def _forest(X: pd.DataFrame, labels: bool, seed: int, jobs: int) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    categories, numbers = _columns(X)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    kind = RandomForestClassifier if labels else RandomForestRegressor
    return make_pipeline(
        make_column_transformer(
            (ordinal, categories), (SimpleImputer(strategy="median", keep_empty_features=True), numbers)
        ),
        kind(random_state=seed, n_jobs=jobs),
    )


def _network(X: pd.DataFrame, labels: bool, seed: int, jobs: int) -> Any:
    from sklearn.compose import TransformedTargetRegressor, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    categories, numbers = _columns(X)
    prepare = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), categories),
        (make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()), numbers),
    )
    if labels:
        return make_pipeline(prepare, MLPClassifier(random_state=seed))
    # Without scaled targets the network has not converged after its default 200 epochs on most tables.
    return TransformedTargetRegressor(
        make_pipeline(prepare, MLPRegressor(random_state=seed)), transformer=StandardScaler()
    )


BASELINES: dict[str, Callable[..., Any]] = {"HistGradientBoosting": _boosting, "RandomForest": _forest, "MLP": _network}


# Rows


def our_row(folder: Path, name: str, limit: float, jobs: int, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """One fit of ours under a time limit."""
    X, y, labels = load_table(folder, name)
    train, test, y_train, y_test = split_table(X, y, labels)
    model = autonet(labels, **{"time_limit": limit, "n_jobs": jobs, "random_state": seed, **settings})
    row: dict[str, Any] = {}
    began = time.monotonic()
    try:
        model.fit(train, y_train)
    except Exception as error:  # the clock holds for a fit that fails too
        row["error"] = reason(error)
    seconds = time.monotonic() - began
    row |= {"seconds": seconds, "overrun": seconds - limit, "within": seconds - limit <= max(0.05 * limit, 2.0)}
    if "error" not in row:
        row |= {
            "finished": len(model.history_.done),
            "states": count_states(model.history_),
            "validation_loss": float(model.validation_loss_),
            "members": len(model.ensemble_.members),
            **score(model, test, y_test, labels),
        }
    return row


def baseline_row(folder: Path, name: str, system: str, jobs: int, seed: int) -> dict[str, Any]:
    """One fit of a baseline."""
    X, y, labels = load_table(folder, name)
    train, test, y_train, y_test = split_table(X, y, labels)
    model = BASELINES[system](train, labels, seed, jobs)
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the network has not converged is part of its defaults
        model.fit(train, y_train)
        seconds = time.monotonic() - began
        return {"seconds": seconds, **score(model, test, y_test, labels)}


# Ranks


def ranks(rows: list[dict[str, Any]], limit: float) -> list[dict[str, Any]]:
    """Ranks by test loss of a table's systems, ours under this limit; one that failed ranks last."""
    found: list[dict[str, Any]] = []
    for table in dict.fromkeys(r["table"] for r in rows):
        own = [r for r in rows if r["table"] == table and r["limit"] in (None, limit)]
        losses = [r.get("test_loss", np.inf) for r in own]
        places = rankdata(losses).tolist()
        found.append({"table": table, **{r["system"]: place for r, place in zip(own, places, strict=True)}})
    systems = [OURS, *BASELINES]
    means = {s: float(np.mean([row[s] for row in found if s in row])) for s in systems if any(s in r for r in found)}
    return [*found, {"table": "mean", **means}]


def clock(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The worst overrun of each limit."""
    found = []
    for limit in sorted({r["limit"] for r in rows if r["limit"] is not None}):
        own = [r for r in rows if r["limit"] == limit and "overrun" in r]
        if own:
            worst = max(own, key=lambda r: r["overrun"])
            late = sum(not r["within"] for r in own)
            found.append(
                {"limit": limit, "fits": len(own), "late": late, "worst": worst["overrun"], "table": worst["table"]}
                | {"failed": sum("error" in r for r in own)}
            )
    return found


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--tables", nargs="+", help="default: the 10 for development; 10 more with --clock-only")
    made.add_argument("--limits", nargs="+", type=float, default=[60.0], help="seconds")
    made.add_argument("--rank-at", type=float, help="limit whose fits are ranked; default: the longest")
    made.add_argument("--jobs", type=int, default=2)
    made.add_argument("--clock-only", action="store_true", help="no baselines")
    made.add_argument("--warm", action="store_true", help="all fits in this process")
    add_settings(made)
    args = made.parse_args()
    rank_at = max(args.limits) if args.rank_at is None else args.rank_at
    if rank_at not in args.limits:
        made.error(f"--rank-at {rank_at:g} is not among --limits")
    output = Output(args.out)
    measure(args, data_folder(args), output)
    show("Fits", output.rows, SHOWN)
    times = clock(output.rows)
    show("Wall clock", times, ["limit", "fits", "late", "failed", "worst", "table"])
    places = [] if args.clock_only else ranks(output.rows, rank_at)
    show(f"Ranks by test loss, {OURS} at {rank_at:g} s", places, ["table", OURS, *BASELINES])
    output.write(clock=times, ranks=places)
    return int(any(row.get("within") is False or "error" in row for row in output.rows))


def measure(args: argparse.Namespace, folder: Path, output: Output) -> None:
    """All fits, the tables one after another."""
    tables = args.tables or [*DEVELOPMENT, *(CLOCK if args.clock_only else ())]
    for name in tables:
        for limit in args.limits:
            given = (our_row, folder, name, limit, args.jobs, args.seed, args.settings)
            row = attempt(*given) if args.warm else attempt(fresh, *given)
            _put(output, {"table": name, "system": OURS, "limit": limit, **row})
        for system in () if args.clock_only else BASELINES:
            row = attempt(baseline_row, folder, name, system, args.jobs, args.seed)
            _put(output, {"table": name, "system": system, "limit": None, **row})


def _put(output: Output, row: dict[str, Any]) -> None:
    output.add(row)
    limit = "" if row["limit"] is None else f" {row['limit']:g} s"
    told = row.get("error") or f"loss {row['test_loss']:.4f}, {row['seconds']:.1f} s"
    say(f"{row['table']} {row['system']}{limit}: {told}")


if __name__ == "__main__":
    sys.exit(main())
