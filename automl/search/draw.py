"""Between ConfigSpace and plain values: dictionaries of native values, unit-cube points, and fresh draws.

A configuration is a dictionary of its active hyperparameters as `str`, `int`, `float` or `bool`. A point is a vector
in the unit cube with NaN where a hyperparameter is inactive. Hyperparameters stand in the order of the space, which
puts parents before their children.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from ConfigSpace import (
    CategoricalHyperparameter,
    Configuration,
    ConfigurationSpace,
    Constant,
    OrdinalHyperparameter,
)
from ConfigSpace.exceptions import ForbiddenValueError
from ConfigSpace.hyperparameters import FloatHyperparameter
from ConfigSpace.hyperparameters.hp_components import ROUND_PLACES

from automl.errors import SettingError

if TYPE_CHECKING:
    from ConfigSpace.hyperparameters import Hyperparameter

    from automl.search.history import History
    from automl.search.protocols import Breeder, Sampler
    from automl.search.trial import Offspring

MAX_REDRAWS = 16
"""Redraws of a configuration that was tried before (`max_new_config_tries` of SMAC3)."""

MAX_FORBIDDEN = 10_000
"""Draws after which a space with forbidden clauses counts as empty."""


def fresh(sampler: Sampler, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
    """A configuration that the history does not hold, or a repeated one after 16 redraws.

    Repeats are allowed in the end because a small space can be exhausted.
    """
    config = dict(sampler(space, history, rng))
    for _ in range(MAX_REDRAWS):
        if all(config != trial.config for trial in history):
            break
        config = dict(sampler(space, history, rng))
    return config


def fresh_child(breeder: Breeder, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Offspring:
    """A child that the history does not hold, or its parent over again, to be trained on; see `fresh`."""
    child = breeder.child(space, history, rng)
    for _ in range(MAX_REDRAWS):
        copied = child.parent is not None and child.config == history[child.parent].config
        if copied or all(child.config != trial.config for trial in history):
            break
        child = breeder.child(space, history, rng)
    return child


def as_dict(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The active hyperparameters of a configuration as native values (str, int, float, bool)."""
    return {name: _native(name, value) for name, value in configuration.items()}


def _native(name: str, value: Any) -> str | int | float | bool:
    plain = value.item() if isinstance(value, np.generic) else value
    if type(plain) not in (str, int, float, bool):
        raise SettingError(
            f"hyperparameter {name!r} has the value {plain!r} of type {type(plain).__name__}: values must be str, "
            "int, float or bool; name the choice with a string and translate it in the objective"
        )
    return plain


def check_space(space: ConfigurationSpace) -> None:
    """Raise SettingError where a hyperparameter has a value that is not str, int, float or bool."""
    for name, hp in space.items():
        for value in choices(hp):
            _native(name, value)


def check_config(space: ConfigurationSpace, config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as native values; SettingError if the space does not allow it."""
    try:
        configuration = Configuration(space, values=dict(config))
        configuration.check_valid_configuration()
    except Exception as error:  # ConfigSpace raises a dozen kinds, KeyError and ValueError among them
        raise SettingError(
            f"configuration {dict(config)!r} does not fit the space: {error}; give every active hyperparameter "
            "a legal value and leave the inactive ones out"
        ) from error
    return as_dict(configuration)


def choices(hp: Hyperparameter[Any, Any]) -> tuple[Any, ...]:
    """Values of a categorical, ordinal or constant hyperparameter in the order of their codes; () for a numeric one.

    The values are those of the space and may be NumPy scalars, equal to the native ones.
    """
    if isinstance(hp, CategoricalHyperparameter):
        return tuple(hp.choices)
    if isinstance(hp, OrdinalHyperparameter):
        return tuple(hp.sequence)
    return (hp.value,) if isinstance(hp, Constant) else ()


def sample(space: ConfigurationSpace, rng: np.random.Generator) -> dict[str, Any]:
    """A draw from the space: each hyperparameter from its own prior, children only where their conditions hold.

    Unlike `space.sample_configuration`, it takes its random numbers from `rng` and leaves the space untouched.
    """
    for _ in range(MAX_FORBIDDEN):
        config = decode(space, draw_codes(space, rng))
        if config is not None:
            return config
    raise SettingError(
        f"{MAX_FORBIDDEN} draws from the space {space.name!r} were all forbidden: loosen its forbidden clauses"
    )


def draw_codes(space: ConfigurationSpace, rng: np.random.Generator) -> np.ndarray:
    """A (d,) vector of ConfigSpace codes, each drawn from the prior of its hyperparameter as if it were active."""
    state = np.random.RandomState(rng.integers(2**32))  # ConfigSpace takes no Generator
    return np.array([float(hp.sample_vector(seed=state)) for hp in space.values()])


def decode(space: ConfigurationSpace, code: np.ndarray) -> dict[str, Any] | None:
    """The configuration of a vector of ConfigSpace codes; None if a forbidden clause excludes it.

    Parameters
    ----------
    code: (d,) levels as numbers and numeric values in [0, 1]; entries whose conditions fail are ignored.
    """
    code = code.copy()
    for i, name in enumerate(space):  # parents come first, so one pass settles all conditions
        if not all(condition.satisfied_by_vector(code) for condition in space.parent_conditions_of[name]):
            code[i] = np.nan
    try:
        Configuration(space, vector=code).check_valid_configuration()
    except ForbiddenValueError:
        return None
    return {n: _value(hp, c) for (n, hp), c in zip(space.items(), code.tolist(), strict=True) if not math.isnan(c)}


def _value(hp: Hyperparameter[Any, Any], code: float) -> str | int | float | bool:
    """What ConfigSpace's `Configuration` says, which takes several times longer to say it."""
    if options := choices(hp):
        return _native(hp.name, options[round(code - float(hp.lower_vectorized))])
    value = hp.to_value(code)
    return float(np.round(value, ROUND_PLACES)) if isinstance(hp, FloatHyperparameter) else _native(hp.name, value)


def encode(space: ConfigurationSpace, config: Mapping[str, Any]) -> np.ndarray:
    """The (d,) vector of ConfigSpace codes of a configuration; NaN where inactive."""
    return np.array([float(hp.to_vector(config[n])) if n in config else np.nan for n, hp in space.items()])


def to_unit(space: ConfigurationSpace, config: Mapping[str, Any]) -> np.ndarray:
    """The (d,) point in [0, 1] of a configuration; NaN where inactive.

    Level k of n lies at the middle of its bin, (k + 1/2) / n.
    """
    code = encode(space, config)
    for i, hp in enumerate(space.values()):
        if n := len(choices(hp)):
            code[i] = (code[i] - hp.lower_vectorized + 0.5) / n
    return code


def from_unit(space: ConfigurationSpace, point: np.ndarray, rng: np.random.Generator) -> dict[str, Any] | None:
    """The configuration at a (d,) point in [0, 1]; None if it is forbidden. NaN is filled by a uniform draw."""
    code = np.where(np.isnan(point), rng.random(len(point)), point)
    for i, hp in enumerate(space.values()):
        if n := len(choices(hp)):
            code[i] = hp.lower_vectorized + min(int(code[i] * n), n - 1)
        else:  # through the value, so that integers fall on their grid
            code[i] = float(hp.to_vector(hp.to_value(code[i])))
    return decode(space, code)
