"""The README's code runs as it stands, and its lines are those of CI."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEST_LINE = '.ci/setup && .venv/bin/python -m pytest -q -n 2 --dist loadfile -m "not slow"'


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def headline(block: str) -> str:
    return next(line for line in block.splitlines() if "automl" in line)


PROGRAM = """
import json, os, sys, traceback
blocks, answers = json.loads(sys.argv[1]), {}
for number, block in enumerate(blocks):
    os.mkdir(str(number))
    os.chdir(str(number))
    try:
        exec(compile(block, f"block {number}", "exec"), {"__name__": "__main__"})
        answers[block] = ""
    except BaseException:
        answers[block] = traceback.format_exc()
    os.chdir("..")
with open("answers.json", "w") as file:
    json.dump(answers, file)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What went wrong in each block: one process runs them all, each in a folder and with names of its own.

    What a process imports once takes most of the time of each.
    """
    folder = tmp_path_factory.mktemp("readme")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "program.py", json.dumps(blocks("python"))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stderr
    return dict(json.loads((folder / "answers.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("block", blocks("python"), ids=headline)
def test_a_block_of_python_runs(block: str, answers: dict[str, str]) -> None:
    assert answers[block] == ""


def test_the_network_of_ones_own_takes_less_than_twenty_lines() -> None:
    block = next(block for block in blocks("python") if "class Wide" in block)
    assert len(block[: block.index("X, y =")].strip().splitlines()) < 20


def test_ci_ends_with_the_test_line_of_the_readme() -> None:
    assert TEST_LINE in "".join(blocks("bash")).splitlines()
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == TEST_LINE


def test_the_commands_of_the_readme_are_commands() -> None:
    from automl.cli import app

    commands = {command.callback.__name__ for command in app.registered_commands if command.callback}
    commands |= {str(group.name) for group in app.registered_groups}
    typed = set(re.findall(r"^(?:\.ci/setup && \.venv/bin/)?autonet (\w+)", "".join(blocks("bash")), re.MULTILINE))
    assert typed == commands


def test_files_that_the_readme_names_are_there() -> None:
    for path in re.findall(r"`((?:tasks|configs|automl|tests)/[\w./]+)`|\]\((\w+(?:\.md)?)\)", README):
        assert (ROOT / (path[0] or path[1])).exists(), path


def test_the_table_of_parameters_is_that_of_the_estimators() -> None:
    from automl import AutoNetClassifier

    table = README[README.index("## Parameters") : README.index("## How it works")]
    first_cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert named | {"random_state", "verbose"} == set(AutoNetClassifier().get_params())
