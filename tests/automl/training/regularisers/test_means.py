"""Means of weights, lookahead and snapshots: their recurrences, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from automl.architectures.snapshots import SnapshotEnsemble
from automl.architectures.stacking import stack
from automl.training.data import Batch
from automl.training.losses import mean_prediction
from automl.training.recipe import Recipe
from automl.training.regularisers.averaging import Average, ema_share, refresh_norms, swa_share
from automl.training.regularisers.lookahead import Lookahead
from automl.training.regularisers.snapshots import snapshots_before, snapshots_kept
from automl.training.schedules import cycle_ends, factor


class Number(nn.Module):
    """One weight and one count."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([value]))
        self.register_buffer("count", torch.tensor(3))

    def set(self, value: float) -> None:
        with torch.no_grad():
            self.weight.fill_(value)
            self.get_buffer("count").add_(1)


class Whole(nn.Module):
    """A network on numbers alone."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layers(numbers)
        return out


def test_the_moving_mean_follows_its_recurrence_and_counts_are_copied() -> None:
    net, recipe = Number(8.0), Recipe(averaging="ema", ema_decay=0.75)
    average = Average(net, {})
    expected = 8.0
    for steps, value in enumerate([1.0, -2.0, 5.0, 0.5], start=20):  # (1 + 20) / (10 + 20) = 0.7 is still less
        net.set(value)
        average.blend(ema_share(recipe, steps))
        decay = min(0.75, (1 + steps) / (10 + steps))
        expected = decay * expected + (1 - decay) * value
        assert average.network.weight.item() == pytest.approx(expected)
    assert average.network.get_buffer("count") == net.get_buffer("count") == 7


def test_the_decay_rises_to_its_value_so_that_the_start_is_forgotten() -> None:
    recipe = Recipe(ema_decay=0.9)
    assert [ema_share(recipe, steps) for steps in (1, 10, 80, 1000)] == pytest.approx([9 / 11, 9 / 20, 0.1, 0.1])


def test_the_mean_over_the_last_epochs_is_the_plain_mean() -> None:
    net, recipe = Number(0.0), Recipe(averaging="swa", swa_start=0.5, epochs=6)
    average = Average(net, {})
    for epoch, value in enumerate([9.0, 7.0, 5.0, 1.0, 2.0, 6.0], start=1):
        net.set(value)
        average.blend(swa_share(recipe, epoch))
        assert average.network.weight.item() == pytest.approx({4: 1.0, 5: 1.5, 6: 3.0}.get(epoch, value))


def test_a_mean_goes_on_from_its_state() -> None:
    net = Number(4.0)
    average = Average(net, {"weight": torch.tensor([2.0]), "count": torch.tensor(1)})
    average.blend(0.25)
    assert average.network.weight.item() == pytest.approx(2.5)
    assert net.weight.item() == 4.0


@pytest.mark.parametrize("members", [1, 2])
def test_refreshed_statistics_are_those_of_all_rows_and_dropout_rests(members: int) -> None:
    nets = [Whole(nn.Dropout(0.5), nn.BatchNorm1d(3)) for _ in range(members)]
    module = stack(nets) if members > 1 else nets[0]
    lead = () if members == 1 else (members,)
    numbers = 5 + 2 * torch.randn(*lead, 60, 3, generator=torch.Generator().manual_seed(0))
    none = torch.zeros(0)
    batches = [Batch(part, none, none, None) for part in numbers.split(20, -2)]
    refresh_norms(module, batches)
    norm = module.layers[1]  # type: ignore[index]
    torch.testing.assert_close(norm.running_mean, numbers.mean(-2))
    torch.testing.assert_close(norm.running_var, torch.stack([b.numbers.var(-2) for b in batches]).mean(0))
    assert norm.momentum == 0.1
    assert not any(leaf.training for leaf in module.modules())


def test_slow_weights_follow_their_recurrence_and_fast_ones_go_on_from_there() -> None:
    fast = nn.Parameter(torch.tensor([0.0]))
    lookahead = Lookahead({"w": fast}, Recipe(lookahead=True, lookahead_steps=2, lookahead_alpha=0.5), {})
    seen = []
    for steps in range(1, 7):
        with torch.no_grad():
            fast += 4.0
        lookahead.after_step(steps)
        seen.append((fast.item(), lookahead.slow["w"].item()))
    # Two steps of 4 lead to 8, half way is 4; on from there to 12, half way is 8; and so on.
    assert seen == [(4, 0), (4, 4), (8, 4), (8, 8), (12, 8), (12, 12)]
    again = Lookahead({"w": fast}, Recipe(lookahead_steps=1, lookahead_alpha=0.25), {"w": torch.tensor([4.0])})
    again.after_step(7)
    assert fast.item() == again.slow["w"].item() == 6.0


def test_cycles_end_where_the_rate_jumps() -> None:
    recipe = Recipe(schedule="restarts", restarts_first=4, restarts_factor=1.5, warmup=0.05, epochs=40)
    assert cycle_ends(recipe) == (6, 12, 21, 34, 40)  # after 2 + 4, 6 + 6, 12 + 9 and 21 + 13.5 epochs
    rates = [factor(recipe, step / 400) for step in range(400)]
    jumps = [step for step in range(21, 400) if rates[step] > rates[step - 1]]
    assert jumps == [60, 120, 210, 345]
    assert cycle_ends(Recipe(schedule="cosine", epochs=40)) == (40,)


def test_the_ensemble_of_an_epoch_holds_the_last_cycles_before_it() -> None:
    recipe = Recipe(
        schedule="restarts", restarts_first=2, restarts_factor=1.0, warmup=0.0, epochs=9, restarts_snapshots=3
    )
    before = {epoch: snapshots_before(recipe, epoch) for epoch in (1, 2, 3, 5, 7, 9)}
    assert before == {1: (), 2: (), 3: (2,), 5: (2, 4), 7: (4, 6), 9: (6, 8)}
    assert snapshots_kept(recipe, 6) == (2, 4, 6)
    assert snapshots_kept(Recipe(schedule="restarts", restarts_first=2), 6) == ()


def test_networks_side_by_side_predict_the_mean_of_their_probabilities() -> None:
    nets = [Whole(nn.Linear(3, 2)) for _ in range(3)]
    numbers = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    logits = SnapshotEnsemble(nets)(numbers, numbers)
    assert logits.shape == (5, 3, 2)
    each = torch.stack([net(numbers, numbers).softmax(1) for net in nets]).mean(0)
    torch.testing.assert_close(mean_prediction("cross_entropy", logits).softmax(1), each)
    twice = SnapshotEnsemble([SnapshotEnsemble(nets), SnapshotEnsemble(nets[:2])])(numbers, numbers)
    assert twice.shape == (5, 5, 2)
