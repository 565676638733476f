"""What is saved transforms to the same bits, and any table that can be fitted can be saved."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl.artefact import pack, unpack
from automl.errors import ArtefactError
from automl.preprocessing.columns import TableEncoder
from automl.preprocessing.dense import DensePreparer
from automl.preprocessing.encode import one_hot, ordinal
from automl.preprocessing.encodings import ENCODINGS
from automl.preprocessing.impute import IMPUTATIONS
from automl.preprocessing.labels import Labels
from automl.preprocessing.reduce import REDUCTIONS
from automl.preprocessing.scale import SCALINGS


def saved_and_read(encoder: TableEncoder) -> TableEncoder:
    text, arrays = encoder.state()
    return TableEncoder.from_state(json.loads(json.dumps(text)), {k: v.copy() for k, v in arrays.items()})


def assert_same_bits(encoder: TableEncoder, X: object) -> None:
    expected, read = encoder.transform(X), saved_and_read(encoder).transform(X)
    assert read.numbers.tobytes() == expected.numbers.tobytes()
    assert read.codes.tobytes() == expected.codes.tobytes()


def mixed_table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    days = pd.date_range("2021-05-01", periods=90, freq="31h")
    return pd.DataFrame(
        {
            "n": rng.normal(size=90),
            "id": np.arange(90) + 2**41,
            "word": rng.choice(["x", "y", "z"], 90),
            "mixed": pd.Series([1, "1", 1.5, None, True, "\ud800"] * 15, dtype=object),
            "when": pd.Categorical(
                pd.to_datetime(["2020-01-01", "2020-01-02 03:04:05.000000006"] * 45, format="ISO8601")
            ),
            "day": days.tz_localize("Europe/Paris"),
            "written": days.strftime("%d.%m.%Y").tolist(),
            "note": [f"note number {i} of {rng.integers(9)} for today" for i in range(90)],
        }
    )


def test_a_table_of_all_kinds_survives_saving_bit_for_bit():
    table = mixed_table()
    encoder = TableEncoder().fit(table)
    read = saved_and_read(encoder)
    assert (read.levels, read.code_names) == (encoder.levels, encoder.code_names)
    assert read.number_names == encoder.number_names
    assert_same_bits(encoder, table)
    assert_same_bits(encoder, table.iloc[:3].assign(word="new", note=None))


def test_names_that_are_codes_and_text_survive_saving_bit_for_bit():
    table = pd.DataFrame({"name": [f"{'abc'[k % 3]}{k // 3} of {'xyz'[k % 7 % 3]}" for k in range(300)] * 3})
    encoder = TableEncoder().fit(table)
    assert encoder.levels == (301,)
    assert encoder.number_names[0] == "name_0"
    assert_same_bits(encoder, table.iloc[::7])


def test_the_state_holds_no_training_row():
    table = mixed_table().drop(columns="note")
    _, few = TableEncoder().fit(table).state()
    _, many = TableEncoder().fit(pd.concat([table] * 20)).state()
    assert sum(v.nbytes for v in few.values()) == sum(v.nbytes for v in many.values())


def test_a_state_of_another_format_or_incomplete_is_refused():
    text, arrays = TableEncoder().fit(np.eye(3)).state()
    with pytest.raises(ArtefactError, match="format 99"):
        TableEncoder.from_state({**text, "format": 99}, arrays)
    with pytest.raises(ArtefactError, match="incomplete"):
        TableEncoder.from_state(text, {})
    bad = {"position": 0, "levels": [["code", "x"]]}
    with pytest.raises(ArtefactError, match="of type 'code'"):
        TableEncoder.from_state({**text, "categories": [bad]}, arrays)


MISSING = st.none()
CELLS = {
    "float": st.one_of(MISSING, st.floats(width=64), st.just(float("inf"))),
    "int": st.integers(-(2**62), 2**62),
    "bool": st.one_of(MISSING, st.booleans()),
    "word": st.one_of(MISSING, st.sampled_from(["a", "b", "c", "", "nan", "5"])),
    "mixed": st.one_of(MISSING, st.integers(-9, 9), st.text(max_size=3), st.floats(), st.booleans()),
    "constant": st.just(3.5),
    "day": st.one_of(MISSING, st.datetimes(pd.Timestamp("1900-01-01"), pd.Timestamp("2100-01-01"))),
}
DTYPES = {
    "float": ["float64", "float32", "object", "Float64"],
    "int": ["int64", "object", "Int64", "category"],
    "bool": ["object", "boolean"],
    "word": ["object", "string", "category", "string[pyarrow]"],
    "mixed": ["object"],
    "constant": ["float64", "category", "object"],
    "day": ["datetime64[ns]", "object"],
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table to fit and one to transform, of the same kinds of columns but with values of its own."""
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4))
    dtypes = [draw(st.sampled_from(DTYPES[kind])) for kind in kinds]
    parts = []
    for _ in range(2):
        rows = draw(st.integers(1, 12))
        columns = {
            f"{kind}{j}": pd.Series(draw(st.lists(CELLS[kind], min_size=rows, max_size=rows)), dtype=dtype)
            for j, (kind, dtype) in enumerate(zip(kinds, dtypes, strict=True))
        }
        parts.append(pd.DataFrame(columns))
    return parts[0], parts[1]


