"""Reachability over the known rows of a transition table; compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.language.ir import UNKNOWN
from structgen.native.jit import entry

_UNKNOWN = int(UNKNOWN)


@entry("int64(int32[:,::1], uint8[::1], int32[::1], uint8[::1], int64, int64)")
def _reach(trans, seen, order, known, count, most):  # type: ignore[no-untyped-def]
    """Follow the rows of `order[:count]`, which are marked in `seen`; return how many states were found."""
    width = trans.shape[1]
    at = 0
    while at < count and count <= most:
        state = order[at]
        whole = True
        for column in range(width):
            if trans[state, column] == _UNKNOWN:
                whole = False
                break
        if whole:
            known[at] = 1
            for column in range(width):
                after = trans[state, column]
                if 0 <= after < len(seen) and seen[after] == 0:
                    seen[after] = 1
                    order[count] = after
                    count += 1
        at += 1
    return count


def reached(
    trans: npt.NDArray[np.int32], roots: npt.NDArray[np.int32], most: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the states that known rows reach from `roots` (first in the list), and those with known rows.

    A row is known if no entry is `ir.UNKNOWN`. `roots` are distinct and not negative. Past `most` states no
    more rows are read. Cost: 10 us, and 0.3 us a state.
    """
    seen: npt.NDArray[Any] = np.zeros(len(trans), np.uint8)
    seen[roots] = 1
    order = np.empty(len(trans), np.int32)
    order[: len(roots)] = roots
    known = np.zeros(len(trans), np.uint8)
    count = _reach(trans, seen, order, known, len(roots), most)
    order = order[:count].copy()
    return order, order[known[:count] != 0]
