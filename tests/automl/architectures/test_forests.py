"""Forests: what shrinkage says, which rows a tree sees, where growing stops, and what is kept."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from automl.architectures.family import Shape
from automl.architectures.forests import LEAF_VALUES, TREES, Forest, Trees, considered, most_leaves
from automl.architectures.learner import Clock, Rows
from automl.architectures.random_forest import RandomForest
from automl.artefact import pack, unpack

NONE = Rows(np.empty((0, 1), dtype=np.float32), np.empty(0), None)


def rows(count: int = 200, classes: int = 3) -> Rows:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(count, 5)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    return Rows(X, rng.integers(0, classes, count), None)


def grown(train: Rows, *, share: float = 0.1, deadline: float | None = None, **config: float) -> Forest:
    choices = {"max_features": 0.5, "min_samples_leaf": 1, "max_leaf_nodes": 64, "shrinkage": 1.0, **config}
    forest = RandomForest().build(Shape(train.X.shape[1], 3, len(train.y)), **choices)  # type: ignore[arg-type]
    forest.fit_within(train, NONE, share=share, seed=1, deadline=deadline)
    return forest


def one_tree(train: Rows, shrinkage: float, most_rows: int = 1000) -> Forest:
    forest = Forest(DecisionTreeClassifier(), bootstrap=False, most_rows=most_rows, shrinkage=shrinkage)
    forest.fit_within(train, NONE, share=1 / TREES, seed=0, deadline=None)
    return forest


def test_a_leaf_is_shrunk_towards_its_root_by_the_rows_above_it() -> None:
    """Three rows of class 0 at 0, one of class 1 at 1: one split below a root of four rows, λ = 4."""
    four = Rows(np.array([[0.0], [0.0], [0.0], [1.0]], dtype=np.float32), np.array([0, 0, 0, 1]), None)
    found = one_tree(four, shrinkage=4.0).predict_proba(np.array([[0.0], [1.0]]))
    # 3/4 + (1 − 3/4) / (1 + 4/4) and 3/4 + (0 − 3/4) / (1 + 4/4)
    assert found[:, 0] == pytest.approx([0.875, 0.375], abs=1e-3)


def test_two_splits_are_shrunk_one_after_the_other() -> None:
    """1, 2 and 4 at 0, 1 and 2: the mean 7/3 of three rows, 3/2 of two, then single rows; λ = 1."""
    tree = DecisionTreeRegressor().fit([[0.0], [1.0], [2.0]], [1.0, 2.0, 4.0])
    trees = Trees.shrunk([tree.tree_], 1.0)
    left = 7 / 3 + (3 / 2 - 7 / 3) / (1 + 1 / 3)
    expected = [left - 0.5 / (1 + 1 / 2), left + 0.5 / (1 + 1 / 2), 7 / 3 + (4 - 7 / 3) / (1 + 1 / 3)]
    assert sorted(trees.values[:, 0]) == pytest.approx(sorted(expected))


def test_without_shrinkage_the_leaves_are_those_of_scikit_learn() -> None:
    train = rows()
    expected = DecisionTreeClassifier(random_state=0).fit(train.X, train.y).predict_proba(train.X)
    assert one_tree(train, shrinkage=0.0).predict_proba(train.X) == pytest.approx(expected, abs=3e-3)


def test_every_class_has_a_probability_even_if_no_tree_has_seen_it() -> None:
    train = rows()
    found = one_tree(train, shrinkage=0.0).predict_proba(train.X)
    assert 0 < found.min() < 1e-2
    assert found.sum(axis=1) == pytest.approx(1)


def test_a_budget_buys_a_share_of_the_trees_and_more_budget_the_same_ones_and_more() -> None:
    train = rows()
    few, many = grown(train, share=0.02), grown(train, share=0.04)
    assert (few.effort, many.effort) == (pytest.approx(3 / TREES), pytest.approx(6 / TREES))
    both, own = (dict(forest.state()[1]) for forest in (many, few))
    assert np.array_equal(both["counts"][:3], own["counts"])
    assert np.array_equal(both["threshold"][: len(own["threshold"])], own["threshold"])


def test_trees_are_shrunk_the_same_however_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = grown(rows())
    monkeypatch.setattr("automl.architectures.forests._BATCH_NODES", 100)
    assert all(np.array_equal(at_once.state()[1][key], array) for key, array in grown(rows()).state()[1].items())


def test_a_deadline_ends_the_growing_after_the_first_tree() -> None:
    assert grown(rows(), share=1.0, deadline=time.monotonic()).effort == 1 / TREES


def test_long_tables_are_drawn_from_for_each_tree() -> None:
    train = rows(500)._replace(y=np.arange(500) % 3)
    forest = Forest(DecisionTreeClassifier(), bootstrap=False, most_rows=20, shrinkage=0.0)
    forest.fit_within(train, NONE, share=5 / TREES, seed=0, deadline=None)
    leaves = forest.state()[1]["counts"]
    assert len(set(leaves.tolist())) > 1  # not the same rows each time
    assert leaves.max() <= 2 * 20 - 1  # a leaf a row at most


def test_weights_count_as_rows_whatever_their_unit() -> None:
    train = rows()
    light, heavy = (grown(train._replace(weight=np.full(200, unit))) for unit in (0.25, 64.0))
    assert light.predict_proba(train.X) == pytest.approx(grown(train).predict_proba(train.X))
    assert heavy.predict_proba(train.X) == pytest.approx(light.predict_proba(train.X))


def test_a_forest_is_small_and_gives_the_same_bits_back() -> None:
    train = rows(2000)
    forest = grown(train, share=1.0, max_leaf_nodes=4096, max_features=0.7)
    packed = pack(forest.state())
    nodes = int(forest.state()[1]["counts"].sum())
    assert len(packed) < 20 * nodes
    again = RandomForest().restore(unpack(packed))
    assert np.array_equal(again.predict_proba(train.X), forest.predict_proba(train.X))
    assert (again.effort, again.classes_.tolist()) == (1.0, [0, 1, 2])


def test_many_classes_leave_fewer_leaves_to_each_tree() -> None:
    assert most_leaves(4096, 2) == 4096
    assert most_leaves(4096, 100) == LEAF_VALUES // (TREES * 100) < 4096
    assert (considered(16, 0.5), considered(16, 1.0), considered(1, 0.2)) == (4, 16, 1)


def test_a_clock_counts_the_last_step_in_advance_but_not_the_preparations(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 4.0, 5.0, 0.0, 4.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    prepared = Clock(6.5, prepares=True)
    assert [prepared.over(), prepared.over()] == [False, False]  # after 4 and 5 s, a step takes 1 s
    assert Clock(6.5).over()  # a second step of 4 s would end after 8 s
