"""The terminal: autonet fit · predict · batch · submit · compete · methods · space · store.

Libraries are imported inside the commands, so that help is fast.
"""

from __future__ import annotations

from typing import Annotated

import typer

from automl.cli.batch import batch
from automl.cli.fit import fit
from automl.cli.methods import methods
from automl.cli.predict import predict
from automl.cli.space import space
from automl.cli.store import store
from automl.cli.submit import compete, submit

app = typer.Typer(
    name="autonet",
    help="AutoML for tables: networks, boosting and linear models searched jointly, an ensemble inside the time limit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
for _command in (fit, predict, batch, submit, compete, methods, space):
    app.command()(_command)
app.add_typer(store, name="store")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"autonet {version('autonet')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """AutoML for tables: networks, boosting and linear models searched jointly, an ensemble inside the time limit."""


def main() -> None:
    """What the command `autonet` runs."""
    app(prog_name="autonet")
