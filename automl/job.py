"""A task and a plan → a history and an ensemble: assembles the search, runs it and keeps the time."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.ensemble import greedy_weights
from automl.errors import SearchFailed
from automl.evaluation.evaluator import OUT_OF_FOLD, Evaluator, read_model
from automl.evaluation.fidelity import Fidelity
from automl.evaluation.fitted import EnsembleModel
from automl.resampling import Fold
from automl.search.history import History
from automl.search.trial import Proposal, State, Trial, trial_seed
from automl.space import FAMILY
from automl.task import StoredTask, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.architectures.family import Family
    from metalearn import Store

WORKER_MODULES = ("automl.evaluation.fit_networks", "automl.evaluation.fit_estimators", "sklearn.ensemble", "skops.io")
"""Imported once before workers are made; the same for all searches, so that one nursery serves them all."""
CANDIDATES = 50
"""Trials of least loss among which the ensemble is chosen."""
_NO_ROWS = np.empty(0, dtype=np.int64)
GRACE = 1.0
"""Seconds before the end of the search at which training stops by itself, to predict and to save."""
GREEDY_ROWS = 20_000
"""Rows on which the ensemble's weights are chosen, at most."""


@dataclass(frozen=True)
class Plan:
    """How a task is searched; every field is checked by whoever makes it.

    Attributes
    ----------
    space, families, initial: what is searched, and what is tried first.
    method: name in the catalogue of methods.
    fidelity, min_budget, eta: what a budget buys, and the ladder of budgets.
    epochs: of a full run of a network; set by `sized_for`.
    n_trials, time_limit (seconds): when to stop.
    ensemble_size: choices of the greedy ensemble.
    n_jobs, threads: workers, and threads of each.
    memory_limit (MiB), trial_time_limit (seconds): of a trial, or None.
    device: "cpu" or "cuda".
    seed: of everything random.
    """

    space: ConfigurationSpace
    families: Mapping[str, Family]
    initial: Sequence[Mapping[str, Any]]
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

    def sized_for(self, task: Task) -> Plan:
        """The plan with as many epochs as the task's training rows need."""
        return replace(self, epochs=full_epochs(len(task.folds[0].train)))

    def identity(self) -> dict[str, Any]:
        """What must be equal for a run to be a continuation of another."""
        return {
            "fidelities": self.fidelity.axes,
            "min_budget": self.min_budget,
            "eta": self.eta,
            "epochs": self.epochs,
            "initial": [dict(c) for c in self.initial],
            "ordered": self.n_trials is not None,
            "device": self.device,
        }


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
) -> Outcome:
    """Search and build the ensemble.

    Parameters
    ----------
    began: `time.monotonic` value from which the time limit counts.
    store: where the run is kept, so that the same call resumes it; None keeps it in a temporary folder.
    listen: told of every trial when it starts and when it ends.

    Raises
    ------
    SearchFailed: no trial finished; names the causes by number and the first traceback.
    """
    if store is None:
        folder = Path(tempfile.mkdtemp(prefix="autonet-"))
        try:
            return _search(task, plan, began, folder, None, listen)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    from automl.search.journal import Journal, fingerprint, space_text

    identity = {
        "task": task_digest(task),
        "space": space_text(plan.space),
        "method": plan.method,
        "seed": plan.seed,
        **plan.identity(),
    }
    journal = Journal(
        store,
        fingerprint(identity),
        space=identity["space"],
        method=plan.method,
        seed=plan.seed,
        settings=plan.identity(),
    )
    return _search(task, plan, began, store.artefact_dir(journal.run_id), journal, listen)


def _search(
    task: Task, plan: Plan, began: float, folder: Path, journal: Any, listen: Callable[[Trial], None]
) -> Outcome:
    from automl.runners.processes import ProcessRunner
    from automl.search import catalogue
    from automl.search.loop import Search

    deadline = None if plan.time_limit is None else began + plan.time_limit - _reserve(task, plan)
    grace = min(GRACE, 0.05 * (plan.time_limit or 0.0))
    evaluator = Evaluator(
        stored=StoredTask.write(task, folder / "task"),
        families=plan.families,
        fidelity=plan.fidelity,
        folder=folder,
        epochs=plan.epochs,
        deadline=None if deadline is None else deadline - grace,
        trial_time_limit=plan.trial_time_limit,
        device=plan.device,
    )
    optimizer = catalogue.build(
        plan.method, plan.space, seed=plan.seed, min_share=plan.min_budget, eta=plan.eta, initial=plan.initial
    )

    def predict(history: History, proposal: Proposal) -> float | None:
        seconds = predicted_cost(history, proposal)
        return grace + (seconds or 0.0)

    def record(trial: Trial) -> None:
        if journal is not None:
            journal.record(trial)
        listen(trial)

    with ProcessRunner(
        evaluator,
        n_jobs=plan.n_jobs,
        threads=plan.threads,
        time_limit=plan.trial_time_limit,
        memory_limit=plan.memory_limit,
        preload=WORKER_MODULES,
    ) as runner:
        runner.warm_up()
        # The models are read here when the search is over: what that needs is imported while trials run.
        threading.Thread(target=_import_all, args=(WORKER_MODULES,), daemon=True).start()
        history = Search(
            optimizer,
            runner,
            seed=plan.seed,
            history=History() if journal is None else journal.history(),
            n_trials=plan.n_trials,
            deadline=deadline,
            ordered=plan.n_trials is not None,
            lookahead=catalogue.METHODS[plan.method].lookahead,
            record=record,
            predict=predict,
        ).run()
    _raise_if_all_failed(history)
    end = None if plan.time_limit is None else began + plan.time_limit
    outcome = _ensemble(task, plan, history, folder, end)
    if journal is not None:
        journal.finish()
    return outcome


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


