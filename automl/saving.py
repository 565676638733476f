"""A fitted estimator as one file, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.architectures.catalogue import FAMILIES, family
from automl.artefact import State, read_archive, write_archive
from automl.calibration import Calibration
from automl.errors import ArtefactError
from automl.evaluation.fitted import EnsembleModel, TrialModel
from automl.images.encoder import ImageEncoder
from automl.preprocessing.columns import TableEncoder
from automl.search.history import History
from automl.search.trial import Proposal, Result, Trial
from automl.search.trial import State as TrialState

if TYPE_CHECKING:
    from automl.architectures.family import Family
    from automl.base import AutoNet

_PLAIN = (str, int, float, bool, type(None))
_ENCODERS: Mapping[str, Any] = MappingProxyType(
    {
        "AutoNetClassifier": TableEncoder,
        "AutoNetImageClassifier": ImageEncoder,
        "AutoNetRegressor": TableEncoder,
    }
)
"""Estimators that can be saved → what turns their X into arrays."""


def save(estimator: AutoNet, path: Path) -> None:
    """Write a fitted estimator: encoder, members, weights, labels, history; no training rows, no pickle."""
    ensemble = estimator.ensemble_
    about = {
        "estimator": type(estimator).__name__,
        # Objects (a scorer, a splitter) are not kept: they matter for fitting only. A store's URL may hold a password.
        "parameters": {k: v for k, v in estimator.get_params(deep=False).items() if _plain(v) and k != "store"},
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": list(map(str, getattr(estimator, "feature_names_in_", []))),
        "weights": list(ensemble.weights),
        "trials": list(ensemble.trials),
        "calibration": asdict(ensemble.calibration),
        "loss": estimator.validation_loss_,
        "metric": estimator.metric_name_,
        "history": [_row(trial) for trial in estimator.history_],
    }
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    if hasattr(estimator, "classes_"):
        about["classes"], arrays = _labels(estimator.classes_)
    entries: dict[str, State] = {"estimator": (about, arrays), "encoder": estimator.encoder_.state()}
    for k, member in enumerate(ensemble.members):
        entries[f"member-{k}"] = member.state()
    write_archive(path, entries)


def load(path: str | Path, families: Sequence[Family] = ()) -> Any:
    """The fitted estimator in a file written by `save`; needs none of the libraries of the search.

    Parameters
    ----------
    families: families of your own that the model was fitted with.

    Raises
    ------
    ArtefactError: there is no such file, it is damaged or of another format, or a family is unknown.
    """
    import automl

    entries = read_archive(Path(path))
    known = {name: family(name) for name in FAMILIES} | {f.name: f for f in families}
    if "estimator" not in entries:
        raise ArtefactError(f"{path} holds no estimator; give a file written by save()")
    about, arrays = entries["estimator"]
    if about["estimator"] not in _ENCODERS:
        raise ArtefactError(f"{path} holds a {about['estimator']!r}; known are {', '.join(_ENCODERS)}")
    loaded = getattr(automl, about["estimator"])(**about["parameters"])
    loaded.n_features_in_ = about["n_features_in"]
    if about["feature_names_in"]:
        loaded.feature_names_in_ = np.array(about["feature_names_in"], dtype=object)
    if "classes" in about:
        loaded.classes_ = _read_labels(about["classes"], arrays)
    loaded.encoder_ = _ENCODERS[about["estimator"]].from_state(*entries["encoder"])
    members = [TrialModel.from_state(entries[f"member-{k}"], known) for k in range(len(about["weights"]))]
    for member in members:
        tuple(member.folds)  # builds them, so that what is damaged is told now
    calibration = Calibration(**about["calibration"] | {"factors": tuple(about["calibration"]["factors"])})
    loaded.ensemble_ = EnsembleModel(members, about["weights"], about["trials"], calibration)
    loaded.validation_loss_, loaded.metric_name_ = about["loss"], about["metric"]
    loaded.history_ = History(tuple(_trial(row) for row in about["history"]))
    return loaded


def _plain(value: Any) -> bool:
    """Whether JSON gives the same back."""
    if isinstance(value, list):
        return all(map(_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(inner) for key, inner in value.items())
    return isinstance(value, _PLAIN)


def _row(trial: Trial) -> dict[str, Any]:
    p, r = trial.proposal, trial.result
    return {
        "number": trial.number,
        "seed": trial.seed,
        "proposal": [dict(p.config), p.budget, p.bracket, p.rung, p.parent],
        "result": [r.state.value, r.loss, r.cost, r.curve, None, r.error],
    }


def _trial(row: dict[str, Any]) -> Trial:
    state, loss, cost, curve, artefact, error = row["result"]
    points = tuple((share, value) for share, value in curve)
    result = Result(TrialState(state), loss, cost, points, artefact, error)
    return Trial(row["number"], Proposal(*row["proposal"]), row["seed"], result)


def _labels(classes: np.ndarray[Any, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Labels as JSON (text) or as an array (numbers), with their dtype."""
    if classes.dtype.kind in "biuf":
        return {"dtype": str(classes.dtype)}, {"classes": classes}
    values = classes.tolist()
    if not all(isinstance(v, str | int | float | bool) for v in values):
        raise ArtefactError(f"labels of type {type(values[0]).__name__} cannot be saved; make them text, y.astype(str)")
    return {"dtype": classes.dtype.str, "values": values}, {}


def _read_labels(about: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    return arrays["classes"] if "classes" in arrays else np.array(about["values"], dtype=about["dtype"])
