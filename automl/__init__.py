"""AutoNet: AutoML for deep learning on tables and images."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl.batch.run import run_batch
    from automl.estimator import AutoNetClassifier, AutoNetRegressor
    from automl.image_estimator import AutoNetImageClassifier
    from automl.saving import load
    from automl.search.history import History
    from automl.search.optimize import optimize
    from metalearn import Store

_HOME = {
    "AutoNetClassifier": "automl.estimator",
    "AutoNetImageClassifier": "automl.image_estimator",
    "AutoNetRegressor": "automl.estimator",
    "History": "automl.search.history",
    "Store": "metalearn",
    "load": "automl.saving",
    "optimize": "automl.search.optimize",
    "run_batch": "automl.batch.run",
}

__all__ = [
    "AutoNetClassifier",
    "AutoNetImageClassifier",
    "AutoNetRegressor",
    "History",
    "Store",
    "load",
    "optimize",
    "run_batch",
]


def __getattr__(name: str) -> Any:
    # Names are imported when they are first asked for: importing scikit-learn, torch or smac takes seconds.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'automl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
