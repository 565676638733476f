"""A configuration at a budget → a result. The only place that trains."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.architectures.family import is_network, takes_images
from automl.artefact import pack, unpack
from automl.evaluation.fidelity import Fidelity, Resources
from automl.evaluation.fitted import Fitted, TrialModel
from automl.search.trial import INITIAL_BRACKET, Result, State, Trial
from automl.space import FAMILY
from automl.task import StoredTask, Task

if TYPE_CHECKING:
    from automl.architectures.family import Family

MODEL, OUT_OF_FOLD, WORK, CHECKPOINT = "model.npy", "out_of_fold.npy", "work.npy", "checkpoint"
CONVERGED = "converged"
"""Name of an empty file: the trial's training ended by itself, and more of it would change nothing."""
EXPLORED = 0.2
"""Share of the seconds of an initial configuration, known to be good, that one nobody has tried may take."""
LEAST_BUDGET = 0.25
"""Budget below which a trial is given no less time: what precedes its training takes as long at every budget."""
_MARGIN = 0.9
"""Share of a trial's time limit at which training stops by itself, so that the limit need not kill the worker."""


@dataclass(frozen=True)
class Evaluator:
    """Runs in a worker; called once a trial.

    Attributes
    ----------
    stored: the task, on disk.
    families: by name.
    fidelity: what a budget buys.
    folder: where each trial leaves its model and predictions, `<folder>/<number>/`.
    epochs: of a full run of a network.
    deadline: `time.monotonic` value at which the search ends, or None.
    trial_time_limit: seconds, or None.
    full_seconds: that a full trial of an initial configuration should take, or None: networks get fewer epochs, and
        what takes twice as long is stopped and judged as it is. Others get a share of it.
    device: "cpu" or "cuda".
    """

    stored: StoredTask
    families: Mapping[str, Family]
    fidelity: Fidelity
    folder: Path
    epochs: int
    deadline: float | None = None
    trial_time_limit: float | None = None
    full_seconds: float | None = None
    device: str = "cpu"

    def _continues(self, family: Family) -> bool:
        """Weights go on only where rows and shapes stay the same; on more rows or wider training starts anew."""
        spent = {
            "rows",
            *(axis for axis, names in (("width", "widths"), ("cells", "cells")) if getattr(family, names, ())),
        }
        return not spent & set(self.fidelity.axes)

    def _resizes(self, family: Family) -> bool:
        """Whether a larger budget means larger images."""
        return takes_images(family) and "resolution" in self.fidelity.axes

    @cached_property
    def task(self) -> Task:
        return self.stored.open()

    def __call__(self, trial: Trial) -> Result:
        began = time.monotonic()
        family = self.families[trial.config[FAMILY]]
        repeated = self._repeated(family, trial)
        if repeated is not None:
            return replace(repeated, cost=time.monotonic() - began)
        resources = self.fidelity.at(trial.budget)
        fitted = self._fit(family, trial, resources, self._trial_deadline(family, trial, began))
        out_of_fold = _assemble(self.task, fitted.predictions)
        loss = self.task.loss(out_of_fold)
        folder = self.folder / str(trial.number)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONVERGED).unlink(missing_ok=True)  # of the same trial, if it was killed after it had been written
        _write(folder / OUT_OF_FOLD, out_of_fold)
        _write(folder / WORK, np.array(fitted.model.work))
        _write(folder / MODEL, np.frombuffer(pack(fitted.model.state()), dtype=np.uint8))
        if fitted.converged:
            (folder / CONVERGED).touch()
        elif fitted.checkpoint is not None and trial.budget < 1 and self._continues(family):
            from automl.training import checkpoints

            checkpoints.save(fitted.checkpoint, folder / CHECKPOINT)
        if not np.isfinite(loss):
            return Result(State.CRASHED, error=f"the loss is {loss}", cost=time.monotonic() - began)
        return Result(State.DONE, loss, time.monotonic() - began, fitted.curve, str(folder))

    def _repeated(self, family: Family, trial: Trial) -> Result | None:
        """The parent's result under the trial's own number, where a larger budget would buy nothing more."""
        if not trial.proposal.promoted or not self._continues(family) or self._resizes(family):
            return None
        parent, folder = self.folder / str(trial.proposal.parent), self.folder / str(trial.number)
        through = (parent / CONVERGED).exists() or not getattr(family, "budgeted", True)
        if not through or not (parent / OUT_OF_FOLD).exists():
            return None
        folder.mkdir(parents=True, exist_ok=True)
        for name in (MODEL, OUT_OF_FOLD, WORK):
            _write(folder / name, np.load(parent / name))
        (folder / CONVERGED).touch()
        return Result(State.DONE, self.task.loss(np.load(folder / OUT_OF_FOLD)), artefact=str(folder))

    def _fit(self, family: Family, trial: Trial, resources: Resources, deadline: float | None) -> Fitted:
        if self.task.metric.several:
            from automl.evaluation.fit_labels import fit_labels

            return fit_labels(self.task, lambda one, end: self._fit_one(one, family, trial, resources, end), deadline)
        return self._fit_one(self.task, family, trial, resources, deadline)

    def _fit_one(
        self, task: Task, family: Family, trial: Trial, resources: Resources, deadline: float | None
    ) -> Fitted:
        if not is_network(family):
            from automl.evaluation.fit_estimators import fit_estimators

            return fit_estimators(task, family, trial, resources, deadline)
        from automl.evaluation.fit_networks import fit_networks

        checkpoint, ancestor = None, None
        if trial.proposal.parent is not None:
            parent = self.folder / str(trial.proposal.parent)
            if not trial.proposal.promoted:
                ancestor = self._ancestor(parent)
            elif (parent / CHECKPOINT).exists() and self._continues(family):
                checkpoint = parent / CHECKPOINT
        return fit_networks(
            task,
            family,
            trial,
            resources,
            epochs=self.epochs,
            seconds=self._network_seconds(trial),
            checkpoint=checkpoint,
            ancestor=ancestor,
            resized=self._resizes(family),
            deadline=deadline,
            device=self.device,
        )

    def _ancestor(self, folder: Path) -> TrialModel | None:
        """The model of the trial whose weights are inherited; None where it has left none that can be."""
        if self.task.metric.several or not (folder / MODEL).exists():
            return None
        return read_model(folder, self.families)

    def _seconds(self, trial: Trial) -> float | None:
        """That a full run of the trial's configuration should take."""
        if self.full_seconds is None or trial.proposal.bracket == INITIAL_BRACKET:
            return self.full_seconds
        return EXPLORED * self.full_seconds

    def _network_seconds(self, trial: Trial) -> float | None:
        """That the networks of one label should take, or all there are."""
        seconds = self._seconds(trial)
        return None if seconds is None else seconds / (self.task.outputs if self.task.metric.several else 1)

    def _trial_deadline(self, family: Family, trial: Trial, began: float) -> float | None:
        ends = [] if self.deadline is None else [self.deadline]
        if self.trial_time_limit is not None:
            ends.append(began + _MARGIN * self.trial_time_limit)
        seconds = self._seconds(trial)
        if seconds is not None and len(self.task.judged):  # a model without rows to judge it by is needed whole
            share = max(trial.budget, LEAST_BUDGET) if getattr(family, "budgeted", True) else 1.0
            ends.append(began + 2 * seconds * share)
        return min(ends, default=None)


def read_model(folder: Path, families: Mapping[str, Family]) -> TrialModel:
    """The model that a trial left in its folder."""
    return TrialModel.from_state(unpack(np.load(folder / MODEL).tobytes()), families)


def _write(path: Path, array: NDArray[Any]) -> None:
    """The file appears whole or not at all: a worker may be killed at any moment."""
    part = path.with_name(f"{path.name}.{os.getpid()}.npy")
    np.save(part, array)
    part.replace(path)


def _assemble(task: Task, predictions: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Predictions of the judged rows; the mean where a row was validated more than once.

    Values are kept in double precision, since a target may be a billion with a spread of one.
    """
    total = np.zeros((len(task.judged), task.outputs))
    times = np.zeros((len(task.judged), 1))
    for fold, predicted in zip(task.folds, predictions, strict=True):
        at = np.searchsorted(task.judged, fold.valid)
        total[at] += predicted
        times[at] += 1
    return (total / times).astype(np.float32 if task.classification else np.float64)
