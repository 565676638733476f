"""Hyperband and ASHA: their rungs against the tables of the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from simulated import SimulatedRunner, crashing, done, mixed_loss, mixed_space, played, uneven

from automl.search.history import History
from automl.search.loop import run
from automl.search.rungs import top_rung
from automl.search.samplers.random import Random
from automl.search.schedules.asha import ASHA
from automl.search.schedules.hyperband import Hyperband, plan
from automl.search.trial import Proposal, Result, State, Trial

# Li et al. (2018), Table 1: R = 81, η = 3. Its bracket 3 begins with 27; the ceiling of Algorithm 1 gives 34.
PAPER_TABLE = {
    4: [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
    3: [(34, 3), (11, 9), (3, 27), (1, 81)],
    2: [(15, 9), (5, 27), (1, 81)],
    1: [(8, 27), (2, 81)],
    0: [(5, 81)],
}


def hyperband(ratio: int, eta: int = 3, seed: int = 0) -> Hyperband:
    return Hyperband(mixed_space(), Random(), seed, 1 / ratio, eta)


@pytest.mark.parametrize(("s", "rungs"), PAPER_TABLE.items())
def test_brackets_equal_the_table_of_the_paper(s: int, rungs: list[tuple[int, int]]) -> None:
    assert [(n, round(81 * share)) for n, share in plan(4, s, 3)] == rungs


@pytest.mark.parametrize(
    ("ratio", "eta", "top"),
    [(1, 3, 0), (2, 3, 0), (3, 3, 1), (81, 3, 4), (243, 3, 5), (729, 3, 6), (1000, 10, 3), (100, 3, 4), (1024, 2, 10)],
)
def test_exact_powers_keep_their_last_rung(ratio: int, eta: int, top: int) -> None:
    assert top_rung(1 / ratio, eta) == top


def test_a_played_hyperband_asks_what_the_table_says() -> None:
    total = sum(n for rungs in PAPER_TABLE.values() for n, _ in rungs)
    history = played(hyperband(81), total)
    for s, rungs in PAPER_TABLE.items():
        bracket = [t for t in history if t.proposal.bracket == 4 - s]
        counts = [(sum(t.proposal.rung == i for t in bracket)) for i in range(len(rungs))]
        assert counts == [n for n, _ in rungs]
        assert {round(81 * t.budget) for t in bracket} == {budget for _, budget in rungs}


def test_each_bracket_costs_at_most_its_share_of_the_budget() -> None:
    for s in range(5):
        assert sum(n * share for n, share in plan(4, s, 3)) <= 5


def test_shares_are_exact_powers_and_the_top_one_is_a_full_run() -> None:
    assert [share for _, share in plan(5, 5, 3)] == [1 / 243, 1 / 81, 1 / 27, 1 / 9, 1 / 3, 1.0]


def test_promoted_trials_are_the_best_of_their_rung_and_name_their_parents() -> None:
    history = played(hyperband(9), 9 + 3 + 1)
    for rung in (1, 2):
        below = sorted((t for t in history if t.proposal.rung == rung - 1), key=lambda t: t.loss)
        promoted = [t for t in history if t.proposal.rung == rung]
        assert [t.proposal.parent for t in promoted] == [t.number for t in below[: len(promoted)]]
        assert all(t.config == history[t.proposal.parent or 0].config for t in promoted)


def test_a_promoted_trial_inherits_the_seed_of_its_parent() -> None:
    history = run(hyperband(9), SimulatedRunner(done()), seed=5, history=History(), n_trials=30, ordered=True)
    promoted = [t for t in history if t.proposal.parent is not None]
    assert promoted
    assert all(t.seed == history[t.proposal.parent].seed for t in promoted if t.proposal.parent is not None)


def test_the_next_bracket_opens_while_a_rung_waits() -> None:
    optimizer, history = hyperband(9), History()
    for number in range(9):
        proposal = optimizer.ask(history)
        assert proposal == Proposal(proposal.config, 1 / 9, 0, 0)
        history = history.put(Trial(number, proposal, 0))
    assert optimizer.ask(history).bracket == 1


@pytest.mark.parametrize("make", [Hyperband, ASHA])
@pytest.mark.parametrize("state", [State.CRASHED, State.TIMEOUT, State.MEMORY, State.PRUNED])
def test_failed_trials_are_never_promoted(make: type[Hyperband] | type[ASHA], state: State) -> None:
    def outcome(trial: Trial) -> Result:
        lucky = trial.number % 3 == 0
        return Result(State.DONE, mixed_loss(trial)) if lucky else Result(state, loss=-math.inf)

    optimizer = make(mixed_space(), Random(), 0, 1 / 27, 3)
    history = run(optimizer, SimulatedRunner(outcome), seed=0, history=History(), n_trials=150, ordered=True)
    parents = {t.proposal.parent for t in history} - {None}
    assert parents
    assert all(history[p].state is State.DONE for p in parents if p is not None)


def test_initial_trials_take_no_place_in_any_bracket() -> None:
    config = mixed_space().get_default_configuration()
    first = Trial(0, Proposal(dict(config), bracket=-1), 0, Result(State.DONE, 0.0))
    history = History((first,))
    for make in (Hyperband, ASHA):
        assert make(mixed_space(), Random(), 0, 1 / 9, 3).ask(history).rung == 0


def asha_run(capacity: int, n: int, crash: float = 0.0) -> tuple[History, SimulatedRunner]:
    runner = SimulatedRunner(crashing(crash), capacity, uneven)
    optimizer = ASHA(mixed_space(), Random(), 3, 1 / 27, 3)
    return run(optimizer, runner, seed=3, history=History(), n_trials=n, ordered=False), runner


def test_asha_promotes_one_in_eta_and_keeps_workers_busy() -> None:
    history, runner = asha_run(capacity=8, n=1000)
    sizes = np.array([sum(t.proposal.rung == i for t in history) for i in range(4)])
    assert sizes[1] / sizes[0] == pytest.approx(1 / 3, rel=0.05)
    assert runner.busy / (8 * runner.now) >= 0.95


def test_asha_promotes_every_trial_once() -> None:
    history, _ = asha_run(capacity=8, n=300, crash=0.3)
    parents = [t.proposal.parent for t in history if t.proposal.parent is not None]
    assert len(parents) == len(set(parents))
