"""Task files: what they may say, and what they are told when they say something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data import kind_of, write_table
from automl.errors import TasksRefused
from automl.settings import folder
from automl.taskfile import TaskFile, read_task

SHIPPED = sorted(folder("tasks").glob("*.toml"))


def written(tmp_path: Path, text: str, name: str = "a.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_task_is_called_as_its_file_and_every_other_key_is_a_setting_of_the_estimator(tmp_path: Path) -> None:
    path = written(tmp_path, 'data = "sklearn:iris"\ntest_share = 0.5\nn_trials = 3\nfamilies = ["mlp"]', "first.toml")
    task = read_task(path)
    assert task == TaskFile(path, "sklearn:iris", None, "auto", 0.5, {"n_trials": 3, "families": ["mlp"]})
    assert task.name == "first"


def test_files_are_found_beside_the_task_file(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"x": [1, 2, 3], "y": ["a", "b", "a"]}), tmp_path / "tables" / "small.csv")
    X, y = read_task(written(tmp_path, 'data = "tables/small.csv"\ntarget = "y"\n')).load()
    assert list(X.columns) == ["x"]
    assert list(y) == ["a", "b", "a"]


def test_an_npz_file_knows_its_target(tmp_path: Path) -> None:
    np.savez(tmp_path / "table.npz", X=np.eye(3), y=np.arange(3))
    X, y = read_task(written(tmp_path, 'data = "table.npz"')).load()
    assert list(X.columns) == ["x0", "x1", "x2"]
    assert list(y) == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('dta = "sklearn:iris"', "unknown key 'dta'; did you mean 'data'?"),
        ("n_trials = 2", "the key 'data' is missing; give a table"),
        ('data = "sklearn:irs"', "data: unknown table of scikit-learn 'irs'; did you mean 'iris'?"),
        ('data = "a.csv"', "the key 'target' is missing; name the column of a.csv"),
        ('data = "sklearn:iris"\nkind = "regresion"', "kind: unknown kind 'regresion'; did you mean 'regression'?"),
        ('data = "sklearn:iris"\ntest_share = 1', "test_share = 1 must be a number between 0 and 1"),
        ('data = "sklearn:iris"\nrandom_state = "x"', "random_state = 'x' must be a whole number"),
        ('data = "sklearn:iris"\nn_trial = 3', "unknown key 'n_trial'; did you mean 'n_trials'?"),
        ('data = "sklearn:iris"\nstore = "runs.db"', "unknown key 'store'"),
        ('[[task]]\ndata = "sklearn:iris"', "unknown key 'task'"),
        ("data = 5", "data = 5 is no text; put it in quotes"),
        ('data = "a.csv"\ntarget = 5', "target = 5 is no text"),
        ("data = [", "not a TOML file"),
        ('data = "C:\\data\\a.csv"\ntarget = "y"', "put a path in single quotes, or write it with /"),
        ('data = "C:\\Users\\a.csv"\ntarget = "y"', "put a path in single quotes, or write it with /"),
        ('data = "C:\\temp\\new.csv"\ntarget = "y"', "holds a special character: in double quotes a backslash"),
    ],
)
def test_a_wrong_line_is_named_with_its_file_and_the_cure(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TasksRefused) as caught:
        read_task(written(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'a.toml'}: ")
    assert said in str(caught.value)


def test_a_file_of_an_editor_of_windows_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b'\xef\xbb\xbfdata = "sklearn:iris"\r\nn_trials = 2\r\n')
    assert read_task(tmp_path / "a.toml").settings == {"n_trials": 2}


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(TasksRefused) as caught:
        read_task(written(tmp_path, "kind = 3\ntest_share = 2\nn_trail = 1"))
    assert len(str(caught.value).splitlines()) == 5


def test_a_name_that_cannot_be_a_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TasksRefused, match=r"the name 'a b\.c' may hold letters"):
        read_task(written(tmp_path, 'data = "sklearn:iris"', "a b.c.toml"))


def test_a_task_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TasksRefused, match=r"none\.toml: there is no such task file"):
        read_task(tmp_path / "none.toml")


def test_five_tasks_and_both_kinds_come_with_autonet() -> None:
    assert len(SHIPPED) >= 5
    assert {read_task(path).kind for path in SHIPPED} == {"classification", "regression"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_task_files_that_come_with_autonet_say_what_they_are_and_can_be_loaded(path: Path) -> None:
    task = read_task(path)
    X, y = task.load()
    assert len(X) == len(y) > 100
    assert kind_of(y) == task.kind
    assert path.read_text(encoding="utf-8").startswith("# ")
