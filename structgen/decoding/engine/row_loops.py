"""Compiled loops over rows of numbers: exponentials, maximum and sum.

A *row* is a one-dimensional array, such as the scores of one token. The forward pass and the choice of a
token use these loops. A *chain* is one of several partial results in a loop that do not wait for each other.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from structgen.base.native.array_types import Array
from structgen.base.native.jit import jit

Real: TypeAlias = float | np.floating[Any]

# A signed index may count from the end. Numba checks that for each element, which prevents vectorised
# loops. So computed indices are made unsigned.


@jit
def exponential(x: Real) -> Any:
    """Return e^x for x <= 0, to seven digits; for x below -87 it returns e^-87.

    The result is a power of two times a polynomial (Cephes' expf), so that loops over this function
    vectorise.
    """
    if x < np.float32(-87.0):
        x = np.float32(-87.0)
    # e^x is 2^n e^r with an integer n and a small rest r; the constant is 1 / ln 2
    n = np.floor(x * np.float32(1.44269504088896341) + np.float32(0.5))
    # ln 2 in two parts, so that n ln 2 is subtracted without a rounding error
    r = np.float32(x - n * np.float32(0.693359375))
    r = np.float32(r - n * np.float32(-2.12194440e-4))
    y = np.float32(1.9875691500e-4)
    y = np.float32(y * r + np.float32(1.3981999507e-3))
    y = np.float32(y * r + np.float32(8.3334519073e-3))
    y = np.float32(y * r + np.float32(4.1665795894e-2))
    y = np.float32(y * r + np.float32(1.6666665459e-1))
    y = np.float32(y * r + np.float32(5.0000001201e-1))
    y = np.float32(y * r * r + r + np.float32(1.0))
    # The polynomial's coefficients are those of Cephes. The bits of the float 2^n: the exponent n + 127 is in
    # bits 23 to 30, and all other bits are 0.
    exponent = np.int32(n) + np.int32(127)
    bits = np.int32(exponent << np.int32(23))
    return np.float32(y * bits.view(np.float32))


@jit
def write_exponentials(row: Array, start: int, count: int, top: Real, out: Array) -> None:
    """Write e^(number - top) to `out`, for the `count` numbers of `row` from index `start` on. `top` is at
    least as great as each of them."""
    for i in range(count):
        out[i] = exponential(np.float32(row[np.uint64(start + i)] - top))


@jit
def row_maximum(row: Array) -> Any:
    """Return the maximum of a row, NaN ignored; minus infinity for an empty row."""
    # Four chains: a comparison need not wait for the one before it. `whole` is the length rounded down to a
    # multiple of 4 (`& ~3` clears the lowest two bits).
    a = b = c = d = row.dtype.type(-np.inf)
    whole = len(row) & ~3
    for i in range(0, whole, 4):
        a = row[i] if row[i] > a else a
        b = row[i + 1] if row[i + 1] > b else b
        c = row[i + 2] if row[i + 2] > c else c
        d = row[i + 3] if row[i + 3] > d else d
    for i in range(whole, len(row)):
        a = row[i] if row[i] > a else a
    return max(max(a, b), max(c, d))


@jit
def first_maximum(row: Array) -> Any:
    """Return the index of the first maximum of a row that is not empty. A NaN counts as the greatest number,
    as in `numpy.argmax`.

    Numba's own `argmax` raises an error for an empty row. The error has the path of numba's file, so that the
    library of machine code would not have the same bytes wherever it is built.
    """
    at = 0
    for i in range(len(row)):
        if row[i] != row[i]:
            return i
        if row[i] > row[at]:
            at = i
    return at


@jit
def sum_range(values: Array, start: int, count: int) -> Any:
    """Return the sum of the `count` numbers of `values` from index `start` on."""
    # four chains, always added in this order: the result is the same to the bit in any batch
    a = b = c = d = 0.0
    whole = start + (count & ~3)
    for i in range(start, whole, 4):
        a += values[np.uint64(i)]
        b += values[np.uint64(i + 1)]
        c += values[np.uint64(i + 2)]
        d += values[np.uint64(i + 3)]
    for i in range(whole, start + count):
        a += values[np.uint64(i)]
    return (a + b) + (c + d)
