"""The front of a network: which columns become one-hot, which embedded, and how wide that is."""

from __future__ import annotations

import pytest
import torch

from automl.architectures.inputs import Embeddings, Front, tabular_network
from automl.architectures.stacking import stack
from automl.errors import DataError

CONFIG = {
    "form": "brick",
    "n_layers": 1,
    "max_units": 16,
    "activation": "relu",
    "dropout": 0.0,
    "norm": "none",
}


def test_few_levels_become_one_hot_and_the_missing_code_is_all_zeros() -> None:
    front = Front(1, [2, 3], Embeddings())
    numbers = torch.tensor([[0.5], [0.25], [0.0]])
    codes = torch.tensor([[1, 3], [2, 0], [0, 1]])
    expected = [[0.5, 1, 0, 0, 0, 1], [0.25, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0]]
    assert front(numbers, codes).tolist() == expected
    assert front.width == 6


def test_columns_of_two_levels_may_become_one_column_of_signs() -> None:
    front = Front(1, [2, 3, 20], Embeddings(signs=True, one_hot_max=3))
    out = front(torch.tensor([[0.5], [0.5], [0.5]]), torch.tensor([[1, 3, 1], [2, 0, 1], [0, 1, 1]]))
    assert out[:, :5].tolist() == [[0.5, -1, 0, 0, 1], [0.5, 1, 0, 0, 0], [0.5, 0, 1, 0, 0]]
    assert (front.hot, front.pieces) == (4, (1, 1, 3, 9))
    assert front.width == 14


@pytest.mark.parametrize(("levels", "dim"), [(10, 6), (30, 11), (61, 16), (5000, 16)])
def test_embeddings_have_the_dimensions_of_the_rule(levels: int, dim: int) -> None:
    assert Embeddings().dim(levels) == dim  # min(16, round(1.6 · levels^0.56)), by hand


def test_columns_of_equal_dimensions_share_a_table_but_no_row_and_unseen_codes_start_at_zero() -> None:
    front = Front(0, [100, 200], Embeddings())
    assert front.width == 32
    numbers = torch.zeros(2, 0)
    out = front(numbers, torch.tensor([[0, 0], [100, 200]])).detach()
    assert out[0].abs().sum() == 0
    table = front.tables["16"]
    assert torch.equal(out[1, :16], table.weight[100])
    assert torch.equal(out[1, 16:], table.weight[301])


def test_a_network_with_categories_can_be_stacked() -> None:
    nets = [tabular_network("mlp", CONFIG, numbers=2, levels=[3, 50], outputs=2, rows=9, seed=s) for s in range(2)]
    g = torch.Generator().manual_seed(0)
    numbers = torch.randn(2, 9, 2, generator=g)
    codes = torch.stack([torch.randint(0, 4, (2, 9), generator=g), torch.randint(0, 51, (2, 9), generator=g)], 2)
    together = stack(nets)(numbers, codes)
    for m, net in enumerate(nets):
        torch.testing.assert_close(together[m], net(numbers[m], codes[m]))


def test_no_column_at_all_is_an_error() -> None:
    with pytest.raises(DataError, match="no column"):
        tabular_network("mlp", CONFIG, numbers=0, levels=[], outputs=2, rows=9)
