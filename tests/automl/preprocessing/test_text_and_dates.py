"""Text and dates become a few numbers each, the same ones later and elsewhere."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from automl.errors import ArtefactError
from automl.preprocessing.columns import TableEncoder
from automl.preprocessing.saved_encoder import dump, load

WORDS = ("red", "green", "blue", "house", "tree", "river", "stone", "cloud")
DAYS = pd.date_range("2020-01-01", periods=60, freq="37h")


def sentences(rows: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, 5)) for _ in range(rows)]


def test_sentences_become_ten_numbers_at_most_and_missing_text_is_nan():
    texts = [*sentences(200), None]
    encoder = TableEncoder()
    arrays = encoder.fit_transform(pd.DataFrame({"note": texts}))
    assert 2 <= arrays.numbers.shape[1] <= 10
    assert encoder.number_names[0] == "note_0"
    assert np.isnan(arrays.numbers[200]).all()
    assert np.isfinite(arrays.numbers[:200]).all()


def test_texts_with_the_same_words_lie_closer_than_others():
    texts = ["the red house by the river"] * 30 + ["a blue cloud above stone"] * 30
    texts = [f"{text} {i}" for i, text in enumerate(texts)]
    numbers = TableEncoder().fit_transform(pd.DataFrame({"note": texts})).numbers
    red, blue = numbers[:30], numbers[30:]
    within = np.linalg.norm(red - red.mean(axis=0), axis=1).mean()
    assert np.linalg.norm(red.mean(axis=0) - blue.mean(axis=0)) > 3 * within


def test_text_of_new_words_numbers_and_nothing_can_be_encoded():
    encoder = TableEncoder().fit(pd.DataFrame({"note": sentences(100)}))
    numbers = encoder.transform(pd.DataFrame({"note": ["zzz qqq", 5, None, ""]})).numbers
    assert np.isnan(numbers).all(axis=1).tolist() == [False, False, True, False]


def test_few_or_repeating_words_stay_categories():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"few": rng.choice(WORDS, 500), "many": [f"town{i}" for i in rng.integers(0, 100, 500)]}, dtype=object
    )
    encoder = TableEncoder()
    assert encoder.fit_transform(table).numbers.shape == (500, 0)
    assert encoder.code_names == ("few", "many")


def test_dates_of_every_make_give_the_same_numbers():
    days = DAYS.normalize()
    makes = [
        pd.Series(days),
        pd.Series(days).astype("datetime64[s]"),
        pd.Series(days).astype("timestamp[ns][pyarrow]"),
        pd.Series(days.date, dtype="date32[day][pyarrow]"),
        pd.Series(list(days.date), dtype=object),
        pd.Series(list(days), dtype=object),
        pd.Series(days.strftime("%Y-%m-%d").tolist()),
        pd.Series(days.strftime("%d/%m/%Y").tolist(), dtype="string"),
    ]
    expected = TableEncoder().fit_transform(pd.DataFrame({"d": makes[0]})).numbers
    assert expected.shape[1] >= 5
    for make in makes[1:]:
        numbers = TableEncoder().fit_transform(pd.DataFrame({"d": make})).numbers
        np.testing.assert_array_equal(numbers, expected, err_msg=str(make.dtype))


def test_dates_keep_their_seconds_and_missing_dates_are_nan():
    moments = pd.to_datetime(["2024-03-01 10:00:00", "2024-03-01 10:00:07", None, "2024-03-01 10:01:00"])
    encoder = TableEncoder()
    numbers = encoder.fit_transform(pd.DataFrame({"t": moments})).numbers
    seconds = numbers[:, encoder.number_names.index("t_seconds")]
    assert np.isnan(numbers[2]).all()
    assert (seconds[[1, 3]] - seconds[0]).tolist() == [7.0, 60.0]


def test_dates_of_another_zone_are_read_in_the_zone_of_training():
    encoder = TableEncoder()
    numbers = encoder.fit_transform(pd.DataFrame({"d": DAYS.tz_localize("Europe/Paris")})).numbers
    elsewhere = pd.DataFrame({"d": DAYS.tz_localize("Europe/Paris").tz_convert("America/Lima")})
    assert encoder.transform(elsewhere).numbers.tobytes() == numbers.tobytes()
    assert encoder.transform(pd.DataFrame({"d": DAYS})).numbers.tobytes() == numbers.tobytes()


@pytest.mark.parametrize(
    "dates",
    [
        DAYS.tz_localize(datetime.timezone(datetime.timedelta(hours=2))),
        [pd.Timestamp("2020-01-01", tz="UTC"), pd.Timestamp("2020-06-02", tz="Europe/Paris"), None],
        DAYS.strftime("%Y-%m-%dT%H:%M:%S+02:00").tolist(),
        np.array(["0001-01-01", "9999-12-31", "2020-02-01"], dtype="datetime64[s]"),
    ],
)
def test_offsets_mixed_zones_and_far_years_are_dates_too(dates):
    encoder = TableEncoder()
    arrays = encoder.fit_transform(pd.DataFrame({"d": dates}))
    assert "d_seconds" in encoder.number_names
    assert arrays.codes.shape[1] == 0


def test_text_that_is_no_date_is_missing_in_a_column_of_dates():
    encoder = TableEncoder().fit(pd.DataFrame({"d": DAYS.strftime("%Y-%m-%d").tolist()}))
    numbers = encoder.transform(pd.DataFrame({"d": ["2020-02-03", "soon", None]})).numbers
    assert np.isnan(numbers).all(axis=1).tolist() == [False, True, True]


def test_version_numbers_are_no_dates():
    encoder = TableEncoder().fit(pd.DataFrame({"v": ["1.2.3", "4.5.6", "99.88.77"] * 4}))
    assert encoder.code_names == ("v",)


def jobs(rows: int = 900) -> list[str]:
    """About 300 names of three parts that repeat."""
    rng = np.random.default_rng(0)
    grades, fields, works = ["junior", "senior", "lead"], [f"field{chr(97 + k)}" for k in range(20)], ["nurse", "clerk"]
    pool = [f"{grade}-{area} {work} {k}" for grade in grades for area in fields for work in works for k in range(3)]
    return rng.choice(pool, rows).tolist()


@pytest.mark.parametrize("dtype", ["object", "category", "string"])
def test_categories_of_many_names_are_codes_and_numbers_of_their_spelling(dtype):
    table = pd.DataFrame({"job": pd.Series(jobs(), dtype=dtype)})
    encoder = TableEncoder()
    arrays = encoder.fit_transform(table)
    assert encoder.code_names == ("job",)
    assert encoder.number_names == tuple(f"job_{k}" for k in range(10))
    new = encoder.transform(pd.DataFrame({"job": ["senior-fieldc nurse 99", None]}))
    assert new.codes[:, 0].tolist() == [0, 0]
    assert np.isnan(new.numbers).all(axis=1).tolist() == [False, True]
    distances = np.linalg.norm(arrays.numbers - new.numbers[0], axis=1)
    nearest = pd.Series(jobs())[np.argsort(distances)[:3]]
    assert nearest.str.startswith("senior-fieldc nurse").all()


def test_few_names_and_many_numbers_are_codes_alone():
    few = pd.DataFrame({"job": jobs()[:255] * 4})
    encoder = TableEncoder().fit(few)
    assert (encoder.code_names, encoder.number_names) == (("job",), ())
    mixed = pd.DataFrame({"job": pd.Series([*jobs(), *range(5)], dtype=object)})
    assert TableEncoder().fit(mixed).number_names == ()


def test_a_saved_encoder_of_a_type_that_is_not_listed_is_refused():
    from skrub import StringEncoder

    with pytest.raises(ArtefactError, match="not trusted"):
        load(dump(StringEncoder()), trusted=())
    with pytest.raises(ArtefactError, match="cannot be read"):
        load(np.arange(50, dtype=np.uint8), trusted=())
