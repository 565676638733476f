"""Measures many configurations on many tables, and writes what the package ships.

    python -m metalearn.campaign RECIPE.toml --data FOLDER --out metalearn/knowledge.json.gz --jobs 2

The recipe names a module that measures, so that this package knows nothing of what is trained: it has
`configurations(count, seed)` and `measure(path, kind, configurations, budgets, …) -> Measured`. A table that is done
is kept in a file of its own in `<out>.parts`; the same command goes on after a kill, and a new table in the recipe is
added to what is there. FOLDER holds NAME.parquet for each table of the recipe.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from metalearn.errors import StoreError
from metalearn.knowledge import Floats, Knowledge
from metalearn.records import TaskRecord


@dataclass(frozen=True)
class Measured:
    """What an experiment gives for a table: the task, and losses and seconds (budgets, configurations)."""

    task: TaskRecord
    losses: Floats
    costs: Floats


class Experiment(Protocol):
    """The module that a recipe names."""

    def configurations(self, count: int, seed: int) -> list[dict[str, Any]]: ...

    def measure(
        self,
        path: Path,
        kind: str,
        configurations: Sequence[Mapping[str, Any]],
        budgets: Sequence[float],
        *,
        rows: int,
        seconds: float,
        seed: int,
    ) -> Measured: ...


@dataclass(frozen=True)
class Table:
    """A table of a recipe; those of one `group` come from one source."""

    name: str
    kind: str
    group: str


@dataclass(frozen=True)
class Recipe:
    """How knowledge is made.

    Attributes
    ----------
    experiment: module that measures.
    configurations: how many.
    budgets: shares of a full run, ascending.
    rows: of a table, at most.
    seconds: that a full trial should take.
    seed: of everything random.
    """

    experiment: str
    configurations: int
    budgets: tuple[float, ...]
    rows: int
    seconds: float
    seed: int
    tables: tuple[Table, ...]

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """From a TOML file with a key for each field; `tables` is a list of [name, kind, group]."""
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        tables = tuple(Table(*entry) for entry in content.pop("tables"))
        return cls(**{**content, "budgets": tuple(content["budgets"])}, tables=tables)

    def measured(self, table: Table, folder: Path, parts: Path) -> Path:
        """The file with what one table gave, made if it is not there or of another recipe."""
        path = parts / f"{table.name}.json.gz"
        if path.exists() and Knowledge.read(path).recipe == self._how:
            return path
        experiment: Experiment = importlib.import_module(self.experiment)
        configurations = experiment.configurations(self.configurations, self.seed)
        found = experiment.measure(
            folder / f"{table.name}.parquet",
            table.kind,
            configurations,
            self.budgets,
            rows=self.rows,
            seconds=self.seconds,
            seed=self.seed,
        )
        self._knowledge((found.task,), (table.group,), configurations, [found]).write(path)
        return path

    def gathered(self, parts: Path) -> Knowledge:
        """What all tables that are done gave, in the order of the recipe.

        Raises
        ------
        StoreError: none is done, or some were measured with other configurations, as an older program draws them.
        """
        paths = {table: parts / f"{table.name}.json.gz" for table in self.tables}
        read = {table: Knowledge.read(path) for table, path in paths.items() if path.exists()}
        done = {table: part for table, part in read.items() if part.recipe == self._how}
        if not done:
            raise StoreError(f"{parts} holds nothing of this recipe; see above why its tables failed")
        first = next(iter(done.values()))
        for table, part in done.items():
            if part.configurations != first.configurations:
                raise StoreError(f"{paths[table]} holds other configurations than the others; remove what is older")
        tasks, groups = tuple(part.tasks[0] for part in done.values()), tuple(table.group for table in done)
        measured = [Measured(part.tasks[0], part.losses[:, :, 0], part.costs[:, :, 0]) for part in done.values()]
        return self._knowledge(tasks, groups, first.configurations, measured)

    @property
    def _how(self) -> dict[str, Any]:
        """All but the tables, as the files keep it."""
        told = {name: value for name, value in asdict(self).items() if name != "tables"}
        return told | {"budgets": list(self.budgets)}

    def _knowledge(
        self,
        tasks: tuple[TaskRecord, ...],
        groups: tuple[str, ...],
        configurations: Sequence[Mapping[str, Any]],
        measured: Sequence[Measured],
    ) -> Knowledge:
        return Knowledge(
            tasks,
            groups,
            tuple(configurations),
            self.budgets,
            np.stack([m.losses for m in measured], axis=-1),
            np.stack([m.costs for m in measured], axis=-1),
            self._how,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; exits with 1 if a table failed, after the others were measured."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("recipe", type=Path)
    made.add_argument("--data", type=Path, required=True, help="folder of the tables")
    made.add_argument("--out", type=Path, required=True)
    made.add_argument("--jobs", type=int, default=1, help="tables at once, one thread each")
    args = made.parse_args(arguments)
    recipe, failed = Recipe.read(args.recipe), 0
    parts = args.out.with_name(f"{args.out.name}.parts")
    parts.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"  # read when a process of the pool starts
    began = time.monotonic()
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        waiting = {pool.submit(recipe.measured, table, args.data, parts): table for table in recipe.tables}
        for future in as_completed(waiting):
            name = waiting[future].name
            try:
                future.result()
            except Exception as error:  # whatever it is, the other tables are still worth measuring
                failed += 1
                print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            else:
                print(f"{time.monotonic() - began:7.0f} s  {name}", flush=True)
    recipe.gathered(parts).write(args.out)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
