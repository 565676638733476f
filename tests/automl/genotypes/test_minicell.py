"""The table of trained cells that comes with the package."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from automl.genotypes.edge_cell import EdgeCell

IMAGES, TEST_IMAGES = 359, 360
"""By which the networks were judged while and after they were trained."""


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    with (files("automl.genotypes") / "minicell.npz").open("rb") as file:
        return dict(np.load(file))


def test_every_cell_of_four_operations_is_there_once(table: dict[str, Any]) -> None:
    assert table["operations"].tolist() == ["none", "skip_connect", "conv_3x3", "avg_pool_3x3"]
    assert table["cells"].shape == (4**6, 6)
    assert len(np.unique(table["cells"], axis=0)) == 4**6


def test_cells_that_compute_the_same_have_the_same_accuracies(table: dict[str, Any]) -> None:
    rows: dict[str, np.ndarray] = {}
    for places, curve, test in zip(table["cells"], table["validation"], table["test"], strict=True):
        cell = EdgeCell(tuple(str(table["operations"][i]) for i in places), cells=1, filters=8)
        assert np.array_equal(rows.setdefault(cell.hash, np.append(curve, test)), np.append(curve, test))
    assert len(rows) == 871


def test_accuracies_are_shares_of_the_images(table: dict[str, Any]) -> None:
    assert table["validation"].shape == (4**6, 12)
    for values, n in ((table["validation"], IMAGES), (table["test"], TEST_IMAGES)):
        assert np.abs(values * n - np.round(values * n)).max() < 1e-3
        assert 0 <= values.min() < values.max() <= 1


def test_a_cell_without_a_path_knows_nothing_and_convolutions_know_most(table: dict[str, Any]) -> None:
    none, convolutions = (table["test"][(table["cells"] == i).all(axis=1)].item() for i in (0, 2))
    assert none < 0.2  # ten digits, about equally many
    assert convolutions > 0.95
