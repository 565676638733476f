"""Whether the ranks of a rung are those of full training."""

from __future__ import annotations

import math

import pytest
from simulated import mixed_space, played

from automl.search.catalogue import build
from automl.search.history import History
from automl.search.rank_correlation import RankCorrelation, rank_correlations
from automl.search.trial import Proposal, Result, State, Trial


def trials(*runs: tuple[str, float, float], state: State = State.DONE) -> list[Trial]:
    """Of (configuration, budget, loss)."""
    return [
        Trial(n, Proposal({"x": name}, budget), 0, Result(state, loss)) for n, (name, budget, loss) in enumerate(runs)
    ]


def test_ranks_are_compared_over_the_configurations_that_have_both() -> None:
    early = [("a", 1 / 3, 1.0), ("b", 1 / 3, 2.0), ("c", 1 / 3, 3.0), ("d", 1 / 3, 4.0), ("only", 1 / 3, 0.0)]
    late = [("a", 1.0, 0.1), ("b", 1.0, 0.2), ("c", 1.0, 0.4), ("d", 1.0, 0.3)]
    # By hand: one of six pairs is turned, τ = 4/6; d² sums to 2, ρ = 1 - 6·2 / (4·15).
    (found,) = rank_correlations(trials(*early, *late))
    assert found == RankCorrelation(pytest.approx(1 / 3), 4, pytest.approx(0.8), pytest.approx(2 / 3))


def test_a_useless_fidelity_is_seen() -> None:
    rung = [(str(k), 0.1, float(k)) for k in range(8)]
    full = [(str(k), 1.0, float(loss)) for k, loss in enumerate([4, 1, 7, 2, 5, 0, 6, 3])]
    (found,) = rank_correlations(trials(*rung, *full))
    assert found.spearman is not None
    assert abs(found.spearman) < 0.2


def test_too_few_pairs_and_equal_losses_say_nothing() -> None:
    few = trials(("a", 0.5, 1.0), ("b", 0.5, 2.0), ("a", 1.0, 1.0), ("b", 1.0, 2.0))
    assert rank_correlations(few) == (RankCorrelation(0.5, 2, None, None),)
    equal = trials(*((name, 0.5, 1.0) for name in "abcd"), *((name, 1.0, float(ord(name))) for name in "abcd"))
    assert rank_correlations(equal) == (RankCorrelation(0.5, 4, None, None),)


def test_failed_trials_make_no_pairs() -> None:
    failed = trials(("a", 0.5, 1.0), ("a", 1.0, math.inf), state=State.CRASHED)
    assert rank_correlations(failed) == ()


def test_shares_that_are_rounded_otherwise_are_one_rung() -> None:
    (found,) = rank_correlations(trials(("a", 1 / 3, 1.0), ("b", 1 - 2 / 3, 1.0)))
    assert found.budget == pytest.approx(1 / 3)


def test_every_rung_of_hyperband_is_compared_with_its_top() -> None:
    history = played(build("hyperband", mixed_space(), seed=0, min_share=1 / 9), 60)
    found = history.rank_correlations()
    assert [round(9 * c.budget) for c in found] == [1, 3]
    assert all(c.spearman == pytest.approx(1.0) for c in found if c.pairs >= 3)  # its curves do not cross
    assert found[1].pairs >= 3
    assert History().rank_correlations() == ()
