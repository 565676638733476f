"""Which trials become the ensemble: chosen on their out-of-fold predictions, then read from disk."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.calibration import Calibration, fit_factors, fit_floor, fit_temperature, two_classes
from automl.ensemble import affordable_weights, pruned
from automl.errors import SearchFailed
from automl.evaluation.evaluator import OUT_OF_FOLD, WORK, read_model
from automl.evaluation.fitted import EnsembleModel
from automl.search.trial import config_key

if TYPE_CHECKING:
    from automl.architectures.family import Family
    from automl.search.history import History
    from automl.search.trial import Trial
    from automl.task import Task

CANDIDATES = 50
"""Trials of least loss among which the ensemble is chosen."""
MOST_WORK = 75.0
"""Microseconds of a CPU core that an ensemble may take to predict a row: LightGBM takes 27 for 500 trees …"""
TREES_A_ROUND = 3
"""… and as much for each class where there are this many, since a round then has a tree for each of them."""
IMAGE_WORK = 20_000.0
"""The same for an image: ten networks of the size that CPUs train within minutes."""
PRUNED = 2e-4
"""Share by which leaving out members may raise the loss of the ensemble."""
GREEDY_ROWS = 20_000
"""Rows on which the ensemble's weights are chosen, at most."""
GREEDY_CELLS = 20_000_000
"""Predicted numbers of all candidates together that are held in memory for it, at most."""


def most_work(task: Task) -> float:
    """Microseconds of a CPU core that an ensemble for this task may take to predict a row."""
    if task.arrays.images is not None:
        return IMAGE_WORK
    return MOST_WORK * (task.outputs if task.outputs >= TREES_A_ROUND else 1)