def prepare_workers() -> None:
    """Begin to start what workers are made from, so that it is ready when the table is."""
    from automl.runners.nursery import prepare

    prepare(WORKER_MODULES)


def _import_all(modules: Sequence[str]) -> None:
    for module in modules:
        import_module(module)


def _reserve(task: Task, plan: Plan) -> float:
    """Seconds kept for the ensemble and for reading the chosen models."""
    size = len(task.judged) * task.outputs * min(CANDIDATES, GREEDY_ROWS) / 1e8
    return min(0.25 * (plan.time_limit or 0.0), 0.6 + size)


def _raise_if_all_failed(history: History) -> None:
    if history.done:
        return
    if not len(history):
        raise SearchFailed("no trial was started: the time limit is too short; raise time_limit or set n_trials")
    causes = Counter(t.state.value for t in history)
    first = next((t.result.error for t in history if t.result.error), "no reason was given")
    listed = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
    raise SearchFailed(
        f"none of {len(history)} trials finished ({listed}); raise time_limit, trial_time_limit or memory_limit, or "
        f"mend the cause. The first one failed with:\n{first}"
    )


def _ensemble(task: Task, plan: Plan, history: History, folder: Path, end: float | None) -> Outcome:
    """Choose weights on the out-of-fold predictions of the best trials and read the models chosen."""
    kept = [t for t in history.done if (folder / str(t.number) / OUT_OF_FOLD).exists()]
    if not kept:
        raise SearchFailed(
            f"the predictions of {len(history.done)} finished trials are gone from {folder}; use a new store"
        )
    best = sorted(kept, key=lambda t: (t.loss, t.number))[:CANDIDATES]
    rows = np.arange(len(task.judged))
    if len(rows) > GREEDY_ROWS:
        rows = np.sort(np.random.default_rng(plan.seed).choice(rows, GREEDY_ROWS, replace=False))
    predictions = np.stack([np.load(folder / str(t.number) / OUT_OF_FOLD)[rows] for t in best])
    y = task.y[task.judged][rows]
    weight = None if task.weight is None else task.weight[task.judged][rows]

    def loss(values: Any) -> float:
        return task.metric.loss(y, values, weight)

    # Half of what is left is for choosing, the other half for reading the models.
    deadline = None if end is None else time.monotonic() + max(0.0, end - time.monotonic()) / 2
    weights = greedy_weights(predictions, loss, size=plan.ensemble_size, deadline=deadline)
    chosen = [(t, float(w)) for t, w in zip(best, weights, strict=True) if w > 0]
    ensemble = EnsembleModel(
        members=[read_model(folder / str(t.number), plan.families) for t, _ in chosen],
        weights=[w for _, w in chosen],
        trials=[t.number for t, _ in chosen],
    )
    mean = np.tensordot(weights, predictions, axes=1)
    return Outcome(history, ensemble, loss(mean))


def refit_ensemble(task: Task, plan: Plan, ensemble: EnsembleModel) -> EnsembleModel:
    """The ensemble with its members trained on all rows, each for the share of a full run that was best for it.

    Trials like any other, in workers and under their limits; a member whose trial fails is kept as it was.
    """
    from automl.runners.processes import ProcessRunner

    whole = replace(task, folds=(Fold(np.concatenate([task.folds[0].train, task.folds[0].valid]), _NO_ROWS),))
    trials = [
        Trial(k, Proposal(member.config, member.effort), trial_seed(plan.seed, k))
        for k, member in enumerate(ensemble.members)
    ]
    members = list(ensemble.members)
    with tempfile.TemporaryDirectory(prefix="autonet-") as name:
        folder = Path(name)
        stored = StoredTask.write(whole, folder / "task")
        evaluator = Evaluator(stored, plan.families, Fidelity(("epochs",)), folder, plan.epochs, device=plan.device)
        with ProcessRunner(
            evaluator,
            n_jobs=plan.n_jobs,
            threads=plan.threads,
            time_limit=plan.trial_time_limit,
            memory_limit=plan.memory_limit,
            preload=WORKER_MODULES,
        ) as runner:
            for trial in trials:
                runner.submit(trial)
            left = len(trials)
            while left:
                for number, result in runner.collect(None):
                    left -= 1
                    if result.state is State.DONE:
                        members[number] = read_model(folder / str(number), plan.families)
    return replace(ensemble, members=members)


def full_epochs(rows: int) -> int:
    """Epochs of a full run: many for few rows, so that a run has at least some thousand steps."""
    return int(np.clip(400_000 / max(rows, 1), 15, 100))


def task_digest(task: Task) -> str:
    """Hash of everything that a task is made of."""
    import hashlib

    digest = hashlib.sha256()
    parts = [
        task.arrays.numbers,
        task.arrays.codes,
        task.y,
        *(a for f in task.folds for a in (f.train, f.valid)),
    ]
    for array in parts if task.weight is None else [*parts, task.weight]:
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(f"{task.metric.name}{task.levels}".encode())
    return digest.hexdigest()
