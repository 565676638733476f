"""A supernet whose weights are trained on paths drawn evenly."""

from __future__ import annotations

import numpy as np

from automl.genotypes.spaces import decode, joined
from automl.search.draw import sample
from automl.supernet.data import Budget
from automl.supernet.families import layout_of
from automl.supernet.found import Epoch, Problem
from automl.supernet.network import Supernet
from automl.supernet.training import Weights, path_epoch


def trained_evenly(problem: Problem, weights: Weights, budget: Budget) -> tuple[Supernet, tuple[Epoch, ...]]:
    """The supernet after training within a budget, and its epochs.

    Each batch trains one architecture, drawn from the space (Guo et al. 2020, arXiv:1904.00420, section 3.2).
    """
    halves, rng, space = problem.halves, np.random.default_rng([problem.seed, 0]), joined(problem.definition)
    layout = layout_of(problem.definition, halves.shape, halves.outputs)
    supernet = Supernet(layout, problem.seed).to(halves.train[0].device)
    sgd, epochs = weights.optimizer(supernet), list[Epoch]()
    while budget.spent(len(epochs)) < 1:
        loss = path_epoch(
            supernet, halves, sgd, weights, budget, len(epochs), lambda rng: decode(space, sample(space, rng))[0], rng
        )
        epochs.append(Epoch(loss))
    return supernet, tuple(epochs)
