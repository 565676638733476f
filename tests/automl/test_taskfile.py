"""Task files and the tables that they name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from automl.data import kind_of, match_columns, read_table, sklearn_table, split_target, write_table
from automl.errors import DataError, SettingError
from automl.settings import folder
from automl.taskfile import TaskEntry, read_tasks


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tasks.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_task_that_says_nothing_gets_the_defaults_of_its_file_and_adds_its_own_settings(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        [defaults]
        test_share = 0.5
        settings = { n_trials = 3, random_state = 1 }
        [[task]]
        name = "first"
        data = "sklearn:iris"
        [[task]]
        name = "second"
        data = "sklearn:diabetes"
        kind = "regression"
        test_share = 0.1
        settings = { n_trials = 7 }
        """,
    )
    first, second = read_tasks(path)
    assert first == TaskEntry("first", "sklearn:iris", None, "auto", 0.5, {"n_trials": 3, "random_state": 1})
    assert second == TaskEntry(
        "second", "sklearn:diabetes", None, "regression", 0.1, {"n_trials": 7, "random_state": 1}
    )


def test_files_are_found_beside_the_task_file(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"x": [1, 2, 3], "y": ["a", "b", "a"]}), tmp_path / "tables" / "small.csv")
    path = written(tmp_path, '[[task]]\nname = "small"\ndata = "tables/small.csv"\ntarget = "y"\n')
    X, y = read_tasks(path)[0].load()
    assert list(X.columns) == ["x"]
    assert list(y) == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[task]]\nname = "a"\ndta = "sklearn:iris"', "tasks.toml, task 'a': unknown key 'dta'; did you mean 'data'?"),
        ('[[task]]\nname = "a"', "tasks.toml, task 'a': the key 'data' is missing"),
        ('[[tasks]]\nname = "a"', "tasks.toml: unknown key 'tasks'; did you mean 'task'?"),
        ('[defaults]\nnaem = 1\n[[task]]\nname = "a"\ndata = "sklearn:iris"', "[defaults]: unknown key 'naem'"),
        ('[[task]]\nname = "a"\ndata = "sklearn:irs"', "unknown table of scikit-learn 'irs'; did you mean 'iris'?"),
        ('[[task]]\nname = "a"\ndata = "a.csv"', "the key 'target' is missing; name the column of a.csv"),
        ('[[task]]\nname = "../a"\ndata = "sklearn:iris"', "the name must consist of letters"),
        ('[[task]]\nname = "a"\ndata = "sklearn:iris"\nkind = "regresion"', "did you mean 'regression'?"),
        (
            '[[task]]\nname = "a"\ndata = "sklearn:iris"\ntest_share = 1',
            "test_share = 1 must be a number between 0 and 1",
        ),
        ('[[task]]\nname = "a"\ndata = "sklearn:iris"\nsettings = { n_trial = 3 }', "did you mean 'n_trials'?"),
        ('[[task]]\nname = "a"\ndata = "sklearn:iris"\nsettings = 3', "3 is no table"),
        ('[[task]]\nname = "a"\ndata = 5', "data = 5 is no text"),
        ('[[task]]\nname = "a"\ndata = "a.csv"\ntarget = 5', "target = 5 is no text"),
        ("task = []", "it lists no task"),
        ("[[task", "not a TOML file"),
    ],
)
def test_a_wrong_line_is_named_with_its_file_and_the_cure(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingError) as caught:
        read_tasks(written(tmp_path, text))
    assert said in str(caught.value)


def test_two_tasks_may_not_share_a_name(tmp_path: Path) -> None:
    entry = '[[task]]\nname = "a"\ndata = "sklearn:iris"\n'
    with pytest.raises(SettingError, match="2 tasks are called 'a'"):
        read_tasks(written(tmp_path, entry * 2))


def test_a_task_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"none\.toml: there is no such task file"):
        read_tasks(tmp_path / "none.toml")


@pytest.mark.parametrize("path", sorted(folder("tasks").glob("*.toml")), ids=lambda path: path.name)
def test_the_task_files_that_come_with_autonet_can_be_read_and_loaded(path: Path) -> None:
    for entry in read_tasks(path):
        X, y = entry.load()
        assert len(X) == len(y) > 100
        assert kind_of(y) == entry.kind


@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.csv.gz", "table.parquet", "folder/TABLE.CSV"])
def test_a_table_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"number": [1.5, None, 3.0], "text": ["a", "b, c", "d"]})
    write_table(table, tmp_path / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / name), table, check_dtype=False)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("table.xls", "x", "says no format; give a .csv, .tsv or .parquet file"),
        ("table.csv", "", "cannot be read as .csv"),
        ("table.csv", "a,b\n", "holds 0 rows and 2 columns"),
        ("table.csv", "a,b\n1,2\n1,2,3,4\n", "cannot be read as .csv"),
        ("table.parquet", "no parquet", "cannot be read as .parquet"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / name)
    assert name in str(caught.value)
    assert said in str(caught.value)


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
