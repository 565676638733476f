"""How a network is trained: the choices, with their space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl.errors import SettingError, unknown

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "constant")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    optimizer: "adamw" (Loshchilov & Hutter 2019, arXiv:1711.05101) or "sgd" with Nesterov momentum.
    learning_rate: at the height of the schedule, > 0.
    weight_decay: ≥ 0; weights only, not biases and norms. Decoupled for adamw, an L2 term for sgd.
    momentum: of sgd, in [0, 1).
    schedule: "cosine" to zero or "constant", over a full run whatever share of it is trained.
    warmup: share of a full run in which the rate rises linearly, in [0, 1).
    batch_size: rows per step and member; at most the training rows are used.
    epochs: of a full run.
    patience: epochs without a better validation loss after which a member stops.
    label_smoothing: of the cross-entropy, in [0, 1).
    clip: largest norm of a member's gradient, or None.
    """

    optimizer: str = "adamw"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    momentum: float = 0.9
    schedule: str = "cosine"
    warmup: float = 0.05
    batch_size: int = 256
    epochs: int = 100
    patience: int = 20
    label_smoothing: float = 0.0
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise unknown("optimizer", self.optimizer, OPTIMIZERS)
        if self.schedule not in SCHEDULES:
            raise unknown("schedule", self.schedule, SCHEDULES)
        rules = {
            "learning_rate": (self.learning_rate > 0, "> 0"),
            "weight_decay": (self.weight_decay >= 0, "≥ 0"),
            "momentum": (0 <= self.momentum < 1, "in [0, 1)"),
            "warmup": (0 <= self.warmup < 1, "in [0, 1)"),
            "batch_size": (self.batch_size >= 2, "≥ 2"),
            "epochs": (self.epochs >= 1, "≥ 1"),
            "patience": (self.patience >= 1, "≥ 1"),
            "label_smoothing": (0 <= self.label_smoothing < 1, "in [0, 1)"),
            "clip": (self.clip is None or self.clip > 0, "> 0 or None"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise SettingError(f"{name}={getattr(self, name)!r} in the recipe must be {rule}")


def recipe_space() -> ConfigurationSpace:
    """What is searched of a recipe; `Recipe(**config)` takes its configurations.

    Epochs and patience are not searched: they are the budget. Ranges: Auto-Net 2.0 (Mendoza et al.
    2018) and regularisation cocktails (Kadra et al. 2021, arXiv:2106.11189), with weight decay on a log scale.
    """
    from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

    space = ConfigurationSpace()
    optimizer = Categorical("optimizer", list(OPTIMIZERS), default="adamw", weights=[0.8, 0.2])
    momentum = Float("momentum", (0.5, 0.99), default=0.9)
    space.add(
        optimizer,
        momentum,
        Float("learning_rate", (1e-4, 1e-1), log=True, default=3e-3),
        Float("weight_decay", (1e-6, 1e-1), log=True, default=1e-2),
        Categorical("schedule", list(SCHEDULES), default="cosine", weights=[0.8, 0.2]),
        Integer("batch_size", (32, 1024), log=True, default=256),
        Float("label_smoothing", (0.0, 0.2), default=0.0),
    )
    space.add(EqualsCondition(momentum, optimizer, "sgd"))
    return space
