"""SMAC through ask and tell: a function of the history, quiet, sturdy, and better than random search."""

from __future__ import annotations

import builtins
import logging
import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ConfigSpace as cs
import numpy as np
import pytest

from automl.search.candidates import codes_of
from automl.search.draw import sample
from automl.search.history import History
from automl.search.samplers.forest import Forest
from automl.search.samplers.random import Random
from automl.search.schedules.full import Full
from automl.search.schedules.hyperband import Hyperband
from automl.search.trial import Configuration, Proposal, Result, State, Trial, config_key, trial_seed


def depth_space() -> cs.ConfigurationSpace:
    """Layers with a width each, the later ones only where the network is deep enough."""
    space = cs.ConfigurationSpace(seed=0)
    depth = cs.Integer("depth", (1, 4))
    space.add(depth, cs.Float("rate", (1e-4, 1.0), log=True), cs.Integer("batch", (16, 512), log=True))
    space.add(cs.Categorical("activation", list("abcde")))
    for i in range(1, 5):
        width = cs.Float(f"width{i}", (0.0, 1.0))
        space.add(width)
        if i > 1:
            space.add(cs.GreaterThanCondition(width, depth, i - 1))
    return space


def depth_loss(config: Configuration) -> float:
    """Least (0) at depth 4, rate 10**-2.5, activation d and width .2, .4, .6, .8."""
    widths = sum((config[f"width{i}"] - 0.2 * i) ** 2 for i in range(1, config["depth"] + 1))
    rate = (math.log10(config["rate"]) + 2.5) ** 2 / 3
    return rate + 0.3 * abs("abcde".index(config["activation"]) - 3) + 2 * widths + 0.25 * (4 - config["depth"])


def observed(
    space: cs.ConfigurationSpace,
    n: int,
    *,
    loss: Callable[[dict[str, Any]], float] = depth_loss,
    seed: int = 0,
    budget: float = 1.0,
    crashed: Callable[[int], bool] = lambda i: False,
) -> History:
    """`n` random trials at one budget."""
    rng = np.random.default_rng(seed)
    trials = []
    for i in range(n):
        config = sample(space, rng)
        result = Result(State.CRASHED) if crashed(i) else Result(State.DONE, loss(config), 1.0)
        trials.append(Trial(i, Proposal(config, budget), trial_seed(seed, i), result))
    return History(tuple(trials))


def ask(sampler: Forest, space: cs.ConfigurationSpace, history: History, seed: int = 0) -> dict[str, Any]:
    return sampler(space, history, np.random.default_rng(seed))


def searched(sampler: Any, seed: int, n: int) -> History:
    """A search by trials at full budget."""
    optimizer, history = Full(depth_space(), sampler, seed), History()
    for i in range(n):
        proposal = optimizer.ask(history)
        assert proposal is not None
        result = Result(State.DONE, depth_loss(proposal.config))
        history = history.put(Trial(i, proposal, trial_seed(seed, i), result))
    return history


def test_the_first_configurations_are_random() -> None:
    space = depth_space()
    assert ask(Forest(), space, observed(space, 8)) == sample(space, np.random.default_rng(0))
    assert ask(Forest(), space, observed(space, 9)) != sample(space, np.random.default_rng(0))


def test_the_same_history_gives_the_same_proposal_whether_remembered_or_rebuilt() -> None:
    space = depth_space()
    sampler, history = Forest(), observed(space, 12)
    for i in range(6):  # over the border of two models
        config = ask(sampler, space, history, seed=i)
        assert ask(Forest(), space, history, seed=i) == config
        history = history.put(Trial(12 + i, Proposal(config), i, Result(State.DONE, depth_loss(config))))
    earlier = History(history.trials[:13])
    assert ask(sampler, space, earlier) == ask(Forest(), space, earlier)


def test_a_model_serves_several_proposals() -> None:
    space = depth_space()
    sampler, history = Forest(retrain_after=4), observed(space, 9)
    models = set()
    for i in range(8):
        config = ask(sampler, space, history)
        models.add(id(sampler._model))
        history = history.put(Trial(9 + i, Proposal(config), i, Result(State.DONE, depth_loss(config))))
    assert len(models) == 2


def test_proposals_for_running_trials_differ() -> None:
    space = depth_space()
    sampler, history = Forest(), observed(space, 12)
    for i in range(10):
        history = history.put(Trial(12 + i, Proposal(ask(sampler, space, history)), i))
    assert len({config_key(t.config) for t in history}) == 22


def test_different_runs_get_different_proposals_from_the_same_results() -> None:
    space = depth_space()
    history = observed(space, 20)
    other = History((replace(history[0], seed=99), *history.trials[1:]))
    assert ask(Forest(), space, history) != ask(Forest(), space, other)


