"""The other side of elsewhere.py, run by another environment's interpreter: needs NumPy, pandas and pyarrow alone.

A script there is called with the path of a job, a JSON file that names a parquet file with the columns `part`,
`target` and those of the table, and writes what it found to `answer.json` in its working folder.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Part = tuple[pd.DataFrame, np.ndarray]
"""Columns and targets of some rows."""
MISSING = "missing"


def answer(function: Callable[[dict[str, Any], dict[str, Part]], dict[str, Any]]) -> None:
    """Read the job on the command line and write what the function makes of it and of its parts."""
    job = json.loads(Path(sys.argv[1]).read_text())
    frame = pd.read_parquet(job["table"])
    part, y = frame.pop("part"), frame.pop("target")
    targets = np.asarray(y, dtype=object if job["labels"] else np.float64)
    parts = {name: (frame[part == name], targets[part == name]) for name in part.unique()}
    Path("answer.json").write_text(json.dumps(function(job, parts)))


def fitted(
    model: Any, labels: bool, parts: dict[str, Part], prepare: Callable[[Any], Any], **arguments: Any
) -> dict[str, Any]:
    """Fit a scikit-learn-like model on the part "train"; seconds, and what it predicts for the part "test"."""
    (X, y), (X_test, _) = parts["train"], parts["test"]
    began = time.monotonic()
    model.fit(prepare(X), y, **arguments)
    fit_end = time.monotonic()
    test = prepare(X_test)
    predicted = model.predict_proba(test) if labels else model.predict(test)
    return {
        "seconds": fit_end - began,
        "predict_seconds": time.monotonic() - fit_end,
        "classes": [str(c) for c in model.classes_] if labels else None,
        "predicted": np.asarray(predicted, dtype=np.float64).tolist(),
    }


# Columns


def kinds(X: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Names of the columns with categories and with numbers; empty ones, which some models refuse, are left out."""
    names = [str(c) for c in X.columns if X[c].notna().any()]
    numbers = [c for c in names if pd.api.types.is_numeric_dtype(X[c])]
    return [c for c in names if c not in numbers], numbers


def as_they_are(X: pd.DataFrame) -> pd.DataFrame:
    return X


def native(X: pd.DataFrame) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """What makes categories of pandas with the levels of X; missing and unseen ones are missing."""
    categories, numbers = kinds(X)
    types = {c: pd.CategoricalDtype(sorted(X[c].dropna().astype(str).unique())) for c in categories}
    return lambda frame: frame[[*categories, *numbers]].astype(types)


def filled(X: pd.DataFrame, *, numbers_too: bool) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """What makes a level of missing categories and, where wanted, X's median of missing numbers."""
    categories, numbers = kinds(X)
    medians = X[numbers].median() if numbers_too else {}

    def prepared(frame: pd.DataFrame) -> pd.DataFrame:
        texts = {c: frame[c].astype(object).where(frame[c].notna(), MISSING) for c in categories}
        return frame[[*categories, *numbers]].assign(**texts).fillna(medians)

    return prepared
