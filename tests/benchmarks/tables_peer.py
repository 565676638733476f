"""The peers of tables.py, each with its defaults, run by the interpreter of an environment that has them.

    python tables_peer.py JOB.json

The job names the system, the seed and the threads; see side.py. Importing a library is not part of the seconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from side import Part, answer, as_they_are, filled, fitted, kinds, native


def lightgbm(job: dict[str, Any], parts: dict[str, Part]) -> dict[str, Any]:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if job["labels"] else LGBMRegressor
    model = kind(random_state=job["seed"], n_jobs=job["jobs"], verbose=-1)
    return fitted(model, job["labels"], parts, native(parts["train"][0]))


def catboost(job: dict[str, Any], parts: dict[str, Part]) -> dict[str, Any]:
    from catboost import CatBoostClassifier, CatBoostRegressor

    X = parts["train"][0]
    kind = CatBoostClassifier if job["labels"] else CatBoostRegressor
    model = kind(random_seed=job["seed"], thread_count=job["jobs"], verbose=False, allow_writing_files=False)
    return fitted(model, job["labels"], parts, filled(X, numbers_too=False), cat_features=kinds(X)[0])


def boosting(job: dict[str, Any], parts: dict[str, Part]) -> dict[str, Any]:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    X = parts["train"][0]
    categories, numbers = kinds(X)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    levels = [i for i, c in enumerate(categories) if X[c].nunique() <= 255]  # its limit; others are numbers to it
    kind = HistGradientBoostingClassifier if job["labels"] else HistGradientBoostingRegressor
    model = make_pipeline(
        make_column_transformer((ordinal, categories), ("passthrough", numbers)),
        kind(random_state=job["seed"], categorical_features=levels or None),
    )
    return fitted(model, job["labels"], parts, as_they_are)


def forest(job: dict[str, Any], parts: dict[str, Part]) -> dict[str, Any]:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    categories, numbers = kinds(parts["train"][0])
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    kind = RandomForestClassifier if job["labels"] else RandomForestRegressor
    model = make_pipeline(
        make_column_transformer((ordinal, categories), (SimpleImputer(strategy="median"), numbers)),
        kind(random_state=job["seed"], n_jobs=job["jobs"]),
    )
    return fitted(model, job["labels"], parts, as_they_are)


def pytabkit(job: dict[str, Any], parts: dict[str, Part]) -> dict[str, Any]:
    """A fifth of the training rows is held out by the model itself; it chooses the epoch by its own metric."""
    import torch
    from pytabkit.models.sklearn import sklearn_interfaces as models

    torch.set_num_threads(job["jobs"])
    if job["mixed"]:  # TabM's own mixed precision, which pytabkit allows on GPUs only
        usual = torch.autocast
        torch.autocast = lambda device, **_: usual(device, dtype=torch.bfloat16)
    X = parts["train"][0]
    made = getattr(models, f"{job['system']}_{'Classifier' if job['labels'] else 'Regressor'}")
    model = made(random_state=job["seed"], device="cpu", n_threads=job["jobs"], n_cv=1)
    return fitted(model, job["labels"], parts, filled(X, numbers_too=True), cat_col_names=kinds(X)[0])


SYSTEMS = {
    "LightGBM": lightgbm,
    "CatBoost": catboost,
    "HistGradientBoosting": boosting,
    "RandomForest": forest,
    "RealMLP_TD": pytabkit,
    "TabM_D": pytabkit,
}


if __name__ == "__main__":
    answer(lambda job, parts: SYSTEMS[job["system"]](job, parts))
