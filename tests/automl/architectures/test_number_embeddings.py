"""Embeddings of numbers: values that can be computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from rtdl_num_embeddings import PiecewiseLinearEmbeddings, compute_bins

from automl.architectures.number_embeddings import PeriodicEmbeddings, PiecewiseLinear
from automl.errors import SettingError


def rows(n: int = 200, d: int = 3) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


def ones(embedding: PiecewiseLinear) -> PiecewiseLinear:
    """The embedding that sums the components of the encoding."""
    with torch.no_grad():
        for name, parameter in embedding.named_parameters():
            parameter.fill_(1.0 if name.endswith("linear.weight") else 0.0)
        embedding.embeddings.linear0.weight.zero_()
    return embedding


@torch.no_grad()
def test_a_piecewise_linear_embedding_counts_the_bins_below_a_number() -> None:
    embedding = ones(PiecewiseLinear(2, bins=4, width=1))
    column = torch.arange(9.0)  # quartiles at 0, 2, 4, 6 and 8
    embedding.prime(torch.stack([column, column * 0 + 7], 1))
    x = torch.tensor([[0.0, 7.0], [3.0, 7.0], [8.0, 9.0], [10.0, 0.0], [-1.0, 0.0]])
    # Inside, the bins that are full and a share of one; outside, the line goes on. A constant column says nothing.
    expected = [[0.0, 0.0], [1.5, 0.0], [4.0, 0.0], [5.0, 0.0], [-0.5, 0.0]]
    assert embedding(x).tolist() == expected


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:.*just two bin edges")
def test_piecewise_linear_embeddings_equal_those_of_the_reference_with_the_same_bins() -> None:
    numbers = rows()
    numbers[:, 2] = (numbers[:, 2] > 0).float()  # a single bin
    ours = PiecewiseLinear(3, bins=8, width=5)
    ours.prime(numbers)
    theirs = PiecewiseLinearEmbeddings(compute_bins(numbers, 8), 5, activation=False, version="B")
    for ours_p, theirs_p in zip(ours.parameters(), theirs.parameters(), strict=True):
        theirs_p.copy_(ours_p.normal_(generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(ours(2 * numbers), theirs(2 * numbers).flatten(1))


@torch.no_grad()
def test_a_dense_periodic_embedding_is_a_linear_map_of_cosines_beside_the_number_itself() -> None:
    embedding = PeriodicEmbeddings(2, "pbld", sigma=0.1, waves=3, width=4)
    x = rows(5, 2)
    out = embedding(x)
    assert out.shape == (5, 8)
    assert torch.equal(out[:, 6:], x)
    waves = torch.cos(2 * math.pi * x[4, 1] * embedding.frequency[1] + embedding.phase[1])
    torch.testing.assert_close(out[4, 3:6], waves @ embedding.weight[1] + embedding.bias[1])


@torch.no_grad()
@pytest.mark.parametrize("kind", ["pl", "plr"])
def test_a_periodic_embedding_maps_cosines_and_sines(kind: str) -> None:
    embedding = PeriodicEmbeddings(2, kind, sigma=1.0, waves=6, width=4)
    x = rows(5, 2)
    angle = 2 * math.pi * x[3, 0] * embedding.frequency[0]
    expected = torch.cat([angle.cos(), angle.sin()]) @ embedding.weight[0] + embedding.bias[0]
    torch.testing.assert_close(embedding(x)[3, :4], expected.relu() if kind == "plr" else expected)


def test_frequencies_have_the_spread_that_was_asked_for() -> None:
    torch.manual_seed(0)
    assert PeriodicEmbeddings(500, "pbld", sigma=0.2).frequency.std().item() == pytest.approx(0.2, rel=0.03)


def test_an_unknown_kind_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(SettingError, match="did you mean 'pbld'"):
        PeriodicEmbeddings(2, "pbl", sigma=0.1)
