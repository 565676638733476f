"""What all estimators share: their parameters, fit, refit, the leaderboard and saving."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from automl.errors import DataError
from automl.metrics import DEFAULT, Metric
from automl.preprocessing.columns import Arrays
from automl.resampling import is_splitter, make_folds
from automl.targets import canonical_order, check_weights, counted_rows, encode_targets
from automl.task import Task

if TYPE_CHECKING:
    import pandas as pd
    from ConfigSpace import ConfigurationSpace

    from automl.architectures.family import Family
    from automl.job import Outcome
    from automl.plan import Plan
    from automl.search.history import History
    from metalearn import Store

PARAMETERS = """
    Parameters
    ----------
    time_limit : float, default=None
        Seconds that `fit` may take, ensemble included. None: 60, or no limit when `n_trials` is given.
    n_trials : int, default=None
        Trials after which the search ends. With it (and without `time_limit`) the same `random_state` gives the same
        model, bit for bit.
    optimizer : str, default=None
        Name of a search method; `autonet methods` lists them. "+curves" after it ends runs early that will hardly beat
        the best by their learning curves. None: as the preset says.
    fidelities : str or sequence of str, default=None
        What smaller budgets save: "epochs", "rows" (nested stratified subsets), "width" and "cells" of networks, of
        images "resolution"; one or several. None: as the preset says.
    search_space : str or ConfigurationSpace, default=None
        Name of a file in configs/spaces, or hyperparameters that replace those of the same name in the preset's space.
        Beside "default" and "neural", "autonet-1", "autonet-2", "autopytorch" and "cocktails" are those of published
        systems; `autonet space NAME` shows one. None: as the preset says.
    families : str, sequence or dict, default=None
        "neural" for networks alone; names to search only these; objects with `name`, `space()` and
        `build(shape, **config)` to add families of your own; {"include": […], "exclude": […]} for both.
    metric : str or callable, default=None
        A scikit-learn scorer's name, or a scorer `(estimator, X, y) -> float`, greater is better. None: log loss for
        classification, root mean squared error for regression.
    resampling : float, int or splitter, default=None
        Share held out, number of folds, or a scikit-learn splitter. None: five folds below 5,000 rows (for
        networks alone: where there is time for them), else 0.2. Where networks alone are judged so, the last fifth of
        the time goes to training the members of the ensemble anew on all rows.
    ensemble_size : int, default=None
        Choices, with replacement, of the greedy ensemble. None: as the preset says.
    n_jobs : int, default=-1
        Worker processes; −1 for one a core. The cores are shared out among them.
    memory_limit : float, default=None
        MiB that one trial may take above an idle worker. None: an even share of the memory free at the start.
    trial_time_limit : float, default=None
        Seconds that one trial may take.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where networks are trained.
    store : str or Store, default=None
        A database URL such as "sqlite:///runs.db": the search is recorded there, and the same call on the same data
        resumes it after a crash; with it, a `random_state` of None is 0. None keeps nothing.
    warm_start : str, sequence of dict, History or None, default="auto"
        How past tasks help: "portfolio" tries configurations first that together do well on all of them, "neighbours"
        the best of the tasks most alike, "prior" also draws around these later, "transfer" lets models of these tasks
        choose among candidates; "auto" is the portfolio, after the best of the `store`'s tasks that are alike. Advice
        is dropped when its first eight contradict what was expected of them. Or configurations to try first, or an
        earlier fit's history, whose ten best are. Of images, also "darts", "darts-2", "enas", "random-sharing" and
        "spos": a fifth of the time goes into shared weights of all cells, by which the first cells are chosen. None:
        the defaults of the search space alone.
    knowledge : str or path, default=None
        What past tasks are known beside the `store`: "shipped", or a file that `python -m metalearn.campaign` made.
        None: as the search space says.
    preset : str, default="medium"
        Name of a file in configs/presets.
    random_state : int, RandomState or None, default=None
        Seed of everything random.
    verbose : int, default=0
        0 is silent, 1 shows live progress on a terminal.

    Attributes
    ----------
    ensemble_ : EnsembleModel
        What predicts: members, weights and the numbers of their trials.
    history_ : History
        All trials.
    validation_loss_ : float
        Loss of the ensemble on out-of-fold predictions.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only when X has column names that are all strings.
