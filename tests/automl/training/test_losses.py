"""k predictions of a row: each has its own loss, and their mean is the prediction."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from automl.training.data import Batch, FoldData, Rows
from automl.training.loop import fit
from automl.training.losses import Loss, ValidationRows, step_loss
from automl.training.predict import predict
from automl.training.recipe import Recipe

LOSSES: tuple[Loss, ...] = ("cross_entropy", "squared")


class Several(nn.Module):
    """k linear maps of the numbers: (…, d) → (…, k, outputs)."""

    def __init__(self, k: int, outputs: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.k, self.map = k, nn.Linear(2, k * outputs)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        return self.map(numbers).unflatten(-1, (self.k, -1))


class Fixed(nn.Module):
    """The same logits for every row."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.register_buffer("logits", logits)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        return self.logits.expand(len(numbers), *self.logits.shape)


def batch(loss: Loss, rows: int, weighted: bool) -> Batch:
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (rows,), generator=g)
    targets = labels if loss == "cross_entropy" else torch.randn(rows, 1, generator=g)
    weights = torch.rand(rows, generator=g) if weighted else None
    return Batch(torch.zeros(rows, 0), torch.zeros(rows, 0, dtype=torch.int64), targets, weights)


@pytest.mark.parametrize("lead", [(), (2,)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_of_k_predictions_is_the_mean_of_their_losses(
    loss: Loss, weighted: bool, lead: tuple[int, ...]
) -> None:
    outputs = 3 if loss == "cross_entropy" else 1
    logits = torch.randn(*lead, 5, 4, outputs, generator=torch.Generator().manual_seed(1))
    rows = batch(loss, 5 * math.prod(lead), weighted)
    each = [step_loss(loss, logits[..., j, :], rows, smoothing=0.1) for j in range(4)]
    torch.testing.assert_close(step_loss(loss, logits, rows, smoothing=0.1), torch.stack(each).mean())


def test_the_loss_is_not_that_of_the_mean() -> None:
    logits = torch.tensor([[[0.5, 0.5], [0.9, 0.1]]]).log()
    rows = Batch(torch.zeros(1, 0), torch.zeros(1, 0), torch.tensor([1]), None)
    assert float(step_loss("cross_entropy", logits, rows, 0.0)) == pytest.approx(-math.log(0.5 * 0.1) / 2)


def test_probabilities_are_averaged_for_validation_and_prediction() -> None:
    network = Fixed(torch.tensor([[0.5, 0.5], [0.9, 0.1]]).log())
    numbers, codes = torch.zeros(3, 2), torch.zeros(3, 0, dtype=torch.int64)
    assert predict(network, numbers, codes, "cross_entropy") == pytest.approx(
        torch.tensor([[0.7, 0.3]] * 3).numpy(), abs=1e-7
    )
    valid = ValidationRows([Rows(numbers, codes, torch.tensor([0, 0, 1]))], "cross_entropy", "cpu")
    assert valid.losses(network)[0] == pytest.approx(-(2 * math.log(0.7) + math.log(0.3)) / 3)


def test_values_are_averaged_for_validation_and_prediction() -> None:
    network = Fixed(torch.tensor([[1.0], [4.0]]))
    numbers, codes = torch.zeros(2, 2), torch.zeros(2, 0, dtype=torch.int64)
    assert predict(network, numbers, codes, "squared").tolist() == [2.5, 2.5]
    weighted = Rows(numbers, codes, torch.tensor([2.0, 0.5]), torch.tensor([3.0, 1.0]))
    assert ValidationRows([weighted], "squared", "cpu").losses(network)[0] == pytest.approx((3 * 0.25 + 4.0) / 4)


def test_one_prediction_in_an_axis_of_its_own_is_that_prediction() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    rows = batch("cross_entropy", 6, weighted=True)
    plain = step_loss("cross_entropy", logits, rows, 0.1)
    assert torch.equal(step_loss("cross_entropy", logits.unsqueeze(1), rows, 0.1), plain)


@pytest.mark.parametrize("loss", LOSSES)
def test_k_predictions_along_the_members_axis_equal_those_of_each_member_alone(loss: Loss) -> None:
    g = torch.Generator().manual_seed(2)
    folds = []
    for _ in range(3):
        x, none = torch.randn(60, 2, generator=g), torch.zeros(60, 0, dtype=torch.int64)
        y = (x[:, 0] > 0).long() if loss == "cross_entropy" else x[:, 0] - x[:, 1]
        folds.append(FoldData(Rows(x[:40], none[:40], y[:40]), Rows(x[40:], none[40:], y[40:])))
    networks = [Several(4, 2 if loss == "cross_entropy" else 1) for _ in folds]
    recipe = Recipe(epochs=4, batch_size=16, learning_rate=0.05, label_smoothing=0.05)
    alone, together = (
        fit(networks, folds, recipe, loss=loss, seeds=[0, 1, 2], batched=batched) for batched in (False, True)
    )
    for a, b in zip(alone.valid, together.valid, strict=True):
        assert a == pytest.approx(b, abs=1e-5)
    assert [v for _, v in alone.curve] == pytest.approx([v for _, v in together.curve], abs=1e-5)
    assert alone.curve[-1][1] < 0.9 * alone.curve[0][1]
