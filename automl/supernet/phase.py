"""The first phase of a search over families of architectures: shared weights say what is tried first.

It runs in a worker of its own, under the limits of time and memory, and gives configurations of the joint space, best
first, for `Advice.first`: they are trained and compared like all others.
"""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from automl.genotypes.genotype import from_json, to_json
from automl.runners.processes import ProcessRunner
from automl.search.trial import Proposal, Result, State, Trial
from automl.space import FAMILY, complete, legal
from automl.supernet.layout import Definition
from automl.workers import FIRST_MODULES, WORKER_MODULES

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

SHARE = 0.2
"""Share of a search's time that the first phase should take."""
MARGIN = 0.9
"""Share of its seconds after which the worker stops by itself, so that what it found is there before it is killed."""


class CellFamily(Protocol):
    """A family of architectures that are made of cells.

    Attributes
    ----------
    name: prefix of its hyperparameters in the joint space.
    genotypes: what may be chosen.
    """

    name: str
    genotypes: Definition


def first_configurations(
    images: np.ndarray,
    labels: np.ndarray,
    family: CellFamily,
    space: ConfigurationSpace,
    *,
    method: str,
    epochs: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    keep: int = 8,
    threads: int = 1,
    memory_limit: float | None = None,
    device: str = "cpu",
) -> tuple[dict[str, Any], ...]:
    """Configurations of the joint space, best first; none, with a warning, if the phase failed or ran out of time.

    Cells are stacked as by default. Those that the joint space does not hold, because it allows a family less than
    `genotypes` does, are left out, with a warning.

    Parameters
    ----------
    images, labels: training images (n, channels, height, width) and labels (n,).
    space: made by `automl.space.joint_space`, the family in it; what is not architecture takes its default.
    method: a name of `automl.supernet.catalogue.ONE_SHOT`.
    epochs, seconds: at least one. The call returns within the seconds, start of the worker included, or about a second
        later if the worker has to be killed; with epochs alone, the same seed gives the same configurations.
    threads, memory_limit (MiB): of the worker.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="autonet-") as folder:
        path = Path(folder) / "genotypes.json"
        target = _Phase(images, labels, family.genotypes, method, epochs, deadline, keep, device, path)
        with ProcessRunner(
            target, n_jobs=1, threads=threads, memory_limit=memory_limit, first=FIRST_MODULES, preload=WORKER_MODULES
        ) as runner:
            runner.submit(Trial(0, Proposal({}), seed))
            ended = runner.collect(None if deadline is None else max(0.0, deadline - time.monotonic()))
        result = ended[0][1] if ended else Result(State.TIMEOUT, error=f"it did not end within {seconds} s")
        if result.state is not State.DONE:
            cause = result.error.strip().rpartition("\n")[2]
            warnings.warn(
                f"the first phase, {method!r}, found nothing ({result.state.value}: {cause}); the search goes on",
                stacklevel=2,
            )
            return ()
        genotypes = [from_json(text) for text in json.loads(path.read_text(encoding="utf-8"))]
    return held(space, family, genotypes, method)


@dataclass(frozen=True)
class _Phase:
    """What the worker does: a search, whose genotypes are written to a file."""

    images: np.ndarray
    labels: np.ndarray
    definition: Definition
    method: str
    epochs: int | None
    deadline: float | None
    keep: int
    device: str
    path: Path

    def __call__(self, trial: Trial) -> Result:
        from automl.supernet.search import search

        seconds = None if self.deadline is None else MARGIN * (self.deadline - time.monotonic())
        found = search(
            self.images,
            self.labels,
            self.definition,
            method=self.method,
            epochs=self.epochs,
            seconds=seconds,
            seed=trial.seed,
            keep=self.keep,
            device=self.device,
        )
        self.path.write_text(json.dumps([to_json(genotype) for genotype in found.genotypes]), encoding="utf-8")
        return Result(State.DONE, found.candidates[0].loss)


def held(
    space: ConfigurationSpace, family: CellFamily, genotypes: Iterable[Any], method: str
) -> tuple[dict[str, Any], ...]:
    """Whole configurations of the cells that the joint space holds, stacked as by default; a warning tells of others.

    Parameters
    ----------
    genotypes: of the family, however they are stacked. method: that found them, for the warning.
    """
    bounds, partials = family.genotypes, []
    for genotype in genotypes:
        values = bounds.encode(replace(genotype, cells=bounds.cells[0], filters=bounds.filters[0]))
        own = {f"{family.name}:{name}": value for name, value in values.items() if name not in ("cells", "filters")}
        partials.append({FAMILY: family.name, **own})
    inside = [partial for partial in partials if legal(space, partial)]
    if len(inside) < len(partials):
        warnings.warn(
            f"{len(partials) - len(inside)} of the {len(partials)} cells that {method!r} found are not in the search "
            "space, which allows less than the family has; they are left out",
            stacklevel=3,
        )
    return tuple(complete(space, partial) for partial in inside)
