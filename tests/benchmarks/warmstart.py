"""How much sooner a search is good when it knows other tables, on tables of groups that it does not know.

    python tests/benchmarks/warmstart.py --data FOLDER --out warmstart.json

For each table, with the same space, seed and folds: "cold" has no initial configuration at all, "defaults" those of the
search space alone, "warm" the shipped knowledge without the table's group, too. "wrong" has that knowledge with the
losses of each past table turned round, so that its worst looks best. Each is one fit of `--seconds`; with every trial
that ends, the least validation loss of a single trial so far is noted. Reported: when the others reach what "cold" has
at its end, the ensembles' validation losses, and the test losses on a quarter of the rows. Required: "warm" is there
within a quarter of the time on the median table; "wrong" ends at most 5 % above "cold".

The tables are those of `tables.py`, whole and split as there, so that test losses can be laid beside its.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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
    median,
    parser,
    say,
    score,
    show,
    split,
)
from tables import DEVELOPMENT

from metalearn.knowledge import Knowledge

ARMS = ("cold", "defaults", "warm", "wrong")


@contextmanager
def noted(bare: bool) -> Iterator[list[tuple[float, float]]]:
    """(`time.monotonic` value, loss) of every trial that ends; `bare` searches without initial configurations.

    The package is not changed: what it calls is wrapped in this interpreter.
    """
    import automl.assemble
    import automl.progress

    ended: list[tuple[float, float]] = []
    usual, plan = automl.progress.watch, automl.assemble.make_plan

    @contextmanager
    def watching(*args: Any) -> Iterator[Any]:
        with usual(*args) as listen:

            def hear(trial: Any) -> None:
                if np.isfinite(trial.loss):
                    ended.append((time.monotonic(), trial.loss))
                listen(trial)

            yield hear

    automl.progress.watch = watching
    automl.assemble.make_plan = lambda model: replace(plan(model), initial=()) if bare else plan(model)
    yield ended


def turned(known: Knowledge) -> Knowledge:
    """With the losses of each table negated; what failed is then the best of all."""
    highest = known.losses[np.isfinite(known.losses)].max()
    losses = np.where(np.isinf(known.losses), highest, known.losses)
    return replace(known, losses=-losses)


def fitted(folder: Path, name: str, arm: str, settings: dict[str, Any]) -> dict[str, Any]:
    X, y, labels = load_table(folder, name)
    X_train, X_test, y_train, y_test = split(X, y, labels)
    with known_elsewhere(folder, name) as path, noted(arm == "cold") as ended:
        if arm == "wrong":
            turned(Knowledge.read(Path(path))).write(Path(path))
        more = {"knowledge": path} if arm in ("warm", "wrong") else {"warm_start": None}
        model, began = autonet(labels, **settings, **more), time.monotonic()
        model.fit(X_train, y_train)
        seconds = time.monotonic() - began
    curve = [(moment - began, loss) for moment, loss in ended]
    return {
        "seconds": seconds,
        "curve": curve,
        "best": min(loss for _, loss in curve),
        "ensemble": model.validation_loss_,
        **score(model, X_test, y_test, labels),
    }


def reached(curve: list[tuple[float, float]], loss: float) -> float:
    """Seconds until a trial was at least as good; infinite if none was."""
    return min((moment for moment, found in curve if found <= loss), default=float("inf"))


def main() -> int:
    made = parser(__doc__)
    add_settings(made)
    made.add_argument("--seconds", type=float, default=60.0)
    made.add_argument("--tables", nargs="+", default=list(DEVELOPMENT))
    made.add_argument("--arms", nargs="+", default=["cold", "warm"], choices=ARMS)
    args = made.parse_args()
    settings = {"time_limit": args.seconds, "random_state": args.seed, **args.settings}
    folder, output = data_folder(args), Output(args.out, settings)
    for name in args.tables:
        known = {row["arm"]: row for row in output.rows if row["table"] == name}
        for arm in args.arms:
            if arm in known:
                continue
            row = attempt(fresh, fitted, folder, name, arm, settings)
            known[arm] = row
            row["reached"] = reached(row.get("curve", []), known.get("cold", {}).get("best", float("nan")))
            output.add({"table": name, "arm": arm, **row})
            say(f"{name} {arm}: {row['reached']:.1f} s, {row.get('ensemble')}, {row.get('error', '')}")
    for row in output.rows:  # what is read again has None where a number was infinite
        row["reached"] = float("inf") if row.get("reached") is None else row["reached"]
    lines = []
    for arm in args.arms:
        own = [row for row in output.rows if row["arm"] == arm and "error" not in row]
        base = {row["table"]: row for row in output.rows if row["arm"] == "cold" and "error" not in row}
        pairs = [(row, base[row["table"]]) for row in own if row["table"] in base]
        line = {
            "arm": arm,
            "tables": len(pairs),
            "median seconds to cold's end": median([r["reached"] for r, _ in pairs]),
        }
        line["ensemble better"] = np.mean([r["ensemble"] < c["ensemble"] for r, c in pairs])
        line["median loss ratio"] = median([r["ensemble"] / c["ensemble"] for r, c in pairs])
        line["median test ratio"] = median([r["test_loss"] / c["test_loss"] for r, c in pairs])
        lines.append(line)
    show(f"Against a cold start of {args.seconds:g} s", lines, list(lines[0]))
    output.write(summary=lines)
    return int(any("error" in row for row in output.rows))


if __name__ == "__main__":
    sys.exit(main())
