"""How long the advice for a new task takes, with a store of 1,000 tasks of 1,000 trials.

    python tests/benchmarks/warm_cost.py --out warm_cost.json

The store is a SQLite file (about a gigabyte) in a temporary folder, of a search for each of 1,000 made-up tasks, with
the shipped configurations and losses by chance. The new task has 1,000 rows. Required: less than a second.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from common import Output, generated, parser, show

from automl import AutoNetClassifier
from automl.advise import WARM_STARTS, advise
from automl.assemble import make_plan
from automl.metafeatures import metafeatures
from metalearn import Run, Store, TaskRecord, TrialRecord
from metalearn.knowledge import shipped

LIMIT = 1.0
BLOCK = 50
"""Tasks that are written at once."""


def filled(store: Store, tasks: int, trials: int, features: dict[str, float], metric: str) -> None:
    rng, known = np.random.default_rng(0), shipped()
    for first in range(0, tasks, BLOCK):
        numbers = range(first, min(first + BLOCK, tasks))
        records = [
            TaskRecord(
                f"task-{n}",
                kind="classification",
                metric=metric,
                metafeatures={name: value * float(rng.lognormal(0, 0.5)) for name, value in features.items()},
            )
            for n in numbers
        ]
        runs = []
        for n in numbers:
            run = Run(0, f"run-{n}", "", "tpe-hb", 0, {}, datetime.now(UTC), finished=True, task=f"task-{n}")
            losses = rng.random(trials)
            picked = rng.integers(len(known.configurations), size=trials)
            configs = [known.configurations[row] for row in picked]
            done = [TrialRecord(t, c, state="done", loss=losses[t]) for t, c in enumerate(configs)]
            runs.append((run, done))
        store.take_in(records, runs)


def main() -> int:
    made = parser(__doc__, data=False)
    made.add_argument("--tasks", type=int, default=1000)
    made.add_argument("--trials", type=int, default=1000)
    args = made.parse_args()
    X, y = generated(1000, 20)
    model = AutoNetClassifier(random_state=0)
    plan, output = make_plan(model), Output(args.out)
    task = model._task(X, y, None, None, plan)[0]
    began = time.monotonic()
    features = metafeatures(task)
    described = time.monotonic() - began
    with tempfile.TemporaryDirectory() as folder, Store(f"sqlite:///{Path(folder)}/runs.db") as store:
        filled(store, args.tasks, args.trials, features, task.metric.name)
        for how in WARM_STARTS:
            seconds = []
            for _ in range(3):
                began = time.monotonic()
                advise(how, task, plan.space, store=store, knowledge="shipped", features=features)
                seconds.append(time.monotonic() - began)
            output.add(
                {"warm start": how, "metafeatures": described, "first": seconds[0], "median": np.median(seconds)}
            )
    show(f"Seconds with {args.tasks:,} tasks of {args.trials:,} trials", output.rows, list(output.rows[0]))
    output.write()
    return int(any(row["metafeatures"] + row["first"] > LIMIT for row in output.rows))


if __name__ == "__main__":
    sys.exit(main())
