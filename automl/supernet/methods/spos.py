"""Single path one-shot: train paths drawn evenly, then evolve architectures that the shared weights judge.

Guo et al. (2020), "Single Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV, arXiv:1904.00420,
algorithm 1. Before an architecture is judged, its batch norms take their statistics from training images (section 3.4),
there 20,000 of them, here as many batches as the half has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.errors import SettingError
from automl.genotypes.spaces import decode, joined
from automl.search.draw import sample
from automl.supernet.data import check_counts
from automl.supernet.found import Candidate, Found, Problem
from automl.supernet.proxy import Proxy
from automl.supernet.ranking import best, judged
from automl.supernet.training import Weights
from automl.supernet.uniform import trained_evenly

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

TRAINING = 0.7
"""Share of the seconds in which the weights are trained."""
TRIES = 10
"""Draws for each that is wanted: fewer are made where most are known already (as in the paper's code)."""


@dataclass(frozen=True)
class SPOS:
    """Single path one-shot.

    Attributes
    ----------
    population: P, architectures of a generation: half of them by crossover, half by mutation, and drawn from the space
        what these leave, the first generation among it.
    generations: T.
    parents: k, the best so far, of which children are made.
    probability: of a change of each choice by mutation.
    calibration: batches that an architecture's means and variances are taken from, at most an epoch of them.
    """

    population: int = 50
    generations: int = 20
    parents: int = 10
    probability: float = 0.1
    calibration: int = 200
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        check_counts(
            population=self.population,
            generations=self.generations,
            parents=self.parents,
            calibration=self.calibration,
        )
        if not 0 <= self.probability <= 1:
            raise SettingError(f"probability is {self.probability!r}; it must be in [0, 1]: of a change by mutation")

    def __call__(self, problem: Problem) -> Found:
        supernet, epochs = trained_evenly(problem, self.weights, problem.budget.part(TRAINING))
        calibration = min(self.calibration, self.weights.steps(problem.halves))
        proxy = Proxy(supernet, problem.halves, calibration, self.weights.batch, problem.seed)
        return Found(self.evolved(problem, proxy), epochs, proxy)

    def evolved(self, problem: Problem, proxy: Proxy) -> tuple[Candidate, ...]:
        """The best architectures of all generations."""
        space, rng = joined(problem.definition), np.random.default_rng([problem.seed, 1])
        known: dict[str, Candidate] = {}
        configs: dict[str, dict[str, Any]] = {}
        for generation in range(self.generations):
            if generation and problem.budget.spent(0) >= 1:
                break
            pool = best(known, self.parents)
            parents = [configs[candidate.genotype.hash] for candidate in pool]
            children = self._children(space, parents, configs, rng)
            known |= judged((decode(space, child)[0] for child in children), proxy, problem.budget)
        return best(known, problem.keep)

    def _children(
        self,
        space: ConfigurationSpace,
        parents: Sequence[dict[str, Any]],
        configs: dict[str, dict[str, Any]],
        rng: np.random.Generator,
    ) -> list[dict[str, Any]]:
        """Configurations of a generation, none of an architecture in `configs`, to which they are added."""
        half, children = self.population // 2, list[dict[str, Any]]()

        def cross() -> dict[str, Any]:
            a, b = rng.integers(len(parents), size=2)
            return crossed(parents[a], parents[b], rng)

        def mutate() -> dict[str, Any]:
            return mutated(space, parents[int(rng.integers(len(parents)))], self.probability, rng)

        if parents:
            children += _new(cross, half, space, configs)
            children += _new(mutate, half, space, configs)
        return children + _new(lambda: sample(space, rng), self.population - len(children), space, configs)


def _new(
    make: Callable[[], dict[str, Any]], wanted: int, space: ConfigurationSpace, configs: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """At most so many that `make` makes, of architectures that `configs` does not hold, to which they are added."""
    found: list[dict[str, Any]] = []
    for _ in range(TRIES * wanted):
        if len(found) == wanted:
            break
        config = make()
        name = decode(space, config)[0].hash
        if name not in configs:
            configs[name] = config
            found.append(config)
    return found


def crossed(a: dict[str, Any], b: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Each choice from one of two configurations."""
    return {name: (a if rng.random() < 0.5 else b)[name] for name in a}


def mutated(
    space: ConfigurationSpace, config: dict[str, Any], probability: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Each choice drawn anew with a probability; spaces of cells have no conditions."""
    fresh = sample(space, rng)
    return {name: fresh[name] if rng.random() < probability else value for name, value in config.items()}
