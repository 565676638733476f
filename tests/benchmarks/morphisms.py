"""Hill climbing by network morphisms against random search, in one space, for the same time, on small images.

    python tests/benchmarks/morphisms.py --images CIFAR.zip [--minutes 20] [--seeds 3] [--workers 2] [--size 16]

The archive holds JPEG files as train/LABEL/NAME.jpg and test/LABEL/NAME.jpg. Images are averaged down to `--size`
pixels. A fifth of the training rows judges the trials. All networks are trained by SGD on images that are moved and
flipped, as in the paper. `nash` trains each child for `--epochs` epochs under a cosine that begins anew, with the
weights of its parent; random search trains each network from scratch for `--scratch` epochs. Both choose by the loss on
the same rows, of the best epoch of each trial. Test accuracy is that of the network of the least validation loss, as it
was trained by the search: nothing is trained afterwards.
"""

from __future__ import annotations

import io
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from ConfigSpace import ConfigurationSpace, Float
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from automl import optimize
from automl.architectures.image_inputs import ImageNetwork
from automl.genotypes.genotype import build, from_json, to_json
from automl.genotypes.inheritance import inherit
from automl.genotypes.spaces import BranchesSpace, decode, joined
from automl.search.history import History
from automl.search.offspring import parameters
from automl.search.trial import Lineage
from automl.training.data import FoldData, Rows
from automl.training.loop import fit
from automl.training.recipe import Recipe

VALID = 0.2
"""Share of the training rows that judges."""
MOST_MACS = 12_000_000
"""Multiply-accumulates of an image beyond which a network counts as failed: many trials must fit into the time."""
BATCH, CROP = 64, 1 / 8
"""Images a step (64 in Elsken et al. 2017), and share of the side by which they are moved (4 of 32 pixels there)."""
METHODS = ("random", "nash")
COLUMNS = ("method", "seed", "test_accuracy", "valid_loss", "parameters", "trials", "states", "seconds", "error")


def space() -> ConfigurationSpace:
    """Up to eight layers with skips and residual layers, and the learning rate."""
    training = ConfigurationSpace()
    training.add(Float("rate", (1e-3, 1e-1), log=True, default=1e-2))
    definition = BranchesSpace(
        layers=(2, 8), kernels=(3, 5), filters=(16, 32, 64, 128), halvings=2, merges=("scaled",), residual=True
    )
    return joined(definition, training)


@dataclass(frozen=True)
class Training:
    """The objective: trains a configuration and keeps what it has trained in a folder, under the trial's number."""

    data: Path
    folder: Path
    epochs: int
    size: int

    def __call__(self, config: dict[str, Any], budget: float, seed: int, *, lineage: Lineage) -> float:
        torch.set_num_threads(1)
        genotype, rest = decode(space(), config)
        shape, held = (3, self.size, self.size), load_file(self.data)
        if genotype.plan(shape, 10).macs > MOST_MACS:
            raise ValueError(f"more than {MOST_MACS} multiply-accumulates an image")
        torch.manual_seed(seed)
        network = build(genotype, shape, 10)
        images = on_images(network, held, self.size)
        parent = self.folder / f"{lineage.parent}.safetensors"
        if lineage.parent is not None and parent.exists():
            before = from_json(parent.with_suffix(".json").read_text())
            batch = images.dense(held["train"][:256], held["train_labels"])
            rng = np.random.default_rng(seed)
            weights, _ = inherit(before, load_file(parent), genotype, rng, shape=shape, batch=batch)
            network.load_state_dict(weights)
        rows = [_rows(held, name) for name in ("train", "valid")]
        recipe = Recipe(
            optimizer="sgd", learning_rate=rest["rate"], momentum=0.9, weight_decay=5e-4, schedule="cosine",
            batch_size=BATCH, epochs=self.epochs, patience=self.epochs, nesterov=True, crop=CROP, flip=True,
        )  # fmt: skip
        fitted = fit([images], [FoldData(rows[0], rows[1])], recipe, loss="cross_entropy", seeds=[seed])
        trained = {k.removeprefix("body."): v for k, v in fitted.networks[0].state_dict().items()}
        target = self.folder / f"{lineage.number}.safetensors"
        target.with_suffix(".json").write_text(to_json(genotype))
        save_file({k: v.contiguous() for k, v in trained.items()}, target)
        return float(min(loss for _, loss in fitted.curve))


