"""Splits a side by first digit, so that an exclusion affects one branch only.

The first digit that is not 0 decides which excluded values are still possible, whatever exponent follows.
Two sides that differ in one excluded value share their states under the nine other digits. So each item of
an array of different numbers adds a tenth of an automaton.
"""

from __future__ import annotations

import numpy as np

from structgen.automata.numbers.digit_steps import RANKS
from structgen.automata.numbers.number_plan import Side


def split(side: Side) -> tuple[Side, ...]:
    """Return a side's parts by first digit; part 0 has no exclusions. Empty if the side excludes no value.

    A value is excluded if its neighbours below and above share an outcome that it has not. Cost: linear in
    the bounds.
    """
    gaps = side.table[::2]
    excluded = (gaps[:-1] == gaps[1:]).all(1) & (gaps[1:].max(1) >= 0)
    if not excluded.any():
        return ()
    firsts = np.array([int(word[0]) for word in side.words])[(side.bounds & RANKS - 1) >> 1]
    side = side._replace(zero=(-1, -1))
    return tuple([side.only(~excluded | (firsts == digit)).without_zero() for digit in range(10)])