def test_proposals_are_legal_and_hold_active_hyperparameters_as_native_values_only() -> None:
    depth, width = cs.Integer("depth", (1, 3), log=True), cs.Float("width", (0.0, 1.0))
    kind = cs.OrdinalHyperparameter("kind", ["a", "b", "c"])
    space = cs.ConfigurationSpace()
    space.add(depth, width, kind, cs.Constant("fixed", 3), cs.GreaterThanCondition(width, depth, 1))
    clause = cs.ForbiddenAndConjunction(cs.ForbiddenEqualsClause(kind, "b"), cs.ForbiddenEqualsClause(depth, 2))
    space.add(clause)
    sampler = Forest()
    history = observed(space, 12, loss=lambda c: (c["kind"] != "b") + abs(c["depth"] - 2) + c.get("width", 0))
    for i in range(12):
        config = ask(sampler, space, history)
        cs.Configuration(space, values=config).check_valid_configuration()
        assert {type(value) for value in config.values()} <= {str, int, float}
        assert ("width" in config) == (config["depth"] > 1)
        history = history.put(Trial(len(history), Proposal(config), i))


def test_the_model_is_that_of_the_largest_budget_with_enough_trials() -> None:
    space = cs.ConfigurationSpace({"x": (0.0, 1.0), "y": (0.0, 1.0)})
    low = observed(space, 20, loss=lambda c: c["x"], budget=1 / 3)
    high = observed(space, 20, loss=lambda c: 1 - c["x"], seed=1)
    both = History((*low.trials, *(replace(t, number=20 + t.number) for t in high.trials)))
    sampler = Forest()
    assert np.median([c["x"] for c in challengers(sampler, space, History(both.trials[:22]))]) < 0.3
    assert np.median([c["x"] for c in challengers(sampler, space, both)]) > 0.7


def challengers(sampler: Forest, space: cs.ConfigurationSpace, history: History) -> list[dict[str, Any]]:
    """Seven proposals in a row, none of which has ended."""
    start = len(history)
    for i in range(7):
        history = history.put(Trial(start + i, Proposal(ask(sampler, space, history)), 0))
    return [dict(t.config) for t in history.trials[start:]]


def test_failed_trials_cost_as_much_as_the_worst() -> None:
    space = cs.ConfigurationSpace({"x": (0.0, 1.0), "y": (0.0, 1.0)})
    history = observed(space, 40, loss=lambda c: c["x"])
    trials = (replace(t, result=Result(State.TIMEOUT)) if t.config["x"] < 0.5 else t for t in history)
    proposals = challengers(Forest(), space, History(tuple(trials)))
    assert np.median([c["x"] for c in proposals]) > 0.45


@pytest.mark.parametrize("state", [State.CRASHED, State.PRUNED])
def test_without_a_success_proposals_are_random(state: State) -> None:
    space = depth_space()
    trials = tuple(replace(t, result=Result(state)) for t in observed(space, 30))
    assert ask(Forest(), space, History(trials)) == sample(space, np.random.default_rng(0))


def test_equal_losses_do_no_harm() -> None:
    space = depth_space()
    config = ask(Forest(), space, observed(space, 20, loss=lambda c: 1.0))
    cs.Configuration(space, values=config).check_valid_configuration()


def test_an_exhausted_space_is_sampled_again() -> None:
    space = cs.ConfigurationSpace({"a": ["x", "y"], "b": ["u", "v"]})
    configs = [{"a": a, "b": b} for a in "xy" for b in "uv"]
    trials = (Trial(i, Proposal(c), i, Result(State.DONE, float(i))) for i, c in enumerate(configs))
    assert ask(Forest(), space, History(tuple(trials))) in configs


def test_smac_neither_asks_nor_writes_nor_logs_nor_touches_what_is_not_its_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, "input", lambda *args: pytest.fail("smac asked for input"))
    space = depth_space()
    legacy, own = np.random.get_state()[1].copy(), space.random.get_state()[1].copy()  # noqa: NPY002
    handlers, level = list(logging.getLogger().handlers), logging.getLogger("smac").level
    sampler, history = Forest(), observed(space, 30)
    challengers(sampler, space, history)
    ask(Forest(), space, history)  # the same run again, in the same place
    assert not list(tmp_path.iterdir())
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert (list(logging.getLogger().handlers), logging.getLogger("smac").level) == (handlers, level)
    assert (np.random.get_state()[1] == legacy).all()  # noqa: NPY002
    assert (space.random.get_state()[1] == own).all()


def test_local_search_climbs_where_hyperparameters_are_inactive() -> None:
    space = depth_space()
    history = observed(space, 60)

    def best(steps: int) -> float:
        sampler = Forest(climbing_steps=steps)
        configs = challengers(sampler, space, history)
        assert sampler._model is not None
        return float(sampler._model.improvement(codes_of(space, configs)).max())

    assert best(20) > best(0)


def test_a_hyperband_schedule_can_hold_it() -> None:
    optimizer, history = Hyperband(depth_space(), Forest(), 0, 1 / 9), History()
    for i in range(40):
        proposal = optimizer.ask(history)
        assert proposal is not None
        result = Result(State.DONE, depth_loss(proposal.config) + 0.01 / proposal.budget)
        history = history.put(Trial(i, proposal, i, result))
    assert {t.budget for t in history} == {1 / 9, 1 / 3, 1.0}


@pytest.mark.slow
def test_it_needs_a_third_of_the_trials_of_random_search_in_a_conditional_space() -> None:
    seeds = range(8)
    ours = [searched(Forest(), seed, 60).best.loss for seed in seeds]
    random = [searched(Random(), seed, 180).best.loss for seed in seeds]
    assert np.median(ours) <= np.median(random)
    assert np.mean(ours) <= np.mean(random)
