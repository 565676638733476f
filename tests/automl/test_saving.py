"""A fitted estimator as a file: the same bits, none of the search's libraries, no training rows, no pickle."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from tables import classifier, messy, numbers, regressor

from automl import load
from automl.artefact import write_archive
from automl.errors import ArtefactError

X, LABELS, VALUES = numbers()
FAMILIES = ["gradient_boosting", "mlp", "linear"]
SECRET_TEXT, SECRET_NUMBER = "Wolpertinger of Rottach", 98765.4321

ALONE = """
import sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ConfigSpace", "smac", "hpbandster", "optuna", "sqlalchemy", "dask"}:
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Wall())
import numpy as np
import automl

model = automl.load(sys.argv[1])
np.save(sys.argv[3], model.predict_proba(np.load(sys.argv[2])))
model.leaderboard()
"""


@pytest.fixture(scope="module")
def fitted() -> Any:
    return classifier(n_trials=3, families=FAMILIES).fit(X, LABELS)


def test_a_classifier_comes_back_bit_for_bit(fitted: Any, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model.autonet")
    again = load(tmp_path / "model.autonet")
    assert type(again) is type(fitted)
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert np.array_equal(again.predict(X), fitted.predict(X))
    assert again.classes_.dtype == fitted.classes_.dtype
    assert again.validation_loss_ == fitted.validation_loss_
    pd.testing.assert_frame_equal(again.leaderboard(), fitted.leaderboard())
    assert again.get_params() == fitted.get_params()


def test_a_regressor_comes_back_bit_for_bit(tmp_path: Path) -> None:
    fitted = regressor(n_trials=3, families=FAMILIES).fit(X, VALUES)
    fitted.save(str(tmp_path / "model.autonet"))
    assert np.array_equal(load(str(tmp_path / "model.autonet")).predict(X), fitted.predict(X))


def test_frames_of_any_columns_are_predicted_alike_after_loading(tmp_path: Path) -> None:
    table = messy()
    fitted = classifier().fit(table, LABELS)
    fitted.save(tmp_path / "model.autonet")
    again, other = load(tmp_path / "model.autonet"), messy(seed=1)
    assert np.array_equal(again.predict_proba(other), fitted.predict_proba(other))
    assert again.feature_names_in_.tolist() == list(table.columns)
    with pytest.raises(ValueError, match="feature names"):
        again.predict(other[other.columns[::-1]])


def test_saving_twice_gives_the_same_model_and_a_loaded_one_can_be_saved(fitted: Any, tmp_path: Path) -> None:
    fitted.save(tmp_path / "one")
    load(tmp_path / "one").save(tmp_path / "two")
    assert np.array_equal(load(tmp_path / "two").predict_proba(X), fitted.predict_proba(X))


def test_it_loads_without_the_libraries_of_the_search(fitted: Any, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model.autonet")
    np.save(tmp_path / "rows.npy", X)
    paths = [str(tmp_path / name) for name in ("model.autonet", "rows.npy", "out.npy")]
    done = subprocess.run([sys.executable, "-c", ALONE, *paths], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "out.npy") == pytest.approx(fitted.predict_proba(X), abs=1e-12)


def test_no_training_row_is_in_the_file(tmp_path: Path) -> None:
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    table["text"] = [f"note {k} of many words" for k in range(80)]
    table.loc[7, ["a", "text"]] = SECRET_NUMBER, SECRET_TEXT
    fitted = classifier(n_trials=3, families=FAMILIES).fit(table, LABELS)
    fitted.save(tmp_path / "model.autonet")
    with zipfile.ZipFile(tmp_path / "model.autonet") as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert SECRET_TEXT.encode() not in content
    row = np.append(X[20], [])
    for kind in (np.float32, np.float64):
        assert row.astype(kind).tobytes() not in content


def test_a_family_of_ones_own_is_asked_for(tmp_path: Path) -> None:
    from test_estimator import OneLayer

    own = OneLayer()
    fitted = classifier(families={"include": [own, "linear"], "exclude": ["linear"]}, n_trials=1).fit(X, LABELS)
    fitted.save(tmp_path / "model.autonet")
    with pytest.raises(ArtefactError, match=r"'one_layer', which is not known here .*families="):
        load(tmp_path / "model.autonet")
    again = load(tmp_path / "model.autonet", families=[own])
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("labels", [[True, False], [-1, 3], ["ä", "b"], [0.5, 1.5]], ids=str)
def test_labels_keep_their_kind(labels: list[Any], tmp_path: Path) -> None:
    y = np.array(labels)[(LABELS == "yes").astype(int)]
    if y.dtype.kind == "f":
        y = y * 2
    fitted = classifier().fit(X, y)
    fitted.save(tmp_path / "model.autonet")
    predicted = load(tmp_path / "model.autonet").predict(X)
    assert predicted.dtype == y.dtype
    assert np.array_equal(predicted, fitted.predict(X))


def test_a_loaded_model_can_be_refitted(fitted: Any, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model.autonet")
    again = load(tmp_path / "model.autonet").refit(X, LABELS)
    assert all(len(member.folds) == 1 for member in again.ensemble_.members)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="is no saved model"):
        load(tmp_path / "absent")
    write_archive(tmp_path / "other", {"notes": ({}, {})})
    with pytest.raises(ArtefactError, match="holds no estimator"):
        load(tmp_path / "other")


def test_what_is_not_fitted_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        classifier().save(tmp_path / "model.autonet")
    assert not list(tmp_path.iterdir())
