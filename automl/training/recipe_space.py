"""What is searched of a recipe, for all families that are not defined together with their training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

OPTIMIZER_WEIGHTS = {"adamw": 0.78, "adam": 0.07, "sgd": 0.1, "rmsprop": 0.05}
"""How often random search tries each: adamw is what the best networks on tables are trained with (Kadra et al. 2021,
arXiv:2106.11189; Gorishniy et al. 2025, arXiv:2410.24210), and the range of learning rates is made for it; the others
give an ensemble something else. Adagrad and adadelta are left to recipes written by hand."""
SCHEDULE_WEIGHTS = {
    "cosine": 0.6,
    "coslog4": 0.08,
    "flat_cosine": 0.06,
    "one_cycle": 0.05,
    "restarts": 0.04,
    "constant": 0.05,
    "plateau": 0.03,
    "step": 0.03,
    "exponential": 0.02,
    "inverse": 0.02,
    "cyclic": 0.02,
}


def recipe_space() -> ConfigurationSpace:
    """What is searched of a recipe; `Recipe(**config)` takes its configurations.

    Epochs and patience are not searched: they are the budget. Ranges follow Auto-Net (Mendoza et al. 2018),
    Auto-PyTorch (Zimmer et al. 2021, arXiv:2006.13799) and regularisation cocktails (Kadra et al. 2021,
    arXiv:2106.11189). Deviations: weight decay is on a log scale, and what counts in epochs is made for full runs of
    15 to 100: a rate that has fallen to a hundredth after ten epochs wastes the rest.
    """
    from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

    from automl.training.regularisers.space import regulariser_space

    space = ConfigurationSpace()
    space.add(
        Categorical("optimizer", list(OPTIMIZER_WEIGHTS), default="adamw", weights=list(OPTIMIZER_WEIGHTS.values())),
        Float("learning_rate", (1e-4, 1e-1), log=True, default=3e-3),
        Float("weight_decay", (1e-6, 1e-1), log=True, default=1e-2),
        Float("beta1", (0.85, 0.98), default=0.9),
        Float("beta2", (0.95, 0.9999), default=0.999),
        Float("momentum", (0.5, 0.99), default=0.9),
        Categorical("nesterov", [True, False], default=True),
        Float("alpha", (0.9, 0.999), default=0.99),
        Categorical("schedule", list(SCHEDULE_WEIGHTS), default="cosine", weights=list(SCHEDULE_WEIGHTS.values())),
        Integer("restarts_first", (5, 30), log=True, default=15),
        Float("restarts_factor", (1.0, 2.0), default=2.0),
        Integer("restarts_snapshots", (1, 4), default=1),
        Integer("step_every", (5, 50), log=True, default=30),
        Float("step_factor", (0.05, 0.9), log=True, default=0.1),
        Float("exponential_factor", (0.9, 0.999), default=0.96),
        Float("inverse_gamma", (1e-3, 1.0), log=True, default=1e-2),
        Float("inverse_power", (0.1, 1.0), default=0.5),
        Integer("plateau_patience", (3, 10), default=5),
        Float("plateau_factor", (0.05, 0.5), log=True, default=0.2),
        Float("one_cycle_rise", (0.1, 0.5), default=0.3),
        Integer("cyclic_length", (3, 20), log=True, default=10),
        Float("cyclic_low", (1e-3, 0.5), log=True, default=0.1),
        Float("cyclic_shrink", (0.5, 1.0), default=1.0),
        Integer("batch_size", (32, 1024), log=True, default=256),
        Float("label_smoothing", (0.0, 0.2), default=0.0),
    )
    _add_conditions(space)
    regularisers = regulariser_space()
    space.add(*regularisers.values(), *regularisers.conditions)
    return space


def _add_conditions(space: ConfigurationSpace) -> None:
    """Each parameter is active with the optimisers or the schedule that read it."""
    from ConfigSpace import EqualsCondition, InCondition

    space.add(
        InCondition(space["beta1"], space["optimizer"], ["adamw", "adam"]),
        InCondition(space["beta2"], space["optimizer"], ["adamw", "adam"]),
        InCondition(space["momentum"], space["optimizer"], ["sgd", "rmsprop"]),
        EqualsCondition(space["nesterov"], space["optimizer"], "sgd"),
        EqualsCondition(space["alpha"], space["optimizer"], "rmsprop"),
    )
    for schedule in SCHEDULE_WEIGHTS:
        own = [name for name in space if name.startswith(f"{schedule}_")]
        space.add(*(EqualsCondition(space[name], space["schedule"], schedule) for name in own))
