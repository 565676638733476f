"""The scikit-learn face of tables: check, encode, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from automl.base import PARAMETERS, AutoNet, Classifier
from automl.metrics import DEFAULT, Metric
from automl.preprocessing.columns import TableEncoder
from automl.preprocessing.table import unwrapped
from automl.targets import encode_values


class _Tables(AutoNet):
    """What both estimators for tables share."""

    def export_onnx(self, path: str | Path) -> None:
        """Write what predicts as one ONNX model, for ONNX Runtime 1.22 or newer; needs the extra `autonet[onnx]`.

        It has an input (rows, 1) for each column that predictions depend on, by its name: float64 for numbers (also
        booleans, seconds and numbers written as text), NaN where missing; string for categories of text, empty where
        missing; int64 for categories that are whole numbers, −1 where missing. Where that is itself a category, the
        model's metadata `missing` says what stands for it. Outputs are `probabilities` (rows, classes) and `label`
        (rows,), or `prediction` (rows,) of a regressor, equal to those of this estimator within 1e-5. Rows are best fed
        some thousand at a time: what the members hold in between grows with them.

        Raises
        ------
        ExportError: a column (dates, free text) or a member of the ensemble has no ONNX form, or a library is missing.

        Examples
        --------
        >>> import tempfile
        >>> import onnxruntime
        >>> from sklearn.datasets import load_iris
        >>> from automl import AutoNetClassifier
        >>> X, y = load_iris(return_X_y=True, as_frame=True)
        >>> model = AutoNetClassifier(n_trials=2, families={"exclude": ["catboost"]}, random_state=0).fit(X, y)
        >>> path = Path(tempfile.mkdtemp()) / "iris.onnx"
        >>> model.export_onnx(path)
        >>> session = onnxruntime.InferenceSession(path)
        >>> feeds = {column.name: X[[column.name]].to_numpy() for column in session.get_inputs()}
        >>> probabilities, label = session.run(["probabilities", "label"], feeds)
        >>> bool((label == model.predict(X)).all())
        True
        """
        from automl.export import export_onnx

        check_is_fitted(self, "ensemble_")
        export_onnx(self, path)

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """X after scikit-learn's checks of shape, dtype and feature names; frames keep their columns' types.

        Names that are repeated or no text are as none.
        """
        from sklearn.utils.validation import validate_data

        X = unwrapped(X)
        if hasattr(X, "iloc") and X.ndim == 2:
            named = X.columns.is_unique and all(isinstance(name, str) for name in X.columns)
            header = X.iloc[:0] if named else X.iloc[:0].set_axis(range(X.shape[1]), axis=1)
            validate_data(self, header, reset=reset, skip_check_array=True)
            return X
        return validate_data(self, X, reset=reset, dtype=None, accept_sparse=True, ensure_all_finite=False)

    def _fitted_encoder(self, X: Any) -> TableEncoder:
        return TableEncoder().fit(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class AutoNetClassifier(Classifier, _Tables):
    __doc__ = (
        """Searches networks, gradient boosting and linear models jointly with their preparation and training; predicts
    with an ensemble of what it found.
"""
        + PARAMETERS
        + """    classes_ : ndarray
        The labels, sorted; columns of `predict_proba`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = AutoNetClassifier(n_trials=3, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (150, 3)
    """
    )


class AutoNetRegressor(RegressorMixin, _Tables):
    __doc__ = (
        """Searches networks, gradient boosting and linear models jointly with their preparation and training; predicts
    with an ensemble of what it found.
"""
        + PARAMETERS
        + """
    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = AutoNetRegressor(n_trials=3, random_state=0).fit(X, y)
    >>> model.predict(X).shape
    (442,)
    """
    )

    def _targets(self, y: Any) -> tuple[NDArray[Any], Metric]:
        return encode_values(y), Metric(self.metric if self.metric is not None else DEFAULT["regression"])

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The value of each row (n,)."""
        arrays = self._arrays(X)
        return self._outputs(arrays)[:, 0]
