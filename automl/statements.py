"""Hyperparameters as TOML states them → a ConfigurationSpace.

    batch_size = { lower = 32, upper = 500, log = true, default = 32 }
    optimizer = { choices = ["adam", "sgd"], default = "adam" }
    momentum = { lower = 0.1, upper = 0.999, when = { optimizer = "sgd" } }
    warmup = { value = 0.0 }
    n_layers = { lower = 1, upper = 15 }
    "units_*" = { lower = 10, upper = 1024, log = true, each = "n_layers" }

`when` names parents and what each must be for the hyperparameter to be active: a value, one of a list of values, or
`{ above = n }`. `each` stands for one hyperparameter for every number from 1 up to the highest of the integer that it
names, in place of the star, also in `when`; the i-th is active where that integer is at least i. A name that is stated
by itself, such as units_1, keeps its own statement. A hyperparameter stands below those that it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from automl.errors import SettingError, unknown

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from ConfigSpace.hyperparameters import Hyperparameter

Statement = Mapping[str, Any]


def hyperparameter(name: str, spec: Statement) -> Hyperparameter[Any, Any]:
    """`{value = …}`, `{choices = […], default = …}` or `{lower = …, upper = …, default = …, log = …}`.

    Raises
    ------
    SettingError: the statement says too little or too much.
    """
    from ConfigSpace import Categorical, Constant, Float, Integer

    try:
        match dict(spec):
            case {"value": value, **rest} if not rest:
                return Constant(name, value)
            case {"choices": choices, **rest}:
                return Categorical(name, choices, **rest)
            case {"lower": lower, "upper": upper, **rest}:
                kind = Integer if isinstance(lower, int) and isinstance(upper, int) else Float
                return kind(name, (lower, upper), **rest)
    except (TypeError, ValueError) as error:
        raise SettingError(f"{name} = {dict(spec)!r}: {error}") from error
    raise SettingError(f"{name} = {dict(spec)!r} gives neither value, nor choices, nor lower and upper")


def part_space(prefix: str, table: Mapping[str, Statement]) -> ConfigurationSpace:
    """The space of one part of a search space, its names without the prefix.

    Raises
    ------
    SettingError: a statement that says too little or too much, or depends on what is not stated above it.
    """
    from ConfigSpace import AndConjunction, ConfigurationSpace

    stated: dict[str, Hyperparameter[Any, Any]] = {}
    joined: list[Any] = []
    for name, spec, when in _spelled_out(table):
        for parent in when:
            if parent not in stated:
                raise SettingError(f"{prefix}:{name} depends on {unknown('hyperparameter', parent, stated)}")
        stated[name] = hyperparameter(name, spec)
        conditions = [_condition(stated[name], stated[parent], wanted) for parent, wanted in when.items()]
        if conditions:
            joined.append(conditions[0] if len(conditions) == 1 else AndConjunction(*conditions))
    space = ConfigurationSpace()
    space.add(*stated.values(), *joined)  # at once: each call sorts the whole space
    return space


def _spelled_out(table: Mapping[str, Statement]) -> Iterator[tuple[str, Statement, dict[str, Any]]]:
    """(name, what it is, when it is active), one for each number where a statement holds for several."""
    for name, stated in table.items():
        spec = {key: value for key, value in stated.items() if key not in ("when", "each")}
        when = dict(stated.get("when", {}))
        if "each" not in stated:
            yield name, spec, when
            continue
        count = stated["each"]
        if count not in table or not {"lower", "upper"} <= table[count].keys():
            raise SettingError(f"{name}: each = {count!r} must name an integer with lower and upper")
        if name.count("*") != 1:
            raise SettingError(f"{name}: a name with `each` holds one star, which stands for the number")
        least, most = table[count]["lower"], table[count]["upper"]
        for i in range(1, most + 1):
            own = name.replace("*", str(i))
            if own not in table:
                parents = {parent.replace("*", str(i)): wanted for parent, wanted in when.items()}
                yield own, spec, parents | ({count: {"above": i - 1}} if i > least else {})


def _condition(child: Hyperparameter[Any, Any], parent: Hyperparameter[Any, Any], wanted: Any) -> Any:
    from ConfigSpace import EqualsCondition, GreaterThanCondition, InCondition

    try:
        match wanted:
            case {"above": bound, **rest} if not rest:
                return GreaterThanCondition(child, parent, bound)
            case list():
                return InCondition(child, parent, wanted)
            case _:
                return EqualsCondition(child, parent, wanted)
    except (TypeError, ValueError) as error:
        raise SettingError(f"{child.name}: when = {{ {parent.name} = {wanted!r} }}: {error}") from error
