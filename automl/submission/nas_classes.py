"""`DataProcessor`, `NAS` and `Trainer` of NAS Unseen Data: a residual network, chosen by Hyperband, trained to the end
of the time. What fails within a stage costs that stage alone: there is always a network, and there are always labels.
"""

from __future__ import annotations

import copy
import math
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import torch
import torch._dynamo  # every optimiser imports it when it is made, and that takes seconds: here it is before the clock
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

# The organisers import the classes before their clock starts. Without a library there is still the default network.
with suppress(ImportError):
    from ConfigSpace import ConfigurationSpace

    from automl.search.optimize import optimize

BATCH = 128
LEAST_SEARCH = 3.0
"""Seconds below which nothing is searched."""
SEARCH_SHARE, TRAIN_ENDS = 0.3, 0.1
"""Of the time left: what the search takes; what training leaves for predictions."""
MOST_EPOCHS = 200
LEAST_SIDE = 4
DEFAULT: Mapping[str, Any] = {"width": 32, "blocks": 1, "rate": 3e-3}
SMOOTHING, DECAY = 0.1, 1e-2


class DataProcessor:
    """Standardised arrays as loaders: training rows shuffled, test rows in their order and without labels."""

    def __init__(
        self, train_x: Any, train_y: Any, valid_x: Any, valid_y: Any, test_x: Any, metadata: Any, clock: Any
    ) -> None:
        self._arrays = [_images(x) for x in (train_x, valid_x, test_x)]
        self._labels = [np.asarray(y).ravel().astype(np.int64) for y in (train_y, valid_y)]

    def process(self) -> tuple[Any, Any, Any]:
        train, valid, test = self._arrays
        axes = (0, 2, 3)
        centre, scale = train.mean(axes, keepdims=True), train.std(axes, keepdims=True) + 1e-6
        tensors = [torch.from_numpy((x - centre) / scale) for x in (train, valid, test)]
        y = [torch.from_numpy(labels) for labels in self._labels]
        return (
            DataLoader(TensorDataset(tensors[0], y[0]), BATCH, shuffle=True, drop_last=len(y[0]) % BATCH == 1),
            DataLoader(TensorDataset(tensors[1], y[1]), BATCH),
            DataLoader(tensors[2], BATCH),  # type: ignore[arg-type]  # rows of a tensor
        )


class NAS:
    """Chooses width, depth and learning rate of a residual network by short runs."""

    def __init__(self, train_loader: Any, valid_loader: Any, metadata: Any, clock: Any) -> None:
        self._train, self._valid, self._clock = train_loader, valid_loader, clock

    def search(self) -> ResidualNet:
        x, _ = next(iter(self._train))
        shape = x.shape[1:]
        classes = max(_classes(self._train), _classes(self._valid))

        def build(config: Mapping[str, Any]) -> ResidualNet:
            made = ResidualNet(shape[0], classes, min(shape[1:]), config["width"], config["blocks"])
            made.rate = float(config["rate"])
            return made

        try:
            return build(self._best(build, SEARCH_SHARE * self._clock.check()))
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return build(DEFAULT)

    def _best(self, build: Callable[[Mapping[str, Any]], ResidualNet], seconds: float) -> Mapping[str, Any]:
        if seconds < LEAST_SEARCH:
            return DEFAULT
        end = time.monotonic() + seconds
        choices = {"width": [16, 32, 64, 128], "blocks": [1, 2, 3], "rate": (5e-4, 2e-2)}

        def objective(config: dict[str, Any], budget: float, seed: int) -> float:
            torch.manual_seed(seed)
            left = end - time.monotonic()
            network = fit(build(config), self._train, self._valid, epochs=round(budget), seconds=left)
            return 1.0 - accuracy(network, self._valid)

        history = optimize(
            objective,
            ConfigurationSpace(choices),
            method="hyperband",
            time_limit=seconds,
            min_budget=1,
            max_budget=9,
            seed=0,
            initial=[dict(DEFAULT)],
        )
        return history.best.config


