"""Knowledge: a file that gives back what was written, splits that keep groups whole, and the campaign."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from metalearn import Store, StoreError, TaskRecord, TrialRecord
from metalearn.campaign import Measured, Recipe, main
from metalearn.experience import BEST, NEAREST, experience
from metalearn.knowledge import Knowledge, shipped

NAN, INF = float("nan"), float("inf")


def small() -> Knowledge:
    tasks = tuple(
        TaskRecord(f"f{k}", name=f"t{k}", kind=kind, metric="m", metafeatures={"a": k / 3})
        for k, kind in enumerate(["classification", "regression", "classification"])
    )
    losses = np.array([[[1.0, NAN, 3.0], [INF, 0.5, 0.25]], [[0.5, NAN, 2.0], [INF, 0.4, 1 / 3]]])
    return Knowledge(tasks, ("g", "h", "g"), ({"x": 1}, {"x": 2.5, "y": "z"}), (0.1, 1.0), losses, losses, {"seed": 0})


def test_a_file_gives_back_what_was_written_to_six_digits(tmp_path: Path) -> None:
    small().write(tmp_path / "k.json.gz")
    read = Knowledge.read(tmp_path / "k.json.gz")
    assert read.losses == pytest.approx(small().losses, rel=1e-5, nan_ok=True)
    assert (read.groups, read.configurations, read.budgets) == (("g", "h", "g"), small().configurations, (0.1, 1.0))
    assert [t.name for t in read.tasks] == ["t0", "t1", "t2"]
    first = (tmp_path / "k.json.gz").read_bytes()
    small().write(tmp_path / "k.json.gz")
    assert (tmp_path / "k.json.gz").read_bytes() == first


DAMAGED = gzip.compress(bytes(range(256)) * 8)[:20] + b"\xff" * 20


@pytest.mark.parametrize(
    "content",
    [b"nothing", gzip.compress(b"{}"), gzip.compress(b'{"format": 99}'), b"", DAMAGED],
    ids=["text", "empty object", "newer", "nothing", "damaged"],  # the bytes hold the time, and must not name tests
)
def test_a_file_that_is_no_knowledge_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k.json.gz").write_bytes(content)
    with pytest.raises(StoreError, match=r"k\.json\.gz"):
        Knowledge.read(tmp_path / "k.json.gz")


def test_groups_are_left_out_whole_and_kinds_stand_apart() -> None:
    assert [t.name for t in small().without(["g"]).tasks] == ["t1"]
    assert [t.name for t in small().of_kind("classification").tasks] == ["t0", "t2"]
    assert small().of_kind("classification").full.tolist() == [[0.5, 2.0], [INF, 1 / 3]]


def test_what_two_do_not_know_of_each_other_is_a_gap() -> None:
    both = small().joined(small().of_kind("regression").rows([1]))
    assert both.full.shape == (3, 4)
    assert np.isnan(both.full[2, :3]).all()
    assert np.isnan(both.full[:2, 3]).all()
    assert both.spent[0, 0] == 1.5  # both budgets, one after the other
    assert both.full[2, 3] == 0.4


def test_the_shipped_file_is_small_and_was_made_as_its_recipe_says() -> None:
    known = shipped()
    path = Path(sys.modules["metalearn.knowledge"].__file__ or "").with_name("knowledge.json.gz")
    assert path.stat().st_size < 3_000_000
    assert len(known.configurations) == known.recipe["configurations"] >= 64
    assert len(known.budgets) == 2
    assert len(known.tasks) == len(set(known.groups)) >= 60
    recipe = Recipe.read(Path(__file__).parent.parent.parent / "configs" / "campaign.toml")
    assert [(t.name, t.kind) for t in known.tasks] == [(t.name, t.kind) for t in recipe.tables]
    assert np.isfinite(known.full).mean() > 0.95
    assert all(t.metafeatures for t in known.tasks)


# The campaign


class Fake(ModuleType):
    """An experiment that notes what it was asked."""

    def __init__(self) -> None:
        super().__init__("fake_experiment")
        self.failing = {"broken"}

    def configurations(self, count: int, seed: int) -> list[dict[str, Any]]:
        return [{"x": k + seed} for k in range(count)]

    def measure(
        self,
        path: Path,
        kind: str,
        configurations: Sequence[Mapping[str, Any]],
        budgets: Sequence[float],
        **limits: Any,
    ) -> Measured:
        assert limits == {"rows": 10, "seconds": 1.0, "seed": configurations[0]["x"]}
        with (path.parent / "asked").open("a") as asked:
            asked.write(f"{path.stem}\n")
        if path.stem == "broken" and not (path.parent / "mended").exists():
            raise ValueError("no rows")
        losses = np.array([[c["x"] / b for c in configurations] for b in budgets])
        return Measured(TaskRecord(path.stem, name=path.stem, kind=kind), losses, losses)


EXPERIMENT = """
from test_knowledge import Fake
_fake = Fake()
configurations, measure = _fake.configurations, _fake.measure
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_experiment.py").write_text(EXPERIMENT)
    folders = f"{tmp_path}:{Path(__file__).parent}"
    monkeypatch.setenv("PYTHONPATH", folders)
    for folder in folders.split(":"):
        monkeypatch.syspath_prepend(folder)
    path = tmp_path / "recipe.toml"
    path.write_text(
        'experiment = "own_experiment"\nconfigurations = 2\nbudgets = [0.5, 1.0]\nrows = 10\nseconds = 1.0\nseed = 3\n'
        'tables = [["one", "regression", "a"], ["broken", "regression", "b"], ["two", "classification", "c"]]\n'
    )
    return path


