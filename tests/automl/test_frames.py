"""Tables as they come: any column type, holes, odd names, values never seen, sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from tables import classifier, messy, numbers, regressor

X, LABELS, VALUES = numbers()
TWO = {"families": ["linear", "gradient_boosting"]}


@pytest.mark.parametrize("make", [classifier, regressor], ids=["classifier", "regressor"])
def test_a_frame_with_every_kind_of_column_is_learned_and_predicted(make: Any) -> None:
    model = make(**TWO).fit(messy(), LABELS if make is classifier else VALUES)
    assert model.n_features_in_ == 10
    assert model.predict(messy(seed=1)).shape == (80,)


def test_networks_take_it_too() -> None:
    model = classifier(families=["mlp"], n_trials=1).fit(messy(), LABELS)
    assert np.isfinite(model.predict_proba(messy(seed=1))).all()


def test_a_category_is_learned_and_one_never_seen_is_predicted() -> None:
    table = pd.DataFrame({"city": np.where(LABELS == "yes", "Oslo", "Rome")})
    model = classifier().fit(table, LABELS)
    assert model.score(table, LABELS) == 1
    unseen = model.predict_proba(pd.DataFrame({"city": ["Lima", None, "Oslo"]}))
    assert unseen.sum(axis=1) == pytest.approx(np.ones(3))
    assert unseen[2, 1] > unseen[0, 1]


def test_names_may_be_repeated_or_no_text() -> None:
    twins = pd.DataFrame(X, columns=["a", "a", "b"])
    assert classifier().fit(twins, LABELS).score(twins, LABELS) > 0.8
    for columns in (["a", 1, None], [0, 1, 2], [("a", 1), ("a", 2), ("b", 1)], [1.5, None, True]):
        table = pd.DataFrame(X, columns=pd.Index(columns, dtype=object))
        model = classifier().fit(table, LABELS)
        assert not hasattr(model, "feature_names_in_")
        assert model.score(table, LABELS) > 0.8


def test_columns_in_another_order_are_refused() -> None:
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    model = classifier().fit(table, LABELS)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table[["c", "a", "b"]])
    with pytest.raises(ValueError, match=r"X has 2 features, but AutoNetClassifier is expecting 3"):
        classifier().fit(X, LABELS).predict(X[:, :2])


def test_index_of_the_frame_does_not_matter() -> None:
    table = pd.DataFrame(X, index=np.zeros(80))
    y = pd.Series(LABELS, index=np.arange(80)[::-1])
    same = classifier().fit(X, LABELS).predict_proba(X)
    assert np.array_equal(classifier().fit(table, y).predict_proba(table), same)


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix], ids=lambda f: f.__name__)
def test_sparse_matrices_are_what_their_dense_ones_are(form: Any) -> None:
    holes = np.where(np.abs(X) < 0.5, 0, X)
    dense = classifier().fit(holes, LABELS)
    thin = classifier().fit(form(holes), LABELS)
    assert np.array_equal(thin.predict_proba(form(holes)), dense.predict_proba(holes))


def test_lists_and_arrays_of_objects_are_tables() -> None:
    rows = [[float(a), "x" if b > 0 else "y", bool(c > 0)] for a, b, c in X]
    model = classifier(**TWO).fit(np.array(rows, dtype=object), LABELS)
    assert model.predict(np.array(rows[:5], dtype=object)).shape == (5,)
    assert classifier().fit(X.tolist(), LABELS.tolist()).score(X.tolist(), LABELS.tolist()) > 0.8


def test_tables_of_other_libraries_keep_their_names_and_types() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(zone=pd.Categorical(np.where(X[:, 0] > 0, "1", "2")))
    table = pyarrow.Table.from_pandas(frame)
    model = classifier().fit(table, LABELS)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "zone"]
    assert model.encoder_.code_names == ("zone",)  # text that reads as numbers would be numbers
    same = classifier().fit(frame, LABELS).predict_proba(frame)
    assert np.array_equal(model.predict_proba(table), same)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, object])
def test_masked_entries_are_missing(dtype: Any) -> None:
    whole = np.round(3 * X).astype(dtype)
    holes = np.random.default_rng(0).random(X.shape) < 0.3
    missing = np.where(holes, np.nan, whole.astype(np.float64))
    same = classifier().fit(missing, LABELS).predict_proba(missing)
    masked = np.ma.array(whole, mask=holes)
    assert np.array_equal(classifier().fit(masked, LABELS).predict_proba(masked), same)


def test_infinite_and_missing_numbers_are_predicted() -> None:
    model = classifier(**TWO).fit(X, LABELS)
    odd = np.array([[np.nan, np.inf, -np.inf], [np.nan] * 3, [1e38, -1e38, 0]])
    assert np.isfinite(model.predict_proba(odd)).all()


def test_a_table_without_information_gives_the_shares_of_the_classes() -> None:
    model = classifier().fit(pd.DataFrame({"same": [1] * 80, "empty": [None] * 80}), LABELS)
    share = np.mean(LABELS == "yes")
    assert model.predict_proba(pd.DataFrame({"same": [1], "empty": [None]}))[0, 1] == pytest.approx(share, abs=0.01)
