"""What workers are made from, and its early start."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

FIRST_MODULES = ("automl.evaluation.fit_estimators", "sklearn.linear_model", "sklearn.ensemble")
"""What a scikit-learn family needs: imported in half the time of torch, so that a first model is there early."""
WORKER_MODULES = ("automl.evaluation.fit_networks", "skops.io")
"""Imported after these, before workers are made; the same for all searches, so that one nursery serves them all."""


def prepare_workers() -> None:
    """Begin to start what workers are made from, so that it is ready when the table is."""
    from automl.runners.nursery import Preload, prepare

    prepare(Preload(FIRST_MODULES, WORKER_MODULES))


def import_all(modules: Sequence[str]) -> None:
    """Import modules for the time when they will be needed."""
    for module in modules:
        import_module(module)
