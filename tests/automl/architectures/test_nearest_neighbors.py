"""Nearest neighbours: votes by hand, ties, sparse inputs, and the rows that are kept of a long table."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from automl.architectures import nearest_neighbors as home
from automl.architectures.family import Shape
from automl.architectures.learner import Rows
from automl.architectures.nearest_neighbors import NearestNeighbors, Neighbors
from automl.artefact import pack, unpack


def fitted(train: Rows, outputs: int = 2, **config: object) -> Neighbors:
    choices = {"n_neighbors": 2, "weights": "bell", "smoothing": 1.0, **config}
    model = NearestNeighbors().build(Shape(train.X.shape[1], outputs, len(train.y)), **choices)  # type: ignore[arg-type]
    model.fit_within(train, Rows(train.X[:0], train.y[:0], None), share=1.0, seed=0, deadline=None)
    return model


def line(weight: list[float] | None = None) -> Rows:
    """Rows at 0, 1, 3 and 9 of the classes 0, 1, 1 and 0."""
    X = np.array([[0.0], [1.0], [3.0], [9.0]], dtype=np.float32)
    return Rows(X, np.array([0, 1, 1, 0]), None if weight is None else np.array(weight))


def test_votes_fall_with_the_distance_to_nothing_at_the_first_row_that_does_not_count() -> None:
    """At 1: distance 0 to class 1, 1 to class 0, and the edge at 2; the shares of all rows are one half each."""
    bell = fitted(line()).predict_proba(np.array([[1.0]], dtype=np.float32))
    assert bell[0] == pytest.approx([(0.75 + 0.5) / 2.75, (1 + 0.5) / 2.75])
    inverse = fitted(line(), weights="inverse").predict_proba(np.array([[1.0]], dtype=np.float32))
    assert inverse[0] == pytest.approx([(1 + 0.5) / 101, (99 + 0.5) / 101])  # 1/u − 1, u at least a hundredth


def test_weights_multiply_votes_and_the_shares_of_all_rows() -> None:
    found = fitted(line([4.0, 1.0, 1.0, 2.0])).predict_proba(np.array([[1.0]], dtype=np.float32))
    assert found[0] == pytest.approx([(4 * 0.75 + 0.75) / 5, (1 + 0.25) / 5])


def test_values_are_averaged() -> None:
    train = line()._replace(y=np.array([2.0, 4.0, 4.0, 2.0]))
    assert fitted(train, 1).predict(np.array([[1.0]], dtype=np.float32)) == pytest.approx([(0.75 * 2 + 4 + 3) / 2.75])


def test_rows_that_are_all_the_same_are_counted_alike() -> None:
    train = Rows(np.zeros((5, 2), dtype=np.float32), np.array([0, 0, 0, 1, 1]), None)
    found = fitted(train, n_neighbors=4).predict_proba(train.X[:1])
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)


def test_more_neighbours_than_rows_are_asked_for_in_vain() -> None:
    assert fitted(line(), n_neighbors=50).predict_proba(line().X).shape == (4, 2)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_dense_and_sparse_rows_are_kept_as_arrays(as_sparse: bool) -> None:
    rng = np.random.default_rng(0)
    dense = (rng.random((60, 8)) < 0.3).astype(np.float32)
    X = sparse.csr_array(dense) if as_sparse else dense
    model = fitted(Rows(X, rng.integers(0, 3, 60), None), 3, n_neighbors=7)
    again = NearestNeighbors().restore(unpack(pack(model.state())))
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert model.predict_proba(X) == pytest.approx(
        fitted(Rows(dense, model._y, None), 3, n_neighbors=7).predict_proba(dense)
    )


def test_of_a_long_table_the_first_rows_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "MOST_ROWS", 50)
    rng = np.random.default_rng(0)
    train = Rows(rng.normal(size=(300, 2)).astype(np.float32), rng.integers(0, 2, 300), np.ones(300))
    first = Rows(train.X[:50], train.y[:50], None)
    assert np.array_equal(fitted(train).predict_proba(train.X), fitted(first).predict_proba(train.X))
