"""Where the networks of a trial stand as a whole: their mean loss says which epoch is kept and when they stop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from automl.training.checkpoints import Member
from automl.training.recipe import Recipe
from automl.training.together import Together


@dataclass
class Standing:
    """The common part of the members' progress.

    Attributes
    ----------
    recipe: of the run.
    losses: mean validation loss after each epoch.
    epoch: whole epochs trained.
    best_epoch, best_loss: 0 and infinite while no loss was finite.
    stopped: whether patience or numbers are at an end.
    """

    recipe: Recipe
    losses: list[float]
    epoch: int
    best_epoch: int
    best_loss: float
    stopped: bool

    @classmethod
    def of(cls, members: Sequence[Member], recipe: Recipe) -> Standing:
        first = members[0]
        best = math.fsum(m.best_loss for m in members) / len(members)
        return cls(recipe, mean_losses(members), first.epoch, first.best_epoch, best, first.stopped)

    def judge(self, groups: Sequence[Together], whole: bool) -> None:
        """Validate all members, let them keep their weights if these are best on the mean, and see who goes on.

        Parameters
        ----------
        groups: that hold the members; they have trained for an epoch.
        whole: whether the epoch was; one that was cut short leaves no point on the curve.
        """
        tried = [group.judge() for group in groups]
        means = {n: _mean([loss for losses in tried for loss in losses[n]]) for n in tried[0]}
        joined = min(means, key=lambda n: means[n])  # of equal losses the first: with the fewest snapshots
        loss = means[joined]
        validated = groups[0].validated
        better = math.isfinite(loss) and (not validated or loss < self.best_loss)
        self.epoch += whole
        if whole:
            self.losses.append(loss)
        if better:
            self.best_epoch, self.best_loss = self.epoch, loss
        patient = not validated or self.epoch - self.best_epoch < self.recipe.patience
        self.stopped = not (math.isfinite(loss) and patient)
        for group, each in zip(groups, tried, strict=True):
            own = [value if math.isfinite(value) else math.inf for value in each[joined]]
            group.keep(own, whole=whole, better=better, joined=joined, stopped=self.stopped)


def mean_losses(members: Sequence[Member]) -> list[float]:
    """Mean over the members of the loss after each epoch."""
    return [_mean(at) for at in zip(*(member.losses for member in members), strict=True)]


def _mean(losses: Sequence[float]) -> float:
    """Infinite where one of them is no number."""
    return math.fsum(losses) / len(losses) if all(map(math.isfinite, losses)) else math.inf
