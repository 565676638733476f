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

`area` is the mean regret after 1, 2, …, 15 trials; `better` the share of tables on which it is below that of "cold",
with the sign test's p. `ends below random`: the share on which 16 are better than the mean of 16 by chance.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from common import Output, parser, show
from scipy.stats import binomtest

from metalearn.knowledge import Knowledge, shipped
from metalearn.neighbours import nearest_best
from metalearn.portfolio import greedy_portfolio, standings

TRIALS, PORTFOLIO = 15, 16
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
        "neighbours": curve(regret, near(features)),
        "shuffled": np.mean([curve(regret, order) for order in shuffled], axis=0),
    }


def main() -> int:
    made = parser(__doc__, data=False)
    made.add_argument("--knowledge", type=Path, help="file to judge; default: the shipped one")
    args = made.parse_args()
    known = shipped() if args.knowledge is None else Knowledge.read(args.knowledge)
    rng, found = np.random.default_rng(args.seed), list[dict[str, Floats]]()
    for kind in ("classification", "regression"):
        of_kind = known.of_kind(kind)
        found += [curves(of_kind, table, rng) for table in range(len(of_kind.tasks))]
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
    output.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
