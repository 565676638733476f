"""Distillation: a pruned network comes back towards its parent without a label."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from automl.errors import SettingError
from automl.genotypes.chain import Chain
from automl.genotypes.genotype import build
from automl.genotypes.layers import Layer
from automl.genotypes.morphs import Morph
from automl.training.distillation import distil


def test_a_pruned_network_comes_back_to_its_parent() -> None:
    torch.manual_seed(0)
    shape, parent = (1, 6, 6), Chain((Layer("conv", 3, 8), Layer("conv", 3, 8)))
    teacher = build(parent, shape, 3)
    inputs = torch.randn(128, *shape)
    with torch.no_grad():
        teacher.get_submodule("classifier").weight *= 10
        for _ in range(20):
            teacher.train()(inputs)
    morph = Morph("prune", (0, 4))
    child = morph.apply(parent)
    student = build(child, shape, 3)
    rng = np.random.default_rng(0)
    student.load_state_dict(morph.transfer(parent, teacher.state_dict(), child, rng, shape=shape))
    with torch.no_grad():
        before = float((student.eval()(inputs) - teacher.eval()(inputs)).square().mean())
    left = distil(student, teacher, inputs, epochs=30, seed=0, batch_size=16, learning_rate=1e-2)
    with torch.no_grad():
        after = float((student.eval()(inputs) - teacher.eval()(inputs)).square().mean())
    assert after < before / 3
    assert left < before


def test_too_few_inputs_are_refused() -> None:
    network = torch.nn.Linear(2, 2)
    with pytest.raises(SettingError, match=">= 1 epoch"):
        distil(network, network, torch.zeros(1, 2), epochs=1, seed=0)
