"""Runs that end early by their learning curves, and those that go on by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from simulated import SimulatedRunner, curve, mixed_loss, mixed_space, played, result

from automl import AutoNetClassifier, optimize
from automl.assemble import make_plan
from automl.errors import SettingError
from automl.search.catalogue import build, method_named
from automl.search.history import History
from automl.search.loop import run
from automl.search.schedules.hyperband import plan
from automl.search.stopping import LOOKS, CurveStopping
from automl.search.trial import Proposal, Result, State, Trial


@dataclass
class Spy:
    """Asks for one full run after another and remembers what it was shown."""

    seen: list[History] = field(default_factory=list)

    def ask(self, history: History) -> Proposal:
        self.seen.append(history)
        return Proposal({"run": len(history)})


def search(
    losses: Callable[[int, float], float],
    asks: int,
    spy: Spy | None = None,
    state: State = State.DONE,
    epochs: int = 50,
) -> History:
    """The history of runs whose loss at a share of a full run is given, of so many epochs each."""
    optimizer, history = CurveStopping(spy or Spy(), lambda bracket, rung: 1.0, seed=0), History()
    for number in range(asks):
        proposal = optimizer.ask(history)
        assert proposal is not None
        shares = [k / epochs for k in range(1, round(epochs * proposal.budget) + 1)]
        points = tuple((share, losses(proposal.config["run"], share)) for share in shares)
        result = Result(state, min(loss for _, loss in points), 1.0, points)
        history = history.put(Trial(number, proposal, number, result))
    return history


def good_then_bad(number: int, share: float) -> float:
    """The first run leads to about .1, all others to about .5."""
    return (0.1 if number == 0 else 0.5) + 0.01 / share


def test_a_run_goes_on_from_look_to_look_to_its_end() -> None:
    history = search(good_then_bad, len(LOOKS) + 1)
    assert [t.budget for t in history] == [*LOOKS, 1.0]
    assert [t.proposal.parent for t in history] == [None, 0, 1, 2, 3]


@pytest.mark.parametrize("method", ["random+curves", "hyperband+curves", "freeze-thaw"])
def test_steps_of_a_run_go_on_from_what_was_trained_with_the_seed_of_the_run(method: str) -> None:
    runner = SimulatedRunner(lambda trial: result(trial, mixed_loss(trial)))
    history = run(build(method, mixed_space(), seed=0, min_share=1 / 9), runner, seed=5, history=History(), n_trials=30)
    steps = [t for t in history if t.proposal.parent is not None]
    assert len(steps) >= 5
    for step in steps:
        before = history[step.proposal.parent or 0]
        assert step.proposal.promoted
        assert (step.config, step.seed) == (before.config, before.seed)
        assert step.budget > before.budget


def test_a_run_that_will_hardly_beat_the_best_ends_at_the_first_look() -> None:
    history = search(good_then_bad, len(LOOKS) + 4)
    assert [(t.config["run"], t.budget) for t in history][len(LOOKS) + 1 :] == [(1, 0.3), (2, 0.3), (3, 0.3)]


@pytest.mark.parametrize(("epochs", "look"), [(8, 0.7), (10, 0.5), (13, 0.4)])
def test_a_short_run_is_looked_at_when_its_curve_has_five_epochs(epochs: int, look: float) -> None:
    history = search(good_then_bad, 20, epochs=epochs)
    assert [t.budget for t in history if t.config["run"] == 5] == [0.3, look]


def test_a_run_of_four_epochs_goes_on_to_its_end() -> None:
    history = search(good_then_bad, 8, epochs=4)
    assert [t.budget for t in history] == 4 * [0.3, 1.0]


@pytest.mark.parametrize("unit", [1e-3, 1e5])
def test_scores_of_any_unit_end_bad_runs_and_no_good_one(unit: float) -> None:
    """Losses are negated scores of a user's own metric; a later run beats all, though it begins as the worst."""

    def outcome(number: int, share: float) -> float:
        return 0.02 + 0.18 * share**-1.0 if number == 6 else 0.3 + 0.05 * number + 0.01 / share

    optimizer, history = CurveStopping(Spy(), lambda bracket, rung: 1.0, seed=0), History()
    for number in range(25):
        proposal = optimizer.ask(history)
        assert proposal is not None
        shares = [k / 50 for k in range(1, round(50 * proposal.budget) + 1)]
        points = tuple((share, outcome(proposal.config["run"], share)) for share in shares)
        result = Result(State.DONE, unit * (points[-1][1] - 9.0), 1.0, points)
        history = history.put(Trial(number, proposal, number, result))
    trained = {run: max(t.budget for t in history if t.config["run"] == run) for run in range(8)}
    assert history[0].loss < min(t.loss for t in history if t.config["run"] == 6 and t.budget == 0.3)
    assert [run for run, share in trained.items() if share == 1.0] == [0, 6]
    assert history.best.config["run"] == 6


