"""The best configurations of the nearest tasks (Feurer, Springenberg & Hutter 2015, doi:10.1609/aaai.v29i1.9354)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from metalearn.distance import Scale


def nearest_best(
    task: Mapping[str, float], known: Sequence[Mapping[str, float]], losses: NDArray[np.float64], size: int
) -> list[int]:
    """Rows of the best configurations of the known tasks, those of the nearest task first, each row once.

    All tasks give their best one, then all their second one, and so on, until there are `size`.

    Parameters
    ----------
    task, known: metafeatures by name.
    losses: (configurations, known tasks), NaN where not measured.
    size: configurations at most.
    """
    if not known:
        return []
    order = np.argsort(Scale.of(known).distances(task, known), kind="stable")
    ranked = [[int(c) for c in np.argsort(losses[:, t], kind="stable") if np.isfinite(losses[c, t])] for t in order]
    chosen: dict[int, None] = {}
    for place in range(len(losses)):
        for best in ranked:
            if len(chosen) >= size:
                return list(chosen)
            if place < len(best):
                chosen.setdefault(best[place])
    return list(chosen)
