"""A task and a plan → a history and an ensemble: assembles the search, runs it and keeps the time."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from automl.advise import advise
from automl.errors import SearchFailed
from automl.evaluation.fitted import EnsembleModel
from automl.interrupts import finishing
from automl.metafeatures import metafeatures
from automl.refit import refitted
from automl.search.advice import Advice
from automl.search.history import History
from automl.search.report import failure_report
from automl.search.trial import Proposal, State, Trial
from automl.selection import CANDIDATES, build_ensemble, greedy_rows
from automl.space import FAMILY
from automl.task import Task
from automl.workers import FIRST_MODULES, WORKER_MODULES, import_all

if TYPE_CHECKING:
    from automl.plan import Plan
    from automl.search.journal import Journal
    from automl.search.loop import Search
    from metalearn import Store

GRACE = 1.0
"""Seconds before the end of the search at which training stops by itself, to predict and to save …"""
GRACE_ROWS, GRACE_IMAGES, GRACE_PIXELS = 100_000, 500, 64 * 64
"""… and validation rows, or images of so many pixels at most, that take a second more."""

REFIT_GRACE = 1.0
"""Seconds before the end at which members are no longer trained anew: the workers must be ended."""


@dataclass(frozen=True)
class Outcome:
    """What a search leaves behind."""

    history: History
    ensemble: EnsembleModel
    loss: float


def run_job(
    task: Task,
    plan: Plan,
    *,
    began: float,
    store: Store | None,
    listen: Callable[[Trial], None] = lambda trial: None,
    keep: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Search and build the ensemble.

    Parameters
    ----------
    began: `time.monotonic` value from which the time limit counts.
    store: where the run is kept, so that the same call resumes it; None keeps it in a temporary folder.
    listen: told of every trial when it starts and when it ends.
    keep: given the outcome while the run in the store still counts as unfinished: what it writes is there, or the same
        call gets the same outcome again.

    Raises
    ------
    SearchFailed: no trial finished; names the causes by number and the first traceback.
    """
    if store is None:
        folder = Path(tempfile.mkdtemp(prefix="autonet-"))
        try:
            search = _search(task, plan, began, folder, None, _advice(task, plan, None), listen)
            outcome = _finish(task, plan, began, folder, search)
            keep(outcome)
            return outcome
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    journal = _journal(task, plan, store)
    folder = store.artefact_dir(journal.run_id)
    with store.sole(journal.run_id):
        # What a run was told when it began holds until it ends, though the store has learned more since.
        advice = Advice.of_json(store.run(journal.run_id).settings["advice"])
        search = _search(task, plan, began, folder, journal, advice, listen)
        try:
            outcome = _finish(task, plan, began, folder, search)
        except BaseException:
            # An interrupted run is kept, so that the same call goes on; one that failed must not be met again.
            if not search.interrupted:
                journal.finish()
            raise
        keep(outcome)
        if not search.interrupted:
            journal.finish()
    return outcome


def _advice(task: Task, plan: Plan, store: Store | None, features: Mapping[str, float] | None = None) -> Advice:
    if plan.warm_start is None or plan.cells is not None:
        return Advice()
    timed = plan.n_trials is None
    return advise(
        plan.warm_start, task, plan.space, store=store, knowledge=plan.knowledge, timed=timed, features=features
    )


def _journal(task: Task, plan: Plan, store: Store) -> Journal:
    from automl.search.journal import Journal, fingerprint, space_text
    from metalearn import TaskRecord

    space, data = space_text(plan.space), data_digest(task)
    kind = "classification" if task.classification else "regression"
    features = metafeatures(task)
    advice = _advice(task, plan, store, features)
    store.put_task(TaskRecord(data, kind=kind, metric=task.metric.name, metafeatures=features))
    identity = {"task": task_digest(task), "space": space, "method": plan.method, "seed": plan.seed, **plan.identity()}
    return Journal(
        store,
        fingerprint(identity),
        space=space,
        method=plan.method,
        seed=plan.seed,
        settings={**plan.identity(), "advice": advice.as_json()},
        task=data,
    )


