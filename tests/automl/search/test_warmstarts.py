"""Warm starts: each works around every method, helps where tasks are alike, and does no harm where they are not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import ConfigSpace as CS
import numpy as np
import pytest
from simulated import SimulatedRunner, crashing, mixed_loss, mixed_space, played

from automl.search.advice import Advice, Source
from automl.search.catalogue import METHODS, build
from automl.search.draw import check_config, sample
from automl.search.history import History
from automl.search.loop import run
from automl.search.protocols import Optimizer
from automl.search.trial import INITIAL_BRACKET, Configuration, Proposal, Trial, config_key

QUICK = [name for name, line in METHODS.items() if not (name.startswith("smac") or line.architectures)]
"""Methods that search any space and propose in milliseconds."""


def past(count: int, seed: int = 0, sign: float = 1.0) -> Source:
    """A past task with the loss of `mixed_loss`, or its opposite."""
    space, rng = mixed_space(), np.random.default_rng(seed)
    configs = tuple(sample(space, rng) for _ in range(count))
    return Source(configs, tuple(sign * mixed_loss(Trial(0, Proposal(c), 0)) for c in configs))


def best_of(source: Source, count: int) -> tuple[Configuration, ...]:
    order = np.argsort(source.losses, kind="stable")[:count]
    return tuple(source.configurations[i] for i in order)


GOOD = past(60)
ADVICE = {
    "first": Advice(first=best_of(GOOD, 5), expected=(0.0, 0.1, 0.2, 0.3, 0.4)),
    "prior": Advice(centres=best_of(GOOD, 5)),
    "transfer": Advice(sources=(GOOD, past(40, seed=1))),
}
every_warm_start = pytest.mark.parametrize("warm", ADVICE)


def made(method: str, warm: str, seed: int = 0) -> Optimizer:
    space = mixed_space()
    default = dict(space.get_default_configuration())
    return build(method, space, seed=seed, min_share=1 / 9, initial=[default], advice=ADVICE[warm])


@every_warm_start
@pytest.mark.parametrize("method", QUICK)
def test_every_method_stays_a_function_of_the_history_and_inside_the_space(method: str, warm: str) -> None:
    history = played(made(method, warm), 20)
    space = mixed_space()
    for trial in history:
        assert check_config(space, trial.config) == trial.config
    for n in (0, 8, 19):
        assert made(method, warm).ask(History(history.trials[:n])) == history[n].proposal
    least = 5 if METHODS[method].goes_on else 10  # where runs go on in many steps, fewer begin
    assert len({config_key(t.config) for t in history if not t.proposal.promoted}) >= least


@every_warm_start
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_many_workers_and_failing_trials_never_stall_a_search(warm: str, share: float) -> None:
    runner = SimulatedRunner(crashing(share), capacity=4)
    assert len(run(made("hyperband", warm), runner, seed=0, history=History(), n_trials=40)) == 40


def test_a_promoted_trial_keeps_its_configuration() -> None:
    for warm in ADVICE:
        history = played(made("hyperband", warm), 40)
        children = [t for t in history if t.proposal.parent is not None]
        assert children
        assert all(t.config == history[t.proposal.parent or 0].config for t in children)


def test_advice_survives_the_store() -> None:
    for advice in ADVICE.values():
        assert Advice.of_json(json.loads(json.dumps(advice.as_json()))) == advice


# Configurations tried first


def defaults(count: int) -> list[Configuration]:
    return [{"x": 0.5 + 0.01 * k} for k in range(count)]


def line() -> CS.ConfigurationSpace:
    return CS.ConfigurationSpace({"x": (0.0, 1.0)})


TEN = [0.01 * k for k in range(1, 11)]
"""What is advised: more than the rung by which the rest is judged."""


def tried_first(
    advised: list[float], loss: Callable[[Trial], float], expected: list[float] | None = None
) -> list[float]:
    """The x of the trials before the method's own; small ones are expected to be better if nothing else is said."""
    advice = Advice(tuple({"x": x} for x in advised), tuple(advised if expected is None else expected))
    optimizer = build("random", line(), seed=0, min_share=1.0, initial=defaults(5), advice=advice)
    history = played(optimizer, 20, loss)
    return [t.config["x"] for t in history if t.proposal.bracket == INITIAL_BRACKET]


def test_the_advice_comes_after_the_first_default_and_before_the_others() -> None:
    found = tried_first(TEN, lambda trial: trial.config["x"])
    assert found == pytest.approx([0.5, *TEN, 0.51, 0.52, 0.53, 0.54])


@pytest.mark.parametrize("loss", [lambda trial: -trial.config["x"], lambda trial: math.inf])
def test_advice_that_the_first_rung_contradicts_is_dropped(loss: Callable[[Trial], float]) -> None:
    found = tried_first(TEN, loss)
    assert found == pytest.approx([0.5, *TEN[:8], 0.51, 0.52, 0.53, 0.54])


@pytest.mark.parametrize("expected", [[], [1.0] * 10, TEN[:4] + TEN[4:][::-1]])
def test_advice_goes_on_where_its_rung_contradicts_nothing(expected: list[float]) -> None:
    # Nothing is known of it, it is all the same, or half of it is as it was thought to be.
    assert TEN[-1] in tried_first(TEN, lambda trial: trial.config["x"], expected)


