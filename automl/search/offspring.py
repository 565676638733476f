"""Children of a configuration by network morphisms, within what the space can hold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.errors import GenotypeError
from automl.genotypes import spaces
from automl.genotypes.morphs import EXACT, Morph, morphs_of
from automl.genotypes.space_of_families import FamiliesSpace
from automl.search.candidates import codes_of, mutated
from automl.search.draw import decode, encode, sample
from automl.search.trial import Configuration

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

NOMINAL = ((3, 32, 32), 10)
"""Input shape and outputs for which parameters are counted: others change the count by a constant, about."""
DRAWN = 16
"""Draws from the space among which a small network is looked for."""
MOST_DRAWN = 1000
"""Draws without a genotype after which a space counts as one that has none."""


def grows(space: ConfigurationSpace, config: Configuration) -> bool:
    """Whether morphisms can change the configuration's architecture.

    They cannot where it is a reference network, which a space may hold beside families of genotypes; nor is its size
    known here.
    """
    definition, _ = _definition(space)
    return not isinstance(definition, FamiliesSpace) or config[definition.choice] in definition.members


def drawn(space: ConfigurationSpace, rng: np.random.Generator) -> dict[str, Any]:
    """A draw from the space that morphisms can change.

    Raises
    ------
    GenotypeError: there is none among a thousand draws.
    """
    for _ in range(MOST_DRAWN):
        config = sample(space, rng)
        if grows(space, config):
            return config
    raise GenotypeError(
        f"{MOST_DRAWN} draws from the space {space.name!r} were all of networks that no morphism can change; leave "
        "their families out, or give those of genotypes, such as 'cnn_chain', a greater weight"
    )


def neighbours(
    space: ConfigurationSpace, config: Configuration, kinds: Sequence[str] = EXACT
) -> list[tuple[Morph, dict[str, Any]]]:
    """Morphs of the configuration's architecture and the configurations that they lead to, always in the same order."""
    genotype, rest = spaces.decode(space, config)
    found = []
    for morph in _morphs(genotype, tuple(kinds), _widths(space)):
        child = _held(space, morph.apply(genotype), rest)
        if child is not None:
            found.append((morph, child))
    return found


def morphed(
    space: ConfigurationSpace, config: Configuration, rng: np.random.Generator, *, steps: int, kinds: Sequence[str]
) -> dict[str, Any]:
    """A configuration after so many random morphs: first a kind is drawn among those that apply, then one of it."""
    for _ in range(steps):
        config = _stepped(space, config, rng, kinds) or config
    return dict(config)


def _ways(space: ConfigurationSpace, config: Configuration) -> int:
    """Kinds of exact morphs by which the architecture can grow within the space."""
    genotype, rest = spaces.decode(space, config)
    held: set[str] = set()
    for morph in _morphs(genotype, EXACT, _widths(space)):
        if morph.kind not in held and _held(space, morph.apply(genotype), rest) is not None:
            held.add(morph.kind)
    return len(held)


def _stepped(
    space: ConfigurationSpace, config: Configuration, rng: np.random.Generator, kinds: Sequence[str]
) -> dict[str, Any] | None:
    """A random neighbour; None where there is none. What the space can hold is asked of few, as it takes long."""
    genotype, rest = spaces.decode(space, config)
    by_kind: dict[str, list[Morph]] = {}
    for morph in _morphs(genotype, tuple(kinds), _widths(space)):
        by_kind.setdefault(morph.kind, []).append(morph)
    for kind in rng.permutation(sorted(by_kind)):
        for i in rng.permutation(len(by_kind[kind])):
            child = _held(space, by_kind[kind][i].apply(genotype), rest)
            if child is not None:
                return child
    return None


def moved(space: ConfigurationSpace, config: Configuration, chance: float, rng: np.random.Generator) -> dict[str, Any]:
    """With some chance, the configuration with one of the hyperparameters changed that are not of its architecture."""
    _, prefix = _definition(space)
    rest = [i for i, name in enumerate(space) if not name.startswith(prefix) and space[name].size != 1]
    if not rest or rng.random() >= chance:
        return dict(config)
    changed = decode(space, mutated(space, codes_of(space, [config]), rng, rest)[0])
    return dict(config) if changed is None else changed


def small(space: ConfigurationSpace, rng: np.random.Generator) -> dict[str, Any]:
    """The configuration of the smallest network among those draws that may grow in the most ways."""
    some = [drawn(space, rng) for _ in range(DRAWN)]
    ways = [_ways(space, config) for config in some]
    return min(
        (config for config, kinds in zip(some, ways, strict=True) if kinds == max(ways)),
        key=lambda config: parameters(space, config),
    )


def parameters(space: ConfigurationSpace, config: Configuration) -> int:
    """Trainable numbers of the configuration's architecture, one that `grows`."""
    genotype, _ = spaces.decode(space, config)
    return _counted(genotype)


@lru_cache(maxsize=4096)
def _counted(genotype: Any) -> int:
    plan = genotype.plan(*NOMINAL)
    return int(plan.parameters)


@lru_cache(maxsize=4096)
def _morphs(genotype: Any, kinds: tuple[str, ...], widths: tuple[int, ...]) -> tuple[Morph, ...]:
    """`morphs_of`, remembered: it applies every candidate, and parents come back."""
    return tuple(morphs_of(genotype, kinds, widths=widths))


def _held(space: ConfigurationSpace, genotype: Any, rest: dict[str, Any]) -> dict[str, Any] | None:
    """The configuration of an architecture; None where the space does not hold it."""
    try:
        config = spaces.encode(space, genotype, rest)
        again, _ = spaces.decode(space, config)
    except (GenotypeError, KeyError):
        return None
    return decode(space, encode(space, config)) if again.hash == genotype.hash else None


def _widths(space: ConfigurationSpace) -> tuple[int, ...]:
    """Widths that layers of the space may have."""
    definition, _ = _definition(space)
    found = {*getattr(definition, "filters", ()), *getattr(definition, "units", ())}
    return tuple(sorted(n for n in found if n > 0))


def _definition(space: ConfigurationSpace) -> tuple[Any, str | tuple[str, ...]]:
    found = spaces.definition_of(space)
    if found is None:
        raise GenotypeError(
            f"the space {space.name!r} holds no architectures; make it by `automl.genotypes.spaces.joined`, for "
            "example joined(ChainSpace(), training)"
        )
    return found
