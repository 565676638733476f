"""What was learned on many tasks with the same configurations, as one file that a package can ship."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metalearn.errors import StoreError
from metalearn.records import TaskRecord

Floats = NDArray[np.float64]
FORMAT = 1
"""Version of the file's layout."""
DIGITS = 6
"""Significant digits that are kept: losses are not known better."""


@dataclass(frozen=True)
class Knowledge:
    """Configurations measured on tasks, at several budgets.

    Attributes
    ----------
    tasks: t past tasks.
    groups: (t,) names; tasks of one group come from one source, and belong on one side of any split.
    configurations: c of them, JSON values.
    budgets: b shares of a full run in (0, 1], ascending; the last one is what counts.
    losses: (b, c, t), NaN where not measured, infinite where the trial failed.
    costs: (b, c, t) seconds, NaN where not measured.
    recipe: how it was made.
    """

    tasks: tuple[TaskRecord, ...]
    groups: tuple[str, ...]
    configurations: tuple[Mapping[str, Any], ...]
    budgets: tuple[float, ...]
    losses: Floats
    costs: Floats
    recipe: Mapping[str, Any]

    @property
    def full(self) -> Floats:
        """(c, t) losses at the largest budget."""
        found: Floats = self.losses[-1]
        return found

    @property
    def spent(self) -> Floats:
        """(c, t) seconds until the largest budget was reached: each run continues the one before."""
        found: Floats = self.costs.sum(axis=0)
        return found

    def only(self, wanted: Callable[[TaskRecord, str], bool]) -> Knowledge:
        """That of the tasks for which `wanted(task, group)` holds."""
        kept = [i for i, pair in enumerate(zip(self.tasks, self.groups, strict=True)) if wanted(*pair)]
        tasks, groups = tuple(self.tasks[i] for i in kept), tuple(self.groups[i] for i in kept)
        return replace(self, tasks=tasks, groups=groups, losses=self.losses[:, :, kept], costs=self.costs[:, :, kept])

    def without(self, groups: Sequence[str]) -> Knowledge:
        """That of the tasks of other groups: what may be used to judge how well these are served."""
        return self.only(lambda task, group: group not in groups)

    def of_kind(self, kind: str) -> Knowledge:
        """That of classification or regression tasks alone."""
        return self.only(lambda task, group: task.kind == kind)

    def rows(self, kept: Sequence[int]) -> Knowledge:
        """That of some of the configurations."""
        configurations = tuple(self.configurations[i] for i in kept)
        losses, costs = self.losses[:, list(kept)], self.costs[:, list(kept)]
        return replace(self, configurations=configurations, losses=losses, costs=costs)

    def joined(self, other: Knowledge) -> Knowledge:
        """Both, at the largest budget of each; what one does not know of the other's is NaN."""
        c, t = len(self.configurations), len(self.tasks)
        shape = (1, c + len(other.configurations), t + len(other.tasks))
        losses, costs = np.full(shape, np.nan), np.full(shape, np.nan)
        for whole, here, there in ((losses, self.full, other.full), (costs, self.spent, other.spent)):
            whole[0, :c, :t], whole[0, c:, t:] = here, there
        return Knowledge(
            self.tasks + other.tasks,
            self.groups + other.groups,
            self.configurations + other.configurations,
            (1.0,),
            losses,
            costs,
            {**self.recipe, **other.recipe},
        )

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all; equal knowledge gives equal bytes."""
        content = {
            "format": FORMAT,
            "recipe": self.recipe,
            "budgets": list(self.budgets),
            "configurations": [dict(c) for c in self.configurations],
            "tasks": [
                {
                    **{name: getattr(task, name) for name in ("fingerprint", "name", "kind", "metric")},
                    "group": group,
                    "metafeatures": {name: _rounded(value) for name, value in task.metafeatures.items()},
                }
                for task, group in zip(self.tasks, self.groups, strict=True)
            ],
            "losses": _listed(self.losses),
            "costs": _listed(self.costs),
        }
        text = json.dumps(content, separators=(",", ":")).encode()
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(gzip.compress(text, mtime=0))
        part.replace(path)

    @classmethod
    def read(cls, path: Path) -> Knowledge:
        """Read a file.

        Raises
        ------
        StoreError: there is no such file, it is damaged, or it is of a newer version.
        """
        try:
            content = json.loads(gzip.decompress(path.read_bytes()))
            if content["format"] > FORMAT:
                raise StoreError(f"{path} has format {content['format']}, newer than {FORMAT}; update the package")
            tasks = content["tasks"]
            shape = (len(content["budgets"]), len(content["configurations"]), len(tasks))
            return cls(
                tuple(TaskRecord(**{k: v for k, v in task.items() if k != "group"}) for task in tasks),
                tuple(task["group"] for task in tasks),
                tuple(content["configurations"]),
                tuple(content["budgets"]),
                np.array(content["losses"], dtype=np.float64).reshape(shape),
                np.array(content["costs"], dtype=np.float64).reshape(shape),
                content["recipe"],
            )
        except (OSError, EOFError, ValueError, LookupError, TypeError, zlib.error) as error:
            raise StoreError(f"{path} cannot be read as knowledge: {error}; make it with metalearn.campaign") from error


def shipped() -> Knowledge:
    """What comes with the package."""
    return Knowledge.read(Path(str(files("metalearn") / "knowledge.json.gz")))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _listed(array: Floats) -> list[float | None]:
    """Flat, NaN as null; infinity stays what Python's JSON reads again."""
    return [None if math.isnan(value) else _rounded(value) for value in array.ravel().tolist()]
