"""Five folds trained as one along the members axis, against five fits one after another.

    python tests/benchmarks/members.py --out members.json

Two hidden layers with batch norm and dropout, batches of 256, one CPU thread. Times are the least of several
repeats of both ways in turn, in CPU seconds, so that other work on the machine counts little. Required:
twice as fast at width 32, 1.5 times at 64, the rule's choice never below 0.95 of the choice not taken, and equal
validation losses. Exits with 1 where that does not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from automl.architectures.inputs import tabular_network
from automl.training.data import FoldData, Rows
from automl.training.loop import Fitted, fit, widths, worth_batching
from automl.training.recipe import Recipe

REQUIRED = {32: 2.0, 64: 1.5}
RULE = 0.95
LOSS_NOISE = 0.02


@dataclass(frozen=True)
class Row:
    """One width.

    Attributes
    ----------
    alone, together: CPU seconds of all folds. speedup: alone / together.
    step_ms: CPU milliseconds per step of one network alone, validation included.
    rule: whether `worth_batching` chooses together. against: the rule's choice over the other, ≥ 0.95.
    losses: mean best validation loss alone and together.
    """

    width: int
    alone: float
    together: float
    speedup: float
    step_ms: float
    rule: bool
    against: float
    losses: tuple[float, float]
    passed: bool


def folds(rows: int, columns: int, count: int) -> list[FoldData]:
    g = torch.Generator().manual_seed(0)
    x, codes = torch.randn(rows, columns, generator=g), torch.zeros(rows, 0, dtype=torch.int64)
    y = (x[:, 0] * x[:, 1] + x[:, 2] > 0).long()
    place = torch.arange(rows) % count
    return [FoldData(*(Rows(x[i], codes[i], y[i]) for i in (place != m, place == m))) for m in range(count)]


def measure(width: int, data: list[FoldData], recipe: Recipe, repeats: int) -> Row:
    columns, count = data[0].train.numbers.shape[1], len(data)
    config = {"form": "brick", "n_layers": 2, "max_units": width, "activation": "relu"}
    config |= {"dropout": 0.1, "norm": "batch"}
    nets = [
        tabular_network("mlp", config, numbers=columns, levels=[], outputs=2, rows=len(data[0].train), seed=m)
        for m in range(count)
    ]
    seconds: dict[bool, float] = {}
    fitted: dict[bool, Fitted] = {}
    for repeat in range(repeats + 1):
        for batched in (False, True):
            start = time.process_time()
            fitted[batched] = fit(nets, data, recipe, loss="cross_entropy", seeds=range(count), batched=batched)
            spent = time.process_time() - start
            if repeat:  # the first warms up
                seconds[batched] = min(spent, seconds.get(batched, spent))
    rule = worth_batching(widths(nets[0]), count, "cpu")
    speedup = seconds[False] / seconds[True]
    losses = [sum(m.best_loss for m in fitted[b].checkpoint.members) / count for b in (False, True)]
    steps = sum(m.steps for m in fitted[False].checkpoint.members)
    against = speedup if rule else 1 / speedup
    equal = abs(losses[0] - losses[1]) <= LOSS_NOISE * max(losses)
    return Row(
        width=width,
        alone=seconds[False],
        together=seconds[True],
        speedup=speedup,
        step_ms=1e3 * seconds[False] / steps,
        rule=rule,
        against=against,
        losses=(losses[0], losses[1]),
        passed=speedup >= REQUIRED.get(width, 0.0) and against >= RULE and equal,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--rows", type=int, default=2560)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--batch", type=int, default=256)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = folds(args.rows, args.columns, count=5)
    recipe = Recipe(epochs=args.epochs, patience=args.epochs, batch_size=args.batch)
    print("width   alone s  together s  speed-up  step ms  rule       of other  loss alone / together")
    rows = []
    for width in args.widths:
        row = measure(width, data, recipe, args.repeats)
        rows.append(row)
        print(
            f"{row.width:5d} {row.alone:9.3f} {row.together:11.3f} {row.speedup:8.2f}× {row.step_ms:8.2f}  "
            f"{'together' if row.rule else 'alone':9s} {row.against:8.2f}×  "
            f"{row.losses[0]:.4f} / {row.losses[1]:.4f}  {'ok' if row.passed else 'FAILED'}",
            flush=True,
        )
    if args.out:
        args.out.write_text(json.dumps({"torch": torch.__version__, "rows": [asdict(r) for r in rows]}, indent=1))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
