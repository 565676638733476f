"""A space as a grammar: a configuration is a string of tokens, one for each active hyperparameter in their order.

Categories and short ranges of integers are tokens as they are; other numbers fall into equal bins of their (possibly
logarithmic) range. Conditions decide
after every token which hyperparameter comes next, so that every string that can be written is a configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.search.draw import choices, decode, encode

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

BINS = 8
"""Tokens of a number."""

Tokens = tuple[tuple[int, int], ...]
"""(place of the hyperparameter, token) in the order of the space."""


@dataclass(frozen=True)
class Grammar:
    """The tokens of a space.

    Attributes
    ----------
    sizes: tokens of each hyperparameter.
    offsets: where the tokens of each hyperparameter begin among all tokens; one more entry holds their number.
    """

    space: ConfigurationSpace
    sizes: tuple[int, ...]
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, space: ConfigurationSpace) -> Grammar:
        sizes = tuple(len(choices(hp)) or int(min(BINS, hp.size)) for hp in space.values())
        return cls(space, sizes, (0, *(int(n) for n in np.cumsum(sizes))))

    def tokens(self, config: Mapping[str, Any]) -> Tokens:
        """The tokens of a configuration."""
        code = encode(self.space, config)
        return tuple((i, self._token(i, code[i])) for i in range(len(code)) if not np.isnan(code[i]))

    def written(self, choose: Callable[[int, Tokens], int], rng: np.random.Generator) -> dict[str, Any] | None:
        """The configuration that is written token by token; None if a forbidden clause excludes it.

        Parameters
        ----------
        choose: the token of the hyperparameter at a place, given the tokens before.
        rng: where in its bin a number lies.
        """
        code, tokens = np.full(len(self.space), np.nan), tuple[tuple[int, int], ...]()
        for place, (name, hp) in enumerate(self.space.items()):
            if all(condition.satisfied_by_vector(code) for condition in self.space.parent_conditions_of[name]):
                token = choose(place, tokens)
                tokens = (*tokens, (place, token))
                code[place] = self._code(hp, place, token, rng)
        return decode(self.space, code)

    def _token(self, place: int, code: float) -> int:
        hp: Any = self.space[self.space.at[place]]
        if choices(hp):
            return int(code - hp.lower_vectorized)
        if hp.size <= BINS:
            return int(hp.to_value(code)) - int(hp.lower)
        return min(int(code * self.sizes[place]), self.sizes[place] - 1)

    def _code(self, hp: Any, place: int, token: int, rng: np.random.Generator) -> float:
        if choices(hp):
            return float(hp.lower_vectorized + token)
        if hp.size <= BINS:
            return float(hp.to_vector(int(hp.lower) + token))
        return float(hp.to_vector(hp.to_value((token + rng.random()) / self.sizes[place])))
