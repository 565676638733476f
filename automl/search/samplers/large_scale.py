"""Large-scale evolution: begin with trivial networks; of two, the worse dies and the better gets a mutated child.

Real et al. (2017), "Large-Scale Evolution of Image Classifiers", ICML, arXiv:1703.01041. Mutations add, change or
remove a layer where the space marks its layers (`automl.genotypes.spaces`), and change a hyperparameter elsewhere. The
paper has 1,000 individuals; here 30, for hundreds of trials.

Which of two dies is drawn from the run's seed and the number of the child that takes its place, so the living are a
function of the history. Children inherit weights where the method says so (`evolution-large-scale-inherit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.candidates import codes_of, drawn, mutated, settled
from automl.search.draw import decode, sample
from automl.search.lessons import Replay, lessons, losses, run_seed
from automl.search.trial import Configuration, Offspring, State, config_key

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Trial

TRIES = 16
"""Children that a forbidden clause may exclude before a draw from the space takes their place."""

Living = tuple["Trial", ...]


@dataclass
class LargeScale:
    """Pairwise tournaments.

    Attributes
    ----------
    population: individuals alive at once, >= 2.
    mutations: of layers, drawn evenly; "change" mutates any hyperparameter but the depth.
    """

    population: int = 30
    mutations: tuple[str, ...] = ("add", "change", "remove")
    _living: Replay[Living] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._living = Replay(lambda space, rng: (), self._born)

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Configuration:
        return self.child(space, history, rng).config

    def child(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Offspring:
        """A mutant and its parent, or a trivial network, as long as there are new ones and the population is small."""
        layers = Layers.of(space)
        living = self._living(space, lessons(history), run_seed(history))
        tried = {config_key(t.config) for t in history}
        parent: int | None = None
        for attempt in range(TRIES):
            trivial = len(living) < 2 or (len(history) < self.population and attempt < TRIES // 2)
            if trivial:
                code, parent = layers.trivial(drawn(space, 1, rng, active=False)[0]), None
            else:
                code, parent = self._child(layers, living, rng)
            config = decode(space, code)
            if config is not None and not (trivial and len(living) >= 2 and config_key(config) in tried):
                return Offspring(config, parent)
        return Offspring(sample(space, rng))

    def _born(
        self, space: ConfigurationSpace, living: Living, born: Sequence[Trial], rng: np.random.Generator
    ) -> Living:
        living = (*living, *born)
        if len(living) <= self.population:
            return living
        pair = rng.choice(len(living), size=2, replace=False)
        dead = max(pair, key=lambda i: (living[i].loss, -living[i].number))
        return tuple(t for i, t in enumerate(living) if i != dead)

    def _child(self, layers: Layers, living: Living, rng: np.random.Generator) -> tuple[np.ndarray, int | None]:
        pair = [living[i] for i in rng.choice(len(living), size=2, replace=False)]
        parent = pair[int(np.argmin(losses(pair)))] if any(np.isfinite(t.loss) for t in pair) else pair[0]
        code = codes_of(layers.space, [parent.config])[0]
        number = parent.number if parent.state is State.DONE else None
        mutation = str(rng.choice(self.mutations))
        grown = layers.resized(code, 1 if mutation == "add" else -1, rng) if mutation != "change" else None
        if grown is not None:
            return grown, number
        among = [i for i in range(len(layers.space)) if i not in layers.depths]
        return mutated(layers.space, code[None], rng, among or None)[0], number


@dataclass(frozen=True)
class Layers:
    """Where the layers of a space stand.

    Attributes
    ----------
    depths: place of each number of layers → the stems of the choices that it counts, layer by layer.
    stems: stem → layer → place, for choices whose names end in the number of their layer.
    """

    space: ConfigurationSpace
    depths: dict[int, tuple[str, ...]]
    stems: dict[str, dict[int, int]]

    @classmethod
    def of(cls, space: ConfigurationSpace) -> Layers:
        stems: dict[str, dict[int, int]] = {}
        counted: dict[int, str] = {}
        for place, (name, hp) in enumerate(space.items()):
            meta = hp.meta or {}
            if meta.get("depth"):
                counted[place] = str(meta["counted"])
            elif "layer" in meta and name.endswith(str(meta["layer"])):
                stems.setdefault(name.removesuffix(str(meta["layer"])), {})[int(meta["layer"])] = place
        depths: dict[int, tuple[str, ...]] = {}
        for place, stem in counted.items():
            conditioned = {
                name
                for name, layers in stems.items()
                if name == stem or any(_hangs_on(space, p, stem) for p in layers.values())
            }
            depths[place] = tuple(sorted(conditioned))
        return cls(space, depths, stems)

    def trivial(self, code: np.ndarray) -> np.ndarray:
        """A full code with as few layers as may be."""
        least = code.copy()
        for place in self.depths:
            least[place] = float(self._hyperparameter(place).to_vector(self._hyperparameter(place).lower))
        return settled(self.space, least[None])[0]

    def resized(self, code: np.ndarray, by: int, rng: np.random.Generator) -> np.ndarray | None:
        """The code with one layer more or less at a random place; None where no depth allows it."""
        able = [p for p in self.depths if not np.isnan(code[p]) and self._allows(code, p, by)]
        if not able:
            return None
        place = int(rng.choice(able))
        hp = self._hyperparameter(place)
        depth = int(hp.to_value(code[place]))
        at = int(rng.integers(1, depth + (2 if by > 0 else 1)))
        full = np.where(np.isnan(code), drawn(self.space, 1, rng, active=False)[0], code)
        child = full.copy()
        child[place] = float(hp.to_vector(depth + by))
        for stem in self.depths[place]:
            layers = self.stems[stem]
            for layer in range(at, depth + 1):
                source, target = (layer, layer + 1) if by > 0 else (layer + 1, layer)
                if source in layers and target in layers and source <= depth:
                    child[layers[target]] = full[layers[source]]
        if by > 0:
            for stem in self.depths[place]:
                if at in self.stems[stem]:
                    child[self.stems[stem][at]] = drawn(self.space, 1, rng, active=False)[0][self.stems[stem][at]]
        return settled(self.space, child[None])[0]

    def _allows(self, code: np.ndarray, place: int, by: int) -> bool:
        hp = self._hyperparameter(place)
        return bool(hp.lower <= int(hp.to_value(code[place])) + by <= hp.upper)

    def _hyperparameter(self, place: int) -> Any:
        return self.space[self.space.at[place]]


def _hangs_on(space: ConfigurationSpace, place: int, stem: str) -> bool:
    """Whether a hyperparameter's parents are named by the stem and a number."""
    return any(parent.name.startswith(stem) for parent in space.parents_of[space.at[place]])
