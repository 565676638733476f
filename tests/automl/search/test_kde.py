"""BOHB's model: equal to the class of its authors where that works, right where it fails, and fast."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import ConfigSpace as cs
import numpy as np
import pytest

from automl.search.draw import sample
from automl.search.history import History
from automl.search.samplers.kde import KDE, _Density, _fill
from automl.search.samplers.random import Random
from automl.search.schedules.hyperband import Hyperband
from automl.search.trial import Proposal, Result, State, Trial

Loss = Callable[[dict[str, Any]], float]


def mixed_space() -> cs.ConfigurationSpace:
    """20 hyperparameters, 8 of them conditional."""
    space = cs.ConfigurationSpace(seed=0)
    kind = cs.Categorical("kind", ["mlp", "resnet", "tabm"])
    optimiser = cs.Categorical("optimiser", ["sgd", "adam"])
    space.add(kind, optimiser)
    space.add(*(cs.Float(f"rate{i}", (1e-4, 1e-1), log=True) for i in range(4)))
    space.add(*(cs.Integer(f"size{i}", (1, 64), log=i == 0) for i in range(3)))
    space.add(*(cs.Categorical(f"choice{i}", ["a", "b", "c"]) for i in range(3)))
    children = [cs.Float(f"depth{i}", (0.0, 1.0)) for i in range(4)]
    children += [cs.Categorical(f"norm{i}", ["u", "v", "w"]) for i in range(2)]
    children += [cs.Integer("steps", (0, 9)), cs.Float("momentum", (0.0, 0.99))]
    space.add(*children)
    for i, child in enumerate(children[:4]):
        space.add(cs.EqualsCondition(child, kind, ["mlp", "resnet", "tabm", "mlp"][i]))
    space.add(*(cs.InCondition(child, kind, ["mlp", "resnet"]) for child in children[4:6]))
    space.add(*(cs.EqualsCondition(child, optimiser, "sgd") for child in children[6:]))
    return space


def any_loss(config: dict[str, Any]) -> float:
    """A smooth loss of whatever is active."""
    parts = {
        float: lambda v: (v - 0.3) ** 2,
        int: lambda v: (v / 64 - 0.5) ** 2,
        str: lambda v: ord(v[0]) % 3 / 3,
    }
    return sum(float(parts[type(value)](value)) for value in config.values())


def observed(
    space: cs.ConfigurationSpace,
    n: int,
    loss: Loss = any_loss,
    *,
    seed: int = 0,
    budgets: tuple[float, ...] = (1.0,),
    crashed: Callable[[int], bool] = lambda i: False,
) -> History:
    """`n` random trials of the space, budgets in turn."""
    rng = np.random.default_rng(seed)
    trials = []
    for i in range(n):
        config = sample(space, rng)
        result = Result(State.CRASHED) if crashed(i) else Result(State.DONE, loss(config), 1.0)
        trials.append(Trial(i, Proposal(config, budgets[i % len(budgets)]), i, result))
    return History(tuple(trials))


def unmodified(space: cs.ConfigurationSpace, history: History) -> Any:
    """hpbandster's own class, told the history in its order."""
    from hpbandster.optimizers.config_generators.bohb import BOHB

    model = BOHB(space)
    told: dict[float, int] = {}
    for trial in history:
        told[trial.budget] = told.get(trial.budget, 0) + 1
        np.random.seed(told[trial.budget])  # noqa: NPY002 (the class draws from the global state)
        result = {"loss": trial.loss} if trial.state is State.DONE else None
        job = SimpleNamespace(
            kwargs={"budget": trial.budget, "config": dict(trial.config)}, result=result, exception=None
        )
        model.new_result(job)
    return model