"""


class AutoNet(BaseEstimator):
    """What all estimators share.

    Attributes
    ----------
    images: whether what is learned from is images rather than tables.
    """

    images: ClassVar[bool] = False

    def __init__(
        self,
        *,
        time_limit: float | None = None,
        n_trials: int | None = None,
        optimizer: str | None = None,
        fidelities: str | Sequence[str] | None = None,
        search_space: str | ConfigurationSpace | None = None,
        families: str | Sequence[str | Family] | Mapping[str, Sequence[str | Family]] | None = None,
        metric: str | Callable[..., float] | None = None,
        resampling: Any = None,
        ensemble_size: int | None = None,
        n_jobs: int | None = -1,
        memory_limit: float | None = None,
        trial_time_limit: float | None = None,
        device: str = "auto",
        store: str | Store | None = None,
        warm_start: str | Sequence[Mapping[str, Any]] | History | None = "auto",
        knowledge: str | Path | None = None,
        preset: str = "medium",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.time_limit = time_limit
        self.n_trials = n_trials
        self.optimizer = optimizer
        self.fidelities = fidelities
        self.search_space = search_space
        self.families = families
        self.metric = metric
        self.resampling = resampling
        self.ensemble_size = ensemble_size
        self.n_jobs = n_jobs
        self.memory_limit = memory_limit
        self.trial_time_limit = trial_time_limit
        self.device = device
        self.store = store
        self.warm_start = warm_start
        self.knowledge = knowledge
        self.preset = preset
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None, *, keep: Callable[..., None] | None = None
    ) -> Self:
        """Search, and build the ensemble.

        Parameters
        ----------
        X: (n, features) DataFrame, array, sparse matrix or list of lists; any column types, missing values allowed.
        y: (n,) labels or values; (n, labels) of 0 and 1 where a row may have several labels.
        sample_weight: (n,) non-negative; weights training and metric alike.
        groups: (n,) labels of rows that belong together and are never split between training and validation.
        keep: given the fitted estimator before its run counts as finished in the store, to save it beyond any kill.

        Raises
        ------
        SettingError: a parameter breaks a rule. DataError: the data cannot be learned from. SearchFailed: no trial
        finished.
        """
        began = time.monotonic()
        from automl.workers import prepare_workers

        prepare_workers()
        from automl.assemble import make_plan
        from automl.job import run_job
        from automl.progress import watch
        from automl.search.journal import opened

        plan = make_plan(self)
        with opened(self.store) as store:
            task, encoder = self._task(X, y, sample_weight, groups, plan)
            plan = plan.sized_for(task)

            def take(outcome: Outcome) -> None:
                if task.metric.classes is not None:
                    self.classes_ = task.metric.classes
                self.encoder_, self.metric_name_ = encoder, task.metric.name
                self.ensemble_, self.history_, self.validation_loss_ = outcome.ensemble, outcome.history, outcome.loss
                if keep is not None:
                    keep(self)

            with watch(plan, self.verbose, began) as listen:
                run_job(task, plan, began=began, store=store, listen=listen, keep=take)
        return self

    def refit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train the members of the ensemble anew on all rows, each for as long as was best for it.

        A member whose training fails, or for which `time_limit` leaves no time, is kept as it was, with a warning.
        Takes the same data as `fit`.

        Raises
        ------
        DataError: the labels are not those of `fit`. SearchFailed: no member could be refitted.
        """
        from automl.assemble import make_plan
        from automl.refit import refit_ensemble

        check_is_fitted(self, "ensemble_")
        plan = make_plan(self)
        task, _ = self._task(X, y, sample_weight, groups, plan, encoder=self.encoder_)
        if task.metric.classes is not None and not np.array_equal(task.metric.classes, self.classes_):
            raise DataError(
                f"y holds the labels {task.metric.classes!r} where fit saw {self.classes_!r}; give the data of fit"
            )
        self.ensemble_ = refit_ensemble(task, plan.sized_for(task), self.ensemble_, self.history_)
        return self

    def leaderboard(self) -> pd.DataFrame:
        """The trials from best to worst: rank, trial, family, loss, weight in the ensemble, budget, cost (s), state."""
        from automl.leaderboard import leaderboard

        check_is_fitted(self, "ensemble_")
        return leaderboard(self.history_, self.ensemble_)

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to one file, which `automl.load` reads; it holds no training rows."""
        from automl.saving import save

        check_is_fitted(self, "ensemble_")
        save(self, Path(path))

    def _task(
        self, X: Any, y: Any, sample_weight: Any, groups: Any, plan: Plan, encoder: Any = None
    ) -> tuple[Task, Any]:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        targets, metric = self._targets(y)
        weight = check_weights(sample_weight, len(targets))
        ordered = is_splitter(self.resampling)  # it may go by the order and number of the rows, as in time series
        rows, weight = (slice(None), weight) if ordered else counted_rows(weight)
        metric.check(targets[rows], weighted=weight is not None)
        X = self._checked(X, reset=encoder is None)
        _check_lengths(X, targets, groups)
        encoder = self._fitted_encoder(X) if encoder is None else encoder
        arrays, targets = encoder.transform(X).take(rows), targets[rows]
        groups = None if groups is None else np.asarray(groups)[rows]
        if not (ordered or self.images):
            order = canonical_order(arrays, targets)
            arrays, targets = arrays.take(order), targets[order]
            weight = None if weight is None else weight[order]
            groups = None if groups is None else groups[order]
        folds = make_folds(
            self._resampling(len(targets), plan),
            targets,
            classification=metric.classes is not None,
            groups=groups,
            seed=plan.seed,
        )
        return Task(arrays, encoder.levels, targets, weight, metric, folds), encoder

    def _resampling(self, rows: int, plan: Plan) -> Any:
        """As asked for, or as is usual for so many rows and so much time."""
        return plan.usual_resampling(rows) if self.resampling is None else self.resampling

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """X after the checks of its kind, which set what `fit` knows of it where `reset`."""
        raise TypeError(f"{type(self).__name__} is no estimator of its own")

    def _fitted_encoder(self, X: Any) -> Any:
        """What turns X that was checked into `Arrays`, and has `levels`, `transform` and `state`."""
        raise TypeError(f"{type(self).__name__} is no estimator of its own")

    def _targets(self, y: Any) -> tuple[NDArray[Any], Metric]:
        raise TypeError(f"{type(self).__name__} is no estimator of its own")

    def _arrays(self, X: Any) -> Arrays:
        check_is_fitted(self, "ensemble_")
        return self.encoder_.transform(self._checked(X, reset=False))

    def _outputs(self, arrays: Arrays) -> NDArray[np.float64]:
        from joblib import effective_n_jobs

        return self.ensemble_.predict(arrays, effective_n_jobs(self.n_jobs))


class Classifier(ClassifierMixin, AutoNet):
    """What all classifiers share."""

    def _targets(self, y: Any) -> tuple[NDArray[Any], Metric]:
        codes, classes, several = encode_targets(y)
        return codes, Metric(self.metric if self.metric is not None else DEFAULT["classification"], classes, several)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (n, classes), in the order of `classes_`; of several labels, each its own."""
        outputs = self._outputs(self._arrays(X))  # first: it says so where nothing was fitted
        return self.ensemble_.calibration.shares(outputs)

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each row (n,): the most probable one, or by the threshold that `metric` was found to want.

        (n, labels) of 0 and 1 where a row may have several.
        """
        probabilities = self.predict_proba(X)
        return self.ensemble_.calibration.labels(probabilities, self.classes_)


def _check_lengths(X: Any, y: NDArray[Any], groups: Any) -> None:
    from sklearn.utils import check_consistent_length

    check_consistent_length(X, y, groups)