def test_a_run_that_may_beat_the_best_goes_on() -> None:
    history = search(lambda number, share: 0.3 if number == 0 else 0.02 + 0.1 * share**-0.8, 2 * len(LOOKS) + 2)
    assert [t.budget for t in history if t.config["run"] == 1] == [*LOOKS, 1.0]


def test_the_schedule_sees_whole_trials_and_what_they_had_reached() -> None:
    spy = Spy()
    search(good_then_bad, len(LOOKS) + 3, spy)
    last = spy.seen[-1]
    assert [(t.number, t.budget, t.state) for t in last] == [(0, 1.0, State.DONE), (1, 1.0, State.DONE)]
    assert [t.loss for t in last] == pytest.approx([0.11, 0.5 + 0.01 / 0.3])
    assert [t.cost for t in last] == [5.0, 1.0]


def test_a_run_between_two_steps_is_running_for_the_schedule() -> None:
    spy = Spy()
    optimizer = CurveStopping(spy, lambda bracket, rung: 1.0, seed=0)
    history = search(good_then_bad, 2)
    history = history.put(Trial(2, optimizer.ask(history), 0))
    assert optimizer.ask(history).parent is None
    assert [t.state for t in spy.seen[-1]] == [State.RUNNING]


def test_what_has_ended_stays_so() -> None:
    history = search(good_then_bad, len(LOOKS) + 2)
    better = Trial(len(history), Proposal({"run": 1}), 0, Result(State.DONE, 0.01))
    optimizer = CurveStopping(Spy(), lambda bracket, rung: 1.0, seed=0)
    assert optimizer.ask(history).parent is None
    assert optimizer.ask(history.put(better)).parent is None


def test_a_run_that_fails_is_over() -> None:
    history = search(good_then_bad, 3, state=State.CRASHED)
    assert [(t.config["run"], t.proposal.parent) for t in history] == [(0, None), (1, None), (2, None)]


def test_runs_that_leave_no_curve_are_looked_at_once() -> None:
    def outcome(trial: Trial) -> Result:
        return Result(State.DONE, mixed_loss(trial))

    optimizer = build("random+curves", mixed_space(), seed=0, min_share=1 / 9)
    history = run(optimizer, SimulatedRunner(outcome), seed=0, history=History(), n_trials=4)
    assert [t.budget for t in history] == [0.3, 1.0, 0.3, 1.0]


@pytest.mark.parametrize("ratio", [9, 27])
def test_the_rungs_of_hyperband_fill_as_ever(ratio: int) -> None:
    top = {9: 2, 27: 3}[ratio]
    history = played(build("hyperband+curves", mixed_space(), seed=0, min_share=1 / ratio), {9: 30, 27: 80}[ratio])
    sizes = plan(top, top, 3)
    for rung, (size, share) in enumerate(sizes):
        runs = [t for t in history if (t.proposal.bracket, t.proposal.rung) == (0, rung)]
        begun = {t.number for t in runs} - {t.number for t in runs if t.proposal.parent in {s.number for s in runs}}
        assert len(begun) == size
        assert max(t.budget for t in runs) <= share + 1e-9


def test_stopping_saves_a_third_of_the_epochs_of_random_search_and_finds_the_same() -> None:
    def spent(history: History) -> float:
        return sum(t.budget - (0 if t.proposal.parent is None else history[t.proposal.parent].budget) for t in history)

    runs = 30
    plain = played(build("random", mixed_space(), seed=0, min_share=1 / 9), runs)
    stopped, optimizer = History(), build("random+curves", mixed_space(), seed=0, min_share=1 / 9)
    while True:
        proposal = optimizer.ask(stopped)
        assert proposal is not None
        if proposal.parent is None and sum(t.proposal.parent is None for t in stopped) == runs:
            break
        trial = Trial(len(stopped), proposal, 0)
        loss = mixed_loss(trial)
        stopped = stopped.put(Trial(len(stopped), proposal, 0, Result(State.DONE, loss, 1.0, curve(trial, loss))))
    assert spent(stopped) < 0.67 * spent(plain)
    assert stopped.best.config == plain.best.config


def test_initial_configurations_are_trained_whole() -> None:
    default = dict(mixed_space().get_default_configuration())
    history = played(build("random+curves", mixed_space(), seed=0, min_share=1 / 9, initial=[default]), 2)
    assert [t.budget for t in history] == [1.0, 0.3]


