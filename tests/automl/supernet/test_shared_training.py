"""How shared weights learn: the schedule, the step, and the batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_images import halves
from torch import nn

from automl.supernet.data import batches
from automl.supernet.training import Weights


def test_the_rate_falls_along_half_a_cosine() -> None:
    weights = Weights()
    sgd = weights.optimizer(nn.Linear(2, 1))
    rates = [weights.set_rate(sgd, spent) for spent in (0.0, 1 / 3, 0.5, 1.0)]
    assert rates == pytest.approx([0.025, 0.019, 0.013, 0.001])  # cos(60°) is 1/2
    assert sgd.param_groups[0]["lr"] == rates[-1]


def test_a_step_has_a_clipped_gradient_momentum_and_decay_and_none_where_there_is_no_gradient() -> None:
    weights = Weights(rate=0.1, momentum=0.5, decay=0.01, clip=5.0)
    used, unused = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.tensor([3.0]))
    network = nn.ParameterList([used, unused])
    sgd = weights.optimizer(network)
    assert weights.down(sgd, (used * torch.tensor([30.0, 40.0])).sum()) == 110.0
    first = torch.tensor([3.0, 4.0]) + 0.01 * torch.tensor([1.0, 2.0])  # of norm 50, clipped to 5
    after = torch.tensor([1.0, 2.0]) - 0.1 * first
    assert torch.allclose(used.detach(), after, atol=1e-6)
    weights.down(sgd, (used * torch.tensor([0.3, 0.4])).sum())
    second = 0.5 * first + torch.tensor([0.3, 0.4]) + 0.01 * after
    assert torch.allclose(used.detach(), after - 0.1 * second, atol=1e-6)
    assert unused.item() == 3.0  # a path that was not drawn keeps its weights: neither decay nor momentum


def test_an_epoch_has_each_image_at_most_once_in_whole_batches() -> None:
    half = halves(200)  # 100 in a half
    images = half.train[0]
    parts = list(batches(half.train, 32, np.random.default_rng(0)))
    assert [len(labels) for _, labels in parts] == [32, 32, 32]
    assert Weights(batch=32).steps(half) == 3
    seen = torch.cat([part for part, _ in parts])
    found = [int((images == image).flatten(1).all(1).nonzero()[0]) for image in seen]
    assert len(set(found)) == 96
    assert torch.equal(half.train[1][found], torch.cat([labels for _, labels in parts]))
    (whole,) = batches(half.train, 512, np.random.default_rng(0))
    assert len(whole[1]) == 100