def asked(model: Any, space: cs.ConfigurationSpace, seed: int) -> tuple[dict[str, Any], bool]:
    """Proposal of the unmodified class, and whether its model made it."""
    drawn = int(np.random.default_rng(seed).integers(2**32))
    np.random.seed(drawn)  # noqa: NPY002
    space.seed(drawn)
    config, info = model.get_config(1.0)
    return {name: getattr(value, "item", lambda v=value: v)() for name, value in config.items()}, info[
        "model_based_pick"
    ]


def proposals(sampler: KDE, space: cs.ConfigurationSpace, history: History, n: int) -> list[dict[str, Any]]:
    return [sampler(space, history, np.random.default_rng(seed)) for seed in range(n)]


@pytest.mark.parametrize(
    ("seed", "budgets", "crashed"),
    [
        (0, (1.0,), lambda i: False),
        (1, (1.0,), lambda i: i % 4 == 0),
        (2, (1 / 3, 1.0), lambda i: i % 7 == 0),
    ],
    ids=["one budget", "a quarter crashed", "two budgets"],
)
def test_proposals_equal_those_of_the_unmodified_class(
    seed: int, budgets: tuple[float, ...], crashed: Callable[[int], bool]
) -> None:
    space = mixed_space()
    history = observed(space, 100, seed=seed, budgets=budgets, crashed=crashed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its 0 / 0
        model = unmodified(space, history)
        theirs = [asked(model, space, s) for s in range(6)]
    assert sum(by_model for _, by_model in theirs) >= 3
    assert proposals(KDE(), space, history, 6) == [config for config, _ in theirs]


def test_a_proposal_takes_a_twentieth_of_the_time_of_the_unmodified_class() -> None:
    space = mixed_space()
    history = observed(space, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, sampler = unmodified(space, history), KDE()
    sampler(space, history, np.random.default_rng(3))
    by_model = [s for s in range(12) if asked_by_model(s)]

    def cpu(call: Callable[[int], object], seeds: list[int]) -> float:
        taken = []
        for seed in seeds:
            start = time.process_time()
            call(seed)
            taken.append(time.process_time() - start)
        return float(np.median(taken))

    theirs = cpu(lambda s: asked(model, space, s), by_model[:3])
    ours = cpu(lambda s: sampler(space, history, np.random.default_rng(s)), by_model)
    assert theirs >= 20 * ours


def asked_by_model(seed: int) -> bool:
    """Whether the first draw of the stream asks the model (two draws in three)."""
    drawn = int(np.random.default_rng(seed).integers(2**32))
    return bool(np.random.RandomState(drawn).random_sample() >= 1 / 3)


def test_the_same_history_gives_the_same_proposal_whether_remembered_or_rebuilt() -> None:
    space = mixed_space()
    full = observed(space, 60)
    sampler = KDE()
    for n in (44, 50, 60, 47):  # forward and back
        history = History(full.trials[:n])
        assert proposals(sampler, space, history, 3) == proposals(KDE(), space, history, 3)


def test_a_trial_of_the_same_number_but_other_content_is_not_taken_for_the_remembered_one() -> None:
    space = mixed_space()
    sampler = KDE()
    for seed in (0, 1):
        history = observed(space, 50, seed=seed)
        assert proposals(sampler, space, history, 3) == proposals(KDE(), space, history, 3)


def test_running_trials_do_not_change_a_proposal() -> None:
    space = mixed_space()
    history = observed(space, 50)
    running = Trial(50, Proposal(sample(space, np.random.default_rng(9))), 50)
    assert proposals(KDE(), space, history.put(running), 4) == proposals(KDE(), space, history, 4)


def test_neither_the_global_random_state_nor_the_space_is_touched() -> None:
    space = mixed_space()
    history = observed(space, 50)
    legacy, own = np.random.get_state()[1].copy(), space.random.get_state()[1].copy()  # noqa: NPY002
    proposals(KDE(), space, history, 4)
    assert (np.random.get_state()[1] == legacy).all()  # noqa: NPY002
    assert (space.random.get_state()[1] == own).all()


def test_proposals_are_legal_and_hold_active_hyperparameters_as_native_values_only() -> None:
    space = mixed_space()
    for config in proposals(KDE(), space, observed(space, 60), 20):
        cs.Configuration(space, values=config).check_valid_configuration()
        assert {type(value) for value in config.values()} <= {str, int, float}


def test_the_model_is_that_of_the_largest_budget_with_enough_trials() -> None:
    space = cs.ConfigurationSpace({"x": (0.0, 1.0)})
    low = observed(space, 30, lambda c: c["x"], budgets=(1 / 3,))
    high = observed(space, 30, lambda c: 1 - c["x"], seed=1)
    both = History((*low.trials, *(replace(t, number=30 + t.number) for t in high.trials)))
    few = History(both.trials[:33])
    sampler = KDE(random_fraction=0.0)
    assert np.mean([c["x"] for c in proposals(sampler, space, few, 20)]) < 0.3
    assert np.mean([c["x"] for c in proposals(sampler, space, both, 20)]) > 0.7


def ordinal_space() -> cs.ConfigurationSpace:
    """An ordinal that rules a number, and constants, one of which rules another."""
    space = cs.ConfigurationSpace(seed=0)
    size = cs.OrdinalHyperparameter("size", ["small", "middle", "large"])
    rate, only = cs.Float("rate", (0.0, 1.0)), cs.Constant("only", "yes")
    child, free = cs.Float("child", (0.0, 1.0)), cs.Constant("free", 3)
    space.add(size, rate, only, child, free, cs.OrdinalHyperparameter("single", [7]))
    space.add(cs.GreaterThanCondition(rate, size, "small"), cs.EqualsCondition(child, only, "yes"))
    space.add(cs.InCondition(free, size, ["middle", "large"]))
    return space


def test_ordinals_and_constants_are_modelled() -> None:
    space = ordinal_space()
    history = observed(space, 40, lambda c: (c["size"] != "middle") + (c.get("rate", 1) - 0.8) ** 2)
    configs = proposals(KDE(random_fraction=0.0), space, history, 30)
    assert sum(c["size"] == "middle" for c in configs) >= 20
    for config in configs:
        cs.Configuration(space, values=config).check_valid_configuration()
        assert ("rate" in config) == ("free" in config) == (config["size"] != "small")
        assert (config["only"], config["single"]) == ("yes", 7)
    assert np.mean([c["rate"] for c in configs if "rate" in c]) > 0.65


def test_where_the_best_candidate_is_forbidden_the_next_best_is_taken() -> None:
    a, b = cs.Categorical("a", ["x", "y"], default="y"), cs.Categorical("b", ["x", "y"])
    space = cs.ConfigurationSpace({"u": (0.0, 1.0)})
    space.add(a, b)
    space.add(cs.ForbiddenAndConjunction(cs.ForbiddenEqualsClause(a, "x"), cs.ForbiddenEqualsClause(b, "x")))
    history = observed(space, 60, lambda c: (c["a"] == "y") + (c["b"] == "y") + 9 * (c["u"] - 0.9) ** 2)
    configs = proposals(KDE(random_fraction=0.0), space, history, 30)
    assert not any(c["a"] == c["b"] == "x" for c in configs)
    assert np.mean([c["u"] for c in configs]) > 0.75  # not the 0.5 of random configurations


def test_failed_trials_are_the_worst_and_never_count_as_good() -> None:
    space = cs.ConfigurationSpace({"x": (0.0, 1.0), "y": (0.0, 1.0)})
    rng = np.random.default_rng(0)
    trials = []
    for i in range(90):  # one in ten succeeds, at small x: fewer than 15 % of all
        works = i % 10 == 0
        x = float(rng.uniform(0, 0.1) if works else rng.uniform(0.3, 1))
        result = Result(State.DONE, x) if works else Result([State.CRASHED, State.TIMEOUT][i % 2])
        trials.append(Trial(i, Proposal({"x": x, "y": float(rng.random())}), i, result))
    configs = proposals(KDE(random_fraction=0.0), space, History(tuple(trials)), 30)
    assert max(c["x"] for c in configs) < 0.3


@pytest.mark.parametrize("good", [0, 2])
def test_there_is_no_model_before_enough_trials_succeeded(good: int) -> None:
    space = cs.ConfigurationSpace({"x": (0.0, 1.0), "y": (0.0, 1.0)})
    history = observed(space, 50, lambda c: c["x"], crashed=lambda i: i >= good)
    xs = [c["x"] for c in proposals(KDE(random_fraction=0.0), space, history, 60)]
    assert 0.35 < np.mean(xs) < 0.65


def test_a_lone_missing_value_in_the_first_column_is_filled_from_another_point() -> None:
    array = np.array([[np.nan, 0.5], [0.25, 0.75], [0.25, 0.1]])
    filled = _fill(array, np.array([0, 0]), np.random.RandomState(0))
    assert filled[0].tolist() == [0.25, 0.5]
    assert np.array_equal(filled[1:], array[1:])


@pytest.mark.parametrize(("choices", "width"), [(0, 1.0), (3, 1.0)], ids=["number", "choice"])
def test_a_value_that_no_point_has_is_drawn(choices: int, width: float) -> None:
    array = np.full((4, 2), np.nan)
    filled = _fill(array, np.array([choices, choices]), np.random.RandomState(0))
    assert np.isfinite(filled).all()
    assert (filled < max(choices, width)).all()
    assert choices == 0 or np.array_equal(filled, filled.round())


def test_the_bounded_kernel_is_a_probability_whatever_the_bandwidth() -> None:
    from statsmodels.nonparametric.kernel_density import KDEMultivariate

    codes = np.array([[0.0]] * 18 + [[8.0]] * 2)  # of nine choices, two seen
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the next version of statsmodels
        kde = KDEMultivariate(codes, var_type="u", bw="normal_reference")
    assert kde.bw[0] > 1
    points, choices = np.arange(9.0)[:, None], np.array([9])
    bounded = KDE(bounded=True)._density(kde, choices).pdf(points)
    assert (bounded >= 0).all()
    assert bounded.sum() == pytest.approx(1)
    original = KDE()._density(kde, choices).pdf(points)
    assert (original < 0).any()
    assert original == pytest.approx(kde.pdf(points))


def test_the_density_of_numbers_integrates_to_one() -> None:
    density = _Density(np.array([[0.4], [0.6]]), np.array([0.05]), np.array([0]))
    grid = np.linspace(0, 1, 2001)
    assert np.trapezoid(density.pdf(grid[:, None]), grid) == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_bohb_beats_random_hyperband_on_counting_ones() -> None:
    """Falkner et al. 2018, section 5.1: share of ones, the numbers as Bernoulli draws of `budget` samples."""
    names = [f"x{i}" for i in range(4)]
    space = cs.ConfigurationSpace({f"c{i}": (0, 1) for i in range(4)} | dict.fromkeys(names, (0.0, 1.0)))

    def regret(sampler: Any, seed: int) -> float:
        rng = np.random.default_rng(seed)
        optimizer, history, spent = Hyperband(space, sampler, seed, 1 / 81), History(), 0.0
        while spent < 40:
            proposal = optimizer.ask(history)
            assert proposal is not None
            samples = round(729 * proposal.budget)
            ones = sum(rng.binomial(samples, proposal.config[name]) / samples for name in names)
            ones += sum(proposal.config[f"c{i}"] for i in range(4))
            history = history.put(Trial(len(history), proposal, seed, Result(State.DONE, -ones)))
            spent += proposal.budget
        return 1 - sum(history.best.config.values()) / 8

    seeds = range(6)
    ours, random = (np.mean([regret(s(), seed) for seed in seeds]) for s in (KDE, Random))
    assert ours * 1.5 <= random
