"""AutoNet beside scikit-learn's gradient boosting with its defaults, on the same split of one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.batch.result import Quality
from automl.errors import DataError
from automl.taskfile import IMAGES, estimator_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows for the test; labels are class indices where `classes` is given.

    images: whether the rows are paths of images.
    """

    X: pd.DataFrame
    y: NDArray[Any]
    X_test: pd.DataFrame
    y_test: NDArray[Any]
    classes: NDArray[Any] | None
    images: bool = False

    @property
    def kind(self) -> str:
        return IMAGES if self.images else "regression" if self.classes is None else "classification"


def split(X: pd.DataFrame, y: pd.Series, kind: str, test_share: float, seed: int) -> Split:
    """A random split, stratified by class.

    Raises
    ------
    DataError: the target breaks a rule, or a class has too few rows for both sides.
    """
    from sklearn.model_selection import train_test_split

    from automl.targets import encode_labels, encode_values

    codes, classes = (encode_values(y), None) if kind == "regression" else encode_labels(y)
    stratify = codes if classes is not None else None
    try:
        parts = train_test_split(X, codes, test_size=test_share, random_state=seed, stratify=stratify)
    except ValueError as error:
        raise DataError(
            f"no split with a test share of {test_share}: {error}; give more rows or another share"
        ) from error
    train, test, y_train, y_test = parts
    return Split(train, y_train, test, y_test, classes, kind == IMAGES)


def fit_autonet(rows: Split, settings: Mapping[str, Any], keep: Callable[[Any], None]) -> None:
    """Fit the estimator with these parameters on the training rows with their original labels, for `keep` to have."""
    made = estimator_of(rows.kind)(**settings)
    made.fit(rows.X, rows.y if rows.classes is None else rows.classes[rows.y], keep=keep)


def thumbnails(X: pd.DataFrame) -> NDArray[np.uint8]:
    """(n, 64) gray values of 8×8 pixels of images by their paths."""
    from automl.images.files import pixels

    return pixels([Path(path) for path in X["path"]], 1, (8, 8)).reshape(len(X), -1)


def fit_baseline(rows: Split) -> Any:
    """Histogram gradient boosting with its defaults; columns that hold no numbers become ordinals, images become
    thumbnails."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
    from threadpoolctl import threadpool_limits

    encoder = make_column_transformer(
        (
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan),
            make_column_selector(dtype_exclude=["number", "bool"]),
        ),
        remainder="passthrough",
    )
    boosting = HistGradientBoostingRegressor if rows.classes is None else HistGradientBoostingClassifier
    # OpenMP's threads wait for each other in busy loops: beside other work, seconds become minutes.
    with threadpool_limits(1):
        return make_pipeline(FunctionTransformer(thumbnails) if rows.images else encoder, boosting(random_state=0)).fit(
            rows.X, rows.y
        )


def quality(model: Any, rows: Split, metric: str) -> Quality:
    """How well a fitted model does on the test rows."""
    from sklearn.metrics import r2_score
    from threadpoolctl import threadpool_limits

    from automl.metrics import Metric

    with threadpool_limits(1):  # for the same reason
        outputs = model.predict(rows.X_test) if rows.classes is None else model.predict_proba(rows.X_test)
    if rows.classes is None:
        values = np.asarray(outputs, dtype=np.float64)
        return Quality(Metric(metric).loss(rows.y_test, values[:, None]), float(r2_score(rows.y_test, values)))
    if hasattr(model, "ensemble_"):  # AutoNet's own, whose labels go by thresholds
        outputs = model.ensemble_.calibration.decided(outputs)
    loss = Metric(metric, rows.classes).loss(rows.y_test, outputs)
    return Quality(loss, float(np.mean(outputs.argmax(axis=1) == rows.y_test)))
