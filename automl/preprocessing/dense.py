"""The preparation of numbers that a search chooses: impute, scale, mark what was missing. Fitted per fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.errors import ArtefactError
from automl.preprocessing.columns import Arrays
from automl.preprocessing.impute import IMPUTATIONS, Imputation, fit_imputation, impute, indicate
from automl.preprocessing.scale import SCALINGS, Scaling, fit_scaling, scale

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

FORMAT = 1  # of the saved state


def preprocessing_space() -> ConfigurationSpace:
    """The space of the configurations that `DensePreparer.fit` takes."""
    from ConfigSpace import Categorical, ConfigurationSpace

    space = ConfigurationSpace()
    space.add(
        Categorical("imputation", list(IMPUTATIONS), default="median"),
        Categorical("missing_indicator", [True, False], default=True),
        Categorical("scaling", list(SCALINGS), default="quantile"),
    )
    return space


@dataclass(frozen=True)
class DensePreparer:
    """Fitted steps: `Arrays.numbers` (n, d) → (n, d + m) float32 without NaN, m indicator columns last."""

    imputation: Imputation
    scaling: Scaling

    @classmethod
    def fit(
        cls,
        arrays: Arrays,
        gaps: npt.NDArray[np.bool_] | None = None,
        *,
        imputation: str = "median",
        missing_indicator: bool = True,
        scaling: str = "quantile",
    ) -> DensePreparer:
        """Learn the steps from training rows.

        Parameters
        ----------
        gaps: (d,) True for the columns that get an indicator, so that it is the same ones in every fold; None for
            those with missing entries in these rows.

        Raises
        ------
        SettingError: a name is not among IMPUTATIONS or SCALINGS.
        """
        filling = fit_imputation(arrays.numbers, imputation, bool(missing_indicator), gaps)
        return cls(filling, fit_scaling(impute(arrays.numbers, filling), scaling))

    @property
    def width(self) -> int:
        """Columns of what `transform` gives."""
        return len(self.imputation.fill) + len(self.imputation.marked)

    def transform(self, arrays: Arrays) -> npt.NDArray[np.float32]:
        """Prepared numbers (n, d + m) of any rows of the same table."""
        scaled = scale(impute(arrays.numbers, self.imputation), self.scaling)
        if not len(self.imputation.marked):
            return scaled
        return np.hstack([scaled, indicate(arrays.numbers, self.imputation)])

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """What fit learned as (a dictionary for JSON, arrays by name)."""
        scaling, filling = self.scaling, self.imputation
        arrays: dict[str, npt.NDArray[Any]] = {
            "fill": filling.fill,
            "marked": filling.marked,
            "shift": scaling.shift,
            "factor": scaling.factor,
            "knots": scaling.knots,
            "scores": scaling.scores,
        }
        return {"format": FORMAT, "scaling": scaling.method}, arrays

    @classmethod
    def from_state(cls, json: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> DensePreparer:
        """The preparer that gave this `state()`; it transforms to the same bits.

        Raises
        ------
        ArtefactError: the state is of another format or incomplete.
        """
        method = json.get("scaling")
        if json.get("format") != FORMAT or method not in SCALINGS:
            raise ArtefactError(
                f"a saved preparer is of format {json.get('format')!r} with scaling {method!r}; known are "
                f"format {FORMAT} and the scalings {', '.join(SCALINGS)}"
            )
        try:
            filling = Imputation(arrays["fill"], arrays["marked"])
            fields = (arrays[name] for name in ("shift", "factor", "knots", "scores"))
            return cls(filling, Scaling(method, *fields))
        except KeyError as error:
            raise ArtefactError(f"a saved preparer is incomplete: array {error} is missing") from error