@pytest.mark.filterwarnings("ignore:no column of X", "ignore::RuntimeWarning")
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(tables())
def test_any_table_can_be_fitted_encoded_prepared_and_saved(pair):
    train, test = pair
    encoder = TableEncoder()
    fitted = encoder.fit_transform(train)
    again = encoder.transform(train)
    assert fitted.numbers.tobytes() == again.numbers.tobytes()
    assert fitted.codes.tobytes() == again.codes.tobytes()
    assert fitted.numbers.shape[1] + fitted.codes.shape[1] >= 1
    for arrays in (fitted, encoder.transform(test)):
        assert arrays.numbers.dtype == np.float32
        assert arrays.codes.dtype == np.int32
        assert arrays.numbers.shape[1] == len(encoder.number_names)
        assert not np.isinf(arrays.numbers).any()
        assert (arrays.codes >= 0).all()
        assert (arrays.codes < np.array(encoder.levels, dtype=int)).all()
        assert one_hot(arrays.codes, encoder.levels).shape == (len(arrays), sum(encoder.levels) - len(encoder.levels))
        assert ordinal(arrays, encoder.levels)[0].shape[1] == arrays.numbers.shape[1] + arrays.codes.shape[1]
        for scaling in ("robust_clip", "quantile"):
            prepared = DensePreparer.fit(fitted, scaling=scaling).transform(arrays)
            assert np.isfinite(prepared).all()
    assert_same_bits(encoder, test)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("imputation", IMPUTATIONS)
def test_a_preparer_survives_saving_bit_for_bit(imputation, scaling):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 6)).round(1)
    X[rng.random(X.shape) < 0.2] = np.nan
    encoder = TableEncoder()
    arrays = encoder.fit_transform(X)
    preparer = DensePreparer.fit(arrays, imputation=imputation, scaling=scaling)
    text, saved = preparer.state()
    read = DensePreparer.from_state(json.loads(json.dumps(text)), saved)
    assert read.transform(arrays).tobytes() == preparer.transform(arrays).tobytes()
    with pytest.raises(ArtefactError, match="incomplete"):
        DensePreparer.from_state(text, {})
    with pytest.raises(ArtefactError, match="format 7"):
        DensePreparer.from_state({**text, "format": 7}, saved)


@pytest.mark.parametrize("reduction", ["none", *REDUCTIONS])
@pytest.mark.parametrize("encoding", ["embedding", "target", *ENCODINGS])
def test_encodings_and_reductions_survive_saving_bit_for_bit(encoding, reduction):
    encoder = TableEncoder()
    arrays = encoder.fit_transform(mixed_table().drop(columns="note"))
    labels = Labels(np.arange(90) % 3, 3)
    choices = {"encoding": encoding, "reduction": reduction, "coalescing": True, "min_frequency": 0.2}
    preparer = DensePreparer.fit(arrays, levels=encoder.levels, labels=labels, **choices)
    text, saved = unpack(pack(preparer.state()))
    read = DensePreparer.from_state(text, saved)
    assert read.transform(arrays).tobytes() == preparer.transform(arrays).tobytes()
    assert read.codes(arrays).tobytes() == preparer.codes(arrays).tobytes()
    assert (read.width, read.levels(encoder.levels)) == (preparer.width, preparer.levels(encoder.levels))
    for name in saved:
        if name.partition(".")[0] in ("encoding", "reduction"):
            with pytest.raises(ArtefactError, match="incomplete"):
                DensePreparer.from_state(text, {k: v for k, v in saved.items() if k != name})
    with pytest.raises(ArtefactError, match="reduction 'magic'"):
        DensePreparer.from_state({**text, "reduction": "magic"}, saved)
