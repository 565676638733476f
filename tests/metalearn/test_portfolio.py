"""Portfolios and neighbours: equal to brute force on small matrices, and guided by what is near."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from metalearn.distance import Scale
from metalearn.neighbours import nearest_best
from metalearn.portfolio import greedy_portfolio, relative_costs, standings

NAN = float("nan")


def cost(losses: np.ndarray, chosen: tuple[int, ...] | list[int]) -> float:
    return float(standings(losses)[list(chosen)].min(axis=0).sum())


@pytest.mark.parametrize("seed", range(20))
def test_the_greedy_portfolio_keeps_its_bound_and_falls_with_every_entry(seed: int) -> None:
    losses = np.random.default_rng(seed).random((12, 8))
    chosen = greedy_portfolio(losses, 3)
    costs = [cost(losses, chosen[: k + 1]) for k in range(3)]
    assert costs == sorted(costs, reverse=True)
    for size in (1, 2, 3):
        best = min(cost(losses, c) for c in combinations(range(12), size))
        assert 8 - costs[size - 1] >= (1 - 1 / np.e) * (8 - best)
    assert costs[0] == min(cost(losses, (c,)) for c in range(12))


def test_where_tasks_have_specialists_the_greedy_portfolio_is_the_best_one() -> None:
    losses = np.full((12, 8), 1.0)
    for expert, tasks in {4: (0, 1, 2), 7: (3, 4), 9: (5, 6, 7)}.items():
        losses[expert, list(tasks)] = 0.0
    chosen = greedy_portfolio(losses, 3)
    assert sorted(chosen) == [4, 7, 9]
    assert chosen[-1] == 7  # which helps the fewest tasks
    assert greedy_portfolio(losses, 10) == chosen  # nothing more can be gained


def test_by_cost_a_cheap_configuration_that_gains_less_comes_first() -> None:
    losses = np.array([[0.0, 0.0, 0.0, 3.0], [1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 0.0]])
    costs = np.array([[30.0] * 4, [1.0] * 4, [2.0] * 4])
    assert greedy_portfolio(losses, 3) == [0, 2]
    # In trials of the median 2: 15, which counts as ten, 0.5 and 1. Standings are 0, 1/3 and 2/3 on three tasks.
    assert relative_costs(costs) == pytest.approx([10.0, 0.5, 1.0])
    assert relative_costs(np.full((3, 4), NAN)).tolist() == [1.0, 1.0, 1.0]
    assert greedy_portfolio(losses, 3, costs) == [1, 2, 0]


def test_ordered_by_cost_less_remains_to_be_gained_at_any_time_on_the_mean() -> None:
    rng, area = np.random.default_rng(0), {"counted": 0.0, "paid": 0.0}
    for _ in range(20):
        losses, costs = rng.random((30, 12)), np.repeat(np.exp(rng.normal(0, 1.5, (30, 1))), 12, axis=1)
        for way, order in {
            "counted": greedy_portfolio(losses, 30),
            "paid": greedy_portfolio(losses, 30, costs),
        }.items():
            best = np.ones(12)
            for row in order:
                area[way] += best.sum() * costs[row, 0]
                best = np.minimum(best, standings(losses)[row])
    assert area["paid"] < 0.8 * area["counted"]


def test_standings_are_shares_of_what_is_better_and_gaps_are_the_worst() -> None:
    losses = np.array([[2.0, NAN, 5.0], [4.0, NAN, 5.0], [3.0, NAN, np.inf]])
    assert standings(losses) == pytest.approx(np.array([[0, 1, 0], [2 / 3, 1, 0], [1 / 3, 1, 1]]))


def test_a_task_is_nearest_to_itself_and_counts_are_compared_by_magnitude() -> None:
    tasks = [
        {"NumberOfInstances": n, "ClassEntropy": e} for n, e in ((100, 1.0), (1000, 1.0), (100_000, 1.0), (500, 2.0))
    ]
    scale = Scale.of(tasks)
    for k, task in enumerate(tasks):
        assert scale.distances(task, tasks).argmin() == k
    far = scale.distances(tasks[1], tasks)
    assert far[0] < far[2]  # a tenth is nearer than a hundredfold


def test_one_odd_task_does_not_rule_a_scale_and_what_is_unknown_stands_in_the_middle() -> None:
    tasks = [{"SkewnessMax": float(k)} for k in range(30)] + [{"SkewnessMax": 1e9}]
    scale = Scale.of(tasks)
    assert scale.distances(tasks[0], [tasks[29]])[0] > 0.9
    assert scale.point({"SkewnessMax": NAN}) == 0.5
    assert scale.point({}) == 0.5


def test_the_best_of_the_nearest_task_comes_first_and_none_comes_twice() -> None:
    known = [{"ClassEntropy": e} for e in (0.0, 0.5, 1.0)]
    losses = np.array([[0.1, 0.9, 0.5], [0.2, 0.1, 0.4], [0.3, NAN, 0.1]])
    assert nearest_best({"ClassEntropy": 0.9}, known, losses, 3) == [2, 1, 0]
    assert nearest_best({"ClassEntropy": 0.1}, known, losses, 2) == [0, 1]
    assert nearest_best({"ClassEntropy": 0.1}, [], losses[:, :0], 2) == []
