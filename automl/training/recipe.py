"""How a network is trained: the choices, each with its rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from types import MappingProxyType

from automl.errors import SettingError, unknown
from automl.training.schedules import SCHEDULES, STRENGTHS

OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop", "adagrad", "adadelta")
AUGMENTATIONS = ("none", "mixup", "cutmix", "cutout", "adversarial")
AVERAGINGS = ("none", "ema", "swa")
_SWITCHES = ("nesterov", "lookahead", "flip")
_MAY_BE_NONE = frozenset({"clip", "cosine_epochs"})
_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "optimizer": OPTIMIZERS,
        "schedule": tuple(SCHEDULES),
        "weight_decay_schedule": STRENGTHS,
        "dropout_schedule": STRENGTHS,
        "augmentation": AUGMENTATIONS,
        "averaging": AVERAGINGS,
    }
)
_COUNTS: Mapping[str, int] = MappingProxyType(
    {
        "cosine_epochs": 1,
        "restarts_first": 1,
        "step_every": 1,
        "plateau_patience": 0,
        "cyclic_length": 1,
        "batch_size": 2,
        "epochs": 1,
        "patience": 1,
        "lookahead_steps": 1,
        "restarts_snapshots": 1,
        "randaugment": 0,
        "randaugment_magnitude": 0,
    }
)
"""Name → the least whole number allowed."""
_NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "learning_rate": "(0, inf)",
        "weight_decay": "[0, inf)",
        "beta1": "[0, 1)",
        "beta2": "[0, 1)",
        "momentum": "[0, 1)",
        "alpha": "[0, 1)",
        "rho": "[0, 1)",
        "warmup": "[0, 1)",
        "restarts_factor": "[1, inf)",
        "step_factor": "(0, 1]",
        "exponential_factor": "(0, 1]",
        "inverse_gamma": "[0, inf)",
        "inverse_power": "[0, inf)",
        "plateau_factor": "(0, 1]",
        "one_cycle_rise": "(0, 1)",
        "cyclic_low": "[0, 1]",
        "cyclic_shrink": "(0, 1]",
        "label_smoothing": "[0, 1)",
        "clip": "(0, inf)",
        "mixup_alpha": "[0, inf)",
        "cutmix_probability": "[0, 1]",
        "cutout_probability": "[0, 1]",
        "cutout_share": "[0, 1]",
        "adversarial_epsilon": "[0, inf)",
        "ema_decay": "[0, 1]",
        "swa_start": "[0, 1)",
        "lookahead_alpha": "(0, 1]",
        "crop": "[0, 0.5)",
    }
)
"""Name → the interval that the number must lie in."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained. Fields that the chosen optimiser or schedule does not name are not read.

    Epochs are those of a full run, counted from the end of the warm-up, whatever share of the run is trained.

    Attributes
    ----------
    optimizer: "adamw" (Loshchilov & Hutter 2019, arXiv:1711.05101), "adam" (Kingma & Ba 2015, arXiv:1412.6980), "sgd",
        "rmsprop" (Tieleman & Hinton 2012), "adagrad" (Duchi et al. 2011) or "adadelta" (Zeiler 2012, arXiv:1212.5701).
    learning_rate: at the height of the schedule, > 0.
    weight_decay: ≥ 0; weights only, not biases and norms. Decoupled for adamw, an L2 term of the gradient else.
    beta1, beta2: of adamw and adam, in [0, 1): how much of the mean gradient and of the mean square is kept.
    momentum: of sgd and rmsprop, in [0, 1). nesterov: of sgd.
    alpha, rho: of rmsprop and of adadelta, in [0, 1): how much of the mean square is kept.
    schedule: of the learning rate, a name in `schedules.SCHEDULES`.
    warmup: share of a full run in which the rate rises linearly, in [0, 1). None for one_cycle, cyclic and coslog4,
        which rise by themselves.
    cosine_epochs: epochs, ≥ 1, in which the rate falls to zero, to rise again as slowly; None for the whole run.
    restarts_first, restarts_factor: epochs of the first cycle, ≥ 1; how much longer each next one is, ≥ 1. The
        default of 15 and 2 fills 105 epochs with three cycles (Kadra et al. 2021, arXiv:2106.11189).
    step_every, step_factor: epochs between falls, ≥ 1; what is left after each, in (0, 1].
    exponential_factor: what is left after each epoch, in (0, 1].
    inverse_gamma, inverse_power: γ and k of (1 + γt)^−k after t epochs, ≥ 0.
    plateau_patience, plateau_factor: epochs without a better validation loss that are borne, ≥ 0; what is left after
        one more, in (0, 1]. Networks whose rates follow their own losses train one after another.
    one_cycle_rise: share of a full run until the height, in (0, 1).
    cyclic_length, cyclic_low, cyclic_shrink: epochs of a cycle, ≥ 1; lowest factor, in [0, 1]; height of each cycle
        as a share of the last one's, in (0, 1].
    weight_decay_schedule, dropout_schedule: "constant", or "flat_cosine" to zero in the second half of a full run.
    batch_size: rows per step and member, ≥ 2; at most the training rows are used.
    epochs: of a full run, ≥ 1.
    patience: epochs without a better validation loss after which a member stops, ≥ 1.
    label_smoothing: of the cross-entropy, in [0, 1).
    clip: largest norm of a member's gradient, > 0, or None.
    augmentation: of the dense input, "none" or a name in `regularisers.augmentation.AUGMENTATIONS`; of images, where
        boxes stand for columns, in `regularisers.images.MIXES`.
    mixup_alpha: α of the Beta distribution of the shares, ≥ 0; 0 is no mixup.
    cutmix_probability, cutout_probability: of a batch to be changed, in [0, 1].
    cutout_share: of the columns that are cut, in [0, 1].
    adversarial_epsilon: how far inputs are moved, ≥ 0, in standard deviations of a scaled number.
    averaging: what is validated and kept in place of the weights: "none", "ema" (a moving mean over the steps) or
        "swa" (the mean over the last epochs), see `regularisers.averaging`.
    ema_decay: share of the mean that is kept at each step, in [0, 1]. swa_start: share of a full run after which the
        mean begins, in [0, 1).
    lookahead: whether slow weights follow the steps, see `regularisers.lookahead`.
    lookahead_steps, lookahead_alpha: steps between two moves of the slow weights, ≥ 1; share of the way, in (0, 1].
    restarts_snapshots: networks, ≥ 1, whose predictions are averaged at most under the schedule "restarts": the
        present one and those at the ends of the cycles before (Huang et al. 2017, arXiv:1704.00109).
    crop, flip: of images, see `regularisers.images`: share of the side by which each is moved at most, in [0, 0.5);
        whether half are mirrored.
    randaugment, randaugment_magnitude: of images: operations that distort each, ≥ 0; how much, of 30.

    Raises
    ------
    SettingError: a value that breaks its rule.
    """

    optimizer: str = "adamw"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    beta1: float = 0.9
    beta2: float = 0.999
    momentum: float = 0.9
    nesterov: bool = True
    alpha: float = 0.99
    rho: float = 0.9
    schedule: str = "cosine"
    warmup: float = 0.05
    cosine_epochs: int | None = None
    restarts_first: int = 15
    restarts_factor: float = 2.0
    step_every: int = 30
    step_factor: float = 0.1
    exponential_factor: float = 0.96
    inverse_gamma: float = 1e-2
    inverse_power: float = 0.5
    plateau_patience: int = 5
    plateau_factor: float = 0.2
    one_cycle_rise: float = 0.3
    cyclic_length: int = 10
    cyclic_low: float = 0.1
    cyclic_shrink: float = 1.0
    weight_decay_schedule: str = "constant"
    dropout_schedule: str = "constant"
    batch_size: int = 256
    epochs: int = 100
    patience: int = 20
    label_smoothing: float = 0.0
    clip: float | None = None
    augmentation: str = "none"
    mixup_alpha: float = 0.2
    cutmix_probability: float = 0.2
    cutout_probability: float = 0.2
    cutout_share: float = 0.2
    adversarial_epsilon: float = 0.007
    averaging: str = "none"
    ema_decay: float = 0.99
    swa_start: float = 0.75
    lookahead: bool = False
    lookahead_steps: int = 6
    lookahead_alpha: float = 0.6
    restarts_snapshots: int = 1
    crop: float = 0.0
    flip: bool = False
    randaugment: int = 0
    randaugment_magnitude: int = 9

    def __post_init__(self) -> None:
        for name, known in _NAMES.items():
            if getattr(self, name) not in known:
                raise unknown(name, getattr(self, name), known)
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise _broken(name, getattr(self, name), "True or False")
        for name, least in _COUNTS.items():
            value = getattr(self, name)
            if value is None and name in _MAY_BE_NONE:
                continue
            if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
                raise _broken(name, value, f"a whole number ≥ {least}" + _or_none(name))
        for name, interval in _NUMBERS.items():
            value = getattr(self, name)
            if not _within(value, interval) and not (name in _MAY_BE_NONE and value is None):
                raise _broken(name, value, f"a number in {interval}" + _or_none(name))


def _or_none(name: str) -> str:
    return " or None" if name in _MAY_BE_NONE else ""


def _within(value: object, interval: str) -> bool:
    """Whether a value is a finite number in an interval such as "[0, 1)"."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    number = float(value)
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = number >= low if interval[0] == "[" else number > low
    below = number <= high if interval[-1] == "]" else number < high
    return math.isfinite(number) and above and below


def _broken(name: str, value: object, rule: str) -> SettingError:
    return SettingError(f"{name}={value!r} in the recipe must be {rule}")
