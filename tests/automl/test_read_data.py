"""Tables from files and by name, and what their target says."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data import kind_of, match_columns, read_table, sklearn_table, split_target, write_table
from automl.errors import DataError, SettingError
from automl.openml import openml_table


@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.csv.gz", "table.parquet", "folder/TABLE.CSV"])
def test_a_table_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"number": [1.5, None, 3.0], "text": ["a", "b, c", "d"]})
    write_table(table, tmp_path / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / name), table, check_dtype=False)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("table.xls", "x", "says no format; give a .csv, .tsv, .parquet, .arff or .npz file"),
        ("table.arff.gz", "x", "a name ending in '.gz' says no format"),
        ("table.csv", "", "cannot be read as .csv"),
        ("table.csv", "a,b\n", "holds 0 rows and 2 columns"),
        ("table.csv", "a,b\n1,2\n1,2,3,4\n", "cannot be read as .csv"),
        ("table.csv", "a,b\n1,2,3\n4,5,6\n", "its rows have more cells than its first line has names (2)"),
        ("table.csv", "a,b,c,b\n1,2,3,2\n", "more than one column is called 'b'; give each a name of its own"),
        ("table.csv", "a;b\n1,5;2\n", "its columns are separated by ';' instead of ','"),
        ("table.tsv", "a;b\n1;2\n", "its columns are separated by ';' instead of '\\t'"),
        ("table.parquet", "no parquet", "cannot be read as .parquet"),
        ("table.arff", "no arff", "cannot be read as .arff"),
        ("table.arff", "@relation r\n@attribute a string\n@data\nx\n", "write it as .csv instead"),
        ("table.npz", "no npz", "cannot be read as .npz"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / name)
    assert name in str(caught.value)
    assert said in str(caught.value)


def test_a_separator_at_the_end_of_each_row_is_no_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2,\n4,5,\n")
    assert read_table(tmp_path / "t.csv").to_numpy().tolist() == [[1, 2], [4, 5]]


def test_text_that_is_not_in_utf_8_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("größe,y\n1,2\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"is no text in UTF-8 .*; save it in UTF-8"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("ending", [".csv", ".tsv.gz"])
def test_words_for_what_is_missing_are_classes_of_a_target_of_text(tmp_path: Path, ending: str) -> None:
    table = pd.DataFrame({"a": ["x", "NA", "y"], "label": ["NA", "None", "some"], "number": ["1", "NA", "2"]})
    path = tmp_path / f"table{ending}"
    write_table(table, path)
    read = read_table(path, "label")
    assert read["label"].tolist() == ["NA", "None", "some"]
    assert read["a"].isna().tolist() == [False, True, False]  # of features, only what the target is asked for changes
    assert read_table(path, "number")["number"].isna().tolist() == [False, True, False]
    assert read_table(path, "none such").equals(read_table(path))


def test_an_empty_cell_of_a_target_is_missing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,None\n2,\n3,b\n")
    assert read_table(tmp_path / "t.csv", "y")["y"].isna().tolist() == [False, True, False]


def test_the_target_must_be_a_column_beside_others() -> None:
    table = sklearn_table("iris")
    with pytest.raises(DataError, match="no column 'targt'; did you mean 'target'"):
        split_target(table, "targt")
    with pytest.raises(DataError, match="no column besides the target"):
        split_target(table[["target"]], "target")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["yes", "no"] * 10, "classification"),
        ([True, False] * 10, "classification"),
        ([0, 1, 2] * 10, "classification"),
        ([0.0, 1.0, None] * 10, "classification"),
        (list(range(21)) * 10, "regression"),
        ([1, 2, 3], "regression"),
        ([0.5, 1.0] * 10, "regression"),
    ],
)
def test_the_target_tells_the_kind_of_task(values: list[object], kind: str) -> None:
    assert kind_of(pd.Series(values)) == kind
    assert kind_of(pd.Series(values), "regression") == "regression"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(SettingError, match="did you mean 'classification'"):
        kind_of(pd.Series([1]), "clasification")


def test_columns_are_put_in_the_order_of_the_model() -> None:
    table = pd.DataFrame({"b": [1], "y": [2], "a": [3]})
    assert list(match_columns(table, ["a", "b"], ["y"]).columns) == ["a", "b"]


def test_missing_extra_and_ignored_columns_are_named() -> None:
    table = pd.DataFrame({"a": [1], "y": [2]})
    with pytest.raises(DataError, match="lacks the column 'b'"):
        match_columns(table, ["a", "b"], [])
    with pytest.raises(DataError, match=r"not fitted on the column 'y'; .* --ignore y"):
        match_columns(table, ["a"], [])
    with pytest.raises(SettingError, match="'a' is a feature"):
        match_columns(table, ["a"], ["a", "y"])


ARFF = """@relation weather
@attribute outlook {sunny, rainy}
@attribute 'wind speed' numeric
@attribute play {yes, no}
@data
sunny, 3.5, yes
?, ?, no
rainy, 1, no
"""


def test_an_arff_file_has_words_numbers_and_gaps(tmp_path: Path) -> None:
    (tmp_path / "weather.arff").write_text(ARFF, encoding="utf-8")
    table = read_table(tmp_path / "weather.arff")
    assert list(table.columns) == ["outlook", "wind speed", "play"]
    assert table["outlook"].tolist()[::2] == ["sunny", "rainy"]
    assert table["wind speed"].tolist()[::2] == [3.5, 1.0]
    assert table.isna().sum().tolist() == [1, 1, 0]


def test_an_npz_file_names_its_columns_by_number_and_its_target_y(tmp_path: Path) -> None:
    np.savez(tmp_path / "table.npz", X=np.arange(6.0).reshape(3, 2), y=np.array(["a", "b", "a"]))
    table = read_table(tmp_path / "table.npz")
    assert list(table.columns) == ["x0", "x1", "y"]
    assert table["x1"].tolist() == [1.0, 3.0, 5.0]
    assert table["y"].tolist() == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"X": np.zeros((3, 2))}, "it holds no array y (arrays: X)"),
        ({"X": np.zeros((3, 2, 2)), "y": np.zeros(3)}, "X has the shape (3, 2, 2) and y (3,)"),
        ({"X": np.zeros((3, 2)), "y": np.zeros(4)}, "y (4,); they must be (rows, columns) and (rows,)"),
        ({"X": np.array([[print]]), "y": np.zeros(1)}, "allow_pickle=False"),
    ],
)
def test_an_npz_file_of_other_arrays_is_refused_and_nothing_is_unpickled(
    tmp_path: Path, arrays: dict[str, np.ndarray], said: str
) -> None:
    np.savez(tmp_path / "table.npz", **arrays)
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "table.npz")
    assert said in str(caught.value)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What scikit-learn keeps after fetching table 7, called weather."""
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    data = ARFF.encode()
    columns = [("outlook", "nominal"), ("wind speed", "numeric"), ("play", "nominal")]
    features = [
        {
            "index": str(k),
            "name": name,
            "data_type": kind,
            "is_target": str(name == "play").lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for k, (name, kind) in enumerate(columns)
    ]
    about = {
        "id": "7",
        "name": "weather",
        "version": "1",
        "status": "active",
        "format": "ARFF",
        "description": "",
        "file_id": "70",
        "url": "https://www.openml.org/data/v1/download/70/weather.arff",
        "md5_checksum": hashlib.md5(data, usedforsecurity=False).hexdigest(),
    }
    home = tmp_path / "openml" / "openml.org"
    api = home / "api" / "v1" / "json" / "data"
    files = {
        api / "7.gz": json.dumps({"data_set_description": about}).encode(),
        api / "features" / "7.gz": json.dumps({"data_features": {"feature": features}}).encode(),
        api / "qualities" / "7.gz": json.dumps(
            {"data_qualities": {"quality": [{"name": "NumberOfInstances", "value": "3"}]}}
        ).encode(),
        home / "data" / "v1" / "download" / "70" / "weather.arff.gz": data,
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content))
    return home


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("which", ["7", "weather"])
def test_a_table_of_openml_comes_from_the_cache_by_number_or_name(which: str) -> None:
    table, target = openml_table(which)
    assert target == "play"
    assert table["play"].tolist() == ["yes", "no", "no"]
    assert table.shape == (3, 3)


def test_a_table_that_is_not_wholly_cached_is_not_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(*_: object, **__: object) -> None:
        raise AssertionError("asked a server")

    monkeypatch.setattr("urllib.request.urlopen", fetched)
    monkeypatch.setattr("sklearn.datasets._openml.urlopen", fetched)
    with pytest.raises(DataError, match=r"'credit-g' is not among .* \(weather \(7\)\); fetch it: .*name='credit-g'"):
        openml_table("credit-g")
    next((cache / "data").rglob("*.gz")).unlink()
    with pytest.raises(DataError, match=r"'7' is not among .* \(none\); fetch it: .*data_id=7"):
        openml_table("7")
