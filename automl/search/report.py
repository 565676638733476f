"""Why a search found nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from automl.search.trial import State

if TYPE_CHECKING:
    from automl.search.history import History


def failure_report(history: History) -> str:
    """The causes by number, and the first traceback."""
    if not len(history):
        return "no trial was started: the limits leave room for none; raise time_limit or total_budget"
    reasons = Counter(f"{t.state.value}: {_last_line(t.result.error)}" for t in history)
    causes = "\n".join(f"{n:>6} × {reason}" for reason, n in reasons.most_common())
    first = next((t for t in history if t.result.error and t.state is not State.PRUNED), None)
    trace = f"\nfirst failure (trial {first.number}, {dict(first.config)}):\n{first.result.error}" if first else ""
    return f"none of {len(history)} trials succeeded:\n{causes}{trace}"


def _last_line(error: str) -> str:
    return error.strip().splitlines()[-1] if error.strip() else "infinite loss"
