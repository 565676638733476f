"""What augmentations feed a network and what they ask of it, seen by a body that remembers its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl.architectures.inputs import Embeddings, Front, TabularNet
from automl.architectures.stacking import stack
from automl.training.data import Batch
from automl.training.losses import step_loss
from automl.training.recipe import AUGMENTATIONS as NAMES
from automl.training.recipe import Recipe
from automl.training.regularisers.adversarial import Adversarial
from automl.training.regularisers.augmentation import AUGMENTATIONS, Augmentation
from automl.training.regularisers.cutmix import CutMix
from automl.training.regularisers.cutout import Cutout
from automl.training.regularisers.mixup import Mixup

ROWS, COLUMNS = 6, 10


class Remembering(nn.Module):
    """A linear map that keeps what it was fed."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(COLUMNS, 2)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        out: Tensor = self.linear(x)
        return out


def network() -> TabularNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TabularNet(Front(COLUMNS, [], Embeddings()), Remembering(), members=True)


def batch(members: int = 1) -> Batch:
    g = torch.Generator().manual_seed(0)
    lead = () if members == 1 else (members,)
    numbers = torch.randn(*lead, ROWS, COLUMNS, generator=g)
    targets = torch.randint(0, 2, (members * ROWS,), generator=g)
    return Batch(numbers, torch.zeros(*lead, ROWS, 0, dtype=torch.int64), targets, None)


def objective(logits: Tensor, batch: Batch) -> Tensor:
    return step_loss("cross_entropy", logits, batch, 0.0)


def rngs(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def fed(augmentation: Augmentation, seed: int = 0) -> tuple[Tensor, Tensor, Any]:
    """What the body was fed, the loss, and the network."""
    net = network()
    loss = augmentation.loss(net, batch(), rngs(seed), objective)
    return net.body.seen[-1], loss, net


def test_the_table_has_the_names_that_a_recipe_knows() -> None:
    assert ("none", *AUGMENTATIONS) == NAMES
    for name in AUGMENTATIONS:
        assert isinstance(AUGMENTATIONS[name](Recipe(augmentation=name)).passes, int)


def test_mixup_mixes_each_row_and_its_loss_with_the_row_before_by_the_drawn_share() -> None:
    x, y = batch().numbers, batch().targets
    seen, loss, net = fed(Mixup(0.4))
    share = float(Mixup(0.4).draw(rngs(0)[0])[0])
    assert 0.5 <= share < 1
    torch.testing.assert_close(seen, share * x + (1 - share) * x[[-1, 0, 1, 2, 3, 4]])
    logits = net.body.linear(seen)
    expected = share * F.cross_entropy(logits, y) + (1 - share) * F.cross_entropy(logits, y[[-1, 0, 1, 2, 3, 4]])
    torch.testing.assert_close(loss, expected)


def test_shares_of_mixup_follow_their_distribution_folded_at_a_half() -> None:
    generator = np.random.default_rng(0)
    drawn = np.array([Mixup(1.0).draw(generator)[0] for _ in range(4000)])
    assert np.quantile(drawn, [0.0, 0.25, 0.5, 0.75, 1.0]) == pytest.approx([0.5, 0.625, 0.75, 0.875, 1.0], abs=0.02)


@pytest.mark.parametrize("alpha", [0.0, 1e-6])
def test_mixup_comes_to_nothing_as_alpha_goes_to_zero(alpha: float) -> None:
    seen, loss, net = fed(Mixup(alpha))
    torch.testing.assert_close(seen, batch().numbers)
    torch.testing.assert_close(loss, objective(net(batch().numbers, batch().codes), batch()))


def test_cutmix_takes_columns_of_the_row_before_and_weighs_its_loss_by_their_share() -> None:
    x, y = batch().numbers, batch().targets
    seen, loss, net = fed(CutMix(1.0))
    before = x[[-1, 0, 1, 2, 3, 4]]
    taken = (seen == before).all(0)
    assert torch.equal(seen, torch.where(taken, before, x))
    generator = rngs(0)[0]
    generator.random()
    assert int(taken.sum()) == max(1, int(COLUMNS * generator.random())) == 2  # λ = 0.27 with this seed
    logits = net.body.linear(seen)
    expected = 0.8 * F.cross_entropy(logits, y) + 0.2 * F.cross_entropy(logits, y[[-1, 0, 1, 2, 3, 4]])
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("make", [CutMix, lambda p: Cutout(p, 0.3)])
def test_batches_are_changed_with_the_given_probability(make: Any) -> None:
    generator = np.random.default_rng(0)
    changed = [make(0.3).draw(generator, COLUMNS).min() == 0 for _ in range(4000)]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.02)
    assert make(0.0).draw(generator, COLUMNS).tolist() == [1.0] * COLUMNS


