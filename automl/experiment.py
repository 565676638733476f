"""What `metalearn.campaign` measures for the knowledge that comes with the package."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.draw import decode, draw_codes, encode, sample
from automl.search.trial import INITIAL_BRACKET, Proposal, Result, State, Trial, trial_seed

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.task import Task
    from metalearn.campaign import Measured

MUTATED = 0.15
"""Chance of each hyperparameter of a strong configuration to be drawn anew."""
FOLDS, HELD_OUT = 3, 0.33
"""Resampling of tables below and above …"""
SMALL = 1_000
"""… this many rows."""


def configurations(count: int, seed: int) -> list[dict[str, Any]]:
    """Candidates: what the default space tries first, then mutations of it and random draws in turn.

    Random points of a joint space of some 200 hyperparameters are mostly worse than defaults, so that a portfolio must
    be able to find what lies between.
    """
    from automl.assemble import make_plan
    from automl.estimator import AutoNetClassifier

    plan = make_plan(AutoNetClassifier(random_state=seed))
    found = [dict(c) for c in plan.initial]
    strong = list(found)
    rng = np.random.default_rng(seed)
    while len(found) < count:
        if len(found) % 3:
            new = _mutated(plan.space, strong[int(rng.integers(len(strong)))], rng)
        else:
            new = sample(plan.space, rng)
        if new is not None and new not in found:
            found.append(new)
    return found[:count]


def _mutated(space: ConfigurationSpace, config: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any] | None:
    code, drawn = encode(space, config), draw_codes(space, rng)
    changed = np.isnan(code) | (rng.random(len(code)) < MUTATED)
    changed[space.index_of["family"]] = False
    return decode(space, np.where(changed, drawn, code))


def measure(
    path: Path,
    kind: str,
    configurations: Sequence[Mapping[str, Any]],
    budgets: Sequence[float],
    *,
    rows: int,
    seconds: float,
    seed: int,
) -> Measured:
    """Validation losses of the configurations on a table, at most `rows` of it, as a search would see them.

    Parameters
    ----------
    path: table with the column `target`.
    kind: "classification" or "regression".
    budgets: shares of a full run, ascending; each run continues the one before.
    seconds: that a full run should take; twice as much ends it.
    """
    from automl.job import data_digest
    from automl.metafeatures import metafeatures
    from metalearn.campaign import Measured
    from metalearn.records import TaskRecord

    task = _task(path, kind, rows, seed)
    record = TaskRecord(
        data_digest(task), name=path.stem, kind=kind, metric=task.metric.name, metafeatures=metafeatures(task)
    )
    losses = np.full((len(budgets), len(configurations)), np.inf)
    costs = np.zeros_like(losses)
    with tempfile.TemporaryDirectory() as folder:
        run = _runner(task, Path(folder), seconds)
        for c, config in enumerate(configurations):
            parent = None
            for b, budget in enumerate(budgets):
                number = c * len(budgets) + b
                proposal = Proposal(config, budget, bracket=INITIAL_BRACKET, rung=b, parent=parent)
                result = run(Trial(number, proposal, trial_seed(seed, number)))
                costs[b, c] = result.cost
                if result.state is State.DONE:
                    losses[b, c], parent = result.loss, number
    return Measured(record, losses, costs)


def _task(path: Path, kind: str, rows: int, seed: int) -> Task:
    from sklearn.model_selection import train_test_split

    from automl.assemble import make_plan
    from automl.data import read_table, split_target
    from automl.estimator import AutoNetClassifier, AutoNetRegressor

    X, y = split_target(read_table(path), "target")
    labels = kind == "classification"
    if len(X) > rows:
        strata = y if labels and y.value_counts().min() > 1 else None
        kept, _ = train_test_split(np.arange(len(X)), train_size=rows, random_state=seed, stratify=strata)
        X, y = X.iloc[kept], y.iloc[kept]
    resampling = FOLDS if len(X) < SMALL else HELD_OUT
    model = (AutoNetClassifier if labels else AutoNetRegressor)(resampling=resampling)
    return model._task(X, y, None, None, replace(make_plan(model), seed=seed))[0]


def _runner(task: Task, folder: Path, seconds: float) -> Any:
    """What runs a trial in this process; one that fails gives its state."""
    from automl.assemble import make_plan
    from automl.estimator import AutoNetClassifier
    from automl.evaluation.evaluator import Evaluator
    from automl.task import StoredTask
    from automl.workers import prepare_workers

    prepare_workers()
    plan = make_plan(AutoNetClassifier()).sized_for(task)
    evaluator = Evaluator(
        stored=StoredTask.write(task, folder / "task"),
        families=plan.families,
        fidelity=plan.fidelity,
        folder=folder,
        epochs=plan.epochs,
        full_seconds=seconds,
    )

    def run(trial: Trial) -> Result:
        try:
            return evaluator(trial)
        except Exception as error:  # a configuration that cannot be trained is a fact about it
            return Result(State.CRASHED, error=repr(error))

    return run
