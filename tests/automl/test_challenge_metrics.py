"""The organisers' scores, against what their own scoring program printed (the golden digits of each case)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from automl.challenge_metrics import Kind, challenge_score, learning_curve_area, present_auc
from automl.errors import SettingError
from automl.metrics import Metric

TWO = np.array([0, 1, 0, 0, 1, 0.0])[:, None]
THREE = np.eye(3)[[0, 0, 0, 1, 1, 2]]
LABELS = np.array([[1, 0], [0, 1], [1, 0], [0, 0.0], [1, 1], [0, 0]])
VALUES = np.array([1, 2, 3, 10.0])[:, None]
NAMES = ("bac_metric", "auc_metric", "f1_metric", "pac_metric")
NAN = float("nan")


def constant(value: Any, like: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.asarray(value, dtype=float), like.shape).copy()


def with_one(values: np.ndarray, row: int, value: float) -> np.ndarray:
    changed = values.astype(float)
    changed[row, 0] = value
    return changed


ABSENT = THREE[:5]
ONE_NEVER = LABELS * [1, 0]
ENDLESS = np.array([0.1, np.inf, 0.1, 0.2, 0.8, 0.3])[:, None]
CASES: list[tuple[str, Kind, np.ndarray, np.ndarray, tuple[float, float, float, float]]] = [
    ("prior", "binary", TWO, constant(1 / 3, TWO), (0, 0, -1, 0)),
    ("one half", "binary", TWO, constant(0.5, TWO), (0, 0, 0, -0.0619)),
    ("all 0", "binary", TWO, constant(0, TWO), (0, 0, -1, -1.1237)),
    ("all 1", "binary", TWO, constant(1, TWO), (0, 0, 0, -1.1237)),
    ("perfect", "binary", TWO, TWO, (1, 1, 1, 1)),
    ("inverted", "binary", TWO, 1 - TWO, (-1, -1, -1, -1.1237)),
    ("ten times too large", "binary", TWO, constant(10, TWO), (0, 0, 0, -1.1237)),
    ("one NaN", "binary", TWO, with_one(TWO, 0, NAN), (1, 0.5, 1, NAN)),
    ("one infinite", "binary", TWO, ENDLESS, (1, 1, 1, 0.6699)),
    ("no positive", "binary", 0 * TWO, constant(0.1, TWO), (1, NAN, 1, -99999999999999.9688)),
    ("labels -1 and 1", "binary", 2 * TWO - 1, 2 * TWO - 1, (1, 1, 1, 1)),
    ("labels -1 and 1, probabilities", "binary", 2 * TWO - 1, 0.2 + 0.6 * TWO, (0, 1, 0, -0.0106)),
    ("prior of three", "multiclass", THREE, constant([1 / 2, 1 / 3, 1 / 6], THREE), (0, 0, -0.1667, 0)),
    ("uniform", "multiclass", THREE, constant(1 / 3, THREE), (0, 0, -0.1667, -0.0477)),
    ("perfect of three", "multiclass", THREE, THREE, (1, 1, 1, 1)),
    ("rows that sum to 2", "multiclass", THREE, 0.2 + 1.4 * THREE, (1, 1, 1, 0.5510)),
    ("rows of zeros", "multiclass", THREE, 0 * THREE, (0, 0, -0.1667, -0.5716)),
    ("class 2 absent", "multiclass", ABSENT, ABSENT, (1, NAN, 1, 1)),
    ("prior of labels", "multilabel", LABELS, constant([1 / 2, 1 / 3], LABELS), (0, 0, -0.3333, 0)),
    ("perfect labels", "multilabel", LABELS, LABELS, (1, 1, 1, 1)),
    ("a label that is never there", "multilabel", ONE_NEVER, ONE_NEVER, (1, NAN, 1, 1)),
]

VALUE_CASES = [
    ("mean", constant(4, VALUES), (0, 0)),
    ("median", constant(2.5, VALUES), (-0.18, 0.1667)),
    ("perfect", VALUES, (1, 1)),
    ("one NaN", with_one(VALUES, 1, NAN), (0.7550, 0.7083)),
    ("one infinite", with_one(VALUES, 2, np.inf), (0.0200, 0.4167)),
    ("all NaN", constant(NAN, VALUES), (NAN, NAN)),
]


@pytest.mark.parametrize(("case", "kind", "solution", "prediction", "printed"), CASES, ids=[c[0] for c in CASES])
def test_scores_of_labels_are_those_that_the_organisers_program_printed(
    case: str, kind: Kind, solution: np.ndarray, prediction: np.ndarray, printed: tuple[float, ...]
) -> None:
    scores = [challenge_score(name, solution, prediction, kind) for name in NAMES]
    assert ["0.0000" if abs(score) < 5e-5 else f"{score:.4f}" for score in scores] == [f"{s:.4f}" for s in printed]


@pytest.mark.parametrize(("case", "prediction", "printed"), VALUE_CASES, ids=[c[0] for c in VALUE_CASES])
def test_scores_of_values_are_those_that_the_organisers_program_printed(
    case: str, prediction: np.ndarray, printed: tuple[float, float]
) -> None:
    scores = [challenge_score(name, VALUES, prediction, "regression") for name in ("r2_metric", "a_metric")]
    np.testing.assert_allclose(scores, printed, atol=5e-5)


def test_a_constant_target_has_no_score() -> None:
    assert np.isnan(challenge_score("r2_metric", np.ones((3, 1)), np.ones((3, 1)), "regression"))


def test_abs_is_another_name_of_a_metric_and_an_unknown_one_says_what_is_known() -> None:
    assert challenge_score("abs_metric", VALUES, VALUES, "regression") == 1
    with pytest.raises(SettingError, match=r"acc_metric.*bac_metric"):
        challenge_score("acc_metric", TWO, TWO, "binary")


def test_a_missing_class_is_left_out_of_the_mean_of_autodl() -> None:
    assert present_auc(ABSENT, ABSENT) == 1
    assert np.isnan(present_auc(0 * TWO, TWO))


def test_the_area_is_half_where_half_of_the_logarithm_has_passed() -> None:
    half = 60 * (np.sqrt(1 + 1200 / 60) - 1)  # the text of the challenge: 215 of 1,200 seconds
    assert half == pytest.approx(215, abs=0.1)
    assert learning_curve_area([half], [1.0], 1200) == pytest.approx(0.5)
    assert learning_curve_area([half, 2 * 1200], [1.0, 0.0], 1200) > 0.5  # the step before reaches beyond the end
    assert learning_curve_area([2400.0], [0.2], 1200) < 0


@pytest.mark.parametrize("name", ["bac_metric", "auc_metric", "f1_metric", "pac_metric"])
def test_the_estimators_minimise_one_minus_the_score(name: str) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 30)
    y = np.arange(30) % 3
    score = challenge_score(name, np.eye(3)[y], probabilities, "multiclass")
    assert Metric(name, np.arange(3)).loss(y, probabilities) == pytest.approx(1 - score)
    two = probabilities[:, :2] / probabilities[:, :2].sum(1, keepdims=True)
    score = challenge_score(name, (y % 2)[:, None], two[:, 1:], "binary")
    assert Metric(name, np.array(["no", "yes"])).loss(y % 2, two) == pytest.approx(1 - score)


def test_a_metric_for_values_is_refused_for_labels_and_weights_are_refused() -> None:
    with pytest.raises(SettingError, match="a_metric is for values"):
        Metric("abs_metric", np.arange(2)).check()
    with pytest.raises(SettingError, match="leave the weights out"):
        Metric("r2_metric").check(weighted=True)
    assert Metric("pac_metric", np.arange(2)).proper
    assert Metric("f1_metric", np.arange(2)).judges_labels
    assert Metric("a_metric").absolute
