"""The members of an ensemble trained anew on all rows."""

from __future__ import annotations

import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.errors import SearchFailed
from automl.evaluation.evaluator import Evaluator, read_model
from automl.evaluation.fidelity import Fidelity
from automl.resampling import Fold
from automl.search.trial import Proposal, Result, State, Trial, trial_seed
from automl.task import StoredTask, Task

if TYPE_CHECKING:
    from automl.evaluation.fitted import EnsembleModel
    from automl.plan import Plan
    from automl.runners.processes import ProcessRunner
    from automl.search.history import History

_NO_ROWS = np.empty(0, dtype=np.int64)


def refit_ensemble(task: Task, plan: Plan, ensemble: EnsembleModel, history: History) -> EnsembleModel:
    """The ensemble with its members trained on all rows, within the time limit; see `refitted`.

    Members that are kept as they were are told of by a warning.

    Raises
    ------
    SearchFailed: no member could be refitted.
    """
    deadline = None if plan.time_limit is None else time.monotonic() + plan.time_limit
    found, failed = refitted(task, plan, ensemble, history, deadline)
    if len(failed) == len(ensemble.members):
        raise SearchFailed(f"none of {len(failed)} members could be refitted; the first failed with:\n{failed[0]}")
    if failed:
        first = next(iter(failed.values())).strip().splitlines()[-1]
        warnings.warn(
            f"{len(failed)} of {len(found.members)} members could not be refitted and are kept as they were: {first}",
            stacklevel=3,
        )
    return found


def refitted(
    task: Task, plan: Plan, ensemble: EnsembleModel, history: History, deadline: float | None
) -> tuple[EnsembleModel, dict[int, str]]:
    """The ensemble with its members trained on all rows, each for the share of a full run that was best for it.

    They are trials like any other, in workers and under the limits of the plan, those of more weight first. A member
    whose trial fails, or for which there is no time, is kept as it was.

    Parameters
    ----------
    history: of the search that found the members: one that had more seconds there, as an initial configuration, has
        them again.
    deadline: `time.monotonic` value; None where there is no end.

    Returns
    -------
    The ensemble, and why a member, by its place, is as it was.
    """
    everything = replace(task, folds=(Fold(np.arange(len(task.y)), _NO_ROWS),))
    learned = sum(len(fold.train) for fold in task.folds)
    members, failed = list(ensemble.members), dict.fromkeys(range(len(ensemble.members)), "the time limit had passed")
    with tempfile.TemporaryDirectory(prefix="autonet-") as name:
        folder = Path(name)
        stored = StoredTask.write(everything, folder / "task")
        evaluator = Evaluator(
            stored,
            plan.families,
            Fidelity(("epochs",)),
            folder,
            plan.epochs,
            # One network on all rows in place of one per fold: about the same epochs as in the search.
            full_seconds=None if plan.full_seconds is None else plan.full_seconds * len(task.y) / learned,
            device=plan.device,
        )
        with plan.runner(evaluator) as runner:
            for k in sorted(failed, key=lambda k: -ensemble.weights[k]):
                member = members[k]
                bracket = history[ensemble.trials[k]].proposal.bracket
                proposal = Proposal(member.config, member.effort, bracket=bracket)
                runner.submit(Trial(k, proposal, trial_seed(plan.seed, k)))
            for number, result in _ended(runner, len(members), deadline):
                failed[number] = result.error
                if result.state is State.DONE:
                    members[number] = read_model(folder / str(number), plan.families)
                    del failed[number]
    return replace(ensemble, members=members), failed


def _ended(runner: ProcessRunner, count: int, deadline: float | None) -> list[tuple[int, Result]]:
    """Results of the trials that end before the deadline."""
    ended: list[tuple[int, Result]] = []
    while len(ended) < count:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            break
        ended += runner.collect(left)
    return ended
