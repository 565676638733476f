"""autonet predict: a saved model and a table → predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl.cli.terminal import Debug, output, readable_errors
from automl.errors import DataError, SettingError

if TYPE_CHECKING:
    import pandas as pd


def predict(
    model: Annotated[Path, typer.Argument(help="A file that `autonet fit` saved.", metavar="MODEL")],
    table: Annotated[
        Path, typer.Argument(help="Rows to predict: .csv, .tsv or .parquet, or a folder of images.", metavar="TABLE")
    ],
    result: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write: .csv, .tsv or .parquet; else CSV on standard output."),
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Add one column of probabilities for each class.")] = False,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="A column of the table that is no feature, such as the target; may be repeated."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Predict the rows of a table, in its order, or the images of a folder, sorted."""
    with readable_errors(debug):
        from automl.data import write_table
        from automl.saving import load

        predictions = _predictions(load(model), table, proba, ignore or [])
        if result is None:
            typer.echo(predictions.to_csv(index=False), nl=False)
        else:
            write_table(predictions, result)
            output().print(f"wrote {len(predictions):,} predictions to {result}", soft_wrap=True)


def _predictions(estimator: Any, path: Path, proba: bool, ignored: list[str]) -> pd.DataFrame:
    from automl.data import read_table

    if not estimator.images:
        return _predict(estimator, _features(estimator, read_table(path), ignored), proba)
    from automl.images.files import images_in

    files = images_in(path) if path.is_dir() else [path]
    predicted = _predict(estimator, files, proba)
    predicted.insert(0, "file", [str(file.relative_to(path)) if path.is_dir() else file.name for file in files])
    return predicted


def _predict(estimator: Any, X: Any, proba: bool) -> pd.DataFrame:
    import pandas as pd

    if not proba:
        return pd.DataFrame({"prediction": estimator.predict(X)})
    if not hasattr(estimator, "predict_proba"):
        raise SettingError("--proba: the model is a regressor, which has no classes; leave the option out")
    probabilities = estimator.predict_proba(X)
    columns = {f"probability_{label}": probabilities[:, k] for k, label in enumerate(estimator.classes_)}
    labels = estimator.ensemble_.calibration.labels(probabilities, estimator.classes_)  # as `predict` decides
    return pd.DataFrame({"prediction": labels} | columns)


def _features(estimator: Any, table: pd.DataFrame, ignored: list[str]) -> Any:
    from automl.data import match_columns

    if hasattr(estimator, "feature_names_in_"):
        return match_columns(table, [str(name) for name in estimator.feature_names_in_], ignored)
    kept = table.drop(columns=[name for name in ignored if name in table.columns])
    if kept.shape[1] != estimator.n_features_in_:
        raise DataError(
            f"the table has {kept.shape[1]} columns, the model was fitted on {estimator.n_features_in_} without names; "
            "give as many, in the same order"
        )
    return kept.to_numpy()
