"""What a store knows about tasks near a new one, in the form of `Knowledge`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metalearn.distance import Scale
from metalearn.knowledge import Knowledge
from metalearn.store import Store

NEAREST = 25
"""Tasks that are read; the metafeatures of all are compared first."""
OWN_GROUP = "store"
"""Group of the tasks of a store."""
BEST = 32
"""Configurations of a task that are read, those of least loss."""


def experience(store: Store, task: Mapping[str, float], *, kind: str, metric: str) -> Knowledge:
    """The best full trials of the nearest stored tasks of this kind and metric.

    Parameters
    ----------
    task: metafeatures by name. Stored tasks without metafeatures are passed over.
    """
    known = [t for t in store.tasks() if t.kind == kind and t.metric == metric and t.metafeatures]
    if known:
        features = [t.metafeatures for t in known]
        order = np.argsort(Scale.of(features).distances(task, features), kind="stable")
        known = [known[i] for i in order[:NEAREST]]
    best = [store.best_trials(t.fingerprint, BEST) for t in known]
    tried = {repr(sorted(trial.config.items())): trial.config for trials in best for trial in trials}
    row = {key: i for i, key in enumerate(tried)}
    losses = np.full((1, len(tried), len(known)), np.nan)
    costs = np.full_like(losses, np.nan)
    for t, trials in enumerate(best):
        for trial in reversed(trials):  # of a configuration that was tried twice, the better one counts
            at = row[repr(sorted(trial.config.items()))]
            losses[0, at, t], costs[0, at, t] = trial.loss, trial.cost
    return Knowledge(
        tuple(known), (OWN_GROUP,) * len(known), tuple(tried.values()), (1.0,), losses, costs, {"store": len(known)}
    )
