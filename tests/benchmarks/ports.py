"""Our RealMLP and TabM beside those of pytabkit, on equal rows.

    python tests/benchmarks/ports.py --data FOLDER --peers ENVIRONMENT/bin/python --out ports.json

For each table and seed: a quarter of the rows for the test, a fifth of the rest for validation, both of that seed;
one torch thread each. "ours" and "theirs" have the same hyperparameters and epochs, and choose the epoch by the loss
that is reported, not by pytabkit's default, the error rate; "short" is ours with --short epochs. TabM runs the
default of our space with a constant rate until patience ends; "short" with a cosine over --short epochs.
Reported are mean and standard deviation of the test loss (log loss or RMSE) over the seeds, and CPU seconds a fit.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from common import Output, attempt, data_folder, load_table, parser, say, show
from elsewhere import ask
from sklearn.model_selection import train_test_split

from automl.architectures.catalogue import family
from automl.evaluation.fidelity import Resources
from automl.evaluation.fit_networks import fit_networks
from automl.metrics import DEFAULT, Metric
from automl.preprocessing.columns import TableEncoder
from automl.resampling import Fold
from automl.search.trial import Proposal, Trial
from automl.space import FAMILY, complete, joint_space
from automl.task import Task

TABLES = ("credit_g", "phoneme", "abalone")


@dataclass(frozen=True)
class Port:
    """One model.

    Attributes
    ----------
    name: of our family. theirs: of pytabkit's estimator.
    parameters: of theirs, for labels and for values.
    epochs: of a full run.
    ours, short: what differs from our defaults, in a run like theirs and in a short one.
    """

    name: str
    theirs: str
    epochs: int
    parameters: dict[bool, dict[str, Any]]
    ours: dict[str, Any]
    short: dict[str, Any]


TABM = {"arch_type": "tabm-mini", "tabm_k": 8, "d_block": 128, "n_blocks": 2, "dropout": 0.1, "num_emb_type": "pwl"}
TABM |= {"num_emb_n_bins": 48, "d_embedding": 8, "lr": 2e-3, "weight_decay": 3e-4, "gradient_clipping_norm": 1.0}
PORTS = (
    Port("realmlp", "RealMLP_TD", 256, {True: {"val_metric_name": "cross_entropy"}, False: {}}, {}, {}),
    Port(
        "tabm",
        "TabM_D",
        300,
        {True: {**TABM, "val_metric_name": "cross_entropy"}, False: TABM},
        {"tabm.train:schedule": "constant", "tabm.train:batch_size": 256},
        {},
    ),
)


def tabular(X: pd.DataFrame, y: np.ndarray, labels: bool, seed: int) -> tuple[Task, np.ndarray, np.ndarray]:
    """The task with one fold, its test rows, and the part of each row."""
    rows, test = train_test_split(np.arange(len(y)), test_size=0.25, random_state=seed, stratify=y if labels else None)
    train, valid = train_test_split(rows, test_size=0.2, random_state=seed, stratify=y[rows] if labels else None)
    classes, codes = np.unique(y, return_inverse=True) if labels else (None, y)
    part = np.full(len(y), "train", dtype=object)
    part[valid], part[test] = "valid", "test"
    encoder = TableEncoder().fit(X.iloc[rows])
    metric = Metric(DEFAULT["classification" if labels else "regression"], classes)
    task = Task(encoder.transform(X), encoder.levels, codes, None, metric, (Fold(train, valid),))
    return task, test, part


def ours(task: Task, test: np.ndarray, port: Port, seed: int, epochs: int, changes: dict[str, Any]) -> dict[str, Any]:
    made = family(port.name)
    config = complete(joint_space([made]), {FAMILY: port.name, **changes})
    began = time.process_time()
    fitted = fit_networks(
        task,
        made,
        Trial(0, Proposal(config, 1.0), seed),
        Resources(),
        epochs=epochs,
        checkpoint=None,
        deadline=None,
        device="cpu",
    )
    seconds = time.process_time() - began
    predicted = fitted.model.predict(task.arrays.take(test))
    return {
        "loss": task.metric.loss(task.y[test], predicted),
        "seconds": seconds,
        "epochs": len(fitted.curve),
        "best": round(fitted.model.effort * epochs),
    }


def theirs(python: Path, X: pd.DataFrame, y: np.ndarray, labels: bool, part: np.ndarray, job: dict[str, Any]) -> Any:
    parts = {name: (X[part == name], y[part == name]) for name in ("train", "valid", "test")}
    return ask(python, "ports_peer.py", parts, {**job, "labels": labels}, threads=1)


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for key in dict.fromkeys((r["table"], r["model"], r["who"]) for r in rows):
        own = [r for r in rows if (r["table"], r["model"], r["who"]) == key and "loss" in r]
        if own:
            losses = [r["loss"] for r in own]
            spread = float(np.std(losses, ddof=1)) if len(own) > 1 else None
            facts = {"mean": float(np.mean(losses)), "std": spread, "seeds": len(own)}
            seconds = float(np.mean([r["seconds"] for r in own]))
            found.append({**dict(zip(("table", "model", "who"), key, strict=True)), **facts, "seconds": seconds})
    return found


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--peers", type=Path, help="interpreter of an environment with pytabkit; ours alone without it")
    made.add_argument("--tables", nargs="+", default=list(TABLES))
    made.add_argument("--models", nargs="+", default=[p.name for p in PORTS])
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--short", type=int, nargs="+", default=[64], help="epochs of shorter runs of ours")
    args = made.parse_args()
    torch.set_num_threads(1)
    folder, output = data_folder(args), Output(args.out)
    for table in args.tables:
        X, y, labels = load_table(folder, table)
        for seed in range(args.seed, args.seed + args.seeds):
            task, test, part = tabular(X, y, labels, seed)
            for port in (p for p in PORTS if p.name in args.models):
                runs = [("ours", attempt(ours, task, test, port, seed, port.epochs, port.ours))]
                for epochs in args.short:
                    runs.append((f"short {epochs}", attempt(ours, task, test, port, seed, epochs, port.short)))
                if args.peers is not None:
                    job = {"model": port.theirs, "seed": seed, "parameters": port.parameters[labels]}
                    runs.append(("theirs", attempt(theirs, args.peers, X, y, labels, part, job)))
                for who, row in runs:
                    output.add({"table": table, "model": port.name, "seed": seed, "who": who, **row})
                    say(f"{table} {port.name} seed {seed} {who}: {row}")
    rows = summary(output.rows)
    show("Test loss", rows, ["table", "model", "who", "mean", "std", "seeds", "seconds"])
    output.write(summary=rows)
    return int(any("error" in row for row in output.rows))


if __name__ == "__main__":
    sys.exit(main())
