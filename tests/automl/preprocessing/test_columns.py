"""Raw tables of many makes become the arrays that one expects."""

from __future__ import annotations

import datetime
import enum
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from automl.errors import AutoNetError, DataError
from automl.preprocessing.columns import Arrays, TableEncoder

NAN = np.nan


def encode(X: object) -> tuple[TableEncoder, Arrays]:
    encoder = TableEncoder()
    return encoder, encoder.fit_transform(X)


def column(values: object, dtype: object = None) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(values, dtype=dtype)})


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 2, 3], "int8", [1, 2, 3]),
        ([1.5, None, 2.0], "float32", [1.5, NAN, 2]),
        ([True, False], "bool", [1, 0]),
        ([True, None, False], "object", [1, NAN, 0]),
        ([True, None, False], "boolean", [1, NAN, 0]),
        ([1, None, 3], "Int64", [1, NAN, 3]),
        ([1.5, None], "Float64", [1.5, NAN]),
        ([1, None, 3], "int64[pyarrow]", [1, NAN, 3]),
        ([True, None, False], "bool[pyarrow]", [1, NAN, 0]),
        ([1, None], "duration[s][pyarrow]", [1, NAN]),
        (pd.to_timedelta([1, None], unit="min"), None, [60, NAN]),
        ([pd.Timedelta("1s"), None], "object", [1, NAN]),
        ([Decimal("1.5"), None], "object", [1.5, NAN]),
        (["1", " 2 ", None, "1e3"], "object", [1, 2, NAN, 1000]),
        (["1", None, "3"], "string", [1, NAN, 3]),
        ([1, pd.NA, 2.5], "object", [1, NAN, 2.5]),
        (pd.arrays.SparseArray([0.0, 1.0]), None, [0, 1]),
        ([1.0, np.inf, -np.inf, 3.0], "float64", [1, 3, 1, 3]),
    ],
)
def test_a_column_of_numbers_becomes_float32_with_nan_where_missing(values, dtype, expected):
    _, arrays = encode(column(values, dtype))
    assert arrays.numbers.dtype == np.float32
    assert arrays.codes.shape == (len(expected), 0)
    np.testing.assert_array_equal(arrays.numbers[:, 0], np.array(expected, dtype=np.float32))


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "levels"),
    [
        (["x", "y", None, "y"], "object", [2, 1, 0, 1], 3),
        (["x", "y", None, "y"], "string", [2, 1, 0, 1], 3),
        (["x", "y", None, "y"], "string[pyarrow]", [2, 1, 0, 1], 3),
        (["x", "y", None, "y"], pd.StringDtype(na_value=np.nan), [2, 1, 0, 1], 3),
        (["x", "y", None, "y"], "category", [2, 1, 0, 1], 3),
        (pd.Categorical([3, 1, None, 3], categories=[1, 2, 3]), None, [1, 2, 0, 1], 3),
        (pd.Categorical([0.1, np.inf, 0.1]), None, [1, 2, 1], 3),
        (pd.Categorical(pd.to_datetime(["2020", "2021", "2021"])), None, [2, 1, 1], 3),
        (pd.Categorical(["hi", "lo", "hi"], categories=["lo", "mid", "hi"], ordered=True), None, [2, 1, 2], 3),
        (["a", 1, None, 1], "object", [2, 1, 0, 1], 3),
        ([b"a", b"b", b"b"], "object", [2, 1, 1], 3),
        ([datetime.time(1), datetime.time(2), None], "object", [1, 2, 0], 3),
        (pd.period_range("2020", periods=2, freq="M"), None, [1, 2], 3),
        (["x", None], "object", [1, 0], 2),
    ],
)
def test_a_column_of_categories_becomes_codes_by_frequency(values, dtype, expected, levels):
    encoder, arrays = encode(column(values, dtype))
    assert arrays.numbers.shape == (len(expected), 0)
    assert arrays.codes.dtype == np.int32
    assert arrays.codes[:, 0].tolist() == expected
    assert (encoder.levels, encoder.code_names) == ((levels,), ("a",))


def test_categories_of_any_type_that_were_never_seen_get_code_zero():
    encoder, _ = encode(column(pd.Categorical(["a", "b", "a"])))
    for test in (["b", "z", None, 5], pd.Categorical(["b", "z", None, "q"]), [1.0, 2.0, NAN, 0.0]):
        codes = encoder.transform(pd.DataFrame({"a": test})).codes[:, 0].tolist()
        assert codes == ([0, 0, 0, 0] if test[0] == 1.0 else [2, 0, 0, 0])