class Trainer:
    """Trains until nine tenths of the time are over, and keeps the weights that were best on validation rows."""

    def __init__(
        self, model: ResidualNet, device: Any, train_loader: Any, valid_loader: Any, metadata: Any, clock: Any
    ) -> None:
        self._model, self._device, self._clock = model.to(device), device, clock
        self._train, self._valid = train_loader, valid_loader
        self._reserve = TRAIN_ENDS * max(0.0, float(metadata.get("time_remaining", clock.check())))

    def train(self) -> nn.Module:
        try:
            seconds = self._clock.check() - self._reserve
            fit(self._model, self._train, self._valid, epochs=MOST_EPOCHS, seconds=seconds)
        except Exception:
            traceback.print_exc(file=sys.stderr)
        return self._model

    def predict(self, test_loader: Any) -> list[int]:
        labels: list[int] = []
        for x in test_loader:
            try:
                labels += _logits(self._model, x).argmax(1).tolist()
            except Exception:
                traceback.print_exc(file=sys.stderr)
                labels += [0] * len(x)
        return labels


class ResidualNet(nn.Module):
    """A pre-activation residual network (He et al. 2016, arXiv:1603.05027) of as many stages as the images allow."""

    def __init__(self, channels: int, classes: int, side: int, width: int, blocks: int) -> None:
        super().__init__()
        self.rate = float(DEFAULT["rate"])
        stages = max(1, min(3, int(math.log2(max(side, LEAST_SIDE) / LEAST_SIDE)) + 1))
        stride = 2 if side >= 64 else 1
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, stride, 1, bias=False)]
        inside = width
        for stage in range(stages):
            for block in range(blocks):
                outside = width * 2**stage
                layers.append(_Block(inside, outside, 2 if stage and not block else 1))
                inside = outside
        self.body = nn.Sequential(*layers, nn.BatchNorm2d(inside), nn.ReLU())
        self.head = nn.Linear(inside, classes)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.body(x).mean((2, 3)))
        return found


class _Block(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inside)
        self.body = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
        )
        plain = stride == 1 and inside == outside
        self.side = nn.Identity() if plain else nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = torch.relu(self.norm(x))
        found: Tensor = self.side(active) + self.body(active)
        return found


def fit(network: ResidualNet, train: Any, valid: Any, *, epochs: int, seconds: float) -> ResidualNet:
    """Train a network in place by AdamW; the rate falls as a half cosine over epochs or time, whichever ends first."""
    device = next(network.parameters()).device
    began, end = time.monotonic(), time.monotonic() + seconds
    optimizer = torch.optim.AdamW(network.parameters(), lr=network.rate, weight_decay=DECAY)
    loss, best, kept = nn.CrossEntropyLoss(label_smoothing=SMOOTHING), -1.0, None
    for epoch in range(epochs):
        network.train()
        for step, (x, y) in enumerate(train):
            now = time.monotonic()
            if now >= end:
                break
            share = max((epoch + step / len(train)) / epochs, (now - began) / seconds)
            for group in optimizer.param_groups:
                group["lr"] = network.rate * (0.5 + 0.5 * math.cos(math.pi * min(1.0, share)))
            optimizer.zero_grad()
            loss(network(x.to(device)), y.to(device)).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        found = accuracy(network, valid)
        if found >= best:
            best, kept = found, copy.deepcopy(network.state_dict())
        if time.monotonic() >= end:
            break
    if kept is not None:
        network.load_state_dict(kept)
    return network


def accuracy(network: nn.Module, loader: Any) -> float:
    """Share of the rows of a loader that are told rightly."""
    right = [(_logits(network, x).argmax(1).cpu() == y).float().mean().item() * len(y) for x, y in loader]
    return sum(right) / max(1, len(loader.dataset))


@torch.no_grad()
def _logits(network: nn.Module, x: Tensor) -> Tensor:
    network.eval()
    found: Tensor = network(x.to(next(network.parameters()).device))
    return found


def _images(x: Any) -> np.ndarray:
    """(n, channels, rows, columns) float32 of images, of sequences of rows, or of rows of numbers."""
    array = np.nan_to_num(np.asarray(x, dtype=np.float32))
    while array.ndim < 4:
        array = array[:, None]
    return array.reshape(len(array), -1, *array.shape[-2:])


def _classes(loader: Any) -> int:
    return int(loader.dataset.tensors[1].max()) + 1
