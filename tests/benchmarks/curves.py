"""Learning curves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine, make_classification
from torch import nn

from automl.architectures.inputs import tabular_network
from automl.architectures.mlp import MLP
from automl.search.draw import sample
from automl.training.data import FoldData, Rows
from automl.training.loop import fit
from automl.training.recipe import Recipe
from automl.training.recipe_space import recipe_space


class SmallCNN(nn.Module):
    """Two convolutions and a linear layer on images of 8 × 8."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * channels * 16, 10),
        )

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return self.body(numbers.reshape(-1, 1, 8, 8))


def task(name: str) -> tuple[FoldData, int]:
    if name.startswith("digits"):
        X, y = load_digits(return_X_y=True)
    elif name == "cancer":
        X, y = load_breast_cancer(return_X_y=True)
    elif name == "wine":
        X, y = load_wine(return_X_y=True)
    elif name == "diabetes":
        X, y = load_diabetes(return_X_y=True)
        y = (y - y.mean()) / y.std()
    else:
        X, y = make_classification(2000, 20, n_informative=10, n_classes=4, random_state=0)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(X))
    X = (X - X.mean(0)) / (X.std(0) + 1e-9)
    kind = torch.float32 if name == "diabetes" else torch.int64
    cut = len(X) * 3 // 10
    parts = []
    for at in (order[cut:], order[:cut]):
        parts.append(
            Rows(
                torch.tensor(X[at], dtype=torch.float32),
                torch.zeros((len(at), 0), dtype=torch.int64),
                torch.tensor(y[at]).to(kind),
            )
        )
    return FoldData(*parts), 1 if name == "diabetes" else int(y.max()) + 1


def record(per_task: int, epochs: int) -> Iterator[dict[str, Any]]:
    recipes, nets = recipe_space(), MLP().space()
    for k in range(per_task):
        for name in ("digits-mlp", "digits-cnn", "generated", "cancer", "wine", "diabetes"):
            data, outputs = task(name)
            rng = np.random.default_rng([k, len(name)])
            recipe = Recipe(**{**sample(recipes, rng), "epochs": epochs, "patience": epochs})
            seed = int(rng.integers(2**31))
            if name == "digits-cnn":
                torch.manual_seed(seed)
                net: nn.Module = SmallCNN(int(rng.choice([4, 8, 16])))
            else:
                net = tabular_network(
                    "mlp",
                    sample(nets, rng),
                    numbers=data.train.numbers.shape[1],
                    levels=[],
                    outputs=outputs,
                    rows=len(data.train),
                    seed=seed,
                )
            try:
                fitted = fit([net], [data], recipe, loss="squared" if outputs == 1 else "cross_entropy", seeds=[seed])
            except FloatingPointError:
                continue
            valid = fitted.valid[0]
            y = data.valid.targets.numpy()
            score = float(np.mean(valid.argmax(1) == y)) if outputs > 1 else float("nan")
            yield {"task": name, "schedule": recipe.schedule, "curve": fitted.curve, "score": score}
