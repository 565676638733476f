"""autonet store: look at a store, carry it elsewhere, and tidy it up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli.terminal import Debug, output, readable_errors, show

if TYPE_CHECKING:
    from metalearn import Store

PROBLEMS = 1
"""Exit code when a store is not in order."""

Url = Annotated[str, typer.Option("--store", help="A file, or a URL such as postgresql://user@host/name.")]
DEFAULT = "runs.db"

store = typer.Typer(help="Look at a store of past runs, carry it elsewhere, tidy it up.", no_args_is_help=True)


def opened(where: str, *, new: bool = False, artefacts: Path | None = None) -> Store:
    """The store in a file or at a URL; a file that is not there is made only if `new`."""
    from metalearn import Store, StoreError

    if "://" in where and not where.startswith("sqlite:///"):
        return Store(where, artefacts=artefacts)
    path = Path(where.removeprefix("sqlite:///"))
    if not new and not path.is_file():
        raise StoreError(f"there is no store {where}; name the file that a run was given: --store FILE")
    return Store(f"sqlite:///{path.absolute()}", artefacts=artefacts)


@store.command("ls")
def _list(where: Url = DEFAULT, debug: Debug = False) -> None:
    """List the runs, the oldest first."""
    with readable_errors(debug), opened(where) as found:
        tasks = {task.fingerprint: task for task in found.tasks()}
        rows = []
        for run in found.runs():
            trials = found.trials(run)
            losses = [t.loss for t in trials if t.state == "done"]
            best = f"{min(losses):.4g}" if losses else "–"
            task = tasks.get(run.task or "")
            about = (task.name or task.fingerprint[:8], task.metric) if task else ("–", "–")
            state = "finished" if run.finished else "open"
            rows.append((run.id, f"{run.created:%Y-%m-%d %H:%M}", *about, run.method, len(trials), best, state))
        columns = ["run", "created (UTC)", "task", "metric", "method", "trials", "best loss", "state"]
        show(f"Runs in {where}", columns, rows)


@store.command("show")
def _show(run: int, where: Url = DEFAULT, debug: Debug = False) -> None:
    """List the trials of a run, the best first."""
    with readable_errors(debug), opened(where) as found:
        rows = []
        for trial in sorted(found.trials(run), key=lambda t: (t.loss, t.number)):
            reason = trial.error.strip().splitlines()[-1] if trial.error.strip() else ""
            family = trial.config.get("family", "–")
            rows.append((trial.number, family, trial.budget, trial.loss, trial.cost, trial.state, reason))
        show(f"Run {run} in {where}", ["trial", "family", "budget", "loss", "cost", "state", "error"], rows)


@store.command("export")
def _export(path: Path, where: Url = DEFAULT, debug: Debug = False) -> None:
    """Write all tasks and runs to a file of JSON lines; no row of any table is in it."""
    with readable_errors(debug), opened(where) as found:
        from metalearn.exchange import export_store

        output().print(f"wrote {export_store(found, path)} runs to {path}", soft_wrap=True)


@store.command("import")
def _import(path: Path, where: Url = DEFAULT, debug: Debug = False) -> None:
    """Take in what an exported file holds and the store does not have yet."""
    with readable_errors(debug):
        from metalearn import StoreError
        from metalearn.exchange import import_store

        if not path.is_file():
            raise StoreError(f"there is no file {path}; name one that `autonet store export` has written")
        with opened(where, new=True) as found:
            taken = import_store(found, path)
        output().print(f"took in {taken} runs from {path}", soft_wrap=True)


@store.command("merge")
def _merge(other: str, where: Url = DEFAULT, debug: Debug = False) -> None:
    """Take in what another store holds and this one does not have yet."""
    with readable_errors(debug), opened(other) as source, opened(where, new=True) as found:
        from metalearn.exchange import merge_stores

        output().print(f"took in {merge_stores(found, source)} runs from {other}", soft_wrap=True)


@store.command("prune")
def _prune(
    days: Annotated[float, typer.Option("--days", min=0, help="Runs that were opened longer ago are removed.")] = 30.0,
    artefacts: Annotated[
        Path | None, typer.Option(help="Folder of the runs' files; a store on a server needs it.")
    ] = None,
    where: Url = DEFAULT,
    debug: Debug = False,
) -> None:
    """Remove open runs that nobody went on with, and their files; finished runs are knowledge and stay."""
    with readable_errors(debug), opened(where, artefacts=artefacts) as found:
        before = datetime.now(UTC) - timedelta(days=days)
        old = [run.id for run in found.runs() if not run.finished and run.created <= before]
        removed = sum(_removed(found, run) for run in old)
        output().print(f"removed {removed} runs")


def _removed(found: Store, run: int) -> bool:
    """Remove a run; False where a process is working on it."""
    from metalearn import StoreError

    try:
        with found.sole(run):
            found.remove_run(run)
    except StoreError:
        return False
    return True


@store.command("check")
def _check(where: Url = DEFAULT, debug: Debug = False) -> None:
    """Say whether the store is in order; exit code 1 where it is not."""
    with readable_errors(debug), opened(where) as found:
        problems = found.problems()
        for line in problems:
            output().print(line)
        if problems:
            raise typer.Exit(PROBLEMS)
        output().print(f"{where} is in order: {len(found.runs())} runs of {len(found.tasks())} tasks", soft_wrap=True)
