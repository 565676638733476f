"""NEAT: neuroevolution of augmenting topologies, with the species and the reproduction of neat-python.

Stanley & Miikkulainen (2002), "Evolving Neural Networks through Augmenting Topologies", Evolutionary Computation 10(2).
A genome is a configuration, a gene an active hyperparameter, and its historical marking is its name: crossover aligns
genes by name, takes those that both have from either parent and those that only one has from the fitter. Evolution
begins with as little structure as the space allows, its default, and a structural mutation changes a hyperparameter on
which others hang, such as a depth; so a network in a space of its nodes and weights grows as in the paper.

The compatibility distance is δ = c1 E/N + c2 D/N + c3 W (their equation 1; excess and disjoint genes alike, N = 1
below 20 genes), W the mean difference of matching genes: 0 or 1 for categories, shares of the range for numbers.
Weights in the paper differ by units rather than shares, therefore c3 = 6 instead of 0.4, at their threshold of 3.

Generations are replayed from the history: a genome's fitness is the loss of the trial of its configuration. While the
last trials of a generation run, workers get mutants of its members.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.candidates import codes_of, drawn, moved, mutated, settled, unit
from automl.search.draw import as_dict, choices, decode, sample
from automl.search.lessons import run_seed
from automl.search.trial import State, config_key

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History

IDLE = 50
"""Generations without a new configuration after which the space counts as exhausted."""


@dataclass(frozen=True)
class Settings:
    """Of evolution; the names are the paper's and neat-python's.

    Attributes
    ----------
    population: genomes of a generation (150 in the paper, for thousands of trials).
    structure: probability that a child's structure mutates (0.03 for nodes and 0.05 for links in the paper).
    weight: probability that a number mutates, by a normal step of `power` of its range (0.8 in the paper).
    replace: share of these that are drawn anew instead (0.1 in the paper).
    crossover: probability that a child has two parents (0.75 in the paper).
    """

    population: int = 30
    threshold: float = 3.0
    excess: float = 1.0
    difference: float = 6.0
    structure: float = 0.1
    weight: float = 0.8
    power: float = 0.1
    replace: float = 0.1
    crossover: float = 0.75
    survival: float = 0.2
    stagnation: int = 15
    elitism: int = 1


class Genome:
    """A configuration as neat-python handles it."""

    def __init__(self, key: int) -> None:
        self.key = key
        self.fitness: float | None = None
        self.code = np.empty(0)

    def configure_new(self, genes: Genes) -> None:
        self.code = genes.minimal(_generator())

    def configure_crossover(self, one: Genome, other: Genome, genes: Genes) -> None:
        rng = _generator()
        fit, unfit = (one, other) if (one.fitness or 0.0) >= (other.fitness or 0.0) else (other, one)
        both = ~np.isnan(fit.code) & ~np.isnan(unfit.code) & (rng.random(len(fit.code)) < 0.5)
        self.code = fit.code.copy()
        if rng.random() < genes.settings.crossover:
            self.code = genes.repaired(np.where(both, unfit.code, fit.code), rng)

    def mutate(self, genes: Genes) -> None:
        self.code = genes.mutant(self.code, _generator())

    def distance(self, other: Genome, genes: Genes) -> float:
        return genes.distance(self.code, other.code)


def _generator() -> np.random.Generator:
    """Random numbers from those of neat-python, which are seeded for each generation."""
    return np.random.default_rng(random.getrandbits(32))


@dataclass
class Genes:
    """What may be done to the genomes of a space."""

    space: ConfigurationSpace
    settings: Settings
    innovation_tracker: Any = None
    """Where neat-python counts innovations; here the name of a gene is its marking."""

    @property
    def structural(self) -> np.ndarray:
        """(d,) whether other hyperparameters hang on each."""
        return np.array([bool(self.space.children_of[name]) for name in self.space])

    def minimal(self, rng: np.random.Generator) -> np.ndarray:
        """A code with the default's structure, the rest drawn."""
        default = codes_of(self.space, [as_dict(self.space.get_default_configuration())])[0]
        fresh = drawn(self.space, 1, rng, active=False)[0]
        return settled(self.space, np.where(self.structural & ~np.isnan(default), default, fresh)[None])[0]

    def repaired(self, code: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The code with draws for what has become active."""
        return settled(self.space, np.where(np.isnan(code), drawn(self.space, 1, rng, active=False)[0], code)[None])[0]

    def mutant(self, code: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        settings, structural = self.settings, self.structural
        if structural.any() and rng.random() < settings.structure:
            return mutated(self.space, code[None], rng, [int(i) for i in np.flatnonzero(structural)])[0]
        child, changed, hyperparameters = code.copy(), False, list(self.space.values())
        free = [i for i in range(len(code)) if not (np.isnan(code[i]) or structural[i] or hyperparameters[i].size == 1)]
        for place in free:
            hp = hyperparameters[place]
            if rng.random() >= (1 / len(free) if choices(hp) else settings.weight):
                continue
            changed = True
            if choices(hp) or rng.random() < settings.replace:
                child[place] = moved(hp, child[place], rng)
            else:
                there = np.clip(child[place] + settings.power * rng.standard_normal(), 0.0, 1.0)
                child[place] = float(hp.to_vector(hp.to_value(float(there))))
        return child if changed else mutated(self.space, code[None], rng)[0]

    def distance(self, a: np.ndarray, b: np.ndarray) -> float:
        """δ of two codes."""
        here, there = ~np.isnan(a), ~np.isnan(b)
        both, longest = here & there, max(here.sum(), there.sum())
        n = 1 if longest < 20 else longest
        x, y = unit(self.space, np.stack([a, b]))
        gap = np.abs(x - y)
        labels = np.array([bool(choices(hp)) for hp in self.space.values()])
        gap = np.where(labels, gap > 1e-9, gap)
        matching = float(gap[both].mean()) if both.any() else 0.0
        return float(self.settings.excess * (here != there).sum() / n + self.settings.difference * matching)


@dataclass
class NEAT:
    """NEAT over the configurations of any space."""

    settings: Settings = field(default_factory=Settings)
    _generation: _Generation | None = field(default=None, init=False, repr=False, compare=False)

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        known = {config_key(t.config): t.loss for t in history if t.state not in (State.RUNNING, State.PRUNED)}
        tried = {config_key(t.config) for t in history}
        seed = run_seed(history)
        now = self._generation
        if now is None or now.genes.space is not space or now.seed != seed or not now.agrees(known):
            now = _Generation(Genes(space, self.settings), seed)
        idle = 0
        while now.complete(known) and idle < IDLE:
            now.reproduce(known)
            idle = 0 if any(key not in known for key in now.keys) else idle + 1
        self._generation = now
        for key, config in zip(now.keys, now.configs, strict=True):
            if key not in tried and config is not None:
                return config
        member = now.codes[int(rng.integers(len(now.codes)))]
        return decode(space, now.genes.mutant(member, rng)) or sample(space, rng)


class _Generation:
    """The living generation, and the fitness that led to it."""

    def __init__(self, genes: Genes, seed: int) -> None:
        from neat.reporting import ReporterSet
        from neat.reproduction import DefaultReproduction
        from neat.species import DefaultSpeciesSet
        from neat.stagnation import DefaultStagnation

        settings, quiet = genes.settings, ReporterSet()
        self.genes, self.seed, self.number = genes, seed, 0
        self.used: dict[str, float] = {}
        stagnation = SimpleNamespace(species_fitness_func="max", max_stagnation=settings.stagnation, species_elitism=2)
        reproduction = SimpleNamespace(
            elitism=settings.elitism, survival_threshold=settings.survival, min_species_size=2
        )
        self._reproduction = DefaultReproduction(reproduction, quiet, DefaultStagnation(stagnation, quiet))
        self._species = DefaultSpeciesSet(SimpleNamespace(compatibility_threshold=settings.threshold), quiet)
        self._config = SimpleNamespace(genome_config=genes, genome_type=Genome)
        with self._seeded():
            self._population = self._reproduction.create_new(Genome, self._config.genome_config, settings.population)
            self._species.speciate(self._config, self._population, 0)
        self._read()

    def agrees(self, known: Mapping[str, float]) -> bool:
        """Whether the losses that led here are still those of the history."""
        return all(known.get(key) == loss for key, loss in self.used.items())

    def complete(self, known: Mapping[str, float]) -> bool:
        return all(key in known for key, config in zip(self.keys, self.configs, strict=True) if config is not None)

    def reproduce(self, known: Mapping[str, float]) -> None:
        """The next generation; genomes that no trial could have are as unfit as the worst."""
        finite = [known[key] for key in self.keys if np.isfinite(known.get(key, np.inf))]
        worst = max(finite, default=0.0)
        for genome, key in zip(self._population.values(), self.keys, strict=True):
            loss = known.get(key, worst)
            genome.fitness = -(loss if np.isfinite(loss) else worst)
        self.used |= {key: known[key] for key in self.keys if key in known}
        self.number += 1
        with self._seeded():
            size = self.genes.settings.population
            self._population = self._reproduction.reproduce(self._config, self._species, size, self.number)
            if not self._population:  # every species had stagnated
                self._population = self._reproduction.create_new(Genome, self._config.genome_config, size)
            self._species.speciate(self._config, self._population, self.number)
        self._read()

    def _read(self) -> None:
        self.codes = [genome.code for genome in self._population.values()]
        self.configs = [decode(self.genes.space, code) for code in self.codes]
        self.keys = ["" if config is None else config_key(config) for config in self.configs]

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """neat-python draws from the global generator: seed it, and put it back."""
        before = random.getstate()
        random.seed(int(np.random.SeedSequence([self.seed, self.number]).generate_state(1)[0]))
        try:
            yield
        finally:
            random.setstate(before)
