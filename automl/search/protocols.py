"""The plug points of a search: what to try next, how much to spend on it, and where it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Configuration, Offspring, Proposal, Result, Trial


class Sampler(Protocol):
    """What to try next: a function of the space, the history and the random numbers given, nothing else."""

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Configuration: ...


@runtime_checkable
class Breeder(Protocol):
    """A sampler that knows which trial its configuration was bred from, so that weights can be inherited."""

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Configuration: ...

    def child(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Offspring:
        """What `__call__` gives, with its parent."""
        ...


class Optimizer(Protocol):
    """What to run next: usually a schedule that holds a sampler."""

    def ask(self, history: History) -> Proposal | None:
        """The next proposal, or None to wait for a running trial."""
        ...


class Runner(Protocol):
    """Where trials run."""

    capacity: int
    """Trials that can run at once."""

    def submit(self, trial: Trial) -> None: ...

    def collect(self, timeout: float | None) -> list[tuple[int, Result]]:
        """Numbers and results of the trials that ended; waits at most `timeout` seconds for the first."""
        ...

    def close(self) -> None: ...
