"""Architectures that were judged by shared weights, the best first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from automl.supernet.data import Budget
from automl.supernet.found import Candidate
from automl.supernet.proxy import Proxy


def judged(genotypes: Iterable[Any], proxy: Proxy, budget: Budget) -> dict[str, Candidate]:
    """Hash → architecture, those that compute the same once; at least one, and no more when the time is over."""
    found: dict[str, Candidate] = {}
    for genotype in genotypes:
        if genotype.hash not in found:
            found[genotype.hash] = Candidate(genotype, proxy(genotype))
            if budget.spent(0) >= 1:
                break
    return found


def best(found: dict[str, Candidate], keep: int) -> tuple[Candidate, ...]:
    """So many of least loss; of equal ones those that were judged first."""
    return tuple(sorted(found.values(), key=lambda candidate: candidate.loss)[:keep])
