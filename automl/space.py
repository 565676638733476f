"""The joint space: which family, with its own hyperparameters, on which preparation, trained how.

Names: `family` chooses; `mlp:n_layers` belongs to a family; `prepare:scaling` and `train:learning_rate` are shared by
the families that need them, so that what a sampler learns about a learning rate serves every network. A family that is
defined together with its training has these for itself, as `realmlp.train:learning_rate`.

What stands behind an @ is left out when a name is handed on. So `train:momentum@rmsprop` and `train:momentum` may give
one field two ranges, each under its own condition, and `train:@use_weight_decay`, which gives no field at all, is a
switch for the conditions of others.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.architectures.family import IMAGES, inputs_of, is_network
from automl.errors import SettingError, unknown
from automl.genotypes.spaces import families_mark

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from ConfigSpace.hyperparameters import Hyperparameter

    from automl.architectures.family import Family

FAMILY = "family"


def joint_space(
    families: Sequence[Family],
    update: ConfigurationSpace | None = None,
    *,
    parts: Mapping[str, ConfigurationSpace] | None = None,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
) -> ConfigurationSpace:
    """One space over all families.

    Parameters
    ----------
    update: hyperparameters that replace those of the same full name (a Constant fixes one).
    parts: prefix, such as "train" or "mlp" → the space that stands in place of that whole part.
    weights: family → how often it is drawn beside the others, 1 for those that are not named.

    Raises
    ------
    SettingError: the update names a hyperparameter that the space does not have.
    """
    from ConfigSpace import Categorical, ConfigurationSpace

    names = [family.name for family in families]
    replaced = dict(update) if update is not None else {}
    shares = [float((weights or {}).get(name, 1.0)) for name in names]
    choice = replaced.pop(FAMILY, Categorical(FAMILY, names, default=names[0], weights=shares))
    for name in _values(choice):
        if name not in names:
            raise unknown("family", name, names)
    architectures = {family.name: getattr(family, "genotypes", None) for family in families}
    definitions = {name: each for name, each in architectures.items() if each is not None and choice.legal_value(name)}
    space = ConfigurationSpace(seed=seed, meta=families_mark(FAMILY, definitions) if definitions else None)
    space.add(choice)
    for prefix, usual, users in _parts([family for family in families if choice.legal_value(family.name)]):
        part = (parts or {}).get(prefix)
        _join(space, prefix, usual() if part is None else part, users, replaced)
    if replaced:
        raise unknown("hyperparameter", next(iter(replaced)), list(space))
    return space


def _parts(families: Sequence[Family]) -> Iterable[tuple[str, Callable[[], ConfigurationSpace], list[str]]]:
    """(prefix, what gives its usual space, names of the families for which it is active)."""
    for family in families:
        yield family.name, family.space, [family.name]
    for part, uses, shared in (("prepare", _prepares, _shared_preparation), ("train", _trains, _shared_recipe)):
        users = [f for f in families if uses(f)]
        for f in users:
            if own := _own_space(f, part):
                yield f"{f.name}.{part}", own, [f.name]
        sharing = [f.name for f in users if not _own_space(f, part)]
        if sharing:
            yield part, shared, sharing


def _prepares(family: Family) -> bool:
    return inputs_of(family) not in ("ordinal", IMAGES)


def _trains(family: Family) -> bool:
    return is_network(family)


def _shared_preparation() -> ConfigurationSpace:
    from automl.preprocessing.dense import preprocessing_space

    return preprocessing_space()


def _shared_recipe() -> ConfigurationSpace:
    from automl.training.recipe_space import recipe_space

    return recipe_space()


def _own_space(family: Family, part: str) -> Callable[[], ConfigurationSpace] | None:
    """The family's own space for "prepare" or "train" in place of the shared one, if it has one."""
    return getattr(family, {"prepare": "preparation_space", "train": "recipe_space"}[part], None)


def part_of(config: Mapping[str, Any], family: Family, part: str) -> dict[str, Any]:
    """The "prepare" or "train" entries of a configuration of a family, whether they are shared or its own."""
    return section(config, f"{family.name}.{part}" if _own_space(family, part) else part)


def recipe_fields(config: Mapping[str, Any], family: Family, rows: int) -> dict[str, Any]:
    """The fields of `Recipe` that a configuration of a family of networks sets.

    rows: training rows, for families that count in steps.
    """
    stated = part_of(config, family, "train")
    translate: Callable[..., dict[str, Any]] | None = getattr(family, "recipe", None)
    return stated if translate is None else translate(rows, **stated)


