"""LightGBM (Ke et al. 2017), stopped early on the validation rows; of the extra `autonet[boosting]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.architectures.learner import VISIT, Clock, Rows, by_position

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.architectures.family import Shape
    from automl.artefact import State

ROUNDS = 1000
"""Of a full run."""
PATIENCE = 1.5
"""Rounds without a better validation loss after which boosting ends, times the learning rate: 30 rounds at 0.05."""


class LightGBM:
    """A budget buys a share of the 1,000 rounds; early stopping usually needs far less than all of them."""

    name = "lightgbm"
    inputs = "ordinal"
    package = "lightgbm"

    def space(self) -> ConfigurationSpace:
        """Ranges of TabArena (Erickson et al. 2025, arXiv 2506.16791), but for rates too small for 1,000 rounds."""
        from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

        space = ConfigurationSpace()
        space.add(
            Float("learning_rate", (0.01, 0.2), default=0.05, log=True),
            Integer("num_leaves", (4, 200), default=20, log=True),
            Integer("min_data_in_leaf", (1, 64), default=5, log=True),
            Float("feature_fraction", (0.4, 1.0), default=0.6),
            Float("bagging_fraction", (0.7, 1.0), default=0.8),
            Categorical("extra_trees", [True, False], default=False),
            Float("lambda_l1", (1e-4, 1.0), default=1e-4, log=True),
            Float("lambda_l2", (1e-4, 10.0), default=0.1, log=True),
            Integer("min_data_per_group", (2, 100), default=10, log=True),
            Float("cat_l2", (5e-3, 10.0), default=2.0, log=True),
            Float("cat_smooth", (1e-3, 100.0), default=10.0, log=True),
            Integer("max_cat_to_onehot", (4, 100), default=8, log=True),
        )
        return space

    def build(self, shape: Shape, **config: Any) -> LightGBMLearner:
        return LightGBMLearner(config, categorical=len(shape.levels), values=shape.outputs == 1)

    def restore(self, state: State) -> LightGBMLearner:
        values, arrays = state
        restored = LightGBMLearner({}, categorical=0, values=not len(arrays["classes"]))
        restored._set(arrays["model"].tobytes().decode(), arrays["classes"], values["effort"])
        return restored


class LightGBMLearner:
    """A booster, kept as LightGBM's own text.

    Parameters
    ----------
    config: parameters of LightGBM.
    categorical: columns, the last ones, that hold codes.
    values: whether targets are values rather than classes.
    """

    converged = False
    losses: Sequence[float] = ()

    def __init__(self, config: dict[str, Any], *, categorical: int, values: bool) -> None:
        self._config, self._categorical, self._values = config, categorical, values

    def fit_within(self, train: Rows, valid: Rows, *, share: float, seed: int, deadline: float | None) -> None:
        """Boost until the validation loss has stopped to fall, and keep the rounds up to the best one."""
        import lightgbm

        classes, train, valid = by_position(train, valid, values=self._values)
        parameters = {**self._config, **_objective(len(classes)), **_QUIET_AND_EXACT, "seed": seed % 2**31}
        columns = train.X.shape[1]
        data = lightgbm.Dataset(
            train.X,
            train.y,
            weight=train.weight,
            params=parameters,
            categorical_feature=list(range(columns - self._categorical, columns)),
        )
        judges = [data.create_valid(valid.X, valid.y, weight=valid.weight)] if len(valid.y) else []
        losses: list[float] = []
        clock, patience = Clock(deadline, prepares=True), PATIENCE / self._config["learning_rate"]
        booster = lightgbm.train(
            parameters,
            data,
            max(1, round(share * ROUNDS)),
            judges,
            callbacks=[_stopping(losses, patience, clock)],
        )
        self.converged, self.losses, self.classes_, self._grown = _stale(losses, patience), losses, classes, booster
        self.keep(int(np.argmin(losses)) + 1 if losses else booster.current_iteration())

    def keep(self, rounds: int) -> None:
        kept = min(rounds, self._grown.current_iteration())
        self._set(self._grown.model_to_string(num_iteration=kept), self.classes_, kept / ROUNDS)

    def _set(self, model: str, classes: NDArray[Any], effort: float) -> None:
        """What predicts is always read from the text, so that a saved model predicts the same bits."""
        import lightgbm

        self.classes_, self.effort, self._model = classes, effort, model
        self._booster = lightgbm.Booster(model_str=model)

    @property
    def work(self) -> float:
        return float(VISIT * self._model.count("\nTree=") * np.log2(2 * self._leaves()))

    def _leaves(self) -> float:
        """Leaves of a tree, on the mean."""
        found = [int(line[11:]) for line in self._model.splitlines() if line.startswith("num_leaves=")]
        return float(np.mean(found)) if found else 1.0

    def predict(self, X: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(self._booster.predict(X))

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        found = np.asarray(self._booster.predict(X))
        return found if found.ndim == 2 else np.stack([1 - found, found], axis=1)

    def state(self) -> State:
        text = np.frombuffer(self._model.encode(), dtype=np.uint8)
        return {"effort": self.effort}, {"model": text, "classes": self.classes_}


_QUIET_AND_EXACT = {"verbosity": -1, "deterministic": True, "force_row_wise": True, "bagging_freq": 1}
"""Without `force_row_wise` LightGBM measures which way of counting is faster, and sums in another order."""


def _objective(classes: int) -> dict[str, Any]:
    if classes == 0:
        return {"objective": "regression"}
    return {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}


def _stale(losses: list[float], patience: float) -> bool:
    """Whether the best loss is as many rounds ago as patience lasts."""
    return bool(losses) and len(losses) - 1 - int(np.argmin(losses)) >= patience


def _stopping(losses: list[float], patience: float, clock: Clock) -> Any:
    """A callback that notes the validation losses and ends the boosting for want of progress or of time."""
    from lightgbm.callback import CallbackEnv, EarlyStopException

    def stop(env: CallbackEnv) -> None:
        losses.extend(loss for _, _, loss, _ in env.evaluation_result_list)
        if clock.over() or _stale(losses, patience):
            raise EarlyStopException(env.iteration, env.evaluation_result_list)

    return stop
