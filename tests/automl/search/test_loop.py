"""The search loop: order, limits, resuming, looking ahead, interrupts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from simulated import SimulatedRunner, crashing, done, mixed_space, uneven

from automl.search import loop
from automl.search.catalogue import build
from automl.search.history import History
from automl.search.loop import INTERRUPTED, Search, run
from automl.search.protocols import Optimizer
from automl.search.trial import Proposal, Result, State, Trial


def optimizer(method: str = "asha", seed: int = 0) -> Optimizer:
    return build(method, mixed_space(), seed=seed, min_share=1 / 27, eta=3)


def shuffled(seed: int) -> Callable[[Trial], float]:
    """Durations from a random order of arrival."""
    return lambda trial: float(np.random.default_rng([seed, trial.number]).exponential())


@pytest.mark.parametrize("method", ["asha", "hyperband", "dehb", "tpe"])
@pytest.mark.parametrize("lookahead", [0, 3])
def test_ordered_search_does_not_depend_on_the_order_of_arrival(method: str, lookahead: int) -> None:
    def search(duration: Callable[[Trial], float]) -> History:
        runner = SimulatedRunner(crashing(0.2), 4, duration)
        return run(
            optimizer(method),
            runner,
            seed=7,
            history=History(),
            n_trials=40,
            ordered=True,
            lookahead=lookahead,
        )

    first = search(uneven)
    assert all(search(shuffled(seed)) == first for seed in range(2))
    assert search(lambda trial: float(-trial.number)) == first  # the newest always ends first


@pytest.mark.parametrize("lookahead", [0, 3])
@pytest.mark.parametrize("killed_at", [1, 7, 20, 39])
def test_ordered_resume_equals_the_uninterrupted_run(lookahead: int, killed_at: int) -> None:
    class Killed(Exception):
        pass

    journal: dict[int, Trial] = {}

    def record(trial: Trial) -> None:
        if len(journal) > killed_at:
            raise Killed
        journal[trial.number] = trial

    def search(history: History, record: Callable[[Trial], None]) -> History:
        runner = SimulatedRunner(crashing(0.2), 3, uneven)
        return run(
            optimizer(),
            runner,
            seed=1,
            history=history,
            n_trials=40,
            ordered=True,
            lookahead=lookahead,
            record=record,
        )

    whole = search(History(), lambda trial: None)
    with pytest.raises(Killed):
        search(History(), record)
    saved = History(tuple(journal[n] for n in sorted(journal)))
    assert saved.running
    assert search(saved, lambda trial: None) == whole


def test_resuming_runs_the_trials_in_flight_first_and_no_finished_one_again() -> None:
    history = run(optimizer(), SimulatedRunner(done(), 2), seed=1, history=History(), n_trials=10, ordered=False)
    killed = history.put(*(replace(history[n], result=Result(State.RUNNING)) for n in (6, 9)))
    runner = SimulatedRunner(done(), 2)
    resumed = run(optimizer(), runner, seed=1, history=killed, n_trials=12, ordered=False)
    assert [t.number for t in runner.submitted] == [6, 9, 10, 11]
    assert [(t.config, t.seed) for t in runner.submitted[:2]] == [(history[n].config, history[n].seed) for n in (6, 9)]
    assert len(resumed.done) == 12


def test_every_trial_is_recorded_when_it_starts_and_when_it_ends() -> None:
    states: dict[int, list[State]] = {}

    def record(trial: Trial) -> None:
        states.setdefault(trial.number, []).append(trial.state)

    runner = SimulatedRunner(crashing(0.5), 3, uneven)
    history = run(optimizer(), runner, seed=0, history=History(), n_trials=20, ordered=False, record=record)
    assert states == {t.number: [State.RUNNING, t.state] for t in history}


def test_a_trial_that_would_exceed_the_total_budget_is_not_started() -> None:
    runner = SimulatedRunner(done(), 2)
    history = run(optimizer("hyperband"), runner, seed=0, history=History(), total_budget=3.5, ordered=True)
    spent = sum(t.budget for t in history)
    following = optimizer("hyperband").ask(history)
    assert following is not None
    assert spent <= 3.5 * (1 + 1e-9) < spent + following.budget + 1e-6
    assert len(runner.submitted) == len(history)


class Clock:
    """The time of a simulated runner in place of the wall clock."""

    def __init__(self, runner: SimulatedRunner) -> None:
        self.runner = runner

    def monotonic(self) -> float:
        return self.runner.now


def test_the_search_returns_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = SimulatedRunner(done(), 2, lambda trial: 1.0 if trial.number < 4 else 1000.0)
    monkeypatch.setattr(loop, "time", Clock(runner))
    recorded: dict[int, Trial] = {}
    history = run(
        optimizer(),
        runner,
        seed=0,
        history=History(),
        deadline=10.0,
        ordered=False,
        record=lambda trial: recorded.update({trial.number: trial}),
    )
    assert runner.now == 10.0
    assert [t.state for t in history] == [State.DONE] * 4 + [State.PRUNED] * 2
    assert all("time limit" in t.result.error for t in history.trials[4:])
    assert list(recorded.values()) == list(history)


def test_trials_that_cannot_end_before_the_deadline_are_pruned_unrun(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = SimulatedRunner(done(), 1, lambda trial: 9 * trial.budget)
    monkeypatch.setattr(loop, "time", Clock(runner))
    history = run(
        optimizer("hyperband"),
        runner,
        seed=0,
        history=History(),
        deadline=20.1,
        ordered=False,
        predict=lambda history, proposal: 9 * proposal.budget,
    )
    pruned = [t for t in history if t.state is State.PRUNED]
    assert runner.now <= 20.1
    assert [t.state for t in history.trials[-20:]] == [State.PRUNED] * 20
    assert all(t.cost == 0 for t in pruned)
    assert {t.number for t in pruned}.isdisjoint(t.number for t in runner.submitted)


def interrupt_once(at: int) -> Callable[[Trial], float]:
    """Ctrl-C while trial `at` is being submitted."""

    def duration(trial: Trial) -> float:
        if trial.number == at:
            raise KeyboardInterrupt
        return 1.0

    return duration


@pytest.mark.parametrize("lookahead", [0, 2])
def test_an_interrupt_returns_what_is_there_and_leaves_the_rest_to_resume(lookahead: int) -> None:
    recorded: dict[int, Trial] = {}
    search = Search(
        optimizer(),
        SimulatedRunner(done(), 2, interrupt_once(at=7)),
        seed=1,
        history=History(),
        n_trials=20,
        lookahead=lookahead,
        record=lambda trial: recorded.update({trial.number: trial}),
    )
    history = search.run()
    assert search.interrupted
    assert len(history) == 8
    cut = [t for t in history if t.state is State.PRUNED]
    assert cut
    assert {t.result.error for t in cut} == {INTERRUPTED}
    assert {n for n, t in recorded.items() if t.state is State.RUNNING} == {t.number for t in cut}
    saved = History(tuple(recorded[n] for n in sorted(recorded)))
    whole, resumed = (
        run(optimizer(), SimulatedRunner(done(), 2), seed=1, history=h, n_trials=20, lookahead=lookahead)
        for h in (History(), saved)
    )
    assert resumed == whole


class Faulty:
    """An optimizer that raises at its third question."""

    def ask(self, history: History) -> Proposal:
        if len(history) >= 2:
            raise ArithmeticError("no covariance")
        return Proposal({"x": len(history)})


@pytest.mark.parametrize("lookahead", [0, 4])
def test_exceptions_of_the_optimizer_propagate(lookahead: int) -> None:
    with pytest.raises(ArithmeticError, match="no covariance"):
        run(
            Faulty(),
            SimulatedRunner(lambda t: Result(State.DONE, 0.0)),
            seed=0,
            history=History(),
            n_trials=9,
            lookahead=lookahead,
        )


class Patient:
    """Asks in pairs: waits until all trials before have ended; has nothing more after six."""

    def ask(self, history: History) -> Proposal | None:
        wait = len(history) >= 6 or (len(history) % 2 == 0 and history.running)
        return None if wait else Proposal({"x": len(history)})


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("lookahead", [0, 4])
def test_an_optimizer_that_waits_is_asked_again_and_one_that_has_no_more_ends_the_search(
    ordered: bool, lookahead: int
) -> None:
    runner = SimulatedRunner(lambda t: Result(State.DONE, 0.0), 3, uneven)
    history = run(Patient(), runner, seed=0, history=History(), n_trials=100, ordered=ordered, lookahead=lookahead)
    assert len(history.done) == len(history) == 6


class Gated:
    """An optimizer whose answers tell in which thread they were made; the runner waits for them."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.threads: set[str] = set()

    def ask(self, history: History) -> Proposal:
        self.threads.add(threading.current_thread().name)
        self.asked.release()
        return Proposal({"x": len(history)})


def test_proposals_are_made_while_trials_run() -> None:
    optimizer = Gated()

    class Asynchronous(SimulatedRunner):
        def collect(self, timeout: float | None) -> list[tuple[int, Result]]:
            if self.submitted[-1].number == 0:  # the first trial ends when the proposals ahead are made
                assert all(optimizer.asked.acquire(timeout=10) for _ in range(4))
            return super().collect(timeout)

    runner = Asynchronous(lambda t: Result(State.DONE, 0.0))
    history = run(optimizer, runner, seed=0, history=History(), n_trials=6, ordered=True, lookahead=3)
    assert len(history.done) == 6
    assert optimizer.threads == {"autonet-asker"}
