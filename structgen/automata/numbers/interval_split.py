"""Splits a side by first digit, so that an exclusion affects one branch only.

The first digit that is not 0 decides which excluded values are still possible, whatever exponent follows.
Two sides that differ in one excluded value share their states under the nine other digits. So each item of
an array of different numbers adds a tenth of an automaton.
"""

from __future__ import annotations

from structgen.automata.numbers.number_plan import Side


def split(side: Side) -> tuple[Side, ...]:
    """Return a side's parts by first digit; part 0 has no exclusions. Empty if the side excludes no value.

    A value is excluded if its neighbours below and above share an outcome that it has not. Cost: linear in
    the bounds.
    """
    fixed: list[int] = []
    by_digit: list[list[int]] = [[] for _ in range(10)]
    rows = side.rows
    for at, bound in enumerate(side.bounds):
        below = rows[2 * at]
        if below == rows[2 * at + 2] and max(below) >= 0:
            by_digit[int(bound.digits[0])].append(at)
        else:
            fixed.append(at)
    if len(fixed) == len(side.bounds):
        return ()
    others = _of(side, fixed)
    return tuple([_of(side, sorted(fixed + some)) if some else others for some in by_digit])


def _of(side: Side, kept: list[int]) -> Side:
    """Return a side with some of its bounds and no outcome for zero."""
    rows = [side.rows[0]]
    for at in kept:
        rows += side.rows[2 * at + 1 : 2 * at + 3]
    bounds = tuple([side.bounds[at] for at in kept])
    return side._replace(zero=(-1, -1), bounds=bounds, rows=tuple(rows)).without_zero()
