"""Sparse tables too wide to be made dense: kept as they are for models that can take them, reduced for the others.

The reduction is the truncated singular value decomposition of the table (latent semantic analysis, Deerwester et al.
1990), whose columns are first scaled by their largest size, which keeps zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from automl.errors import DataError

DENSE_BYTES = 512 * 2**20
"""Of a sparse table as dense float32 numbers, up to which it is treated as any other table."""
COMPONENTS = 128
"""Numbers that a row of a wider one is reduced to, at most."""


@dataclass(frozen=True)
class Wide:
    """What was learned of a wide table.

    Attributes
    ----------
    scale: (d,) by which columns are multiplied; 0 for those without entries.
    directions: (d, w) on which rows are projected.
    """

    scale: npt.NDArray[np.float32]
    directions: npt.NDArray[np.float32]

    def scaled(self, X: Any) -> sparse.csr_array:
        """The table (n, d) as it is kept.

        Raises
        ------
        DataError: it has another number of columns.
        """
        rows = sparse.csr_array(X, dtype=np.float32)
        if rows.shape[1] != len(self.scale):
            raise DataError(f"X has {rows.shape[1]} features, but {len(self.scale)} are expected; pass those of fit")
        rows.data = np.nan_to_num(rows.data) * self.scale[rows.indices]
        return rows

    def reduced(self, rows: sparse.csr_array) -> npt.NDArray[np.float64]:
        """(n, w) numbers of rows that were scaled; a row gets the same bits alone as among others."""
        return np.asarray(rows @ self.directions, dtype=np.float64)


def is_wide(X: Any) -> bool:
    """Whether a table is sparse and would take too much memory as a dense one."""
    return bool(sparse.issparse(X)) and 4 * X.shape[0] * X.shape[1] > DENSE_BYTES


def fit_wide(X: Any) -> Wide:
    """Learn scales and directions of a sparse table (n, d)."""
    from sklearn.utils.extmath import randomized_svd

    rows = sparse.csr_array(X, dtype=np.float32)
    rows.data = np.nan_to_num(rows.data)
    most = np.asarray(abs(rows).max(axis=0).todense()).ravel()
    scale = np.divide(1.0, most, out=np.zeros_like(most), where=most > 0).astype(np.float32)
    rows.data *= scale[rows.indices]
    count = min(COMPONENTS, rows.shape[0] - 1, rows.shape[1] - 1)
    _, _, directions = randomized_svd(rows, count, random_state=0)
    return Wide(scale, np.ascontiguousarray(directions.T, dtype=np.float32))
