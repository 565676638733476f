"""Whole runs in processes of their own, and archives where nothing of us is installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from automl.cli import app
from automl.submission.archive import RUN, write_archive
from automl.submission.catalogue import FORMATS, form
from automl.submission.check import check_archive
from automl.submission.children import Order
from automl.submission.problem import Settings


def started(source: Path, output: Path, seconds: float, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "automl", "compete", str(source), str(output), "-f", "chalearn"]
    return subprocess.Popen(
        [*command, "--budget", str(seconds)], stderr=subprocess.PIPE, text=True, env=os.environ | env
    )


def faults(source: Path, output: Path, *, but: tuple[str, ...] = ()) -> list[str]:
    chosen = form("chalearn")
    problems = [chosen.read(source, name) for name in chosen.names(source) if name not in but]
    return [fault for problem in problems for fault in chosen.faults(source, problem, output)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    form("chalearn").toy(tmp_path / "input")
    return tmp_path / "input"


def test_without_a_library_of_learning_and_with_a_broken_set_the_others_are_predicted(
    source: Path, tmp_path: Path
) -> None:
    (source / "mult" / "mult_train.solution").write_bytes(b"\xff")
    (tmp_path / "sklearn.py").write_text("raise ImportError('there is no sklearn here')\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = started(source, tmp_path / "out", 60, PYTHONPATH=path)  # it ends by itself, without any to learn
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0
    assert faults(source, tmp_path / "out", but=("mult",)) == []
    assert "mult: cannot be read and is left out" in said
    assert "there is no sklearn here" in said


def test_a_run_that_is_asked_to_end_leaves_what_was_written_and_ends_well(source: Path, tmp_path: Path) -> None:
    process = started(source, tmp_path / "out", 60)
    assert process.stderr is not None
    lines = [process.stderr.readline() for _ in range(4)]  # the guesses
    assert all("prediction 0 written" in line for line in lines)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert "asked to end: what was written stands" in said
    assert faults(source, tmp_path / "out") == []


def test_a_run_that_is_asked_to_end_while_it_starts_still_guesses(source: Path, tmp_path: Path) -> None:
    slow = "import os; os.kill(os.getpid(), 15)\n    from automl.submission.run"  # as if it came within an import
    program = RUN.format(settings=Settings("chalearn", 60.0)).replace("from automl.submission.run", slow)
    (tmp_path / "run.py").write_text(program)
    command = [sys.executable, str(tmp_path / "run.py"), str(source), str(tmp_path / "out")]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "asked to end: what was written stands" in done.stderr
    assert faults(source, tmp_path / "out") == []


def test_a_child_ends_when_its_parent_is_gone(source: Path) -> None:
    order = Order("chalearn", str(source), None, ("bina",), True, 600.0)
    command = [sys.executable, "-m", "automl.submission.child", json.dumps(vars(order))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert b"Begun" in child.stdout.readline()
        child.stdin.close()  # as the kernel does with the pipes of a killed process
        assert child.wait(60) == 1


def test_nothing_is_written_after_the_budget(source: Path, tmp_path: Path) -> None:
    began = time.time()
    assert started(source, tmp_path / "out", 5).wait(timeout=120) == 0
    written = [path.stat().st_mtime for path in (tmp_path / "out").iterdir()]
    assert max(written) <= began + 5
    assert len(written) >= 8


def test_a_folder_without_data_is_an_error_for_submit_and_none_for_compete(tmp_path: Path) -> None:
    runner = CliRunner()
    answer = runner.invoke(app, ["submit", str(tmp_path), "-f", "kaggle", "-o", str(tmp_path / "s.zip")])
    assert answer.exit_code == 2
    assert "no data set that can be read as kaggle" in answer.output
    handler = signal.getsignal(signal.SIGTERM)
    answer = runner.invoke(app, ["compete", str(tmp_path), str(tmp_path / "out"), "-f", "kaggle", "--budget", "1"])
    assert answer.exit_code == 0
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--metric", "bac_metrik"], "unknown metric 'bac_metrik'; did you mean 'bac_metric'?"),
        (["--metric", "r2_metric"], "r2_metric is for values"),
        (["--budget", "-5"], "budget -5.0 must be a number of seconds above 0"),
    ],
)
def test_an_archive_that_could_only_guess_is_not_written(
    source: Path, tmp_path: Path, words: list[str], why: str
) -> None:
    archive = tmp_path / "s.zip"
    answer = CliRunner().invoke(app, ["submit", str(source), "-f", "chalearn", "-o", str(archive), *words])
    assert answer.exit_code == 2
    assert why in answer.output
    assert not archive.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_an_archive_runs_where_nothing_of_us_is_installed(name: str, tmp_path: Path) -> None:
    settings = Settings(name, 30.0)
    write_archive(tmp_path / "a.zip", form(name), settings)
    verdict = check_archive(tmp_path / "a.zip", form(name), settings, 30.0)
    assert verdict.faults == (), verdict.log
    assert verdict.files