def greedy_rows(task: Task) -> int:
    """Rows on which the weights for this task are chosen."""
    return min(len(task.judged), GREEDY_ROWS, max(1000, GREEDY_CELLS // (CANDIDATES * task.outputs)))


def build_ensemble(
    task: Task,
    history: History,
    folder: Path,
    families: Mapping[str, Family],
    *,
    size: int,
    seed: int,
    end: float | None,
) -> tuple[EnsembleModel, float]:
    """The ensemble and its loss on all out-of-fold predictions; never worse than the best single trial there.

    Parameters
    ----------
    folder: where the trials left their models and predictions.
    size: choices of the greedy selection.
    end: `time.monotonic` value at which it should be there; half of the time left is for choosing.

    Raises
    ------
    SearchFailed: the predictions are gone.
    """
    best = [t for t in candidates(history, folder) if _work(folder, t) <= most_work(task)] or candidates(
        history, folder
    )
    if not best:
        raise SearchFailed(
            f"the predictions of {len(history.done)} finished trials are gone from {folder}; use a new store"
        )
    deadline = None if end is None else time.monotonic() + max(0.0, end - time.monotonic()) / 2
    weights = _weights(task, best, folder, size, seed, deadline)
    chosen = [(t, float(w)) for t, w in zip(best, weights, strict=True) if w > 0]
    outputs = sum(w * _predictions(folder, t) for t, w in chosen)
    loss = task.loss(outputs)
    if loss > best[0].loss:  # weights chosen on some of the rows, or the mean of one member rounded
        chosen, outputs, loss = [(best[0], 1.0)], _predictions(folder, best[0]), best[0].loss
    members = [read_model(folder / str(t.number), families) for t, _ in chosen]
    calibration, loss = _calibrated(task, outputs, loss, seed, end)
    return EnsembleModel(members, [w for _, w in chosen], [t.number for t, _ in chosen], calibration), loss


def candidates(history: History, folder: Path) -> list[Trial]:
    """The best trials whose predictions are there, each model once: a promoted trial may repeat its parent."""
    seen: set[tuple[str, float]] = set()
    found: list[Trial] = []
    for trial in sorted(history.done, key=lambda t: (t.loss, t.number)):
        key = (config_key(trial.config), trial.loss)
        if key not in seen and (folder / str(trial.number) / OUT_OF_FOLD).exists():
            seen.add(key)
            found.append(trial)
    return found[:CANDIDATES]


def _weights(
    task: Task, best: Sequence[Trial], folder: Path, size: int, seed: int, deadline: float | None
) -> NDArray[np.float64]:
    rows = np.arange(len(task.judged))
    if greedy_rows(task) < len(rows):
        rows = np.sort(np.random.default_rng(seed).choice(rows, greedy_rows(task), replace=False))
    predictions = np.stack([_predictions(folder, t)[rows] for t in best])
    y = task.y[task.judged][rows]
    weight = None if task.weight is None else task.weight[task.judged][rows]
    losses = [t.loss for t in best] if len(rows) == len(task.judged) else None

    def loss(p: NDArray[Any]) -> float:
        return task.metric.loss(y, p, weight)

    weights = affordable_weights(
        predictions,
        loss,
        size=size,
        single=losses,
        work=[_work(folder, t) for t in best],
        most_work=most_work(task),
        deadline=deadline,
    )
    return pruned(predictions, weights, loss, tolerance=PRUNED, deadline=deadline)


def _work(folder: Path, trial: Trial) -> float:
    """Microseconds of a CPU core that the trial's model takes to predict a row, about."""
    return float(np.load(folder / str(trial.number) / WORK))


def _calibrated(task: Task, outputs: Any, loss: float, seed: int, end: float | None) -> tuple[Calibration, float]:
    """What lowers the loss of the ensemble's out-of-fold predictions (rows, outputs), and their loss then."""
    y = task.y[task.judged]
    weight = None if task.weight is None else task.weight[task.judged]
    if task.metric.several:
        return _calibrated_apart(task, outputs, loss, seed, end)
    least = task.metric.least(y)
    if least is not None:
        return Calibration(least=least), loss  # it is judged so already
    if task.metric.proper:
        found = Calibration(temperature=fit_temperature(outputs, y, weight))
        if task.metric.unfloored:
            found = replace(found, floor=fit_floor(found.corrected(outputs), y))
            return found, task.loss(found.corrected(outputs))
        corrected = task.loss(found.corrected(outputs))
    elif task.metric.absolute and weight is None:
        found = Calibration(shift=float(np.median(y - outputs[:, 0])))
        corrected = task.loss(found.corrected(outputs))
    elif task.metric.judges_labels:

        def loss_of(rows: NDArray[np.int64], p: NDArray[Any]) -> float:
            return task.metric.loss(y[rows], p, None if weight is None else weight[rows])

        deadline = None if end is None else time.monotonic() + max(0.0, end - time.monotonic()) / 2
        found = Calibration(factors=fit_factors(outputs, y, loss_of, seed=seed, deadline=deadline))
        corrected = task.loss(found.decided(outputs))
    else:
        return Calibration(), loss
    return (found, corrected) if corrected < loss else (Calibration(), loss)


def _calibrated_apart(task: Task, outputs: Any, loss: float, seed: int, end: float | None) -> tuple[Calibration, float]:
    """The same for several labels: one temperature for all, and a threshold for each."""
    plain, y = Calibration(apart=True), task.y[task.judged]
    weight = None if task.weight is None else task.weight[task.judged]
    if task.metric.proper:
        two, one = two_classes(outputs), y.ravel()
        each = None if weight is None else weight.repeat(y.shape[1])
        found = replace(plain, temperature=fit_temperature(two, one, each))
        if task.metric.unfloored:
            found = replace(found, floor=fit_floor(two_classes(found.corrected(outputs)), one))
            return found, task.loss(found.corrected(outputs))
        corrected = task.loss(found.corrected(outputs))
    elif task.metric.judges_labels:
        late = None if end is None else time.monotonic() + max(0.0, end - time.monotonic()) / 2
        metric = task.metric.of_one()

        def factor(truth: NDArray[np.int64], p: NDArray[Any]) -> float:
            def loss_of(rows: NDArray[np.int64], shares: NDArray[Any]) -> float:
                return metric.loss(truth[rows], shares, None if weight is None else weight[rows])

            factors = fit_factors(two_classes(p[:, None]), truth, loss_of, seed=seed, deadline=late)
            return float(factors[1] / factors[0]) if factors else 1.0

        found = replace(plain, factors=tuple(factor(y[:, k], p) for k, p in enumerate(outputs.T)))
        corrected = task.loss(found.decided(outputs))
    else:
        return plain, loss
    return (found, corrected) if corrected < loss else (plain, loss)


def _predictions(folder: Path, trial: Trial) -> Any:
    return np.load(folder / str(trial.number) / OUT_OF_FOLD, mmap_mode="r")
