"""How well each rung foretells full training: whether a fidelity is of any use."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl.search.trial import State, config_key

if TYPE_CHECKING:
    from automl.search.trial import Trial

LEAST_PAIRS = 3
"""Pairs without which a rank correlation says nothing."""
DIGITS = 9
"""Of a budget that count, since 1/3 and 3/9 are the same rung."""


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """Of the losses at a rung with those of full training, over the configurations that have both.

    Only what a schedule promotes has both, so that the range is narrow, and the correlation is lower than it would be
    over all configurations.

    Attributes
    ----------
    budget: of the rung, a share of a full run below 1.
    pairs: number of configurations.
    spearman, kendall: ρ and τ-b in [-1, 1]; None for fewer than three pairs, or where all losses are equal.
    """

    budget: float
    pairs: int
    spearman: float | None
    kendall: float | None

    def __str__(self) -> str:
        """As people read it.

        Examples
        --------
        >>> str(RankCorrelation(1 / 3, 12, 0.811, 0.667))
        'budget 0.333: Spearman 0.81, Kendall 0.67 (12 pairs)'
        """
        known = self.spearman is not None and self.kendall is not None
        said = f"Spearman {self.spearman:.2f}, Kendall {self.kendall:.2f}" if known else "not known"
        return f"budget {self.budget:.3g}: {said} ({self.pairs} pairs)"


def rank_correlations(trials: Iterable[Trial]) -> tuple[RankCorrelation, ...]:
    """Of each rung below a full run that has trials, the smallest budget first."""
    rungs: dict[float, dict[str, float]] = {}
    for trial in trials:
        if trial.state is State.DONE and math.isfinite(trial.loss):
            rungs.setdefault(round(trial.budget, DIGITS), {})[config_key(trial.config)] = trial.loss
    full = rungs.pop(1.0, {})
    return tuple(_correlation(budget, rungs[budget], full) for budget in sorted(rungs))


def _correlation(budget: float, rung: dict[str, float], full: dict[str, float]) -> RankCorrelation:
    both = [key for key in rung if key in full]
    early, late = [rung[key] for key in both], [full[key] for key in both]
    if len(both) < LEAST_PAIRS or not (_differ(early) and _differ(late)):
        return RankCorrelation(budget, len(both), None, None)
    from scipy.stats import kendalltau, spearmanr

    return RankCorrelation(
        budget, len(both), float(spearmanr(early, late).statistic), float(kendalltau(early, late).statistic)
    )


def _differ(losses: Sequence[float]) -> bool:
    return min(losses) < max(losses)
