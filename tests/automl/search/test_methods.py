"""What every method of the catalogue keeps: a new line in the catalogue is covered by these tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from ConfigSpace import ConfigurationSpace
from simulated import (
    SimulatedRunner,
    architecture_loss,
    architecture_space,
    crashing,
    done,
    mixed_loss,
    mixed_space,
    played,
    uneven,
)

from automl.errors import SettingError
from automl.genotypes.spaces import decode
from automl.search.catalogue import METHODS, build, method_named
from automl.search.draw import check_config
from automl.search.history import History
from automl.search.loop import run
from automl.search.protocols import Optimizer
from automl.search.trial import INITIAL_BRACKET, Trial, config_key

SLOW_ASKS = {"nasbot": 14, "nash": 14, "lemonade": 14, "eas": 14}
"""Trials of a test for methods that take long to propose."""


STOPPED = ("random+curves", "hyperband+curves", "asha+curves")
"""One method of each schedule with runs that end early."""
EVERY = (*METHODS, *STOPPED)

every_method = pytest.mark.parametrize("method", EVERY)


def length(method: str) -> int:
    return SLOW_ASKS.get(method, 30)


def space_of(method: str) -> ConfigurationSpace:
    return architecture_space() if method_named(method).architectures else mixed_space()


def loss_of(method: str) -> Callable[[Trial], float]:
    return architecture_loss if method_named(method).architectures else mixed_loss


def made(method: str, seed: int = 0) -> Optimizer:
    return build(method, space_of(method), seed=seed, min_share=1 / 9, eta=3)


@pytest.fixture(scope="module")
def histories() -> dict[str, History]:
    """One history per method, played once for the tests that look at what was proposed."""
    return {method: played(made(method), length(method), loss_of(method)) for method in EVERY}


@every_method
def test_same_history_gives_the_same_proposal(method: str, histories: dict[str, History]) -> None:
    history = histories[method]
    optimizer = made(method)
    for n in (0, 1, len(history) - 1, len(history) // 2):  # also backwards: nothing is remembered wrongly
        past = History(history.trials[:n])
        assert optimizer.ask(past) == made(method).ask(past) == history[n].proposal


@every_method
def test_the_order_of_the_entries_of_a_configuration_means_nothing(method: str, histories: dict[str, History]) -> None:
    def turned(trial: Trial) -> Trial:
        return replace(trial, proposal=replace(trial.proposal, config=dict(reversed(trial.config.items()))))

    past = histories[method].trials[:-1]
    assert made(method).ask(History(tuple(turned(t) for t in past))) == histories[method][-1].proposal


@every_method
def test_configurations_are_legal_and_leave_inactive_parameters_out(method: str, histories: dict[str, History]) -> None:
    for trial in histories[method]:
        assert check_config(space_of(method), trial.config) == trial.config
        if not method_named(method).architectures:
            assert ("width" in trial.config) == (trial.config["model"] == "net")
            assert ("drop" in trial.config) == (trial.config.get("width", 0) > 32)


@every_method
def test_values_are_native_python(method: str, histories: dict[str, History]) -> None:
    types = {"width": int, "depth": int, "rate": float, "drop": float, "flag": bool, "fixed": int}
    for trial in histories[method]:
        for name, value in trial.config.items():
            if name.startswith("arch:"):
                assert type(value) in (str, int, bool)
            else:
                assert type(value) is types.get(name, str)


@every_method
def test_no_configuration_is_drawn_twice(method: str, histories: dict[str, History]) -> None:
    keys = [config_key(t.config) for t in histories[method] if t.proposal.parent is None]
    assert len(keys) == len(set(keys))


@every_method
def test_resumed_search_equals_uninterrupted_one(method: str) -> None:
    n, capacity = length(method), 2
    lookahead = method_named(method).lookahead and 2

    def search(history: History) -> History:
        runner = SimulatedRunner(done(loss_of(method)), capacity, uneven)
        return run(made(method), runner, seed=1, history=history, n_trials=n, ordered=True, lookahead=lookahead)

    whole = search(History())
    killed = whole.as_of(n // 2 + 2, lag=2)
    assert len(killed.running) == 2
    assert search(killed) == whole


@every_method
@pytest.mark.parametrize("crash", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("workers", [1, 4, 16])
def test_no_number_of_workers_or_crashes_stalls_the_search(method: str, workers: int, crash: float) -> None:
    n = 6 if method in SLOW_ASKS else 30
    runner = SimulatedRunner(crashing(crash, loss_of(method)), workers, uneven)
    history = run(made(method), runner, seed=2, history=History(), n_trials=n, ordered=False)
    assert len(history) == n
    assert not history.running


@every_method
def test_initial_configurations_come_first(method: str) -> None:
    space = space_of(method)
    default = dict(space.get_default_configuration())
    optimizer = build(method, space, seed=0, min_share=1 / 9, eta=3, initial=[default, default])
    history = played(optimizer, 3, loss_of(method))
    assert config_key(history[0].config) == config_key(made_native(default))
    assert [t.proposal.bracket == INITIAL_BRACKET for t in history] == [True, False, False]
    assert history[0].budget == 1


def made_native(config: dict[str, object]) -> dict[str, object]:
    return {k: v.item() if hasattr(v, "item") else v for k, v in config.items()}


def test_a_method_that_compares_architectures_refuses_a_space_without() -> None:
    with pytest.raises(SettingError, match="holds none; make it by"):
        build("nasbot", mixed_space(), seed=0, min_share=1.0)


@pytest.mark.parametrize("method", [name for name, line in METHODS.items() if line.schedule == "full"])
def test_architecture_and_hyperparameters_are_searched_together(method: str) -> None:
    space = architecture_space()
    optimizer = build(method, space, seed=3, min_share=1.0)
    history = played(optimizer, 12, architecture_loss)
    assert all(check_config(space, trial.config) == trial.config for trial in history)
    assert len({trial.config["rate"] for trial in history}) > 1
    assert len({decode(space, trial.config)[0].hash for trial in history}) > 1


def test_different_seeds_search_differently() -> None:
    first: list[Trial] = [played(made("random", seed), 1)[0] for seed in range(5)]
    assert len({config_key(t.config) for t in first}) == 5


def test_unknown_method_names_the_nearest_one() -> None:
    with pytest.raises(SettingError, match="did you mean 'bohb'"):
        build("bobh", mixed_space(), seed=0, min_share=1.0)


@pytest.mark.parametrize(
    ("setting", "value"), [("min_share", 0.0), ("min_share", 2.0), ("eta", 1), ("eta", 2.5), ("seed", -1)]
)
def test_settings_out_of_range_are_refused_by_name(setting: str, value: float) -> None:
    settings = {"seed": 0, "min_share": 1.0, "eta": 3} | {setting: value}
    with pytest.raises(SettingError, match=setting):
        build("random", mixed_space(), **settings)


def test_illegal_initial_configurations_are_refused() -> None:
    with pytest.raises(SettingError, match="does not fit the space"):
        build("random", mixed_space(), seed=0, min_share=1.0, initial=[{"model": "forest"}])


def test_the_catalogue_loads_no_heavy_library() -> None:
    code = (
        "import sys, automl.search.catalogue;"
        "print([m for m in ('optuna', 'smac', 'hpbandster', 'torch', 'sklearn') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
