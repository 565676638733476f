"""Small networks on three folds of a small table, and whether two runs are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from automl.architectures.inputs import tabular_network
from automl.training.data import FoldData, Rows
from automl.training.loop import Fitted, fit
from automl.training.recipe import Recipe

RECIPE = Recipe(epochs=9, batch_size=32, patience=9, learning_rate=5e-3)


def folds(n: int = 150, count: int = 3, kind: str = "cross_entropy") -> list[FoldData]:
    g = torch.Generator().manual_seed(0)
    numbers = torch.randn(n, 4, generator=g)
    codes = torch.stack([torch.randint(0, 4, (n,), generator=g), torch.randint(0, 21, (n,), generator=g)], 1)
    score = numbers[:, 0] * numbers[:, 1] + (codes[:, 0] == 2)
    targets = (score > 0.3).long() if kind == "cross_entropy" else score
    made = []
    for m in range(count):
        valid = torch.arange(n) % count == m
        made.append(FoldData(*(Rows(numbers[i], codes[i], targets[i]) for i in (~valid, valid))))
    return made


def networks(count: int = 3, outputs: int = 2, **changes: Any) -> list[nn.Module]:
    config = {
        "form": "brick",
        "n_layers": 2,
        "max_units": 16,
        "activation": "silu",
        "dropout": 0.2,
        "norm": "batch",
    }
    return [
        tabular_network("mlp", {**config, **changes}, numbers=4, levels=[3, 20], outputs=outputs, rows=100, seed=m)
        for m in range(count)
    ]


def run(recipe: Recipe = RECIPE, data: list[FoldData] | None = None, **more: Any) -> Fitted:
    data = folds() if data is None else data
    nets = more.pop("networks", None) or networks(len(data))
    options = {"loss": "cross_entropy", "seeds": list(range(len(data))), **more}
    return fit(nets, data, recipe, **options)


def assert_same(first: Fitted, second: Fitted) -> None:
    """Bit for bit."""
    for a, b in zip(first.networks, second.networks, strict=True):
        for name, tensor in a.state_dict().items():
            assert torch.equal(tensor, b.state_dict()[name]), name
    for p, q in zip(first.valid, second.valid, strict=True):
        assert np.array_equal(p, q)
    assert first.curve == second.curve
    for m, n in zip(first.checkpoint.members, second.checkpoint.members, strict=True):
        assert (m.steps, m.epoch, m.losses, m.best_epoch) == (n.steps, n.epoch, n.losses, n.best_epoch)
        assert all(torch.equal(m.weights[k], n.weights[k]) for k in m.weights)
