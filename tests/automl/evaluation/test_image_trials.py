"""Trials of networks for images: what budgets buy, what goes on, what is saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from automl.architectures.catalogue import family
from automl.architectures.image_inputs import ImageNetwork
from automl.evaluation import fit_networks
from automl.evaluation.at_resources import scaled
from automl.evaluation.begin import begin_with
from automl.evaluation.effort import IMAGES, TABLES, Work, affordable_epochs
from automl.evaluation.evaluator import CHECKPOINT, OUT_OF_FOLD, Evaluator, read_model
from automl.evaluation.fidelity import Fidelity, Resources
from automl.evaluation.fold_data import channel_statistics
from automl.metrics import DEFAULT, Metric
from automl.preprocessing.columns import Arrays
from automl.resampling import make_folds
from automl.search.trial import Proposal, Result, State, Trial
from automl.settings import space_settings
from automl.space import FAMILY, complete, joint_space
from automl.task import StoredTask, Task
from automl.training import checkpoints
from automl.training.data import Rows

NAMES = ("small_resnet", "cnn_edge_cell")
KNOWN = {name: family(name) for name in NAMES}
SPACE = joint_space(list(KNOWN.values()), parts=space_settings("images").spaces())
SMALL: dict[str, dict[str, Any]] = {
    "small_resnet": {"small_resnet:width": 8, "small_resnet:stages": 2, "small_resnet:dropout": 0.2},
    "cnn_edge_cell": {"cnn_edge_cell:filters": 8},
}


def image_task(rows: int = 48, resampling: Any = 0.25) -> Task:
    rng = np.random.default_rng(0)
    y = np.arange(rows) % 2
    images = rng.integers(0, 90, (rows, 2, 8, 8), dtype=np.uint8)
    images[np.arange(rows), :, 2 + 3 * y] += np.uint8(120)
    metric = Metric(DEFAULT["classification"], np.array(["a", "b"]))
    folds = make_folds(resampling, y, classification=True)
    return Task(Arrays.of_images(images), (), y, None, metric, folds)


def trial(name: str = "small_resnet", number: int = 0, budget: float = 1.0, parent: int | None = None) -> Trial:
    more = {"train:flip": True, "train:crop": 0.125, "train:batch_size": 32, "train:augmentation": "cutout"}
    values = complete(SPACE, {FAMILY: name, **SMALL[name], **more})
    return Trial(number, Proposal(values, budget, rung=0 if parent is None else 1, parent=parent), seed=3)


def evaluator(task: Task, folder: Path, *axes: str) -> Evaluator:
    return Evaluator(StoredTask.write(task, folder / "task"), KNOWN, Fidelity(axes or ("epochs",)), folder, 4)


def run(task: Task, folder: Path, *trials: Trial, axes: tuple[str, ...] = ()) -> list[Result]:
    evaluate = evaluator(task, folder, *axes)
    return [evaluate(each) for each in trials]


def test_stored_images_are_mapped_bytes_in_the_workers(tmp_path: Path) -> None:
    task = image_task()
    opened = StoredTask.write(task, tmp_path).open()
    assert isinstance(opened.arrays.images, np.memmap)
    assert opened.arrays.images.dtype == np.uint8
    assert np.array_equal(opened.arrays.images, task.arrays.images)


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_learns_and_its_saved_model_says_what_it_was_judged_by(name: str, tmp_path: Path) -> None:
    task = image_task(resampling=2)
    (result,) = run(task, tmp_path, trial(name))
    assert result.state is State.DONE, result.error
    model, expected = read_model(tmp_path / "0", KNOWN), np.empty((48, 2))
    for fold, each in zip(task.folds, model.folds, strict=True):
        expected[fold.valid] = each.predict(task.arrays.take(fold.valid))
    np.testing.assert_allclose(np.load(tmp_path / "0" / OUT_OF_FOLD), expected, atol=1e-5)
    assert model.work > 0


def test_a_promoted_trial_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    task = image_task()
    run(task, tmp_path / "one", trial())
    run(task, tmp_path / "two", trial(budget=0.5), trial(number=1, parent=0))
    assert np.array_equal(np.load(tmp_path / "one/0" / OUT_OF_FOLD), np.load(tmp_path / "two/1" / OUT_OF_FOLD))


def test_a_promoted_trial_at_a_higher_resolution_goes_on_from_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, noted = image_task(), []
    fit = fit_networks.loop.fit

    def noting(networks: Any, *args: Any, **more: Any) -> Any:
        noted.append((networks[0].size, more["start_checkpoint"]))
        return fit(networks, *args, **more)

    monkeypatch.setattr(fit_networks.loop, "fit", noting)
    monkeypatch.setattr("automl.evaluation.at_resources.LEAST_SIDE", 2)
    run(task, tmp_path, trial(budget=0.25), trial(number=1, parent=0), axes=("epochs", "resolution"))
    (small, none), (whole, begun) = noted
    assert (small, whole, none) == ((6, 6), (8, 8), None)  # the root of a half of 8 pixels
    (left,) = checkpoints.load(tmp_path / "0" / CHECKPOINT).members
    (member,) = begun.members
    assert member.epoch == left.epoch == 2
    assert all(torch.equal(member.weights[name], left.weights[name]) for name in left.weights)
    assert member.best == {}


def test_large_images_go_through_the_network_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[tuple[bool, int]] = []
    dense = ImageNetwork.dense

    def noting(self: ImageNetwork, images: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        passed.append((self.training, len(images)))
        return dense(self, images, codes)

    monkeypatch.setattr("automl.evaluation.fit_networks.PIXELS_A_STEP", 6 * 64)
    monkeypatch.setattr("automl.training.data.PIXELS_AT_ONCE", 5 * 64)
    monkeypatch.setattr(ImageNetwork, "dense", noting)
    (result,) = run(image_task(), tmp_path, trial())
    assert result.state is State.DONE, result.error
    assert max(n for training, n in passed if training) == 6  # of 36, by batches of 32 else
    assert max(n for training, n in passed if not training) == 5  # of 12


@pytest.mark.parametrize("axis", ["width", "cells", "rows"])
def test_where_shapes_or_rows_grow_training_starts_anew(
    axis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = []
    fit = fit_networks.loop.fit

    def noting(networks: Any, folds: Any, *args: Any, **more: Any) -> Any:
        noted.append((sum(p.numel() for p in networks[0].parameters()), len(folds[0].train), more["start_checkpoint"]))
        return fit(networks, folds, *args, **more)

    monkeypatch.setattr(fit_networks.loop, "fit", noting)
    run(image_task(120), tmp_path, trial(budget=0.1), trial(number=1, parent=0), axes=("epochs", axis))
    (few, some, first), (many, all_rows, second) = noted
    assert first is second is None
    assert (few < many, some < all_rows) == (axis != "rows", axis == "rows")


def test_shares_of_width_and_cells_hold_where_a_family_has_them_and_mean_all_elsewhere() -> None:
    quarter = Resources(width=0.25, cells=0.5)
    assert scaled({"width": 32, "blocks": 3, "stages": 3}, family("small_resnet"), quarter) == {
        "width": 8,
        "blocks": 2,
        "stages": 3,
    }
    assert scaled({"filters1": 64, "filters2": 8, "kernel1": 3}, family("cnn_chain"), quarter) == {
        "filters1": 16,
        "filters2": 4,
        "kernel1": 3,
    }
    assert scaled({"cells": 5, "filters": 8}, family("cnn_cell"), quarter) == {"cells": 3, "filters": 4}
    assert scaled({"max_units": 256, "n_layers": 3}, family("mlp"), quarter) == {"max_units": 64, "n_layers": 3}
    assert scaled({"network": "resnet18"}, family("torchvision"), quarter) == {"network": "resnet18"}


def test_a_budget_keeps_its_share_of_the_cost_along_axes_whose_cost_is_a_square() -> None:
    assert Fidelity.of(("resolution",)).at(0.25).resolution == 0.5
    bought = Fidelity.of(("epochs", "width")).at(1 / 16)
    assert (bought.epochs, bought.width, bought.rows) == (0.25, 0.5, 1.0)


def test_images_have_a_pace_of_their_own() -> None:
    work = Work(flops=20e6, calls=0, values=1e5)
    counted = {
        pace: affordable_epochs(work, 10_000, 100, networks=1, together=False, seconds=60.0, most=100, pace=pace)
        for pace in (TABLES, IMAGES)
    }
    # 10,000 · 60e6 operations an epoch: 21.4 s at 28e9 a second, or 7.1 s at 85e9 and 3 s for the values
    assert counted == {TABLES: 8, IMAGES: 5}


def test_statistics_of_channels_are_those_of_all_values() -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 2, 3, 4), dtype=np.uint8)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, images.mean((0, 2, 3)))
    np.testing.assert_allclose(std, images.std((0, 2, 3)))


def test_a_wider_network_of_genotypes_begins_by_computing_what_its_parent_does(tmp_path: Path) -> None:
    task = image_task()
    run(task, tmp_path, trial("cnn_edge_cell"))
    parent: Any = read_model(tmp_path / "0", KNOWN).folds[0]
    child = replace(parent.blueprint, config=parent.blueprint.config | {"filters": 16})
    network = child.build(KNOWN["cnn_edge_cell"])
    assert task.arrays.images is not None
    images, codes = torch.from_numpy(task.arrays.images), torch.zeros(48, 0, dtype=torch.int64)
    rows = Rows(images, codes, torch.from_numpy(task.y))
    assert begin_with(network, child, KNOWN["cnn_edge_cell"], parent, rows, seed=0)
    with torch.no_grad():
        for mode in (False, True):
            grown, before = (each.train(mode)(images, codes) for each in (network, parent.network))
            assert float((grown - before).abs().max()) < 1e-5
