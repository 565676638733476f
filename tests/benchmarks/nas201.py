"""NAS-Bench-201 as a table: regret of random search, local search and TPE on CIFAR-10.

    python tests/benchmarks/nas201.py --data FOLDER --seeds 30 --out nas201.json

FOLDER holds `nats_tss.csv` (v-tao/nats-bench-landscape): the 200-epoch test accuracy of all 15 625 cells of the
topology space of NATS-Bench (Dong, Liu, Musial & Gabrys 2021, arXiv:2009.00437). The table has no noise and its test
accuracy is what the search sees, so regrets are smaller than in papers that search on 12-epoch validation accuracy.

Every method is charged for unique cells: a cell that is proposed again costs nothing. Random search therefore has to
equal the expected best of a draw without replacement, which the table gives exactly.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ConfigSpace import Categorical, ConfigurationSpace

from automl.search.catalogue import build
from automl.search.history import History
from automl.search.trial import Configuration, Result, State, Trial, config_key

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = 6
COLUMN = "CIFAR10TestAccuracy200Epochs"
ACCEPT = {"local": 0.03, "tpe": 0.05}
"""Largest mean regret at 300 evaluations, in accuracy points."""

MAX_ASKS = 10
"""Proposals per evaluation after which a method that repeats itself is stopped."""


@dataclass(frozen=True)
class Row:
    """A method's regret in accuracy points after `evaluations` unique cells, over the seeds."""

    method: str
    evaluations: int
    mean: float
    standard_error: float
    expected: float | None
    accepted: bool
    seconds_per_ask: float


def read_table(folder: Path) -> dict[tuple[str, ...], float]:
    """Accuracy in percent by the operations of the six edges, in the order of the architecture string."""
    with (folder / "nats_tss.csv").open(newline="") as file:
        table = {
            tuple(re.findall(r"(\w+)~\d", line["ArchitectureString"])): float(line[COLUMN])
            for line in csv.DictReader(file)
        }
    assert len(table) == len(OPERATIONS) ** EDGES, f"{len(table)} cells; the space has {len(OPERATIONS) ** EDGES}"
    return table


def cell_space() -> ConfigurationSpace:
    space = ConfigurationSpace(name="nasbench201")
    space.add([Categorical(f"edge{i}", OPERATIONS) for i in range(EDGES)])
    return space


def cell(config: Configuration) -> tuple[str, ...]:
    return tuple(config[f"edge{i}"] for i in range(EDGES))


def expected_regret(accuracies: np.ndarray, n: int) -> float:
    """Mean regret of the best of n cells drawn without replacement: an order statistic of the table."""
    ranked = np.sort(accuracies)[::-1]
    total = len(ranked)
    survive = 1.0  # probability that none of the better cells is among the n
    mean = 0.0
    for i in range(total - n + 1):
        mean += survive * n / (total - i) * ranked[i]
        survive *= 1 - n / (total - i)
    return float(ranked[0] - mean)


def search(method: str, table: dict[tuple[str, ...], float], seed: int, evaluations: int) -> tuple[float, float]:
    """Regret in accuracy points, and seconds per proposal, of one seed."""
    optimizer = build(method, cell_space(), seed=seed, min_share=1.0)
    history, seen, seconds = History(), set(), 0.0
    while len(seen) < evaluations and len(history) < MAX_ASKS * evaluations:
        start = time.perf_counter()
        proposal = optimizer.ask(history)
        seconds += time.perf_counter() - start
        assert proposal is not None, "methods at the full budget always have a proposal"
        result = Result(State.DONE, 1 - table[cell(proposal.config)] / 100)
        history = history.put(Trial(len(history), proposal, seed, result))
        seen.add(config_key(proposal.config))
    best = max(table[cell(t.config)] for t in history)
    return max(table.values()) - best, seconds / len(history)


def measure(method: str, table: dict[tuple[str, ...], float], seeds: int, evaluations: int) -> Row:
    runs = np.array([search(method, table, seed, evaluations) for seed in range(seeds)])
    mean, seconds = runs.mean(axis=0)
    error = runs[:, 0].std(ddof=1) / np.sqrt(seeds) if seeds > 1 else float("nan")
    expected = expected_regret(np.array(list(table.values())), evaluations) if method == "random" else None
    fine = abs(mean - expected) <= 3 * error if expected is not None else mean <= ACCEPT.get(method, np.inf)
    return Row(method, evaluations, float(mean), float(error), expected, bool(fine), float(seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("AUTONET_DATA")
    folder = Path(default) / "benchmarks" / "nasbench201" if default else None
    parser.add_argument("--data", type=Path, default=folder, required=folder is None, help="folder of nats_tss.csv")
    parser.add_argument("--methods", nargs="+", default=["random", "local", "tpe"])
    parser.add_argument("--seeds", type=int, default=30, help="seeds of each method (default 30)")
    parser.add_argument("--evaluations", type=int, default=300, help="unique cells a search (default 300)")
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the figures")
    arguments = parser.parse_args()
    table = read_table(arguments.data)
    rows = []
    print(f"{'method':<8} {'regret':>7} {'s.e.':>6} {'exact':>6} {'ms/ask':>7}  accepted")
    for method in arguments.methods:
        row = measure(method, table, arguments.seeds, arguments.evaluations)
        exact = "" if row.expected is None else f"{row.expected:.3f}"
        figures = f"{row.mean:7.3f} {row.standard_error:6.3f} {exact:>6} {1000 * row.seconds_per_ask:7.1f}"
        print(f"{method:<8} {figures}  {'yes' if row.accepted else 'NO'}", flush=True)
        rows.append(row)
    if arguments.out:
        arguments.out.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    raise SystemExit(0 if all(row.accepted for row in rows) else 1)


if __name__ == "__main__":
    main()
