"""autonet batch: several tasks one after another, each beside a baseline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli.terminal import CtrlC, Debug, loss_name, mendable, one_line, output, readable_errors, show
from automl.cli.terminal import show_leaderboard as leaderboard

if TYPE_CHECKING:
    from automl.cli.comparison import Quality
    from automl.taskfile import TaskEntry

TOP = 5
"""Trials that each leaderboard shows."""
FAILED = 1
"""Exit code when a task failed or was not run."""


@dataclass(frozen=True)
class Report:
    """What became of a task; without qualities, it failed or was not run, as `note` says.

    Attributes
    ----------
    metric: the scorer whose loss was minimised.
    scored: "accuracy" or "R²".
    seconds: that `fit` took.
    """

    name: str
    note: str = ""
    metric: str = ""
    scored: str = ""
    seconds: float = 0.0
    autonet: Quality | None = None
    baseline: Quality | None = None


def batch(
    tasks: Annotated[Path, typer.Argument(help="A task file, such as tasks/quickstart.toml.", metavar="TASKS")],
    folder: Annotated[Path, typer.Option("--out", help="Folder to save the models in.")] = Path("autonet-results"),
    debug: Debug = False,
) -> None:
    """Learn several tables one after another, and compare each model with gradient boosting on held-out rows.

    A task that fails does not stop the others; the exit code is 1 then. Ctrl-C ends the running search with what it
    found, and the batch after it; pressed twice, it stops at once.
    """
    with readable_errors(debug), CtrlC() as keys:
        from automl.taskfile import read_tasks

        entries = read_tasks(tasks)
        folder.mkdir(parents=True, exist_ok=True)
        reports = []
        for place, entry in enumerate(entries, start=1):
            if keys.pressed:
                reports.append(Report(entry.name, "not run"))
                continue
            output().rule(f"{place} of {len(entries)}: {entry.name}", align="left")
            try:
                reports.append(_attempt(entry, folder / f"{entry.name}.autonet", debug))
            except KeyboardInterrupt:  # outside the search, which ends by itself
                if keys.pressed > 1:
                    raise
                reports.append(Report(entry.name, "interrupted"))
        _summarise(reports)
        if not all(report.autonet for report in reports):
            raise typer.Exit(FAILED)


def _attempt(entry: TaskEntry, path: Path, debug: bool) -> Report:
    try:
        return _learn(entry, path)
    except Exception as error:  # whatever it is, the other tasks still run; the exit code tells
        if debug:
            from rich.console import Console

            Console(stderr=True).print_exception()
        text = one_line(error)
        note = text if mendable(error) else f"{type(error).__name__}: {text}"
        typer.echo(f"autonet: task {entry.name!r} failed: {note}", err=True)
        return Report(entry.name, "failed")


def _learn(entry: TaskEntry, path: Path) -> Report:
    from automl.cli.comparison import fit_autonet, fit_baseline, quality, split
    from automl.data import kind_of

    X, y = entry.load()
    seed = entry.settings.get("random_state", 0)
    rows = split(X, y, kind_of(y, entry.kind), entry.test_share, seed)
    say = output().print
    say(f"{rows.kind}, {X.shape[1]:,} features, {len(rows.X):,} rows to learn from, {len(rows.X_test):,} for the test")
    began = time.monotonic()
    model = fit_autonet(rows, {"verbose": 1} | dict(entry.settings))
    seconds = time.monotonic() - began
    leaderboard(model.leaderboard(), TOP)
    metric = model.metric_name_
    found = quality(model, rows, metric)
    baseline = quality(fit_baseline(rows), rows, metric)
    score = "R²" if rows.classes is None else "accuracy"
    say(f"validation {loss_name(metric)} {model.validation_loss_:.4g}")
    say(f"test {loss_name(metric)} {found.loss:.4g}, {score} {found.score:.4f}")
    say(f"scikit-learn's gradient boosting: {loss_name(metric)} {baseline.loss:.4g}, {score} {baseline.score:.4f}")
    model.save(path)
    say(f"saved {path}", soft_wrap=True)
    return Report(entry.name, "", metric, score, seconds, found, baseline)


def _summarise(reports: Sequence[Report]) -> None:
    columns = ["task", "loss", "AutoNet", "baseline", "score", "AutoNet", "baseline", "fit (s)"]
    title = "Test rows: AutoNet beside scikit-learn's gradient boosting with its defaults"
    show(title, columns, [_line(report) for report in reports])


def _line(report: Report) -> tuple[str, ...]:
    ours, theirs = report.autonet, report.baseline
    if ours is None or theirs is None:
        return (report.name, report.note, *["–"] * 6)
    losses, scores = (f"{ours.loss:.4g}", f"{theirs.loss:.4g}"), (f"{ours.score:.4f}", f"{theirs.score:.4f}")
    return (report.name, loss_name(report.metric), *losses, report.scored, *scores, f"{report.seconds:.1f}")
