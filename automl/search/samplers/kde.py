"""BOHB's model: a kernel density of the good trials against one of the bad.

Falkner, Klein & Hutter (2018), "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", ICML,
arXiv:1807.01774. The model is the authors' own, `hpbandster.optimizers.config_generators.bohb.BOHB`, without its
server: its `new_result` splits the observations and fits the densities. Only the search for the best candidate is
done here, for all candidates at once, with the same draws in the same order, so the proposals are those of the
unmodified class (see `KDE` for the seeds).

Deviations, all where the class fails:

* a lone NaN in the first column is filled as any other (its loop tests indices instead of their number);
* ordinals, which it refuses, are modelled as integers; constants, for which it falls back to random search, are
  left out (one that others depend on stays, as a choice of one);
* where the best candidate is forbidden or illegal, the next best is taken instead of a random configuration;
* failed trials are the worst and never count as good: there is a model once `d + 1` trials have succeeded;
* `bounded=True` also mends the Aitchison-Aitken kernel: its bandwidth is at most (c - 1) / c, and c is the declared
  number of choices, not the number seen. The original's bandwidth passes 1 with five choices or so, where the
  "density" turns negative.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.search.draw import as_dict
from automl.search.trial import State, Trial

if TYPE_CHECKING:
    from ConfigSpace import Configuration as SpaceConfiguration
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History

Array = NDArray[np.float64]

_FLOOR = 1e-32  # of both densities in the ratio g / l


@dataclass(frozen=True)
class _Job:
    """What hpbandster's `new_result` reads of a finished run."""

    kwargs: Mapping[str, Any]
    result: Mapping[str, float]
    exception: None = None


