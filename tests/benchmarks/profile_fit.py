"""Where a fit spends its time: the workers' time (wall clock × workers), item by item.

    python tests/benchmarks/profile_fit.py --data FOLDER --out profile.json

The package is not changed: its functions are wrapped in the fitting process before it fits, in a new interpreter.
Before and after the search all workers wait, so a second there counts once for each of them. During the search a
worker is inside a trial (the trial's own `cost`), between being given a trial and beginning it, or without a trial.

Required: at least 85 % of the workers' time inside training or predicting. Trials that the end of the search cuts off
train too, but their work is lost: the requirement is met without them or not at all. Exits with 1 where it is not.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import (
    Output,
    add_settings,
    attempt,
    autonet,
    data_folder,
    fresh,
    load_table,
    parser,
    say,
    show,
    split,
    states,
)

REQUIRED = 0.85
TRIALS = "trials that ended"
CUT = "trials cut off at the end"
START = "start of workers"
HAND_OVER = "handing over"
WAITING = "waiting for a proposal"


@dataclass
class Clock:
    """When what happened in the fitting process; `time.monotonic` seconds.

    Attributes
    ----------
    spent: seconds inside wrapped functions, of the outermost call where one wraps another of the same name.
    span: first beginning and last end of wrapped functions.
    submitted, ended: of trials by number. costs: seconds by number, as the worker tells.
    """

    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    span: dict[str, tuple[float, float]] = field(default_factory=dict)
    submitted: dict[int, float] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)
    costs: dict[int, float] = field(default_factory=dict)

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Time every call of `owner.attribute` as `name`."""
        inner = getattr(owner, attribute)

        @functools.wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.monotonic()
            try:
                return inner(*args, **kwargs)
            finally:
                end = time.monotonic()
                self.spent[name] += end - began
                self.span[name] = (min(began, self.span.get(name, (began, 0.0))[0]), end)

        # A class method or static method has to stay one: its wrapped form is bound already.
        kept = isinstance(owner, type) and isinstance(vars(owner).get(attribute), classmethod | staticmethod)
        setattr(owner, attribute, staticmethod(timed) if kept else timed)

    def note_trials(self) -> None:
        """Note when trials are handed to the pool, and when their results reach it: earlier than they are collected."""
        from automl.runners import pool

        submit, end = pool.Pool.submit, pool._Books.end

        def submitted(own: Any, number: int, message: bytes) -> None:
            self.submitted[number] = time.monotonic()
            submit(own, number, message)

        def ended(own: Any, number: int, result: Any) -> None:
            self.ended[number], self.costs[number] = time.monotonic(), result.cost
            end(own, number, result)

        for owner, attribute, replacement in ((pool.Pool, "submit", submitted), (pool._Books, "end", ended)):
            setattr(owner, attribute, replacement)


def instrumented() -> Clock:
    """A clock on everything that a fit does in its own process."""
    import automl.assemble
    import automl.base
    import automl.job
    from automl.preprocessing.columns import TableEncoder
    from automl.runners.processes import ProcessRunner
    from automl.search import catalogue
    from automl.search.loop import Search
    from automl.task import StoredTask

    clock = Clock()
    clock.wrap(automl.assemble, "make_plan", "plan and search space")
    clock.wrap(TableEncoder, "fit", "encoding the table")
    clock.wrap(TableEncoder, "transform", "encoding the table")
    clock.wrap(automl.base, "canonical_order", "order of the rows and folds")
    clock.wrap(automl.base, "make_folds", "order of the rows and folds")
    clock.wrap(StoredTask, "write", "writing the table")
    clock.wrap(ProcessRunner, "__init__", "making the runner")
    clock.wrap(ProcessRunner, "close", "closing the runner")
    clock.wrap(Search, "run", "search")
    clock.wrap(automl.job, "_ensemble", "ensemble")
    clock.wrap(automl.job, "greedy_weights", "choosing weights")
    clock.wrap(automl.job, "read_model", "reading models")
    _wrap_optimizer(clock, catalogue)
    clock.note_trials()
    return clock


def _wrap_optimizer(clock: Clock, catalogue: Any) -> None:
    build = catalogue.build

    def built(*args: Any, **kwargs: Any) -> Any:
        optimizer = build(*args, **kwargs)
        clock.wrap(type(optimizer), "ask", "ask")  # the class: optimizers are frozen
        return optimizer

    catalogue.build = built
    clock.wrap(catalogue, "build", "making the optimizer")


