"""Two sets of images in a quarter of an hour on two cores, beside torchvision's ResNet-18 trained for the same time.

    python tests/benchmarks/images.py --data DATA --sets fashion cifar --seconds 900 --out images.json

`fashion`: Fashion-MNIST, 60,000 training images, from the files of Debian's package dataset-fashion-mnist (`--fashion`
names another folder with the same four). `cifar`: 20,000 training and 10,000 test images of CIFAR-10, JPEG files in
`DATA/images/cifar10_train20k_test10k.zip`. Required test accuracies: 0.915 and 0.72, and above ResNet-18, which learns
from scratch by SGD with momentum, a cosine to zero at the end of its time, random crops and flips, in float32: for so
wide a network on so small images a step took 1.4 times as long in bfloat16, matrix units or not. Each set is printed as
a line of a table in Markdown. Exits with 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import math
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import add_settings, data_folder, parser
from sklearn.metrics import log_loss

FASHION = Path("/usr/share/datasets/fashion-mnist")
CIFAR = "images/cifar10_train20k_test10k.zip"
REQUIRED = {"fashion": 0.915, "cifar": 0.72}
BATCH, RATE, DECAY, PAD = 128, 0.1, 5e-4, 4
"""Of the baseline, as is usual for CIFAR-10."""


@dataclass(frozen=True)
class Images:
    """Bytes (n, height, width[, channels]) and labels, to train on and to test with."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


@dataclass(frozen=True)
class Line:
    """What one system reached on one set.

    Attributes
    ----------
    seconds: of its fit. predict_seconds: of predicting the test images. trials: networks tried, or epochs trained.
    """

    name: str
    system: str
    accuracy: float
    loss: float
    seconds: float
    predict_seconds: float
    trials: float


def fashion(folder: Path) -> Images:
    """Fashion-MNIST from its four files."""

    def read(name: str, offset: int) -> np.ndarray:
        with gzip.open(folder / name) as file:
            return np.frombuffer(file.read(), np.uint8, offset=offset)

    X, X_test = (read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28) for part in ("train", "t10k"))
    y, y_test = (read(f"{part}-labels-idx1-ubyte.gz", 8) for part in ("train", "t10k"))
    return Images(X, y, X_test, y_test)


def cifar(path: Path) -> Images:
    """The part of CIFAR-10 in an archive of part/class/number.jpg."""
    from PIL import Image

    held: dict[str, list[tuple[np.ndarray, str]]] = {"train": [], "test": []}
    with zipfile.ZipFile(path) as archive:
        for name in sorted(each for each in archive.namelist() if each.endswith(".jpg")):
            part, label, _ = name.split("/")
            held[part].append((np.asarray(Image.open(io.BytesIO(archive.read(name)))), label))
    arrays = [np.stack(column) for part in held.values() for column in zip(*part, strict=True)]
    return Images(*arrays)


def autonet(data: Images, seconds: float, seed: int, settings: Mapping[str, Any]) -> tuple[Any, float]:
    """Probabilities as a function of images, and the number of trials."""
    from automl import AutoNetImageClassifier

    model = AutoNetImageClassifier(**{"time_limit": seconds, "random_state": seed, **settings}).fit(data.X, data.y)
    print(model.leaderboard().drop(columns="config").head(12).to_string(), file=sys.stderr)
    return model.predict_proba, len(model.history_)


def resnet18(data: Images, seconds: float, seed: int, settings: Mapping[str, Any]) -> tuple[Any, float]:
    """The baseline, on all cores: probabilities as a function of images, and the epochs trained."""
    import torch
    from torch.nn import functional as F

    from automl.architectures.vision import torchvision

    network = torchvision().models.resnet18(weights=None, num_classes=len(np.unique(data.y)))
    torch.manual_seed(seed)
    X = _planes(data.X)
    mean, std = X.float().mean((0, 2, 3), keepdim=True), X.float().std((0, 2, 3), keepdim=True)
    y = torch.from_numpy(np.unique(data.y, return_inverse=True)[1])
    network.conv1 = torch.nn.Conv2d(X.shape[1], 64, 7, 2, 3, bias=False)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), RATE, momentum=0.9, weight_decay=DECAY, nesterov=True)
    began, steps = time.monotonic(), 0
    while (share := (time.monotonic() - began) / seconds) < 1:
        optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * share))
        chosen = torch.randint(len(X), (BATCH,))
        moved = F.pad(X[chosen], (PAD,) * 4)
        top, left = (int(torch.randint(2 * PAD + 1, ())) for _ in range(2))
        batch = moved[:, :, top : top + X.shape[2], left : left + X.shape[3]]
        batch = torch.where(torch.rand(BATCH, 1, 1, 1) < 0.5, batch.flip(3), batch)
        inputs = ((batch - mean) / std).contiguous(memory_format=torch.channels_last)
        loss = F.cross_entropy(network(inputs), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    network.eval()

    @torch.inference_mode()
    def probabilities(images: np.ndarray) -> np.ndarray:
        parts = _planes(images).split(500)
        return torch.cat([network((part - mean) / std).softmax(1) for part in parts]).double().numpy()

    return probabilities, steps * BATCH / len(X)


def _planes(images: np.ndarray) -> Any:
    """(n, channels, height, width) tensor of bytes."""
    import torch

    values = images[..., None] if images.ndim == 3 else images
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))


SYSTEMS: Mapping[str, Callable[..., tuple[Any, float]]] = {"autonet": autonet, "resnet18": resnet18}


def measure(name: str, system: str, data: Images, args: argparse.Namespace) -> Line:
    """Fit a system on a set and judge it on the test images."""
    began = time.monotonic()
    predict, trials = SYSTEMS[system](data, args.seconds, args.seed, args.settings)
    seconds = time.monotonic() - began
    began = time.monotonic()
    outputs = predict(data.X_test)
    spent = time.monotonic() - began
    classes = np.unique(data.y)
    accuracy = float((classes[outputs.argmax(1)] == data.y_test).mean())
    return Line(name, system, accuracy, float(log_loss(data.y_test, outputs)), seconds, spent, trials)


def main() -> int:
    made = parser(__doc__)
    add_settings(made)
    made.add_argument("--sets", nargs="+", choices=sorted(REQUIRED), default=sorted(REQUIRED))
    made.add_argument("--systems", nargs="+", choices=sorted(SYSTEMS), default=sorted(SYSTEMS))
    made.add_argument("--seconds", type=float, default=900.0, help="time of each fit")
    made.add_argument("--fashion", type=Path, default=FASHION, help="folder of Fashion-MNIST's files")
    args = made.parse_args()
    print("| set | system | test accuracy | test log loss | fit, s | predict, s | trials or epochs |")
    print("|---|---|---|---|---|---|---|")
    lines, missed = [], False
    for name in args.sets:
        data = fashion(args.fashion) if name == "fashion" else cifar(data_folder(args) / CIFAR)
        found = {system: measure(name, system, data, args) for system in args.systems}
        for line in found.values():
            print(
                f"| {line.name} | {line.system} | {line.accuracy:.4f} | {line.loss:.4f} | {line.seconds:.0f} | "
                f"{line.predict_seconds:.1f} | {line.trials:.1f} |",
                flush=True,
            )
        lines += found.values()
        ours, theirs = found.get("autonet"), found.get("resnet18")
        if ours is not None:
            missed |= ours.accuracy < REQUIRED[name] or (theirs is not None and ours.accuracy <= theirs.accuracy)
    if args.out:
        args.out.write_text(json.dumps([asdict(line) for line in lines], indent=1))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
