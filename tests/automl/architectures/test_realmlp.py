"""RealMLP: first weights that follow from the rows, rates of its layers, encoded categories, bounded values."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from automl.architectures.catalogue import family
from automl.architectures.family import Shape, native
from automl.architectures.rates import parameter_rates
from automl.architectures.realmlp_network import ParametricActivation, RealMLPNetwork, Tangent


def network(outputs: int = 3, numbers: int = 2, levels: tuple[int, ...] = (2, 4, 20), **changes: Any) -> RealMLPNetwork:
    made = family("realmlp")
    config = native(dict(made.space().get_default_configuration())) | changes
    torch.manual_seed(0)
    built: RealMLPNetwork = made.build(Shape(9, outputs, 100, numbers, levels), **config)
    return built.eval()


def rows(n: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    return torch.randn(n, 2, generator=g), torch.stack(
        [torch.randint(0, m + 1, (n,), generator=g) for m in (2, 4, 20)], 1
    )


@torch.no_grad()
def test_a_layer_starts_with_outputs_of_spread_one_that_are_zero_among_the_rows() -> None:
    x = 5 + 3 * torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    layer = Tangent(4, 50)
    layer.prime(x)
    out = layer(x)
    torch.testing.assert_close(out.std(0, correction=0), torch.ones(50))
    assert (out.min(0).values < 0).all()
    assert (out.max(0).values > 0).all()


@torch.no_grad()
def test_a_layer_of_constant_inputs_keeps_its_weights() -> None:
    layer = Tangent(4, 5)
    before = layer.weight.clone()
    layer.prime(torch.zeros(10, 4))
    assert torch.equal(layer.weight, before)


def test_divided_weights_with_their_rates_take_the_steps_of_the_tangent_parametrisation() -> None:
    layer, rate, decay = Tangent(16, 3), 0.04, 0.02
    tangent = nn.Parameter(layer.weight.detach() * 4)  # y = W x / √16
    rates = parameter_rates(layer)["weight"]
    ordinary = torch.optim.AdamW(
        [layer.weight], lr=rate * rates.learning_rate, weight_decay=decay * rates.decay, betas=(0.9, 0.95)
    )
    other = torch.optim.AdamW([tangent], lr=rate, weight_decay=decay, betas=(0.9, 0.95))
    g = torch.Generator().manual_seed(0)
    for _ in range(10):
        x, y = torch.randn(8, 16, generator=g), torch.randn(8, 3, generator=g)
        for optimizer, weight in ((ordinary, layer.weight), (other, tangent / 4)):
            optimizer.zero_grad()
            F.mse_loss(x @ weight.T, y).backward()
            optimizer.step()
    torch.testing.assert_close(layer.weight, tangent / 4)


def test_rates_are_those_of_the_reference_and_five_times_as_high_for_values() -> None:
    for outputs, times in ((3, 1.0), (1, 5.0)):
        rates = parameter_rates(network(outputs))
        assert rates["scale.weight"].learning_rate == pytest.approx(6.0 * times)
        assert rates["embedding.frequency"].learning_rate == pytest.approx(0.1 * times)
        assert rates["layers.1.weight"].learning_rate == pytest.approx(0.1 * times)
        assert rates["layers.3.weight"].learning_rate == pytest.approx(times / 16)  # 256 inputs
        assert rates["layers.3.weight"].decay == pytest.approx(16.0)
        assert (rates["layers.3.bias"].learning_rate, rates["layers.3.bias"].decay) == (pytest.approx(0.1 * times), 0.0)
        assert rates["front.tables.8.weight"].learning_rate == pytest.approx(times)


@torch.no_grad()
def test_categories_become_signs_one_hot_columns_and_eight_dimensions_and_are_scaled_by_the_rows() -> None:
    net = network(embedding="none")
    assert net.front.width == 1 + 4 + 8
    numbers, codes = torch.zeros(8, 2), torch.ones(8, 3, dtype=torch.int64)
    codes[0, 0] = 2  # one of eight rows: the median is −1, the quartiles agree, half the range is 1
    net.prime(numbers, codes, torch.zeros(8, dtype=torch.int64))
    features = net._features(numbers, codes)
    assert features.shape[1] == 2 + 13
    torch.testing.assert_close(features[0, 2], torch.tensor(2 / math.sqrt(1 + 4 / 9)))
    assert features[1:, 2].tolist() == [0.0] * 7
    assert features[:, 3:7].tolist() == [[0.0] * 4] * 8  # constant columns


@torch.no_grad()
def test_values_are_bounded_by_the_targets_when_predicting_and_free_when_training() -> None:
    net = network(outputs=1, dropout=0.0)
    numbers, codes = rows()
    net.prime(numbers, codes, torch.linspace(-0.1, 0.2, 400))
    free = net.train()(numbers, codes)
    bounded = net.eval()(numbers, codes)
    assert free.min() < -0.1
    assert free.max() > 0.2
    torch.testing.assert_close(bounded, free.clamp(-0.1, 0.2))


@torch.no_grad()
@pytest.mark.parametrize(("name", "function"), [("selu", F.selu), ("mish", F.mish)])
def test_a_parametric_activation_lies_between_the_identity_and_its_function(name: str, function: Any) -> None:
    layer = ParametricActivation(name, 3)
    x = torch.linspace(-2, 2, 12).view(4, 3)
    torch.testing.assert_close(layer(x), function(x))
    layer.weight.copy_(torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(layer(x)[:, 0], x[:, 0])
    torch.testing.assert_close(layer(x)[:, 1], (x + function(x))[:, 1] / 2)


def test_classes_get_selu_and_values_mish_unless_told_otherwise() -> None:
    chosen = {o: network(outputs=o).layers[1].function for o in (1, 2)}
    assert chosen == {1: F.mish, 2: F.selu}
    assert network(outputs=1, activation="relu").layers[1].function is F.relu
