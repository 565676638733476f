"""Our estimator against the defaults of six others on tables, and the wall clock of `fit`.

    python tests/benchmarks/tables.py --data FOLDER --peer-python ENVIRONMENT/bin/python --out tables.json
    python tests/benchmarks/tables.py --data FOLDER --systems ours --limits 10 30 60 --out tables.json
    python tests/benchmarks/tables.py --data FOLDER --systems peers --tables adult --out tables.json
    python tests/benchmarks/tables.py --data FOLDER --clock-only --limits 10 30 60 --out clock.json
    python tests/benchmarks/tables.py --markdown tables.json

75/25 split (stratified for labels), log loss or RMSE on the test part; ours knows tables of other groups alone. Every
fit of ours runs in a new interpreter unless `--warm` is given, so that what the first fit of a process has to load
counts against its limit. The peers run to their own end, imports not counted, by the interpreter of `--peer-python`
(RealMLP_TD and TabM_D need pytabkit); what takes longer than `--peer-limit` is stopped and ranks last. A file that is
there is gone on with: what it holds is not measured again, unless it failed.

Required: `fit` ends within max(5 %, 2 s) of its limit. Exits with 1 where it does not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    Output,
    add_settings,
    attempt,
    autonet,
    data_folder,
    fresh,
    known_elsewhere,
    load_table,
    markdown,
    parser,
    ranks,
    reason,
    say,
    score,
    scored,
    show,
)
from common import split as split_table
from common import states as count_states
from elsewhere import ask, has

DEVELOPMENT = {
    "soybean": "683 rows, 19 classes, all categorical, missing cells",
    "anneal": "898 rows, two thirds of the cells missing, 5 uneven classes",
    "vehicle": "846 rows, 4 classes, numbers only: networks do well",
    "credit_g": "1000 rows, mixed columns: noise rules, the ensemble matters",
    "car": "1728 rows of 6 categories that a rule decides",
    "madelon": "500 columns of which 20 matter",
    "mlbench_dna": "180 columns of two categories",
    "phoneme": "5 numbers, medium: trees do well",
    "marketing": "9 classes that overlap",
    "pendigits": "10 classes, 16 numbers, 11 thousand rows",
    "magic_telescope": "19 thousand rows, numbers",
    "bank_marketing": "45 thousand rows, 9 of 16 columns categorical, uneven classes",
    "electricity": "45 thousand rows, numbers: trees do well",
    "adult": "49 thousand rows, categorical, missing cells",
    "insurance": "1338 rows, regression, categorical",
    "abalone": "4177 rows, regression on whole numbers",
    "kin8nm": "smooth regression: networks do well",
    "elevators": "17 thousand rows, regression, small values",
    "house8L": "23 thousand rows, regression, heavy tails",
    "housing": "506 rows, regression",
}
CLOCK = {
    "arcene": "200 rows × 10 000 columns",
    "letter": "26 classes × 20 thousand rows",
    "mlbench_shuttle": "58 thousand rows, 7 classes, the rarest with 10 rows",
    "leaf_flavia": "32 classes, mixed columns",
    "nursery": "all categorical, a class of 2 rows",
    "hypothyroid": "missing cells, a class of 2 rows",
    "diamonds": "54 thousand rows, regression, categorical",
    "triazines": "186 rows × 60 columns, regression",
    "pol": "15 thousand rows × 48 columns, regression",
    "iris": "150 rows: trials are short, so what is around them counts",
}
CLOCK_TOO = (
    *("credit_g", "soybean", "anneal", "vehicle", "phoneme", "madelon", "adult", "insurance", "kin8nm"),
    "electricity",
)
"""Those for development on which the clock is measured."""
OURS = "AutoNet"
PEERS = {
    "LightGBM": "lightgbm",
    "CatBoost": "catboost",
    "HistGradientBoosting": "sklearn",
    "RandomForest": "sklearn",
    "RealMLP_TD": "pytabkit",
    "TabM_D": "pytabkit",
}
"""The module that each needs."""
SHOWN = (
    *("table", "system", "limit", "seconds", "overrun", "within", "finished"),
    *("validation_loss", "test_loss", "score", "predict_seconds", "stopped", "error"),
)


# Rows


def our_row(folder: Path, name: str, limit: float, jobs: int, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """One fit of ours under a time limit."""
    X, y, labels = load_table(folder, name)
    train, test, y_train, y_test = split_table(X, y, labels)
    row: dict[str, Any] = {}
    with known_elsewhere(folder, name) as known:
        given = {"time_limit": limit, "n_jobs": jobs, "random_state": seed, "knowledge": known, **settings}
        model, began = autonet(labels, **given), time.monotonic()
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


def peer_row(folder: Path, name: str, system: str, args: argparse.Namespace) -> dict[str, Any]:
    """One fit of a peer, or `stopped`: the seconds after which it was."""
    X, y, labels = load_table(folder, name)
    train, test, y_train, y_test = split_table(X, y, labels)
    parts = {"train": (train, y_train), "test": (test, y_test)}
    job = {"system": system, "labels": labels, "seed": args.seed, "jobs": args.jobs, "mixed": args.mixed}
    try:
        answer = ask(args.peer_python, "tables_peer.py", parts, job, threads=args.jobs, limit=args.peer_limit)
    except subprocess.TimeoutExpired:
        return {"stopped": args.peer_limit}
    predicted = np.array(answer.pop("predicted"))
    return {**scored(predicted, answer.pop("classes"), y_test), **answer}


# Ranks and tables


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


def as_markdown(rows: list[dict[str, Any]], limit: float) -> str:
    """Loss, score and seconds of each system on each table, ours under this limit, and the mean ranks."""
    rows = [r for r in rows if r["limit"] in (None, limit)]
    systems = present(rows)
    places = {row["table"]: row for row in ranks(rows, systems)}
    lines = []
    for table in dict.fromkeys(r["table"] for r in rows):
        own = {r["system"]: r for r in rows if r["table"] == table}
        best = min((r["test_loss"] for r in own.values() if "test_loss" in r), default=None)
        rank = places.get(table, {}).get(OURS)
        lines.append([table, *(_cell(own.get(s), best) for s in systems), "" if rank is None else f"{rank:g}"])
    last = list(places.values())[-1]
    means = [f"{last[s]:.2f}" if s in last else "–" for s in systems]
    lines.append([f"**mean rank** ({last['table'].removeprefix('mean of ')} tables)", *means, ""])
    names = [f"{s} {limit:g} s" if s == OURS else s for s in systems]
    return markdown(["table: loss / score / fit seconds", *names, f"rank of {OURS}"], lines)


def _cell(row: dict[str, Any] | None, best: float | None) -> str:
    if row is None:
        return "–"
    if "stopped" in row:
        return f"> {row['stopped']:g} s"
    if "test_loss" not in row:
        return "failed"
    loss = f"{row['test_loss']:.4g}"
    return f"{f'**{loss}**' if row['test_loss'] == best else loss} / {row['score']:.3f} / {row['seconds']:.1f}"


def present(rows: list[dict[str, Any]]) -> list[str]:
    """The systems of which there is a row."""
    return [s for s in (OURS, *PEERS) if any(r["system"] == s for r in rows)]


def main() -> int:
    args = arguments()
    if args.markdown is not None:
        file = json.loads(args.markdown.read_text())
        limits = [r["limit"] for r in file["rows"] if r["limit"] is not None]
        say(as_markdown(file["rows"], args.rank_at or max(limits, default=0.0)))
        return 0
    conditions = {"seed": args.seed, "jobs": args.jobs, "warm": args.warm, "settings": args.settings}
    output = Output(args.out, continues=conditions)
    measure(args, data_folder(args), output)
    show("Fits", output.rows, SHOWN)
    times = clock(output.rows)
    show("Wall clock", times, ["limit", "fits", "late", "failed", "worst", "table"])
    limit = args.rank_at or max(args.limits)
    ranked = [r for r in output.rows if r["limit"] in (None, limit)]
    places = [] if args.clock_only else ranks(ranked, present(ranked))
    show(f"Ranks by test loss, {OURS} at {limit:g} s", places, ["table", *present(ranked)])
    output.write(clock=times, ranks=places)
    return int(any(row.get("within") is False or "error" in row for row in output.rows))


def arguments() -> argparse.Namespace:
    """What the command line says, the systems by their names."""
    made = parser(__doc__)
    made.add_argument("--tables", nargs="+", help="default: the 20 for development; 20 others with --clock-only")
    made.add_argument(
        "--systems", nargs="+", choices=("ours", "peers", *PEERS), help="default: ours and the peers that are there"
    )
    made.add_argument("--limits", nargs="+", type=float, default=[60.0], help="of ours, seconds")
    made.add_argument("--rank-at", type=float, help="limit whose fits are ranked; default: the longest")
    made.add_argument("--peer-python", type=Path, default=Path(sys.executable), help="interpreter that has the peers")
    made.add_argument("--peer-limit", type=float, default=600.0, help="seconds, start and prediction included")
    made.add_argument("--jobs", type=int, default=2)
    made.add_argument("--mixed", action="store_true", help="TabM trains in bfloat16, on CPUs with units for it")
    made.add_argument("--clock-only", action="store_true", help="no peers")
    made.add_argument("--warm", action="store_true", help="all fits in this process")
    made.add_argument("--markdown", type=Path, metavar="JSON", help="print this file's rows for RESULTS.md, no more")
    add_settings(made)
    args = made.parse_args()
    if args.markdown is not None:
        return args
    if args.rank_at is not None and args.rank_at not in args.limits:
        made.error(f"--rank-at {args.rank_at:g} is not among --limits")
    wanted = ["ours"] if args.clock_only else args.systems or ["ours", "peers"]
    there = [s for s, module in PEERS.items() if {s, "peers"} & set(wanted) and has(args.peer_python, module)]
    missing = [s for s in PEERS if s in wanted and s not in there]
    if missing:
        made.error(f"{args.peer_python} has no {', '.join(missing)}; name an environment that does with --peer-python")
    args.systems = [*(s for s in ("ours",) if s in wanted), *there]
    return args


def measure(args: argparse.Namespace, folder: Path, output: Output) -> None:
    """All fits that the file does not hold yet, the tables one after another."""
    for name in args.tables or ([*CLOCK_TOO, *CLOCK] if args.clock_only else DEVELOPMENT):
        for system in args.systems:
            for limit in args.limits if system == "ours" else (None,):
                key = {"table": name, "system": OURS if system == "ours" else system, "limit": limit}
                if _measured(output, key):
                    continue
                if limit is None:
                    row = attempt(peer_row, folder, name, system, args)
                else:
                    given = (our_row, folder, name, limit, args.jobs, args.seed, args.settings)
                    row = attempt(*given) if args.warm else attempt(fresh, *given)
                _put(output, {**key, **row})


def _measured(output: Output, key: dict[str, Any]) -> bool:
    """Whether there is a row of it; one that failed is taken out, to be measured again."""
    same = [r for r in output.rows if key.items() <= r.items()]
    output.rows = [r for r in output.rows if r not in same or "error" not in r]
    return any("error" not in r for r in same)


def _put(output: Output, row: dict[str, Any]) -> None:
    output.add(row)
    limit = "" if row["limit"] is None else f" {row['limit']:g} s"
    told = row.get("error") or (
        "stopped" if "stopped" in row else "loss {test_loss:.4f}, {seconds:.1f} s".format(**row)
    )
    say(f"{row['table']} {row['system']}{limit}: {told}")


if __name__ == "__main__":
    sys.exit(main())
