"""How an estimator is fitted within a budget and a deadline, and how it is kept without pickle.

A learner (`architectures.learner`) knows both by itself; what follows is for scikit-learn's estimators.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from automl.architectures.learner import VISIT, Rows, is_learner
from automl.artefact import State
from automl.errors import SettingError

if TYPE_CHECKING:
    from automl.architectures.family import Family

# Beside what skops trusts by itself: parts of scikit-learn's histogram gradient boosting.
_TRUSTED = ["functools.partial", "sklearn.utils.validation.check_array"]
_FIRST_ITERATIONS = 10
_FIRST_VALUES = 1_000_000
"""Rows × columns × outputs × iterations that take a fraction of a second, where 10 iterations are fewer."""
_OWN = "own"
_PLAIN = {
    "LogisticRegression": "sklearn.linear_model",
    "Ridge": "sklearn.linear_model",
    "DummyClassifier": "sklearn.dummy",
}
"""Estimators that are a few arrays and numbers: kept as these, since importing skops, which imports torch, is slow."""


def fit(estimator: Any, train: Rows, valid: Rows, *, share: float, seed: int, deadline: float | None) -> Any:
    """Fit an estimator on `share` of its iterations; one that has none is fitted whole.

    Parameters
    ----------
    share: of a full run, in (0, 1].
    deadline: `time.monotonic` value, or None; boosting stops there with the trees it has.
    """
    if is_learner(estimator):
        estimator.fit_within(train, valid, share=share, seed=seed, deadline=deadline)
        return estimator
    parameters = estimator.get_params()
    if "random_state" in parameters:
        estimator.set_params(random_state=seed % 2**32)
    if "n_iter_no_change" in parameters and "warm_start" in parameters and "max_leaf_nodes" in parameters:
        return _fit_boosting(estimator, train, valid, share, deadline)
    weights = {} if train.weight is None else {"sample_weight": train.weight}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fit that could gain by more steps is still a candidate
        return estimator.fit(train.X, train.y, **weights)


def _fit_boosting(model: Any, train: Rows, valid: Rows, share: float, deadline: float | None) -> Any:
    """Boost in growing steps, so that a deadline can be held; keep the iterations up to the best one.

    Rows of classes that are not in the training rows cannot be scored by scikit-learn and do not count. Where no
    row is left to validate with, all iterations are boosted and kept.
    """
    known = np.isin(valid.y, np.unique(train.y)) if hasattr(model, "predict_proba") else np.full(len(valid.y), True)
    kept = Rows(valid.X[known], valid.y[known], None if valid.weight is None else valid.weight[known])
    most = max(1, round(share * model.max_iter))
    full = model.max_iter
    judged = len(kept.y) > 0
    scored = {"X_val": kept.X, "y_val": kept.y, "sample_weight_val": kept.weight} if judged else {}
    model.set_params(warm_start=True, early_stopping=judged)
    outputs = len(np.unique(train.y)) if hasattr(model, "predict_proba") else 1
    until, first = 0, max(_FIRST_ITERATIONS, _FIRST_VALUES // (train.X.size * outputs))
    while until < most:
        until = min(most, max(first, 2 * until))
        began = time.monotonic()
        model.set_params(max_iter=until)
        model.fit(train.X, train.y, train.weight, **scored)
        if model.n_iter_ < until:  # stopped early
            break
        # The next step is twice as long: it must end before the deadline, too.
        if deadline is not None and time.monotonic() + 2 * (time.monotonic() - began) > deadline:
            break
    model._grown = model._predictors
    if judged:
        keep(model, int(np.argmax(model.validation_score_)))
    return model.set_params(max_iter=full)


def losses(estimator: Any) -> Sequence[float]:
    """Validation loss after each round of boosting; empty where there are no rounds."""
    if is_learner(estimator):
        return estimator.losses
    return [-float(score) for score in getattr(estimator, "validation_score_", ())][1:]  # the first is of no round


def keep(estimator: Any, rounds: int) -> None:
    """Have a boosting predict with its first rounds, with all where it has fewer; only before it is forgotten."""
    if is_learner(estimator):
        estimator.keep(rounds)
    else:
        estimator._predictors = estimator._grown[: max(1, rounds)]


def forget(estimator: Any) -> None:
    """Give up the rounds that are not kept."""
    if hasattr(estimator, "_grown"):
        del estimator._grown


def trusted_by(family: Family) -> tuple[str, ...]:
    """Types that a saved estimator of the family may hold beside scikit-learn's common ones; an optional attribute."""
    return tuple(getattr(family, "trusted", ()))


def effort(estimator: Any) -> float:
    """Share of the iterations of a full run that a fitted estimator kept; 1 where it has none."""
    if is_learner(estimator):
        return estimator.effort
    if not hasattr(estimator, "_predictors"):
        return 1.0
    return float(len(estimator._predictors) / estimator.max_iter)


