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
    first: configurations to try early; dropped when the first of them are no good.
    centres: good configurations of near tasks, the likeliest first, around which to draw.
    sources: past tasks whose models may rank the new task's configurations.
    """

    first: tuple[Configuration, ...] = ()
    centres: tuple[Configuration, ...] = ()
    sources: tuple[Source, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """JSON values, from which `of_json` makes it again."""
        return asdict(self)

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> Advice:
        """Advice that a store kept."""
        sources = (Source(tuple(s["configurations"]), tuple(s["losses"])) for s in content["sources"])
        return cls(tuple(content["first"]), tuple(content["centres"]), tuple(sources))
