"""The members axis: several networks as one equal the same networks one by one."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from automl.architectures.dropout import MemberDropout, scale_dropout, seed_dropout
from automl.architectures.stacking import duplicate, stack, unstack, with_member_dropout
from automl.errors import SettingError


def networks(count: int) -> list[nn.Module]:
    """All leaves with a member form."""
    made: list[nn.Module] = []
    for seed in range(count):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made.append(
                nn.Sequential(
                    nn.Embedding(7, 4),
                    nn.Flatten(-2),
                    nn.Linear(12, 9, bias=False),  # before a norm its gradient is noise
                    nn.BatchNorm1d(9),
                    nn.SiLU(),
                    nn.Dropout(0.3),
                    nn.Linear(9, 6),
                    nn.LayerNorm(6),
                    nn.Linear(6, 2),
                )
            )
    return made


def generators(seeds: list[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(s) for s in seeds]


def train(module: nn.Module, codes: Tensor, targets: Tensor, steps: int = 6) -> None:
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        (module(codes) - targets).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("count", [1, 3])
def test_members_trained_as_one_equal_the_same_networks_trained_alone(count: int) -> None:
    nets = networks(count)
    g = torch.Generator().manual_seed(5)
    codes = torch.randint(0, 7, (count, 10, 3), generator=g)
    targets = torch.randn(count, 10, 2, generator=g)
    together = stack(nets)
    seed_dropout(together, generators(list(range(count))))
    train(together, codes, targets)
    for m, net in enumerate(nets):
        alone = with_member_dropout(net)
        seed_dropout(alone, generators([m]))
        train(alone, codes[m], targets[m])
        found = unstack(together, m)
        assert found.keys() == net.state_dict().keys()
        for name, tensor in alone.state_dict().items():
            torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
        net.load_state_dict(found)
        torch.testing.assert_close(net.eval()(codes[m]), together.eval()(codes)[m])


def test_stacking_copies_and_unstacking_gives_the_networks_back() -> None:
    nets = networks(3)
    before = [copy.deepcopy(net.state_dict()) for net in nets]
    together = stack(nets)
    for m, net in enumerate(nets):
        found = unstack(together, m)
        assert all(torch.equal(found[name], tensor) for name, tensor in net.state_dict().items())
        assert all(tensor.is_contiguous() for tensor in found.values())
    with torch.no_grad():
        for parameter in together.parameters():
            parameter.zero_()
    for net, state in zip(nets, before, strict=True):
        assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in state.items())


def test_a_leaf_with_parameters_and_no_member_form_is_named_with_the_cure() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.PReLU()))
    with pytest.raises(SettingError, match=r"PReLU at '1.0'.*members = False"):
        stack([net, net])


def test_networks_that_differ_are_refused() -> None:
    with pytest.raises(SettingError, match="differ at '0'"):
        stack([nn.Sequential(nn.ReLU()), nn.Sequential(nn.SiLU())])
    with pytest.raises(SettingError, match="equal shapes"):
        stack([nn.Linear(2, 3), nn.Linear(2, 4)])
    with pytest.raises(SettingError, match="at least one network"):
        stack([])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.75])
def test_dropout_drops_its_share_keeps_the_mean_and_rests_in_evaluation(p: float) -> None:
    layer = MemberDropout(p, 2)
    seed_dropout(layer, generators([0, 1]))
    x = torch.ones(2, 300, 301)
    out = layer(x)
    assert abs(float((out == 0).float().mean()) - p) < 0.01
    assert abs(float(out.mean()) - 1) < 0.02
    assert not torch.equal(out[0], out[1])
    assert torch.equal(layer.eval()(x), x)


def test_dropout_drops_the_scaled_rate_from_the_next_step_on_until_armed_anew() -> None:
    layer, x = MemberDropout(0.5, 1), torch.ones(100, 100)
    seed_dropout(layer, generators([0]), steps=9)
    shares = []
    for factor in (1.0, 0.5, 0.5, 0.0, 1.0):
        scale_dropout(layer, factor)
        out = layer(x)
        shares.append(float((out == 0).float().mean()))
        assert float(out.mean()) == pytest.approx(1, abs=0.03)
    assert shares == pytest.approx([0.5, 0.25, 0.25, 0.0, 0.5], abs=0.02)
    scale_dropout(layer, 0.5)
    seed_dropout(layer, generators([0]), steps=9)
    assert float((layer(x) == 0).float().mean()) == pytest.approx(0.5, abs=0.02)


def test_dropout_draws_as_seldom_under_a_schedule_that_rests_as_without_one() -> None:
    outs = []
    for factors in ([1.0, 1.0, 1.0], [None, None, None]):
        layer = MemberDropout(0.3, 1)
        seed_dropout(layer, generators([0]), steps=3)
        for factor in factors:
            if factor is not None:
                scale_dropout(layer, factor)
            outs.append(layer(torch.ones(5, 7)))
    assert all(torch.equal(outs[i], outs[i + 3]) for i in range(3))


def test_dropout_without_generators_says_what_to_call() -> None:
    with pytest.raises(SettingError, match="seed_dropout"):
        MemberDropout(0.5, 1)(torch.ones(3))


def test_a_duplicate_has_tensors_of_its_own_and_keeps_shared_ones_shared() -> None:
    shared = nn.Linear(3, 3)
    net = nn.Sequential(shared, nn.BatchNorm1d(3), shared)
    other = duplicate(net)
    assert other[0] is other[2]
    assert len(list(other.parameters())) == len(list(net.parameters()))
    for name, tensor in net.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)
        assert other.state_dict()[name].data_ptr() != tensor.data_ptr()
    before = net.state_dict()["0.weight"].clone()
    other.train()(torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))
    other.double().eval()
    assert net.training
    assert torch.equal(net[0].weight, before)
    assert int(net[1].num_batches_tracked) == 0
