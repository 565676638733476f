"""A trial of each family: its predictions, what its budget buys, what it continues, where it stops."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import KFold
from small_tasks import EPOCHS, KINDS, TABLES, evaluator, make_task, make_trial, run, whole

from automl.architectures.catalogue import family
from automl.architectures.family import is_network
from automl.evaluation import estimators, fit_networks
from automl.evaluation.evaluator import CHECKPOINT, CONVERGED, EXPLORED, OUT_OF_FOLD, Evaluator, read_model
from automl.evaluation.fidelity import Fidelity
from automl.evaluation.fitted import NetworkModel
from automl.metrics import Metric
from automl.preprocessing.columns import Arrays
from automl.search.trial import INITIAL_BRACKET, State
from automl.task import Task
from automl.training import loop
from automl.training.recipe import Recipe

KNOWN = {name: family(name) for name in TABLES}
NETWORKS = tuple(name for name in TABLES if is_network(family(name)))
BOOSTING = ("catboost", "gradient_boosting", "lightgbm")
EAGER: dict[str, dict[str, Any]] = {
    "catboost": {"catboost:learning_rate": 0.3},
    "gradient_boosting": {"gradient_boosting:learning_rate": 0.3, "gradient_boosting:max_iter": 300},
    "lightgbm": {"lightgbm:learning_rate": 0.2},
}
"""Configurations that overfit within some rounds."""
FAST = {
    "ft_transformer": {"ft_transformer.train:learning_rate": 3e-3},
    "mlp": {"train:learning_rate": 0.03},
    "resnet": {"train:learning_rate": 0.03},
    "tabm": {"tabm.train:learning_rate": 0.01},
}
"""Learning rates for few epochs."""


def expected_out_of_fold(task: Task, folder: Path) -> Any:
    """What the saved fold models say of the rows that they have not seen."""
    found = np.zeros((len(task.y), task.outputs))
    for fold, model in zip(task.folds, read_model(folder, KNOWN).folds, strict=True):
        found[fold.valid] = model.predict(task.arrays.take(fold.valid))
    return found[task.judged]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TABLES)
def test_out_of_fold_predictions_are_those_of_the_saved_models(name: str, kind: str, tmp_path: Path) -> None:
    task = make_task(kind)
    result = run(task, tmp_path, make_trial(name))
    assert result.state is State.DONE
    kept, expected = np.load(tmp_path / "0" / OUT_OF_FOLD), expected_out_of_fold(task, tmp_path / "0")
    if name in BOOSTING:  # see below
        assert task.loss(expected) <= result.loss
    else:
        assert kept == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert result.loss == pytest.approx(task.loss(kept))


@pytest.mark.parametrize("name", BOOSTING)
def test_boosting_is_judged_after_one_number_of_rounds_and_keeps_the_best_of_each_fold(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(rows=150)
    curves: list[Any] = []

    def noted(estimator: Any) -> Any:
        curves.append(list(original(estimator)))
        return curves[-1]

    original = estimators.losses
    monkeypatch.setattr(estimators, "losses", noted)
    result = run(task, tmp_path, make_trial(name, **EAGER[name]))
    at = [[curve[min(k, len(curve) - 1)] for curve in curves] for k in range(max(map(len, curves)))]
    assert len({int(np.argmin(curve)) for curve in curves}) > 1
    assert result.loss == pytest.approx(min(map(np.mean, at)), rel=1e-3)
    best = task.loss(expected_out_of_fold(task, tmp_path / "0"))
    assert best == pytest.approx(np.mean([min(curve) for curve in curves]), rel=1e-3)
    assert best < result.loss


@pytest.mark.parametrize("name", TABLES)
def test_every_family_learns_more_than_the_shares_of_the_classes(name: str, tmp_path: Path) -> None:
    task = make_task(rows=300)
    trial = make_trial(name, **FAST.get(name, {}))
    assert run(task, tmp_path, trial).loss < 0.95 * np.log(3)


@pytest.mark.parametrize("name", TABLES)
def test_the_same_trial_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    task = make_task()
    for part in ("a", "b"):
        run(task, tmp_path / part, make_trial(name))
    one, other = ((tmp_path / part / "0" / OUT_OF_FOLD).read_bytes() for part in ("a", "b"))
    assert one == other


def test_budget_is_a_share_of_the_epochs(tmp_path: Path) -> None:
    run(make_task(), tmp_path, make_trial("mlp", budget=1 / 3))
    checkpoint = fit_networks.checkpoints.load(tmp_path / "0" / CHECKPOINT)
    assert [member.epoch for member in checkpoint.members] == [EPOCHS // 3] * 3


def test_budget_is_a_share_of_the_trees(tmp_path: Path) -> None:
    few, many = (
        replace(make_trial("gradient_boosting", number, budget), seed=7) for number, budget in ((0, 0.04), (1, 1.0))
    )
    for trial in (few, many):
        run(make_task(rows=400), tmp_path, trial)
    grown = [read_model(tmp_path / name, KNOWN).folds[0].estimator.n_iter_ for name in ("0", "1")]  # type: ignore[attr-defined]
    assert grown[0] == 2
    assert grown[1] > 10


def test_budget_is_a_share_of_the_rows(tmp_path: Path) -> None:
    task = make_task(rows=300)
    evaluator(task, tmp_path, "rows")(make_trial("mlp", budget=0.5))
    fold = read_model(tmp_path / "0", KNOWN).folds[0]
    assert isinstance(fold, NetworkModel)
    assert fold.blueprint.rows == len(task.folds[0].train) / 2 == 100


def test_two_fidelities_split_a_budget_geometrically() -> None:
    resources = Fidelity.of(["epochs", "rows"]).at(1 / 9)
    assert (resources.epochs, resources.rows) == (pytest.approx(1 / 3), pytest.approx(1 / 3))


@pytest.mark.parametrize("name", NETWORKS)
def test_promoted_trials_train_only_the_difference_and_end_as_if_uninterrupted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: dict[str, int] = defaultdict(int)
    current = ""

    def counted(*args: Any, **more: Any) -> loop.Fitted:
        fitted = original(*args, **more)
        trained[current] += fitted.epochs
        return fitted

    original = loop.fit
    monkeypatch.setattr(fit_networks.loop, "fit", counted)
    task = make_task()
    chain = evaluator(task, tmp_path / "chain")
    for number, (budget, parent) in enumerate([(1 / 9, None), (1 / 3, 0), (1.0, 1)]):
        current = f"rung {number}"
        chain(make_trial(name, number, budget, parent))
    current = "at once"
    run(task, tmp_path / "once", make_trial(name))
    assert trained["rung 0"] + trained["rung 1"] + trained["rung 2"] == trained["at once"]
    if name != "autonet_1":  # which says itself how long a full run is
        assert trained == {"rung 0": 1, "rung 1": 2, "rung 2": 6, "at once": 9}
    (_, resumed), (_, straight) = (read_model(tmp_path / at, KNOWN).state() for at in ("chain/2", "once/0"))
    assert all(np.array_equal(resumed[key], straight[key]) for key in straight)
    one, other = (np.load(tmp_path / at / OUT_OF_FOLD) for at in ("chain/2", "once/0"))
    assert np.array_equal(one, other)


PREPARED = (
    {"prepare:encoding": "target", "prepare:reduction": "pca", "prepare:class_weighting": True},
    {"prepare:encoding": "one_hot", "prepare:coalescing": True, "prepare:reduction": "select"},
    {"prepare:encoding": "ordinal", "prepare:reduction": "nystroem", "prepare:scaling": "power"},
    {"prepare:coalescing": True, "prepare:min_frequency": 0.09, "prepare:reduction": "polynomial"},
)


@pytest.mark.parametrize("config", PREPARED, ids=lambda config: "-".join(map(str, config.values())))
@pytest.mark.parametrize("name", ["mlp", "linear"])
def test_prepared_otherwise_a_trial_resumes_and_is_kept_bit_for_bit(
    name: str, config: dict[str, Any], tmp_path: Path
) -> None:
    task = make_task(rows=100)  # folds of 66 and 67 rows
    chain = evaluator(task, tmp_path / "chain")
    for number, (budget, parent) in enumerate([(1 / 3, None), (1.0, 0)]):
        chain(make_trial(name, number, budget, parent, **config))
    result = run(task, tmp_path / "once", make_trial(name, **config))
    assert result.state is State.DONE
    one, other = (np.load(tmp_path / at / OUT_OF_FOLD) for at in ("chain/1", "once/0"))
    assert np.array_equal(one, other)
    assert one == pytest.approx(expected_out_of_fold(task, tmp_path / "once" / "0"), rel=1e-6, abs=1e-6)
    model = read_model(tmp_path / "once" / "0", KNOWN)
    alone = [model.predict(task.arrays.take(slice(k, k + 1))) for k in range(10)]
    assert np.concatenate(alone) == pytest.approx(model.predict(task.arrays)[:10], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("lightgbm", {"lightgbm:learning_rate": 0.2}),
        ("catboost", {"catboost:learning_rate": 0.3}),
        ("gradient_boosting", {"gradient_boosting:learning_rate": 0.5, "gradient_boosting:max_iter": 200}),
    ],
)
def test_a_promoted_trial_is_a_copy_where_training_had_ended_by_itself(
    name: str, config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = evaluator(make_task(rows=300), tmp_path)
    first = judge(make_trial(name, 0, 0.5, **config))
    monkeypatch.setattr(Evaluator, "_fit", None)  # nothing may be trained any more
    second = judge(make_trial(name, 1, 1.0, parent=0, **config))
    assert second.loss == first.loss
    assert second.cost < first.cost
    assert np.array_equal(np.load(tmp_path / "1" / OUT_OF_FOLD), np.load(tmp_path / "0" / OUT_OF_FOLD))
    third = judge(make_trial(name, 2, 1.0, parent=1, **config))
    assert third.loss == first.loss


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "gradient_boosting"])
def test_a_share_that_ends_before_early_stopping_does_is_no_full_run(name: str, tmp_path: Path) -> None:
    run(make_task(rows=300), tmp_path, make_trial(name, 0, 0.01))
    assert not (tmp_path / "0" / CONVERGED).exists()


def test_initial_configurations_get_more_of_the_time_than_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs, original = [], loop.fit

    def noted(networks: Any, folds: Any, recipe: Recipe, **more: Any) -> loop.Fitted:
        epochs.append(recipe.epochs)
        return original(networks, folds, recipe, **more)

    monkeypatch.setattr(fit_networks.loop, "fit", noted)
    judge = replace(evaluator(make_task(rows=300), tmp_path, full_seconds=1.0), epochs=1000)
    for number, bracket in enumerate((INITIAL_BRACKET, 0)):
        trial = make_trial("mlp", number)
        judge(replace(trial, proposal=replace(trial.proposal, bracket=bracket)))
    assert epochs[1] == pytest.approx(EXPLORED * epochs[0], abs=1)


def test_more_rows_are_trained_on_anew(tmp_path: Path) -> None:
    task = make_task(rows=300)
    judge = evaluator(task, tmp_path, "rows")
    judge(make_trial("mlp", 0, 0.5))
    continued, fresh = judge(make_trial("mlp", 1, 1.0, parent=0)), judge(make_trial("mlp", 2, 1.0))
    assert continued.loss == fresh.loss


def test_a_full_trial_keeps_no_checkpoint(tmp_path: Path) -> None:
    run(make_task(), tmp_path, make_trial("mlp"))
    assert not (tmp_path / "0" / CHECKPOINT).exists()


@pytest.mark.parametrize("name", TABLES)
def test_a_class_that_a_fold_never_saw_gets_a_small_probability(name: str, tmp_path: Path) -> None:
    task = make_task()
    order = np.argsort(task.y, kind="stable")
    thirds = [(np.delete(np.arange(90), part), part) for part in np.split(np.arange(90), 3)]
    task = replace(
        task,
        arrays=task.arrays.take(order),
        y=task.y[order],
        folds=tuple(
            replace(fold, train=train, valid=valid) for fold, (train, valid) in zip(task.folds, thirds, strict=True)
        ),
    )
    assert all(not np.isin(task.y[f.valid], task.y[f.train]).any() for f in task.folds)
    result = run(task, tmp_path, make_trial(name))
    assert result.state is State.DONE
    kept = np.load(tmp_path / "0" / OUT_OF_FOLD)
    assert kept.sum(axis=1) == pytest.approx(np.ones(90), abs=1e-5)
    assert (kept > 0).all()


@pytest.mark.parametrize("name", TABLES)
def test_a_fold_of_a_single_class_is_learned(name: str, tmp_path: Path) -> None:
    task = make_task(classes=2, holes=False)
    order = np.argsort(task.y, kind="stable")
    halves = [(np.arange(45), np.arange(45, 90)), (np.arange(45, 90), np.arange(45))]
    folds = tuple(replace(task.folds[0], train=train, valid=valid) for train, valid in halves)
    result = run(
        replace(task, arrays=task.arrays.take(order), y=task.y[order], folds=folds), tmp_path, make_trial(name)
    )
    assert result.state is State.DONE


@pytest.mark.parametrize("name", TABLES)
def test_a_hole_that_only_some_folds_have_is_learned(name: str, tmp_path: Path) -> None:
    task = make_task(holes=False)
    numbers = task.arrays.numbers.copy()
    numbers[0, 0] = np.nan
    result = run(replace(task, arrays=Arrays(numbers, task.arrays.codes)), tmp_path, make_trial(name))
    assert result.state is State.DONE


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TABLES)
def test_all_rows_are_learned_where_none_is_judged(name: str, kind: str, tmp_path: Path) -> None:
    task = make_task(kind)
    result = run(replace(task, folds=whole(task)), tmp_path, make_trial(name))
    assert (result.state, result.loss) == (State.DONE, 0.0)
    assert np.isfinite(read_model(tmp_path / "0", KNOWN).predict(task.arrays)).all()


@pytest.mark.parametrize("name", TABLES)
def test_weights_change_what_is_learned(name: str, tmp_path: Path) -> None:
    task = make_task(classes=2)
    task = replace(task, y=np.random.default_rng(1).permutation(task.y))  # nothing to learn but the share of classes
    heavy = replace(task, weight=np.where(task.y == 1, 20.0, 0.1))
    trial = make_trial(name, **FAST.get(name, {}))
    run(task, tmp_path / "even", trial)
    run(heavy, tmp_path / "heavy", trial)
    even, tilted = (np.load(tmp_path / part / "0" / OUT_OF_FOLD)[:, 1].mean() for part in ("even", "heavy"))
    assert tilted > even + 0.2


def test_weights_change_how_a_trial_is_judged(tmp_path: Path) -> None:
    task = replace(make_task(), weight=np.linspace(0, 2, 90))
    result = run(task, tmp_path, make_trial("linear"))
    kept = np.load(tmp_path / "0" / OUT_OF_FOLD)
    chosen = kept[np.arange(90), task.y]
    assert result.loss == pytest.approx(np.average(-np.log(chosen), weights=np.linspace(0, 2, 90)), rel=1e-5)


def test_the_mean_is_taken_where_a_row_is_judged_twice(tmp_path: Path) -> None:
    task = make_task()
    twice = replace(task, folds=(task.folds[0], *task.folds))
    run(task, tmp_path / "once", make_trial("linear"))
    run(twice, tmp_path / "twice", make_trial("linear"))
    one, other = (np.load(tmp_path / part / "0" / OUT_OF_FOLD) for part in ("once", "twice"))
    assert one == pytest.approx(other)


def test_a_loss_that_is_no_number_is_a_crash(tmp_path: Path) -> None:
    def broken(estimator: Any, X: Any, y: Any) -> float:
        return float("nan")

    task = make_task()
    result = run(replace(task, metric=Metric(broken, task.metric.classes)), tmp_path, make_trial("linear"))
    assert result.state is State.CRASHED
    assert "nan" in result.error


def test_a_deadline_between_two_folds_names_how_far_it_came(tmp_path: Path) -> None:
    late = evaluator(make_task(), tmp_path, deadline=time.monotonic())
    with pytest.raises(TimeoutError, match="1 of 3 folds"):
        late(make_trial("linear"))


def test_splitters_may_leave_rows_unjudged(tmp_path: Path) -> None:
    task = make_task(resampling=KFold(3))
    task = replace(task, folds=task.folds[:1])
    run(task, tmp_path, make_trial("linear"))
    assert len(np.load(tmp_path / "0" / OUT_OF_FOLD)) == len(task.judged) == 30
