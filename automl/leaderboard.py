"""The trials of a search as a table, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from automl.space import FAMILY

if TYPE_CHECKING:
    from automl.evaluation.fitted import EnsembleModel
    from automl.search.history import History


def leaderboard(history: History, ensemble: EnsembleModel) -> pd.DataFrame:
    """One row a trial: rank (from 1), trial, family, loss, weight, budget (share), cost (s), state, config."""
    weights = dict(zip(ensemble.trials, ensemble.weights, strict=True))
    rows = [
        {
            "trial": t.number,
            "family": t.config[FAMILY],
            "loss": t.loss,
            "weight": weights.get(t.number, 0.0),
            "budget": t.budget,
            "cost": t.cost,
            "state": t.state.value,
            "config": dict(t.config),
        }
        for t in sorted(history, key=lambda t: (t.loss, t.number))
    ]
    table = pd.DataFrame(rows)
    table.insert(0, "rank", range(1, len(table) + 1))
    return table
