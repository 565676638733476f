"""Architecture search on tables: every method on NAS-Bench-201, or on the package's own table (`minicell.py`).

    python tests/benchmarks/nas.py --data FOLDER --methods random local evolution --seeds 20 --out nas
    python tests/benchmarks/nas.py --minicell --methods random local evolution --evaluations 100 --out nas

FOLDER holds `nats_tss.csv` (v-tao/nats-bench-landscape), the 200-epoch test accuracy of all 15,625 cells of
NATS-Bench's topology space (Dong, Liu, Musial & Gabrys 2021, arXiv:2009.00437), and `nb201_12epoch.csv.gz`, validation
and test accuracy after 12 epochs. Two protocols:

* noise-free: the search sees the 200-epoch test accuracy; regrets are smaller than in papers;
* realistic: it sees the 12-epoch validation accuracy, and the 200-epoch test accuracy of its best cell is reported.

Every method is charged for unique cells: a cell that is proposed again costs nothing. Random search therefore has to
equal the expected best of a draw without replacement, which the table gives exactly. `--out` is a folder: one JSON file
a method with the curves, and `curves-….png`, best so far with 95 % intervals over seeds.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import time
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np

from automl.genotypes.edge_cell import PUBLISHED, EdgeCell
from automl.genotypes.spaces import EdgeCellSpace, decode, joined
from automl.search.catalogue import METHODS, build
from automl.search.history import History
from automl.search.trial import Result, State, Trial, trial_seed

SETS = {
    "cifar10": ("CIFAR10TestAccuracy200Epochs", "cifar10-val"),
    "cifar100": ("CIFAR100TestAccuracy200Epochs", "cifar100-val"),
    "imagenet16": ("ImageNetTestAccuracy200Epochs", "imagenet-val"),
}
"""Name → columns of the 200-epoch test accuracy and the 12-epoch validation accuracy."""

ACCEPT = {
    "local": (300, 0.03),
    "tpe": (300, 0.05),
    "evolution": (300, 0.06),
    "bananas": (300, 0.05),
    "reinforce": (300, 0.28),
    "reinforce-flat": (300, 0.28),
    "pnas": (145, 0.15),
    "nasbot": (60, 0.5),
    "smac": (100, 0.35),
}
"""Method → evaluations, and the largest mean regret there in points (noise-free CIFAR-10)."""

MARKS = (60, 100, 145, 300)
"""Evaluations at which regret is printed."""

MINICELL = files("automl.genotypes") / "minicell.npz"
"""Made by `minicell.py`, on one core a process."""

MAX_ASKS = 4
"""Proposals per evaluation after which a method that repeats itself is stopped."""


@dataclass(frozen=True)
class Table:
    """A table of cells.

    Attributes
    ----------
    space: the operations of its edges.
    seen: cell → accuracy in percent that the search sees.
    final: cell → accuracy in percent that is reported.
    """

    space: EdgeCellSpace
    seen: dict[tuple[str, ...], float]
    final: dict[tuple[str, ...], float]


def read_nasbench(folder: Path, images: str, *, realistic: bool) -> Table:
    """NAS-Bench-201 on one of `SETS`."""
    test, validation = SETS[images]
    with (folder / "nats_tss.csv").open(newline="") as file:
        final = {EdgeCell.from_string(x["ArchitectureString"]).edges: float(x[test]) for x in csv.DictReader(file)}
    assert len(final) == 15_625, f"{len(final)} cells; the space has 15,625"
    if not realistic:
        return Table(EdgeCellSpace(), final, final)
    with gzip.open(folder / "nb201_12epoch.csv.gz", "rt", newline="") as file:
        seen = {EdgeCell.from_string(x["cellstr"]).edges: float(x[validation]) for x in csv.DictReader(file)}
    assert seen.keys() == final.keys(), "both tables hold the same cells"
    return Table(EdgeCellSpace(tuple(PUBLISHED)), seen, final)


def read_minicell(path: Traversable, *, realistic: bool) -> Table:
    """A table of `minicell.py`: validation accuracy to search by, and to report, or test accuracy to report."""
    with path.open("rb") as file:
        arrays = dict(np.load(file))
    operations = tuple(str(name) for name in arrays["operations"])
    cells = [tuple(operations[i] for i in row) for row in arrays["cells"]]
    accuracies = zip(cells, 100 * arrays["validation"][:, -1], 100 * arrays["test"], strict=True)
    seen = {cell: (float(v), float(t)) for cell, v, t in accuracies}
    space = EdgeCellSpace(operations, cells=(1,), filters=(8,))
    validation = {c: v for c, (v, _) in seen.items()}
    return Table(space, validation, {c: t for c, (_, t) in seen.items()} if realistic else validation)


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


@dataclass(frozen=True)
class Run:
    """One seed of a method: accuracies seen and reported of its unique cells in order, and seconds a proposal."""

    seen: list[float]
    final: list[float]
    seconds: float


def search(method: str, table: Table, seed: int, evaluations: int) -> Run:
    space = joined(table.space)
    optimizer = build(method, space, seed=seed, min_share=1.0)
    history, cells, seconds = History(), dict[tuple[str, ...], None](), 0.0
    while len(cells) < evaluations and len(history) < MAX_ASKS * evaluations:
        start = time.perf_counter()
        proposal = optimizer.ask(history)
        seconds += time.perf_counter() - start
        assert proposal is not None, "methods at the full budget always have a proposal"
        cell = decode(space, proposal.config)[0].edges
        result = Result(State.DONE, 1 - table.seen[cell] / 100)
        history = history.put(Trial(len(history), proposal, trial_seed(seed, len(history)), result))
        cells[cell] = None
    return Run([table.seen[c] for c in cells], [table.final[c] for c in cells], seconds / len(history))


def curve(run: Run, evaluations: int) -> np.ndarray:
    """(evaluations,) accuracy to report of the best cell seen so far; a search that ended early keeps its last."""
    seen, final = np.array(run.seen), np.array(run.final)
    best = [int(np.argmax(seen[: n + 1])) for n in range(len(seen))]
    best += [best[-1]] * (evaluations - len(best))
    return final[best]


def measure(method: str, table: Table, seeds: int, evaluations: int) -> dict[str, Any]:
    runs = [search(method, table, seed, evaluations) for seed in range(seeds)]
    curves = np.array([curve(run, evaluations) for run in runs])
    half = 1.96 * curves.std(axis=0, ddof=1) / np.sqrt(seeds) if seeds > 1 else np.full(evaluations, np.nan)
    rises = [np.mean(run.seen[-50:]) - np.mean(run.seen[:50]) for run in runs]
    return {
        "method": method,
        "seeds": seeds,
        "optimum": max(table.final.values()),
        "mean": curves.mean(axis=0).tolist(),
        "interval": half.tolist(),
        "seconds": float(np.mean([run.seconds for run in runs])),
        "least_rise": float(min(rises)),
        "fewest_cells": min(len(run.seen) for run in runs),
    }


def show(row: dict[str, Any], table: Table, *, noise_free: bool, judged: bool) -> bool:
    """Print a method's line; False where it is judged and misses what is required of it."""
    mean, half = np.array(row["mean"]), np.array(row["interval"])
    words, fine = [], True
    for n in (n for n in MARKS if n <= len(mean)):
        value = row["optimum"] - mean[n - 1] if noise_free else mean[n - 1]
        words.append(f"{value:7.3f} ± {half[n - 1]:.3f}")
    if noise_free and row["method"] == "random":
        expected = expected_regret(np.array(list(table.final.values())), len(mean))
        fine = abs(row["optimum"] - mean[-1] - expected) <= 3 * half[-1] / 1.96
        words.append(f"exact {expected:.3f}")
    if noise_free and judged and row["method"] in ACCEPT and ACCEPT[row["method"]][0] <= len(mean):
        n, most = ACCEPT[row["method"]]
        fine = row["optimum"] - mean[n - 1] <= most
        words.append(f"≤ {most} at {n}: {'yes' if fine else 'NO'}")
    words.append(f"rise ≥ {row['least_rise']:.2f}")
    print(f"{row['method']:<22} {row['seeds']:3} seeds {'  '.join(words)}  {1000 * row['seconds']:.1f} ms", flush=True)
    return fine


