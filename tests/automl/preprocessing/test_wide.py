"""A sparse table too wide to be dense is kept and reduced; a row gets the same bits alone as among others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from automl import AutoNetClassifier, load
from automl.errors import DataError, ExportError
from automl.preprocessing import wide
from automl.preprocessing.columns import TableEncoder

RNG = np.random.default_rng(0)
WORDS = sparse.random_array((200, 3000), density=0.01, rng=RNG, format="csr")
CLASSES = (np.asarray(WORDS[:, :300].sum(axis=1)) > np.asarray(WORDS[:, 300:600].sum(axis=1))).astype(int)


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "DENSE_BYTES", 1_000_000)


def test_it_is_kept_scaled_and_reduced_to_few_numbers() -> None:
    arrays = TableEncoder().fit_transform(WORDS)
    assert arrays.numbers.shape == (200, wide.COMPONENTS)
    assert arrays.wide is not None
    assert arrays.wide.shape == WORDS.shape
    assert arrays.wide.nnz == WORDS.nnz
    assert abs(arrays.wide).max() == pytest.approx(1.0)


def test_a_row_gets_the_same_bits_alone_as_among_others() -> None:
    encoder = TableEncoder().fit(WORDS)
    among, alone = encoder.transform(WORDS), encoder.transform(WORDS[[7]])
    np.testing.assert_array_equal(among.numbers[[7]], alone.numbers)
    assert among.wide is not None
    np.testing.assert_array_equal(among.wide[[7]].toarray(), alone.wide.toarray())  # type: ignore[union-attr]


def test_a_saved_encoder_gives_the_same_and_other_columns_are_refused() -> None:
    encoder = TableEncoder().fit(WORDS)
    again = TableEncoder.from_state(*encoder.state())
    np.testing.assert_array_equal(again.transform(WORDS).numbers, encoder.transform(WORDS).numbers)
    with pytest.raises(DataError, match="2999 features, but 3000"):
        encoder.transform(WORDS[:, :2999])


def test_a_narrow_sparse_table_is_as_any_other() -> None:
    arrays = TableEncoder().fit_transform(WORDS[:, :500])
    assert arrays.wide is None
    assert arrays.numbers.shape[1] <= 500


def test_a_linear_model_sees_every_column_and_is_saved(tmp_path: Path) -> None:
    model = AutoNetClassifier(n_trials=2, families=["linear", "gradient_boosting"], random_state=0)
    model.fit(WORDS, CLASSES)
    linear = [f for m in model.ensemble_.members if m.family == "linear" for f in m.folds]
    assert all(fold.estimator.n_features_in_ == 3000 + wide.COMPONENTS for fold in linear)
    assert (model.predict(WORDS) == CLASSES).mean() > 0.7
    model.save(tmp_path / "m.autonet")
    np.testing.assert_array_equal(load(tmp_path / "m.autonet").predict_proba(WORDS), model.predict_proba(WORDS))
    with pytest.raises(ExportError, match="no ONNX form"):
        model.export_onnx(tmp_path / "m.onnx")
