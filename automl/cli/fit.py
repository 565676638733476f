"""autonet fit: a table → a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from automl.cli.terminal import Debug, ctrl_c, output, readable_errors, show_leaderboard
from automl.errors import SettingError

TOP = 10
"""Trials that the leaderboard shows."""
TABLE = "Training rows: a .csv, .tsv, .parquet, .arff or .npz file; or a folder with one of images for each class."


def fit(
    table: Annotated[Path, typer.Argument(help=TABLE, metavar="TABLE")],
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="Column to predict; of images the folders' names are.")
    ] = None,
    model: Annotated[Path, typer.Option("--output", "-o", help="File to save the model in.")] = Path("model.autonet"),
    seconds: Annotated[
        float | None, typer.Option("--time", help="Seconds in all; 60 if --trials is not given either.")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Trials after which the search ends.")] = None,
    kind: Annotated[str, typer.Option(help="auto, classification or regression; auto goes by the target.")] = "auto",
    metric: Annotated[str | None, typer.Option(help="Name of a scikit-learn scorer.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="Search method; `autonet methods` lists them.")] = None,
    families: Annotated[
        str | None, typer.Option(help='Families to search, separated by commas; "neural" for networks alone.')
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Folds of the cross-validation.")] = None,
    holdout: Annotated[float | None, typer.Option(help="Share of the rows to validate on, instead of folds.")] = None,
    preset: Annotated[str, typer.Option(help="quick, medium or best.")] = "medium",
    jobs: Annotated[int, typer.Option(help="Worker processes; -1 is one a core.")] = -1,
    store: Annotated[
        str | None,
        typer.Option(help="Database that keeps the search, such as sqlite:///runs.db; the same call resumes."),
    ] = None,
    warm_start: Annotated[
        str, typer.Option(help='How past tasks help: auto, portfolio, neighbours, prior, transfer; "none" not at all.')
    ] = "auto",
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    debug: Debug = False,
) -> None:
    """Search a model for a table or a folder of images and save it.

    Ctrl-C ends the search early and saves what was found; pressed twice, it stops at once.
    """
    with readable_errors(debug), ctrl_c():
        _fit(
            table,
            target,
            model,
            kind,
            {
                "time_limit": seconds,
                "n_trials": trials,
                "metric": metric,
                "optimizer": optimizer,
                "families": named_families(families),
                "resampling": resampling(folds, holdout),
                "preset": preset,
                "n_jobs": jobs,
                "store": store,
                "warm_start": None if warm_start == "none" else warm_start,
                "random_state": seed,
                "verbose": 1,
            },
        )


def named_families(text: str | None) -> str | list[str] | None:
    """`--families` as the estimators take it."""
    return None if text is None else [name.strip() for name in text.split(",")]


def resampling(folds: int | None, holdout: float | None) -> int | float | None:
    """`--folds` and `--holdout` as the estimators take them; at most one of the two."""
    if folds is not None and holdout is not None:
        raise SettingError(f"--folds {folds} and --holdout {holdout} exclude each other; give one of the two")
    return holdout if folds is None else folds


def _fit(table: Path, target: str | None, path: Path, kind: str, parameters: dict[str, Any]) -> None:
    X, y, chosen = _images(table, target) if table.is_dir() else _table(table, target, kind)
    # Before the search: what cannot be written must fail at once.
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise SettingError(f"--output {str(path)!r} is a folder; name a file in it, such as {path / 'model.autonet'}")

    from automl.metrics import loss_name
    from automl.taskfile import estimator_of

    say, estimator = output().print, cast(Any, estimator_of(chosen))(**parameters)
    estimator.fit(X, y, keep=lambda fitted: fitted.save(path))
    show_leaderboard(estimator.leaderboard(), TOP)
    for rung in estimator.history_.rank_correlations():
        if rung.spearman is not None:
            say(f"rank correlation with full training, {rung}")
    name = loss_name(estimator.metric_name_)
    say(f"validation loss {estimator.validation_loss_:.5g} ({name}), ensemble of {len(estimator.ensemble_.members)}")
    say(f"saved {path}", soft_wrap=True)


def _table(table: Path, target: str | None, kind: str) -> tuple[Any, Any, str]:
    """Features, target and the kind of task; told on the terminal."""
    from automl.data import kind_of, read_table, split_target

    if target is None:
        raise SettingError(f"--target is missing: name the column of {table} to predict")
    X, y = split_target(read_table(table, target), target)
    chosen = kind_of(y, kind)
    why = f"{y.nunique()} distinct values of type {y.dtype}" if kind == "auto" else "as asked"
    output().print(f"{target!r}: {chosen} ({why}), {len(X):,} rows, {X.shape[1]:,} features")
    return X, y, chosen


def _images(folder: Path, target: str | None) -> tuple[Any, Any, str]:
    """Paths and classes of a folder of images; told on the terminal."""
    from automl.images.files import class_folders
    from automl.taskfile import IMAGES

    if target is not None:
        raise SettingError(f"--target {target!r}: the classes of images are their folders in {folder}; leave it out")
    paths, labels = class_folders(folder)
    output().print(f"{folder}: {len(paths):,} images of {len(set(labels)):,} classes", soft_wrap=True)
    return paths, labels, IMAGES
