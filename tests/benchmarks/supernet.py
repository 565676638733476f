"""Shared weights on small images: what they say of architectures, what they find, and how DARTS collapses.

    python tests/benchmarks/supernet.py tau [--images cifar10.zip --data FOLDER] --out tau.json
    python tests/benchmarks/supernet.py derived --seeds 5 [--images cifar10.zip --data FOLDER] --out derived.json
    python tests/benchmarks/supernet.py collapse --images cifar10.zip --data FOLDER --out collapse.json

Cells are those of NAS-Bench-201, one in each of three stages, 8 filters. Of scikit-learn's digits (8×8), three fifths
are searched on, and single networks are trained on them too (`minicell.trained`, 12 epochs); the other 719 images,
which no search and no training has seen, give the accuracies.

* `tau`: Kendall's τ between the accuracy with shared weights and that of the cell trained alone, over 40 random cells
  (where it is of photographs, the published accuracy).
* `derived`: the best cell of each method beside 10 random cells that are trained equally: on digits, or, of a search on
  photographs of CIFAR-10, for 200 epochs on all of them, as published.
* `collapse`: skip connections epoch by epoch of plain DARTS and of those that are kept from them.

`--images` is a zip of `train/CLASS/….jpg`, reduced to 16×16, or digits where it is left out; `--data` holds
`nats_tss.csv` (see `nas.py`), which tells what accuracy each cell has on CIFAR-10 after 200 epochs.
"""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import parser
from minicell import images as minicell_images
from minicell import trained
from scipy.stats import kendalltau, spearmanr

from automl.genotypes.edge_cell import EdgeCell
from automl.genotypes.space_of_cells import EdgeCellSpace
from automl.genotypes.spaces import decode, joined
from automl.search.draw import sample
from automl.supernet.catalogue import ONE_SHOT
from automl.supernet.guard import Guard
from automl.supernet.methods.darts import Darts
from automl.supernet.methods.random_sharing import RandomSharing
from automl.supernet.proxy import Proxy
from automl.supernet.search import search

SPACE = EdgeCellSpace(cells=(1,), filters=(8,))
CELLS, RANDOM = 40, 10
EPOCHS = {"darts": 30, "darts-2": 30, "enas": 30, "random-sharing": 100, "spos": 100}
"""Epochs of shared weights on digits, each of 8 batches."""
CALIBRATION = 8
GUARDS = {
    "none": Darts(guard=None, auxiliary=0.0),
    "DARTS+": Darts(guard=Guard(since=0.0), auxiliary=0.0),
    "RobustDARTS": Darts(guard=Guard(most_skips=None, fall=0.75), auxiliary=0.0),
    "DARTS-": Darts(guard=None),
    "as shipped": Darts(),
}
SIDE = 16


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The images that are searched on."""
    (x, y), _, _ = minicell_images()
    return x.numpy(), y.numpy()


def alone(cell: EdgeCell, seed: int) -> float:
    """Accuracy of a cell that is trained alone, on all images that no search has seen."""
    parts = minicell_images()
    rows = trained(cell, parts, seed)
    n = [len(part[1]) for part in parts[1:]]
    return float((rows[-2] * n[0] + rows[-1] * n[1]) / sum(n))


def random_cells(n: int, seed: int) -> list[EdgeCell]:
    """Cells that compute different things."""
    space, rng, found = joined(SPACE), np.random.default_rng([seed, 7]), dict[str, EdgeCell]()
    while len(found) < n:
        cell = decode(space, sample(space, rng))[0]
        found.setdefault(cell.hash, cell)
    return list(found.values())


def tau(x: np.ndarray, y: np.ndarray, data: Path | None, seeds: range, epochs: int | None) -> list[dict[str, Any]]:
    cells, rows = random_cells(CELLS, 0), list[dict[str, Any]]()
    if data is not None:
        table = published(data)
        truth = np.array([table[cell.edges] / 100 for cell in cells])
    else:
        truth = np.array([alone(cell, 0) for cell in cells])
        rows.append(row("alone, another seed", -1, truth, np.array([alone(cell, 1) for cell in cells]), 0.0))
        print(rows[-1], flush=True)
    for seed in seeds:
        began = time.monotonic()
        found = search(x, y, SPACE, method=RandomSharing(candidates=1), epochs=epochs or EPOCHS["spos"], seed=seed)
        seconds = time.monotonic() - began
        assert found.proxy is not None
        own = Proxy(found.proxy.supernet, found.proxy.halves, CALIBRATION)
        for name, proxy in (("statistics of the batch", found.proxy), ("recalibrated", own)):
            rows.append(row(name, seed, truth, np.array([1 - proxy(cell) for cell in cells]), seconds))
            print(rows[-1], flush=True)
    return rows


def row(name: str, seed: int, truth: np.ndarray, shared: np.ndarray, seconds: float) -> dict[str, Any]:
    """How alike two accuracies of the same cells rank them; also among those that are any good."""
    good = truth >= np.median(truth)
    return {
        "norms": name,
        "seed": seed,
        "tau": round(float(kendalltau(truth, shared).statistic), 3),
        "rho": round(float(spearmanr(truth, shared).statistic), 3),
        "tau of the better half": round(float(kendalltau(truth[good], shared[good]).statistic), 3),
        "mean shared": round(float(shared.mean()), 3),
        "mean alone": round(float(truth.mean()), 3),
        "seconds": round(seconds, 1),
    }


def derived(
    x: np.ndarray, y: np.ndarray, data: Path | None, methods: list[str], seeds: range, epochs: int | None
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    table = published(data) if data is not None else {}

    def truth(cell: EdgeCell, seed: int) -> float:
        return table[cell.edges] / 100 if table else alone(cell, seed)

    for seed in seeds:
        others = np.array([truth(cell, seed) for cell in random_cells(RANDOM, 100 + seed)])
        for method in methods:
            began = time.monotonic()
            found = search(x, y, SPACE, method=method, epochs=epochs or EPOCHS[method], seed=seed)
            seconds = time.monotonic() - began
            accuracy = truth(found.genotypes[0], seed)
            rewards = [e.reward for e in found.epochs]
            fifth = max(1, len(rewards) // 5)
            rows.append(
                {
                    "method": method,
                    "seed": seed,
                    "accuracy": round(accuracy, 4),
                    "mean of random": round(float(others.mean()), 4),
                    "median of random": round(float(np.median(others)), 4),
                    "percentile": round(100 * float(np.mean(others < accuracy))),
                    "of all": round(100 * float(np.mean(np.array([*table.values()]) < 100 * accuracy)))
                    if table
                    else None,
                    "reward": [round(float(np.mean(part)), 3) for part in (rewards[:fifth], rewards[-fifth:])],
                    "entropy": [round(e.entropy, 3) for e in (found.epochs[0], found.epochs[-1])],
                    "epochs": len(found.epochs),
                    "seconds": round(seconds, 1),
                    "cell": found.genotypes[0].string,
                }
            )
            print(rows[-1], flush=True)
    for method in methods:
        mine = [r for r in rows if r["method"] == method]
        wins = sum(r["accuracy"] > r["mean of random"] for r in mine)
        print(f"{method}: above the mean of random cells in {wins} of {len(mine)}", flush=True)
    return rows


def published(data: Path) -> dict[tuple[str, ...], float]:
    """The accuracy of each cell's edges on CIFAR-10 after 200 epochs, in per cent."""
    with (data / "nats_tss.csv").open(newline="") as file:
        return {
            EdgeCell.from_string(line["ArchitectureString"]).edges: float(line["CIFAR10TestAccuracy200Epochs"])
            for line in csv.DictReader(file)
        }


