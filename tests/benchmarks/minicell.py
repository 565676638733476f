"""MiniCell: a table of small cells trained on scikit-learn's digits, to compare search methods without others' data.

    python tests/benchmarks/minicell.py --out automl/genotypes/minicell.npz --workers 2
    python tests/benchmarks/nas.py --minicell --methods random local evolution --evaluations 100

The cells are those of NAS-Bench-201 with four operations (none, skip_connect, conv_3x3, avg_pool_3x3), 4⁶ = 4,096, one
cell in each of three stages, 8 filters. Cells of equal hash compute the same and are trained once. Of the 1,797 images
a fifth is for validation and a fifth for test; 12 epochs of SGD with Nesterov momentum on a cosine schedule, batches
of 64. The file holds, cell by cell, validation accuracy after each epoch and test accuracy after the last. It is
written after every 20 classes, and a call goes on where another stopped; `--share 0.1` trains every tenth class only,
for a look.
"""

from __future__ import annotations

import argparse
import itertools
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from automl.genotypes.edge_cell import EdgeCell
from automl.genotypes.genotype import build

OPERATIONS = ("none", "skip_connect", "conv_3x3", "avg_pool_3x3")
EPOCHS, BATCH, RATE, MOMENTUM, DECAY = 12, 64, 0.1, 0.9, 5e-4
SAVE_EVERY = 20


def images() -> tuple[tuple[Tensor, Tensor], ...]:
    """Images (n, 1, 8, 8) in [0, 1] and labels, for training, validation and test."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    parts = np.split(order, [len(x) * 3 // 5, len(x) * 4 // 5])
    return tuple((torch.tensor(x[p] / 16, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(y[p])) for p in parts)


def trained(cell: EdgeCell, parts: tuple[tuple[Tensor, Tensor], ...], seed: int = 0) -> np.ndarray:
    """(13,): validation accuracy after each of 12 epochs, then test accuracy."""
    torch.manual_seed(seed)
    (x, y), validation, test = parts
    network = build(cell, (1, 8, 8), 10)
    sgd = torch.optim.SGD(network.parameters(), RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True)
    batches = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, EPOCHS * batches)
    curve = []
    for _ in range(EPOCHS):
        network.train()
        for rows in torch.randperm(len(x))[: batches * BATCH].split(BATCH):
            loss = functional.cross_entropy(network(x[rows]), y[rows])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            schedule.step()
        curve.append(accuracy(network, *validation))
    return np.array([*curve, accuracy(network, *test)])


def first_trained(row: tuple[int, ...]) -> np.ndarray:
    """What `trained` gives for a cell, as places in OPERATIONS."""
    return trained(EdgeCell(tuple(OPERATIONS[i] for i in row), cells=1, filters=8), images())


def accuracy(network: torch.nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return float((network.eval()(x).argmax(1) == y).float().mean())


def classes() -> dict[str, list[tuple[int, ...]]]:
    """Hash → the cells of that class, as places in OPERATIONS; the first one is trained."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for row in itertools.product(range(len(OPERATIONS)), repeat=6):
        cell = EdgeCell(tuple(OPERATIONS[i] for i in row), cells=1, filters=8)
        found.setdefault(cell.hash, []).append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--share", type=float, default=1.0, help="share of the classes that is trained")
    arguments = parser.parse_args()
    groups, start = classes(), time.monotonic()
    kept = list(groups)[:: round(1 / arguments.share)]
    work = arguments.out.with_suffix(".part.npz")
    rows = dict(zip(*(np.load(work)[k] for k in ("hashes", "rows")), strict=True)) if work.exists() else {}
    missing = [name for name in kept if name not in rows]
    with get_context("spawn").Pool(arguments.workers, torch.set_num_threads, (1,)) as pool:
        found = pool.imap(first_trained, [groups[name][0] for name in missing])
        for name, row in zip(missing, found, strict=True):
            rows[name] = row
            if len(rows) % SAVE_EVERY == 0 or name == missing[-1]:
                np.savez_compressed(work, hashes=list(rows), rows=list(rows.values()))
                print(f"{len(rows)} of {len(kept)} classes, {time.monotonic() - start:.0f} s", flush=True)
    cells = [row for name in kept for row in groups[name]]
    values = np.array([rows[name] for name in kept for _ in groups[name]], dtype=np.float32)
    arrays = {"cells": np.array(cells, dtype=np.uint8), "validation": values[:, :-1], "test": values[:, -1]}
    np.savez_compressed(arguments.out, operations=OPERATIONS, **arrays)


if __name__ == "__main__":
    main()
