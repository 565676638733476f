"""Stochastic counting ones (Falkner, Klein & Hutter 2018, section 5.1): regret of methods at equal total budget.

Eight choices of 0 or 1 count as they are; eight numbers in [0, 1] count by the mean of as many Bernoulli draws as the
budget says. The regret is that of the incumbent's true value, as a share of the optimum: 0 is best, a random
configuration has 1/2. Required: BOHB at most 1/2.5 of random search and 1/1.5 of Hyperband at 80 full budgets.

    python tests/benchmarks/counting_ones.py --seeds 12 --out counting_ones.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ConfigSpace import Categorical, ConfigurationSpace, Float

from automl.search.catalogue import METHODS
from automl.search.optimize import optimize

CHOICES = 8
NUMBERS = 8
REQUIRED = {"random": 2.5, "hyperband": 1.5}
"""How many times the regret of BOHB that of another method must be at least."""


def counting_space() -> ConfigurationSpace:
    """Eight choices of 0 or 1 and eight numbers in [0, 1]."""
    space = ConfigurationSpace()
    space.add(*(Categorical(f"choice{i}", [0, 1]) for i in range(CHOICES)))
    space.add(*(Float(f"number{i}", (0.0, 1.0)) for i in range(NUMBERS)))
    return space


def loss(config: Mapping[str, Any], budget: float, seed: int) -> float:
    """The negative share of ones seen in `budget` draws a number."""
    rng = np.random.default_rng([seed, round(budget)])
    numbers = [value for name, value in config.items() if name.startswith("number")]
    seen = rng.binomial(round(budget), numbers) / round(budget)
    return -float(sum(v for name, v in config.items() if name.startswith("choice")) + seen.sum()) / (CHOICES + NUMBERS)


def regret(config: Mapping[str, Any]) -> float:
    """Distance of a configuration's true value from the optimum, in [0, 1]."""
    return 1 - sum(config.values()) / (CHOICES + NUMBERS)


def measure(method: str, seed: int, total: float, budgets: tuple[float, float]) -> dict[str, float]:
    """One search: its regret, trials and seconds."""
    start = time.perf_counter()
    history = optimize(
        loss,
        counting_space(),
        method=method,
        total_budget=total * budgets[1],
        min_budget=budgets[0],
        max_budget=budgets[1],
        eta=3,
        seed=seed,
    )
    seconds = time.perf_counter() - start
    return {"regret": regret(history.best.config), "trials": len(history), "seconds": seconds}


def main() -> int:
    """Run the searches, print the table, write the JSON; 1 if a requirement is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=sorted(METHODS), default=["random", "hyperband", "bohb"])
    parser.add_argument("--seeds", type=int, default=12, help="number of seeds, from 0")
    parser.add_argument("--total", type=float, default=80, help="full budgets to spend")
    parser.add_argument("--budgets", type=float, nargs=2, default=(9, 729), metavar=("MIN", "MAX"))
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    runs = {
        method: [measure(method, seed, options.total, tuple(options.budgets)) for seed in range(options.seeds)]
        for method in options.methods
    }
    regrets = {method: np.array([run["regret"] for run in each]) for method, each in runs.items()}
    print(f"{'method':<12}{'regret':>9}{'s.e.':>8}{'trials':>8}{'s':>8}{'x bohb':>8}{'bohb wins':>11}")
    ours = regrets.get("bohb")
    for method, each in regrets.items():
        trials, seconds = (np.mean([run[key] for run in runs[method]]) for key in ("trials", "seconds"))
        line = f"{method:<12}{each.mean():>9.4f}{each.std(ddof=1) / len(each) ** 0.5 if len(each) > 1 else 0:>8.4f}"
        line += f"{trials:>8.0f}{seconds:>8.1f}"
        if ours is not None:
            line += f"{each.mean() / ours.mean():>8.2f}{(ours < each).mean():>10.0%}"
        print(line)
    ratios = {} if ours is None else {m: float(e.mean() / ours.mean()) for m, e in regrets.items()}
    missed = [m for m, least in REQUIRED.items() if m in ratios and ratios[m] < least]
    if options.out:
        settings = {"seeds": options.seeds, "total": options.total, "budgets": list(options.budgets)}
        report = {"settings": settings, "runs": runs, "ratios": ratios, "required": REQUIRED, "missed": missed}
        options.out.write_text(json.dumps(report, indent=1))
    print("missed: " + ", ".join(missed) if missed else "all requirements met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
