"""Text columns as a few numbers: skrub's StringEncoder, latent semantic analysis of character n-grams.

Skrub is imported where it is used, since that takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.preprocessing.saved_encoder import dump, load
from automl.preprocessing.table import distinct

COMPONENTS = 10  # numbers per text column
MOST_TEXTS = 2_000  # distinct texts that the encoder is fitted on
MOST_CHARACTERS = 300  # of a text that are read
FEWEST_LEVELS = 40  # at most this many distinct texts are categories, as in skrub's TableVectorizer
MANY_NAMES = 255  # distinct names beyond which categories are read as text, too: most levels are rare then
WORDS = 4  # mean words from which distinct values are sentences rather than names
TRUSTED = ("skrub._string_encoder.StringEncoder", "skrub._to_str.ToStr")


@dataclass(frozen=True)
class Text:
    """A fitted text column: `transform` gives (n, components), NaN where the text is missing."""

    encoder: Any

    @property
    def width(self) -> int:
        return int(self.encoder.n_components_)

    def transform(self, column: pd.Series[Any], name: str) -> npt.NDArray[np.float64]:
        """Numbers (n, components) of a column, computed once per distinct text."""
        codes, values = distinct(column.astype(object), name)
        numbers = np.full((len(values) + 1, self.width), np.nan)
        if values:
            numbers[:-1] = self.encoder.transform(_texts(values)).to_numpy(dtype=np.float64)
        return numbers[codes]

    def dump(self) -> npt.NDArray[np.uint8]:
        return dump(self.encoder)


def load_text(saved: npt.NDArray[np.uint8]) -> Text:
    """The text column that `Text.dump` saved; loads nothing but its own types."""
    return Text(load(saved, TRUSTED))


def is_text(values: list[Any], rows: int) -> bool:
    """Whether distinct values, seen in `rows` non-missing rows, are free text rather than categories.

    They are if they are many and either mostly unique or sentences. Values that repeat are categories however many.
    """
    if len(values) <= FEWEST_LEVELS or not all(isinstance(value, str) for value in values):
        return False
    if sum(not value.isspace() and value != "" for value in values) <= FEWEST_LEVELS:
        return False
    words = np.mean([len(value.split()) for value in values[:MOST_TEXTS]])
    return len(values) > rows / 2 or bool(words >= WORDS)


def are_many_names(values: list[Any]) -> bool:
    """Whether the distinct values of a column of categories are text, and many."""
    return len(values) > MANY_NAMES and all(isinstance(value, str) and value.strip() for value in values)


def fit_text(values: list[Any]) -> Text:
    """Fit on at most 2,000 of the distinct texts, evenly spread over their alphabetical order."""
    from skrub import StringEncoder

    ordered = sorted(values)
    step = max(1, -(-len(ordered) // MOST_TEXTS))
    encoder = StringEncoder(n_components=COMPONENTS, random_state=0)
    encoder.fit_transform(_texts(ordered[::step]))
    return Text(encoder)


def _texts(values: list[Any]) -> pd.Series[Any]:
    return pd.Series([str(value)[:MOST_CHARACTERS] for value in values], dtype=object, name="text")
