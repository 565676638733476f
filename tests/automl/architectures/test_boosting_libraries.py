"""LightGBM and CatBoost: early stopping, budgets, deadlines, categories, silence, and a cure where they are missing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss

from automl.architectures import catalogue, catboost, lightgbm
from automl.architectures.catalogue import family, what_is_missing
from automl.architectures.family import Shape, native
from automl.architectures.learner import Rows
from automl.artefact import pack, unpack
from automl.assemble import select_families
from automl.errors import ArtefactError, SettingError
from automl.evaluation.fitted import TrialModel
from automl.settings import SpaceSettings

NAMES = ("catboost", "lightgbm")
ROUNDS = {"catboost": catboost.ROUNDS, "lightgbm": lightgbm.ROUNDS}
LEVELS = (30,)


def rows(count: int = 300, start: int = 0) -> Rows:
    """A number with holes and a level from 0 to 29, both of which tell something of the class."""
    rng = np.random.default_rng(start)
    number, level = rng.normal(size=count), rng.integers(0, 30, count)
    y = (number + (level % 3 == 0) + rng.normal(size=count) > 0.5).astype(np.int64)
    X = np.stack([number, level], axis=1).astype(np.float32)
    X[rng.random(X.shape) < 0.05] = np.nan
    return Rows(X, y, None)


def fitted(
    name: str, train: Rows, valid: Rows, *, share: float = 1.0, deadline: float | None = None, **more: Any
) -> Any:
    made = family(name)
    config = native(dict(made.space().get_default_configuration())) | more
    model = made.build(Shape(2, 2, len(train.y), numbers=1, levels=LEVELS), **config)
    model.fit_within(train, valid, share=share, seed=0, deadline=deadline)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_boosting_stops_early_and_keeps_the_best_round(name: str) -> None:
    train, valid = rows(), rows(start=1)
    model = fitted(name, train, valid)
    kept = round(model.effort * ROUNDS[name])
    assert 1 <= kept < ROUNDS[name] / 2
    loss = log_loss(valid.y, model.predict_proba(valid.X))
    nothing = Rows(valid.X[:0], valid.y[:0], None)
    for other in (kept // 2, 2 * kept):
        straight = fitted(name, train, nothing, share=other / ROUNDS[name])
        assert log_loss(valid.y, straight.predict_proba(valid.X)) > loss


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_without_rows_to_judge_by_buys_a_share_of_the_rounds(name: str) -> None:
    train = rows()
    assert fitted(name, train, Rows(train.X[:0], train.y[:0], None), share=0.02).effort == pytest.approx(0.02)


@pytest.mark.parametrize("name", NAMES)
def test_boosting_stops_at_a_deadline_with_the_rounds_it_has(name: str) -> None:
    train, valid = rows(), rows(start=1)
    model = fitted(name, train, valid, deadline=time.monotonic())
    assert model.effort == pytest.approx(1 / ROUNDS[name])
    assert model.predict_proba(valid.X).shape == (300, 2)


@pytest.mark.parametrize("name", NAMES)
def test_levels_are_taken_as_categories_and_new_ones_are_predicted(name: str) -> None:
    train, valid = rows(3000), rows(start=1)
    model = fitted(name, train, valid)
    thirds = model.predict_proba(np.array([[0.0, level] for level in range(30)], dtype=np.float32))[:, 1]
    assert thirds[::3].mean() > np.delete(thirds, np.s_[::3]).mean() + 0.2
    assert np.isfinite(model.predict_proba(np.array([[np.nan, np.nan], [0, 29]], dtype=np.float32))).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_is_fitted_and_gives_the_same_bits_back(name: str) -> None:
    space = family(name).space()
    space.seed(0)
    train, valid = rows(), rows(start=1)
    for config in space.sample_configuration(5):
        model = fitted(name, train, valid, share=0.02, **native(dict(config)))
        again = family(name).restore(unpack(pack(model.state())))  # type: ignore[attr-defined]
        assert np.array_equal(again.predict_proba(valid.X), model.predict_proba(valid.X))
        assert again.effort == model.effort


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_written_and_nothing_is_said(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = fitted(name, rows(), rows(start=1), share=0.02)
    family(name).restore(model.state()).predict_proba(rows().X)  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def without_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None)


@pytest.mark.usefixtures("without_libraries")
def test_a_family_whose_library_is_missing_is_left_out_unless_it_is_asked_for() -> None:
    settings = SpaceSettings(("linear", *NAMES))
    assert list(select_families(None, settings)) == ["linear"]
    assert list(select_families({"exclude": ["catboost"]}, settings)) == ["linear"]
    with pytest.raises(SettingError, match=r"'catboost' needs catboost, .*pip install 'autonet\[boosting\]'"):
        select_families(["catboost"], settings)
    assert what_is_missing(family("linear")) is None


@pytest.mark.usefixtures("without_libraries")
def test_a_saved_model_of_a_missing_library_names_the_cure() -> None:
    state = ({"family": "lightgbm", "config": {}, "effort": 1.0, "folds": {}}, {})
    with pytest.raises(ArtefactError, match=r"cannot be read.*autonet\[boosting\]"):
        TrialModel.from_state(state, {"lightgbm": family("lightgbm")})
