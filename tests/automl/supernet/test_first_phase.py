"""The first phase of a search: shared weights say what is tried first."""

from __future__ import annotations

import time

import ConfigSpace as CS
import pytest
from small_images import digits

from automl.architectures.genotype_networks import GenotypeFamily
from automl.errors import SettingError
from automl.genotypes.edge_cell import EdgeCell
from automl.genotypes.space_of_cells import CellsSpace, EdgeCellSpace
from automl.genotypes.spaces import ChainSpace
from automl.search.draw import check_config
from automl.sharing import cells_among
from automl.space import joint_space
from automl.supernet.phase import first_configurations, held

JOINS = {"either": ("add", "concat"), "added": ("add",)}
FAMILY = GenotypeFamily("cnn", EdgeCellSpace(cells=(1, 2), filters=(8, 16)), {"cells": 2, "filters": 16})


def test_a_first_phase_gives_configurations_of_the_joint_space() -> None:
    x, y = digits(128)
    space = joint_space([FAMILY])
    found = first_configurations(x, y, FAMILY, space, method="random-sharing", epochs=1, keep=2)
    assert len(found) == 2
    for config in found:
        assert config["family"] == "cnn"
        assert (config["cnn:cells"], config["cnn:filters"]) == (2, 16)
        assert check_config(space, config) == config


def test_a_first_phase_that_cannot_end_in_time_warns_and_gives_nothing() -> None:
    x, y = digits(128)
    space = joint_space([FAMILY])
    began = time.monotonic()
    with pytest.warns(UserWarning, match="the first phase, 'darts', found nothing"):
        assert first_configurations(x, y, FAMILY, space, method="darts", epochs=5000, seconds=0.01) == ()
    assert time.monotonic() - began < 20


def test_cells_that_the_joint_space_does_not_hold_are_left_out_and_a_narrower_stacking_is_kept() -> None:
    narrow = CS.ConfigurationSpace({"cnn:filters": [8], "cnn:edge01": ["conv_3x3", "skip_connect"]})
    space = joint_space([FAMILY], narrow)
    inside, outside = (EdgeCell((first, *["conv_1x1"] * 5), 1, 8) for first in ("conv_3x3", "avg_pool_3x3"))
    with pytest.warns(UserWarning, match="1 of the 2 cells that 'spos' found are not in the search space"):
        found = held(space, FAMILY, [outside, inside], "spos")
    assert [(c["cnn:edge01"], c["cnn:filters"], c["cnn:cells"]) for c in found] == [("conv_3x3", 8, 2)]


def test_the_first_family_of_cells_that_can_share_weights_is_searched() -> None:
    pairs = [GenotypeFamily(how, CellsSpace(concat="all", combine=(*joins,)), {}) for how, joins in JOINS.items()]
    layers = GenotypeFamily("layers", ChainSpace(), {})
    assert cells_among([layers, *pairs, FAMILY], "spos") is pairs[1]
    with pytest.raises(SettingError, match=r"'spos' shares the weights of cells, and no family.*add 'cnn_edge_cell'"):
        cells_among([layers, pairs[0]], "spos")


def test_a_first_phase_that_fails_says_why() -> None:
    x, y = digits(128)
    space = joint_space([FAMILY])
    with pytest.warns(UserWarning, match="all labels are equal"):
        assert first_configurations(x, 0 * y, FAMILY, space, method="enas", epochs=1) == ()
