"""A target column as it stands in a text file → its labels, and numbers (rows, outputs); needs NumPy alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from automl.data import MOST_LABELS
from automl.submission.problem import Floats

MISSING = frozenset(("", "?", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "none", "null"))
"""Cells among numbers that hold none; among text all but the empty one are labels like any other."""


def labels_of(cells: Sequence[str]) -> tuple[str, ...]:
    """The labels of a target, sorted; () where it holds values: many distinct numbers, or some that are not whole."""
    distinct = set(cells) - {""}
    numbers = distinct - MISSING
    if not numbers or not are_numbers(numbers):
        return tuple(sorted(distinct))
    few = 1 < len(numbers) <= min(MOST_LABELS, sum(cell in numbers for cell in cells) / 2)
    whole = all(float(cell) % 1 == 0 for cell in numbers)
    return tuple(sorted(numbers, key=float)) if few and whole else ()


def are_numbers(cells: Collection[str]) -> bool:
    """Whether all are finite numbers."""
    try:
        return bool(np.isfinite([float(cell) for cell in cells]).all())
    except ValueError:
        return False


def targets_of(cells: Sequence[str], labels: Sequence[str]) -> Floats:
    """(n, outputs): values; or one for each label, and of two labels the second alone; NaN where there is none of them.

    Examples
    --------
    >>> targets_of(["no", "yes", ""], ("no", "yes")).ravel().tolist()
    [0.0, 1.0, nan]
    """
    if not labels:
        return np.array([[np.nan if cell in MISSING else float(cell)] for cell in cells])
    place = {label: k for k, label in enumerate(labels)}
    codes = np.array([place.get(cell, -1) for cell in cells])
    one_hot = np.where(codes[:, None] < 0, np.nan, codes[:, None] == np.arange(len(labels)))
    return one_hot[:, 1:] if len(labels) == 2 else one_hot
