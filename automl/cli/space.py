"""autonet space: what a named search space searches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl.cli.terminal import Debug, output, readable_errors, show

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


def space(
    name: Annotated[
        str | None, typer.Argument(help="A search space, such as default; none lists them.", metavar="[NAME]")
    ] = None,
    debug: Debug = False,
) -> None:
    """Show a search space: its families, hyperparameters and first configurations. Without a name, list them."""
    with readable_errors(debug):
        if name is None:
            _show_names()
        else:
            _show_space(name)


def _show_names() -> None:
    from automl.settings import names, space_settings

    found = [(name, space_settings(name)) for name in names("spaces")]
    rows = [(name, settings.about, ", ".join(settings.families)) for name, settings in found]
    show("Search spaces (search_space=…)", ["name", "what it is", "families"], rows)


def _show_space(name: str) -> None:
    from automl.architectures.catalogue import family
    from automl.settings import space_settings
    from automl.space import joint_space

    settings = space_settings(name)
    families = [family(each) for each in settings.families]
    space = joint_space(families, settings.updates(), parts=settings.spaces(), weights=settings.weights)
    parts: dict[str, list[tuple[str, ...]]] = {}
    for full in sorted(space, key=_by_part_and_number):
        prefix, _, own = full.rpartition(":")
        parts.setdefault(prefix, []).append((own, *_what(space[full]), _when(space, full)))
    for prefix, rows in parts.items():
        show(prefix or f"Search space {name!r}", ["name", "kind", "values", "log", "default", "active when"], rows)
    lines = [row for rows in parts.values() for row in rows]
    say = output().print
    say(settings.about)
    say(f"families: {', '.join(settings.families)}")
    say(f"{len(lines)} hyperparameters, {sum(line[1] == 'constant' for line in lines)} of them constant")
    say("first configurations, with defaults for what they do not say:")
    for number, partial in enumerate(settings.initial, start=1):
        say(f"  {number}. {', '.join(f'{key} = {value}' for key, value in partial.items())}")


def _by_part_and_number(name: str) -> tuple[bool, str, list[tuple[bool, str]]]:
    """Families first, training and preparation last; units_2 before units_10."""
    prefix, _, own = name.rpartition(":")
    words = re.split(r"(\d+)", own)
    return prefix in ("train", "prepare"), prefix, [(word.isdigit(), word.zfill(3)) for word in words if word]


def _what(hp: Any) -> tuple[str, str, str, str]:
    """Kind, values, whether they are on a log scale, and the default."""
    if hasattr(hp, "value"):
        return "constant", _said(hp.value), "", _said(hp.value)
    if hasattr(hp, "choices") or hasattr(hp, "sequence"):
        values = hp.choices if hasattr(hp, "choices") else hp.sequence
        return "choice", ", ".join(map(_said, values)), "", _said(hp.default_value)
    kind = "integer" if isinstance(hp.lower, int) else "float"
    return kind, f"{_said(hp.lower)} to {_said(hp.upper)}", "log" if hp.log else "", _said(hp.default_value)


def _when(space: ConfigurationSpace, name: str) -> str:
    """The condition under which a hyperparameter is active; nothing of the family where its prefix says it."""
    parts: list[Any] = []
    for condition in space.parent_conditions_of[name]:
        parts += condition.components if hasattr(condition, "components") else [condition]
    prefix = name.rpartition(":")[0]
    return ", ".join(said for part in parts if (said := _condition(part, prefix)))


def _condition(condition: Any, prefix: str) -> str:
    parent, values = condition.parent, list(getattr(condition, "values", ()))
    if parent.name == "family" and (values == [prefix.partition(".")[0]] or set(values) == set(parent.choices)):
        return ""
    sign = _SIGNS.get(type(condition).__name__, "=")
    wanted = " | ".join(map(_said, values or [condition.value]))
    return f"{parent.name.removeprefix(f'{prefix}:')} {sign} {wanted}"


_SIGNS: Mapping[str, str] = MappingProxyType(
    {"NotEqualsCondition": "≠", "GreaterThanCondition": ">", "LessThanCondition": "<"}
)


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
