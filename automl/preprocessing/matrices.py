"""Matrix products that give a row the same bits alone as among others, and the leading directions of a table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MANTISSA = 53  # bits of a float64
LEAST = 1e-300  # counts as the largest of smaller ones: the grid of what is near 0 would have a unit of 0
FAINT = 1e-6  # share of the widest direction's spread below which a direction is rounding
ROUNDING = 1e-12  # share of a value below which the spread of equal ones about their mean lies


def product(rows: Floats, weights: Floats) -> Floats:
    """(n, k) times (k, w), exact for factors that are first rounded to about 23 bits each.

    Libraries of linear algebra sum in an order that depends on the number of rows, of threads and the processor, so
    that a row would get other last bits among others than alone. Rounded to a grid, fine for each row and for each
    column of weights as float32 is, no sum of products needs more bits than a float64 has: every order gives the same
    (the error-free splitting of Ozaki et al. 2012, doi:10.1007/s11075-011-9478-1, cut after its first term).
    """
    bits = factor_bits(rows.shape[1])
    return on_grid(rows, 1, bits) @ on_grid(weights, 0, bits)


def factor_bits(count: int) -> int:
    """Bits of each factor with which a sum of `count` products is exact."""
    return (MANTISSA - count.bit_length()) // 2


def on_grid(values: Floats, axis: int, bits: int) -> Floats:
    """Values rounded to multiples of 2^−bits of the power of two above the largest along the axis."""
    _, exponent = np.frexp(np.abs(values).max(axis=axis, keepdims=True, initial=LEAST))
    unit = np.ldexp(1.0, exponent - bits)
    return np.rint(values / unit) * unit


def leading(rows: Floats, count: int) -> tuple[Floats, Floats]:
    """(k, w) orthonormal directions in which the rows (n, k) reach furthest, and (w,) their root mean squares.

    w is the lesser of count and k, whatever n is: directions beyond the rank of few rows are zeros. Randomized SVD
    (Halko et al. 2011, arXiv:0909.4061).
    """
    from sklearn.utils.extmath import randomized_svd

    columns = rows.shape[1]
    _, singular, found = randomized_svd(rows, min(count, *rows.shape), random_state=0)
    more = min(count, columns) - len(singular)
    directions = np.vstack([found, np.zeros((more, columns))]).T
    return directions, np.append(singular, np.zeros(more)) / np.sqrt(len(rows))


def inverse(spread: Floats, size: Floats | float = 0.0) -> Floats:
    """1 / spread, and 0 where the spread is nothing beside the widest one, or the rounding of what it is of.

    size: largest absolute value of what the spread is of, for each or for all.
    """
    least = np.maximum(FAINT * spread.max(initial=0.0), ROUNDING * size)
    return np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > least)