@dataclass(frozen=True)
class _Coding:
    """A space and the twin of it that hpbandster can model.

    Attributes
    ----------
    space: private copy of the user's space; its own random state is free to be seeded.
    twin: the same without forbidden clauses, ordinals as integers, constants left out or as choices of one.
    sequences: values of each ordinal, in order; the twin holds their positions.
    constants: values of the constants that the twin lacks.
    choices: (d,) number of choices of each column of the twin; 0 for numbers.
    """

    space: ConfigurationSpace
    twin: ConfigurationSpace
    sequences: Mapping[str, tuple[Any, ...]]
    constants: Mapping[str, Any]
    choices: NDArray[np.int64]

    def encode(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration of the space as one of the twin."""
        return {
            name: self.sequences[name].index(value) if name in self.sequences else value
            for name, value in config.items()
            if name not in self.constants
        }

    def decode(self, vector: Array) -> SpaceConfiguration:
        """The configuration at a point of the twin (d,); ValueError where the space forbids it."""
        from ConfigSpace import Configuration
        from ConfigSpace.util import deactivate_inactive_hyperparameters

        values = {**Configuration(self.twin, vector=vector), **self.constants}
        for name, sequence in self.sequences.items():
            values[name] = sequence[int(values[name])]
        return deactivate_inactive_hyperparameters(values, self.space)


@dataclass(frozen=True)
class _Density:
    """A product-kernel density, scored as `statsmodels` does it but for many points at once.

    Attributes
    ----------
    data: (n, d) points of the twin space; codes of choices, [0, 1] elsewhere.
    bandwidths: (d,).
    levels: (d,) number of choices in the Aitchison-Aitken kernel; 0 for numbers.
    """

    data: Array
    bandwidths: Array
    levels: NDArray[np.int64]

    def pdf(self, points: Array) -> Array:
        """Density at each of the points: (m, d) -> (m,)."""
        # Column after column, each for all points and data at once: the products are then taken in the order of
        # statsmodels, and even ties fall as they do there.
        kernels = np.ones((len(points), len(self.data)))
        with np.errstate(divide="ignore", invalid="ignore"):  # a single level seen: h / 0, as in statsmodels
            columns = zip(points.T[:, :, None], self.data.T, self.bandwidths, self.levels, strict=True)
            for point, datum, h, count in columns:
                if count:
                    kernels *= np.where(point == datum, 1 - h, h / (count - 1))
                else:
                    kernels *= (1.0 / np.sqrt(2 * np.pi)) * np.exp(-((datum - point) ** 2) / (h**2 * 2.0))
        scores: Array = kernels / np.prod(self.bandwidths[self.levels == 0])
        return scores.sum(axis=1) / len(self.data)


@dataclass(frozen=True)
class _Model:
    """Densities of the good and the bad trials, and the trials that they were fitted to."""

    trials: tuple[Trial, ...]
    good: _Density
    bad: _Density


@dataclass
class KDE:
    """Proposes the likeliest good configuration among a few draws from the density of the good ones.

    A function of the history: the model is fitted to all finished trials at the largest budget that has
    2 (d + 1) of them, in the order of their numbers; what was fitted last is kept for speed only.

    With `n` such trials, the proposal is the one that the unmodified class gives when `np.random.seed(n)`
    goes before its last `new_result` (which draws to fill inactive values), and `np.random.seed(s)` and
    `space.seed(s)` with `s = int(rng.integers(2**32))` before its `get_config`. The global random state
    is neither used nor changed.

    Attributes
    ----------
    top_percent: share of the trials that counts as good, in percent.
    candidates: draws from the good density for each proposal.
    random_fraction: probability of a random configuration.
    bandwidth_factor: what the bandwidth is multiplied with when numbers are drawn.
    min_bandwidth: least bandwidth.
    bounded: mend the kernel of the choices (see the module); False gives the proposals of the original.
    """

    top_percent: int = 15
    candidates: int = 64
    random_fraction: float = 1 / 3
    bandwidth_factor: float = 3.0
    min_bandwidth: float = 1e-3
    bounded: bool = False
    _source: ConfigurationSpace | None = field(default=None, init=False, repr=False, compare=False)
    _coding: _Coding | None = field(default=None, init=False, repr=False, compare=False)
    _vectors: dict[int, tuple[Trial, Array]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _model: _Model | None = field(default=None, init=False, repr=False, compare=False)

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        """The next configuration of `space` to try."""
        if self._coding is None or self._source is not space:
            self._source, self._coding = space, _code(space)
            self._vectors, self._model = {}, None
        coding = self._coding
        seed = int(rng.integers(2**32))
        coding.space.seed(seed)
        draws = np.random.RandomState(seed)
        trials = _informative(history, minimum=len(coding.twin) + 1)
        if not trials or draws.random_sample() < self.random_fraction:
            return as_dict(coding.space.sample_configuration())
        if self._model is None or self._model.trials != trials:
            self._model = self._fit(coding, trials)
        for vector in self._ranked(self._model, draws, coding.choices):
            try:
                return as_dict(coding.decode(vector))
            except ValueError:  # ConfigSpace's word for a forbidden or illegal configuration
                continue
        return as_dict(coding.space.sample_configuration())

    def _fit(self, coding: _Coding, trials: tuple[Trial, ...]) -> _Model:
        """hpbandster's densities of these trials, all of one budget."""
        with warnings.catch_warnings():  # of old syntax in hpbandster and old names and defaults that it uses
            for kind in (SyntaxWarning, DeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", kind)
            from hpbandster.optimizers.config_generators.bohb import BOHB

            done = sum(_loss(t) < math.inf for t in trials)
            model = BOHB(
                coding.twin,
                top_n_percent=min(self.top_percent, 100 * done // len(trials)),  # failed ones are never good
                min_bandwidth=self.min_bandwidth,
            )
            draws = np.random.RandomState(len(trials))
            model.impute_conditional_data = lambda array: _fill(array, coding.choices, draws)
            *former, last = trials
            budget = last.budget
            model.configs[budget] = [self._vector(coding, t) for t in former]
            model.losses[budget] = [_loss(t) for t in former]
            kwargs = {"budget": budget, "config": coding.encode(last.config)}
            model.new_result(_Job(kwargs, {"loss": _loss(last)}))
        kdes = model.kde_models[budget]
        good, bad = (self._density(kdes[name], coding.choices) for name in ("good", "bad"))
        return _Model(trials, good, bad)

    def _vector(self, coding: _Coding, trial: Trial) -> Array:
        """Encoded configuration of a trial (d,), NaN where inactive; kept, as ConfigSpace is slow."""
        from ConfigSpace import Configuration

        known = self._vectors.get(trial.number)
        if known is None or known[0].proposal != trial.proposal:
            vector = Configuration(coding.twin, values=coding.encode(trial.config)).get_array()
            known = self._vectors[trial.number] = (trial, vector)
        return known[1]

    def _density(self, kde: Any, choices: NDArray[np.int64]) -> _Density:
        """A density of statsmodels as arrays."""
        data: Array = np.ascontiguousarray(kde.data, dtype=float)
        bandwidths: Array = np.array(kde.bw, dtype=float)
        levels = choices
        if self.bounded:
            most = (choices - 1) / np.maximum(choices, 1)
            bandwidths = np.where(choices > 1, np.minimum(bandwidths, most), bandwidths)
        else:
            seen = [np.unique(column).size for column in data.T]
            levels = np.where(choices > 0, seen, 0)
        return _Density(data, bandwidths, levels)

    def _ranked(
        self,
        model: _Model,
        draws: np.random.RandomState,
        choices: NDArray[np.int64],
    ) -> Iterator[Array]:
        """Candidates drawn from the good density, best first."""
        points = self._draw(model.good, draws, choices)
        good, bad = model.good.pdf(points), model.bad.pdf(points)
        with np.errstate(invalid="ignore"):
            ratio = np.where(bad > _FLOOR, bad, _FLOOR) / np.where(good < _FLOOR, _FLOOR, good)
        # The original stops at the first candidate whose value never occurs among the bad ones, and takes it.
        novel = np.flatnonzero(~np.isfinite(ratio) & np.isfinite(good))
        if novel.size:
            yield points[novel[0]]
            ratio = ratio[: novel[0]]
        for index in np.argsort(ratio, kind="stable"):
            if math.isfinite(ratio[index]):
                yield points[index]

    def _draw(
        self,
        good: _Density,
        draws: np.random.RandomState,
        choices: NDArray[np.int64],
    ) -> Array:
        """Candidates (candidates, d): normals and choices about random good points."""
        from scipy.stats import truncnorm

        widths = np.maximum(good.bandwidths, self.min_bandwidth)
        plan = list(zip(choices.tolist(), (1 - widths).tolist(), strict=True))
        data = good.data.tolist()
        centres, rows = [], []
        # One draw after the other: how many there are depends on the choices that are redrawn.
        for _ in range(self.candidates):
            centre = data[draws.randint(0, len(data))]
            row = []
            for value, (count, keep) in zip(centre, plan, strict=True):
                uniform = draws.random_sample()
                if count:
                    row.append(float(int(value)) if uniform < keep else float(draws.randint(count)))
                else:
                    row.append(uniform)
            centres.append(centre)
            rows.append(row)
        points: Array = np.array(rows)
        numeric = choices == 0
        middle = np.array(centres)[:, numeric]
        scale = np.broadcast_to(self.bandwidth_factor * widths[numeric], middle.shape)
        points[:, numeric] = truncnorm.ppf(
            points[:, numeric], -middle / scale, (1 - middle) / scale, loc=middle, scale=scale
        )
        return points


def _loss(trial: Trial) -> float:
    """Loss of a finished trial; infinite, the worst, if it failed."""
    return trial.loss if trial.state is State.DONE and math.isfinite(trial.loss) else math.inf


def _informative(history: History, minimum: int) -> tuple[Trial, ...]:
    """Finished trials at the largest budget where a model can be fitted; none if there is no such budget.

    Pruned trials do not count: they were cut off or never run, which says nothing about their configuration.
    """
    for budget in sorted({t.budget for t in history.done}, reverse=True):
        trials = tuple(t for t in history.at_budget(budget) if t.state is not State.PRUNED)
        if len(trials) >= 2 * minimum and sum(_loss(t) < math.inf for t in trials) >= minimum:
            return trials
    return ()


def _code(space: ConfigurationSpace) -> _Coding:
    """The space with the twin that hpbandster can model."""
    from ConfigSpace import ConfigurationSpace, Constant, OrdinalHyperparameter

    parents = {parent.name for name in space for parent in space.parents_of[name]}
    sequences = {hp.name: tuple(hp.sequence) for hp in space.values() if isinstance(hp, OrdinalHyperparameter)}
    fixed = {hp.name: hp.value for hp in space.values() if isinstance(hp, Constant)}
    constants = {name: value for name, value in fixed.items() if name not in parents}
    plan = space.to_serialized_dict()
    plan["forbiddens"] = []
    plan["hyperparameters"] = [_plain(hp) for hp in plan["hyperparameters"] if hp["name"] not in constants]
    plan["conditions"] = [
        _coded(condition, sequences) for condition in plan["conditions"] if _child(condition) not in constants
    ]
    twin = ConfigurationSpace.from_serialized_dict(plan)
    choices = np.array([len(getattr(hp, "choices", ())) for hp in twin.values()], dtype=np.int64)
    return _Coding(copy.deepcopy(space), twin, sequences, constants, choices)


def _plain(hp: dict[str, Any]) -> dict[str, Any]:
    """A serialised hyperparameter: ordinals as integers, constants as choices of one, others as they are."""
    if hp["type"] == "ordinal" and len(hp["sequence"]) > 1:
        bounds = {"lower": 0, "upper": len(hp["sequence"]) - 1, "default_value": 0, "log": False}
        return {"type": "uniform_int", "name": hp["name"], "meta": None, **bounds}
    if hp["type"] in ("ordinal", "constant"):
        value = hp["value"] if hp["type"] == "constant" else 0
        only = {"choices": [value], "default_value": value, "weights": None}
        return {"type": "categorical", "name": hp["name"], "meta": None, **only}
    return hp


def _coded(condition: dict[str, Any], sequences: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """A serialised condition with values of ordinals replaced by their positions."""
    if "conditions" in condition:
        return condition | {"conditions": [_coded(c, sequences) for c in condition["conditions"]]}
    sequence = sequences.get(condition["parent"])
    if sequence is None:
        return condition
    if "values" in condition:
        return condition | {"values": [sequence.index(value) for value in condition["values"]]}
    return condition | {"value": sequence.index(condition["value"])}


def _child(condition: dict[str, Any]) -> str:
    """Name of the hyperparameter that a serialised condition rules."""
    while "conditions" in condition:
        condition = condition["conditions"][0]
    return str(condition["child"])


def _fill(
    array: Array,
    choices: NDArray[np.int64],
    draws: np.random.RandomState,
) -> Array:
    """Points (n, d) with inactive values taken from another point that has them, else drawn."""
    filled = array.copy()
    active = np.isfinite(array)
    donors = [np.flatnonzero(column) for column in active.T]
    for index in np.flatnonzero(~active.all(axis=1)):
        missing = np.flatnonzero(~active[index])
        while missing.size:
            first = missing[0]
            if donors[first].size:
                donor = donors[first][draws.randint(0, donors[first].size)]
                filled[index, missing] = array[donor, missing]
                missing = missing[~active[donor, missing]]
            else:
                filled[index, first] = draws.randint(choices[first]) if choices[first] else draws.random_sample()
                missing = missing[1:]
    return filled