# Names and settings


def test_any_method_ends_runs_early_by_its_name() -> None:
    line = method_named("tpe-hb+curves")
    assert (line.name, line.schedule, line.stops) == ("tpe-hb+curves", "hyperband", True)
    with pytest.raises(SettingError, match="did you mean 'bohb'"):
        method_named("bobh+curves")
    with pytest.raises(SettingError, match="by itself"):
        method_named("freeze-thaw+curves")
    with pytest.raises(SettingError, match="weights of others"):
        method_named("nash+curves")


def test_an_objective_leaves_no_curves_to_stop_by() -> None:
    with pytest.raises(SettingError, match="take 'random'"):
        optimize(lambda config, budget, seed: 0.0, mixed_space(), method="random+curves", n_trials=1)


@pytest.mark.parametrize("optimizer", ["random+curves", "freeze-thaw"])
def test_curves_are_followed_along_epochs_only(optimizer: str) -> None:
    assert make_plan(AutoNetClassifier(optimizer=optimizer)).method == optimizer
    with pytest.raises(SettingError, match="fidelities='epochs'"):
        make_plan(AutoNetClassifier(optimizer=optimizer, fidelities=["epochs", "rows"]))


# Freeze-thaw


def frozen(*losses: Callable[[float], float]) -> History:
    """A run each, frozen at a third: fifty epochs are a full run."""
    history = History()
    for number, loss in enumerate(losses):
        points = tuple((k / 50, loss(k / 50)) for k in range(1, 18))
        proposal = Proposal({"x": number / 10}, 1 / 3)
        history = history.put(Trial(number, proposal, 0, Result(State.DONE, points[-1][1], 1.0, points)))
    return history


def test_the_run_that_promises_most_is_thawed_though_others_are_better_now() -> None:
    history = frozen(
        lambda share: 0.30,
        lambda share: 0.1 + 0.08 / share,
        lambda share: 0.31 + 0.001 / share,
        lambda share: 0.9,
    )
    assert history[1].loss > history[0].loss
    proposal = build("freeze-thaw", mixed_space(), seed=0, min_share=1 / 9).ask(history)
    assert proposal is not None
    assert (proposal.parent, proposal.config) == (1, history[1].config)
    assert proposal.budget == pytest.approx(4 / 9)


def test_a_new_run_begins_where_the_old_ones_promise_nothing() -> None:
    history = frozen(*[lambda share, at=at: at for at in (0.3, 0.31, 0.32, 0.5, 0.6)])
    proposal = build("freeze-thaw", mixed_space(), seed=0, min_share=1 / 9).ask(history)
    assert proposal is not None
    assert (proposal.parent, proposal.budget) == (None, pytest.approx(1 / 9))


def test_a_step_that_would_not_train_an_epoch_is_left_out() -> None:
    """Of three epochs a ninth of a run, and four ninths, are one; six ninths are two."""
    history = History()
    for number in range(4):
        result = Result(State.DONE, 1.0 - number / 10, 1.0, ((1 / 3, 1.0 - number / 10),))
        history = history.put(Trial(number, Proposal({"x": number / 10}, 1 / 9), 0, result))
    proposal = build("freeze-thaw", mixed_space(), seed=0, min_share=1 / 9).ask(history)
    assert proposal is not None
    assert (proposal.parent is not None, proposal.budget) == (True, pytest.approx(6 / 9))


def test_a_run_without_an_error_is_not_thawed_for_what_it_cannot_gain() -> None:
    history = frozen(lambda share: 0.3 + 0.01 / share, lambda share: 0.4 + 0.01 / share, lambda share: 0.9)
    points = tuple((k / 50, 0.2 + 0.5 * (k / 50) ** -0.7) for k in range(1, 18))
    perfect = Trial(3, Proposal({"x": 0.3}, 1 / 3), 0, Result(State.DONE, 0.0, 1.0, points))
    proposal = build("freeze-thaw", mixed_space(), seed=0, min_share=1 / 9).ask(history.put(perfect))
    assert proposal is not None
    assert proposal.parent is None


def test_freeze_thaw_finds_more_than_random_search_for_the_same_epochs() -> None:
    def best(method: str, trials: int, seed: int) -> float:
        history = played(build(method, mixed_space(), seed=seed, min_share=1 / 9), trials)
        return min(t.loss for t in history)

    thawed = [best("freeze-thaw", 90, seed) for seed in range(5)]  # a ninth of a run each
    random = [best("random", 10, seed) for seed in range(5)]
    assert np.mean(thawed) < np.mean(random)