@pytest.mark.parametrize(("share", "cut"), [(0.0, 1), (0.35, 3), (1.0, 10)])
def test_cutout_blanks_its_share_of_the_columns_and_leaves_targets_alone(share: float, cut: int) -> None:
    seen, loss, net = fed(Cutout(1.0, share))
    blank = (seen == 0).all(0)
    assert int(blank.sum()) == cut
    assert torch.equal(seen[:, ~blank], batch().numbers[:, ~blank])
    torch.testing.assert_close(loss, objective(net.body.linear(seen), batch()))


def test_the_adversary_moves_inputs_by_epsilon_along_the_sign_of_the_gradient() -> None:
    x, y = batch().numbers, batch().targets
    seen, loss, net = fed(Adversarial(0.1))
    weight = net.body.linear.weight.detach()
    # By hand: the gradient of the cross-entropy is (p − one-hot) W, its size does not count.
    gradient = (net(x, batch().codes).softmax(1).detach() - F.one_hot(y, 2)) @ weight
    torch.testing.assert_close(seen, x + 0.1 * gradient.sign())
    plain, moved = (objective(net.body.linear(rows), batch()) for rows in (x, seen))
    assert moved > plain
    torch.testing.assert_close(loss, (plain + moved) / 2)


def test_the_adversary_leaves_gradients_of_the_parameters_to_the_step() -> None:
    _, loss, net = fed(Adversarial(0.1))
    assert net.body.linear.weight.grad is None
    loss.backward()
    assert net.body.linear.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_members_draw_from_their_own_generators_what_they_would_draw_alone(name: str) -> None:
    fields: dict[str, Any] = {"cutmix_probability": 1.0, "cutout_probability": 1.0, "mixup_alpha": 1.0}
    augmentation = AUGMENTATIONS[name](Recipe(augmentation=name, **fields))
    nets, both = [network(), network()], batch(members=2)
    together = stack(nets)
    assert isinstance(together, TabularNet)
    loss = augmentation.loss(together, both, rngs(3, 4), objective)
    alone = []
    for m, net in enumerate(nets):
        own = Batch(both.numbers[m], both.codes[m], both.targets[m * ROWS : (m + 1) * ROWS], None)
        alone.append(augmentation.loss(net, own, rngs(3 + m), objective))
    torch.testing.assert_close(loss, torch.stack(alone).mean())


def test_embeddings_learn_from_mixed_rows() -> None:
    net = TabularNet(Front(COLUMNS - 6, [10], Embeddings()), Remembering(), members=True)
    numbers = batch().numbers[:, : COLUMNS - 6]
    codes = torch.arange(ROWS).unsqueeze(1)
    for name in AUGMENTATIONS:
        net.zero_grad()
        augmentation = AUGMENTATIONS[name](Recipe(augmentation=name))
        augmentation.loss(net, Batch(numbers, codes, batch().targets, None), rngs(0), objective).backward()
        gradient = net.front.tables["6"].weight.grad  # type: ignore[union-attr]
        assert gradient is not None
        assert gradient[:ROWS].abs().sum() > 0


def test_weights_of_rows_go_with_their_targets() -> None:
    weights = torch.tensor([6.0, 0, 0, 0, 0, 0])
    net, own = network(), batch()
    weighted = Batch(own.numbers, own.codes, own.targets, weights)
    loss = Mixup(1.0).loss(net, weighted, rngs(0), objective)
    share = float(Mixup(1.0).draw(rngs(0)[0])[0])
    logits = net.body.linear(net.body.seen[-1])  # type: ignore[operator, union-attr]
    first, second = (F.cross_entropy(logits[row], own.targets[0]) for row in (0, 1))
    torch.testing.assert_close(loss, share * first + (1 - share) * second)
