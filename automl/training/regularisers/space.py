"""What is searched of the regularisers that act while training: those of the regularisation cocktail."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

AUGMENTATION_WEIGHTS = {"none": 0.7, "mixup": 0.1, "cutmix": 0.07, "cutout": 0.07, "adversarial": 0.06}
AVERAGING_WEIGHTS = {"none": 0.75, "ema": 0.15, "swa": 0.1}
"""How often random search tries each. A cocktail of all, drawn by chance, is worse than none: it needs the search."""


def regulariser_space() -> ConfigurationSpace:
    """Fields of `Recipe`, all switched off by default.

    Ranges and defaults: Kadra et al. 2021 (arXiv:2106.11189), table 1; those of the means are ours. What is part of
    the architecture, such as dropout and shake-drop, is in the spaces of the families.
    """
    from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

    space = ConfigurationSpace()
    space.add(
        Categorical("augmentation", list(AUGMENTATION_WEIGHTS), weights=list(AUGMENTATION_WEIGHTS.values())),
        Float("mixup_alpha", (0.0, 1.0), default=0.2),
        Float("cutmix_probability", (0.0, 1.0), default=0.2),
        Float("cutout_probability", (0.0, 1.0), default=0.2),
        Float("cutout_share", (0.0, 1.0), default=0.2),
        Float("adversarial_epsilon", (1e-3, 0.15), log=True, default=0.007),
        Categorical("averaging", list(AVERAGING_WEIGHTS), weights=list(AVERAGING_WEIGHTS.values())),
        Float("ema_decay", (0.9, 0.999), default=0.99),
        Float("swa_start", (0.5, 0.9), default=0.75),
        Categorical("lookahead", [False, True], default=False, weights=[0.85, 0.15]),
        Integer("lookahead_steps", (5, 10), default=6),
        Float("lookahead_alpha", (0.5, 0.8), default=0.6),
    )
    for switch, names in (("augmentation", AUGMENTATION_WEIGHTS), ("averaging", AVERAGING_WEIGHTS)):
        for chosen in names:
            own = [name for name in space if name.startswith(f"{chosen}_")]
            space.add(*(EqualsCondition(space[name], space[switch], chosen) for name in own))
    for name in ("lookahead_steps", "lookahead_alpha"):
        space.add(EqualsCondition(space[name], space["lookahead"], True))
    return space
