"""A data set of a competition as it was counted in its files, and what a format of competitions must say.

Needs NumPy alone: a first prediction is written before anything else is imported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from automl.challenge_metrics import Kind
from automl.errors import SettingError

Floats = NDArray[np.float64]
Predictions = Mapping[str, Floats]
"""Part → (rows, outputs): probabilities in [0, 1], or values."""
DEFAULT_SECONDS = 1200.0
"""Of a data set for which nobody says more."""


@dataclass(frozen=True)
class Problem:
    """What is to be predicted.

    Attributes
    ----------
    name: of the data set.
    kind: binary and regression have one output, multiclass one for each class, multilabel one for each label.
    metric: a name of `challenge_metrics` or a scikit-learn scorer's.
    prior: (outputs,) mean of the training targets, and …
    median: (outputs,) … their median.
    rows: part → rows to predict.
    seconds: that the organisers give, or None.
    labels: what the classes are called, where that is written out.
    """

    name: str
    kind: Kind
    metric: str
    prior: tuple[float, ...]
    median: tuple[float, ...]
    rows: Mapping[str, int]
    seconds: float | None = None
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, kind: Kind, metric: str, targets: NDArray[Any], **rest: Any) -> Problem:
        """The problem of targets (n, outputs); missing ones do not count."""
        prior, median = np.nanmean(targets, axis=0), np.nanmedian(targets, axis=0)
        return cls(name, kind, metric, tuple(prior.tolist()), tuple(median.tolist()), **rest)

    @property
    def outputs(self) -> int:
        return len(self.prior)

    @property
    def share(self) -> float:
        """Seconds of its own; where one budget is for several data sets, it is shared out in proportion to these."""
        return self.seconds or DEFAULT_SECONDS


@dataclass(frozen=True)
class Data:
    """What a model learns from, and what it predicts.

    Attributes
    ----------
    train: (n, d) array, sparse matrix or DataFrame.
    targets: (n, outputs), as `Problem` has them.
    parts: part → rows to predict, in the order in which they are wanted.
    """

    train: Any
    targets: Floats
    parts: Mapping[str, Any]


class Format(Protocol):
    """How the data sets of a competition are read, and how predictions are handed in."""

    name: str

    def names(self, source: Path) -> Sequence[str]:
        """Data sets in a folder, in the organisers' order."""
        ...

    def read(self, source: Path, name: str, metric: str | None = None) -> Problem:
        """Count a data set, within a second; metadata are not trusted.

        Raises
        ------
        DataError, OSError: it cannot be read.
        """
        ...

    def data(self, source: Path, problem: Problem) -> Data:
        """Read it whole."""
        ...

    def files(self, source: Path, problem: Problem, predictions: Predictions, number: int) -> Mapping[str, bytes]:
        """Name → content of what is handed in as the problem's prediction of this number, from 0."""
        ...

    def faults(self, source: Path, problem: Problem, output: Path) -> Sequence[str]:
        """What is wrong with what was handed in; each names the file, and nothing is wrong where there is none."""
        ...

    def top(self, settings: Settings) -> Mapping[str, str]:
        """Name → content of the files at the top of an archive, beside our packages in `lib`."""
        ...

    def toy(self, folder: Path) -> None:
        """Write a small input of this format, of every kind of task that it knows."""
        ...


@dataclass(frozen=True)
class Settings:
    """What an archive is to do where it runs: seconds, None as the organisers say; metric, None as the data say."""

    format: str
    seconds: float | None = None
    metric: str | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise SettingError(f"budget {self.seconds!r} must be a number of seconds above 0; leave it out for theirs")
