"""Which networks of a run make up its snapshot ensemble (Huang et al. 2017, arXiv:1704.00109).

After any epoch, the ensemble is the present network and those at the ends of the cycles before, at most as many as the
recipe says. At the end of a cycle that is Huang et al.'s; in between, it is what a run stopped there is best predicted
with. Deviation: where rows are held out, the earliest are left out as long as that lowers the validation loss.
"""

from __future__ import annotations

from automl.training.recipe import Recipe
from automl.training.schedules import cycle_ends


def snapshots_before(recipe: Recipe, epoch: int) -> tuple[int, ...]:
    """Epochs whose networks may join the one that stands after `epoch`, rising.

    Examples
    --------
    >>> recipe = Recipe(schedule="restarts", restarts_first=15, warmup=0.0, epochs=105, restarts_snapshots=2)
    >>> [snapshots_before(recipe, epoch) for epoch in (10, 15, 16, 105)]  # cycles end after 15, 45 and 105 epochs
    [(), (), (15,), (45,)]
    """
    if recipe.restarts_snapshots == 1:
        return ()
    ends = tuple(end for end in cycle_ends(recipe) if end < min(epoch, recipe.epochs))
    return ends[-(recipe.restarts_snapshots - 1) :]


def snapshots_kept(recipe: Recipe, epoch: int) -> tuple[int, ...]:
    """Epochs whose networks are still asked for by a run that stands after `epoch` or goes on from there, rising."""
    return tuple(sorted({*snapshots_before(recipe, epoch), *snapshots_before(recipe, epoch + 1)}))