def test_members_of_an_enumeration_are_categories_by_their_number():
    class Size(enum.IntEnum):
        SMALL = 1
        LARGE = 2

    encoder, arrays = encode(column(pd.Categorical([Size.SMALL, Size.LARGE, Size.LARGE])))
    assert arrays.codes[:, 0].tolist() == [2, 1, 1]
    json, saved = encoder.state()
    again = TableEncoder.from_state(json, saved).transform(pd.DataFrame({"a": [1, 2, 2]}))
    assert again.codes[:, 0].tolist() == [2, 1, 1]


def test_levels_seen_once_share_code_zero_when_there_are_more_than_255():
    values = [f"often{i}" for i in range(200)] * 2 + [f"once{i}" for i in range(100)]
    encoder, arrays = encode(column(pd.Categorical(values)))
    assert encoder.levels == (201,)
    assert (arrays.codes[400:] == 0).all()
    assert (arrays.codes[:400] > 0).all()


def test_the_codes_do_not_depend_on_the_order_of_the_rows():
    values = pd.Series(["x", "y", "z", "y", None, "w", "w"])
    _, arrays = encode(column(values))
    _, backwards = encode(column(values[::-1].to_list()))
    assert arrays.codes[::-1].tolist() == backwards.codes.tolist()


def test_columns_that_tell_nothing_are_dropped():
    table = pd.DataFrame(
        {"same": [7.0] * 3, "none": [None] * 3, "nan": [NAN] * 3, "inf": [np.inf, NAN, -np.inf], "x": [1, 2, 3]}
    ).assign(word="w", day=pd.Timestamp("2020-01-01"), half=[7.0, NAN, 7.0])
    encoder, arrays = encode(table)
    assert encoder.number_names == ("x", "half")
    assert (encoder.code_names, arrays.codes.shape) == ((), (3, 0))


def test_a_table_without_information_gives_one_column_of_zeros_and_a_warning():
    encoder = TableEncoder()
    with pytest.warns(UserWarning, match="no column of X"):
        arrays = encoder.fit_transform(np.ones((4, 3)))
    assert arrays.numbers.tolist() == [[0.0]] * 4
    assert encoder.number_names == ("constant",)
    assert encoder.transform(np.zeros((2, 3))).numbers.tolist() == [[0.0]] * 2


def test_infinities_are_clipped_to_the_finite_range_of_training():
    encoder, _ = encode(np.array([[1.0], [5.0], [NAN]]))
    assert encoder.transform(np.array([[np.inf], [-np.inf], [9.0]])).numbers[:, 0].tolist() == [5.0, 1.0, 9.0]


@pytest.mark.parametrize("start", [2**40, 1_700_000_000_000, -(2**52)])
def test_large_integers_keep_their_differences(start):
    ids = np.array([0, 1, 5, 2, 9]) + start
    _, arrays = encode(ids[:, None])
    assert np.diff(arrays.numbers[:, 0]).tolist() == [1, 4, -3, 7]


def test_an_outlier_does_not_take_the_differences_of_the_rest():
    _, arrays = encode(np.array([[2**40], [2**40 + 1], [2**40 + 2], [2**49]]))
    assert np.diff(arrays.numbers[:3, 0]).tolist() == [1, 1]


def test_numbers_beyond_float32_stay_finite_and_apart():
    encoder, arrays = encode(np.array([[1.7e308, 1e-300], [-1.7e308, 2e-300], [0.0, 3e-300]]))
    assert np.isfinite(arrays.numbers).all()
    assert all(len(np.unique(values)) == 3 for values in arrays.numbers.T)
    assert np.isfinite(encoder.transform(np.array([[1.0, 1e300]])).numbers).all()


def test_text_that_does_not_read_as_a_number_is_missing_in_a_column_of_numbers():
    encoder, arrays = encode(column([str(i) for i in range(50)] + ["?"]))
    assert np.isnan(arrays.numbers[50, 0])
    assert encoder.transform(column(["3.5", "x", None])).numbers[0, 0] == 3.5
    assert encoder.transform(column(pd.Categorical(["3.5", "x"]))).numbers[0, 0] == 3.5