def converged(estimator: Any) -> bool:
    """Whether the fit ended by itself, so that a larger share of a full run would have given the same estimator."""
    if is_learner(estimator):
        return estimator.converged
    scores = getattr(estimator, "validation_score_", ())  # of the iterations, and of none before
    return len(scores) > 0 and len(scores) - 1 - int(np.argmax(scores)) >= estimator.n_iter_no_change


def work(estimator: Any) -> float:
    """Microseconds that a CPU core needs to predict a row, about."""
    if is_learner(estimator):
        return estimator.work
    trees = [tree for iteration in getattr(estimator, "_predictors", ()) for tree in iteration]
    return 1.0 + VISIT * float(sum(np.log2(len(tree.nodes) + 1) for tree in trees))


def dump(estimator: Any, trusted: tuple[str, ...] = ()) -> State:
    """An estimator as arrays; the trees of a boosting as three arrays instead of thousands of small files.

    Parameters
    ----------
    trusted: full names of types that `load` may build beside those that skops trusts by itself.

    Raises
    ------
    SettingError: `load` would refuse the estimator.
    """
    if is_learner(estimator):
        values, arrays = estimator.state()
        return {_OWN: values}, arrays
    if type(estimator).__module__.startswith("sklearn.") and type(estimator).__name__ in _PLAIN:
        fitted = {k: v for k, v in vars(estimator).items() if k not in estimator.get_params()}
        arrays = {k: v for k, v in fitted.items() if isinstance(v, np.ndarray)}
        values = {k: _number(v) for k, v in fitted.items() if k not in arrays}
        return {"kind": type(estimator).__name__, "parameters": estimator.get_params(), "fitted": values}, arrays
    state = _dump(estimator)
    refused = set(_untrusted(state)) - {*_TRUSTED, *trusted}
    if refused:
        raise SettingError(
            f"{type(estimator).__name__} holds {', '.join(sorted(refused))}, which are not loaded unasked; where you "
            "trust them, name them in the family: trusted = (…)"
        )
    return state


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _untrusted(state: State) -> list[str]:
    import skops.io

    found: list[str] = skops.io.get_untrusted_types(data=state[1]["skops"].tobytes())
    return found


def _dump(estimator: Any) -> State:
    import skops.io

    grown = getattr(estimator, "_predictors", None)
    if grown is None:
        return {}, {"skops": np.frombuffer(skops.io.dumps(estimator), dtype=np.uint8)}
    trees = [tree for iteration in grown for tree in iteration]
    estimator._predictors = []
    try:
        shell = np.frombuffer(skops.io.dumps(estimator), dtype=np.uint8)
    finally:
        estimator._predictors = grown
    nodes = [np.frombuffer(tree.nodes.tobytes(), dtype=np.uint8) for tree in trees]
    bitsets = [(tree.binned_left_cat_bitsets, tree.raw_left_cat_bitsets) for tree in trees]
    arrays = {
        "skops": shell,
        "nodes": np.concatenate(nodes),
        "node_counts": np.array([len(tree.nodes) for tree in trees]),
        "binned": np.concatenate([b for b, _ in bitsets]),
        "raw": np.concatenate([r for _, r in bitsets]),
        "bitset_counts": np.array([[len(b), len(r)] for b, r in bitsets]),
    }
    return {"iterations": len(grown)}, arrays


def load(state: State, family: Family) -> Any:
    """The estimator of `family` that `dump` was given; it predicts the same bits."""
    values, arrays = state
    if _OWN in values:
        return family.restore((values[_OWN], arrays))  # type: ignore[attr-defined]  # such families have it
    if "kind" in values:
        plain = getattr(import_module(_PLAIN[values["kind"]]), values["kind"])(**values["parameters"])
        vars(plain).update(values["fitted"], **arrays)
        return plain
    import skops.io

    estimator = skops.io.loads(arrays["skops"].tobytes(), trusted=[*_TRUSTED, *trusted_by(family)])
    if "iterations" not in values:
        return estimator
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    nodes = np.frombuffer(arrays["nodes"].tobytes(), dtype=PREDICTOR_RECORD_DTYPE)
    node_ends = np.cumsum(arrays["node_counts"])[:-1]
    ends = np.cumsum(arrays["bitset_counts"], axis=0)[:-1]
    trees = [
        TreePredictor(n.copy(), b, r)
        for n, b, r in zip(
            np.split(nodes, node_ends),
            np.split(arrays["binned"], ends[:, 0]),
            np.split(arrays["raw"], ends[:, 1]),
            strict=True,
        )
    ]
    per_iteration = len(trees) // values["iterations"]
    estimator._predictors = [trees[i : i + per_iteration] for i in range(0, len(trees), per_iteration)]
    return estimator
