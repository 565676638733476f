"""What the shipped knowledge is worth on tables that it has not seen, by the losses that it holds.

    python tests/benchmarks/knowledge.py --out knowledge.json

Each group of tables is left out in turn; an order of the configurations is learned on the others, of the same kind, and
judged by the regret on the table left out: 0 for the best of all configurations on it, 1 for the worst. Orders:

* random: 16 of the candidates by chance, the mean of 200 draws; cold: the same without the defaults, which someone
  chose;
* defaults: the order of the default search space;
* mean: by mean standing on the other tables; portfolio: the greedy one;
* neighbours: the best of the nearest tables by their metafeatures; shuffled: the same with metafeatures that were
  handed to other tables, the mean of 20 shuffles.

* by cost: the greedy portfolio by gain per cost, which is tried where time ends a search.

`area` is the mean regret after 1, 2, …, 15 trials; `better` the share of tables on which it is below that of "cold",
with the sign test's p. `ends below random`: the share on which 16 are better than the mean of 16 by chance.

Then both portfolios by the second: two workers take the configurations one after another for the seconds that they
took in the campaign and a little more each; regret here is 1 from the median loss on. Last, how often the rest of the
advice would be dropped after its first eight (`automl.search.warmstarts.first`), as it is and with the losses of the
past negated.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from common import Output, parser, show
from scipy.stats import binomtest

from automl.advise import PORTFOLIO, TIMED_PORTFOLIO
from automl.search.trial import Proposal, Result, State, Trial
from automl.search.warmstarts.first import RUNG, contradicted
from metalearn.knowledge import Knowledge, shipped
from metalearn.neighbours import nearest_best
from metalearn.portfolio import greedy_portfolio, standings

TRIALS = 15
SECONDS = (1, 2, 4, 8, 16, 24)
WORKERS, TRIAL_SECONDS = 2, 0.15
DRAWS, SHUFFLES = 200, 20
DEFAULTS = 16
"""The first configurations of the campaign are the defaults of the search space."""

Floats = np.ndarray


def regrets(losses: Floats) -> Floats:
    """(c,) shares of the way from the best to the worst loss that is finite; 1 where it is not."""
    finite = losses[np.isfinite(losses)]
    shares = (losses - finite.min()) / max(finite.max() - finite.min(), 1e-300)
    return np.where(np.isfinite(shares), shares, 1.0)


def curve(regret: Floats, order: Sequence[int]) -> Floats:
    """(16,) least regret so far; a shorter order stays where it ends."""
    found = np.minimum.accumulate(regret[list(order)[:PORTFOLIO]])
    return np.concatenate([found, np.full(PORTFOLIO - len(found), found[-1])])


def curves(known: Knowledge, table: int, rng: np.random.Generator) -> dict[str, Floats]:
    """By order, on one table."""
    others = known.without([known.groups[table]])
    regret = regrets(known.full[:, table])
    rows = np.arange(len(regret))
    features: list[Mapping[str, float]] = [task.metafeatures for task in others.tasks]

    def near(given: Sequence[Mapping[str, float]]) -> list[int]:
        return nearest_best(known.tasks[table].metafeatures, given, others.full, PORTFOLIO)

    def drawn(among: Floats) -> Floats:
        return np.mean([curve(regret, rng.permutation(among)) for _ in range(DRAWS)], axis=0)

    shuffled = [near([features[i] for i in rng.permutation(len(features))]) for _ in range(SHUFFLES)]
    return {
        "cold": drawn(rows[DEFAULTS:]),
        "random": drawn(rows),
        "defaults": curve(regret, rows[:DEFAULTS]),
        "mean": curve(regret, np.argsort(standings(others.full).mean(axis=1), kind="stable")),
        "portfolio": curve(regret, greedy_portfolio(others.full, PORTFOLIO)),
        "by cost": curve(regret, greedy_portfolio(others.full, TIMED_PORTFOLIO, others.spent)),
        "neighbours": curve(regret, near(features)),
        "shuffled": np.mean([curve(regret, order) for order in shuffled], axis=0),
    }


def by_the_second(known: Knowledge, table: int) -> dict[str, list[float]]:
    """Least regret after each of `SECONDS`, by portfolio."""
    others, losses, costs = known.without([known.groups[table]]), known.full[:, table], known.spent[:, table]
    finite = losses[np.isfinite(losses)]
    span = max(float(np.median(finite) - finite.min()), 1e-300)
    found = {}
    for name, order in {
        "portfolio": greedy_portfolio(others.full, PORTFOLIO),
        "by cost": greedy_portfolio(others.full, TIMED_PORTFOLIO, others.spent),
    }.items():
        free, ended = [0.0] * WORKERS, list[tuple[float, float]]()
        for row in order:
            worker = int(np.argmin(free))
            free[worker] += float(np.nan_to_num(costs[row])) + TRIAL_SECONDS
            if np.isfinite(losses[row]):
                ended.append((free[worker], min(1.0, float(losses[row] - finite.min()) / span)))
        found[name] = [min([regret for moment, regret in ended if moment <= limit], default=1.0) for limit in SECONDS]
    return found


def dropped(known: Knowledge, table: int) -> dict[tuple[str, str], bool]:
    """Whether the guard drops advice, by portfolio and by whether it is right."""
    others = known.without([known.groups[table]])
    highest = others.full[np.isfinite(others.full)].max()
    found = {}
    for truth, losses in {
        "right": others.full,
        "negated": -np.where(np.isinf(others.full), highest, others.full),
    }.items():
        expected = standings(losses).mean(axis=1)
        for name, order in {
            "portfolio": greedy_portfolio(losses, PORTFOLIO)[:RUNG],
            "by cost": greedy_portfolio(losses, TIMED_PORTFOLIO, others.spent)[:RUNG],
        }.items():
            trials = [
                Trial(n, Proposal({}), 0, Result(State.DONE, known.full[row, table])) for n, row in enumerate(order)
            ]
            found[name, truth] = contradicted(trials, tuple(expected[order]))
    return found


def main() -> int:
    made = parser(__doc__, data=False)
    made.add_argument("--knowledge", type=Path, help="file to judge; default: the shipped one")
    args = made.parse_args()
    known = shipped() if args.knowledge is None else Knowledge.read(args.knowledge)
    rng, found = np.random.default_rng(args.seed), list[dict[str, Floats]]()
    seconds, drops = list[dict[str, list[float]]](), list[dict[tuple[str, str], bool]]()
    for kind in ("classification", "regression"):
        of_kind = known.of_kind(kind)
        for table in range(len(of_kind.tasks)):
            found.append(curves(of_kind, table, rng))
            seconds.append(by_the_second(of_kind, table))
            drops.append(dropped(of_kind, table))
    output, cold = Output(args.out), np.array([each["cold"][:TRIALS].mean() for each in found])
    chance = np.array([each["random"][-1] for each in found])
    for name in found[0]:
        own = np.array([each[name] for each in found])
        better, equal = (
            int((own[:, :TRIALS].mean(axis=1) < cold).sum()),
            int((own[:, :TRIALS].mean(axis=1) == cold).sum()),
        )
        p = binomtest(better, max(1, len(found) - equal), alternative="greater").pvalue
        row = {"order": name, "tables": len(found), "area": own[:, :TRIALS].mean(), "after 1": own[:, 0].mean()}
        row |= {"after 5": own[:, 4].mean(), "after 16": own[:, -1].mean(), "better": better / len(found), "p": p}
        output.add(row | {"ends below random": float((own[:, -1] < chance).mean())})
    show("Regret on tables left out", output.rows, list(output.rows[0]))
    timed = [
        {"order": name} | dict(zip(map(str, SECONDS), np.mean([each[name] for each in seconds], axis=0), strict=True))
        for name in seconds[0]
    ]
    show("Regret after so many seconds", timed, list(timed[0]))
    guard = [{"order": n, "advice": t, "dropped": np.mean([each[n, t] for each in drops])} for n, t in drops[0]]
    show("How often advice is dropped", guard, list(guard[0]))
    output.write(timed=timed, guard=guard)
    return 0


if __name__ == "__main__":
    sys.exit(main())
