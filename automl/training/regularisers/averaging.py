"""Means of a network's weights over its training, which are validated and kept in place of the weights.

A batch norm's statistics belong to the weights that they were gathered with. Under "ema" they are averaged like the
weights: these move little within the memory of the mean, and a pass over the rows at every validation would cost as
much as half an epoch. Under "swa" they are gathered anew (Izmailov et al. 2018, section 3.2): weights that lie epochs
apart have a mean whose activations are not the mean of theirs. In the pass dropout rests, as when predicting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from automl.architectures.stacking import MemberBatchNorm, duplicate
from automl.training.data import Batch
from automl.training.recipe import Recipe

REFRESHED_ROWS = 2**14
"""Of each member, from which statistics are gathered at most: their error is below a hundredth of a deviation."""


class Average:
    """A network in evaluation mode whose weights are a mean of another's.

    Parameters
    ----------
    network: the one that is trained.
    state: of the mean, to go on from; empty at the start, where the mean is the network itself.

    Attributes
    ----------
    network: the mean.
    """

    def __init__(self, network: nn.Module, state: Mapping[str, Tensor]) -> None:
        self.network = duplicate(network).eval()
        if state:
            self.network.load_state_dict(state)
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        floating = [pair for pair in pairs if pair[0].is_floating_point()]
        whole = [pair for pair in pairs if not pair[0].is_floating_point()]
        self._means, self._now = [m for m, _ in floating], [n for _, n in floating]
        self._counts, self._counts_now = [m for m, _ in whole], [n for _, n in whole]

    @torch.no_grad()
    def blend(self, share: float) -> None:
        """Move the mean by a share of the way to the network as it is now; whole numbers are copied."""
        torch._foreach_lerp_(self._means, self._now, share)
        if self._counts:
            torch._foreach_copy_(self._counts, self._counts_now)


def ema_share(recipe: Recipe, steps: int) -> float:
    """How far an exponential moving mean goes at a step.

    1 − decay, and more at first, so that the random weights of the start are soon forgotten: the decay is at most
    (1 + steps) / (10 + steps), as in `tf.train.ExponentialMovingAverage`.

    Examples
    --------
    >>> ema_share(Recipe(ema_decay=0.99), 8)
    0.5
    """
    return 1 - min(recipe.ema_decay, (1 + steps) / (10 + steps))


def swa_share(recipe: Recipe, epoch: int) -> float:
    """How far the mean over the last epochs goes after an epoch, counted from 1; all the way until it begins.

    Examples
    --------
    >>> [swa_share(Recipe(epochs=8, swa_start=0.5), epoch) for epoch in (3, 4, 5, 6, 7)]
    [1.0, 1.0, 1.0, 0.5, 0.3333333333333333]
    """
    return 1 / max(1, epoch - round(recipe.swa_start * recipe.epochs))


@torch.no_grad()
def refresh_norms(network: nn.Module, batches: Iterable[Batch]) -> None:
    """Gather the statistics of the batch norms anew: the plain mean over the batches.

    The network is left in evaluation mode; one without batch norms is not fed anything.
    """
    network.eval()
    norms = [leaf for leaf in network.modules() if isinstance(leaf, _BatchNorm | MemberBatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for number, batch in enumerate(batches, start=1):
        for norm in norms:
            norm.train()
            norm.momentum = 1 / number
        network(batch.numbers, batch.codes)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval()
        norm.momentum = momentum
