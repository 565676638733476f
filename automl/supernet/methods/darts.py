"""DARTS: weights of operations learn by gradient, in turn with the weights of the network.

Liu, Simonyan & Yang (2019), "DARTS: Differentiable Architecture Search", ICLR, arXiv:1806.09055, algorithm 1. Settings
are those of the paper but for the rate of α: theirs, 3e-4, is for some 20,000 steps on 25,000 images, and so few images
as are common here give some hundred, in which α would hardly move.

Against its collapse to skip connections, every edge has one more of them while the search goes on: Chu, Wang, Zhang,
Lu, Wei & Yan (2021), "DARTS-: Robustly Stepping Out of Performance Collapse Without Indicators", ICLR,
arXiv:2009.01027. It helps the others to learn, so that the one that can be chosen gains nothing by that. Where a skip
connection has weights, in reduction cells, both share them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from automl.errors import SettingError
from automl.genotypes.graph import PASSING
from automl.genotypes.space_of_cells import CellsSpace
from automl.supernet.data import Batch, batches, drawn
from automl.supernet.families import layout_of
from automl.supernet.found import Candidate, Epoch, Found, Problem
from automl.supernet.guard import Guard
from automl.supernet.hypergradient import Loss, Virtual, dominant_eigenvalue, hypergradient
from automl.supernet.layout import Choice, Layout, skips
from automl.supernet.network import Supernet
from automl.supernet.training import Weights

FIRST_SPREAD = 1e-3
"""Standard deviation of the first α."""

SEEN = 4
"""Batches of validation images that the accuracy of an epoch is read on."""


@dataclass(frozen=True)
class Darts:
    """DARTS.

    Attributes
    ----------
    order: 1 or 2; the second looks a step of the weights ahead and takes about three times as long.
    guard: stops the search before skip connections take over; None for one that is never stopped.
    auxiliary: weight of the skip connection that every edge has besides, at first; it falls to 0 along a line. 1 in
        DARTS-, 0 for the plain method.
    weights: how the network learns.
    rate, betas, decay: of Adam for α.
    """

    order: int = 1
    guard: Guard | None = field(default_factory=Guard)
    auxiliary: float = 1.0
    weights: Weights = field(default_factory=Weights)
    rate: float = 1e-2
    betas: tuple[float, float] = (0.5, 0.999)
    decay: float = 1e-3

    def __post_init__(self) -> None:
        if self.order not in (1, 2):
            raise SettingError(f"order is {self.order!r}; it must be 1 or 2")
        if not self.auxiliary >= 0:
            raise SettingError(f"auxiliary is {self.auxiliary!r}; it must be at least 0, which is without")

    def __call__(self, problem: Problem) -> Found:
        rng = np.random.default_rng([problem.seed, 0])
        halves = problem.halves
        pools = isinstance(problem.definition, CellsSpace)  # as in the code of DARTS, and not in that of NAS-Bench-201
        layout = layout_of(problem.definition, halves.shape, halves.outputs, pool_norms=pools)
        supernet = Supernet(layout, problem.seed).to(halves.train[0].device)
        first = FIRST_SPREAD * rng.standard_normal((len(layout.edges), len(layout.operations)))
        alpha = torch.tensor(first, dtype=torch.float32, device=halves.train[0].device, requires_grad=True)
        sgd = self.weights.optimizer(supernet)
        adam = torch.optim.Adam([alpha], self.rate, betas=self.betas, weight_decay=self.decay)
        epochs: list[Epoch] = []
        course = [shares(alpha)]
        while problem.budget.spent(len(epochs)) < 1:
            epochs.append(self._epoch(problem, supernet, alpha, sgd, adam, len(epochs), rng))
            course.append(shares(alpha))
            spent = problem.budget.spent(len(epochs))
            good = self.guard.last_good(epochs, spent) if self.guard is not None else None
            if good is not None:
                return Found(ranked(layout, course[good], problem.keep, self._most(layout)), tuple(epochs))
        return Found(ranked(layout, course[-1], problem.keep, self._most(layout)), tuple(epochs))

    def _most(self, layout: Layout) -> int:
        most = None if self.guard is None else self.guard.most_skips
        return len(layout.edges) if most is None else most

    def _epoch(
        self,
        problem: Problem,
        supernet: Supernet,
        alpha: Tensor,
        sgd: torch.optim.SGD,
        adam: torch.optim.Adam,
        number: int,
        rng: np.random.Generator,
    ) -> Epoch:
        halves, losses = problem.halves, list[float]()
        steps = self.weights.steps(halves)
        for step, train in enumerate(batches(halves.train, self.weights.batch, rng)):
            spent = problem.budget.spent(number + step / steps)
            if spent >= 1:
                break
            rate, loss = self.weights.set_rate(sgd, spent), mixed_loss(supernet, self._help(spent))
            valid = drawn(halves.valid, self.weights.batch, rng)
            alpha.grad = hypergradient(
                loss, alpha, list(supernet.parameters()), train, valid, self._virtual(supernet, sgd, rate)
            )
            adam.step()
            losses.append(self.weights.down(sgd, loss(alpha.detach(), train)))
        training = float(np.mean(losses)) if losses else float("nan")
        auxiliary = self._help(problem.budget.spent(number + 1))
        rng = np.random.default_rng([problem.seed, 1, number])  # its own, so that looking changes nothing
        return self._seen(problem, supernet, alpha, auxiliary, training, rng)

    def _help(self, spent: float) -> float:
        """Weight of the auxiliary skip connection when a share of the budget is spent."""
        return self.auxiliary * (1 - spent)

    def _seen(
        self,
        problem: Problem,
        supernet: Supernet,
        alpha: Tensor,
        auxiliary: float,
        training: float,
        rng: np.random.Generator,
    ) -> Epoch:
        """What is to be seen after an epoch."""
        values, valid, eigenvalue = shares(alpha), problem.halves.valid, float("nan")
        images, labels = drawn(valid, SEEN * self.weights.batch, rng)
        with torch.no_grad():
            right = supernet.mixed(images, mixture(supernet, alpha, auxiliary)).argmax(1) == labels
        if self.guard is not None and self.guard.fall is not None:
            start = torch.from_numpy(rng.standard_normal(alpha.shape)).to(alpha)
            batch = drawn(valid, self.weights.batch, rng)
            eigenvalue = dominant_eigenvalue(mixed_loss(supernet, auxiliary), alpha, batch, start)
        return Epoch(
            training,
            float(right.float().mean()),
            float(-(values * np.log(values)).sum(1).mean()),
            len(skips(supernet.layout, supernet.layout.derived(values))),
            eigenvalue,
        )

    def _virtual(self, supernet: Supernet, sgd: torch.optim.SGD, rate: float) -> Virtual:
        if self.order == 1:
            return Virtual(0.0)
        velocity = [sgd.state.get(w, {}).get("momentum_buffer") for w in supernet.parameters()]
        return Virtual(rate, self.weights.decay, self.weights.momentum, velocity)


def mixed_loss(supernet: Supernet, auxiliary: float = 0.0) -> Loss:
    """The loss of the mixture, with the weights as they are when it is called."""

    def loss(alpha: Tensor, batch: Batch) -> Tensor:
        return functional.cross_entropy(supernet.mixed(batch[0], mixture(supernet, alpha, auxiliary)), batch[1])

    return loss


def mixture(supernet: Supernet, alpha: Tensor, auxiliary: float) -> Tensor:
    """(edges, operations) the softmax of α, and what an auxiliary skip connection adds: its output is a skip's."""
    operations = supernet.layout.operations
    added = alpha.new_tensor([auxiliary * (operation == PASSING) for operation in operations])
    return alpha.softmax(-1) + added


