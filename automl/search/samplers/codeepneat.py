"""CoDeepNEAT: modules and the blueprints that assemble them evolve side by side.

Miikkulainen et al. (2017), "Evolving Deep Neural Networks", arXiv:1703.00548. A module is a part of a network, the
choices that a space marks with one `module` (`automl.genotypes.spaces`), such as a layer or a cell; modules of equal
choices share a population, which is divided into species. A blueprint says which species fills each part, and holds the
choices outside modules. A network is a blueprint filled with a random member of each species; the fitness of a module,
or of a blueprint, is the mean of the networks that it took part in. In a space without marks, every hyperparameter is a
module of its own.

Nothing but configurations is in the history, so what took part is read off them: a module by its values, a blueprint by
its own choices and the species of the modules. Populations are replayed generation by generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.candidates import codes_of, drawn, moved, settled
from automl.search.draw import decode, sample
from automl.search.lessons import Replay, lessons, losses, run_seed
from automl.search.trial import config_key

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Trial

TRIES = 16
"""Networks that a forbidden clause excludes or that were tried before a draw from the space takes their place."""


@dataclass(frozen=True)
class Parts:
    """How a space falls into modules.

    Attributes
    ----------
    slots: places of the choices of each part.
    kinds: of each slot; slots of one kind have equal choices and share modules.
    outside: places of the choices that belong to no part.
    """

    space: ConfigurationSpace
    slots: tuple[tuple[int, ...], ...]
    kinds: tuple[int, ...]
    outside: tuple[int, ...]

    @classmethod
    def of(cls, space: ConfigurationSpace) -> Parts:
        groups: dict[str, list[int]] = {}
        outside = []
        marked = any("module" in (hp.meta or {}) for hp in space.values())
        for place, (name, hp) in enumerate(space.items()):
            module = (hp.meta or {}).get("module", None if marked else name)
            if module is None:
                outside.append(place)
            else:
                groups.setdefault(str(module), []).append(place)
        slots = tuple(tuple(places) for places in groups.values())
        signatures = [tuple(_signature(space[space.at[place]]) for place in slot) for slot in slots]
        kinds = tuple(signatures.index(signature) for signature in signatures)
        return cls(space, slots, kinds, tuple(outside))


@dataclass(frozen=True)
class Blueprint:
    """Which species fills each slot, and the codes of the choices outside."""

    species: tuple[int, ...]
    outside: np.ndarray


@dataclass(frozen=True)
class Populations:
    """What lives in a generation.

    Attributes
    ----------
    modules: kind → species → codes (n, choices) of its members.
    """

    parts: Parts
    modules: dict[int, tuple[np.ndarray, ...]]
    blueprints: tuple[Blueprint, ...]


@dataclass
class CoDeepNEAT:
    """Coevolution of modules and blueprints.

    Attributes
    ----------
    blueprints, modules: sizes of the populations; modules of each kind (25 and 45 in the paper).
    species: of modules of one kind, at most.
    networks: assembled in a generation.
    elite: share of a species, or of the blueprints, that survives a generation and has children.
    """

    blueprints: int = 25
    modules: int = 45
    species: int = 4
    networks: int = 20
    elite: float = 0.4
    _populations: Replay[Populations] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._populations = Replay(self._start, self._step, self.networks)

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        now = self._populations(space, lessons(history), run_seed(history))
        tried = {config_key(t.config) for t in history}
        for _ in range(TRIES):
            blueprint = now.blueprints[int(rng.integers(len(now.blueprints)))]
            code = np.full(len(space), np.nan)
            code[list(now.parts.outside)] = blueprint.outside
            for slot, kind, species in zip(now.parts.slots, now.parts.kinds, blueprint.species, strict=True):
                members = now.modules[kind][species]
                code[list(slot)] = members[int(rng.integers(len(members)))]
            config = decode(space, settled(space, code[None])[0])
            if config is not None and config_key(config) not in tried:
                return config
        return sample(space, rng)

    def _start(self, space: ConfigurationSpace, rng: np.random.Generator) -> Populations:
        parts = Parts.of(space)
        modules = {}
        for kind in sorted(set(parts.kinds)):
            codes = drawn(space, self.modules, rng, active=False)[:, list(parts.slots[kind])]
            modules[kind] = self._divided(np.unique(codes, axis=0), rng)
        outside = drawn(space, self.blueprints, rng, active=False)[:, list(parts.outside)]
        blueprints = tuple(
            Blueprint(tuple(int(rng.integers(len(modules[kind]))) for kind in parts.kinds), each) for each in outside
        )
        return Populations(parts, modules, blueprints)

    def _divided(self, codes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Species around members that lie far from each other, by the number of choices that differ."""
        centres = [int(rng.integers(len(codes)))]
        while len(centres) < min(self.species, len(codes)):
            far = np.min([(codes != codes[c]).sum(axis=1) for c in centres], axis=0)
            if far.max() == 0:
                break
            centres.append(int(far.argmax()))
        nearest = np.argmin([(codes != codes[c]).sum(axis=1) for c in centres], axis=0)
        return tuple(codes[nearest == i] for i in range(len(centres)))

    def _step(
        self, space: ConfigurationSpace, now: Populations, batch: Sequence[Trial], rng: np.random.Generator
    ) -> Populations:
        if not any(np.isfinite(t.loss) for t in batch):
            return now
        networks, values = codes_of(space, [t.config for t in batch]), losses(batch)
        modules = {
            kind: tuple(self._bred(now.parts, kind, members, networks, values, rng) for members in species)
            for kind, species in now.modules.items()
        }
        fitness = [self._blueprint_loss(now, blueprint, networks, values) for blueprint in now.blueprints]
        order = np.argsort(fitness, kind="stable")
        kept = [now.blueprints[i] for i in order[: max(2, int(self.elite * len(order)))]]
        children = [self._blueprint_child(now, kept, rng) for _ in range(len(now.blueprints) - len(kept))]
        return replace(now, modules=modules, blueprints=(*kept, *children))

    def _bred(
        self, parts: Parts, kind: int, members: np.ndarray, networks: np.ndarray, values: np.ndarray, rng: Any
    ) -> np.ndarray:
        """The next generation of a species: its best, and their children."""
        fitness = []
        for member in members:
            took = np.zeros(len(networks), dtype=bool)
            for slot, slot_kind in zip(parts.slots, parts.kinds, strict=True):
                if slot_kind == kind:
                    took |= _fits(networks[:, list(slot)], member)
            fitness.append(values[took].mean() if took.any() else np.median(values))
        order = np.argsort(fitness, kind="stable")
        kept = members[order[: max(1, int(np.ceil(self.elite * len(order))))]]
        children = [self._module_child(parts, kind, kept, rng) for _ in range(len(members) - len(kept))]
        return np.vstack([kept, *children]) if children else kept

    def _module_child(self, parts: Parts, kind: int, parents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        one, other = parents[rng.integers(len(parents), size=2)]
        child = np.where(rng.random(len(one)) < 0.5, one, other)
        hyperparameters = [parts.space[parts.space.at[place]] for place in parts.slots[kind]]
        free = [i for i, hp in enumerate(hyperparameters) if hp.size != 1]
        if free:
            place = int(rng.choice(free))
            child[place] = moved(hyperparameters[place], child[place], rng)
        return child

    def _blueprint_loss(
        self, now: Populations, blueprint: Blueprint, networks: np.ndarray, values: np.ndarray
    ) -> float:
        took = _fits(networks[:, list(now.parts.outside)], blueprint.outside)
        for slot, kind, species in zip(now.parts.slots, now.parts.kinds, blueprint.species, strict=True):
            part = networks[:, list(slot)]
            asleep = np.isnan(part).all(axis=1)  # a layer beyond the depth: whatever would fill it
            took &= asleep | np.any([_fits(part, member) for member in now.modules[kind][species]], axis=0)
        return float(values[took].mean() if took.any() else np.median(values))

    def _blueprint_child(self, now: Populations, parents: Sequence[Blueprint], rng: np.random.Generator) -> Blueprint:
        one, other = (parents[i] for i in rng.integers(len(parents), size=2))
        species = [a if rng.random() < 0.5 else b for a, b in zip(one.species, other.species, strict=True)]
        outside = np.where(rng.random(len(one.outside)) < 0.5, one.outside, other.outside)
        place = int(rng.integers(len(species) + len(outside)))
        if place < len(species):
            species[place] = int(rng.integers(len(now.modules[now.parts.kinds[place]])))
        else:
            hp = now.parts.space[now.parts.space.at[now.parts.outside[place - len(species)]]]
            if hp.size != 1:
                outside[place - len(species)] = moved(hp, outside[place - len(species)], rng)
        return Blueprint(tuple(species), outside)


def _fits(networks: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n,) whether each row has these values wherever it is active, and is active somewhere (or has no choices)."""
    active = ~np.isnan(networks)
    same = np.all(~active | (np.abs(networks - values) < 1e-9), axis=1)
    return same & (active.any(axis=1) | (networks.shape[1] == 0))


def _signature(hp: Any) -> str:
    """A hyperparameter without its name, its default and its marks."""
    fields = {k: v for k, v in vars(hp).items() if k in ("choices", "sequence", "lower", "upper", "log", "value")}
    return f"{type(hp).__name__}{sorted(fields.items())}"