def draw(rows: list[dict[str, Any]], path: Path, label: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for row in rows:
        mean, half = row["optimum"] - np.array(row["mean"]), np.array(row["interval"])
        x = np.arange(1, len(mean) + 1)
        (line,) = axes.plot(x, mean, label=f"{row['method']} ({row['seeds']} seeds)")
        axes.fill_between(x, np.maximum(mean - half, 1e-3), mean + half, color=line.get_color(), alpha=0.15, lw=0)
    axes.set(xlabel="unique cells evaluated", ylabel=f"regret in points, {label}", yscale="log", ylim=(1e-2, 20))
    axes.legend(fontsize=8)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("AUTONET_DATA")
    folder = Path(default) / "benchmarks" / "nasbench201" if default else None
    full = [name for name, line in METHODS.items() if line.schedule == "full"]
    parser.add_argument("--data", type=Path, default=folder, help="folder of nats_tss.csv")
    parser.add_argument(
        "--minicell",
        type=Path,
        nargs="?",
        const=MINICELL,
        help="the table of the package instead, or one of minicell.py",
    )
    parser.add_argument("--images", choices=SETS, default="cifar10")
    parser.add_argument("--protocol", choices=["noise-free", "realistic"], default="noise-free")
    parser.add_argument("--methods", nargs="+", default=full)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=300, help="unique cells a search")
    parser.add_argument("--out", type=Path, default=None, help="folder of the figures")
    arguments = parser.parse_args()
    if arguments.data is None and arguments.minicell is None:
        parser.error("give --data FOLDER, or --minicell")
    noise_free = arguments.protocol == "noise-free"
    if arguments.minicell:
        table = read_minicell(arguments.minicell, realistic=not noise_free)
    else:
        table = read_nasbench(arguments.data, arguments.images, realistic=not noise_free)
    rows, fine = [], True
    label = f"{'minicell' if arguments.minicell else arguments.images}-{arguments.protocol}"
    judged = arguments.images == "cifar10" and not arguments.minicell
    for method in arguments.methods:
        rows.append(measure(method, table, arguments.seeds, arguments.evaluations))
        fine &= show(rows[-1], table, noise_free=noise_free, judged=judged)
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            (arguments.out / f"{label}-{method}.json").write_text(json.dumps(rows[-1]) + "\n")
    if arguments.out:
        draw(rows, arguments.out / f"curves-{label}.png", label)
    raise SystemExit(0 if fine else 1)


if __name__ == "__main__":
    main()