def shares(alpha: Tensor) -> np.ndarray:
    """(edges, operations) the softmax of α over operations."""
    return alpha.detach().double().softmax(-1).cpu().numpy()


def ranked(layout: Layout, values: np.ndarray, keep: int, most_skips: int) -> tuple[Candidate, ...]:
    """The architecture derived from shares of operations, and those derived without one of its choices.

    The likeliest first, which is the derived one itself where it has not too many skips.

    Parameters
    ----------
    most_skips: skip connections that one may have; the weakest of more give way to the next operation.
    """
    values = np.log(values)
    first = _derived(layout, values, most_skips)
    found = [first]
    for choice in first:
        without = values.copy()
        without[choice] = -np.inf
        found.append(_derived(layout, without, most_skips))
    found.sort(key=lambda choices: -sum(values[choice] for choice in choices))
    candidates: dict[str, Candidate] = {}
    for choices in found:
        genotype = layout.genotype(choices)
        candidates.setdefault(genotype.hash, Candidate(genotype, -float(sum(values[choice] for choice in choices))))
    return tuple(candidates.values())[:keep]


def _derived(layout: Layout, values: np.ndarray, most_skips: int) -> tuple[Choice, ...]:
    values = values.copy()
    while True:
        choices = layout.derived(values)
        passing = [choice for choice in skips(layout, choices) if np.isfinite(values[choice])]
        if len(passing) <= most_skips:
            return choices
        values[min(passing, key=lambda choice: values[choice])] = -np.inf