def _join(
    space: ConfigurationSpace,
    prefix: str,
    part: ConfigurationSpace,
    users: list[str],
    replaced: dict[str, Hyperparameter[Any, Any]],
) -> None:
    """Add `part` to `space` under `prefix`, active only for the families `users`."""
    from ConfigSpace.conditions import AndConjunction, InCondition

    if part.forbidden_clauses:
        raise SettingError(
            f"the space of {prefix!r} has forbidden clauses; state them as conditions, which every method can follow"
        )
    renamed = {name: _renamed(hp, f"{prefix}:{name}", replaced) for name, hp in part.items()}
    own: dict[str, list[Any]] = {}
    for condition in part.conditions:
        for each in condition.components if isinstance(condition, AndConjunction) else [condition]:
            own.setdefault(_child(each).name, []).append(each)
    joined = []
    for name in list(renamed):
        parts = own.get(name, [])
        # A parent that was replaced by a narrower one may have settled a condition for good.
        verdicts = [_verdict(c, renamed) for c in parts]
        if False in verdicts:
            del renamed[name]
            continue
        open_ones = [_moved(c, renamed) for c, verdict in zip(parts, verdicts, strict=True) if verdict is None]
        # Stated for children of inactive parents, too: ConfigSpace takes "parent != x" to hold where it is inactive.
        conditions = [InCondition(renamed[name], space[FAMILY], users), *open_ones]
        joined.append(conditions[0] if len(conditions) == 1 else AndConjunction(*conditions))
    space.add(*renamed.values(), *joined)


def _verdict(condition: Any, renamed: Mapping[str, Hyperparameter[Any, Any]]) -> bool | None:
    """Whether a condition holds for every value (True) or no value (False) of its renamed parent; None for some.

    Parents come before their children, so that one that can never be active is gone by then.
    """
    if hasattr(condition, "components"):
        return None
    if condition.parent.name not in renamed:
        return False
    found = {_holds(condition, value) for value in _values(renamed[condition.parent.name])}
    return found.pop() if len(found) == 1 else None


def _values(hp: Any) -> Iterable[Any]:
    """All values of a discrete hyperparameter, the ends of a continuous one."""
    for attribute in ("choices", "sequence"):
        if hasattr(hp, attribute):
            return tuple(getattr(hp, attribute))
    if hasattr(hp, "value"):
        return (hp.value,)
    return range(hp.lower, hp.upper + 1) if isinstance(hp.lower, int) else (hp.lower, hp.upper)


def _holds(condition: Any, value: Any) -> bool:
    if not condition.parent.legal_value(value):  # the condition was stated for another range
        return False
    return bool(condition.satisfied_by_value({condition.parent.name: value}))


def _renamed(
    hp: Hyperparameter[Any, Any], name: str, replaced: dict[str, Hyperparameter[Any, Any]]
) -> Hyperparameter[Any, Any]:
    new = copy.copy(replaced.pop(name, hp))
    new.name = name
    prefix = name.partition(":")[0]
    if new.meta:  # what marks name stays apart from the same names of other families
        new.meta = {key: f"{prefix}:{mark}" if key in ("counted", "module") else mark for key, mark in new.meta.items()}
    return new


def _child(condition: Any) -> Hyperparameter[Any, Any]:
    return condition.child if hasattr(condition, "child") else condition.components[0].child


def _moved(condition: Any, renamed: Mapping[str, Hyperparameter[Any, Any]]) -> Any:
    """The same condition between the renamed hyperparameters."""
    if hasattr(condition, "components"):
        return type(condition)(*(_moved(c, renamed) for c in condition.components))
    values = [condition.values] if hasattr(condition, "values") else [condition.value]
    return type(condition)(renamed[condition.child.name], renamed[condition.parent.name], *values)


def section(config: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries of a configuration under one prefix, without it and without what stands behind an @.

    Examples
    --------
    >>> section({"family": "mlp", "train:momentum@rmsprop": 0.9, "train:@use_warmup": False}, "train")
    {'momentum': 0.9}
    """
    start = f"{prefix}:"
    stated = {name.removeprefix(start): value for name, value in config.items() if name.startswith(start)}
    return {field: value for name, value in stated.items() if (field := name.partition("@")[0])}


def legal(space: ConfigurationSpace, partial: Mapping[str, Any]) -> bool:
    """Whether the space has these names and allows these values; whether all of them are active is not asked."""
    return all(name in space and space[name].legal_value(value) for name, value in partial.items())


def complete(space: ConfigurationSpace, partial: Mapping[str, Any]) -> dict[str, Any]:
    """A full configuration: the values given, defaults for the rest, active hyperparameters only.

    Raises
    ------
    SettingError: a name or a value that the space does not have.
    """
    from ConfigSpace import Configuration

    for name, value in partial.items():
        if name not in space:
            raise unknown("hyperparameter", name, list(space))
        if not space[name].legal_value(value):
            raise SettingError(f"{name} = {value!r} is not allowed; it must be one of {space[name]}")
    values = {name: hp.default_value for name, hp in space.items()} | dict(partial)
    # ConfigSpace's own way, `deactivate_inactive_hyperparameters`, is quadratic: seconds for hundreds of them.
    vector, active = np.full(len(space), np.nan), {}
    for name, hp in space.items():  # parents come before their children
        if all(condition.satisfied_by_vector(vector) for condition in space.parent_conditions_of[name]):
            active[name] = values[name]
            vector[space.index_of[name]] = hp.to_vector(values[name])
    whole = Configuration(space, values=active)
    return {k: v.item() if hasattr(v, "item") else v for k, v in dict(whole).items()}
