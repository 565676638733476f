"""autonet batch: several tasks, each beside a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli.terminal import Debug, ctrl_c, output, readable_errors, show

if TYPE_CHECKING:
    from automl.batch.result import TaskResult

FAILED = 1
"""Exit code when a task failed or was not run to its end."""

LINES = 2
"""Lines of an error that are shown: what failed, and its most frequent cause. The page has all of them."""


def batch(
    tasks: Annotated[list[Path], typer.Argument(help="Task files, such as tasks/*.toml.", metavar="TASKS...")],
    store: Annotated[
        str | None, typer.Option(help="Database that keeps the searches: a file or a URL; runs.db in --out otherwise.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Tasks at once; they share the cores.")] = 1,
    folder: Annotated[Path, typer.Option("--out", help="Folder for models, results and the page.")] = Path(
        "autonet-results"
    ),
    debug: Debug = False,
) -> None:
    """Learn several tasks, and compare each model with gradient boosting on held-out rows.

    A task that fails does not stop the others; the exit code is 1 then. The same command goes on where a killed one
    stopped. Ctrl-C ends the running searches with what they found, and the batch after them; pressed twice, it stops
    at once.
    """
    with readable_errors(debug), ctrl_c():
        from automl.batch.report import PAGE
        from automl.batch.run import run_batch

        result = run_batch(tasks, store=store, jobs=jobs, folder=folder, listen=_tell)
        columns = ["task", "loss", "AutoNet", "boosting", "score", "AutoNet", "boosting", "trials", "fit (s)"]
        title = "Test rows: AutoNet beside scikit-learn's gradient boosting with its defaults"
        show(title, columns, [_line(task) for task in result])
        output().print(f"curves and models: {folder / PAGE}", soft_wrap=True)
        if not result.complete:
            raise typer.Exit(FAILED)


def _tell(task: TaskResult) -> None:
    from automl.metrics import loss_name

    ours, theirs = task.autonet, task.baseline
    if task.error:
        why = " ".join(task.error.split("\n")[:LINES])
        typer.echo(f"autonet: task {task.name!r} {task.state}: {' '.join(why.split())}", err=True)
    elif ours is None or theirs is None:
        output().print(f"{task.name}: {task.state}")
    else:
        found = f"{loss_name(task.metric)} {ours.loss:.4g} (boosting {theirs.loss:.4g})"
        score = f"{task.scored} {ours.score:.4f} ({theirs.score:.4f})"
        output().print(f"{task.name}: {task.state} in {task.seconds:.1f} s, {found}, {score}", soft_wrap=True)


def _line(task: TaskResult) -> tuple[str, ...]:
    from automl.batch.result import TaskState
    from automl.metrics import loss_name

    ours, theirs = task.autonet, task.baseline
    if ours is None or theirs is None:
        return (task.name, "not run" if task.state is TaskState.WAITING else task.state.value, *["–"] * 7)
    losses, scores = (f"{ours.loss:.4g}", f"{theirs.loss:.4g}"), (f"{ours.score:.4f}", f"{theirs.score:.4f}")
    effort = (str(task.trials), f"{task.seconds:.1f}")
    return (task.name, loss_name(task.metric), *losses, task.scored, *scores, *effort)
