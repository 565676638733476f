"""Shake-shake and shake-drop: their numbers, their gradients, their expectation, and members of their own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from automl.architectures.blocks import Residual, ResidualStyle
from automl.architectures.dropout import seed_dropout
from automl.architectures.shake import ShakeDrop, ShakeShake, drop_probabilities
from automl.architectures.stacking import stack, unstack, with_member_dropout
from automl.errors import SettingError


def armed(leaf: nn.Module, *seeds: int) -> nn.Module:
    seed_dropout(leaf, [torch.Generator().manual_seed(s) for s in seeds])
    return leaf


def test_shake_shake_weighs_rows_by_uniform_numbers_that_sum_to_one_and_is_the_mean_when_evaluating() -> None:
    leaf = armed(ShakeShake("shake_shake"), 0)
    first, second = torch.ones(4000, 3), torch.zeros(4000, 3)
    alpha = leaf(first, second)
    assert torch.equal(alpha[:, 0], alpha[:, 2])  # one number a row
    assert abs(float(alpha.mean()) - 0.5) < 0.02
    assert abs(float(alpha.var()) - 1 / 12) < 0.01
    torch.testing.assert_close(armed(leaf, 0)(second, first), 1 - alpha)
    assert torch.equal(leaf.eval()(first, second), torch.full_like(first, 0.5))


@pytest.mark.parametrize(("rule", "forwards", "backwards"), [("shake_even", 1, 0), ("even_even", 0, 0)])
def test_the_rules_say_which_way_is_random(rule: str, forwards: int, backwards: int) -> None:
    first, second = torch.ones(50, 2, requires_grad=True), torch.zeros(50, 2, requires_grad=True)
    out = armed(ShakeShake(rule), 0)(first, second)
    out.sum().backward()
    assert first.grad is not None
    assert (out.std().item() > 0.1) == bool(forwards)
    assert (float(first.grad.std()) > 0.1) == bool(backwards)
    assert torch.equal(first.grad, torch.full_like(first, 0.5))


def test_gradients_of_shake_shake_have_numbers_of_their_own() -> None:
    first, second = torch.ones(4000, 1, requires_grad=True), torch.zeros(4000, 1, requires_grad=True)
    alpha = armed(ShakeShake("shake_shake"), 0)(first, second)
    alpha.sum().backward()
    assert first.grad is not None
    assert second.grad is not None
    torch.testing.assert_close(first.grad + second.grad, torch.ones(4000, 1))
    assert abs(float(torch.corrcoef(torch.cat([first.grad, alpha.detach()], 1).T)[0, 1])) < 0.05


def test_shake_drop_keeps_whole_batches_with_the_probability_left_and_shakes_the_others_by_row() -> None:
    leaf = armed(ShakeDrop(0.3), 0)
    batches = torch.stack([leaf(torch.ones(8, 1)) for _ in range(3000)])[..., 0]
    whole = (batches == 1).all(1)
    assert abs(float(whole.float().mean()) - 0.7) < 0.03
    alpha = batches[~whole]
    assert float(alpha.min()) < -0.99
    assert float(alpha.max()) < 1
    assert abs(float(alpha.mean())) < 0.03
    assert torch.equal(leaf.eval()(torch.ones(2, 2)), torch.full((2, 2), 1 - 0.3))  # the mean of all that


def test_gradients_of_shake_drop_are_never_turned_around() -> None:
    x = torch.ones(4000, 1, requires_grad=True)
    out = armed(ShakeDrop(1.0), 0)(x)
    out.sum().backward()
    assert x.grad is not None
    assert out.min().item() < -0.9
    assert float(x.grad.min()) >= 0
    assert abs(float(x.grad.mean()) - 0.5) < 0.02


def test_shake_drop_with_probability_zero_is_the_plain_block() -> None:
    style = ResidualStyle("relu")
    plain = Residual(4, 6, style, dropout=0.0)
    shaky = Residual(4, 6, style, dropout=0.0, shake_drop=0.5)
    shaky.load_state_dict(plain.state_dict())
    shaky.drop = ShakeDrop(0.0)
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    for training in (True, False):
        assert torch.equal(plain.train(training)(x), shaky.train(training)(x))


def test_deeper_blocks_are_dropped_more_often() -> None:
    assert drop_probabilities(0.8, 2) == (0.4, 0.8)
    assert drop_probabilities(0.0, 3) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("rule", ["shake_shake", "shake_even", None])
def test_members_that_shake_together_equal_those_that_shake_alone(rule: str | None) -> None:
    style = ResidualStyle("silu", "layer", shake_shake=rule)
    nets = [Residual(5, 5, style, dropout=0.2, shake_drop=0.6) for _ in range(3)]
    x = torch.randn(3, 8, 5, generator=torch.Generator().manual_seed(1))
    together = armed(stack(nets), 7, 8, 9)
    alone = [armed(with_member_dropout(net), seed) for net, seed in zip(nets, (7, 8, 9), strict=True)]
    for _ in range(4):
        out = together(x)
        for m, net in enumerate(alone):
            torch.testing.assert_close(out[m], net(x[m]))
    out.square().sum().backward()
    net(x[2]).square().sum().backward()
    assert unstack(together, 2).keys() == nets[2].state_dict().keys()


def test_several_members_without_generators_say_what_to_call() -> None:
    with pytest.raises(SettingError, match="seed_dropout"):
        ShakeDrop(0.5, members=2)(torch.ones(2, 3, 1))
    with pytest.raises(SettingError, match="did you mean 'shake_even'"):
        ShakeShake("shake_evn")
