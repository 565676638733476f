"""Any architecture judged by the shared weights, without training it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from automl.genotypes.spaces import decode
from automl.supernet.data import Batch, Halves, batches
from automl.supernet.network import Supernet

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

ROWS = 256
"""Images judged at once at most, and so what the batch norms of a path normalise by where nothing is recalibrated."""


@dataclass(frozen=True)
class Proxy:
    """Genotype → validation error with shared weights, in [0, 1].

    Attributes
    ----------
    recalibrate: batches of training images from which an architecture's own means and variances are taken first (Guo et
        al. 2020, section 3.4); with 0, each batch of validation images is normalised by itself.
    batch: images of each of these.
    seed: of their order.
    """

    supernet: Supernet
    halves: Halves
    recalibrate: int = 0
    batch: int = 64
    seed: int = 0

    def __call__(self, genotype: Any) -> float:
        with torch.no_grad():
            if not self.recalibrate:
                return self._error(lambda images: self.supernet.single(images, genotype))
            network = recalibrated(self.supernet.standalone(genotype), self._calibration())
            return self._error(network)

    def objective(self, space: ConfigurationSpace) -> Callable[[dict[str, Any], float, int], float]:
        """The proxy loss as an objective of `optimize`, for any of its methods.

        Parameters
        ----------
        space: made by `automl.genotypes.spaces.joined`, of the supernet's family; stacking and hyperparameters of
            training make no difference.
        """
        return lambda config, budget, seed: self(decode(space, config)[0])

    def _error(self, logits: Callable[[Tensor], Tensor]) -> float:
        images, labels = self.halves.valid
        n = -(-len(labels) // ROWS)  # of nearly equal size, as a rest of one image cannot be normalised by itself
        parts = zip(images.tensor_split(n), labels.tensor_split(n), strict=True)
        wrong = sum(int((logits(x).argmax(1) != y).sum()) for x, y in parts)
        return wrong / len(labels)

    def _calibration(self) -> Iterator[Batch]:
        rng = np.random.default_rng(self.seed)
        epochs = (batches(self.halves.train, self.batch, rng) for _ in itertools.count())
        return itertools.islice(itertools.chain.from_iterable(epochs), self.recalibrate)


def recalibrated(network: nn.Module, parts: Iterator[Batch]) -> nn.Module:
    """The network, its batch norms holding the mean statistics of these batches, ready to predict."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over batches
    network.train()
    for images, _ in parts:
        network(images)
    return network.eval()
