"""`optimize`: the public call, its limits, its errors and its store."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import ConfigSpace as CS
import pytest

from automl.errors import SearchFailed, SettingError
from automl.search.history import History
from automl.search.journal import fingerprint, space_text, to_record, to_trial
from automl.search.optimize import budget_in_units, optimize
from automl.search.trial import Proposal, Result, State, Trial
from metalearn import Store, StoreError


def space() -> CS.ConfigurationSpace:
    made = CS.ConfigurationSpace(name="plane")
    made.add([CS.Float("x", (-5.0, 5.0)), CS.Categorical("kind", ["round", "flat"])])
    return made


def bowl(config: dict[str, Any], budget: float, seed: int) -> float:
    return (config["x"] - 1) ** 2 + (config["kind"] == "flat") + 1 / budget


def plain(history: History) -> list[tuple[Any, ...]]:
    """What must be equal in two runs: all but the seconds."""
    return [(t.number, t.proposal, t.seed, t.state, t.loss) for t in history]


def test_optimize_finds_a_good_configuration() -> None:
    history = optimize(bowl, space(), method="tpe", n_trials=40, seed=0)
    assert history.best.config["kind"] == "round"
    assert history.best.loss < 1.1
    assert len(history.frame()) == 40


def test_budgets_are_exact_in_the_users_unit() -> None:
    seen: set[float] = set()

    def objective(config: dict[str, Any], budget: float, seed: int) -> float:
        seen.add(budget)
        return bowl(config, budget, seed)

    optimize(objective, space(), method="hyperband", n_trials=130, min_budget=9, max_budget=729, seed=0)
    assert seen == {9.0, 27.0, 81.0, 243.0, 729.0}


@pytest.mark.parametrize(("full", "k", "units"), [(729, 81, 9.0), (100, 3, 100 / 3), (1, 243, 1 / 243), (10, 1, 10.0)])
def test_a_share_is_rounded_once(full: float, k: int, units: float) -> None:
    assert budget_in_units(full, 1 / k) == units
    assert budget_in_units(full, 0.7) == full * 0.7


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_same_seed_gives_the_same_trials(n_jobs: int) -> None:
    settings: dict[str, Any] = {"method": "asha", "min_budget": 1, "max_budget": 9, "seed": 3, "n_jobs": n_jobs}
    first = optimize(bowl, space(), n_trials=15, **settings)
    assert plain(optimize(bowl, space(), n_trials=15, **settings)) == plain(first)
    assert len(first.done) == 15


def test_the_total_budget_is_kept() -> None:
    history = optimize(bowl, space(), method="hyperband", total_budget=36, min_budget=1, max_budget=9, seed=0)
    assert 27 < 9 * sum(t.budget for t in history) <= 36 + 1e-9


def test_the_time_limit_holds_though_the_objective_hangs() -> None:
    start = time.monotonic()

    def objective(config: dict[str, Any], budget: float, seed: int) -> float:
        while time.monotonic() < start + 10 and config != first:
            pass
        return 0.0

    first = {"x": 0.0, "kind": "flat"}
    history = optimize(objective, space(), method="random", time_limit=0.5, seed=0, initial=[first])
    assert time.monotonic() - start < 2.5
    assert [t.state for t in history] == [State.DONE, State.PRUNED]


def test_failures_are_trials_with_their_tracebacks() -> None:
    def objective(config: dict[str, Any], budget: float, seed: int) -> Any:
        if config["kind"] == "flat":
            raise ArithmeticError("too flat")
        return "low" if config["x"] > 0 else 1.0

    history = optimize(objective, space(), method="random", n_trials=30, seed=0)
    errors = {t.result.error.strip().splitlines()[-1] for t in history if t.state is State.CRASHED}
    assert "ArithmeticError: too flat" in errors
    assert any("returned 'low'" in error for error in errors)
    assert all(t.loss == math.inf for t in history if t.state is State.CRASHED)


@pytest.mark.parametrize("value", [math.nan, None, "0.5", True])
def test_a_search_without_any_loss_fails_with_its_causes(value: Any) -> None:
    with pytest.raises(SearchFailed, match=r"none of 5 trials succeeded:\n     5 × crashed: ValueError") as failure:
        optimize(lambda config, budget, seed: value, space(), method="random", n_trials=5, seed=0)
    assert "Traceback" in str(failure.value)


def test_limits_that_leave_room_for_no_trial_are_named() -> None:
    with pytest.raises(SearchFailed, match="raise time_limit or total_budget"):
        optimize(bowl, space(), method="random", total_budget=0.5, seed=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_trials": None}, "give at least one"),
        ({"n_trials": 0}, "n_trials is 0"),
        ({"n_trials": True}, "n_trials is True"),
        ({"n_jobs": 0}, "n_jobs is 0"),
        ({"time_limit": -1.0}, "time_limit is -1.0"),
        ({"total_budget": math.inf}, "total_budget is inf"),
        ({"min_budget": 3, "max_budget": 2}, "above max_budget"),
        ({"min_budget": "1"}, "min_budget is '1'"),
        ({"eta": 1}, "eta is 1"),
        ({"seed": -1}, "seed is -1"),
        ({"method": "bohbb"}, "did you mean 'bohb'"),
        ({"initial": [{"x": 9.0, "kind": "flat"}]}, "does not fit the space"),
    ],
)
def test_wrong_settings_are_refused_before_anything_runs(wrong: dict[str, Any], message: str) -> None:
    def objective(config: dict[str, Any], budget: float, seed: int) -> float:
        raise AssertionError("must not run")

    with pytest.raises(SettingError, match=message):
        optimize(objective, space(), **({"n_trials": 5, "method": "random"} | wrong))


def test_an_objective_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(SettingError, match="must be callable"):
        optimize(3, space(), n_trials=1)  # type: ignore[arg-type]


# The store


@pytest.mark.parametrize("seed", [4, None])
def test_an_interrupted_call_is_resumed_by_the_same_call(tmp_path: Path, seed: int | None) -> None:
    calls: list[float] = []
    interrupt_at = [5, 17]

    class Objective:
        def __call__(self, config: dict[str, Any], budget: float, seed: int) -> float:
            calls.append(config["x"])
            return bowl(config, budget, seed)

    class Stopping(Store):
        """Ctrl-C while a trial is being written."""

        def write(self, run: int, record: Any) -> None:
            super().write(run, record)
            if record.state == "running" and record.number in interrupt_at:
                interrupt_at.remove(record.number)
                raise KeyboardInterrupt

    def call() -> History:
        with Stopping(f"sqlite:///{tmp_path}/runs.db") as store:
            return optimize(Objective(), space(), method="asha", n_trials=30, max_budget=9, seed=seed, store=store)

    assert len(call()) == 6
    assert len(call()) == 18
    resumed = call()
    assert len(resumed.done) == 30
    assert len(calls) == 30  # nothing that had finished was run again
    begun_anew = call()
    assert plain(begun_anew) == plain(resumed)
    assert len(calls) == 60


def test_a_second_call_is_refused_while_the_first_one_is_running(tmp_path: Path) -> None:
    refused: list[StoreError] = []

    class Objective:
        def __call__(self, config: dict[str, Any], budget: float, seed: int) -> float:
            try:
                call()
            except StoreError as error:
                refused.append(error)
            return bowl(config, budget, seed)

    def call() -> History:
        return optimize(
            Objective(), space(), method="random", n_trials=3, seed=0, store=f"sqlite:///{tmp_path}/runs.db"
        )

    assert len(call().done) == 3
    assert ["another process is working on run 1" in str(error) for error in refused] == [True] * 3


def test_trials_survive_the_store_unchanged(tmp_path: Path) -> None:
    result = Result(State.TIMEOUT, math.inf, 1.5, ((0.5, 0.25), (1.0, 0.125)), "runs/7", "too slow")
    trial = Trial(0, Proposal({"x": 0.1, "n": 3, "flag": False, "kind": "flat"}, 1 / 3, 2, 1, 4), 2**32 - 1, result)
    assert to_trial(to_record(trial)) == trial
    with Store(f"sqlite:///{tmp_path}/runs.db") as store:
        run = store.open_run("f", space="", method="random", seed=0, settings={})
        store.write(run, to_record(trial))
        assert to_trial(store.trials(run)[0]) == trial


def test_the_fingerprint_tells_searches_apart() -> None:
    wider = CS.ConfigurationSpace(name="plane")
    wider.add([CS.Float("x", (-6.0, 5.0)), CS.Categorical("kind", ["round", "flat"])])
    assert space_text(space()) == space_text(space()) != space_text(wider)
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1, "b": 3})