def itemised(clock: Clock, workers: int, wall: float) -> dict[str, float]:
    """Seconds of the workers' time by item; they sum to wall × workers."""
    began, end = clock.span["search"]
    items: dict[str, float] = defaultdict(float)
    # The end of the search cuts off what runs, results that arrive in the moment after included.
    ended = {n: t for n, t in clock.ended.items() if t <= end}
    order = sorted(clock.submitted, key=clock.submitted.__getitem__)
    for place, number in enumerate(order):
        span = ended.get(number, end) - clock.submitted[number]
        inside = min(span, clock.costs[number]) if number in ended else span
        items[TRIALS if number in ended else CUT] += inside
        # A worker is there from its first trial on; the first ones wait for the workers.
        items[START if place < workers else HAND_OVER] += span - inside
    items[WAITING] = workers * (end - began) - sum(items.values())
    outside = {
        name: workers * seconds
        for name, seconds in clock.spent.items()
        if name not in ("search", "ask", "ensemble", "choosing weights", "reading models")
    }
    inner = {name: workers * clock.spent[name] for name in ("choosing weights", "reading models")}
    rest = workers * clock.spent["ensemble"] - sum(inner.values())
    items |= outside | inner | {"ensemble, rest": rest}
    items["everything else"] = workers * wall - sum(items.values())
    return dict(items)


def families(model: Any) -> list[dict[str, Any]]:
    """Trials and seconds of each family."""
    found: dict[str, dict[str, Any]] = {}
    for trial in model.history_:
        name = str(trial.config["family"])
        row = found.setdefault(name, {"family": name, "trials": 0, "done": 0, "seconds": 0.0, "longest": 0.0})
        row["trials"] += 1
        row["done"] += trial.state.value == "done"
        row["seconds"] += trial.cost
        row["longest"] = max(row["longest"], trial.cost)
    return sorted(found.values(), key=lambda row: -row["seconds"])


def fit_row(folder: Path, name: str, limit: float, jobs: int, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """One fit, its items and its families."""
    X, y, labels = load_table(folder, name)
    train, _, y_train, _ = split(X, y, labels)
    began, cpu = time.monotonic(), time.process_time()
    clock = instrumented()
    # Wrapping imports what the first fit of a process would import: that counts, and is taken from its limit.
    imports = time.monotonic() - began
    model = autonet(labels, **{"time_limit": limit - imports, "n_jobs": jobs, "random_state": seed, **settings})
    model.fit(train, y_train)
    wall = time.monotonic() - began
    items = itemised(clock, jobs, wall - imports) | {"imports": jobs * imports}
    return {
        "seconds": wall,
        "workers": jobs,
        "share": items[TRIALS] / (wall * jobs),
        "share_with_cut": (items[TRIALS] + items.get(CUT, 0.0)) / (wall * jobs),
        "items": items,
        "ask_seconds": clock.spent["ask"],
        "parent_cpu_seconds": time.process_time() - cpu,
        "first_trial_after": min(clock.submitted.values()) - began,
        "first_result_after": min(clock.ended.values()) - began,
        "finished": len(model.history_.done),
        "states": states(model.history_),
        "families": families(model),
        "threads": threading.active_count(),
    }


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--tables", nargs="+", default=["credit_g", "adult"])
    made.add_argument("--limit", type=float, default=60.0, help="seconds")
    made.add_argument("--jobs", type=int, default=2)
    add_settings(made)
    args = made.parse_args()
    folder, output = data_folder(args), Output(args.out)
    for name in args.tables:
        row = attempt(fresh, fit_row, folder, name, args.limit, args.jobs, args.seed, args.settings)
        output.add({"table": name, **row, "met": row.get("share", 0.0) >= REQUIRED})
        if "error" in row:
            say(f"{name}: {row['error']}")
            continue
        total = row["seconds"] * row["workers"]
        ordered = sorted(row["items"].items(), key=lambda item: -item[1])
        lines = [{"item": k, "worker_seconds": v, "percent": 100 * v / total} for k, v in ordered]
        title = f"{name}: {row['seconds']:.1f} s × {row['workers']} workers"
        show(title, lines, ["item", "worker_seconds", "percent"])
        show(f"{name}: families", row["families"], ["family", "trials", "done", "seconds", "longest"])
    columns = ["seconds", "finished", "share", "share_with_cut", "met", "ask_seconds"]
    columns += ["first_trial_after", "first_result_after", "states"]
    show(f"Inside training or predicting (required {REQUIRED:.0%})", output.rows, ["table", *columns])
    return int(not all(row["met"] for row in output.rows))


if __name__ == "__main__":
    sys.exit(main())