def photographs(path: Path, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3, 16, 16) images of a zip of `train/CLASS/….jpg`, equally many of each class, and their labels."""
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("train/") and name.endswith(".jpg"))
        classes = sorted({name.split("/")[1] for name in names})
        share = n // len(classes)
        kept = [name for c in classes for name in [x for x in names if x.split("/")[1] == c][:share]]
        pictures = [
            np.asarray(Image.open(io.BytesIO(archive.read(x))).convert("RGB").resize((SIDE, SIDE))) for x in kept
        ]
    return np.stack(pictures).transpose(0, 3, 1, 2), np.array([classes.index(x.split("/")[1]) for x in kept])


def collapse(
    x: np.ndarray,
    y: np.ndarray,
    data: Path | None,
    *,
    seeds: range,
    epochs: int,
    cells: int,
    rate: float,
    orders: list[int],
    guards: list[str],
) -> list[dict[str, Any]]:
    table = published(data) if data is not None else {}
    rows = []
    for seed in seeds:
        for order in orders:
            for name in guards:
                began = time.monotonic()
                method = replace(GUARDS[name], order=order, rate=rate)
                found = search(x, y, SPACE, method=method, epochs=epochs, cells=cells, seed=seed, keep=1)
                cell = found.genotypes[0]
                accuracies = list(table.values())
                own = table.get(cell.edges, float("nan"))
                rows.append(
                    {
                        "order": order,
                        "guard": name,
                        "seed": seed,
                        "skips": cell.operations["skip_connect"],
                        "epochs": len(found.epochs),
                        "skips by epoch": [e.skips for e in found.epochs],
                        "reward": round(found.epochs[-1].reward, 3),
                        "CIFAR-10, 200 epochs": own,
                        "percentile": round(100 * float(np.mean(np.array(accuracies) < own)), 1) if table else None,
                        "cell": cell.string,
                        "seconds": round(time.monotonic() - began, 1),
                    }
                )
                print(rows[-1], flush=True)
    return rows


def main() -> None:
    made = parser(__doc__)
    made.add_argument("part", choices=["tau", "derived", "collapse"])
    made.add_argument("--seeds", type=int, default=5)
    made.add_argument("--epochs", type=int, help="of shared weights; default: as the part")
    made.add_argument("--methods", nargs="+", default=list(ONE_SHOT), choices=list(ONE_SHOT))
    made.add_argument("--images", type=Path, help="zip of photographs; digits if left out")
    made.add_argument("--rows", type=int, default=2000, help="photographs that are searched on")
    made.add_argument("--rate", type=float, default=Darts.rate, help="of the weights of operations, for collapse")
    made.add_argument("--cells", type=int, default=1, help="of each stage of the supernet, for collapse")
    made.add_argument("--orders", type=int, nargs="+", default=[1, 2])
    made.add_argument("--guards", nargs="+", default=list(GUARDS), choices=list(GUARDS))
    made.add_argument("--threads", type=int, default=1)
    arguments = made.parse_args()
    torch.set_num_threads(arguments.threads)
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    x, y = digits() if arguments.images is None else photographs(arguments.images, arguments.rows)
    if arguments.part == "tau":
        rows = tau(x, y, arguments.data, seeds, arguments.epochs)
    elif arguments.part == "derived":
        rows = derived(x, y, arguments.data, arguments.methods, seeds, arguments.epochs)
    else:
        rows = collapse(
            x,
            y,
            arguments.data,
            seeds=seeds,
            epochs=arguments.epochs or 50,
            cells=arguments.cells,
            rate=arguments.rate,
            orders=arguments.orders,
            guards=arguments.guards,
        )
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
