"""What one-shot methods are made of: the proxy, the controller of ENAS, the evolution of SPOS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ConfigSpace as CS
import numpy as np
import pytest
import torch
from small_images import EDGE_CELLS, halves
from torch import nn

from automl.genotypes.spaces import decode, joined
from automl.search.models.adam import Adam
from automl.supernet.controller import Controller
from automl.supernet.data import Budget
from automl.supernet.families import layout_of
from automl.supernet.found import Problem
from automl.supernet.methods.enas import ENAS
from automl.supernet.methods.spos import SPOS, crossed, mutated
from automl.supernet.network import Supernet
from automl.supernet.proxy import Proxy, recalibrated


def test_recalibrated_norms_judge_the_network_alone() -> None:
    half = halves(400)
    made = layout_of(EDGE_CELLS, half.shape, half.outputs)
    supernet = Supernet(made)
    genotype = made.genotype([(edge, 3) for edge in range(6)])
    proxy = Proxy(supernet, half, recalibrate=3, batch=64)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    assert proxy(genotype) == proxy(genotype)
    assert all((before[name] == value).all() for name, value in supernet.state_dict().items())


def test_recalibrated_norms_hold_the_plain_mean_of_the_statistics_of_batches() -> None:
    norm = nn.BatchNorm2d(1)
    norm.running_mean.fill_(9.0)  # type: ignore[union-attr]
    parts = [torch.tensor(values).reshape(-1, 1, 1, 1) for values in ([0.0, 2.0], [4.0, 4.0, 7.0, 1.0])]
    made = recalibrated(nn.Sequential(norm), ((part, torch.zeros(len(part))) for part in parts))
    assert not made.training
    assert norm.running_mean.item() == pytest.approx((1 + 4) / 2)  # type: ignore[union-attr]
    assert norm.running_var.item() == pytest.approx((2 / 1 + 18 / 3) / 2)  # type: ignore[union-attr]


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


def test_a_controller_is_pulled_by_what_is_above_the_mean_of_its_rewards() -> None:
    space = CS.ConfigurationSpace({"a": ["x", "y"]})
    first = Controller.of(space, np.random.default_rng(0))
    settings = {"rate": 0.1, "bonus": 0.0, "momentum": 0.9}
    config = {"a": "x"}
    once = first.learned([config, config], [0.4, 0.6], **settings)
    # The advantages ±.1 cancel: one configuration, its baseline the mean.
    assert all(np.allclose(a, b) for a, b in zip(once.adam.parameters, first.adam.parameters, strict=True))
    assert once.baseline == pytest.approx((0.05, 0.1))
    twice = once.learned([config], [1.0], **settings)
    assert twice.baseline == pytest.approx((0.9 * 0.05 + 0.1, 0.9 * 0.1 + 0.1))
    advantage = 1.0 - 0.145 / 0.19
    expected = first.policy.gradient(once.adam.parameters, first.grammar.tokens(config), advantage, 0.0)
    for moment, gradient in zip(twice.adam.first, expected, strict=True):
        assert np.allclose(moment, 0.1 * gradient)


def test_the_entropy_of_a_controller_is_the_mean_along_what_it_writes() -> None:
    space, rng = joined(EDGE_CELLS), np.random.default_rng(1)
    controller = Controller.of(space, rng)
    controller = controller.learned([controller.written(rng)], [1.0], rate=0.5, bonus=1.0, momentum=0.9)
    config = controller.written(rng)
    tokens, expected = controller.grammar.tokens(config), []
    for i, (place, _) in enumerate(tokens):
        logits = controller.policy.logits(controller.adam.parameters, tokens[:i], place)
        p = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        expected.append(-(p * np.log(p)).sum())
    assert np.std(expected) > 0.01
    assert controller.entropy(config) == pytest.approx(np.mean(expected), rel=1e-9)


def test_a_bonus_on_the_entropy_makes_a_controller_less_sure() -> None:
    space, config = CS.ConfigurationSpace({"a": ["x", "y"]}), {"a": "x"}
    sure = Controller.of(space, np.random.default_rng(0))
    for reward in (0.0, 1.0, 1.0):
        sure = sure.learned([config], [reward], rate=0.02, bonus=0.0, momentum=0.9)
    assert sure.entropy(config) < np.log(2) - 0.02
    begun = replace(sure, adam=Adam.of(sure.adam.parameters))  # without the momentum of these steps
    found = []
    for bonus in (0.0, 1.0):
        more = begun
        for _ in range(10):  # rewards that are the baseline itself, so that nothing but the bonus pulls
            at = more.baseline[0] / more.baseline[1]
            more = more.learned([config], [at], rate=0.003, bonus=bonus, momentum=0.9)
        found.append(more.entropy(config))
    assert found[0] == pytest.approx(sure.entropy(config), abs=1e-6)
    assert found[1] > sure.entropy(config) + 0.02


def test_the_controller_of_enas_follows_the_rewards_of_its_cells() -> None:
    class Liked(ENAS):
        """Rewards skip connections, whatever the weights say."""

        def _reward(self, supernet: Any, problem: Problem, genotype: Any, rng: np.random.Generator) -> float:
            return float(genotype.edges.count("skip_connect")) / 6

    method = Liked(steps=12, candidates=1)
    epochs = method(Problem(EDGE_CELLS, halves(32), Budget(epochs=3), keep=1, seed=0)).epochs
    assert epochs[0].entropy == pytest.approx(np.log(5), abs=0.1)  # of five operations
    assert epochs[-1].entropy < 0.5 * epochs[0].entropy
    assert epochs[-1].reward > epochs[0].reward + 0.3


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


def test_half_of_a_generation_of_spos_is_crossed_half_mutated_and_the_rest_drawn() -> None:
    space, rng = joined(EDGE_CELLS), np.random.default_rng(0)
    parents = [dict.fromkeys(space, "conv_1x1"), dict.fromkeys(space, "conv_3x3")]
    known = {decode(space, parent)[0].hash: parent for parent in parents}
    children = SPOS(population=20, probability=0.2)._children(space, parents, dict(known), rng)
    crosses = [set(child.values()) <= {"conv_1x1", "conv_3x3"} for child in children]
    assert len(children) == 20
    assert all(crosses[:10])
    assert not all(crosses[10:])
    near = [max(sum(child[name] == parent[name] for name in space) for parent in parents) for child in children[10:]]
    assert np.mean(near) > 4  # of 6 choices, each kept with 1 − .2 · 4/5
    drawn = SPOS(population=20, probability=0.0)._children(space, parents[:1], dict(known), rng)
    assert len(drawn) == 20  # a parent alone, unchanged, has no new children