def test_few_advised_configurations_judge_nothing() -> None:
    assert tried_first([0.1, 0.2, 0.3], lambda trial: -trial.config["x"])[:4] == [0.5, 0.1, 0.2, 0.3]


def test_advice_that_is_a_default_is_tried_once() -> None:
    found = tried_first([0.51, 0.1], lambda trial: trial.config["x"])
    assert found == pytest.approx([0.5, 0.51, 0.1, 0.52, 0.53, 0.54])


def test_a_rung_that_still_runs_does_not_hold_up_the_rest() -> None:
    advice = Advice(tuple({"x": x} for x in TEN), tuple(TEN))
    optimizer = build("random", line(), seed=0, min_share=1.0, initial=defaults(5), advice=advice)
    history = History()
    for number in range(11):
        proposal = optimizer.ask(history)
        assert proposal is not None
        history = history.put(Trial(number, proposal, 0))
    assert history[10].config["x"] == TEN[-1]


# The prior


def bowl(centre: float) -> Callable[[Trial], float]:
    """Six dimensions, least at `centre`; the error shrinks with the budget."""
    return lambda trial: sum((v - centre) ** 2 for v in trial.config.values()) + 0.02 / trial.budget


def cube(size: int) -> CS.ConfigurationSpace:
    return CS.ConfigurationSpace({f"x{k}": (0.0, 1.0) for k in range(size)})


def lowest(method: str, size: int, n: int, seed: int, loss: Callable[[Trial], float], advice: Advice) -> float:
    optimizer = build(method, cube(size), seed=seed, min_share=1 / 9, advice=advice)
    return min(t.loss for t in played(optimizer, n, loss) if t.budget == 1)


def test_a_good_prior_saves_two_thirds_of_the_trials_in_eight_of_ten_seeds() -> None:
    near = Advice(centres=({f"x{k}": 0.35 for k in range(6)},))
    wins = 0
    for seed in range(10):
        cold = lowest("hyperband", 6, 90, seed, bowl(0.3), Advice())
        wins += lowest("hyperband", 6, 30, seed, bowl(0.3), near) <= cold
    assert wins >= 8


def test_a_bad_prior_costs_little_in_the_end() -> None:
    far = Advice(centres=({f"x{k}": 1.0 for k in range(6)},))
    warm = [lowest("hyperband", 6, 150, seed, bowl(0.3), far) for seed in range(10)]
    cold = [lowest("hyperband", 6, 150, seed, bowl(0.3), Advice()) for seed in range(10)]
    assert np.mean(warm) <= 1.1 * np.mean(cold)


# Transfer


def quadratic(centre: np.ndarray, config: Configuration) -> float:
    return float(((np.array(list(config.values())) - centre) ** 2).sum())


def task_at(centre: np.ndarray, seed: int, sign: float = 1.0) -> Source:
    rng = np.random.default_rng(seed)
    configs = tuple(sample(cube(3), rng) for _ in range(40))
    return Source(configs, tuple(sign * quadratic(centre, c) for c in configs))


def losses_of_search(sources: tuple[Source, ...], centre: np.ndarray, seed: int, n: int) -> list[float]:
    from automl.search.warmstarts.transfer import Transfer

    optimizer = Transfer(build("random", cube(3), seed=seed, min_share=1.0), cube(3), seed, sources)
    return [t.loss for t in played(optimizer, n, lambda trial: quadratic(centre, trial.config))]


def trials_until(losses: list[float], tolerance: float) -> int:
    return next((n for n, loss in enumerate(losses, start=1) if loss <= tolerance), len(losses) + 1)


@pytest.mark.slow
def test_shifted_copies_halve_the_trials_of_a_cold_gaussian_process() -> None:
    warm, cold = [], []
    for seed in range(20):
        rng = np.random.default_rng([seed, 9])
        centre = rng.uniform(0.2, 0.8, 3)
        sources = tuple(task_at(centre + rng.normal(0, 0.05, 3), 100 * seed + k) for k in range(3))
        warm.append(trials_until(losses_of_search(sources, centre, seed, 40), 0.02))
        cold.append(trials_until(losses_of_search((), centre, seed, 40), 0.02))
    assert np.median(warm) <= 0.5 * np.median(cold)


@pytest.mark.slow
def test_an_adversarial_task_costs_at_most_a_tenth() -> None:
    warm, cold = [], []
    for seed in range(20):
        centre = np.random.default_rng([seed, 9]).uniform(0.2, 0.8, 3)
        warm.append(min(losses_of_search((task_at(centre, seed, sign=-1.0),), centre, seed, 30)))
        cold.append(min(losses_of_search((), centre, seed, 30)))
    assert math.sqrt(np.mean(warm)) <= 1.1 * math.sqrt(np.mean(cold))


def test_a_source_decides_where_little_is_known() -> None:
    centre = np.array([0.3, 0.6, 0.5])
    warm = [min(losses_of_search((task_at(centre, 7),), centre, seed, 8)) for seed in range(5)]
    cold = [min(losses_of_search((), centre, seed, 8)) for seed in range(5)]
    assert np.mean(warm) < 0.5 * np.mean(cold)
