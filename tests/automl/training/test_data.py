"""The batches of an epoch."""

from __future__ import annotations

import pytest
import torch

from automl.errors import DataError
from automl.training import data
from automl.training.data import Rows, TrainingRows, batch_sizes


def rows(n: int, start: int = 0) -> Rows:
    numbers = torch.arange(start, start + n, dtype=torch.float32).unsqueeze(1)
    return Rows(numbers, torch.zeros(n, 0, dtype=torch.int64), numbers[:, 0].clone())


@pytest.mark.parametrize("n", range(1, 40))
@pytest.mark.parametrize("size", [2, 3, 7, 100])
def test_batches_cover_all_rows_and_none_has_one_row(n: int, size: int) -> None:
    sizes = batch_sizes(n, size)
    assert min(sizes) >= 2
    assert sum(sizes) == max(n, 2)
    assert max(sizes) - min(sizes) <= 1


def test_an_epoch_shows_each_member_its_own_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "CHUNK_BYTES", 200)  # several chunks
    batches = list(TrainingRows([rows(10), rows(12, 100)], 10, 4, "cpu").epoch([1, 2], epoch=3))
    assert [b.numbers.shape for b in batches] == [(2, 4, 1), (2, 3, 1), (2, 3, 1)]
    seen = torch.cat([b.numbers for b in batches], 1)[..., 0]
    assert sorted(seen[0].tolist()) == list(range(10))
    assert len(set(seen[1].tolist())) == 10
    assert set(seen[1].tolist()) <= set(range(100, 112))
    assert all(torch.equal(b.targets, b.numbers.reshape(-1, 1)) for b in batches)


def test_a_member_sees_the_same_rows_alone_as_with_others() -> None:
    both = list(TrainingRows([rows(9), rows(9, 50)], 9, 4, "cpu").epoch([1, 2], epoch=0))
    alone = list(TrainingRows([rows(9, 50)], 9, 4, "cpu").epoch([2], epoch=0))
    assert all(torch.equal(b.numbers[1], a.numbers) for b, a in zip(both, alone, strict=True))


def test_orders_differ_between_epochs_and_seeds() -> None:
    table = TrainingRows([rows(50)], 50, 50, "cpu")
    orders = [next(iter(table.epoch([seed], epoch))).numbers for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert not any(torch.equal(orders[i], orders[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_columns_of_unequal_length_are_an_error() -> None:
    with pytest.raises(DataError, match="codes has 2 rows"):
        Rows(torch.zeros(3, 1), torch.zeros(2, 0, dtype=torch.int64), torch.zeros(3))
