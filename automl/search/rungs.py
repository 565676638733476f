"""Rungs: the shares of a full run that a schedule hands out, and who may climb."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from automl.search.trial import State

if TYPE_CHECKING:
    from automl.search.trial import Trial


def top_rung(min_share: float, eta: int) -> int:
    """The largest s with min_share · η^s ≤ 1, so that the rungs are 0 … s and their shares η^-s … 1.

    A loop, since ⌊log_η(1 / min_share)⌋ loses a rung for exact powers: ratio 243 at η = 3 has six rungs.
    """
    s = 0
    while min_share * eta ** (s + 1) <= 1 + 1e-9:
        s += 1
    return s


def climbers(trials: Iterable[Trial]) -> list[Trial]:
    """The trials that may be promoted (finished, with a finite loss), the best first and the earliest on ties."""
    done = (t for t in trials if t.state is State.DONE and math.isfinite(t.loss))
    return sorted(done, key=lambda t: (t.loss, t.number))
