"""Small tables, and trials of them in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl.architectures.catalogue import FAMILIES, family
from automl.architectures.family import takes_images
from automl.evaluation.evaluator import Evaluator
from automl.evaluation.fidelity import Fidelity
from automl.metrics import DEFAULT, Metric
from automl.preprocessing.columns import Arrays
from automl.resampling import Fold, make_folds
from automl.search.trial import Proposal, Result, Trial
from automl.space import FAMILY, complete, joint_space
from automl.task import StoredTask, Task

EPOCHS = 9
KINDS = ("classification", "regression")
LEVELS = (4, 3)
TABLES = [name for name in FAMILIES if not takes_images(family(name))]
SPACE = joint_space([family(name) for name in TABLES], seed=0)
PLAIN: Mapping[str, Mapping[str, Any]] = {
    name: {f"{name}:use_shake_shake": False, f"{name}:use_shake_drop": False, "train:batch_size": 32}
    for name in ("resnet_backbone", "shaped_resnet_backbone")
}
SMALL: Mapping[str, Mapping[str, Any]] = {
    "autonet_1": {"autonet_1:dropout_output": 0.0, "autonet_1:dropout_1": 0.0},
    "ft_transformer": {"ft_transformer:d_token": 16, "ft_transformer.train:batch_size": 32},
    "catboost": {},
    "extra_trees": {"extra_trees:min_samples_leaf": 5},
    "gradient_boosting": {"gradient_boosting:max_iter": 50, "gradient_boosting:min_samples_leaf": 5},
    "lightgbm": {},
    "linear": {},
    "mlp": {"mlp:max_units": 16, "train:batch_size": 32},
    "mlp_backbone": {"mlp_backbone:num_groups": 1, "mlp_backbone:num_units_1": 32, "train:batch_size": 32},
    "realmlp": {"realmlp:hidden": "5x64"},
    "nearest_neighbors": {},
    "random_forest": {"random_forest:min_samples_leaf": 5},
    "resnet": {"resnet:n_blocks": 1, "train:batch_size": 32},
    "resnet_backbone": {"resnet_backbone:num_groups": 1, **PLAIN["resnet_backbone"]},
    "shaped_mlp_backbone": {"shaped_mlp_backbone:num_groups": 2, "shaped_mlp_backbone:max_units": 32},
    "shaped_resnet_backbone": {"shaped_resnet_backbone:num_groups": 1, **PLAIN["shaped_resnet_backbone"]},
    "tabm": {"tabm:k": 4, "tabm:d_block": 32, "tabm.train:batch_size": 32},
}
"""Configurations that are quick to train; defaults for the rest."""


def make_task(
    kind: str = "classification", *, rows: int = 90, classes: int = 3, resampling: Any = 3, holes: bool = True
) -> Task:
    """Four numbers with holes and two categorical columns, of which the target is a noisy function."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(rows, 4)).astype(np.float32)
    codes = np.stack([rng.integers(0, n, rows) for n in LEVELS], axis=1).astype(np.int32)
    score = numbers[:, 0] + numbers[:, 1] * (codes[:, 0] == 1) + 0.1 * rng.normal(size=rows)
    if holes:
        numbers[rng.random(numbers.shape) < 0.1] = np.nan
    if kind == "classification":
        y: Any = np.searchsorted(np.quantile(score, np.arange(1, classes) / classes), score)
        metric = Metric(DEFAULT[kind], np.array([f"class {k}" for k in range(classes)]))
    else:
        y, metric = 1e6 + score.astype(np.float64), Metric(DEFAULT[kind])
    folds = make_folds(resampling, y, classification=kind == "classification")
    return Task(Arrays(numbers, codes), LEVELS, y, None, metric, folds)


def whole(task: Task) -> tuple[Fold, ...]:
    """One fold that trains on all rows and judges none."""
    return (Fold(np.arange(len(task.y)), np.empty(0, dtype=np.int64)),)


def make_trial(name: str, number: int = 0, budget: float = 1.0, parent: int | None = None, **config: Any) -> Trial:
    values = complete(SPACE, {FAMILY: name, **SMALL[name], **config})
    return Trial(number, Proposal(values, budget, parent=parent), seed=7)


def evaluator(task: Task, folder: Path, *axes: str, **more: Any) -> Evaluator:
    families = {name: family(name) for name in TABLES}
    stored = StoredTask.write(task, folder / "task")
    return Evaluator(stored, families, Fidelity(axes or ("epochs",)), folder, EPOCHS, **more)


def run(task: Task, folder: Path, trial: Trial) -> Result:
    return evaluator(task, folder)(trial)
