"""How a task is searched: what the estimators' parameters come to, and the parts of the search that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.architectures.family import is_network
from automl.evaluation.evaluator import Evaluator
from automl.evaluation.fidelity import Fidelity
from automl.resampling import networks_alone
from automl.search.advice import Advice
from automl.task import StoredTask, Task
from automl.widths import widened
from automl.workers import FIRST_MODULES, WORKER_MODULES

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.architectures.family import Family
    from automl.runners.processes import ProcessRunner
    from automl.search.protocols import Optimizer

FULL_SHARE, IMAGE_FULL_SHARE = 0.15, 0.42
"""Shares of the time limit that a full trial of an initial configuration should take at most: of images a few long
trials are better than many short ones."""

SEARCH_SHARE = 0.8
"""Of the time limit, where the members are trained anew afterwards."""


@dataclass(frozen=True)
class Plan:
    """How a task is searched; every field is checked by whoever makes it.

    Attributes
    ----------
    space, families, initial: what is searched, and what is tried first.
    early: how many of these come before what past tasks suggest; given: how many the user has given.
    warm_start: how past tasks help, one of `WARM_STARTS`, or None.
    knowledge: the past tasks known beside the store: "shipped", a path, or None.
    method: name in the catalogue of methods.
    fidelity, min_budget, eta: what a budget buys, and the ladder of budgets.
    epochs: of a full run of a network; set by `sized_for`.
    n_trials, time_limit (seconds): when to stop.
    ensemble_size: choices of the greedy ensemble.
    n_jobs, threads: workers, and threads of each.
    memory_limit (MiB), trial_time_limit (seconds): of a trial, or None.
    device: "cpu" or "cuda".
    seed: of everything random.
    full_share: of the time limit, that a full trial of an initial configuration should take at most.
    cells: the family whose shared weights say what is tried first, where `warm_start` is a one-shot method.
    split_as_usual: whether nobody has said how the rows are split.
    search_share: of the time limit; in what is left of it, the members of the ensemble are trained anew on all rows.
        Set by `sized_for`.
    """

    space: ConfigurationSpace
    families: Mapping[str, Family]
    initial: Sequence[Mapping[str, Any]]
    early: int
    warm_start: str | None
    knowledge: str | None
    method: str
    fidelity: Fidelity
    min_budget: float
    eta: int
    epochs: int
    n_trials: int | None
    time_limit: float | None
    ensemble_size: int
    n_jobs: int
    threads: int
    memory_limit: float | None
    trial_time_limit: float | None
    device: str
    seed: int
    given: int = 0
    full_share: float = FULL_SHARE
    cells: Any = None
    split_as_usual: bool = True
    search_share: float = 1.0

    def sized_for(self, task: Task) -> Plan:
        """The plan with as many epochs as the task's training rows need, and networks as wide as the time allows."""
        rows = max(len(fold.train) for fold in task.folds)
        initial = [*self.initial[: self.given], *self._as_wide_as_fits(task, self.initial[self.given :])]
        # One holdout for networks of tables is for want of time: the rows it keeps from them are theirs in the end.
        held_out = task.arrays.images is None and isinstance(self.usual_resampling(len(task.y)), float)
        share = SEARCH_SHARE if self.split_as_usual and held_out else 1.0
        return replace(self, epochs=full_epochs(rows), initial=initial, search_share=share)

    def _as_wide_as_fits(self, task: Task, configurations: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Configurations whose networks for images are as wide as there is time for; others stay as they are."""
        if task.arrays.images is None or self.full_seconds is None or self.device != "cpu":
            return list(configurations)
        pixels = max(len(fold.train) for fold in task.folds) * task.arrays.images[0, 0].size
        return [widened(self.space, c, self.families, self.full_seconds / pixels) for c in configurations]

    def usual_resampling(self, rows: int) -> int | float | None:
        """How so many rows are split where nobody has said how."""
        alone = all(is_network(family) for family in self.families.values())
        if self.full_seconds is None or self.device != "cpu" or not alone:
            return None
        return networks_alone(rows, full_epochs(rows), self.full_seconds)

    @property
    def full_seconds(self) -> float | None:
        """Seconds that a full trial of an initial configuration should take; None without a time limit."""
        return None if self.time_limit is None else self.full_share * self.time_limit

    def runner(self, evaluator: Evaluator) -> ProcessRunner:
        """Workers for trials, under the limits of the plan."""
        from automl.runners.processes import ProcessRunner

        return ProcessRunner(
            evaluator,
            n_jobs=self.n_jobs,
            threads=self.threads,
            time_limit=self.trial_time_limit,
            memory_limit=self.memory_limit,
            first=FIRST_MODULES,
            preload=WORKER_MODULES,
        )

    def evaluator(self, task: Task, folder: Path, deadline: float | None) -> Evaluator:
        """What trains trials of the task, until the `time.monotonic` value `deadline`."""
        return Evaluator(
            stored=StoredTask.write(task, folder / "task"),
            families=self.families,
            fidelity=self.fidelity,
            folder=folder,
            epochs=self.epochs,
            deadline=deadline,
            trial_time_limit=self.trial_time_limit,
            full_seconds=self.full_seconds,
            device=self.device,
        )

    def shared(self, task: Task, folder: Path) -> Advice:
        """What a method over the shared weights of the cells suggests, as wide as there is time for."""
        from automl.sharing import suggested

        advice = suggested(
            task,
            self.cells,
            self.space,
            method=str(self.warm_start),
            folder=folder,
            time_limit=self.time_limit,
            threads=self.n_jobs * self.threads,
            memory_limit=self.memory_limit,
            seed=self.seed,
            device=self.device,
        )
        return replace(advice, first=tuple(self._as_wide_as_fits(task, advice.first)))

    def optimizer(self, advice: Advice) -> Optimizer:
        """The method over the space, after what past tasks suggest."""
        from automl.search.catalogue import build

        return build(
            self.method,
            self.space,
            seed=self.seed,
            min_share=self.min_budget,
            eta=self.eta,
            initial=self.initial,
            advice=advice,
            early=self.early,
        )

    def identity(self) -> dict[str, Any]:
        """What must be equal for a run to be a continuation of another.

        `memory_limit` is not among it: by default it is a share of what is free at the start, by which no call would
        find its run again. Trials that ended by an earlier limit stay as they are. Nor are limits that only end a
        search, and `n_jobs`, `threads` and `ensemble_size`, which change no trial's configuration.
        """
        weights = [str(path) for each in self.families.values() for path in getattr(each, "weights", {}).values()]
        return ({"weights": weights} if weights else {}) | {
            "fidelities": self.fidelity.axes,
            "min_budget": self.min_budget,
            "eta": self.eta,
            "epochs": self.epochs,
            "initial": [dict(c) for c in self.initial],
            "warm_start": self.warm_start,
            "knowledge": self.knowledge,
            "ordered": self.n_trials is not None,
            "device": self.device,
            "trial_time_limit": self.trial_time_limit,
            "full_seconds": self.full_seconds,
        }


def full_epochs(rows: int) -> int:
    """Epochs of a full run: many for few rows, so that a run has at least some thousand steps."""
    return int(min(max(400_000 / max(rows, 1), 15), 100))
