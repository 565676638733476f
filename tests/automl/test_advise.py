"""How past tasks help a fit: what is tried first, where it comes from, and that a resumed run keeps its advice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ConfigSpace import ConfigurationSpace
from sklearn.datasets import load_iris

from automl import AutoNetClassifier
from automl.advise import OWN, PORTFOLIO, TIMED_PORTFOLIO, WARM_STARTS, advise
from automl.assemble import make_plan
from automl.errors import SettingError
from automl.metafeatures import metafeatures
from automl.search.draw import check_config
from automl.search.trial import INITIAL_BRACKET, config_key
from automl.task import Task
from metalearn import Store, TaskRecord, TrialRecord
from metalearn.knowledge import Knowledge, shipped
from metalearn.portfolio import greedy_portfolio

X, Y = load_iris(return_X_y=True)
ROWS = np.random.default_rng(0).permutation(150)[:60]
X, Y = X[ROWS], Y[ROWS]


def task() -> Task:
    model = AutoNetClassifier(random_state=0)
    return model._task(X, Y, None, None, make_plan(model))[0]


def space(**settings: Any) -> ConfigurationSpace:
    return make_plan(AutoNetClassifier(random_state=0, **settings)).space


def keys(configurations: Any) -> list[str]:
    return [config_key(c) for c in configurations]


def knowledge(path: Path, best: list[float]) -> str:
    """Two linear configurations on one task of classes; the losses are these."""
    configurations = ({"family": "linear", "linear:strength": 0.5}, {"family": "linear", "linear:strength": 2.0})
    known = TaskRecord("past", kind="classification", metafeatures=metafeatures(task()))
    losses = np.array(best)[None, :, None]
    Knowledge((known,), ("past",), configurations, (1.0,), losses, losses, {}).write(path)
    return str(path)


@pytest.mark.parametrize("how", WARM_STARTS)
def test_every_way_gives_configurations_of_the_space(how: str) -> None:
    allowed = space()
    advice = advise(how, task(), allowed, store=None, knowledge="shipped")
    for config in (*advice.first, *advice.centres, *(c for s in advice.sources for c in s.configurations[:3])):
        assert check_config(allowed, config) == config
    assert 1 <= len(advice.first) <= PORTFOLIO
    assert (len(advice.centres) > 0, len(advice.sources) > 0) == (how == "prior", how == "transfer")


def test_the_portfolio_is_the_greedy_one_of_the_kind() -> None:
    known = shipped().of_kind("classification")
    advice = advise("portfolio", task(), space(), store=None, knowledge="shipped")
    expected = [known.configurations[row] for row in greedy_portfolio(known.full, PORTFOLIO)]
    assert [c["family"] for c in advice.first] == [c["family"] for c in expected]
    assert len(advice.expected) == len(advice.first)
    assert all(0 <= e < 1 for e in advice.expected)


def test_where_time_ends_the_search_cheap_configurations_come_first() -> None:
    known = shipped().of_kind("classification")
    seconds = {key: float(np.nanmedian(row)) for key, row in zip(keys(known.configurations), known.spent, strict=True)}
    counted, timed = (greedy_portfolio(known.full, TIMED_PORTFOLIO, costs) for costs in (None, known.spent))
    spent = [sum(seconds[keys(known.configurations)[row]] for row in rows[:8]) for rows in (counted, timed)]
    assert spent[1] < 0.5 * spent[0]
    advice = advise("auto", task(), space(), store=None, knowledge="shipped", timed=True)
    assert [c["family"] for c in advice.first] == [known.configurations[row]["family"] for row in timed]


def test_families_that_are_not_searched_are_not_advised() -> None:
    advice = advise("neighbours", task(), space(families=["mlp", "tabm"]), store=None, knowledge="shipped")
    assert {c["family"] for c in advice.first} == {"mlp", "tabm"}


def test_a_published_space_is_searched_as_it_was() -> None:
    assert make_plan(AutoNetClassifier(search_space="autonet-2")).knowledge is None
    assert make_plan(AutoNetClassifier()).knowledge == "shipped"
    assert advise("auto", task(), space(), store=None, knowledge=None).first == ()


def test_the_best_of_the_own_store_come_before_the_portfolio(tmp_path: Path) -> None:
    allowed, here = space(), task()
    with Store(f"sqlite:///{tmp_path}/runs.db") as store:
        record = TaskRecord("past", kind="classification", metric=here.metric.name, metafeatures=metafeatures(here))
        store.put_task(record)
        run = store.open_run("run", space="", method="", seed=0, settings={}, task="past")
        for number in range(10):
            config = {"family": "linear", "linear:strength": 0.1 * (number + 1)}
            store.write(run, TrialRecord(number, config, state="done", loss=abs(number - 6)))
        advice = advise("auto", here, allowed, store=store, knowledge="shipped")
    assert [round(c["linear:strength"], 6) for c in advice.first[:OWN]] == [0.7, 0.6, 0.8, 0.5]
    portfolio = advise("portfolio", here, allowed, store=None, knowledge="shipped").first
    assert set(keys(portfolio)) & set(keys(advice.first[OWN:]))


def test_a_fit_tries_the_advice_after_the_first_default(tmp_path: Path) -> None:
    path = knowledge(tmp_path / "k.json.gz", [2.0, 1.0])
    model = AutoNetClassifier(n_trials=5, families=["linear"], knowledge=path, random_state=0, n_jobs=1).fit(X, Y)
    assert model.history_[1].proposal.bracket == INITIAL_BRACKET
    assert model.history_[1].config["linear:strength"] == 2.0  # a portfolio of one task has one entry


def test_a_resumed_run_keeps_the_advice_that_it_began_with(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    settings: dict[str, Any] = {"families": ["linear"], "random_state": 0, "n_jobs": 1, "store": url}
    path = knowledge(tmp_path / "k.json.gz", [2.0, 1.0])
    straight = AutoNetClassifier(n_trials=6, knowledge=path, **(settings | {"store": None})).fit(X, Y)

    class Stopped(Exception):
        pass

    with pytest.MonkeyPatch.context() as patch:
        import automl.job

        def stop(*args: Any, **kwargs: Any) -> None:
            raise Stopped

        patch.setattr(automl.job, "_finish", stop)
        patch.setattr(automl.job.Journal if hasattr(automl.job, "Journal") else Store, "finish", lambda *args: None)
        with pytest.raises(Stopped):
            AutoNetClassifier(n_trials=4, knowledge=path, **settings).fit(X, Y)
    knowledge(tmp_path / "k.json.gz", [1.0, 2.0])  # other advice by now
    resumed = AutoNetClassifier(n_trials=6, knowledge=path, **settings).fit(X, Y)
    assert keys(t.config for t in resumed.history_) == keys(t.config for t in straight.history_)


def test_a_fit_leaves_the_metafeatures_of_its_task_in_the_store(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path}/runs.db") as store:
        AutoNetClassifier(n_trials=1, families=["linear"], store=store, n_jobs=1).fit(X, Y)
        (record,) = store.tasks()
    assert (record.kind, record.metafeatures["NumberOfClasses"]) == ("classification", 3)
    assert record.metafeatures["NumberOfInstances"] == 60


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warm_start": "portfolo"}, "did you mean 'portfolio'"),
        ({"warm_start": True}, "none of auto, portfolio"),
        ({"knowledge": "nowhere.json.gz"}, "nowhere.json.gz"),
        ({"knowledge": 3}, "neither 'shipped' nor the path"),
    ],
)
def test_what_is_no_warm_start_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        AutoNetClassifier(n_trials=1, **settings).fit(X, Y)
