"""The folds of a trial of networks, as one batched network where that is faster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from automl.evaluation.fidelity import Resources
from automl.evaluation.fitted import Blueprint, Fitted, NetworkModel, Target, TrialModel
from automl.preprocessing.dense import DensePreparer
from automl.space import part_of, section
from automl.training import checkpoints, loop
from automl.training.data import FoldData, Rows
from automl.training.recipe import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automl.architectures.family import Family
    from automl.search.trial import Trial
    from automl.task import Task


def fit_networks(
    task: Task,
    family: Family,
    trial: Trial,
    resources: Resources,
    *,
    epochs: int,
    checkpoint: Path | None,
    deadline: float | None,
    device: str,
) -> Fitted:
    """Train one network per fold to the share of a full run that `resources` say.

    Parameters
    ----------
    epochs: of a full run.
    checkpoint: of the same configuration on the same rows, to go on from; None starts anew.
    deadline: `time.monotonic` value at which training stops with the best weights so far.
    """
    config = section(trial.config, family.name)
    recipe = Recipe(epochs=epochs, **part_of(trial.config, family, "train"))
    seeds = [int(s) for s in np.random.SeedSequence(trial.seed).generate_state(len(task.folds))]
    parts, folds, networks = [], [], []
    for fold, seed in zip(task.folds, seeds, strict=True):
        rows = fold.subset(resources.rows, task.least_rows)
        train = task.arrays.take(rows)
        preparer = DensePreparer.fit(train, task.gaps, **part_of(trial.config, family, "prepare"))
        target = Target.of(task.y[rows], task.outputs)
        levels = tuple(n - 1 for n in task.levels)
        blueprint = Blueprint(config, preparer.width, levels, task.outputs, len(rows))
        learned = _rows(task, rows, preparer, target)
        network = blueprint.build(family, seed)
        network.prime(learned.numbers, learned.codes, learned.targets, seed)
        parts.append((blueprint, preparer, target))
        networks.append(network)
        folds.append(FoldData(learned, _rows(task, fold.valid, preparer, target) if len(fold.valid) else None))
    trained = loop.fit(
        networks,
        folds,
        recipe,
        loss="cross_entropy" if task.classification else "squared",
        seeds=seeds,
        until=resources.epochs,
        start_checkpoint=None if checkpoint is None else checkpoints.load(checkpoint),
        deadline=deadline,
        device=device,
    )
    models = tuple(NetworkModel(n, *part) for n, part in zip(trained.networks, parts, strict=True))
    effort = float(np.mean([member.best_epoch for member in trained.checkpoint.members])) / epochs
    return Fitted(
        TrialModel(family.name, trial.config, models, effort or resources.epochs),
        [
            target.decode(p.reshape(len(p), task.outputs))
            for p, (_, _, target) in zip(trained.valid, parts, strict=True)
        ],
        trained.curve,
        trained.checkpoint if trained.complete else None,  # in mid-epoch it is at no point of a full run
    )


def _rows(task: Task, rows: NDArray[np.int64], preparer: DensePreparer, target: Target) -> Rows:
    arrays = task.arrays.take(rows)
    y = target.encode(task.y[rows])
    return Rows(
        torch.from_numpy(preparer.transform(arrays)),
        torch.from_numpy(arrays.codes.astype(np.int64)),
        torch.from_numpy(y.astype(np.int64 if task.classification else np.float32)),
        None if task.weight is None else torch.from_numpy(task.weight[rows].astype(np.float32)),
    )
