"""NASBOT: Bayesian optimisation over networks whose kernel is the cost of transporting one onto another.

Kandasamy et al. (2018), arXiv:1802.07191: the kernel is a sum of exp(−β d) and exp(−β̄ d̄²) of OTMANN's distance
(`models.otmann`), multiplied by a kernel over what is searched besides the architecture. It need not be positive
semidefinite, so its matrix is projected. The acquisition, expected improvement, is maximised by evolution: mutants of
trials and candidates drawn by exp(value), of one to five changes with probabilities .5, .25, .125, .075 and .05.

Deviations. One weight of structure instead of four, the likeliest of those below, since each costs a transport a pair;
β, β̄ and the noise have the largest marginal likelihood on a grid; 60 candidates. Networks are changed by changing
their choices in the space, which also adds and removes layers where a depth is searched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.genotypes.spaces import decode as decode_genotype
from automl.genotypes.spaces import definition_of
from automl.search.candidates import allowed, codes_of, differences, drawn, first_new, mutated, unit
from automl.search.draw import decode, sample
from automl.search.lessons import lessons, losses, standardised
from automl.search.models.otmann import Layers, distance
from metalearn.gaussian import Posterior, expected_improvement, semidefinite, winsorised

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History

STRUCTURES = (0.1, 0.5)
"""ν; the authors use 0.1, 0.25, 0.61 and 1.5 together."""

FIRST, SECOND = (0.5, 1.0, 2.0, 4.0), (1.0, 5.0, 25.0)
"""β in units of the median distance, and β̄."""

NOISES = (1e-4, 1e-2, 1e-1)
STEPS = (0.5, 0.25, 0.125, 0.075, 0.05)
"""Probabilities of one to five changes."""


@dataclass
class NASBOT:
    """A Gaussian process with OTMANN's kernel; for spaces that hold architectures.

    Attributes
    ----------
    initial: trials drawn at random first.
    generation: candidates of each of `generations` generations of the acquisition's evolution.
    """

    initial: int = 10
    generation: int = 20
    generations: int = 3
    _pairs: dict[tuple[str, str, float], tuple[float, float]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _layers: dict[str, Layers] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        trials = lessons(history)
        if len(trials) < self.initial or not any(np.isfinite(t.loss) for t in trials):
            return sample(space, rng)
        codes = codes_of(space, [t.config for t in trials])
        targets = standardised(winsorised(losses(trials)))
        kernel = self._likeliest(space, codes, targets)
        pool, values = codes, -np.inf * np.ones(len(codes))
        weights = np.exp(-targets)
        for _ in range(self.generations):
            parents = pool[rng.choice(len(pool), size=self.generation, p=weights / weights.sum())]
            near = allowed(space, np.vstack([_changed(space, parents, rng), drawn(space, 2, rng)]))
            pool, values = np.vstack([pool, near]), np.concatenate([values, kernel.value(near)])
            weights = np.exp(np.maximum(values, -targets.std()) - values.max())
        order = np.argsort(-values, kind="stable")
        return first_new(space, pool[order], history, rng)

    def _likeliest(self, space: ConfigurationSpace, codes: np.ndarray, targets: np.ndarray) -> _Kernel:
        best: _Kernel | None = None
        rest = _rest(space, codes, codes)
        for structure in STRUCTURES:
            far, share = self._distances(space, codes, codes, structure)
            scale = float(np.median(far[far > 0])) if (far > 0).any() else 1.0
            for first, second, noise in product(FIRST, SECOND, NOISES):
                matrix = _combined(far / scale, share, first, second) * rest
                posterior = Posterior.of(semidefinite(matrix), targets, noise)
                if best is None or posterior.log_marginal > best.posterior.log_marginal:
                    best = _Kernel(self, space, codes, posterior, structure, scale, first, second)
        assert best is not None, "the grid is not empty"
        return best

    def _distances(
        self, space: ConfigurationSpace, a: np.ndarray, b: np.ndarray, structure: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """(m, n) distances, and the same as shares of the masses; those known are looked up."""
        left = self._networks(space, a)
        right = left if b is a else self._networks(space, b)
        far, share = np.zeros((len(a), len(b))), np.zeros((len(a), len(b)))
        for i, x in enumerate(left):
            for j, y in enumerate(right):
                if x != y:
                    pair = (x, y, structure) if x < y else (y, x, structure)
                    if pair not in self._pairs:
                        self._pairs[pair] = distance(self._layers[pair[0]], self._layers[pair[1]], structure)
                    far[i, j], share[i, j] = self._pairs[pair]
        return far, share

    def _networks(self, space: ConfigurationSpace, codes: np.ndarray) -> list[str]:
        """The hash of the architecture of each code, whose layers are then known."""
        found = []
        for code in codes:
            config = decode(space, code)
            assert config is not None, "forbidden codes were left out"
            genotype, _ = decode_genotype(space, config)
            if genotype.hash not in self._layers:
                self._layers[genotype.hash] = Layers.of(genotype.graph())
            found.append(genotype.hash)
        return found


@dataclass(frozen=True)
class _Kernel:
    """The posterior under the likeliest kernel."""

    sampler: NASBOT
    space: ConfigurationSpace
    codes: np.ndarray
    posterior: Posterior
    structure: float
    scale: float
    first: float
    second: float

    def value(self, pool: np.ndarray) -> np.ndarray:
        """(m,) expected improvement of each code."""
        far, share = self.sampler._distances(self.space, pool, self.codes, self.structure)
        cross = _combined(far / self.scale, share, self.first, self.second) * _rest(self.space, pool, self.codes)
        mean, deviation = self.posterior.predict(cross, 1.0)
        return expected_improvement(mean, deviation, float(self.posterior.targets.min()))


def _combined(far: np.ndarray, share: np.ndarray, first: float, second: float) -> np.ndarray:
    return 0.5 * np.exp(-first * far) + 0.5 * np.exp(-second * share**2)


def _rest(space: ConfigurationSpace, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The kernel over what is not architecture: exp(−2 times the mean difference); 1 where there is nothing else."""
    found = definition_of(space)
    assert found is not None, "the catalogue lets only spaces with architectures here"
    columns = [i for i, name in enumerate(space) if not name.startswith(found[1])]
    if not columns:
        return np.ones((len(a), len(b)))
    return np.exp(-2 * differences(space, unit(space, a), unit(space, b), columns))


def _changed(space: ConfigurationSpace, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The codes, each changed one to five times."""
    steps = rng.choice(len(STEPS), size=len(codes), p=STEPS)
    for step in range(len(STEPS)):
        codes = np.where((steps >= step)[:, None], mutated(space, codes, rng), codes)
    return codes
