"""What one-shot methods learn: slow, on all digits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_images import EDGE_CELLS, digits

from automl.genotypes.spaces import decode, joined
from automl.search.draw import sample
from automl.supernet.methods.enas import ENAS
from automl.supernet.methods.random_sharing import RandomSharing
from automl.supernet.search import search


@pytest.mark.slow
def test_the_controller_of_enas_grows_surer_and_its_cells_better() -> None:
    found = search(*digits(), EDGE_CELLS, method=ENAS(candidates=20), epochs=30)
    fifth = len(found.epochs) // 5
    rewards, entropies = (np.array([getattr(e, name) for e in found.epochs]) for name in ("reward", "entropy"))
    assert rewards[-fifth:].mean() > rewards[:fifth].mean()
    assert entropies[-1] < entropies[0] - 0.1
    assert found.candidates[0].loss < 0.2


@pytest.mark.slow
def test_shared_weights_tell_cells_that_learn_from_cells_that_cannot() -> None:
    found = search(*digits(), EDGE_CELLS, method=RandomSharing(candidates=1), epochs=40)
    assert found.proxy is not None
    space, rng = joined(EDGE_CELLS), np.random.default_rng(3)
    cells = [decode(space, sample(space, rng))[0] for _ in range(40)]
    cut = [dataclasses.replace(cell, edges=(*cell.edges[:3], "none", "none", "none")) for cell in cells[:5]]
    whole = [cell for cell in cells if cell.graph().connected]
    assert np.median([found.proxy(cell) for cell in whole]) < 0.5
    assert min(found.proxy(cell) for cell in cut) > 0.8  # nothing reaches the output: chance is 0.9
