"""A trial: a configuration at a budget, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

Configuration = Mapping[str, Any]
"""Active hyperparameters only, as native Python values (str, int, float, bool)."""
INITIAL_BRACKET = -1
"""Bracket of the trials of initial configurations, which are known to be good."""
BRED_BRACKET = -2
"""Bracket of the trials that inherit the weights of the one that their configuration was bred from."""


class State(StrEnum):
    """What has become of a trial."""

    RUNNING = "running"
    DONE = "done"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    PRUNED = "pruned"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is asked for.

    Attributes
    ----------
    config: active hyperparameters.
    budget: share of a full run, in (0, 1].
    bracket, rung: place in the schedule; a bracket of -1 holds the initial configurations, one of -2 those that
        inherit weights.
    parent: number of a trial that this one continues, or None: the same configuration at a smaller budget, which is
        trained further, but in bracket -2 one that the configuration was bred from.
    """

    config: Configuration
    budget: float = 1.0
    bracket: int = 0
    rung: int = 0
    parent: int | None = None

    @property
    def promoted(self) -> bool:
        """Whether it continues the training of its parent, rather than inherit its weights."""
        return self.parent is not None and self.bracket != BRED_BRACKET


@dataclass(frozen=True, slots=True)
class Offspring:
    """A configuration, and the number of the trial that it was bred from, or None."""

    config: Configuration
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """Number of a trial, and that of the trial whose weights it inherits, or None."""

    number: int
    parent: int | None


@dataclass(frozen=True, slots=True)
class Result:
    """What a trial gave.

    Attributes
    ----------
    loss: lower is better; infinite unless the state is DONE.
    cost: seconds spent.
    curve: (share of a full run, loss) pairs in the order in which they were seen.
    artefact: folder with the fitted models and predictions, or None.
    error: traceback or reason, empty when DONE.
    """

    state: State
    loss: float = math.inf
    cost: float = 0.0
    curve: tuple[tuple[float, float], ...] = ()
    artefact: str | None = None
    error: str = ""


RUNNING = Result(State.RUNNING)


@dataclass(frozen=True, slots=True)
class Trial:
    """A proposal with its number, its seed and its result so far."""

    number: int
    proposal: Proposal
    seed: int
    result: Result = field(default=RUNNING)

    @property
    def config(self) -> Configuration:
        return self.proposal.config

    @property
    def budget(self) -> float:
        return self.proposal.budget

    @property
    def state(self) -> State:
        return self.result.state

    @property
    def loss(self) -> float:
        return self.result.loss

    @property
    def cost(self) -> float:
        return self.result.cost


def config_key(config: Configuration) -> str:
    """Text that is equal for equal configurations, whatever the order of their entries."""
    return repr(sorted(config.items()))


def trial_seed(run_seed: int, number: int) -> int:
    """Seed of trial `number` in the run of `run_seed`, in [0, 2**32)."""
    return int(np.random.SeedSequence([run_seed, number]).generate_state(1)[0])
