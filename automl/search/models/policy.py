"""Policies that write strings of tokens, and the gradient of their log-probability.

Both give logits for each token given those before, and push gradients of these logits back to their parameters. All
tokens of all places stand in one row; `offsets` says where those of a place begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import expit, softmax

from automl.search.models.adam import Arrays

Steps = Sequence[tuple[int, int]]
"""(place, token) in the order in which they are written."""


class Policy(Protocol):
    """A family of distributions over strings of tokens."""

    def begin(self, rng: np.random.Generator) -> Arrays:
        """Parameters to begin with."""
        ...

    def logits(self, parameters: Arrays, steps: Steps, place: int) -> np.ndarray:
        """Logits of the tokens of a place, after these steps."""
        ...

    def gradient(self, parameters: Arrays, steps: Steps, advantage: float, entropy: float, given: int = 0) -> Arrays:
        """Gradient of −advantage · log p(steps) − entropy · the sum of the entropies along them.

        given: how many of the first steps were not written but read, as what the others depend on.
        """
        ...


@dataclass(frozen=True)
class Flat:
    """Independent logits for each token (the REINFORCE of NAS-Bench-201, which has no network)."""

    offsets: tuple[int, ...]

    def begin(self, rng: np.random.Generator) -> Arrays:
        return (1e-3 * rng.standard_normal(self.offsets[-1]),)

    def logits(self, parameters: Arrays, steps: Steps, place: int) -> np.ndarray:
        return parameters[0][self.offsets[place] : self.offsets[place + 1]]

    def gradient(self, parameters: Arrays, steps: Steps, advantage: float, entropy: float, given: int = 0) -> Arrays:
        found = np.zeros(self.offsets[-1])
        for place, token in steps[given:]:
            part = slice(self.offsets[place], self.offsets[place + 1])
            found[part] = pull(parameters[0][part], token, advantage, entropy)
        return (found,)


@dataclass(frozen=True)
class LSTM:
    """A long short-term memory with a softmax for each place (Zoph & Le 2017, section 3.1).

    It reads the token that it has written last; each place has its own embeddings and its own output layer.

    Attributes
    ----------
    units: of the hidden state and of the embeddings (64 as in ENAS; two layers of 35 in the paper).
    """

    offsets: tuple[int, ...]
    units: int = 64

    def begin(self, rng: np.random.Generator) -> Arrays:
        n, u = self.offsets[-1], self.units
        shapes = ((n + 1, u), (2 * u, 4 * u), (4 * u,), (n, u), (n,))
        return tuple(rng.uniform(-0.08, 0.08, shape) for shape in shapes)  # as in the paper, section 4.1

    def logits(self, parameters: Arrays, steps: Steps, place: int) -> np.ndarray:
        hidden = self._run(parameters, steps)[-1][0]
        return self._head(parameters, hidden, place)

    def along(self, parameters: Arrays, steps: Steps) -> list[np.ndarray]:
        """Logits of the place of each step after those before it, for the price of the last ones alone."""
        states = self._run(parameters, steps[:-1])
        return [self._head(parameters, state[0], place) for state, (place, _) in zip(states, steps, strict=True)]

    def gradient(self, parameters: Arrays, steps: Steps, advantage: float, entropy: float, given: int = 0) -> Arrays:
        embeddings, kernel, _, heads, _ = parameters
        found = tuple(np.zeros_like(p) for p in parameters)
        states = self._run(parameters, steps[:-1])
        down_hidden, down_cell = np.zeros(self.units), np.zeros(self.units)
        for t in range(len(steps) - 1, -1, -1):
            place, token = steps[t]
            part = slice(self.offsets[place], self.offsets[place + 1])
            hidden, cell, before, inputs, gates = states[t]
            if t >= given:
                pulled = pull(self._head(parameters, hidden, place), token, advantage, entropy)
                found[3][part] += np.outer(pulled, hidden)
                found[4][part] += pulled
                down_hidden = down_hidden + pulled @ heads[part]
            take, keep, give, new = gates
            squashed = np.tanh(cell)
            down_cell = down_cell + down_hidden * give * (1 - squashed**2)
            down = np.concatenate(
                [
                    down_cell * new * take * (1 - take),
                    down_cell * before * keep * (1 - keep),
                    down_hidden * squashed * give * (1 - give),
                    down_cell * take * (1 - new**2),
                ]
            )
            found[1][:] += np.outer(inputs, down)
            found[2][:] += down
            back = kernel @ down
            row = len(embeddings) - 1 if t == 0 else self.offsets[steps[t - 1][0]] + steps[t - 1][1]
            found[0][row] += back[: self.units]
            down_hidden, down_cell = back[self.units :], down_cell * keep
        return found

    def _head(self, parameters: Arrays, hidden: np.ndarray, place: int) -> np.ndarray:
        part = slice(self.offsets[place], self.offsets[place + 1])
        return parameters[3][part] @ hidden + parameters[4][part]

    def _run(self, parameters: Arrays, steps: Steps) -> list[tuple[np.ndarray, ...]]:
        """(hidden, cell, cell before, inputs, gates) before the first token and after each of `steps`."""
        embeddings, kernel, bias, _, _ = parameters
        hidden = cell = np.zeros(self.units)
        states: list[tuple[np.ndarray, ...]] = []
        rows = [len(embeddings) - 1, *(self.offsets[place] + token for place, token in steps)]
        for row in rows:
            inputs = np.concatenate([embeddings[row], hidden])
            mixed = (inputs @ kernel + bias).reshape(4, self.units)
            gates = np.concatenate([expit(mixed[:3]), np.tanh(mixed[3:])])
            before, cell = cell, gates[1] * cell + gates[0] * gates[3]
            hidden = gates[2] * np.tanh(cell)
            states.append((hidden, cell, before, inputs, gates))
        return states


def pull(logits: np.ndarray, token: int, advantage: float, entropy: float) -> np.ndarray:
    """Gradient of −advantage · log p(token) − entropy · H(p) by the logits."""
    p = softmax(logits)
    logs = np.log(np.maximum(p, 1e-300))
    surprise = -(p * logs).sum()
    return advantage * (p - (np.arange(len(p)) == token)) + entropy * p * (logs + surprise)
