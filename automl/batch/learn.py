"""One task of a batch, in this process: search, model, comparison and result."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.batch.check import rows_of
from automl.batch.comparison import fit_autonet, fit_baseline, quality
from automl.batch.result import MODEL, TaskResult, TaskState, write_result
from automl.interrupts import finishing
from automl.search.trial import State, Trial
from automl.taskfile import TaskFile

if TYPE_CHECKING:
    from automl.base import Classifier
    from automl.batch.comparison import Split
    from automl.estimator import AutoNetRegressor
    from automl.interrupts import Presses
    from metalearn import Store


def learn(task: TaskFile, folder: Path, store: Store, memory: float, presses: Presses) -> None:
    """Search, and write model and result into the folder of the task.

    Parameters
    ----------
    store: where the search is kept: one that was killed goes on.
    memory: MiB that all workers together may take, where the task sets no limit of its own.
    presses: how often Ctrl-C was pressed; a search that it ended goes on with the next batch.
    """
    rows, digest = rows_of(task)
    result = TaskResult(
        task.name,
        TaskState.RUNNING,
        digest,
        kind=rows.kind,
        rows=len(rows.X),
        test_rows=len(rows.X_test),
        features=rows.X.shape[1],
    )
    settings: dict[str, Any] = {"random_state": 0, **task.settings, "store": store}
    settings.setdefault("memory_limit", memory / _workers(settings.get("n_jobs", -1)))
    began = time.monotonic()

    # All of this is done before the run counts as finished in the store: if it is killed, the search is not repeated.
    def keep(model: Classifier | AutoNetRegressor) -> None:
        seconds = time.monotonic() - began
        state = TaskState.INTERRUPTED if presses.count else TaskState.DONE
        with finishing():
            model.save(folder / MODEL)
            write_result(replace(_judged(result, model, rows), state=state, seconds=seconds), folder)

    fit_autonet(rows, settings, keep)


def _judged(result: TaskResult, model: Classifier | AutoNetRegressor, rows: Split) -> TaskResult:
    metric = model.metric_name_
    return replace(
        result,
        metric=metric,
        scored="R²" if rows.classes is None else "accuracy",
        trials=len(model.history_),
        validation_loss=model.validation_loss_,
        autonet=quality(model, rows, metric),
        baseline=quality(fit_baseline(rows), rows, metric),
        curve=tuple(best_so_far(model.history_)),
        rungs=model.history_.rank_correlations(),
    )


def best_so_far(trials: Iterable[Trial]) -> Iterator[tuple[float, float]]:
    """Seconds that the trials have taken by then, and the least loss so far, at each better one and at the end."""
    seconds, best = 0.0, math.inf
    for trial in trials:
        seconds += trial.cost
        if trial.state is State.DONE and trial.loss < best:
            best = trial.loss
            yield seconds, best
    if math.isfinite(best):
        yield seconds, best


def _workers(n_jobs: Any) -> int:
    from joblib import effective_n_jobs

    return int(effective_n_jobs(n_jobs))
