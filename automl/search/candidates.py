"""Many configurations at once, as vectors: draws, mutants, and the first that may be proposed.

A code is a (d,) vector of ConfigSpace codes with NaN where a hyperparameter is inactive (see `draw`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ConfigSpace import OrdinalHyperparameter
from ConfigSpace.hyperparameters import IntegerHyperparameter

from automl.search.draw import choices, decode, sample
from automl.search.trial import config_key

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Configuration

STEP = 0.2
"""Standard deviation of a number's change, as a share of its range (Hutter, Hoos & Leyton-Brown 2011)."""
TRIED = 4
"""Steps of a number that count as its neighbours (as in the local search of SMAC3)."""


def codes_of(space: ConfigurationSpace, configs: Iterable[Configuration]) -> np.ndarray:
    """(n, d) codes of configurations, as `encode` gives them one by one."""
    known = list(configs)
    codes = np.full((len(known), len(space)), np.nan)
    for place, (name, hp) in enumerate(space.items()):
        rows = [row for row, config in enumerate(known) if name in config]
        values = [known[row][name] for row in rows]
        if options := choices(hp):
            places = {option: hp.lower_vectorized + k for k, option in enumerate(options)}
            codes[rows, place] = [places[value] for value in values]
        elif rows:
            codes[rows, place] = hp.to_vector(np.array(values))
    return codes


def settled(space: ConfigurationSpace, codes: np.ndarray) -> np.ndarray:
    """(n, d) codes with NaN where conditions fail; entries must be there for what may be active."""
    columns = codes.T.copy()
    for i, name in enumerate(space):
        for condition in space.parent_conditions_of[name]:
            columns[i, ~condition.satisfied_by_vector_array(columns)] = np.nan
    return columns.T


def drawn(space: ConfigurationSpace, n: int, rng: np.random.Generator, *, active: bool = True) -> np.ndarray:
    """(n, d) codes drawn from the priors; all entries are filled where `active` is False."""
    state = np.random.RandomState(rng.integers(2**32))  # ConfigSpace takes no Generator
    columns = [np.asarray(hp.sample_vector(size=n, seed=state), dtype=float) for hp in space.values()]
    codes = np.stack(columns, axis=1)
    return settled(space, codes) if active else codes


def mutated(
    space: ConfigurationSpace, codes: np.ndarray, rng: np.random.Generator, among: Sequence[int] | None = None
) -> np.ndarray:
    """(n, d) codes, each with one active hyperparameter changed; what that activates is drawn from the priors.

    Categories take any other value, numbers move by a normal step.

    Parameters
    ----------
    among: places of the hyperparameters that may change; all by default.
    """
    free = np.array([hp.size != 1 for hp in space.values()])
    if among is not None:
        free &= np.isin(np.arange(len(space)), among)
    fresh, children = drawn(space, len(codes), rng, active=False), codes.copy()
    hyperparameters = list(space.values())
    for row, child in enumerate(children):
        movable = np.flatnonzero(~np.isnan(child) & free)
        if len(movable):
            place = int(rng.choice(movable))
            child[place] = moved(hyperparameters[place], child[place], rng)
        children[row] = np.where(np.isnan(child), fresh[row], child)
    return settled(space, children)


