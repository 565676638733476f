"""The folds of a trial of networks, as one batched network where that is faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from automl.evaluation.begin import begin_with
from automl.evaluation.class_weights import training_weight
from automl.evaluation.effort import Work, affordable_epochs, forward_work
from automl.evaluation.fidelity import Resources
from automl.evaluation.fitted import Blueprint, Fitted, NetworkModel, TrialModel
from automl.evaluation.target import Target
from automl.preprocessing.dense import DensePreparer
from automl.preprocessing.labels import Labels
from automl.space import part_of, recipe_fields, section
from automl.training import checkpoints, loop
from automl.training.data import FoldData, Rows
from automl.training.recipe import Recipe
from automl.training.regularisers.augmentation import augmentation_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automl.architectures.family import Family
    from automl.architectures.inputs import TabularNet
    from automl.search.trial import Trial
    from automl.task import Task


def fit_networks(
    task: Task,
    family: Family,
    trial: Trial,
    resources: Resources,
    *,
    epochs: int,
    seconds: float | None = None,
    checkpoint: Path | None,
    ancestor: TrialModel | None = None,
    deadline: float | None,
    device: str,
) -> Fitted:
    """Train one network per fold to the share of a full run that `resources` say.

    Parameters
    ----------
    epochs: of a full run, unless the configuration says how long it is.
    seconds: that a full run should take at most, by having fewer epochs; None for as long as it takes.
    checkpoint: of the same configuration on the same rows, to go on from; None starts anew.
    ancestor: model of another configuration on the same folds, whose weights the networks begin with.
    deadline: `time.monotonic` value at which training stops with the best weights so far.
    """
    config, choices = section(trial.config, family.name), part_of(trial.config, family, "prepare")
    seeds = [int(s) for s in np.random.SeedSequence(trial.seed).generate_state(len(task.folds))]
    parts, folds, networks = [], [], []
    for number, (fold, seed) in enumerate(zip(task.folds, seeds, strict=True)):
        rows = fold.subset(resources.rows, task.least_rows)
        preparer, target, data = _prepared(task, rows, fold.valid, choices)
        levels = tuple(n - 1 for n in preparer.levels(task.levels))
        blueprint = Blueprint(config, preparer.width, levels, task.outputs, len(rows))
        network = blueprint.build(family, seed)
        network.prime(data.train.numbers, data.train.codes, data.train.targets, seed)
        parts.append((blueprint, preparer, target))
        if ancestor is not None and ancestor.family == family.name:
            begin_with(network, blueprint, family, ancestor.folds[number], data.train, seed)
        networks.append(network)
        folds.append(data)
    recipe = Recipe(**{"epochs": epochs} | recipe_fields(trial.config, family, min(len(fold.train) for fold in folds)))
    if seconds is not None and device == "cpu":
        recipe = _affordable(recipe, networks, folds[0].train, seconds)
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
    models = tuple(NetworkModel.of(n, *part) for n, part in zip(trained.networks, parts, strict=True))
    effort = float(np.mean([member.best_epoch for member in trained.checkpoint.members])) / recipe.epochs
    return Fitted(
        TrialModel(family.name, trial.config, models, effort or resources.epochs),
        [
            target.decode(p.reshape(len(p), task.outputs))
            for p, (_, _, target) in zip(trained.valid, parts, strict=True)
        ],
        trained.curve,
        trained.checkpoint if trained.complete else None,  # in mid-epoch it is at no point of a full run
        converged=trained.complete and trained.checkpoint.members[0].stopped,  # they stop together
    )


def _affordable(recipe: Recipe, networks: Sequence[TabularNet], seen: Rows, seconds: float) -> Recipe:
    """The recipe with as many epochs as a full run of the networks on rows like those seen has seconds for."""
    work, augmentation = forward_work(networks[0], seen.numbers, seen.codes), augmentation_of(recipe, networks[0])
    passes = 1 if augmentation is None else augmentation.passes
    epochs = affordable_epochs(
        Work(passes * work.flops, passes * work.calls),
        len(seen),
        recipe.batch_size,
        networks=len(networks),
        together=loop.train_as_one(networks, "cpu"),
        seconds=seconds,
        most=recipe.epochs,
    )
    return replace(recipe, epochs=epochs)


def _prepared(
    task: Task, rows: NDArray[np.int64], valid: NDArray[np.int64], choices: Mapping[str, Any]
) -> tuple[DensePreparer, Target, FoldData]:
    """The preparation learned from training rows, and both kinds of rows prepared by it."""
    train, y = task.arrays.take(rows), task.y[rows]
    labels, target = Labels(y, task.outputs), Target.of(y, task.outputs)
    preparer, numbers = DensePreparer.fit_transform(train, task.gaps, levels=task.levels, labels=labels, **choices)
    learned = _rows(task, rows, numbers, preparer.codes(train), target, training_weight(task, rows, choices))
    if not len(valid):
        return preparer, target, FoldData(learned, None)
    judged, weight = task.arrays.take(valid), None if task.weight is None else task.weight[valid]
    judges = _rows(task, valid, preparer.transform(judged), preparer.codes(judged), target, weight)
    return preparer, target, FoldData(learned, judges)


def _rows(
    task: Task,
    rows: NDArray[np.int64],
    numbers: NDArray[np.float32],
    codes: NDArray[np.int32],
    target: Target,
    weight: NDArray[np.float64] | None,
) -> Rows:
    y = target.encode(task.y[rows])
    return Rows(
        torch.from_numpy(numbers),
        torch.from_numpy(codes.astype(np.int64)),
        torch.from_numpy(y.astype(np.int64 if task.classification else np.float32)),
        None if weight is None else torch.from_numpy(weight.astype(np.float32)),
    )