def test_wide_tables_of_every_make_give_the_same_bits():
    X = np.random.default_rng(0).normal(size=(20, 3000))
    X[3, 5] = NAN
    _, expected = encode(X)
    for same in (
        pd.DataFrame(X),
        X.astype(object),
        X.tolist(),
        np.asfortranarray(X),
        pd.DataFrame(X).astype("Float64"),
    ):
        _, arrays = encode(same)
        assert arrays.numbers.tobytes() == expected.numbers.tobytes()


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
def test_a_sparse_matrix_gives_what_its_dense_form_gives(make):
    X = np.random.default_rng(0).poisson(0.1, size=(30, 50)).astype(float)
    encoder, arrays = encode(make(X))
    dense, expected = encode(X)
    assert arrays.numbers.tobytes() == expected.numbers.tobytes()
    assert encoder.number_names == dense.number_names


def test_a_list_of_rows_is_read_column_by_column():
    encoder, arrays = encode([[1, "a"], [2, None], [3, "b"]])
    assert arrays.numbers[:, 0].tolist() == [1, 2, 3]
    assert arrays.codes[:, 0].tolist() == [1, 0, 2]
    assert (encoder.number_names, encoder.code_names) == (("x0",), ("x1",))


def test_blocks_of_a_tall_table_join_without_a_seam(monkeypatch):
    X = np.random.default_rng(0).normal(size=(50, 7)) + 1e9
    _, whole = encode(X)
    monkeypatch.setattr("automl.preprocessing.table.BLOCK_CELLS", 100)
    _, arrays = encode(X)
    assert arrays.numbers.tobytes() == whole.numbers.tobytes()


def test_names_may_repeat_and_need_not_be_text():
    table = pd.DataFrame([[1, "u", 5], [2, "v", 6]], columns=["a", "a", 7])
    encoder, _ = encode(table)
    assert (encoder.number_names, encoder.code_names) == (("a", "7"), ("a",))


def test_the_input_is_left_as_it_was():
    X = np.array([[1.0, np.inf], [2.0, NAN]])
    kept = X.copy()
    table = pd.DataFrame({"a": ["x", None], "d": ["2020-01-01", "2020-02-01"], "n": ["1", "2"]})
    before = table.copy(deep=True)
    encode(X)
    encode(table)
    np.testing.assert_array_equal(X, kept)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (np.arange(3.0), "1-dimensional.*Reshape your data"),
        ([1, 2, 3], "1-dimensional"),
        (pd.Series([1, 2]), "1-dimensional"),
        (np.zeros((2, 2, 2)), "3-dimensional"),
        (np.zeros((0, 3)), r"0 sample\(s\).*minimum of 1"),
        (np.zeros((3, 0)), r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is required"),
        (pd.DataFrame(index=range(3)), r"0 feature\(s\)"),
        (None, "no table but NoneType"),
        ({"a": [1]}, "no table but dict"),
        ([[1, 2], [3]], "1 to 2 entries"),
        (np.array([[1j]]), "Complex data not supported"),
        (sparse.csr_array(np.array([[1j]])), "Complex data not supported"),
        (pd.DataFrame({"z": [1j]}), "Complex data not supported: column 'z'"),
        (pd.DataFrame({"z": [1j, None, 2]}, dtype=object), "Complex data not supported: column 'z'"),
        (pd.DataFrame({"ok": [1, 2], "bad": [[1], [2]]}), "column 'bad'.*nested"),
        (pd.DataFrame({"bad": [np.zeros(2), np.ones(2)]}), "column 'bad'.*nested"),
        (np.array([[{}, 1], [2, 3]], dtype=object), "column 'x0'.*nested"),
        (pd.DataFrame({"big": [10**400, 1]}, dtype=object), "column 'big'.*beyond"),
    ],
)
def test_what_is_no_table_is_refused_by_name(X, words):
    with pytest.raises(DataError, match=words):
        TableEncoder().fit(X)


def test_another_number_of_columns_is_refused():
    encoder, _ = encode(np.eye(3))
    with pytest.raises(DataError, match="X has 2 features, but TableEncoder is expecting 3 features as input"):
        encoder.transform(np.eye(2))


def test_a_column_that_changes_between_numbers_and_dates_is_refused_unless_empty():
    numbers, dates = column([1.0, 2.0]), column(pd.to_datetime(["2020-01-01", "2021-01-02"]))
    for fitted, other in ((numbers, dates), (dates, numbers)):
        encoder, _ = encode(fitted)
        with pytest.raises(DataError, match="column 'a' is of type"):
            encoder.transform(other)
    assert np.isnan(encode(numbers)[0].transform(column([pd.NaT, pd.NaT])).numbers).all()
    assert np.isnan(encode(dates)[0].transform(column([NAN, NAN])).numbers).all()


def test_an_encoder_that_is_not_fitted_says_so():
    with pytest.raises(AutoNetError, match=r"call fit\(X\) first"):
        TableEncoder().transform(np.eye(2))
