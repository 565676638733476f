"""Every one-shot method: a new line in `ONE_SHOT` is covered by these tests."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import ConfigSpace as CS
import numpy as np
import pytest
from small_images import EDGE_CELLS, SPACES, digits, halves

from automl import optimize
from automl.errors import AutoNetError
from automl.genotypes.space_of_cells import EdgeCellSpace
from automl.genotypes.spaces import decode, joined
from automl.search.draw import check_config
from automl.space import joint_space
from automl.supernet.catalogue import ONE_SHOT
from automl.supernet.controller import Controller
from automl.supernet.data import Budget
from automl.supernet.families import layout_of
from automl.supernet.found import Problem
from automl.supernet.methods.darts import Darts
from automl.supernet.methods.enas import ENAS
from automl.supernet.methods.random_sharing import RandomSharing
from automl.supernet.methods.spos import SPOS, crossed, mutated
from automl.supernet.network import Supernet
from automl.supernet.phase import first_configurations
from automl.supernet.proxy import Proxy
from automl.supernet.search import search

QUICK: dict[str, Any] = {
    "darts": Darts(),
    "darts-2": Darts(order=2),
    "enas": ENAS(steps=1, samples=2, candidates=4),
    "random-sharing": RandomSharing(candidates=4),
    "spos": SPOS(population=4, generations=2, parents=2, calibration=1),
}
every_method = pytest.mark.parametrize("name", QUICK)


def test_every_method_is_covered_and_can_be_made() -> None:
    assert set(QUICK) == set(ONE_SHOT)
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
    a, b = (search(*digits(200), EDGE_CELLS, method=QUICK[name], epochs=1, filters=2, seed=5) for _ in range(2))
    assert a.candidates == b.candidates
    assert repr(a.epochs) == repr(b.epochs)  # NaN where there is nothing to see


@every_method
def test_seconds_end_a_search(name: str) -> None:
    began = time.monotonic()
    found = search(*digits(128), EDGE_CELLS, method=QUICK[name], seconds=0.05, filters=2)
    assert found.candidates
    assert time.monotonic() - began < 30  # a step of one batch, not epochs without end


def test_any_method_of_optimize_can_query_the_shared_weights_and_start_from_what_was_found() -> None:
    found = search(*digits(256), EDGE_CELLS, method=QUICK["random-sharing"], epochs=1, filters=2)
    assert found.proxy is not None
    space = joined(EdgeCellSpace(cells=(1, 2), filters=(4, 8)))
    first = found.configurations(space)
    history = optimize(found.proxy.objective(space), space, method="local", n_trials=6, seed=0, initial=first[:2])
    assert [dict(t.config) for t in history][:2] == list(first[:2])
    assert [t.loss for t in history][:2] == [c.loss for c in found.candidates[:2]]


def test_recalibrated_norms_judge_the_network_alone() -> None:
    half = halves(400)
    made = layout_of(EDGE_CELLS, half.shape, half.outputs)
    supernet = Supernet(made)
    genotype = made.genotype([(edge, 3) for edge in range(6)])
    proxy = Proxy(supernet, half, recalibrate=3, batch=64)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    assert proxy(genotype) == proxy(genotype)
    assert all((before[name] == value).all() for name, value in supernet.state_dict().items())
    whole = Proxy(supernet, dataclasses.replace(half, valid=half.train), recalibrate=1, batch=len(half.train[1]))
    # Statistics of the very images that are judged: the same as normalising them by themselves.
    assert whole(genotype) == pytest.approx(Proxy(supernet, whole.halves)(genotype), abs=0.02)


def test_a_controller_learns_which_token_is_rewarded() -> None:
    space = CS.ConfigurationSpace()
    space.add(CS.Categorical("a", ["x", "y", "z"]), CS.Categorical("b", ["x", "y", "z"]))
    rng = np.random.default_rng(0)
    controller = Controller.of(space, rng)
    start = controller.entropy(controller.written(rng))
    assert start == pytest.approx(np.log(3), abs=0.01)
    for _ in range(60):
        configs = [controller.written(rng) for _ in range(10)]
        rewards = [float(c["a"] == "y") + float(c["b"] == c["a"]) for c in configs]
        controller = controller.learned(configs, rewards, rate=0.02, bonus=1e-4, momentum=0.9)
    last = [controller.written(rng) for _ in range(50)]
    assert np.mean([c == {"a": "y", "b": "y"} for c in last]) > 0.8
    assert controller.entropy(last[0]) < 0.5 * start


def test_children_come_of_their_parents() -> None:
    space, rng = joined(EDGE_CELLS), np.random.default_rng(0)
    a = dict.fromkeys(space, "none")
    b = dict.fromkeys(space, "conv_3x3")
    child = crossed(a, b, rng)
    assert set(child.values()) == {"none", "conv_3x3"}
    changed = [sum(v != "none" for v in mutated(space, a, 0.1, rng).values()) for _ in range(500)]
    assert np.mean(changed) == pytest.approx(6 * 0.1 * 0.8, abs=0.1)  # binomial; standard error 0.03


def test_a_generation_of_spos_holds_no_architecture_twice_and_keeps_the_best() -> None:
    class Counting:
        """Counts convolutions; the least is best."""

        seen: list[str]

        def __init__(self) -> None:
            self.seen = []

        def __call__(self, genotype: Any) -> float:
            self.seen.append(genotype.hash)
            return genotype.edges.count("conv_3x3") / 6 + genotype.edges.count("none") / 3

    proxy: Any = Counting()
    problem = Problem(EDGE_CELLS, halves(64), Budget(epochs=1), keep=5, seed=0)
    best = SPOS(population=20, generations=8, parents=5).evolved(problem, proxy)
    assert len(proxy.seen) == len(set(proxy.seen)) == 160
    assert best[0].loss == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "drats", "epochs": 1}, "did you mean 'darts'"),
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
    with pytest.raises(AutoNetError, match=message):
        search(**given)


# The first phase of a search


class Family:
    """A family of edge cells, as a family of networks for images states itself."""

    name = "cnn"
    genotypes = EdgeCellSpace(cells=(1, 2), filters=(8, 16))
    default: dict[str, Any] = {"cells": 2, "filters": 16}  # noqa: RUF012
    inputs = "ordinal"

    def space(self) -> CS.ConfigurationSpace:
        space = CS.ConfigurationSpace()
        self.genotypes.fill(space, "")
        return space


def test_a_first_phase_gives_configurations_of_the_joint_space() -> None:
    x, y = digits(128)
    space = joint_space([Family()])  # type: ignore[list-item]
    found = first_configurations(x, y, Family(), space, method="random-sharing", epochs=1, keep=2)
    assert len(found) == 2
    for config in found:
        assert config["family"] == "cnn"
        assert (config["cnn:cells"], config["cnn:filters"]) == (2, 16)
        assert check_config(space, config) == config


def test_a_first_phase_that_cannot_end_in_time_warns_and_gives_nothing() -> None:
    x, y = digits(128)
    space = joint_space([Family()])  # type: ignore[list-item]
    began = time.monotonic()
    with pytest.warns(UserWarning, match="the first phase, 'darts', found nothing"):
        assert first_configurations(x, y, Family(), space, method="darts", epochs=5000, seconds=0.01) == ()
    assert time.monotonic() - began < 20


def test_a_first_phase_that_fails_says_why() -> None:
    x, y = digits(128)
    space = joint_space([Family()])  # type: ignore[list-item]
    with pytest.warns(UserWarning, match="all labels are equal"):
        assert first_configurations(x, 0 * y, Family(), space, method="enas", epochs=1) == ()
