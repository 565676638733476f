"""Runs that are kept in a store, what trials are expected to cost, and refits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import TimeSeriesSplit

from automl import AutoNetClassifier, AutoNetRegressor
from automl.assemble import make_plan
from automl.errors import SearchFailed, SettingError
from automl.job import grace_of, predicted_cost
from automl.metrics import Metric
from automl.plan import full_epochs
from automl.preprocessing.columns import Arrays
from automl.refit import refitted
from automl.resampling import make_folds
from automl.search.history import History
from automl.search.trial import Proposal, Result, State, Trial
from automl.task import Task
from metalearn import Store

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)


def done(number: int, family: str, budget: float, cost: float) -> Trial:
    return Trial(number, Proposal({"family": family}, budget), 0, Result(State.DONE, 0.5, cost))


def test_a_trial_is_expected_to_cost_what_its_family_cost_at_its_budget() -> None:
    history = History(tuple(done(i, "mlp", 1 / 3, cost) for i, cost in enumerate([1.0, 2.0, 9.0])))
    assert predicted_cost(history, Proposal({"family": "mlp"}, 1 / 3)) == 2.0
    assert predicted_cost(history, Proposal({"family": "mlp"}, 1.0)) == pytest.approx(6.0)
    assert predicted_cost(history, Proposal({"family": "mlp"}, 1 / 9)) == 2.0
    assert predicted_cost(history, Proposal({"family": "linear"}, 1.0)) is None


@pytest.mark.parametrize(
    ("side", "limit", "seconds"),
    [(32, 900, 1 + 100 / 500), (64, 900, 1 + 100 / 500), (256, 900, 1 + 100 * 16 / 500), (256, 30, 3)],
)
def test_training_ends_sooner_where_many_large_images_are_to_be_predicted(
    side: int, limit: float, seconds: float
) -> None:
    y, metric = np.arange(500) % 2, Metric("neg_log_loss", np.arange(2))
    images = np.broadcast_to(np.uint8(0), (500, 3, side, side))
    task = Task(Arrays.of_images(images), (), y, None, metric, make_folds(0.2, y, classification=True))
    assert grace_of(task, limit) == pytest.approx(seconds)


@pytest.mark.parametrize(("rows", "epochs"), [(100, 100), (8_000, 50), (10**6, 15)])
def test_few_rows_are_seen_in_many_epochs(rows: int, epochs: int) -> None:
    assert full_epochs(rows) == epochs


def linear(**parameters: Any) -> AutoNetClassifier:
    return AutoNetClassifier(**{"families": ["linear"], "n_trials": 2, "n_jobs": 1, "resampling": 2} | parameters)


def test_a_finished_run_is_recorded_and_leaves_no_files(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'runs.db'}") as store:
        clone(linear(store=store)).fit(X, Y)
        (run,) = store.runs()
        assert run.finished
        assert [t.state for t in store.trials(run)] == ["done", "done"]
    assert [p.name for p in (tmp_path / "runs.db.artefacts").glob("*")] == []


def test_what_keeps_a_model_comes_before_the_end_of_its_run_and_may_fail(tmp_path: Path) -> None:
    """A kill while a model is being saved costs no trial."""
    seen = []

    def keep(model: AutoNetClassifier) -> None:
        seen.append((store.runs()[0].finished, model.predict(X).shape))
        if len(seen) == 1:
            raise OSError("no space left")

    with Store(f"sqlite:///{tmp_path / 'runs.db'}") as store:
        with pytest.raises(OSError, match="no space left"):
            linear(store=store).fit(X, Y, keep=keep)
        trials = store.trials(1)
        linear(store=store).fit(X, Y, keep=keep)
        assert seen == [(False, (60,)), (False, (60,))]
        assert [run.finished for run in store.runs()] == [True]
        assert store.trials(1) == trials
    assert len(seen) == 2


def test_without_a_store_a_model_is_kept_too() -> None:
    kept: list[Any] = []
    model = linear().fit(X, Y, keep=kept.append)
    assert kept == [model]


def test_a_run_in_which_all_failed_is_not_met_again(tmp_path: Path) -> None:
    class Broken:
        name = "broken"
        inputs = "one-hot"

        def space(self) -> Any:
            from ConfigSpace import ConfigurationSpace

            return ConfigurationSpace({"k": (1, 9)})

        def build(self, shape: object, *, k: int) -> Any:
            raise RuntimeError("no")

    url = f"sqlite:///{tmp_path / 'runs.db'}"
    for _ in range(2):
        with pytest.raises(SearchFailed, match="2 × crashed: RuntimeError: no"):
            linear(families={"include": ["linear", Broken()], "exclude": ["linear"]}, store=url).fit(X, Y)
    with Store(url) as store:
        assert [run.finished for run in store.runs()] == [True, True]


def test_a_store_that_is_none_is_refused() -> None:
    with pytest.raises(SettingError, match=r"store 5 is neither a URL such as 'sqlite:///runs\.db' nor a Store"):
        linear(store=5).fit(X, Y)


def test_refit_uses_the_rows_that_the_first_fold_does_not_have() -> None:
    t = np.arange(90.0)
    y = np.where(t < 30, 0.0, 1.0)  # the first fold of the splitter sees zeros only
    model = AutoNetRegressor(
        families=["linear"], n_trials=1, n_jobs=1, resampling=TimeSeriesSplit(3, test_size=10, max_train_size=20)
    )
    model.fit(t[:, None], y)
    assert model.refit(t[:, None], y).score(t[:, None], y) > 0.5


def test_a_refit_for_which_there_is_no_time_is_told() -> None:
    model = linear(random_state=0).fit(X, Y)
    model.set_params(time_limit=1e-6)
    with pytest.raises(SearchFailed, match="the time limit had passed"):
        model.refit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({"families": "neural", "time_limit": 60}, 0.2),  # 4,000 rows × 100 epochs × 4 folds' worth in 9 s
        ({"families": "neural", "time_limit": 600}, 5),
        ({"families": "neural", "n_trials": 3}, None),
        ({"time_limit": 60}, None),
    ],
    ids=str,
)
def test_networks_alone_have_five_folds_where_there_is_time_for_them(parameters: dict[str, Any], wanted: Any) -> None:
    plan = make_plan(AutoNetClassifier(device="cpu", **parameters))
    assert plan.usual_resampling(4_000) == wanted


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [({}, 0.8), ({"resampling": 0.2}, 1.0), ({"families": ["mlp", "linear"]}, 1.0), ({"time_limit": 600}, 1.0)],
    ids=str,
)
def test_time_is_kept_for_training_on_all_rows_where_one_holdout_was_for_want_of_time(
    parameters: dict[str, Any], wanted: float
) -> None:
    model = AutoNetClassifier(**{"families": "neural", "time_limit": 5, "device": "cpu", **parameters})
    plan = make_plan(model)
    task, _ = model._task(np.arange(2_000.0)[:, None], np.arange(2_000) % 2, None, None, plan)
    assert plan.sized_for(task).search_share == wanted


def test_networks_judged_by_one_holdout_are_trained_on_all_rows_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    import automl.job

    calls: list[Any] = []

    def watched(task: Any, plan: Any, ensemble: Any, history: Any, deadline: float) -> Any:
        found, failed = refitted(task, plan, ensemble, history, deadline)
        calls.append((ensemble, found, failed))
        return found, failed

    monkeypatch.setattr(automl.job, "refitted", watched)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1_000, 3))
    model = AutoNetClassifier(families=["mlp"], time_limit=6, n_jobs=1, device="cpu", warm_start=None)
    model.fit(X, X[:, 0] > 0)
    ((before, found, failed),) = calls
    assert model.ensemble_ is found
    assert not failed
    assert all(new is not old for new, old in zip(found.members, before.members, strict=True))
    assert found.weights == before.weights
    assert model.score(X, X[:, 0] > 0) > 0.9