def on_images(network: nn.Module, held: dict[str, Tensor], size: int) -> ImageNetwork:
    """The network behind the standardisation of images."""
    return ImageNetwork(network, held["mean"].tolist(), held["spread"].tolist(), (size, size))


def _rows(held: dict[str, Tensor], name: str) -> Rows:
    x = held[name]
    return Rows(x, torch.zeros(len(x), 0, dtype=torch.int64), held[f"{name}_labels"])


def read(archive: Path, size: int, most: int) -> dict[str, Tensor]:
    """Images (n, 3, size, size) of whole numbers and labels: train, valid, test; mean and spread of the channels."""
    found: dict[str, tuple[list[np.ndarray], list[str]]] = {"train": ([], []), "test": ([], [])}
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".jpg"))
        chosen = [names[i] for i in np.random.default_rng(0).permutation(len(names))]
        for name in chosen:
            part, label, _ = name.split("/")[-3:]
            if len(found[part][1]) < most:
                with Image.open(io.BytesIO(file.read(name))) as image:
                    found[part][0].append(np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BOX)))
                found[part][1].append(label)
    classes = sorted(set(found["train"][1]))
    made: dict[str, Tensor] = {}
    for part, (images, labels) in found.items():
        x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
        made[part], made[f"{part}_labels"] = x, torch.tensor([classes.index(label) for label in labels])
    values = made["train"].float()
    made["mean"], made["spread"] = values.mean((0, 2, 3)), values.std((0, 2, 3))
    cut = round(VALID * len(made["train"]))
    for name in ("train", "train_labels"):
        made[name.replace("train", "valid")], made[name] = made[name][:cut].clone(), made[name][cut:].clone()
    return made


def accuracy(history: History, folder: Path, held: dict[str, Tensor], size: int) -> float:
    """Test accuracy of the best trial's network."""
    stem = folder / str(history.best.number)
    genotype = from_json(stem.with_suffix(".json").read_text())
    network = build(genotype, (3, size, size), 10)
    network.load_state_dict(load_file(stem.with_suffix(".safetensors")))
    images = on_images(network, held, size).eval()
    with torch.no_grad():
        logits = torch.cat([images(part, part) for part in held["test"].split(500)])
    return float((logits.argmax(1) == held["test_labels"]).float().mean())


def run(method: str, seed: int, args: Any, data: Path, held: dict[str, Tensor]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder, began = Path(name), time.perf_counter()
        training = Training(data, folder, args.epochs if method == "nash" else args.scratch, args.size)
        history = optimize(
            training, space(), method=method, time_limit=60 * args.minutes, seed=seed, n_jobs=args.workers
        )
        seconds = round(time.perf_counter() - began)
        test = accuracy(history, folder, held, args.size)
        return {
            "test_accuracy": round(test, 4),
            "valid_loss": round(history.best.loss, 4),
            "parameters": parameters(space(), history.best.config),
            "trials": len(history),
            "states": str(common.states(history)),
            "seconds": seconds,
        }


def main() -> None:
    made = common.parser(__doc__, data=False)
    made.add_argument("--images", type=Path, required=True, help="archive of JPEG files")
    made.add_argument("--minutes", type=float, default=20.0)
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--workers", type=int, default=2)
    made.add_argument("--size", type=int, default=16, help="pixels of a side")
    made.add_argument("--rows", type=int, default=5_000, help="most training images, and most test images")
    made.add_argument("--epochs", type=int, default=4, help="of each child")
    made.add_argument("--scratch", type=int, default=8, help="of each network of random search")
    args = made.parse_args()
    held = read(args.images, args.size, args.rows)
    output = common.Output(args.out)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "images.safetensors"
        save_file({key: tensor.contiguous() for key, tensor in held.items()}, data)
        for seed in range(args.seed, args.seed + args.seeds):
            for method in METHODS:
                output.add({"method": method, "seed": seed, **common.attempt(run, method, seed, args, data, held)})
                common.show("So far", output.rows, list(COLUMNS))
    by_seed: dict[int, dict[str, float]] = {}
    for row in output.rows:
        by_seed.setdefault(row["seed"], {})[row["method"]] = row.get("test_accuracy", 0.0)
    wins = sum(found["nash"] > found["random"] for found in by_seed.values())
    common.say(f"nash is better in {wins} of {len(by_seed)} seeds")


if __name__ == "__main__":
    main()
