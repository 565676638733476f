"""CatBoost (Prokhorenkova et al. 2018), stopped early on the validation rows; of the extra `autonet[boosting]`."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.architectures.learner import VISIT, Clock, Rows, by_position

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.architectures.family import Shape
    from automl.artefact import State

ROUNDS = 500
"""Of a full run."""
PATIENCE = 3.0
"""Rounds without a better validation loss after which boosting ends, times the learning rate: 30 rounds at 0.1."""
_MISSING = -1
"""Code of a level that is missing or new: one level more to CatBoost."""


class CatBoost:
    """A budget buys a share of the 500 rounds; early stopping usually needs less than all of them.

    Plain boosting with one-hot columns for few levels: on one core ordered boosting with its combinations of categories
    takes about ten times as long, and was no better on tables of some thousand rows.
    """

    name = "catboost"
    inputs = "ordinal"
    package = "catboost"

    def space(self) -> ConfigurationSpace:
        """Ranges of TabArena (Erickson et al. 2025, arXiv 2506.16791), but for rates too small for 500 rounds.

        Trees are symmetric: growing them depthwise takes more than twice as long, and LightGBM grows others already.
        """
        from ConfigSpace import ConfigurationSpace, Float, Integer

        space = ConfigurationSpace()
        space.add(
            Float("learning_rate", (0.02, 0.3), default=0.1, log=True),
            Integer("depth", (3, 8), default=6),
            Float("l2_leaf_reg", (1e-2, 30.0), default=2.0, log=True),
            Float("subsample", (0.7, 1.0), default=0.8),
            Float("rsm", (0.4, 1.0), default=0.7),
            Float("random_strength", (0.1, 10.0), default=1.0, log=True),
            Integer("one_hot_max_size", (4, 100), default=20, log=True),
            Integer("max_ctr_complexity", (1, 4), default=2),
            Integer("border_count", (32, 254), default=64, log=True),
        )
        return space

    def build(self, shape: Shape, **config: Any) -> CatBoostLearner:
        return CatBoostLearner(config, categorical=len(shape.levels), values=shape.outputs == 1)

    def restore(self, state: State) -> CatBoostLearner:
        values, arrays = state
        restored = CatBoostLearner({}, categorical=values["categorical"], values=not len(arrays["classes"]))
        restored._set(arrays["model"].tobytes(), arrays["classes"], values["effort"])
        return restored


class CatBoostLearner:
    """A model, kept in CatBoost's own binary form.

    Parameters
    ----------
    config: parameters of CatBoost.
    categorical: columns, the last ones, that hold codes.
    values: whether targets are values rather than classes.
    """

    converged = False
    losses: Sequence[float] = ()

    def __init__(self, config: dict[str, Any], *, categorical: int, values: bool) -> None:
        self._config, self._categorical, self._values = config, categorical, values

    def fit_within(self, train: Rows, valid: Rows, *, share: float, seed: int, deadline: float | None) -> None:
        """Boost until the validation loss has stopped to fall, and keep the rounds up to the best one."""
        import catboost

        classes, train, valid = by_position(train, valid, values=self._values)
        rounds, stop = max(1, round(share * ROUNDS)), _Stop(Clock(deadline, prepares=True))
        model = catboost.CatBoost(
            {
                **self._config,
                "iterations": rounds,
                "loss_function": "RMSE" if self._values else "Logloss" if len(classes) == 2 else "MultiClass",
                "boosting_type": "Plain",
                "bootstrap_type": "Bernoulli",
                "random_seed": seed % 2**31,
                "thread_count": _threads(),
                "allow_writing_files": False,
                "logging_level": "Silent",
                "use_best_model": False,
            }
        )
        model.fit(
            self._pool(train.X, train.y, train.weight),
            eval_set=self._pool(valid.X, valid.y, valid.weight) if len(valid.y) else None,
            early_stopping_rounds=math.ceil(PATIENCE / self._config["learning_rate"]) if len(valid.y) else None,
            callbacks=None if deadline is None else [stop],
        )
        judged = model.get_evals_result().get("validation", {})
        self.losses = next(iter(judged.values()), [])
        self.converged = 0 < len(self.losses) < rounds and not stop.late
        self.classes_, self._grown = classes, model
        self.keep(int(np.argmin(self.losses)) + 1 if len(self.losses) else model.tree_count_)

    def keep(self, rounds: int) -> None:
        kept = min(rounds, self._grown.tree_count_)
        model = self._grown.copy()
        model.shrink(kept)
        with tempfile.TemporaryDirectory(prefix="autonet-") as folder:  # its public way to bytes
            path = Path(folder) / "model.cbm"
            model.save_model(str(path))
            self._set(path.read_bytes(), self.classes_, kept / ROUNDS)

    def _set(self, model: bytes, classes: NDArray[Any], effort: float) -> None:
        """What predicts is always read from the bytes, so that a saved model predicts the same bits."""
        import catboost

        self.classes_, self.effort, self._bytes = classes, effort, model
        self._model = catboost.CatBoost().load_model(blob=model)

    @property
    def work(self) -> float:
        # Its trees ask one question a level, of many rows at once; a category costs a look-up of its own.
        return float(VISIT * (self._model.tree_count_ + 100 * self._categorical))

    def predict(self, X: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(self._model.predict(self._pool(X), thread_count=1))

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(self._model.predict(self._pool(X), prediction_type="Probability", thread_count=1))

    def _pool(self, X: NDArray[Any], y: NDArray[Any] | None = None, weight: NDArray[np.float64] | None = None) -> Any:
        """CatBoost's table; categories are whole numbers in it."""
        import catboost
        import pandas as pd

        numbers, codes = np.split(X, [X.shape[1] - self._categorical], axis=1)
        whole = np.nan_to_num(codes, nan=_MISSING).astype(np.int32)
        table = pd.concat([pd.DataFrame(numbers), pd.DataFrame(whole)], axis=1, ignore_index=True)
        places = list(range(numbers.shape[1], X.shape[1]))
        return catboost.Pool(table, y, weight=weight, cat_features=places, thread_count=1)

    def state(self) -> State:
        values = {"effort": self.effort, "categorical": self._categorical}
        return values, {"model": np.frombuffer(self._bytes, dtype=np.uint8), "classes": self.classes_}


class _Stop:
    """A callback that ends the boosting for want of time."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self.late = clock, False

    def after_iteration(self, info: Any) -> bool:
        """Whether to go on."""
        self.late = self._clock.over()
        return not self.late


def _threads() -> int:
    """Threads that this worker may use; CatBoost has its own and would take all cores."""
    from threadpoolctl import threadpool_info

    return min((library["num_threads"] for library in threadpool_info()), default=1)
