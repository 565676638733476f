"""Every one-shot method: a new line in `ONE_SHOT` is covered by these tests."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest import mock

import ConfigSpace as CS
import numpy as np
import pytest
import torch
from small_images import CELLS, EDGE_CELLS, SPACES, digits, halves
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from automl import optimize
from automl.errors import AutoNetError
from automl.genotypes.network import Network
from automl.genotypes.plan import Step
from automl.genotypes.space_of_cells import CellsSpace, EdgeCellSpace
from automl.genotypes.spaces import ChainSpace, decode, joined
from automl.search.draw import check_config
from automl.supernet.catalogue import ONE_SHOT
from automl.supernet.data import Budget, Halves
from automl.supernet.found import Problem
from automl.supernet.methods.darts import Darts
from automl.supernet.methods.enas import ENAS
from automl.supernet.methods.random_sharing import RandomSharing
from automl.supernet.methods.spos import SPOS
from automl.supernet.search import search
from automl.supernet.training import Weights

QUICK: dict[str, Any] = {
    "darts": Darts(),
    "darts-2": Darts(order=2),
    "enas": ENAS(steps=1, samples=2, candidates=4),
    "random-sharing": RandomSharing(candidates=4),
    "spos": SPOS(population=4, generations=2, parents=2, calibration=1),
}
every_method = pytest.mark.parametrize("name", QUICK)


def test_every_method_is_covered_and_can_be_made() -> None:
    assert set(QUICK) == set(ORDER) == set(ONE_SHOT)
    for name, (make, about) in ONE_SHOT.items():
        assert type(make()) is type(QUICK[name])
        assert about[-1] != "."


@every_method
@pytest.mark.parametrize("family", SPACES)
def test_what_is_found_is_ranked_different_and_in_the_space(name: str, family: str) -> None:
    found = search(*digits(256), SPACES[family], method=QUICK[name], epochs=1, filters=2, keep=3)
    losses = [candidate.loss for candidate in found.candidates]
    assert 1 <= len(losses) <= 3
    assert losses == sorted(losses)
    assert len({genotype.hash for genotype in found.genotypes}) == len(losses)
    space = joined(dataclasses.replace(SPACES[family], filters=(4, 8)), CS.ConfigurationSpace({"rate": (1e-3, 1.0)}))
    for config, genotype in zip(found.configurations(space), found.genotypes, strict=True):
        assert check_config(space, config) == config
        assert decode(space, config)[0] == dataclasses.replace(genotype, filters=4, cells=SPACES[family].cells[0])


@every_method
def test_the_same_seed_and_epochs_find_the_same(name: str) -> None:
    before = torch.get_rng_state()
    a, b = (search(*digits(200), EDGE_CELLS, method=QUICK[name], epochs=1, filters=2, seed=5) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)  # the stream of whoever calls is left alone
    assert a.candidates == b.candidates
    assert repr(a.epochs) == repr(b.epochs)  # NaN where there is nothing to see


@every_method
def test_seconds_end_a_search(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[float] = []

    def count(module: nn.Module, inputs: object) -> None:
        if isinstance(module, nn.Linear):  # a classifier: once for each batch that a network sees
            passes.append(1.0)

    problem = Problem(EDGE_CELLS, halves(128), Budget(seconds=40.0, began=0.0), keep=3, seed=0)
    monkeypatch.setattr("automl.supernet.data.time.monotonic", lambda: float(len(passes)))  # a second a batch
    with register_module_forward_pre_hook(count):
        found = QUICK[name](problem)
    assert found.candidates
    assert 30 <= len(passes) <= 46  # what was begun is ended: a step of second order takes 5, and a look 1


ORDER = {
    "darts": "vt v",
    "darts-2": "tvtt t v",
    "enas": "t vv vvvv",
    "random-sharing": "t vvvv",
    "spos": "t tvtvtvtv tvtvtvtv",
}
"""Which half the networks see in an epoch of one batch: t trains, v judges; in SPOS t also recalibrates."""


@every_method
def test_weights_learn_from_one_half_and_choices_are_judged_by_the_other(name: str) -> None:
    half, seen = halves(128), list[str]()
    run = Network.run

    def watched(self: Network, step: Step, inputs: list[Tensor]) -> Tensor:
        if step.name == "stem.conv":
            seen.append("t" if (half.train[0] == inputs[0][0]).flatten(1).all(1).any() else "v")
        return run(self, step, inputs)

    with mock.patch.object(Network, "run", watched):
        QUICK[name](Problem(dataclasses.replace(EDGE_CELLS, filters=(2,)), half, Budget(epochs=1), keep=3, seed=0))
    assert "".join(seen) == ORDER[name].replace(" ", "")


@every_method
def test_few_images_of_any_size_with_any_labels_are_enough(name: str) -> None:
    images = np.random.default_rng(0).random((6, 2, 5, 7))
    labels = np.array(["b", "z", "z", "z", "z", "z"])  # one half lacks a class
    found = search(images, labels, EDGE_CELLS, method=QUICK[name], epochs=2, filters=2)
    assert np.isfinite([candidate.loss for candidate in found.candidates]).all()
    assert len(found.epochs) == 2


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 9), (1, 30, 30)], ids=str)
def test_images_are_padded_as_by_the_family_that_trains_the_cells(shape: tuple[int, int, int]) -> None:
    from automl.architectures.cnn_edge_cell import CNNEdgeCell
    from automl.architectures.family import ImageShape

    images, labels = np.random.default_rng(0).random((20, *shape)), np.arange(20) % 2
    found = search(images, labels, EDGE_CELLS, method=QUICK["random-sharing"], epochs=1, filters=4)
    assert found.proxy is not None
    genotype = found.genotypes[0]
    own = found.proxy.supernet.standalone(genotype)
    family = CNNEdgeCell().build(
        ImageShape(*shape, outputs=2, rows=20), **EDGE_CELLS.encode(genotype), cells=1, filters=8
    )
    padded = family[0](Halves.of(images, labels, seed=0).train[0])
    assert torch.equal(padded, found.proxy.halves.train[0])
    assert own(padded).shape == (10, 2)


def test_a_channel_that_is_constant_in_one_half_is_not_blown_up_in_the_other() -> None:
    images = np.zeros((8, 2, 4, 4))
    images[:, 1] = np.random.default_rng(0).random((8, 4, 4))
    odd = int(np.random.default_rng(0).permutation(8)[-1])  # of the second half
    images[odd, 0] = 1.0
    half = Halves.of(images, np.arange(8) % 2, seed=0)
    assert half.valid[0][-1, 0].unique().tolist() == [1.0]
    assert half.train[0][:, 1].std(correction=0) == pytest.approx(1.0, abs=1e-4)


def test_any_method_of_optimize_can_query_the_shared_weights_and_start_from_what_was_found() -> None:
    found = search(*digits(256), EDGE_CELLS, method=QUICK["random-sharing"], epochs=1, filters=2)
    assert found.proxy is not None
    space = joined(EdgeCellSpace(cells=(1, 2), filters=(4, 8)))
    first = found.configurations(space)
    history = optimize(found.proxy.objective(space), space, method="local", n_trials=6, seed=0, initial=first[:2])
    assert [dict(t.config) for t in history][:2] == list(first[:2])
    assert [t.loss for t in history][:2] == [c.loss for c in found.candidates[:2]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ENAS(steps=0), "steps is 0"),
        (lambda: ENAS(samples=0), "samples is 0"),
        (lambda: ENAS(rows=0), "rows is 0"),
        (lambda: ENAS(candidates=0), "candidates is 0"),
        (lambda: RandomSharing(candidates=0), "candidates is 0"),
        (lambda: SPOS(population=0), "population is 0"),
        (lambda: SPOS(generations=0), "generations is 0"),
        (lambda: SPOS(parents=0), "parents is 0"),
        (lambda: SPOS(calibration=0), "calibration is 0"),
        (lambda: SPOS(probability=1.5), "probability is 1.5"),
        (lambda: Darts(order=3), "order is 3"),
        (lambda: Weights(batch=1), "batch is 1"),
    ],
)
def test_a_method_outside_its_bounds_is_refused(make: Any, message: str) -> None:
    with pytest.raises(AutoNetError, match=f"{message}; it must be"):
        make()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "drats", "epochs": 1}, "did you mean 'darts'"),
        ({"epochs": 1, "definition": ChainSpace()}, "unknown space with shared weights 'chain'"),
        ({"epochs": 1, "definition": CELLS, "cells": 2}, "cells is 2"),
        ({"epochs": 1, "definition": CELLS, "filters": 1}, "filters is 1"),
        ({"epochs": 1, "definition": CellsSpace()}, "concat='all'"),
        ({"epochs": 1, "definition": EdgeCellSpace(("none",))}, "nothing to choose"),
        ({}, "epochs and seconds are both None"),
        ({"epochs": 0}, "epochs is 0"),
        ({"seconds": 0.0}, "seconds is 0.0"),
        ({"epochs": 1, "keep": 0}, "keep is 0"),
        ({"epochs": 1, "filters": 0}, "filters is 0"),
        ({"epochs": 1, "images": np.zeros((8, 64))}, "channels, height, width"),
        ({"epochs": 1, "labels": np.zeros(8)}, "all labels are equal"),
        ({"epochs": 1, "images": np.full((8, 1, 8, 8), np.nan)}, "NaN or infinite"),
    ],
)
def test_what_breaks_a_rule_is_refused_before_anything_is_trained(arguments: dict[str, Any], message: str) -> None:
    given = {"images": np.zeros((8, 1, 8, 8)), "labels": np.arange(8) % 2, "definition": EDGE_CELLS} | arguments
    trained = mock.patch.object(Weights, "down", side_effect=RuntimeError("a step was taken"))
    with pytest.raises(AutoNetError, match=message), trained:
        search(**given)
