"""Rates of single parameters, as modules declare them."""

from __future__ import annotations

import pytest
from torch import nn

from automl.architectures.rates import Rate, parameter_rates
from automl.errors import SettingError


class Scaled(nn.Module):
    """A layer whose bias learns slowly and does decay."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)
        self.linear.rates = {"bias": Rate(0.1, decay=0.5), "weight": Rate(6.0)}  # type: ignore[assignment]


def test_weights_decay_and_biases_and_norms_do_not_unless_their_module_says_so() -> None:
    assert parameter_rates(nn.Sequential(Scaled())) == {
        "0.linear.weight": Rate(6.0, decay=1.0),
        "0.linear.bias": Rate(0.1, decay=0.5),
        "0.norm.weight": Rate(1.0, decay=0.0),
        "0.norm.bias": Rate(1.0, decay=0.0),
    }


def test_a_rate_for_a_parameter_that_is_not_there_is_an_error() -> None:
    net = nn.Sequential(nn.Linear(3, 2, bias=False))
    net[0].rates = {"bias": Rate(0.1)}  # type: ignore[assignment]
    with pytest.raises(SettingError, match=r"Linear at '0' has a rate for 'bias', .*it has weight"):
        parameter_rates(net)


@pytest.mark.parametrize(("name", "value"), [("learning_rate", -1.0), ("decay", float("inf"))])
def test_factors_are_finite_and_not_negative(name: str, value: float) -> None:
    with pytest.raises(SettingError, match=f"{name}={value}"):
        Rate(**{name: value})