def test_a_table_that_fails_is_told_and_measured_again_while_the_others_are_kept(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json.gz"
    command = [str(recipe), "--data", str(tmp_path), "--out", str(out)]
    assert main(command) == 1
    assert "broken: ValueError: no rows" in capsys.readouterr().err
    assert [t.name for t in Knowledge.read(out).tasks] == ["one", "two"]
    (tmp_path / "mended").touch()
    assert main(command) == 0
    assert (tmp_path / "asked").read_text().split() == ["one", "broken", "two", "broken"]
    known = Knowledge.read(out)
    assert ([t.name for t in known.tasks], known.groups) == (["one", "broken", "two"], ("a", "b", "c"))
    assert known.full.tolist() == [[3, 3, 3], [4, 4, 4]]
    assert known.recipe == {
        "experiment": "own_experiment",
        "configurations": 2,
        "budgets": [0.5, 1.0],
        "rows": 10,
        "seconds": 1.0,
        "seed": 3,
    }


def gathered(recipe: Path) -> Knowledge:
    """What the campaign gives, without its processes."""
    read, parts = Recipe.read(recipe), recipe.parent / "parts"
    parts.mkdir(exist_ok=True)
    for table in read.tables:
        read.measured(table, recipe.parent, parts)
    return read.gathered(parts)


def test_what_another_recipe_measured_is_measured_again_and_groups_are_those_of_the_recipe(
    recipe: Path, tmp_path: Path
) -> None:
    (tmp_path / "mended").touch()
    gathered(recipe)
    for old, new in (('"regression", "a"', '"regression", "of a"'), ("seed = 3", "seed = 5")):
        recipe.write_text(recipe.read_text().replace(old, new))
        known = gathered(recipe)
    assert (tmp_path / "asked").read_text().split() == ["one", "broken", "two"] * 2
    assert known.groups == ("of a", "b", "c")
    assert known.full[:, 0].tolist() == [5, 6]


def test_a_recipe_none_of_whose_tables_was_measured_says_so(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds nothing of this recipe"):
        Recipe.read(recipe).gathered(tmp_path)


# What a store knows


def put(store: Store, name: str, feature: float, losses: Sequence[float], metric: str = "m") -> None:
    store.put_task(TaskRecord(name, kind="regression", metric=metric, metafeatures={"a": feature}))
    run = store.open_run(f"run {name}", space="", method="", seed=0, settings={}, task=name)
    for number, loss in enumerate(losses):
        state = "done" if loss < INF else "crashed"
        store.write(run, TrialRecord(number, {"x": number}, state=state, loss=loss, cost=1.0))


def test_the_best_of_the_nearest_tasks_of_one_metric_are_read() -> None:
    with Store("sqlite://") as store:
        for k in range(NEAREST + 10):
            put(store, f"t{k}", float(k), [3.0, INF, 1.0, 2.0])
        put(store, "other metric", 0.0, [0.0], metric="n")
        known = experience(store, {"a": 0.0}, kind="regression", metric="m")
    assert [t.fingerprint for t in known.tasks] == [f"t{k}" for k in range(NEAREST)]
    assert {c["x"]: losses[0] for c, losses in zip(known.configurations, known.full, strict=True)} == {
        2: 1.0,
        3: 2.0,
        0: 3.0,
    }


def test_of_many_trials_only_the_best_are_read_and_a_repeated_one_counts_by_its_better_loss() -> None:
    with Store("sqlite://") as store:
        put(store, "t", 0.0, [float(k) for k in range(BEST + 20, 0, -1)])
        run = store.open_run("again", space="", method="", seed=1, settings={}, task="t")
        store.write(run, TrialRecord(0, {"x": BEST + 19}, state="done", loss=9.5))
        known = experience(store, {"a": 0.0}, kind="regression", metric="m")
    best = {c["x"]: losses[0] for c, losses in zip(known.configurations, known.full, strict=True)}
    assert len(best) == BEST - 1
    assert best[BEST + 19] == 1.0


def test_a_store_without_tasks_knows_nothing() -> None:
    with Store("sqlite://") as store:
        assert experience(store, {"a": 0.0}, kind="regression", metric="m").tasks == ()
