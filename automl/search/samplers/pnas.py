"""Progressive search: begin with what is simple, grow the best by one choice at a time, as a predictor ranks.

Liu et al. (2018), "Progressive Neural Architecture Search", ECCV, arXiv:1712.00559. Their cells grow block by block;
here a configuration grows by the choices in which it differs from the default one: level 1 are all that differ in one
choice, level b those that differ in one more than a trial of level b − 1. A predictor (five networks, each trained on
4/5 of all trials, as theirs) ranks a level, and the best K of it are tried. For cells of NAS-Bench-201 the default is
the cell that passes everything on: grown from an empty cell, small ones say nothing about larger ones.

After the last level, the K best trials are changed in one choice, level after level. While the last trials of a level
run, workers get those that the predictor ranked next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.candidates import allowed, codes_of, drawn, features, first_new, settled
from automl.search.draw import as_dict, choices, decode
from automl.search.lessons import log_scaled, losses, run_seed
from automl.search.models.ensemble import fitted
from automl.search.trial import State, config_key

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Trial

STEPS = 4
"""Values of a number that are tried in its place, evenly spread."""


@dataclass(frozen=True)
class Level:
    """The ranking of a level and what it was made from.

    Attributes
    ----------
    told: the trials of the levels before.
    ranking: (n, d) codes, the best predicted first.
    size: how many of them make the level.
    """

    told: tuple[Trial, ...]
    ranking: np.ndarray
    size: int


@dataclass
class PNAS:
    """Progressive search as a function of the history.

    Attributes
    ----------
    beam: K, trials of a level.
    first: most trials of the first level.
    """

    beam: int = 24
    first: int = 100
    _levels: tuple[ConfigurationSpace, int, tuple[Level, ...]] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        seed = run_seed(history)
        known = self._levels[2] if self._levels and self._levels[0] is space and self._levels[1] == seed else ()
        ended = {config_key(t.config): t for t in history if t.state is not State.RUNNING and t.budget == 1}
        tried = {config_key(t.config) for t in history}
        levels: tuple[Level, ...] = ()
        told: tuple[Trial, ...] = ()
        while True:
            b = len(levels)
            if b < len(known) and known[b].told == told:
                level = known[b]
            else:
                level = self._level(space, b, told, np.random.default_rng([seed, b]))
            levels = (*levels, level)
            keys = [self._key(space, code) for code in level.ranking[: level.size]]
            done = tuple(ended[key] for key in keys if key in ended)
            grown = {t.number for t in told}
            new = tuple(t for t in done if t.number not in grown)
            if not keys or len(done) < len(keys) or not new or not any(np.isfinite(t.loss) for t in done):
                break
            told = (*told, *new)
        self._levels = (space, seed, levels)
        pending = [code for code, key in zip(level.ranking, keys, strict=False) if key not in tried]
        return first_new(space, [*pending, *level.ranking[level.size :]], history, rng)

    def _key(self, space: ConfigurationSpace, code: np.ndarray) -> str:
        config = decode(space, code)
        return "" if config is None else config_key(config)

    def _level(self, space: ConfigurationSpace, b: int, told: tuple[Trial, ...], rng: np.random.Generator) -> Level:
        default = codes_of(space, [as_dict(space.get_default_configuration())])
        if not told:
            singles = self._new(space, np.vstack([default, grown(space, default, rng)]), ())
            rest = 1 + rng.permutation(len(singles) - 1)  # no model yet: any order
            return Level((), singles[np.concatenate([[0], rest])], min(self.first, len(singles)))
        values, codes = losses(told), codes_of(space, [t.config for t in told])
        model = fitted(features(space, codes), log_scaled(values), rng, share=0.8)
        best = codes[np.argsort(values, kind="stable")]
        wider = [code for code in best if changes(code, default[0]) == b]
        pool = self._new(space, grown(space, np.array(wider[: self.beam]), rng), told) if wider else best[:0]
        pool = pool[[changes(code, default[0]) == b + 1 for code in pool]] if len(pool) else pool
        if not len(pool):  # no level is left: around the best of all
            pool = self._new(space, grown(space, best[: self.beam], rng), told)
        ranked = pool[np.argsort(model.predict(features(space, pool)).mean(0), kind="stable")] if len(pool) else pool
        return Level(told, ranked, min(self.beam, len(ranked)))

    def _new(self, space: ConfigurationSpace, codes: np.ndarray, told: tuple[Trial, ...]) -> np.ndarray:
        """The codes without repeats, without those tried, without forbidden ones."""
        known = {code.tobytes() for code in codes_of(space, [t.config for t in told])}
        unique = {code.tobytes(): code for code in codes if code.tobytes() not in known}
        return allowed(space, np.array(list(unique.values())).reshape(-1, len(space)))


def changes(code: np.ndarray, default: np.ndarray) -> int:
    """Choices that differ from the default's; what a change activates or puts to sleep does not count."""
    return int(((code != default) & ~np.isnan(code) & ~np.isnan(default)).sum())


def grown(space: ConfigurationSpace, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All codes with one active choice changed; what that activates is drawn from the priors."""
    children = []
    for code in codes:
        for place, hp in enumerate(space.values()):
            if np.isnan(code[place]) or hp.size == 1:
                continue
            n = len(choices(hp))
            values = hp.lower_vectorized + np.arange(n) if n else _numbers(hp)
            for value in values:
                if abs(value - code[place]) > 1e-9:
                    child = code.copy()
                    child[place] = value
                    children.append(child)
    if not children:
        return np.empty((0, len(space)))
    full = np.array(children)
    fresh = drawn(space, len(full), rng, active=False)
    return settled(space, np.where(np.isnan(full), fresh, full))


def _numbers(hp: Any) -> np.ndarray:
    """Evenly spread codes of a number, on its grid."""
    codes = (np.arange(STEPS) + 0.5) / STEPS
    return np.unique([float(hp.to_vector(hp.to_value(float(code)))) for code in codes])
