"""The preparation that a search chooses, fitted per fold: numbers, then categories, then all columns together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.errors import ArtefactError
from automl.preprocessing.choices import MOST_COMPONENTS, Preparation
from automl.preprocessing.columns import Arrays
from automl.preprocessing.encodings import Coalescing, Encoding, fit_coalescing, fit_encoding
from automl.preprocessing.impute import IMPUTATIONS, Imputation, fit_imputation, impute, indicate
from automl.preprocessing.labels import Labels
from automl.preprocessing.reduce import REDUCTIONS, Reduced, fit_reduction, load_reduction
from automl.preprocessing.scale import SCALINGS, Scaling, fit_scaling, scale
from automl.preprocessing.scores import SCORES

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

FORMAT = 2  # of the saved state
Numbers = npt.NDArray[np.float32]
SCALING_WEIGHTS = {
    "quantile": 0.25,
    "robust_clip": 0.18,
    "standard": 0.13,
    "robust": 0.13,
    "power": 0.13,
    "minmax": 0.1,
    "none": 0.05,
    "maxabs": 0.03,
}
ENCODING_WEIGHTS = {"embedding": 0.65, "one_hot": 0.12, "ordinal": 0.05, "target": 0.18}
REDUCTION_WEIGHTS = {
    "none": 0.7,
    "nystroem": 0.07,
    "polynomial": 0.07,
    "select": 0.06,
    "kitchen_sinks": 0.05,
    "pca": 0.03,
    "truncated_svd": 0.02,
}


def preprocessing_space() -> ConfigurationSpace:
    """The space of the configurations that `Preparation` takes.

    The weights hold a random draw near what serves most tables, and leave a few draws for what serves some: they
    follow how often each lowered the loss of linear models and networks.
    """
    from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, InCondition, Integer

    default, space = Preparation(), ConfigurationSpace()

    def weighted(name: str, weights: dict[Any, float]) -> Any:
        return Categorical(name, list(weights), default=getattr(default, name), weights=list(weights.values()))

    scaling = weighted("scaling", SCALING_WEIGHTS)
    class_weighting = weighted("class_weighting", {False: 0.95, True: 0.05})
    encoding, reduction = weighted("encoding", ENCODING_WEIGHTS), weighted("reduction", REDUCTION_WEIGHTS)
    coalescing = weighted("coalescing", {False: 0.85, True: 0.15})
    smoothing = Float("smoothing", (1.0, 100.0), default=default.smoothing, log=True)
    min_frequency = Float("min_frequency", (1e-3, 0.1), default=default.min_frequency, log=True)
    components = Integer("components", (3, MOST_COMPONENTS), default=default.components, log=True)
    whiten = Categorical("whiten", [False, True], default=default.whiten)
    gamma = Float("gamma", (0.05, 5.0), default=default.gamma, log=True)
    select_by = Categorical("select_by", list(SCORES), default=default.select_by)
    select_share = Float("select_share", (0.03, 0.9), default=default.select_share, log=True)
    crossed = Integer("crossed", (2, 12), default=default.crossed)
    space.add(
        Categorical("imputation", list(IMPUTATIONS), default=default.imputation),
        Categorical("missing_indicator", [True, False], default=default.missing_indicator),
        *(scaling, class_weighting, encoding, smoothing, coalescing, min_frequency, reduction),
        *(components, whiten, gamma, select_by, select_share, crossed),
    )
    space.add(
        EqualsCondition(smoothing, encoding, "target"),
        EqualsCondition(min_frequency, coalescing, True),
        InCondition(components, reduction, ["pca", "truncated_svd", "nystroem", "kitchen_sinks"]),
        EqualsCondition(whiten, reduction, "pca"),
        InCondition(gamma, reduction, ["nystroem", "kitchen_sinks"]),
        EqualsCondition(select_by, reduction, "select"),
        EqualsCondition(select_share, reduction, "select"),
        EqualsCondition(crossed, reduction, "polynomial"),
    )
    return space


@dataclass(frozen=True)
class DensePreparer:
    """Fitted steps: `Arrays` → (n, width) float32 without NaN, and the codes that are left to the model.

    The columns are the scaled numbers, indicators of what was missing, encoded categories; or what `reduction` makes
    of all these. A row gets the same bits alone as among others.

    Attributes
    ----------
    coalescing, encoding, reduction: None where nothing is done.
    """

    imputation: Imputation
    scaling: Scaling
    coalescing: Coalescing | None = None
    encoding: Encoding | None = None
    reduction: Reduced | None = None

    @classmethod
    def fit(
        cls,
        arrays: Arrays,
        gaps: npt.NDArray[np.bool_] | None = None,
        *,
        levels: tuple[int, ...] | None = None,
        labels: Labels | None = None,
        **choices: Any,
    ) -> DensePreparer:
        """Learn the steps from training rows; see `fit_transform`."""
        return cls.fit_transform(arrays, gaps, levels=levels, labels=labels, **choices)[0]

    @classmethod
    def fit_transform(
        cls,
        arrays: Arrays,
        gaps: npt.NDArray[np.bool_] | None = None,
        *,
        levels: tuple[int, ...] | None = None,
        labels: Labels | None = None,
        **choices: Any,
    ) -> tuple[DensePreparer, Numbers]:
        """Learn the steps from training rows, and the prepared numbers (n, width) that a model is to learn from.

        These differ from `transform` of the same rows where an encoding learns from the target: it is cross-fitted.

        Parameters
        ----------
        gaps: (d,) True for the columns that get an indicator, so that it is the same ones in every fold; None for
            those with missing entries in these rows.
        levels: codes per categorical column, 0 included, for the same reason; None for those in these rows.
        labels: of the rows, for steps that learn from the target.
        choices: fields of `Preparation`.

        Raises
        ------
        SettingError: a name is not in its table, a value out of its range, or a step needs labels.
        """
        chosen = Preparation(**choices)
        filling = fit_imputation(arrays.numbers, chosen.imputation, bool(chosen.missing_indicator), gaps)
        scaling = fit_scaling(impute(arrays.numbers, filling), chosen.scaling)
        first = cls(filling, scaling)
        numbers = first.transform(arrays)
        if levels is None:
            levels = tuple((arrays.codes.max(axis=0, initial=0) + 1).tolist())
        coalescing = fit_coalescing(arrays.codes, levels, chosen.min_frequency) if chosen.coalescing else None
        encoding = None
        if chosen.encoding != "embedding":
            codes = arrays.codes if coalescing is None else coalescing(arrays.codes)
            encoding, encoded = fit_encoding(codes, levels, chosen.encoding, labels, chosen.smoothing)
            numbers = np.hstack([numbers, encoded])
        reduction = fit_reduction(numbers, labels, chosen)
        if reduction is not None:
            numbers = reduction.transform(numbers)
        return cls(filling, scaling, coalescing, encoding, reduction), numbers

    @property
    def width(self) -> int:
        """Columns of what `transform` gives."""
        if self.reduction is not None:
            return self.reduction.fitted.width
        encoded = 0 if self.encoding is None else self.encoding.width
        return len(self.imputation.fill) + len(self.imputation.marked) + encoded

    def transform(self, arrays: Arrays) -> Numbers:
        """Prepared numbers (n, width) of any rows of the same table."""
        parts = [scale(impute(arrays.numbers, self.imputation), self.scaling)]
        if len(self.imputation.marked):
            parts.append(indicate(arrays.numbers, self.imputation))
        if self.encoding is not None:
            parts.append(self.encoding(self._coalesced(arrays)))
        numbers = parts[0] if len(parts) == 1 else np.hstack(parts)
        return numbers if self.reduction is None else self.reduction.transform(numbers)

    def codes(self, arrays: Arrays) -> npt.NDArray[np.int32]:
        """Codes (n, c) that are left to the model; (n, 0) where categories are encoded as numbers."""
        return self._coalesced(arrays) if self.encoding is None else arrays.codes[:, :0]

    def levels(self, levels: tuple[int, ...]) -> tuple[int, ...]:
        """Codes per column of `codes`, of the table's `levels`."""
        return levels if self.encoding is None else ()

    def _coalesced(self, arrays: Arrays) -> npt.NDArray[np.int32]:
        return arrays.codes if self.coalescing is None else self.coalescing(arrays.codes)

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """What fit learned as (a dictionary for JSON, arrays by name)."""
        scaling, filling = self.scaling, self.imputation
        json: dict[str, Any] = {"format": FORMAT, "scaling": scaling.method}
        arrays: dict[str, npt.NDArray[Any]] = {"fill": filling.fill, "marked": filling.marked}
        arrays |= {name: getattr(scaling, name) for name in _SCALING}
        if self.coalescing is not None:
            arrays |= {"coalescing.table": self.coalescing.table, "coalescing.starts": self.coalescing.starts}
        if self.encoding is not None:
            json["encoded"] = len(self.encoding.tables)
            arrays |= {f"encoding.{j}": table for j, table in enumerate(self.encoding.tables)}
        if self.reduction is not None:
            json["reduction"] = self.reduction.method
            arrays |= {f"reduction.{name}": array for name, array in self.reduction.arrays().items()}
        return json, arrays

    @classmethod
    def from_state(cls, json: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> DensePreparer:
        """The preparer that gave this `state()`; it transforms to the same bits.

        Raises
        ------
        ArtefactError: the state is of another format or incomplete.
        """
        method, reduction = json.get("scaling"), json.get("reduction")
        if json.get("format") != FORMAT or method not in SCALINGS or reduction not in (None, *REDUCTIONS):
            raise ArtefactError(
                f"a saved preparer is of format {json.get('format')!r} with scaling {method!r} and reduction "
                f"{reduction!r}; known are format {FORMAT}, the scalings {', '.join(SCALINGS)} and the reductions "
                f"{', '.join(REDUCTIONS)}"
            )
        try:
            coalescing = encoding = reduced = None
            if "coalescing.table" in arrays:
                coalescing = Coalescing(arrays["coalescing.table"], arrays["coalescing.starts"])
            if "encoded" in json:
                encoding = Encoding(tuple(arrays[f"encoding.{j}"] for j in range(json["encoded"])))
            if reduction is not None:
                start = "reduction."
                own = {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
                reduced = load_reduction(reduction, own)
            filling = Imputation(arrays["fill"], arrays["marked"])
            scaling = Scaling(method, *(arrays[name] for name in _SCALING))
        except KeyError as error:
            raise ArtefactError(f"a saved preparer is incomplete: array {error} is missing") from error
        return cls(filling, scaling, coalescing, encoding, reduced)


_SCALING = ("shift", "factor", "knots", "scores", "bends")
