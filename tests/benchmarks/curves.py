"""Extrapolated learning curves on recorded ones: errors, intervals, and the epochs that stopping saves.

    python tests/benchmarks/curves.py --out curves.json

Records the curves of random recipes (the whole space that is searched, falling learning rates included) of small
networks on tables of scikit-learn, or reads those of an earlier run (`--recorded FILE`). Then

- extrapolates each from .3, .5 and .7 of its epochs to the end: the mean absolute error beside that of the last value,
  and the share of 90 % intervals that hold the truth; the same for synthetic curves of one family with noise of .01;
- searches each task ten times, its curves in random orders, with and without `CurveStopping`: the epochs saved, and by
  how many points of accuracy (or R²) the best one returned is worse.

Required: error below the last value's, and below .03 on synthetic curves; intervals hold 80 to 97 %; 30 % of the epochs
saved, and the best within 0.5 points in nine of ten searches. Exits with 1 where that does not hold.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from ConfigSpace import ConfigurationSpace
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine, make_classification
from sklearn.metrics import r2_score
from torch import nn

from automl.architectures.family import Shape
from automl.architectures.inputs import tabular_network
from automl.architectures.mlp import MLP
from automl.search.curves.extrapolate import extrapolate
from automl.search.curves.families import FAMILIES
from automl.search.draw import sample
from automl.search.history import History
from automl.search.stopping import CurveStopping
from automl.search.trial import Proposal, Result, State, Trial
from automl.training.data import FoldData, Rows
from automl.training.loop import fit
from automl.training.recipe import Recipe
from automl.training.recipe_space import recipe_space

TASKS = ("digits-mlp", "digits-cnn", "generated", "cancer", "wine", "diabetes")
SHARES = (0.3, 0.5, 0.7)
ORDERS = 10
SAVED, POINTS, WITHIN, COVERED, SYNTHETIC = 0.3, 0.5, 0.9, (0.8, 0.97), 0.03


@dataclass(frozen=True)
class Recorded:
    """A full run.

    Attributes
    ----------
    losses: validation loss after each epoch. score: accuracy or R² of its best epoch.
    """

    task: str
    losses: tuple[float, ...]
    score: float

    def until(self, share: float) -> list[tuple[float, float]]:
        count = len(self.losses)
        return [((k + 1) / count, self.losses[k]) for k in range(max(1, round(share * count)))]


# Recording


class SmallCNN:
    """Two convolutions and a linear layer on images of 8 × 8, as a family."""

    name = "small_cnn"

    def space(self) -> ConfigurationSpace:
        return ConfigurationSpace({"channels": [4, 8, 16]})

    def build(self, shape: Shape, *, channels: int) -> nn.Module:
        return nn.Sequential(
            nn.Unflatten(-1, (1, 8, 8)),
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * channels * 16, shape.outputs),
        )


def data_of(name: str) -> tuple[FoldData, int]:
    """Seven tenths to train on and the rest to validate on, standardised; and the number of outputs."""
    loaders = {"cancer": load_breast_cancer, "wine": load_wine, "diabetes": load_diabetes}
    if name == "generated":
        X, y = make_classification(2000, 20, n_informative=10, n_classes=4, random_state=0)
    else:
        X, y = loaders.get(name, load_digits)(return_X_y=True)
    values = name == "diabetes"
    y = (y - y.mean()) / y.std() if values else y
    X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)
    order = np.random.default_rng(0).permutation(len(X))
    cut = len(X) * 3 // 10
    none = torch.zeros((len(X), 0), dtype=torch.int64)
    targets = torch.tensor(y, dtype=torch.float32 if values else torch.int64)
    train, valid = (
        Rows(torch.tensor(X[at], dtype=torch.float32), none[: len(at)], targets[at])
        for at in (order[cut:], order[:cut])
    )
    return FoldData(train, valid), 1 if values else int(y.max()) + 1


def record(each: int, epochs: int, seed: int) -> Iterator[Recorded]:
    """Full runs of random recipes, `each` a task, in turn."""
    recipes, data = recipe_space(), {name: data_of(name) for name in TASKS}
    for k in range(each):
        for place, (name, (fold, outputs)) in enumerate(data.items()):
            rng = np.random.default_rng([seed, k, place])
            recipe = Recipe(**{**sample(recipes, rng), "epochs": epochs, "patience": epochs})
            start = int(rng.integers(2**31))
            family = SmallCNN() if name == "digits-cnn" else MLP()
            network = tabular_network(
                family,
                sample(family.space(), rng),
                numbers=fold.train.numbers.shape[1],
                levels=[],
                outputs=outputs,
                rows=len(fold.train),
                seed=start,
            )
            loss = "squared" if outputs == 1 else "cross_entropy"
            try:
                fitted = fit([network], [fold], recipe, loss=loss, seeds=[start])
            except FloatingPointError:
                continue  # diverged in its first epoch: there is no curve
            assert fold.valid is not None
            truth = fold.valid.targets.numpy()
            score = r2_score(truth, fitted.valid[0]) if outputs == 1 else np.mean(fitted.valid[0].argmax(1) == truth)
            yield Recorded(name, tuple(loss for _, loss in fitted.curve), float(score))


# Extrapolation


def judged(curves: Sequence[tuple[list[tuple[float, float]], float, float]], seed: int) -> dict[str, Any]:
    """Of (curve, least loss until the end, loss to compare the median with)."""
    errors, last, best, held, seconds = [], [], [], [], []
    for k, (curve, least, truth) in enumerate(curves):
        began = time.process_time()
        found = extrapolate(curve, 1.0, np.random.default_rng([seed, k]))
        seconds.append(time.process_time() - began)
        if found is None:
            continue
        low, high = found.interval(0.9)
        errors.append(abs(found.median - truth))
        last.append(abs(curve[-1][1] - truth))
        best.append(abs(min(loss for _, loss in curve) - truth))
        held.append(low - 1e-9 <= least <= high + 1e-9)
    return {
        "curves": len(errors),
        "error": float(np.mean(errors)),
        "last_value": float(np.mean(last)),
        "best_so_far": float(np.mean(best)),
        "held": float(np.mean(held)),
        "ms": 1e3 * common.median(seconds),
    }


def on_recorded(runs: Sequence[Recorded], share: float, seed: int) -> dict[str, Any]:
    finite = [run for run in runs if all(map(math.isfinite, run.losses))]
    return judged([(run.until(share), min(run.losses), min(run.losses)) for run in finite], seed)


def on_synthetic(count: int, seed: int) -> dict[str, Any]:
    """Curves of one family each, by start values that are changed at random, of which half has risen by .3 of a run."""
    rng, made = np.random.default_rng(seed), []
    times = np.arange(1.0, 101.0)
    while len(made) < count:
        family = FAMILIES[int(rng.integers(len(FAMILIES)))]
        values = family(np.array(family.start)[None] * np.exp(rng.normal(0, 0.3, (1, len(family.start)))), times)[0]
        rise = values[-1] - values[0]
        if values.min() > 0 and values.max() < 1 and rise > 0.1 and values[29] - values[0] > rise / 2:
            losses = 1 - (values + rng.normal(0, 0.01, len(times)))
            curve = [(float(t) / 100, float(loss)) for t, loss in zip(times[:30], losses[:30], strict=True)]
            made.append((curve, float(losses.min()), float(1 - values[-1])))
    return judged(made, seed)


# Stopping


@dataclass(frozen=True)
class Listed:
    """Asks for one recorded run after another."""

    order: Sequence[int]

    def ask(self, history: History) -> Proposal | None:
        return Proposal({"run": int(self.order[len(history)])}) if len(history) < len(self.order) else None


def searched(runs: Sequence[Recorded], order: Sequence[int]) -> tuple[float, float]:
    """Share of the epochs that stopping saves, and by how much the best run returned is worse in points."""
    optimizer, history, trained = CurveStopping(Listed(order), lambda bracket, rung: 1.0, seed=0), History(), 0.0
    while (proposal := optimizer.ask(history)) is not None:
        parent = 0.0 if proposal.parent is None else history[proposal.parent].budget
        trained += proposal.budget - parent
        curve = tuple(runs[proposal.config["run"]].until(proposal.budget))
        result = Result(State.DONE, min(loss for _, loss in curve), 0.0, curve)
        history = history.put(Trial(len(history), proposal, 0, result))
    returned = runs[min(history.done, key=lambda t: (t.loss, -t.budget)).config["run"]]
    best = min(runs, key=lambda run: min(run.losses))
    return 1 - trained / len(runs), 100 * (best.score - returned.score)


def on_task(name: str, runs: Sequence[Recorded], seed: int) -> dict[str, Any]:
    own = [run for run in runs if run.task == name]
    found = [searched(own, np.random.default_rng([seed, k]).permutation(len(own))) for k in range(ORDERS)]
    saved, worse = zip(*found, strict=True)
    within = sum(each <= POINTS for each in worse)
    return {"task": name, "runs": len(own), "saved": float(np.mean(saved)), "within": within, "worst": max(worse)}


def recorded_runs(args: argparse.Namespace) -> list[Recorded]:
    """Those in the file, or new ones, which are kept there if it is named."""
    path: Path | None = args.recorded
    if path is not None and path.exists():
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [Recorded(line["task"], tuple(line["losses"]), line["score"]) for line in lines]
    runs = []
    for run in record(args.each, args.epochs, args.seed):
        runs.append(run)
        if path is not None:
            with path.open("a") as file:
                file.write(json.dumps(asdict(run)) + "\n")
    return runs


def main() -> int:
    parser = common.parser(__doc__, data=False)
    parser.add_argument("--recorded", type=Path, help="JSON lines of recorded runs: read, or written if there is none")
    parser.add_argument("--each", type=int, default=17, help="runs of each task")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--synthetic", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(1)
    output = common.Output(args.out)
    runs = recorded_runs(args)
    rows = [{"from": str(share), **on_recorded(runs, share, args.seed)} for share in SHARES]
    rows.append({"from": "synthetic, 0.3", **on_synthetic(args.synthetic, args.seed)})
    tasks = [on_task(name, runs, args.seed) for name in TASKS]
    for row in (*rows, *tasks):
        output.add(row)
    common.show("Extrapolated to the end", rows, list(rows[0]))
    common.show("Stopping", tasks, list(tasks[0]))
    saved = float(np.mean([task["saved"] for task in tasks]))
    within = sum(task["within"] for task in tasks) / (ORDERS * len(tasks))
    common.say(f"{saved:.1%} of the epochs saved, the best within {POINTS} points in {within:.1%} of the searches")
    passed = (
        all(
            row["error"] < min(row["last_value"], row["best_so_far"]) and COVERED[0] <= row["held"] <= COVERED[1]
            for row in rows
        )
        and rows[-1]["error"] < SYNTHETIC
        and saved >= SAVED
        and within >= WITHIN
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
