"""autonet submit and autonet compete: an archive for a competition, and a run of one here."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli.terminal import Debug, readable_errors
from automl.errors import DataError
from automl.interrupts import terminations

if TYPE_CHECKING:
    from automl.submission.problem import Format, Settings

UNFIT = 1
"""Exit code when a trial of an archive found faults."""
Form = Annotated[
    str, typer.Option("--format", "-f", help="amlb, arrays, autodl, chalearn, codabench, kaggle or nas-unseen.")
]
Budget = Annotated[
    float | None,
    typer.Option(help="Seconds for all data sets, or (codabench) for each `fit`; else as the organisers say."),
]
MetricName = Annotated[
    str | None, typer.Option("--metric", help="A challenge's score such as bac_metric, or a scikit-learn scorer.")
]


def submit(
    data: Annotated[Path, typer.Argument(help="Folder with the competition's data.", metavar="DATA")],
    form: Form,
    archive: Annotated[Path, typer.Option("--output", "-o", help="Archive to write.")] = Path("submission.zip"),
    budget: Budget = None,
    metric: MetricName = None,
    results: Annotated[
        bool, typer.Option("--results", help="Predict DATA now; the predictions go into the archive.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Unpack it elsewhere, run it on a toy within the budget (else 30 s).")
    ] = False,
    debug: Debug = False,
) -> None:
    """Write an archive that competes: code that predicts whatever it meets, at any time and never late."""
    with readable_errors(debug):
        from automl.submission.archive import write_archive
        from automl.submission.catalogue import form as named
        from automl.submission.problem import Settings

        chosen, settings = named(form), Settings(form, budget, metric)
        _readable(chosen, data, settings)
        top = write_archive(archive, chosen, settings, _results(data, settings) if results else None)
        size = archive.stat().st_size / 2**20
        typer.echo(f"wrote {archive} ({size:.1f} MiB): {', '.join(top)}")
        if check:
            _check(archive, chosen, settings)


def compete(
    source: Annotated[Path, typer.Argument(help="Folder with the competition's data.", metavar="INPUT")],
    output: Annotated[Path, typer.Argument(help="Folder for the predictions.", metavar="OUTPUT")],
    form: Form,
    budget: Budget = None,
    metric: MetricName = None,
    debug: Debug = False,
) -> None:
    """Predict all data sets of a competition here: a guess at once, then better ones; the exit code is 0.

    SIGTERM and Ctrl-C end it as if the time were over: what was written stands.
    """
    with terminations() as asked, readable_errors(debug):
        from automl.submission.compete import compete as run
        from automl.submission.problem import Settings

        run(source, output, Settings(form, budget, metric), asked=asked)


def _readable(chosen: Format, data: Path, settings: Settings) -> None:
    from automl.submission.answers import metric_of
    from automl.submission.compete import read_all

    said: list[str] = []
    problems = read_all(chosen, data, settings.metric, said.append)
    for line in said:
        typer.echo(f"autonet: {line}", err=True)
    if not problems:
        raise DataError(f"{data} holds no data set that can be read as {chosen.name}; check --format and the folder")
    for p in problems:
        metric_of(p).check()
        rows = ", ".join(f"{count:,} {part}" for part, count in p.rows.items())
        typer.echo(f"{p.name}: {p.kind}, {p.metric}, rows to predict: {rows}")


def _results(data: Path, settings: Settings) -> dict[str, bytes]:
    from automl.submission.compete import compete as run
    from automl.submission.run import READY

    place = "" if settings.format in ("codabench", "kaggle") else f"{READY}/"
    with tempfile.TemporaryDirectory(prefix="autonet-") as name:
        run(data, Path(name), settings, began=time.monotonic())
        return {f"{place}{path.name}": path.read_bytes() for path in sorted(Path(name).iterdir())}


def _check(archive: Path, chosen: Format, settings: Settings) -> None:
    from automl.submission.check import check_archive

    seconds = settings.seconds or 30.0
    verdict = check_archive(archive, chosen, settings, seconds)
    for fault in verdict.faults:
        typer.echo(f"autonet: {fault}", err=True)
    if verdict.faults:
        typer.echo(verdict.log, err=True)
        raise typer.Exit(UNFIT)
    typer.echo(f"checked: {len(verdict.files)} files, {verdict.seconds:.1f} of {seconds:g} s")
