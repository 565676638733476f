"""Live progress on a terminal; silence everywhere else."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from automl.search.rank_correlation import rank_correlations
from automl.search.trial import BRED_BRACKET, INITIAL_BRACKET, State, Trial

if TYPE_CHECKING:
    from rich.console import RenderableType

    from automl.plan import Plan

PLACES = MappingProxyType({INITIAL_BRACKET: "initial", BRED_BRACKET: "bred from another"})
"""What brackets below 0 hold."""


@contextmanager
def watch(plan: Plan, verbose: int, began: float) -> Iterator[Callable[[Trial], None]]:
    """A listener that shows the trials as they start and end.

    Parameters
    ----------
    verbose: 0 shows nothing; else a live panel, if standard error is a terminal.
    began: `time.monotonic` value from which the time limit counts.
    """
    board = Board(plan, began)
    if not verbose:
        yield board.put
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if not console.is_terminal:
        yield board.put
        return
    with Live(get_renderable=board.panel, console=console, refresh_per_second=4, transient=True):
        yield board.put


class Board:
    """What is known of a running search."""

    def __init__(self, plan: Plan, began: float) -> None:
        self.plan = plan
        self.began = began
        self.trials: dict[int, Trial] = {}

    def put(self, trial: Trial) -> None:
        self.trials[trial.number] = trial

    @property
    def incumbent(self) -> Trial | None:
        """The finished trial of least loss, at whatever budget."""
        done = [t for t in list(self.trials.values()) if t.state is State.DONE and math.isfinite(t.loss)]
        return min(done, key=lambda t: t.loss, default=None)

    def panel(self) -> RenderableType:
        from rich.panel import Panel
        from rich.table import Table

        trials = list(self.trials.values())
        states = Counter(t.state.value for t in trials)
        elapsed = time.monotonic() - self.began
        limit = "∞" if self.plan.time_limit is None else f"{self.plan.time_limit:.0f}"
        grid = Table.grid(padding=(0, 2))
        grid.add_row("time", f"{elapsed:.0f} / {limit} s")
        wanted = "" if self.plan.n_trials is None else f" of {self.plan.n_trials}"
        grid.add_row("trials", f"{len(trials)}{wanted}: " + ", ".join(f"{n} {s}" for s, n in states.most_common()))
        running = [t for t in trials if t.state is State.RUNNING]
        if running:
            last = running[-1].proposal
            place = PLACES.get(last.bracket, f"bracket {last.bracket}, rung {last.rung}")
            grid.add_row("rung", f"{place}, budget {last.budget:.3g}")
        best = self.incumbent
        if best is not None:
            grid.add_row("best loss", f"{best.loss:.5g}  (trial {best.number}, budget {best.budget:.3g})")
            grid.add_row("incumbent", ", ".join(f"{k.split(':')[-1]}={_short(v)}" for k, v in best.config.items()))
        for rung in rank_correlations(trials):
            if rung.spearman is not None:
                grid.add_row("foretold", str(rung))
        return Panel(grid, title=f"AutoNet · {self.plan.method}", title_align="left", expand=False)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
