"""Which configurations to try first: a greedy order learned on tables that no other benchmark uses.

    python tests/benchmarks/portfolio.py --data FOLDER --out portfolio.json

Every candidate is trained once on every table on a full budget. Then configurations are added one by one, each time
the one that lowers the mean over the tables of the greedy ensemble's loss the most, where a table's loss is divided
by that of its best single candidate (Feurer et al. 2022, Auto-sklearn 2.0, arXiv:2007.04074, with an ensemble in place
of the single best). The order is what configs/spaces/default.toml holds.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import Output, data_folder, load_table, parser, show

from automl import AutoNetClassifier, AutoNetRegressor
from automl.assemble import make_plan
from automl.ensemble import greedy_weights
from automl.evaluation.evaluator import OUT_OF_FOLD, Evaluator
from automl.job import WORKER_MODULES
from automl.runners.processes import ProcessRunner
from automl.search.trial import Proposal, State, Trial
from automl.space import complete
from automl.task import StoredTask, Task

CLASSIFICATION = ("australian", "diabetes", "cmc", "segment", "satellite", "bank_marketing", "spambase")
REGRESSION = ("housing", "cpu_act", "wine_quality")
MOST_ROWS = 6_000
CANDIDATES = {"mlp": 12, "resnet": 5, "gradient_boosting": 9, "linear": 3}
SIZE = 12
ENSEMBLE = 15


def candidates(space: Any, seed: int) -> list[dict[str, Any]]:
    """The default of each family, and configurations drawn around what is known to train well."""
    space.seed(seed)
    rng = np.random.default_rng(seed)
    found: list[dict[str, Any]] = []
    for family, count in CANDIDATES.items():
        found.append(complete(space, {"family": family}))
        drawn = 1
        while drawn < count:
            config = dict(space.sample_configuration())
            if config["family"] != family:
                continue
            if "train:optimizer" in config:
                rate = float(10 ** rng.uniform(-3.3, -1.8))
                config |= {"train:optimizer": "adamw", "train:schedule": "cosine", "train:learning_rate": rate}
                config.pop("train:momentum", None)
            found.append({k: v.item() if hasattr(v, "item") else v for k, v in config.items()})
            drawn += 1
    return found


def evaluate(name: str, configs: list[dict[str, Any]], options: Any) -> tuple[Task, list[Any]]:
    """Out-of-fold predictions of every candidate on one table; None where it failed."""
    X, y = load_table(data_folder(options), name)[:2]
    if len(X) > MOST_ROWS:
        rows = np.random.default_rng(0).choice(len(X), MOST_ROWS, replace=False)
        X, y = X.iloc[rows], y.iloc[rows]
    kind = AutoNetRegressor if name in REGRESSION else AutoNetClassifier
    estimator = kind(n_trials=1, random_state=options.seed, n_jobs=options.jobs, device="cpu")
    plan = make_plan(estimator)
    task, _ = estimator._task(X, y, None, None, plan.seed)
    plan = plan.sized_for(task)
    folder = Path(tempfile.mkdtemp())
    try:
        stored = StoredTask.write(task, folder / "task")
        evaluator = Evaluator(stored, plan.families, plan.fidelity, folder, plan.epochs)
        predictions: list[Any] = [None] * len(configs)
        with ProcessRunner(
            evaluator, n_jobs=plan.n_jobs, threads=plan.threads, time_limit=options.limit, preload=WORKER_MODULES
        ) as runner:
            for k, config in enumerate(configs):
                runner.submit(Trial(k, Proposal(config), k))
            ended = 0
            while ended < len(configs):
                for k, result in runner.collect(None):
                    ended += 1
                    if result.state is State.DONE:
                        predictions[k] = np.load(folder / str(k) / OUT_OF_FOLD)
    finally:
        shutil.rmtree(folder)
    return task, predictions


def ensemble_loss(task: Task, chosen: list[Any]) -> float:
    """Loss of the greedy ensemble of these predictions."""
    stacked = np.stack(chosen)
    weights = greedy_weights(stacked, task.loss, size=ENSEMBLE)
    return task.loss(np.tensordot(weights, stacked, axes=1).astype(np.float32))


def greedy_order(tables: list[tuple[Task, list[Any]]], size: int) -> tuple[list[int], list[float]]:
    """Candidates in the order in which they help most, and the mean normalised loss after each."""
    best = [min(task.loss(p) for p in found if p is not None) for task, found in tables]
    order: list[int] = []
    losses: list[float] = []
    while len(order) < size:
        scores = {}
        for k in range(len(tables[0][1])):
            if k in order:
                continue
            relative = []
            for (task, found), least in zip(tables, best, strict=True):
                chosen = [found[i] for i in [*order, k] if found[i] is not None]
                relative.append(ensemble_loss(task, chosen) / least if chosen else 2.0)
            scores[k] = float(np.mean(relative))
        order.append(min(scores, key=lambda k: scores[k]))
        losses.append(scores[order[-1]])
    return order, losses


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--limit", type=float, default=60.0, help="seconds for one candidate on one table")
    options = arguments.parse_args()
    space = make_plan(AutoNetClassifier(n_trials=1, random_state=0)).space
    configs = candidates(space, options.seed)
    tables = []
    for name in (*CLASSIFICATION, *REGRESSION):
        tables.append(evaluate(name, configs, options))
        task, found = tables[-1]
        losses = [task.loss(p) for p in found if p is not None]
        print(f"{name}: {len(losses)} of {len(configs)} candidates, best loss {min(losses):.4f}", flush=True)
    order, losses = greedy_order(tables, SIZE)
    rows = [{"place": i, "loss": loss, **configs[k]} for i, (k, loss) in enumerate(zip(order, losses, strict=True))]
    show("greedy order", rows, ["place", "loss", "family"])
    output = Output(options.out)
    for row in rows:
        output.add(row)


if __name__ == "__main__":
    main()