def _search(
    task: Task,
    plan: Plan,
    began: float,
    folder: Path,
    journal: Journal | None,
    advice: Advice,
    listen: Callable[[Trial], None],
) -> Search:
    """The search, done: its history, and whether it was interrupted."""
    from automl.search import catalogue
    from automl.search.loop import Search

    limit = plan.time_limit
    deadline = None if limit is None else began + plan.search_share * limit - _reserve(task, limit)
    grace = 0.0 if limit is None else grace_of(task, limit)
    evaluator = plan.evaluator(task, folder, None if deadline is None else deadline - grace)
    optimizer = plan.optimizer(advice if plan.cells is None else plan.shared(task, folder))

    # The models are built here when they are first asked to predict: what that needs is imported while trials run.
    imports = threading.Thread(target=import_all, args=((*FIRST_MODULES, *WORKER_MODULES),), daemon=True)

    def record(trial: Trial) -> None:
        if journal is not None:
            journal.record(trial)
        if (
            trial.state is State.DONE and imports.ident is None
        ):  # not before: the first workers need the cores for the same imports
            imports.start()
        listen(trial)

    with plan.runner(evaluator) as runner:
        runner.warm_up()
        search = Search(
            optimizer,
            runner,
            seed=plan.seed,
            history=History() if journal is None else journal.history(),
            n_trials=plan.n_trials,
            deadline=deadline,
            ordered=plan.n_trials is not None,
            lookahead=catalogue.method_named(plan.method).lookahead,
            record=record,
            predict=lambda history, proposal: grace + (predicted_cost(history, proposal) or 0.0),
        )
        search.run()
    return search


def _finish(task: Task, plan: Plan, began: float, folder: Path, search: Search) -> Outcome:
    """The ensemble of what the search found."""
    history = search.history
    if not history.done:
        if search.interrupted:
            raise SearchFailed("interrupted before a trial had finished: there is no model; let it run longer")
        raise SearchFailed(
            f"{failure_report(history)}\nRaise time_limit, trial_time_limit or memory_limit, or mend the cause."
        )
    end = None if plan.time_limit is None else began + plan.search_share * plan.time_limit
    with nullcontext() if search.interrupted else finishing():
        ensemble, loss = build_ensemble(
            task, history, folder, plan.families, size=plan.ensemble_size, seed=plan.seed, end=end
        )
    if plan.search_share < 1 and plan.time_limit is not None and not search.interrupted:
        deadline = began + plan.time_limit - min(REFIT_GRACE, 0.02 * plan.time_limit)
        with suppress(KeyboardInterrupt):  # it ends a search with what was found
            ensemble, _ = refitted(task, plan, ensemble, history, deadline)
    return Outcome(history, ensemble, loss)


def predicted_cost(history: History, proposal: Proposal) -> float | None:
    """Seconds that a proposal will take: the median of its family at its budget, or else at the nearest one.

    Between budgets a cost is taken to grow in proportion, which overstates it: part of it is fixed. None while no
    trial of the family has finished.
    """
    family = proposal.config[FAMILY]
    same = [t for t in history.done if t.config[FAMILY] == family]
    if not same:
        return None
    nearest = min((t.budget for t in same), key=lambda b: abs(np.log(b / proposal.budget)))
    costs = [t.cost for t in same if t.budget == nearest]
    return float(np.median(costs[-9:])) * max(1.0, proposal.budget / nearest)


def grace_of(task: Task, limit: float) -> float:
    """Seconds before the end of a search of `limit` seconds at which training stops by itself."""
    a_second: float = GRACE_ROWS
    if task.arrays.images is not None:  # networks for images of more pixels are narrower, up to a point
        a_second = GRACE_IMAGES * min(1.0, GRACE_PIXELS / task.arrays.images[0, 0].size)
    return min(GRACE + len(task.judged) / a_second, 0.1 * limit)


def _reserve(task: Task, limit: float) -> float:
    """Seconds kept for the ensemble and for reading the chosen models."""
    cells = CANDIDATES * greedy_rows(task) * task.outputs
    return min(0.25 * limit, 0.6 + cells / 2e7)


def data_digest(task: Task) -> str:
    """Hash of the data, the target and the metric of a task, however it is split."""
    wide = task.arrays.wide
    entries = [] if wide is None else [wide.data, wide.indices, wide.indptr]
    weight = [] if task.weight is None else [task.weight]
    images = [] if task.arrays.images is None else [task.arrays.images]
    digest = _hashed([task.arrays.numbers, task.arrays.codes, *entries, *images, task.y, *weight])
    digest.update(f"{task.metric.name}{task.levels}".encode())
    if callable(task.metric.spec):  # two functions may share a name
        digest.update(cloudpickle.dumps(task.metric.spec))
    return digest.hexdigest()


def task_digest(task: Task) -> str:
    """Hash of everything that a task is made of."""
    digest = _hashed([rows for fold in task.folds for rows in (fold.train, fold.valid)])
    digest.update(data_digest(task).encode())
    return digest.hexdigest()


def _hashed(arrays: Sequence[NDArray[Any]]) -> hashlib._Hash:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)  # no copy, as `tobytes` would be
    return digest
