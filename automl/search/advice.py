"""Advice: what past tasks suggest for a search, as plain values that a store can keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl.search.trial import Configuration


@dataclass(frozen=True)
class Source:
    """A past task: configurations, and the loss of each."""

    configurations: tuple[Configuration, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Advice:
    """What past tasks suggest.

    Attributes
    ----------
    first: configurations to try early.
    expected: mean standing of each of them on the past tasks, lower is better; where the first ones are found to stand
        in another order, the rest is dropped. Empty if not known.
    centres: good configurations of near tasks, the likeliest first, around which to draw.
    sources: past tasks whose models may rank the new task's configurations.
    """

    first: tuple[Configuration, ...] = ()
    expected: tuple[float, ...] = ()
    centres: tuple[Configuration, ...] = ()
    sources: tuple[Source, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """JSON values, from which `of_json` makes it again."""
        return asdict(self)

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> Advice:
        """Advice that a store kept."""
        sources = (Source(tuple(s["configurations"]), tuple(s["losses"])) for s in content["sources"])
        expected = tuple(content.get("expected", ()))  # runs of version 0.1 have none
        return cls(tuple(content["first"]), expected, tuple(content["centres"]), tuple(sources))
