"""The learning rate over a full run, as a factor of its height; and what else changes on the way.

Each schedule is a pure function of where a full run stands, so that a continued run follows the rates of one that was
never interrupted. To add one: a function, its line in `SCHEDULES`, and its parameters as fields of the recipe.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from automl.errors import unknown

if TYPE_CHECKING:
    from automl.training.recipe import Recipe

WARMUP_START = 0.01
"""Factor with which a warm-up begins."""
ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / (25 * 1e4)
"""Factors at the ends of one cycle: those of fastai and of `torch.optim.lr_scheduler.OneCycleLR`."""
PLATEAU_THRESHOLD = 1e-4
"""Share by which a loss must be lower to count as better, as in `torch.optim.lr_scheduler.ReduceLROnPlateau`."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a full run stands, counted from the end of the warm-up.

    Attributes
    ----------
    done: share of a full run that was trained since the warm-up.
    length: share of a full run that comes after the warm-up.
    epochs: of a full run.
    losses: validation losses of the epochs so far, those of the warm-up included.
    """

    done: float
    length: float
    epochs: int
    losses: Sequence[float]

    @property
    def share(self) -> float:
        """Done of what comes after the warm-up, in [0, 1]."""
        return self.done / self.length

    @property
    def epoch(self) -> float:
        """Epochs since the warm-up, not whole in mid-epoch.

        Rounded, so that a cycle begins at the first step of its epoch, whatever the last bits of `done` are.
        """
        return round(self.done * self.epochs, 9)


def factor(recipe: Recipe, progress: float, losses: Sequence[float] = ()) -> float:
    """Factor of the learning rate at a step of a full run.

    Parameters
    ----------
    progress: share of the full run done at this step, in [0, 1], whatever share of it is trained.
    losses: validation losses after each epoch so far; only "plateau" reads them.

    Returns
    -------
    In [0, 1].

    Examples
    --------
    >>> from automl.training.recipe import Recipe
    >>> factor(Recipe(schedule="cosine", warmup=0.0), 0.5)
    0.5
    """
    warmup = 0.0 if recipe.schedule in RISING else recipe.warmup
    if progress < warmup:
        return WARMUP_START + (1 - WARMUP_START) * progress / warmup
    return SCHEDULES[recipe.schedule](recipe, Stand(progress - warmup, 1 - warmup, recipe.epochs, losses))


def constant(recipe: Recipe, at: Stand) -> float:
    """The same rate all the time."""
    return 1.0


def cosine(recipe: Recipe, at: Stand) -> float:
    """Half a wave down to zero (Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5)."""
    return 0.5 * (1 + math.cos(math.pi * at.done / at.length))


def restarts(recipe: Recipe, at: Stand) -> float:
    """Cosine cycles of T₀, T₀·T_mult, T₀·T_mult², … epochs (Loshchilov & Hutter 2017, arXiv:1608.03983)."""
    length, within = float(recipe.restarts_first), at.epoch
    if recipe.restarts_factor == 1:
        within %= length
    while within >= length:
        within -= length
        length *= recipe.restarts_factor
    return 0.5 * (1 + math.cos(math.pi * within / length))


def cycle_ends(recipe: Recipe) -> tuple[int, ...]:
    """Whole epochs of a full run after which a cycle of "restarts" is over, rising; the last is the run's own end.

    A cycle that ends in mid-epoch is over after the last epoch before. Other schedules have one cycle.

    Examples
    --------
    >>> from automl.training.recipe import Recipe
    >>> cycle_ends(Recipe(schedule="restarts", restarts_first=15, restarts_factor=2.0, warmup=0.0, epochs=105))
    (15, 45, 105)
    """
    ends = []
    if recipe.schedule == "restarts":
        length = float(recipe.restarts_first)
        end = recipe.warmup * recipe.epochs + length
        while end < recipe.epochs:
            ends.append(math.floor(round(end, 9)))
            length *= recipe.restarts_factor
            end += length
    return (*ends, recipe.epochs)


def step(recipe: Recipe, at: Stand) -> float:
    """γ^⌊t/s⌋ after t epochs."""
    return recipe.step_factor ** math.floor(at.epoch / recipe.step_every)


def exponential(recipe: Recipe, at: Stand) -> float:
    """γ^t after t epochs, falling at each step rather than between epochs."""
    return recipe.exponential_factor**at.epoch


def inverse(recipe: Recipe, at: Stand) -> float:
    """(1 + γt)^−k after t epochs, the `inv` policy of Auto-Net 1.0 (Mendoza et al. 2016)."""
    return (1 + recipe.inverse_gamma * at.epoch) ** -recipe.inverse_power


def plateau(recipe: Recipe, at: Stand) -> float:
    """Reduced whenever the loss has not become lower for more than `plateau_patience` epochs."""
    best, waited, reductions = math.inf, 0, 0
    for loss in at.losses:
        if loss < best * (1 - PLATEAU_THRESHOLD):
            best, waited = loss, 0
        elif waited == recipe.plateau_patience:
            waited, reductions = 0, reductions + 1
        else:
            waited += 1
    return recipe.plateau_factor**reductions


def one_cycle(recipe: Recipe, at: Stand) -> float:
    """Up in one half wave, down to almost nothing in another (Smith & Topin 2019, arXiv:1708.07120)."""
    rise = recipe.one_cycle_rise
    if at.share < rise:
        return _half_wave(ONE_CYCLE_START, 1.0, at.share / rise)
    return _half_wave(1.0, ONE_CYCLE_END, (at.share - rise) / (1 - rise))


def cyclic(recipe: Recipe, at: Stand) -> float:
    """Triangles from `cyclic_low` up and back; each is `cyclic_shrink` as high as the last (Smith 2017,
    arXiv:1506.01186: "triangular" for 1, "triangular2" for a half)."""
    cycles = at.epoch / recipe.cyclic_length
    done = math.floor(cycles)
    height = 1 - abs(2 * (cycles - done) - 1)
    return recipe.cyclic_low + (1 - recipe.cyclic_low) * height * recipe.cyclic_shrink**done


def coslog4(recipe: Recipe, at: Stand) -> float:
    """Four waves, each longer than the last, from zero to zero (RealMLP, arXiv:2407.04491)."""
    return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * at.share)))


def flat_cosine(recipe: Recipe, at: Stand) -> float:
    """The full rate for half of the run, then half a wave down to zero (RealMLP, arXiv:2407.04491)."""
    return strength("flat_cosine", at.share)


SCHEDULES: Mapping[str, Callable[[Recipe, Stand], float]] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            constant,
            cosine,
            restarts,
            step,
            exponential,
            inverse,
            plateau,
            one_cycle,
            cyclic,
            coslog4,
            flat_cosine,
        )
    }
)
"""Name → its function."""
RISING = frozenset({"one_cycle", "cyclic", "coslog4"})
"""Begin low by themselves, and so without a warm-up."""
STRENGTHS = ("constant", "flat_cosine")
"""What weight decay and dropout may follow."""


def strength(schedule: str, progress: float) -> float:
    """Factor of the weight decay or of the dropout rate at a step of a full run.

    Parameters
    ----------
    schedule: one of STRENGTHS; "flat_cosine" is 1 up to half of the run, then ½(1 + cos(π(2t − 1))).
    progress: share t of the full run done at this step, in [0, 1].

    Examples
    --------
    >>> [strength("flat_cosine", t) for t in (0.25, 0.75, 1.0)]
    [1.0, 0.5, 0.0]
    """
    if schedule not in STRENGTHS:
        raise unknown("schedule of a strength", schedule, STRENGTHS)
    if schedule == "constant" or progress < 0.5:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (2 * progress - 1)))


def _half_wave(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))
