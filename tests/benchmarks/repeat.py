"""Whether the same call gives the same model, and how long `import automl` takes.

    python tests/benchmarks/repeat.py --out repeat.json

`n_trials=20, random_state=0` twice, each fit in a new interpreter, for labels and values and for one and two workers.
Required: equal predictions, bit for bit. Exits with 1 where they differ; the first trial that differs is named.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
from common import Output, add_settings, attempt, autonet, fresh, median, parser, say, show

IMPORTS = 5
"""Fresh interpreters whose import is timed, after one that is not: it may still have to read the disk."""
IMPORT_CODE = """
import time, sys
began = time.perf_counter()
import automl
seconds = time.perf_counter() - began
import json
heavy = [m for m in ("numpy", "pandas", "sklearn", "scipy", "torch", "ConfigSpace", "sqlalchemy") if m in sys.modules]
print(json.dumps({"seconds": seconds, "modules": len(sys.modules), "heavy": heavy}))
"""


def fitted(labels: bool, n_trials: int, jobs: int, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Predictions and trials of one fit on a small table of scikit-learn."""
    from sklearn.datasets import load_breast_cancer, load_diabetes

    X, y = (load_breast_cancer if labels else load_diabetes)(return_X_y=True)
    train = np.arange(len(y)) % 4 != 0
    model = autonet(labels, **{"n_trials": n_trials, "n_jobs": jobs, "random_state": seed, **settings})
    began = time.monotonic()
    model.fit(X[train], y[train])
    return {
        "seconds": time.monotonic() - began,
        "predictions": model.predict_proba(X[~train]) if labels else model.predict(X[~train]),
        "validation_loss": float(model.validation_loss_),
        # repr: two configurations or losses are the same when all their digits are.
        "trials": [(repr(sorted(t.config.items())), t.budget, t.state.value, repr(t.loss)) for t in model.history_],
    }


def compare(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Whether two fits are the same, and where they part."""
    a, b = first["predictions"], second["predictions"]
    row = {
        "equal": a.shape == b.shape and bool(np.array_equal(a, b)),
        "difference": float(np.abs(a - b).max()) if a.shape == b.shape else None,
        "seconds_first": first["seconds"],
        "seconds_second": second["seconds"],
        "validation_loss": first["validation_loss"],
        "trials": len(first["trials"]),
        "parts_at": None,
    }
    for number, (one, other) in enumerate(zip(first["trials"], second["trials"], strict=False)):
        if one != other:
            names = ("config", "budget", "state", "loss")
            differ = [f"{n}: {x} / {y}" for n, x, y in zip(names, one, other, strict=True) if x != y]
            return row | {"parts_at": f"trial {number}, {'; '.join(differ)}"}
    if len(first["trials"]) != len(second["trials"]):
        row["parts_at"] = f"{len(first['trials'])} / {len(second['trials'])} trials"
    return row


def twice(labels: bool, n_trials: int, jobs: int, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    first, second = (fresh(fitted, labels, n_trials, jobs, seed, settings) for _ in range(2))
    return compare(first, second)


def import_seconds() -> dict[str, Any]:
    """Median seconds of `import automl` in new interpreters, and what it brings along."""
    runs = []
    for _ in range(IMPORTS + 1):
        done = subprocess.run([sys.executable, "-c", IMPORT_CODE], check=True, capture_output=True, text=True)
        runs.append(json.loads(done.stdout))
    times = [run["seconds"] for run in runs[1:]]
    return {
        "what": "import automl",
        "seconds": median(times),
        "least": min(times),
        "most": max(times),
        "modules": runs[-1]["modules"],
        "heavy": ", ".join(runs[-1]["heavy"]),
    }


def main() -> int:
    made = parser(__doc__, data=False)
    made.add_argument("--n-trials", type=int, default=20)
    made.add_argument("--jobs", nargs="+", type=int, default=[1, 2])
    made.add_argument("--kinds", nargs="+", choices=("classification", "regression"))
    add_settings(made)
    args = made.parse_args()
    output = Output(args.out)
    for kind in args.kinds or ("classification", "regression"):
        for jobs in args.jobs:
            row = attempt(twice, kind == "classification", args.n_trials, jobs, args.seed, args.settings)
            output.add({"task": kind, "n_jobs": jobs, "n_trials": args.n_trials, **row})
            say(f"{kind}, n_jobs={jobs}: {row.get('error') or ('equal' if row['equal'] else row['parts_at'])}")
    columns = ["equal", "difference", "seconds_first", "seconds_second", "validation_loss", "parts_at", "error"]
    show("The same call twice", output.rows, ["task", "n_jobs", "n_trials", *columns])
    imported = import_seconds()
    show("Import", [imported], ["what", "seconds", "least", "most", "modules", "heavy"])
    output.write(imports=imported)
    return int(not all(row.get("equal") for row in output.rows))


if __name__ == "__main__":
    sys.exit(main())
