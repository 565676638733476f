"""What every format of competitions must do: one suite, on the toy that each writes itself."""

from __future__ import annotations

import ast
import math
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl.errors import SettingError
from automl.submission.archive import write_archive
from automl.submission.catalogue import FORMATS, form
from automl.submission.guess import trivial_guess
from automl.submission.outlet import PART, Outlet
from automl.submission.problem import Format, Predictions, Problem, Settings

OUTPUTS = {"binary": 1, "regression": 1}
EVER = math.inf


@pytest.fixture(params=sorted(FORMATS))
def chosen(request: pytest.FixtureRequest) -> Format:
    return form(request.param)


@pytest.fixture
def source(chosen: Format, tmp_path: Path) -> Path:
    chosen.toy(tmp_path / "input")
    return tmp_path / "input"


def problems(chosen: Format, source: Path) -> list[Problem]:
    return [chosen.read(source, name) for name in chosen.names(source)]


def better(problem: Problem) -> Predictions:
    """Anything that is not the guess."""
    rng = np.random.default_rng(0)
    found = {part: rng.random((rows, problem.outputs)) for part, rows in problem.rows.items()}
    return {p: x / x.sum(1, keepdims=True) for p, x in found.items()} if problem.kind == "multiclass" else found


def test_the_toy_is_counted_as_it_is_read(chosen: Format, source: Path) -> None:
    found = problems(chosen, source)
    assert found
    assert [p.name for p in found] == sorted(p.name for p in found)
    for problem in found:
        data = chosen.data(source, problem)
        assert data.targets.shape == (data.train.shape[0], problem.outputs)
        assert np.isfinite(data.targets).all()
        assert {part: X.shape[0] for part, X in data.parts.items()} == dict(problem.rows)
        assert all(X.shape[1] == data.train.shape[1] for X in data.parts.values())
        assert problem.outputs == OUTPUTS.get(problem.kind, problem.outputs)
        np.testing.assert_allclose(data.targets.mean(axis=0), problem.prior)


def test_a_guess_is_handed_in_without_fault_and_so_is_what_follows(
    chosen: Format, source: Path, tmp_path: Path
) -> None:
    found = problems(chosen, source)
    outlet = Outlet(chosen, source, tmp_path / "output", end=EVER)
    assert all(outlet.emit(problem, trivial_guess(problem), -math.inf) for problem in found)
    assert [fault for p in found for fault in chosen.faults(source, p, tmp_path / "output")] == []
    first = {path.name: path.read_bytes() for path in (tmp_path / "output").iterdir()}
    assert all(outlet.emit(problem, better(problem), 0.5) for problem in found)
    assert [fault for p in found for fault in chosen.faults(source, p, tmp_path / "output")] == []
    assert {path.name: path.read_bytes() for path in (tmp_path / "output").iterdir()} != first
    assert not list((tmp_path / "output").glob(f"*{PART}"))


def test_what_is_missing_or_cut_off_is_a_fault(chosen: Format, source: Path, tmp_path: Path) -> None:
    found = problems(chosen, source)
    output = tmp_path / "output"
    output.mkdir()
    assert all(chosen.faults(source, problem, output) for problem in found)
    outlet = Outlet(chosen, source, output, end=EVER)
    for problem in found:
        outlet.emit(problem, trivial_guess(problem), -math.inf)
    for path in output.iterdir():
        if path.suffix != ".npy":  # NumPy reads no part of an array
            path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])
            assert any(chosen.faults(source, problem, output) for problem in found)


def test_another_metric_can_be_asked_for(chosen: Format, source: Path) -> None:
    name = chosen.names(source)[0]
    assert chosen.read(source, name, "r2_metric").metric == "r2_metric"


def test_an_archive_holds_its_contents_at_the_top_and_our_packages_as_source(chosen: Format, tmp_path: Path) -> None:
    settings = Settings(chosen.name, 20.0, "bac_metric")
    top = write_archive(tmp_path / "a.zip", chosen, settings)
    assert "lib" in top
    assert len(top) > 1
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o644}
        names = archive.namelist()
        assert "lib/automl/submission/anytime.py" in names
        assert "lib/metalearn/__init__.py" in names
        assert "lib/automl/configs/presets/medium.toml" in names
        for name in names:
            if name.endswith(".py") and not name.startswith("lib/"):
                ast.parse(archive.read(name))
    write_archive(tmp_path / "b.zip", chosen, settings)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_data_set_that_cannot_be_read_is_an_error_and_no_guess(chosen: Format, source: Path) -> None:
    name = chosen.names(source)[0]
    for path in sorted(source.rglob("*")):
        if path.is_file():
            path.write_bytes(b"\xff\x00 nothing \xfe")
    with pytest.raises((ValueError, OSError)):
        chosen.read(source, name)


def test_an_unknown_format_says_which_are_known() -> None:
    with pytest.raises(SettingError, match="did you mean 'kaggle'"):
        form("kagle")


def test_guesses_are_what_each_metric_gives_most_for() -> None:
    y = np.array([[1.0], [2.0], [3.0], [10.0]])
    values = Problem.of("v", "regression", "a_metric", y, rows={"test": 1})
    assert trivial_guess(values)["test"].item() == 2.5
    assert trivial_guess(replace(values, metric="r2_metric"))["test"].item() == 4.0
    labels = Problem.of("l", "multilabel", "f1_metric", np.array([[1.0, 0], [0, 1], [0, 1]]), rows={"test": 1})
    np.testing.assert_allclose(trivial_guess(labels)["test"], [[0.5, 2 / 3]])
    np.testing.assert_allclose(trivial_guess(replace(labels, metric="pac_metric"))["test"], [[1 / 3, 2 / 3]])
