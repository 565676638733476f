"""The learning rate over a full run, as a factor of its height."""

from __future__ import annotations

import math


def factor(schedule: str, progress: float, warmup: float = 0.0) -> float:
    """Factor of the learning rate at a point of a full run.

    Parameters
    ----------
    schedule: "cosine" (Loshchilov & Hutter 2017, arXiv:1608.03983, one cycle) or "constant".
    progress: share of the full run done at this step, in [0, 1]. The share is of the full budget, so a run that
        is continued follows the same rates as one that was never interrupted.
    warmup: share of the full run in which the rate rises linearly from 0.01 of its height.

    Returns
    -------
    In [0, 1].
    """
    if progress < warmup:
        return 0.01 + 0.99 * progress / warmup
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
