"""What shared weights say should be tried first on a task of images: one-shot methods as a warm start."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.errors import SettingError
from automl.search.advice import Advice
from automl.supernet.catalogue import ONE_SHOT

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.architectures.family import Family
    from automl.task import Task

MOST_IMAGES = 5_000
"""Images that the shared weights are trained and judged on, at most: their time goes into epochs rather."""
EPOCHS = 5
"""Of a search whose trials are counted and whose time is not."""
FILE = "first.json"


def cells_among(families: Iterable[Family], method: str) -> Any:
    """The first family of cells whose weights can be shared; SettingError if there is none."""
    from automl.genotypes.space_of_cells import CellsSpace, EdgeCellSpace

    for family in families:
        genotypes = getattr(family, "genotypes", None)
        pairs = isinstance(genotypes, CellsSpace) and genotypes.concat == "all" and genotypes.combine == ("add",)
        if pairs or isinstance(genotypes, EdgeCellSpace):
            return family
    raise SettingError(
        f"warm_start {method!r} shares the weights of cells, and no family searched has cells that can; add "
        "'cnn_edge_cell' to families, or choose another warm start"
    )


def suggested(
    task: Task,
    family: Any,
    space: ConfigurationSpace,
    *,
    method: str,
    folder: Path,
    time_limit: float | None,
    threads: int,
    memory_limit: float | None,
    seed: int,
    device: str,
) -> Advice:
    """The configurations that a one-shot method finds, or found for this folder before; none if it fails.

    Parameters
    ----------
    family: of cells. method: a name of `ONE_SHOT`.
    folder: of the run, which keeps what was found, so that a run that is resumed keeps to it.
    time_limit: seconds of the whole search, of which it takes a fifth; None for five epochs.
    """
    from automl.supernet.phase import SHARE, first_configurations

    path = folder / FILE
    if not path.exists():
        rows = np.random.default_rng(seed).permutation(task.folds[0].train)[:MOST_IMAGES]
        part = task.arrays.take(np.sort(rows))
        assert part.images is not None
        found = first_configurations(
            part.images,
            task.y[np.sort(rows)],
            family,
            space,
            method=method,
            epochs=EPOCHS if time_limit is None else None,
            seconds=None if time_limit is None else SHARE * time_limit,
            seed=seed,
            threads=threads,
            memory_limit=memory_limit,
            device=device,
        )
        written = path.with_suffix(".part")
        written.write_text(json.dumps(found), encoding="utf-8")
        written.replace(path)
    return Advice(first=tuple(json.loads(path.read_text(encoding="utf-8"))))


def is_one_shot(warm_start: Any) -> bool:
    """Whether a warm start is the name of a method of shared weights."""
    return isinstance(warm_start, str) and warm_start in ONE_SHOT
