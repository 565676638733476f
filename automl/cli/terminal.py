"""What the commands share: readable errors, Ctrl-C, and tables on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl.errors import AutoNetError, TasksRefused
from automl.interrupts import Presses

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

WRONG = 2
"""Exit code of an error that the user can mend."""
INTERRUPTED = 130
"""Exit code after a second Ctrl-C, as shells have it: 128 + SIGINT."""
PLAIN_WIDTH = 120
"""Characters of a line where standard output is no terminal."""

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@contextmanager
def readable_errors(debug: bool) -> Iterator[None]:
    """Errors that a user can mend as one line on standard error and exit code 2; with `debug`, as they are."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("autonet: stopped", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if debug or not mendable(error):
            raise
        typer.echo(f"autonet: {one_line(error)}", err=True)
        raise typer.Exit(WRONG) from None


def mendable(error: Exception) -> bool:
    """Whether the error is of the user's making rather than a fault of AutoNet."""
    if isinstance(error, AutoNetError | OSError):
        return True
    return type(error).__module__ == "metalearn.errors"  # not imported: that would load the database's library


def one_line(error: Exception) -> str:
    """The message in one line: of several, the first (what) and the last (the innermost cause).

    Of refused task files all lines are kept: each is a problem of its own.
    """
    if isinstance(error, TasksRefused):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"


def ctrl_c() -> Presses:
    """Takes Ctrl-C while it is entered; the first one ends a search with what it found, and a terminal says so."""
    return Presses(_explain)


def _explain(count: int) -> None:
    if count == 1 and sys.stderr.isatty():
        typer.echo("finishing with what there is; Ctrl-C again stops at once", err=True)


def output() -> Console:
    """Standard output; wide enough for the tables where it is no terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False, markup=False, emoji=False)


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; numbers to the right, floats with four digits."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    lines = list(rows)
    for k, name in enumerate(columns):
        numbers = bool(lines) and all(isinstance(line[k], int | float) for line in lines)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for line in lines:
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in line))
    output().print(table)


def show_leaderboard(board: pd.DataFrame, most: int) -> None:
    """Print the best trials."""
    columns = ["rank", "trial", "family", "loss", "weight", "budget", "cost", "state"]
    best = board.loc[:, columns].head(most)
    title = f"Leaderboard: the best {len(best)} of {len(board)} trials"
    rows = [tuple(row) for row in best.itertuples(index=False)]
    show(title, [*columns[:5], "budget (share)", "cost (s)", "state"], rows)
