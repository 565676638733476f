"""AutoNetImageClassifier: arrays and folders, saving, resuming, methods that compare architectures, and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits

from automl import AutoNetClassifier, AutoNetImageClassifier, load
from automl.architectures.family import ImageShape
from automl.architectures.torchvision_networks import TorchvisionNetworks
from automl.assemble import make_plan
from automl.errors import DataError, SettingError
from automl.sharing import FILE
from automl.space import complete

DIGITS = load_digits()
TINY = {"small_resnet:width": 8, "small_resnet:stages": 2, "small_resnet:blocks": 0, "train:batch_size": 64}


def classifier(**more: Any) -> AutoNetImageClassifier:
    settings = {"n_trials": 1, "n_jobs": 1, "random_state": 0, "families": ["small_resnet"]}
    return AutoNetImageClassifier(**{**settings, "warm_start": [{"family": "small_resnet", **TINY}], **more})


@pytest.fixture(scope="module")
def fitted() -> AutoNetImageClassifier:
    return classifier().fit(DIGITS.images[:700], DIGITS.target[:700])


def test_digits_are_told_apart(fitted: AutoNetImageClassifier) -> None:
    assert fitted.score(DIGITS.images[700:1200], DIGITS.target[700:1200]) > 0.85
    probabilities = fitted.predict_proba(DIGITS.images[700:710])
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert fitted.leaderboard()["family"].tolist() == ["small_resnet"]


def test_a_saved_model_predicts_the_same(fitted: AutoNetImageClassifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / "digits.autonet")
    loaded = load(tmp_path / "digits.autonet")
    assert isinstance(loaded, AutoNetImageClassifier)
    X = DIGITS.images[700:800]
    assert np.array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_a_run_in_a_store_is_resumed(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/runs.db"
    X, y = DIGITS.images[:60], DIGITS.target[:60]
    first = classifier(store=store).fit(X, y)

    def killed(model: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classifier(store=store, random_state=1).fit(X, y, keep=killed)
    resumed = classifier(store=store, random_state=1).fit(X, y)
    assert len(resumed.history_) == len(first.history_) == 1


def test_shared_weights_of_cells_say_what_is_tried_first() -> None:
    model = classifier(warm_start="random-sharing", families=["cnn_edge_cell"], n_trials=2)
    history = model.fit(DIGITS.images[:80], DIGITS.target[:80]).history_
    assert history[0].config["cnn_edge_cell:edge01"] == "conv_3x3"  # the default of the family
    again = model.fit(DIGITS.images[:80], DIGITS.target[:80]).history_
    assert [dict(t.config) for t in again] == [dict(t.config) for t in history]
    assert history[1].config != history[0].config


@pytest.mark.parametrize(("time_limit", "filters"), [(1, 8), (60, 32)])
def test_cells_that_shared_weights_suggest_are_as_wide_as_there_is_time_for(
    time_limit: float, filters: int, tmp_path: Path
) -> None:
    settings = {"warm_start": "spos", "families": ["cnn_edge_cell"], "n_trials": None, "device": "cpu"}
    model = classifier(**settings, time_limit=time_limit)
    plan = make_plan(model)
    task, _ = model._task(DIGITS.images, DIGITS.target, None, None, plan)
    found = complete(plan.space, {"family": "cnn_edge_cell", "cnn_edge_cell:edge01": "conv_1x1"})
    (tmp_path / FILE).write_text(json.dumps([found]))  # as a search of the run before has left it
    (first,) = plan.shared(task, tmp_path).first
    assert found["cnn_edge_cell:filters"] == 16
    assert first == {**found, "cnn_edge_cell:filters": filters}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warm_start": "dartz", "families": ["cnn_cell"]}, "did you mean 'darts'"),
        ({"warm_start": "darts"}, "shares the weights of cells, and no family"),
    ],
)
def test_shared_weights_need_a_method_and_cells(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        classifier(**settings).fit(DIGITS.images[:60], DIGITS.target[:60])


def test_shared_weights_are_for_images_alone() -> None:
    with pytest.raises(
        SettingError, match=r"'darts' shares the weights of cells.*give images to AutoNetImageClassifier"
    ):
        AutoNetClassifier(n_trials=1, warm_start="darts").fit(DIGITS.data[:60], DIGITS.target[:60])


def test_parameters_are_those_of_tables_and_two_more() -> None:
    model = classifier(image_size=16)
    assert clone(model).get_params() == model.get_params()
    more = set(AutoNetImageClassifier().get_params()) - set(AutoNetClassifier().get_params())
    assert more == {"image_size", "weights"}
    documentation = str(AutoNetImageClassifier.__doc__)
    assert "None: 0.2 held out, at most 3,000 images." in documentation
    assert [name for name in model.get_params() if f"\n    {name} : " not in documentation] == []


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (DIGITS.data[:50], DIGITS.target[:50], "rows of a table"),
        (DIGITS.images[:50], DIGITS.target[:40], "inconsistent numbers of samples"),
        (DIGITS.images[:11], [*DIGITS.target[:10], 0], "of the class 1 there is one image only"),
        (DIGITS.images[:20], np.zeros(20), "1 class only"),
        ("nowhere", None, "no such folder"),
        ("nowhere", [0, 1], "leave y out"),
    ],
)
def test_what_cannot_be_learned_from_is_told_at_once(X: Any, y: Any, message: str) -> None:
    with pytest.raises((DataError, ValueError), match=message):
        classifier().fit(X, y)


def test_reference_networks_are_among_the_first_only_with_weights_of_the_users(tmp_path: Path) -> None:
    name = "shufflenet_v2_x0_5"
    body: Any = TorchvisionNetworks().build(ImageShape(3, 224, 224, outputs=1000, rows=1), network=name)
    torch.save(body.network.state_dict(), tmp_path / "weights.pth")
    plain, given = (
        make_plan(AutoNetImageClassifier(weights=weights)) for weights in (None, {name: tmp_path / "weights.pth"})
    )
    assert "torchvision" in plain.families
    assert "torchvision" not in [c["family"] for c in plain.initial]
    assert [c["family"] for c in given.initial][:2] == ["small_resnet", "torchvision"]
    assert given.initial[1]["torchvision:network"] == name
    alone = make_plan(AutoNetImageClassifier(families=["torchvision"]))
    assert [c["torchvision:network"] for c in alone.initial] == ["resnet18"]


def test_families_of_the_other_kind_are_refused() -> None:
    with pytest.raises(SettingError, match="'mlp' is for tables"):
        classifier(families=["mlp"]).fit(DIGITS.images[:20], DIGITS.target[:20])
    with pytest.raises(SettingError, match="'small_resnet' is for images"):
        AutoNetClassifier(families=["small_resnet"]).fit(DIGITS.data[:20], DIGITS.target[:20])
    with pytest.raises(SettingError, match="not searched"):
        classifier(weights={"resnet18": "r.pth"}).fit(DIGITS.images[:20], DIGITS.target[:20])


def test_predicting_images_of_another_size_resizes_them_and_says_so(fitted: AutoNetImageClassifier) -> None:
    twice = DIGITS.images[700:710].repeat(2, 1).repeat(2, 2)
    with pytest.warns(UserWarning, match="10 of 10 images are resized to 8×8"):
        larger = fitted.predict_proba(twice)
    assert larger.shape == (10, 10)


def test_one_image_is_predicted_as_among_others_from_an_array_a_list_a_picture_or_a_file(
    fitted: AutoNetImageClassifier, tmp_path: Path
) -> None:
    expected = fitted.predict_proba(DIGITS.images[700:710])[:1]
    picture = Image.fromarray(np.round(DIGITS.images[700] / 16 * 255).astype(np.uint8))
    picture.save(tmp_path / "digit.png")
    one = DIGITS.images[700]
    for X in (one[None], [one], [one.tolist()], [picture], tmp_path / "digit.png", [str(tmp_path / "digit.png")]):
        np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nasbot", "bananas", "evolution", "evolution-large-scale", "codeepneat", "pnas"])
def test_methods_of_architecture_search_find_networks_for_images(method: str) -> None:
    families = ["cnn_chain", "cnn_branch", "cnn_edge_cell", "small_resnet"]
    model = AutoNetImageClassifier(
        n_trials=12, time_limit=100, n_jobs=1, random_state=0, families=families, optimizer=method
    )
    model.fit(DIGITS.images[:300], DIGITS.target[:300])
    assert model.score(DIGITS.images[300:600], DIGITS.target[300:600]) > 0.5
