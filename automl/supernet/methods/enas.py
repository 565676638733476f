"""ENAS: a controller and the shared weights learn in turn.

Pham, Guan, Zoph, Le & Dean (2018), "Efficient Neural Architecture Search via Parameter Sharing", ICML,
arXiv:1802.03268, section 2.2: the weights are trained for an epoch on architectures that the controller draws, one a
batch; then the controller is trained on the validation accuracy that its architectures have with these weights, each
on a batch of its own. In the end it draws some, and those that the shared weights judge best are kept.

Deviations from the search of cells in the authors' code: the weights learn on one cosine, as in all methods here, since
a search by the clock has no number of epochs to put restarts at (there 0.05 to 0.0005, anew after 10 epochs, with
Nesterov's momentum). The controller has fewer steps (there 30, of 10 architectures each, after each of 150 epochs, at
0.0035), for which its rate is higher and its baseline follows faster. All validation images judge the candidates, not
one batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from automl.genotypes.spaces import decode, joined
from automl.supernet.controller import Controller
from automl.supernet.data import check_counts, drawn
from automl.supernet.families import layout_of
from automl.supernet.found import Epoch, Found, Problem
from automl.supernet.network import Supernet
from automl.supernet.proxy import Proxy
from automl.supernet.ranking import best, judged
from automl.supernet.training import Weights, path_epoch

TRAINING = 0.85
"""Share of the seconds after which the controller draws the candidates."""


@dataclass(frozen=True)
class ENAS:
    """ENAS.

    Attributes
    ----------
    steps: of the controller after each epoch of the shared weights.
    samples: architectures a step.
    rows: validation images that a reward is measured on.
    rate, bonus, momentum: of the controller's Adam, of its entropy, and of its baseline.
    candidates: architectures drawn in the end.
    """

    steps: int = 10
    samples: int = 10
    rows: int = 128
    rate: float = 5e-3
    bonus: float = 1e-4
    momentum: float = 0.9
    candidates: int = 100
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        check_counts(steps=self.steps, samples=self.samples, rows=self.rows, candidates=self.candidates)

    def __call__(self, problem: Problem) -> Found:
        halves, rng = problem.halves, np.random.default_rng([problem.seed, 0])
        space = joined(problem.definition)
        layout = layout_of(problem.definition, halves.shape, halves.outputs)
        supernet = Supernet(layout, problem.seed).to(halves.train[0].device)
        controller = Controller.of(space, np.random.default_rng([problem.seed, 2]))
        sgd, epochs, budget = self.weights.optimizer(supernet), list[Epoch](), problem.budget.part(TRAINING)
        while budget.spent(len(epochs)) < 1:
            writer = controller
            loss = path_epoch(
                supernet,
                halves,
                sgd,
                self.weights,
                budget,
                len(epochs),
                lambda rng, writer=writer: decode(space, writer.written(rng))[0],  # type: ignore[misc]
                rng,
            )
            rewards, entropies = list[float](), list[float]()
            for _ in range(self.steps):
                if budget.spent(len(epochs)) >= 1:
                    break
                configs = [controller.written(rng) for _ in range(self.samples)]
                found = [self._reward(supernet, problem, decode(space, config)[0], rng) for config in configs]
                entropies += [controller.entropy(config) for config in configs]
                controller = controller.learned(
                    configs, found, rate=self.rate, bonus=self.bonus, momentum=self.momentum
                )
                rewards += found
            epochs.append(Epoch(loss, _mean(rewards), _mean(entropies)))
        proxy, rng = Proxy(supernet, halves), np.random.default_rng([problem.seed, 1])
        last = (decode(space, controller.written(rng))[0] for _ in range(self.candidates))
        return Found(best(judged(last, proxy, problem.budget), problem.keep), tuple(epochs), proxy)

    def _reward(self, supernet: Supernet, problem: Problem, genotype: object, rng: np.random.Generator) -> float:
        images, labels = drawn(problem.halves.valid, self.rows, rng)
        with torch.no_grad():
            return float((supernet.single(images, genotype).argmax(1) == labels).float().mean())


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
