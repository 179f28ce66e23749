"""A side cut by the first digit of its values, where some are excepted one by one.

Once the first digit that is not 0 is written, no value that begins with another one can come about any more,
whatever exponent follows. What is excepted of a side then depends on the digit, and two sides that differ in
a value differ under its first digit alone: under the others they share their states. So an array of numbers
that must differ makes a tenth of an automaton with each of its items.
"""

from __future__ import annotations

from structgen.automata.numbers.number_plan import Side


def split(side: Side) -> tuple[Side, ...]:
    """Return what a side asks of the values that begin with each digit, by digit (as none begins with 0, the
    first is what is asked where nothing is excepted); none at all where nothing is.

    A value is excepted where others close to it, below and above, have an outcome that it has not. Cost:
    linear in the bounds.
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
    """Return a side with some of its bounds; what it says of zero is said already."""
    rows = [side.rows[0]]
    for at in kept:
        rows += side.rows[2 * at + 1 : 2 * at + 3]
    bounds = tuple([side.bounds[at] for at in kept])
    return side._replace(zero=-1, bounds=bounds, rows=tuple(rows)).without_zero()