def neighbours(space: ConfigurationSpace, codes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """All codes that differ from one of `codes` in one active hyperparameter and are allowed, of numbers a few.

    Categories take every other value, levels the next ones, numbers `TRIED` normal steps, of which those remain that
    lead to another value. What a change activates is drawn from the priors.

    Returns
    -------
    (m, d) neighbours, and (m,) the row of `codes` that each belongs to.
    """
    found, owners = [np.empty((0, len(space)))], [np.empty(0, dtype=int)]
    for place, hp in enumerate(space.values()):
        rows = np.flatnonzero(~np.isnan(codes[:, place])) if hp.size != 1 else np.empty(0, dtype=int)
        now = codes[rows, place, None]
        if options := len(choices(hp)):
            now, low = now - hp.lower_vectorized, hp.lower_vectorized
            steps = [-1, 1] if isinstance(hp, OrdinalHyperparameter) else np.arange(1, options)
            there = now + steps if isinstance(hp, OrdinalHyperparameter) else (now + steps) % options
            legal = (there >= 0) & (there < options)
            there = there + low
        else:
            there = np.abs(now + STEP * rng.standard_normal((len(rows), TRIED)))
            there = np.clip(np.where(there < 1, there, 2 - there), 0.0, 1.0)  # reflected at the bounds
            there = hp.to_vector(hp.to_value(there.ravel())).reshape(there.shape)
            legal = there != now
        owner = np.repeat(rows, legal.sum(axis=1))
        changed = codes[owner]
        changed[:, place] = there[legal]
        found.append(changed)
        owners.append(owner)
    around, owner = np.vstack(found), np.concatenate(owners)
    around = settled(space, np.where(np.isnan(around), drawn(space, len(around), rng, active=False), around))
    kept = ~forbidden(space, around)
    return around[kept], owner[kept]


def moved(hp: Any, code: float, rng: np.random.Generator) -> float:
    """Another code of a hyperparameter."""
    if options := len(choices(hp)):
        low = hp.lower_vectorized
        if isinstance(hp, OrdinalHyperparameter):
            return float(low + rng.choice([k for k in range(options) if k != code - low]))
        return float((code - low + rng.integers(1, options)) % options + low)
    for _ in range(16):
        there = code + STEP * rng.standard_normal()
        there = abs(there) if there < 1 else 2 - there  # reflected at the bounds
        value = float(hp.to_vector(hp.to_value(float(np.clip(there, 0.0, 1.0)))))
        if value != code:
            return value
        if isinstance(hp, IntegerHyperparameter):  # the step fell short of the next whole number
            now = hp.to_value(code)
            up = now == hp.lower or (now < hp.upper and there > code)
            return float(hp.to_vector(now + (1 if up else -1)))
    return float(hp.sample_vector(seed=np.random.RandomState(rng.integers(2**32))))


def allowed(space: ConfigurationSpace, codes: np.ndarray) -> np.ndarray:
    """The codes that no forbidden clause excludes."""
    return codes[~forbidden(space, codes)]


def forbidden(space: ConfigurationSpace, codes: np.ndarray) -> np.ndarray:
    """(n,) whether a forbidden clause excludes a code."""
    columns, found = codes.T, np.zeros(len(codes), dtype=bool)
    for clause in space.forbidden_clauses:
        found |= clause.is_forbidden_vector_array(columns)
    return found


def unit(space: ConfigurationSpace, codes: np.ndarray) -> np.ndarray:
    """(n, d) points in [0, 1], NaN where inactive; level k of n lies at (k + 1/2) / n."""
    points = codes.copy()
    for i, hp in enumerate(space.values()):
        if n := len(choices(hp)):
            points[:, i] = (points[:, i] - hp.lower_vectorized + 0.5) / n
    return points


def features(space: ConfigurationSpace, codes: np.ndarray) -> np.ndarray:
    """(n, k) numbers for a regression: categories one-hot, numbers in [0, 1] with their activity; 0 where inactive."""
    blocks = []
    for i, hp in enumerate(space.values()):
        column, n = codes[:, i], len(choices(hp))
        if n and not isinstance(hp, OrdinalHyperparameter):
            blocks.append((column[:, None] - hp.lower_vectorized == np.arange(n)).astype(float))
            continue
        there = ~np.isnan(column)
        scaled = (column - hp.lower_vectorized) / max(n - 1, 1) if n else column
        blocks.append(np.where(there, scaled, 0.0)[:, None])
        if space.parent_conditions_of[hp.name]:
            blocks.append(there.astype(float)[:, None])
    return np.hstack(blocks)


def differences(
    space: ConfigurationSpace, a: np.ndarray, b: np.ndarray, among: Sequence[int] | None = None
) -> np.ndarray:
    """The (m, n) mean difference of points (m, d) and (n, d) in [0, 1]: 1 where categories or activity differ.

    Parameters
    ----------
    among: places of the hyperparameters that count, at least one; all by default.
    """
    hyperparameters = list(space.values())
    places = range(len(space)) if among is None else among
    total = np.zeros((len(a), len(b)))
    for i in places:
        hp, x, y = hyperparameters[i], a[:, i, None], b[None, :, i]
        gap = np.abs(x - y)
        if choices(hp) and not isinstance(hp, OrdinalHyperparameter):
            gap = np.where(np.isnan(gap), gap, gap > 1e-9)
        total += np.where(np.isnan(gap), np.isnan(x) != np.isnan(y), gap)
    return total / len(places)


def first_new(
    space: ConfigurationSpace, ranked: Iterable[np.ndarray], history: History, rng: np.random.Generator
) -> dict[str, Any]:
    """The first of the codes that is allowed and was not tried; a draw from the space where there is none."""
    seen = {config_key(t.config) for t in history}
    for code in ranked:
        config = decode(space, code)
        if config is not None and config_key(config) not in seen:
            return config
    return sample(space, rng)
