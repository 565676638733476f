"""Fitted models: one per fold, a trial's model as their mean, an ensemble as the weighted mean of trials.

All of it can be taken apart into arrays and JSON, and put together again without any library of the search.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from automl.architectures.catalogue import what_is_missing
from automl.architectures.learner import is_learner
from automl.artefact import State, nest, unnest
from automl.calibration import Calibration
from automl.errors import ArtefactError
from automl.evaluation import estimators
from automl.evaluation.blueprints import AnyBlueprint, ImagePreparer, empty, read_blueprint, read_preparer
from automl.evaluation.target import Predictions, Target
from automl.preprocessing.columns import Arrays
from automl.preprocessing.dense import DensePreparer
from automl.preprocessing.encode import one_hot, ordinal

if TYPE_CHECKING:
    from torch import nn

    from automl.architectures.family import Family
    from automl.training.checkpoints import Checkpoint
    from automl.training.losses import Loss

DENSE_LEVELS = 300
"""Levels of all categorical columns together beyond which one-hot columns are kept sparse."""
BLOCK_ROWS = 50_000
ABSENT = 1e-4
"""Probability, before normalising, of a class that was absent from the training rows of a fold."""
ROWS_PER_THREAD = 1_000
"""Fewer are predicted sooner than another thread has begun."""
LABELS = "labels"
"""Name in a saved fold of how many labels it has a model for each of."""


class FoldModel(Protocol):
    """A model fitted on the training rows of one fold."""

    def predict(self, arrays: Arrays) -> Predictions:
        """(rows, classes) probabilities or (rows, 1) values."""
        ...

    @property
    def work(self) -> float:
        """Microseconds that a CPU core needs to predict a row, about; counted, so that it is the same every time."""
        ...

    def state(self) -> State: ...


@dataclass(frozen=True)
class NetworkModel:
    """A network and the preparation of its inputs."""

    network: nn.Module
    blueprint: AnyBlueprint
    preparer: DensePreparer | ImagePreparer
    target: Target

    @classmethod
    def of(
        cls, network: nn.Module, blueprint: AnyBlueprint, preparer: DensePreparer | ImagePreparer, target: Target
    ) -> NetworkModel:
        """With what training has made of the network that was built from the blueprint: itself, or an ensemble."""
        from automl.architectures.snapshots import SnapshotEnsemble

        count = len(network.networks) if isinstance(network, SnapshotEnsemble) else 1
        return cls(network, replace(blueprint, snapshots=count), preparer, target)

    def predict(self, arrays: Arrays) -> Predictions:
        from automl.training.predict import predict

        kind: Loss = "cross_entropy" if self.target.outputs > 1 else "squared"
        values = predict(self.network, self.preparer.transform(arrays), self.preparer.codes(arrays), kind)
        return self.target.decode(values.reshape(len(arrays), self.target.outputs))

    @property
    def work(self) -> float:
        from automl.evaluation.effort import forward_work

        return 1.0 + 1e6 * forward_work(self.network, *self.blueprint.blank()).predicting

    def state(self) -> State:
        weights = {k: v.detach().cpu().numpy() for k, v in self.network.state_dict().items()}
        return nest(
            {
                "preparer": self.preparer.state(),
                "weights": (vars(self.blueprint), weights),
                "target": (vars(self.target), {}),
            }
        )


@dataclass(frozen=True)
class EstimatorModel:
    """A scikit-learn estimator or a learner on one-hot (with preparation) or ordinal inputs.

    `trusted` names the types in it that only its family vouches for; `wide` says that it takes a sparse table as it is.
    """

    estimator: Any
    preparer: DensePreparer | None
    levels: tuple[int, ...]
    target: Target
    trusted: tuple[str, ...] = ()
    wide: bool = False

    def predict(self, arrays: Arrays) -> Predictions:
        if not len(arrays):
            return np.empty((0, self.target.outputs))  # scikit-learn refuses tables without rows
        X = estimator_inputs(arrays, self.preparer, self.levels, wide=self.wide)
        if not is_learner(self.estimator):
            X = X.astype(np.float64)  # in float32 a row would be predicted a little otherwise alone than among others
        if self.target.outputs == 1:
            return self.target.decode(np.asarray(self.estimator.predict(X), dtype=np.float64).reshape(X.shape[0], 1))
        found = self.estimator.predict_proba(X)
        if found.shape[1] == self.target.outputs:
            return found.astype(np.float64)
        # A class that was absent from the training rows gets a small probability rather than none.
        whole = np.full((len(found), self.target.outputs), ABSENT)
        whole[:, self.estimator.classes_.astype(int)] = np.maximum(found, ABSENT)
        return whole / whole.sum(axis=1, keepdims=True)

    @property
    def work(self) -> float:
        return estimators.work(self.estimator)

    def state(self) -> State:
        parts = {
            "estimator": estimators.dump(self.estimator, self.trusted),
            "inputs": ({"levels": self.levels, "wide": self.wide}, {}),
            "target": (vars(self.target), {}),
        }
        if self.preparer is not None:
            parts["preparer"] = self.preparer.state()
        return nest(parts)


@dataclass(frozen=True)
class LabelsModel:
    """Models of several labels, each for one that is there or not."""

    parts: tuple[FoldModel, ...]

    def predict(self, arrays: Arrays) -> Predictions:
        return np.stack([part.predict(arrays)[:, 1] for part in self.parts], axis=1)

    @property
    def work(self) -> float:
        return sum(part.work for part in self.parts)

    def state(self) -> State:
        values, arrays = nest({str(k): part.state() for k, part in enumerate(self.parts)})
        return {LABELS: len(self.parts), **values}, arrays


def estimator_inputs(
    arrays: Arrays,
    preparer: DensePreparer | None,
    levels: tuple[int, ...],
    numbers: NDArray[np.float32] | None = None,
    *,
    wide: bool = False,
) -> Any:
    """(rows, columns) for a scikit-learn estimator: ordinal without a preparer, else prepared and one-hot.

    Parameters
    ----------
    numbers: what the preparer made of the rows, where they are those that it was fitted on.
    wide: whether a sparse table stands beside them.
    """
    if wide:
        parts: list[Any] = [sparse.csr_array(estimator_inputs(arrays, preparer, levels, numbers)), arrays.wide]
        return sparse.hstack(parts, format="csr")
    if preparer is None:
        return ordinal(arrays, levels)[0]
    if numbers is None:
        numbers = preparer.transform(arrays)
    codes, levels = preparer.codes(arrays), preparer.levels(levels)
    if sum(levels) <= DENSE_LEVELS:
        return np.hstack([numbers, one_hot(codes, levels)])
    return sparse.hstack([sparse.csr_array(numbers), one_hot(codes, levels, as_sparse=True)], format="csr")


@dataclass(frozen=True)
class TrialModel:
    """The mean of a trial's fold models.

    Attributes
    ----------
    family: name of the family that built them.
    config: the trial's configuration.
    folds: the models, one per fold; those that were read from a file are built when they are first looked at.
    effort: share of a full run after which they were best, in (0, 1].
    """

    family: str
    config: Mapping[str, Any]
    folds: Sequence[FoldModel]
    effort: float

    def predict(self, arrays: Arrays) -> Predictions:
        total = self.folds[0].predict(arrays)
        for fold in self.folds[1:]:
            total += fold.predict(arrays)
        return total / len(self.folds)

    @property
    def work(self) -> float:
        """Microseconds that a CPU core needs to predict a row, about."""
        return sum(fold.work for fold in self.folds)

    def state(self) -> State:
        values, arrays = nest({str(k): fold.state() for k, fold in enumerate(self.folds)})
        about = {"family": self.family, "config": dict(self.config), "effort": self.effort}
        return {**about, "folds": values}, arrays

    @classmethod
    def from_state(cls, state: State, families: Mapping[str, Family]) -> TrialModel:
        """Raises ArtefactError when the family is not among `families`."""
        values, arrays = state
        if values["family"] not in families:
            raise ArtefactError(
                f"the model holds a network of the family {values['family']!r}, which is not known here "
                f"({', '.join(families)}); pass an object of it: automl.load(path, families=[...])"
            )
        family = families[values["family"]]
        if missing := what_is_missing(family):
            raise ArtefactError(f"the model cannot be read: {missing}")
        parts = unnest((values["folds"], arrays))
        folds = _Unread([parts[str(k)] for k in range(len(parts))], family)
        return cls(family.name, values["config"], folds, values["effort"])


class _Unread(Sequence[Any]):
    """Fold models, each built from its state when it is first asked for.

    Building them may import torch and more: on a busy machine that could take a fit beyond its time limit.
    """

    def __init__(self, states: Sequence[State], family: Family) -> None:
        self._states, self._family = list(states), family
        self._built: dict[int, FoldModel] = {}
        self._lock = threading.Lock()  # several threads may predict

    def __len__(self) -> int:
        return len(self._states)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self[k] for k in range(len(self))[index])
        k = range(len(self))[index]
        with self._lock:
            if k not in self._built:
                self._built[k] = _fold_model(self._states[k], self._family)
                self._states[k] = ({}, {})
            return self._built[k]

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (tuple(self),)


@dataclass(frozen=True)
class Fitted:
    """What fitting the folds of a trial gave.

    Attributes
    ----------
    model: the fitted model.
    predictions: of each fold's validation rows, (rows, outputs).
    curve: (share of a full run, loss) pairs.
    checkpoint: what a longer trial of the same configuration continues from, or None.
    converged: whether a longer trial of the same configuration would give the same.
    """

    model: TrialModel
    predictions: Sequence[NDArray[Any]]
    curve: tuple[tuple[float, float], ...] = ()
    checkpoint: Checkpoint | None = None
    converged: bool = False


def _fold_model(state: State, family: Family) -> FoldModel:
    if LABELS in state[0]:
        count = state[0][LABELS]
        each = unnest(({k: v for k, v in state[0].items() if k != LABELS}, state[1]))
        return LabelsModel(tuple(_fold_model(each[str(k)], family) for k in range(count)))
    parts = unnest(state)
    target = Target(**parts["target"][0])
    preparer = read_preparer(parts["preparer"]) if "preparer" in parts else None
    if "estimator" in parts:
        assert not isinstance(preparer, ImagePreparer)
        levels, wide = tuple(parts["inputs"][0]["levels"]), parts["inputs"][0]["wide"]
        trusted = estimators.trusted_by(family)
        return EstimatorModel(estimators.load(parts["estimator"], family), preparer, levels, target, trusted, wide)
    import torch

    assert preparer is not None
    values, arrays = parts["weights"]
    blueprint = read_blueprint(values)
    network = empty(blueprint, family)
    network.load_state_dict({k: torch.from_numpy(np.array(a)) for k, a in arrays.items()})
    return NetworkModel(network.eval(), blueprint, preparer, target)


@dataclass(frozen=True)
class EnsembleModel:
    """The weighted mean of trial models.

    Attributes
    ----------
    members: the trial models.
    weights: positive, summing to 1, one a member.
    trials: numbers of the trials that the members come from.
    calibration: what is done to its predictions.
    """

    members: Sequence[TrialModel]
    weights: Sequence[float]
    trials: Sequence[int]
    calibration: Calibration

    def predict(self, arrays: Arrays, threads: int = 1) -> Predictions:
        """(rows, outputs), block by block: what members need in between must not grow with the table.

        Parameters
        ----------
        threads: that share the fold models among them; the result does not depend on it.
        """
        blocks = [arrays.take(slice(i, i + BLOCK_ROWS)) for i in range(0, max(1, len(arrays)), BLOCK_ROWS)]
        few = min(threads, 1 + len(arrays) // ROWS_PER_THREAD)
        # One thread in each library: trees spend their time waiting for others, and members can share the cores.
        with threadpool_limits(1), ThreadPoolExecutor(few) as pool:
            outputs = np.concatenate([self._predict(block, pool.map if few > 1 else map) for block in blocks])
        return self.calibration.corrected(outputs)

    def _predict(self, arrays: Arrays, run: Callable[..., Iterable[Predictions]]) -> Predictions:
        folds = [(w / len(m.folds), fold) for w, m in zip(self.weights, self.members, strict=True) for fold in m.folds]
        total = np.zeros((len(arrays), 1))
        for (share, _), predicted in zip(folds, run(lambda each: each[1].predict(arrays), folds), strict=True):
            total = total + share * predicted
        return total
