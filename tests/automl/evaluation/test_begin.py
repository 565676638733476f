"""Inherited weights in trials: what a child begins with, and that it pays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from small_tasks import evaluator, make_task, make_trial
from torch import Tensor, nn

from automl.architectures.family import Shape
from automl.architectures.inheritance import inherit, morphed
from automl.architectures.mlp import MLP
from automl.evaluation.begin import begin_with
from automl.evaluation.evaluator import read_model
from automl.evaluation.fit_networks import fit_networks
from automl.genotypes.chain import Chain
from automl.genotypes.genotype import build
from automl.genotypes.layers import Layer
from automl.genotypes.morphs import Morph
from automl.search.trial import BRED_BRACKET, Proposal, State, Trial
from automl.training.data import FoldData, Rows
from automl.training.loop import fit
from automl.training.recipe import Recipe

STILL = {"train:learning_rate": 1e-4, "mlp:dropout": 0.0}
"""Hyperparameters with which a network stays about where it begins."""


def bred(name: str, number: int, parent: int, **config: Any) -> Trial:
    made = make_trial(name, number, **config)
    return replace(made, proposal=Proposal(made.config, bracket=BRED_BRACKET, parent=parent))


def losses(folder: Path, *trials: Trial, **settings: Any) -> list[float]:
    evaluate = evaluator(make_task(holes=False), folder, **settings)
    results = [evaluate(trial) for trial in trials]
    assert [r.state for r in results] == [State.DONE] * len(trials), [r.error for r in results]
    return [r.loss for r in results]


def test_a_wider_child_begins_where_its_parent_ended(tmp_path: Path) -> None:
    parent = make_trial("mlp", 0, **{"mlp:dropout": 0.0, "train:learning_rate": 0.03})
    child = bred("mlp", 1, 0, **{"mlp:max_units": 24, **STILL})
    scratch = make_trial("mlp", 2, **{"mlp:max_units": 24, **STILL})
    of_parent, of_child, of_scratch = losses(tmp_path, parent, child, scratch)
    assert abs(of_child - of_parent) < 0.05
    assert of_scratch > of_parent + 0.2


def test_a_smaller_child_learns_from_its_parent_before_it_is_trained(tmp_path: Path) -> None:
    parent = make_trial("mlp", 0, **{"mlp:dropout": 0.0, "mlp:max_units": 32, "train:learning_rate": 0.03})
    child = bred("mlp", 1, 0, **{"mlp:max_units": 16, **STILL})
    scratch = make_trial("mlp", 2, **{"mlp:max_units": 16, **STILL})
    of_parent, of_child, of_scratch = losses(tmp_path, parent, child, scratch)
    assert of_child - of_parent < 0.5 * (of_scratch - of_parent)
    assert losses(tmp_path / "again", parent, child) == [of_parent, of_child]


def test_weights_go_by_name_and_shape_where_the_activation_changes(tmp_path: Path) -> None:
    parent = make_trial("mlp", 0, **{"mlp:dropout": 0.0, "train:learning_rate": 0.03})
    child = bred("mlp", 1, 0, **{"mlp:activation": "gelu", **STILL})
    losses(tmp_path, parent, child)
    families = evaluator(make_task(holes=False), tmp_path).families
    networks = [read_model(tmp_path / str(n), families).folds[0].network for n in (0, 1)]  # type: ignore[attr-defined]
    difference = networks[0].state_dict()["body.0.weight"] - networks[1].state_dict()["body.0.weight"]
    assert difference.abs().max() < 0.01


@pytest.mark.parametrize("name", ["random_forest", "resnet", "realmlp"])
def test_a_child_of_another_family_or_of_a_lost_parent_begins_anew(name: str, tmp_path: Path) -> None:
    parent = make_trial("mlp", 0)
    alone = losses(tmp_path / "a", make_trial(name, 1))
    assert losses(tmp_path / "b", parent, bred(name, 1, 0))[1:] == alone
    assert losses(tmp_path / "c", bred(name, 1, 0)) == alone


@pytest.mark.parametrize("name", ["ft_transformer", "tabm"])
def test_networks_that_are_fed_columns_inherit_by_name(name: str, tmp_path: Path) -> None:
    losses(tmp_path, make_trial(name, 0))
    families = evaluator(make_task(holes=False), tmp_path).families
    parent: Any = read_model(tmp_path / "0", families).folds[0]
    network = parent.blueprint.build(families[name], seed=1)
    begin_with(network, parent.blueprint, families[name], parent, Rows(*parent.blueprint.blank(), torch.zeros(2)), 0)
    theirs, ours = parent.network.state_dict(), network.state_dict()
    assert all(torch.equal(ours[key], value) for key, value in theirs.items())


def test_a_copy_is_trained_on_and_not_repeated(tmp_path: Path) -> None:
    parent = make_trial("mlp", 0, **{"mlp:dropout": 0.0, "train:learning_rate": 3e-3})
    copy = bred("mlp", 1, 0, **{"mlp:dropout": 0.0, "train:learning_rate": 3e-3})
    first, second = losses(tmp_path, parent, copy)
    assert second < first


def test_promotion_still_continues_the_parent(tmp_path: Path) -> None:
    short = make_trial("mlp", 0, budget=1 / 3)
    whole = losses(tmp_path / "a", make_trial("mlp", 1))
    assert losses(tmp_path / "b", short, make_trial("mlp", 1, parent=0))[1:] == whole
    assert fit_networks.__kwdefaults__["ancestor"] is None


# It pays


class Images(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        logits: Tensor = self.network(numbers)
        return logits


def data(load: Callable[..., Any], seed: int) -> FoldData:
    X, y = load(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    X = ((X - X.mean(0)) / np.maximum(X.std(0), 1e-3))[order].astype(np.float32)
    y, cut = y[order], len(X) // 3
    rows = [
        Rows(torch.from_numpy(X[part]), torch.zeros(len(X[part]), 0, dtype=torch.int64), torch.from_numpy(y[part]))
        for part in (slice(cut, None), slice(cut))
    ]
    return FoldData(rows[0], rows[1])


def trained(network: nn.Module, fold: FoldData, epochs: int, seed: int) -> tuple[dict[str, Tensor], float]:
    """State dict of the network after so many epochs, and its accuracy."""
    recipe = Recipe(optimizer="adamw", learning_rate=3e-3, schedule="cosine", batch_size=32, epochs=epochs)
    fitted = fit([Images(network)], [fold], recipe, loss="cross_entropy", seeds=[seed])
    weights = {k.removeprefix("network."): v for k, v in fitted.networks[0].state_dict().items()}
    assert fold.valid is not None
    return weights, float((fitted.valid[0].argmax(1) == fold.valid.targets.numpy()).mean())


def digits_run(seed: int) -> tuple[float, float]:
    """Accuracies after two epochs of a morphed child, and of the same network from scratch."""
    torch.manual_seed(seed)
    fold, rng, shape = data(load_digits, seed), np.random.default_rng(seed), (1, 8, 8)
    genotype: Any = Chain((Layer("conv", 3, 8), Layer("conv", 3, 16, 2)))
    weights, _ = trained(build(genotype, shape, 10), fold, 8, seed)
    for morph in (Morph("widen", (0, 16)), Morph("deepen", (2, "conv", 3, True)), Morph("widen", (1, 32))):
        child = morph.apply(genotype)
        weights = morph.transfer(genotype, weights, child, rng, shape=shape)
        genotype = child
    grown = build(genotype, shape, 10)
    scratch = build(genotype, shape, 10)
    grown.load_state_dict(weights)
    return trained(grown, fold, 2, seed)[1], trained(scratch, fold, 2, seed)[1]


def table_run(load: Callable[..., Any], seed: int) -> tuple[float, float]:
    torch.manual_seed(seed)
    fold, family = data(load, seed), MLP()
    shape = Shape(inputs=fold.train.numbers.shape[1], outputs=int(fold.train.targets.max()) + 1, rows=len(fold.train))
    config: dict[str, Any] = {"form": "brick", "n_layers": 1, "max_units": 16, "activation": "relu"}
    config |= {"dropout": 0.0, "norm": "batch"}
    weights, _ = trained(family.build(shape, **config), fold, 20, seed)
    for morph in (Morph("widen", (0, 32)), Morph("deepen")):
        child = morphed(family, config, morph, shape)
        grown = family.build(shape, **child)
        batch = fold.train.numbers[:256]
        weights, exact = inherit(family, config, weights, child, grown, shape, np.random.default_rng(seed), batch=batch)
        assert exact
        config = child
    scratch = family.build(shape, **config)
    grown.load_state_dict(weights)
    return trained(grown, fold, 2, seed)[1], trained(scratch, fold, 2, seed)[1]


@pytest.mark.slow
@pytest.mark.parametrize("load", [load_digits, load_breast_cancer, load_wine])
def test_a_morphed_child_is_no_worse_after_two_epochs_than_from_scratch(load: Callable[..., Any]) -> None:
    pairs = [digits_run(seed) if load is load_digits else table_run(load, seed) for seed in range(10)]
    assert sum(child >= scratch for child, scratch in pairs) >= 9, pairs
