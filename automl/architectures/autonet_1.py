"""The network of Auto-Net 1.0: up to six layers, each with choices of its own, and a training of its own.

Sources: Mendoza et al. 2016, "Towards Automatically-Tuned Neural Networks", table 1, and the code of its authors, which
the names are from; the space is in configs/spaces/autonet-1.toml. For a search of today, `mlp` has the better space:
this one is there so that the published system can be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from automl.architectures.family import Shape
from automl.settings import space_settings

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn

FEWEST_EPOCHS, MOST_EPOCHS = 2, 50
"""Bounds of a full run, whatever the number of updates is, as in the authors' code."""
SOLVERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "adam": {"optimizer": "adam"},
        "adadelta": {"optimizer": "adadelta"},
        "adagrad": {"optimizer": "adagrad"},
        "sgd": {"optimizer": "sgd", "momentum": 0.0},
        "momentum": {"optimizer": "sgd", "nesterov": False},
        "nesterov": {"optimizer": "sgd", "nesterov": True},
        # Schaul & LeCun 2013 with the memory of RMSprop; adam is what came of that line, and is a stand-in here.
        "smorm3s": {"optimizer": "adam"},
    }
)
"""Auto-Net's name of a solver → fields of the recipe."""
POLICIES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "fixed": {"schedule": "constant"},
        "inv": {"schedule": "inverse", "gamma": "inverse_gamma", "power": "inverse_power"},
        "exp": {"schedule": "exponential", "gamma": "exponential_factor"},
        "step": {"schedule": "step", "gamma": "step_factor", "epoch_step": "step_every"},
    }
)
"""Auto-Net's name of a learning rate policy → the recipe's schedule, and what its parameters are called there."""


class AutoNet1:
    """Dropout → linear → activation for each layer, then dropout → linear."""

    name = "autonet_1"
    members = True

    def space(self) -> ConfigurationSpace:
        return space_settings("autonet-1").part(self.name)

    def recipe_space(self) -> ConfigurationSpace:
        return space_settings("autonet-1").part(f"{self.name}.train")

    def preparation_space(self) -> ConfigurationSpace:
        return space_settings("autonet-1").part(f"{self.name}.prepare")

    def recipe(
        self,
        rows: int,
        *,
        batch_size: int,
        number_updates: int,
        learning_rate: float,
        lambda2: float,
        solver: str,
        lr_policy: str = "fixed",
        beta1: float | None = None,
        beta2: float | None = None,
        rho: float | None = None,
        momentum: float | None = None,
        **policy: Any,
    ) -> dict[str, Any]:
        """Fields of `Recipe` in place of Auto-Net's names.

        Parameters
        ----------
        rows: training rows, which say how many epochs the updates are.
        beta1, beta2: one minus what is kept, as in Auto-Net.
        policy: gamma, power and epoch_step, as far as the policy has them.

        Examples
        --------
        >>> fixed = {"batch_size": 32, "learning_rate": 0.01, "lambda2": 1e-4}
        >>> made = AutoNet1().recipe(640, number_updates=200, solver="nesterov", momentum=0.9, **fixed)
        >>> made["epochs"], made["optimizer"], made["nesterov"], made["schedule"]
        (10, 'sgd', True, 'constant')
        """
        epochs = number_updates * batch_size // rows
        schedule, *_ = (named := POLICIES[lr_policy]).values()
        kept = {"beta1": None if beta1 is None else 1 - beta1, "beta2": None if beta2 is None else 1 - beta2}
        chosen = {**kept, "rho": rho, "momentum": momentum}
        return {
            "batch_size": batch_size,
            "epochs": min(max(epochs, FEWEST_EPOCHS), MOST_EPOCHS),
            "learning_rate": learning_rate,
            "weight_decay": 2 * lambda2,  # of the gradient, where Auto-Net adds λ₂ · |w|² to the loss
            "warmup": 0.0,
            "schedule": schedule,
            **{named[name]: value for name, value in policy.items()},
            **SOLVERS[solver],
            **{name: value for name, value in chosen.items() if value is not None},
        }

    def build(self, shape: Shape, *, num_layers: int, dropout_output: float, **each: Any) -> nn.Module:
        """A module from (…, shape.inputs) to (…, shape.outputs) logits.

        each: num_units_i, dropout_i, activation_i and weight_init_i of each layer, and std_i, leakiness_i, tanh_alpha_i
            and tanh_beta_i of those that have them.

        Raises
        ------
        TypeError: a hyperparameter that is missing, or that no layer has.
        """
        from torch import nn

        from automl.architectures import blocks
        from automl.architectures.first_weights import begin

        layers: list[nn.Module] = []
        inputs = shape.inputs
        for i in range(1, num_layers + 1):
            own = {name: each.pop(f"{name}_{i}") for name in _OF_A_LAYER if f"{name}_{i}" in each}
            layers += _layer(inputs, **own)
            inputs = own["num_units"]
        if each:
            raise TypeError(f"unexpected hyperparameters: {', '.join(each)}")
        head = begin(nn.Linear(inputs, shape.outputs), "glorot_normal")
        return nn.Sequential(*layers, *blocks.dropout(dropout_output), head)


_OF_A_LAYER = (
    "num_units",
    "dropout",
    "activation",
    "weight_init",
    "std",
    "leakiness",
    "tanh_alpha",
    "tanh_beta",
)


def _layer(
    inputs: int,
    *,
    num_units: int,
    dropout: float,
    activation: str,
    weight_init: str,
    std: float = 0.005,
    leakiness: float = 0.01,
    tanh_alpha: float = 2 / 3,
    tanh_beta: float = 1.7159,
) -> list[nn.Module]:
    from torch import nn

    from automl.architectures import blocks
    from automl.architectures.activations import ScaledTanh
    from automl.architectures.first_weights import begin

    match activation:
        case "linear":
            bend: list[nn.Module] = []
        case "leaky":
            bend = [nn.LeakyReLU(leakiness)]
        case "very_leaky":
            bend = [nn.LeakyReLU(1 / 3)]  # as in lasagne
        case "elu":
            bend = [nn.ELU()]
        case "scaled_tanh":
            bend = [ScaledTanh(tanh_alpha, tanh_beta)]
        case _:
            bend = [blocks.activation(activation)]
    return [*blocks.dropout(dropout), begin(nn.Linear(inputs, num_units), weight_init, std=std), *bend]
