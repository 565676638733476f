"""The columns that tell most of the target, each by itself or together in a model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.errors import SettingError, unknown
from automl.preprocessing.choices import Preparation
from automl.preprocessing.labels import Labels
from automl.preprocessing.matrices import Floats
from automl.preprocessing.scores import SCORES

FEWEST = 5  # columns that are kept whatever the share, since few tables are told by less


@dataclass(frozen=True)
class Select:
    """The columns at the positions `kept` (w,), ascending."""

    kept: npt.NDArray[np.int64]

    @classmethod
    def fit(cls, rows: Floats, labels: Labels | None, chosen: Preparation) -> Select:
        """Keep a share of the columns, the first of equal ones.

        Raises
        ------
        SettingError: there are no labels, or the score is not known.
        """
        if labels is None:
            raise SettingError("reduction='select' learns from the target; pass labels=Labels(y, outputs)")
        if chosen.select_by not in SCORES:
            raise unknown("select_by", chosen.select_by, SCORES)
        score = SCORES[chosen.select_by](rows, labels)
        count = max(FEWEST, math.ceil(chosen.select_share * rows.shape[1]))
        return cls(np.sort(np.argsort(-score, kind="stable")[:count]).astype(np.int64))

    @property
    def width(self) -> int:
        return len(self.kept)

    def transform(self, rows: Floats) -> Floats:
        return rows[:, self.kept]
