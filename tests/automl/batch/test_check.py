"""Every rule is checked for all files before anything is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl
from automl.batch.check import check_tasks
from automl.data import write_table
from automl.errors import TasksRefused
from automl.settings import folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=40), "word": ["a", "b"] * 20, "value": rng.normal(size=40)})
    table["lone"] = ["once"] + ["often"] * 39
    write_table(table, tmp_path / "table.csv")
    return tmp_path


def written(home: Path, name: str, text: str) -> Path:
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).write_text(text, encoding="utf-8")
    return home / name


def digest(home: Path, text: str) -> str:
    return check_tasks([written(home, "a.toml", text)])[0].digest


TABLE = 'data = "table.csv"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('data = "none.csv"\ntarget = "word"', "none.csv: there is no such file; check the path"),
        (TABLE + 'target = "wrod"', "no column 'wrod'; did you mean 'word'?"),
        (TABLE + 'target = "word"\nmetric = "r2"', "metric 'r2'"),
        (TABLE + 'target = "value"\nmetric = "accuracy"', "cannot score a regression"),
        (TABLE + 'target = "value"\nmetric = "acuracy"', "unknown metric 'acuracy'; did you mean 'accuracy'?"),
        (TABLE + 'target = "word"\nkind = "regression"', "is no number"),
        (TABLE + 'target = "lone"', "no split with a test share of 0.25"),
        (TABLE + 'target = "word"\ntime_limit = -3', "time_limit -3 must be a number of seconds above 0"),
        (TABLE + 'target = "word"\nn_trials = 0', "n_trials 0 must be a whole number of at least 1"),
        (TABLE + 'target = "word"\nmemory_limit = "2 GB"', "memory_limit '2 GB' must be a number of MiB"),
        (TABLE + 'target = "word"\npreset = "slow"', "unknown preset 'slow'"),
        (TABLE + 'target = "word"\noptimizer = "bobh"', "did you mean 'bohb'?"),
        (TABLE + 'target = "word"\nresampling = 1.5', "resampling"),
        (TABLE + 'target = "word"\nfamilies = 5', "families = 5 is neither text nor a list"),
        (TABLE + 'target = "word"\nwarm_start = 5', "warm_start = 5 is neither text nor a list"),
        (TABLE + 'target = "word"\noptimizer = ["bohb"]', "optimizer = ['bohb'] is no text"),
    ],
)
def test_what_does_not_fit_is_refused_by_file_and_rule(home: Path, text: str, said: str) -> None:
    with pytest.raises(TasksRefused) as caught:
        check_tasks([written(home, "a.toml", text)])
    assert str(caught.value).startswith(f"{home / 'a.toml'}: ")
    assert said in str(caught.value)


def test_all_files_are_told_at_once_and_nothing_is_run(home: Path) -> None:
    good = written(home, "good.toml", TABLE + 'target = "word"')
    other = written(home, "bad.toml", TABLE + 'target = "none"\nn_trails = 2')
    third = written(home, "third.toml", TABLE + 'target = "none"')
    with pytest.raises(TasksRefused) as caught:
        automl.run_batch([good, other, third], folder=home / "results")
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [str(other), str(third)]
    assert not (home / "results").exists()


def test_two_files_may_not_name_one_task(home: Path) -> None:
    first = written(home, "a.toml", TABLE + 'target = "word"')
    second = written(home, "more/a.toml", 'data = "../table.csv"\ntarget = "word"')
    with pytest.raises(TasksRefused, match="2 files name a task 'a'; give each file a name of its own"):
        check_tasks([first, second])


def test_the_tasks_that_come_with_autonet_pass_every_check() -> None:
    paths = sorted(folder("tasks").glob("*.toml"))
    checked = check_tasks(paths)
    assert [task.name for task in checked] == [path.stem for path in paths]
    assert len({task.digest for task in checked}) == len(paths)


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(TasksRefused, match="no task file was given"):
        check_tasks([])


def test_the_digest_is_that_of_the_settings_and_of_the_table(home: Path) -> None:
    text = TABLE + 'target = "word"\nn_trials = 2\nrandom_state = 0'
    before = digest(home, text)
    assert digest(home, "# a comment\n" + TABLE + 'target = "word"\nrandom_state = 0\nn_trials = 2') == before
    assert digest(home, text.replace("n_trials = 2", "n_trials = 3")) != before
    assert digest(home, text + "\ntest_share = 0.5") != before
    table = pd.read_csv(home / "table.csv")
    table.loc[0, "x"] += 1
    write_table(table, home / "table.csv")
    assert digest(home, text) != before
