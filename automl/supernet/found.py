"""What a search over shared weights is given, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from automl.genotypes.spaces import decode, encode
from automl.search.draw import as_dict
from automl.supernet.data import Budget, Halves
from automl.supernet.layout import Definition

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.supernet.proxy import Proxy


@dataclass(frozen=True)
class Problem:
    """What is searched.

    Attributes
    ----------
    definition: of the architectures, with the one stacking of the supernet.
    halves: images.
    keep: architectures that are wanted, >= 1; fewer may be found.
    seed: of everything random.
    """

    definition: Definition
    halves: Halves
    budget: Budget
    keep: int
    seed: int


@dataclass(frozen=True)
class Candidate:
    """An architecture that was found.

    Attributes
    ----------
    genotype: stacked as the supernet was.
    loss: lower is better, in the measure of the method: the validation error with shared weights (in [0, 1]), or, for
        methods that weigh operations, minus the logarithm of the share that its operations have.
    """

    genotype: Any
    loss: float


@dataclass(frozen=True)
class Epoch:
    """What was seen of a search after an epoch of shared weights.

    Attributes
    ----------
    training: mean loss of the batches that the weights learned from.
    reward: mean validation accuracy of the batches that choices were judged by; NaN where none were.
    entropy: mean entropy of the choices, in nats; NaN where they are drawn evenly throughout.
    skips: edges of the derived cell that only pass on; 0 where none is derived.
    eigenvalue: dominant one of the Hessian of the validation loss by the weights of operations; NaN if not asked for.
    """

    training: float
    reward: float = float("nan")
    entropy: float = float("nan")
    skips: int = 0
    eigenvalue: float = float("nan")


@dataclass(frozen=True)
class Found:
    """What a search over shared weights found.

    Attributes
    ----------
    candidates: the best first, at least one.
    epochs: the course of the search.
    proxy: judges any architecture of the space by the shared weights; None where they were trained as a mixture, which
        says little about single architectures.
    """

    candidates: tuple[Candidate, ...]
    epochs: tuple[Epoch, ...]
    proxy: Proxy | None = None

    @property
    def genotypes(self) -> tuple[Any, ...]:
        """The best first, stacked as the supernet was."""
        return tuple(candidate.genotype for candidate in self.candidates)

    def configurations(
        self, space: ConfigurationSpace, base: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], ...]:
        """The candidates as configurations, for `initial` of `optimize` or `warm_start` of an estimator.

        Parameters
        ----------
        space: made by `automl.genotypes.spaces.joined`.
        base: stacking and hyperparameters of training; the default of the space where None.
        """
        return tuple(configuration(space, genotype, base) for genotype in self.genotypes)


class Method(Protocol):
    """A way to find architectures over shared weights."""

    def __call__(self, problem: Problem) -> Found: ...


def configuration(space: ConfigurationSpace, genotype: Any, base: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The configuration of an architecture, with stacking and all that is not architecture as in `base`."""
    stacked, rest = decode(space, base or as_dict(space.get_default_configuration()))
    return encode(space, replace(genotype, cells=stacked.cells, filters=stacked.filters), rest)
