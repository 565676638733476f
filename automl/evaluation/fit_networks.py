"""The folds of a trial of networks, as one batched network where that is faster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.architectures.prime import prime
from automl.evaluation.at_resources import at_resources, judged_anew
from automl.evaluation.begin import begin_with
from automl.evaluation.blueprints import ImageBlueprint
from automl.evaluation.effort import IMAGES, MIXED_IMAGES, TABLES, Pace, Work, affordable_epochs, forward_work
from automl.evaluation.fidelity import Resources
from automl.evaluation.fitted import Fitted, NetworkModel, TrialModel
from automl.evaluation.fold_data import Prepared, prepared
from automl.space import part_of, recipe_fields, section
from automl.training import checkpoints, loop
from automl.training.checkpoints import Checkpoint
from automl.training.data import Rows
from automl.training.precision import has_matrix_units
from automl.training.recipe import Recipe
from automl.training.regularisers.augmentation import augmentation_of

if TYPE_CHECKING:
    from automl.architectures.family import Family
    from automl.evaluation.blueprints import AnyBlueprint, AnyNetwork
    from automl.search.trial import Trial
    from automl.task import Task

PIXELS_A_STEP = 2**22
"""Of the images of a batch, at most: 128 of 181×181, 16 of 512×512. Their activations must fit into memory."""


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
    resized: bool = False,
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
    resized: whether the checkpoint is of smaller images: its weights go on, its losses do not count.
    deadline: `time.monotonic` value at which training stops with the best weights so far.
    """
    config, choices = section(trial.config, family.name), part_of(trial.config, family, "prepare")
    seeds = [int(s) for s in np.random.SeedSequence(trial.seed).generate_state(len(task.folds))]
    parts, folds, networks = [], [], []
    for number, (fold, seed) in enumerate(zip(task.folds, seeds, strict=True)):
        rows = fold.subset(resources.rows, task.least_rows)
        part, data = prepared(task, rows, fold.valid, config, choices)
        bought = replace(part, blueprint=at_resources(part.blueprint, family, resources))
        parts.append(bought)
        networks.append(_fresh(bought.blueprint, family, seed, data.train, ancestor, number))
        folds.append(data)
    recipe = Recipe(**{"epochs": epochs} | recipe_fields(trial.config, family, min(len(fold.train) for fold in folds)))
    if isinstance(part.blueprint, ImageBlueprint):  # by the whole images: a checkpoint of smaller ones goes on
        most = max(2, PIXELS_A_STEP // math.prod(part.blueprint.image[1:]))
        recipe = replace(recipe, batch_size=min(recipe.batch_size, most))
    if seconds is not None and device == "cpu":
        # By the whole network: its schedule is that of a full run, whatever a smaller one would have time for.
        whole = networks if bought.blueprint == part.blueprint else [part.blueprint.build(family)] * len(networks)
        recipe = _affordable(recipe, whole, folds[0].train, seconds)
    trained = loop.fit(
        networks,
        folds,
        recipe,
        loss="cross_entropy" if task.classification else "squared",
        seeds=seeds,
        until=resources.epochs,
        start_checkpoint=None if checkpoint is None else _begun(checkpoint, resized),
        deadline=deadline,
        device=device,
    )
    return _result(task, family, trial, trained, parts, resources.epochs)


def _result(
    task: Task, family: Family, trial: Trial, trained: loop.Fitted, parts: Sequence[Prepared], share: float
) -> Fitted:
    """What the training gave, as the model of the trial; `share` of a full run where it has no best epoch."""
    models = tuple(
        NetworkModel.of(n, part.blueprint, part.preparer, part.target)
        for n, part in zip(trained.networks, parts, strict=True)
    )
    epochs = int(trained.checkpoint.recipe["epochs"] or 1)
    effort = float(np.mean([member.best_epoch for member in trained.checkpoint.members])) / epochs
    return Fitted(
        TrialModel(family.name, trial.config, models, effort or share),
        [part.target.decode(p.reshape(len(p), task.outputs)) for p, part in zip(trained.valid, parts, strict=True)],
        trained.curve,
        trained.checkpoint if trained.complete else None,  # in mid-epoch it is at no point of a full run
        converged=trained.complete and trained.checkpoint.members[0].stopped,  # they stop together
    )


def _fresh(
    blueprint: AnyBlueprint, family: Family, seed: int, rows: Rows, ancestor: TrialModel | None, number: int
) -> AnyNetwork:
    """The network of fold `number` before its first step."""
    network = blueprint.build(family, seed)
    prime(network, rows.numbers, rows.codes, rows.targets, seed)
    if ancestor is not None and ancestor.family == family.name:
        begin_with(network, blueprint, family, ancestor.folds[number], rows, seed)
    return network


def _begun(checkpoint: Path, resized: bool) -> Checkpoint:
    found = checkpoints.load(checkpoint)
    return judged_anew(found) if resized else found


def _affordable(recipe: Recipe, networks: Sequence[AnyNetwork], seen: Rows, seconds: float) -> Recipe:
    """The recipe with as many epochs as a full run of the networks on rows like those seen has seconds for."""
    work, augmentation = forward_work(networks[0], seen.numbers, seen.codes), augmentation_of(recipe, networks[0])
    passes = 1 if augmentation is None else augmentation.passes
    epochs = affordable_epochs(
        Work(passes * work.flops, passes * work.calls, passes * work.values),
        len(seen),
        recipe.batch_size,
        networks=len(networks),
        together=loop.train_as_one(networks, "cpu"),
        seconds=seconds,
        most=recipe.epochs,
        pace=_pace(seen),
    )
    return replace(recipe, epochs=epochs)


def _pace(seen: Rows) -> Pace:
    if seen.numbers.dim() != 4:
        return TABLES
    return MIXED_IMAGES if has_matrix_units() else IMAGES
