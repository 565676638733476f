"""Local search: change one hyperparameter at a time, move to the first improvement, restart when all are tried.

White, Nolen & Savani (2021), "Exploring the Loss Landscape in Neural Architecture Search", UAI, arXiv:2005.02960. On
NAS-Bench-201 it beats evolution, so it is the baseline that every other method has to meet.

The climb is read off the history: from the latest trial, known better neighbours lead to the point where the search
stands. So results that arrive late simply join it, and a restart is needed only when no point near the latest trials
has an untried neighbour. Numeric hyperparameters, which have no finite neighbourhood, count as tried after four steps
(as in the local search of SMAC3), with lengths log-uniform between 1/512 and 1/4 of the range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ConfigSpace import OrdinalHyperparameter
from ConfigSpace.hyperparameters import IntegerHyperparameter

from automl.search.draw import choices, decode, draw_codes, encode, sample
from automl.search.trial import Configuration, Offspring

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Trial

LONGEST, SHORTEST = 1 / 4, 1 / 512
"""Range of the step lengths of numeric hyperparameters, as shares of their range."""

STEPS = 4
"""Tries of a numeric hyperparameter before it counts as exhausted."""

LOOK_BACK = 64
"""Latest trials from which a climb is taken up again."""


@dataclass(frozen=True)
class Local:
    """First-improvement local search in the one-parameter neighbourhood."""

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Configuration:
        return self.child(space, history, rng).config

    def child(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Offspring:
        """An untried neighbour and the point beside it, or a restart."""
        budget = max((t.budget for t in history.done), default=1.0)
        done = [t for t in history.done if t.budget == budget]
        numbers = {t.number for t in done}
        visited: set[int] = set()
        for point in reversed(done[-LOOK_BACK:]):
            while point.number not in visited:
                visited.add(point.number)
                near = [(t, name) for t in history if (name := _changed(space, point, t))]
                better = [t for t, _ in near if t.number in numbers and t.loss < point.loss]
                if better:
                    point = min(better, key=lambda t: (t.loss, t.number))
                elif (config := _step(space, point, near, rng)) is not None:
                    return Offspring(config, point.number)
        return Offspring(sample(space, rng))


def _changed(space: ConfigurationSpace, point: Trial, other: Trial) -> str | None:
    """Name of the one hyperparameter that leads from a point to its neighbour; None if they are not neighbours.

    Hyperparameters that are active on one side only hang on the changed one, so they do not count.
    """
    a, b = point.config, other.config
    name = None
    for key, value in a.items():
        if key in b and b[key] != value:
            if name is not None:
                return None
            name = key
    if name is None or choices(space[name]):
        return name
    return name if b[name] in _Reach(space[name], a[name]) else None


class _Reach:
    """The interval of values within the longest step of a numeric hyperparameter (at least one unit for integers)."""

    def __init__(self, hp: Any, value: float) -> None:
        unit = float(hp.to_vector(value))
        low = float(hp.to_value(max(unit - LONGEST, 0.0)))
        high = float(hp.to_value(min(unit + LONGEST, 1.0)))
        self.size = STEPS
        if isinstance(hp, IntegerHyperparameter):
            low, high = min(low, max(value - 1, hp.lower)), max(high, min(value + 1, hp.upper))
            self.size = min(STEPS, round(high - low))
        self.low, self.high = low, high

    def __contains__(self, value: float) -> bool:
        slack = 1e-9 * (abs(self.low) + abs(self.high))
        return self.low - slack <= value <= self.high + slack


def _step(
    space: ConfigurationSpace, point: Trial, near: Sequence[tuple[Trial, str]], rng: np.random.Generator
) -> dict[str, Any] | None:
    """An untried neighbour of a point; None if all are tried or forbidden.

    Parameters
    ----------
    near: the tried neighbours of the point, each with the hyperparameter that it changes.
    """
    tried: dict[str, set[Any]] = {name: set() for name in space if name in point.config}
    for trial, name in near:
        tried[name].add(trial.config[name])
    moves: list[tuple[str, Any]] = []
    for name in tried:
        hp, value = space[name], point.config[name]
        if options := choices(hp):
            at = options.index(value)
            if isinstance(hp, OrdinalHyperparameter):
                options = options[max(at - 1, 0) : at + 2]
            moves += [(name, o) for o in options if o != value and o not in tried[name]]
        else:
            moves += [(name, None)] * (_Reach(hp, value).size - len(tried[name]))
    index = {name: i for i, name in enumerate(space)}
    for at in rng.permutation(len(moves)):
        name, target = moves[at]
        code = encode(space, point.config)
        if target is None:
            target = _walk(space[name], point.config[name], rng)
        code[index[name]] = float(space[name].to_vector(target))
        wakes = np.isnan(code)  # values for what the change may activate
        code[wakes] = draw_codes(space, rng)[wakes]
        if (config := decode(space, code)) is not None:
            return config
    return None


def _walk(hp: Any, value: Any, rng: np.random.Generator) -> Any:
    """A value one step away from a numeric one, never the same."""
    unit = float(hp.to_vector(value))
    length = np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST))) * rng.choice([-1.0, 1.0])
    if not 0 <= unit + length <= 1:
        length = -length
    target = hp.to_value(unit + length)
    if target == value and isinstance(hp, IntegerHyperparameter):
        up = value < hp.upper and (length > 0 or value == hp.lower)
        target = value + 1 if up else value - 1
    return target
