"""Many `multipleOf` at one place: merged into one, or listed as numbers where few are left."""

from __future__ import annotations

from decimal import Decimal
from math import lcm

from structgen.language.ir import FALSE, All, Any_, Formula, Interval, Multiple, Not, Points
from structgen.schema.meaning.formulas import LISTED, conjunction, is_multiple, number_meets

_DIGITS = 20
"""Multiples are merged while the result has at most so many digits on either side of the point: numerals of
that length are allowed by every policy, so that merging does not change how long a numeral may be."""
_FEW_DIVISORS = 4
"""Numbers are written out only where more divisors than this would have to be counted with."""


def simplified(formula: All) -> Formula:
    """Return an equal formula with fewer divisors, if there is one.

    The `multipleOf` of a conjunction are one (their least common multiple). Where many are left, and the
    numbers are bounded and multiples of something, those that meet the formula are listed instead.
    """
    merged = _merged(formula)
    if not isinstance(merged, All) or _bounded(merged) is None or _divisors(merged) <= _FEW_DIVISORS:
        return merged
    few = _candidates(merged)
    if few is None:
        return merged
    left = frozenset([value for value in few if number_meets(merged, value)])
    return Points(left) if left else FALSE


def _merged(formula: All) -> Formula:
    found = [part for part in formula.of if isinstance(part, Multiple)]
    if len(found) < 2:
        return formula
    kept: list[Decimal] = []
    for part in found:
        for at, other in enumerate(kept):
            both = common_multiple(part.of, other)
            if both is not None:
                kept[at] = both
                break
        else:
            kept.append(part.of)
    rest = [part for part in formula.of if not isinstance(part, Multiple)]
    return conjunction((*map(Multiple, kept), *rest))


def common_multiple(a: Decimal, b: Decimal) -> Decimal | None:
    """Return the least positive number that is an integer times both; None where it would be longer than
    both and have more digits than every policy allows."""
    if is_multiple(a, b):
        return a
    if is_multiple(b, a):
        return b
    scale = min(_exponent(a), _exponent(b))
    if scale < -_DIGITS or max(a.adjusted(), b.adjusted()) >= _DIGITS:
        return None
    digits = str(lcm(_whole(a, scale), _whole(b, scale)))
    if len(digits) + scale > _DIGITS:
        return None
    return Decimal((0, tuple(map(int, digits)), scale))


def _divisors(formula: Formula) -> int:
    """Return how many different divisors a formula of intervals and multiples has; 0 for any other."""
    found: set[Decimal] = set()
    stack: list[Formula] = [formula]
    while stack:
        node = stack.pop()
        if isinstance(node, Multiple):
            found.add(node.of)
        elif isinstance(node, Not):
            stack.append(node.of)
        elif isinstance(node, (All, Any_)):
            stack.extend(node.of)
        elif not isinstance(node, (Interval, Points)):
            return 0
    return len(found)


def _bounded(formula: All) -> Interval | None:
    """Return the interval of a conjunction, if it has both bounds."""
    interval = next((part for part in formula.of if isinstance(part, Interval)), None)
    return None if interval is None or interval.low is None or interval.high is None else interval


def _candidates(formula: All) -> list[Decimal] | None:
    """Return a short list of numbers that holds all that meet the formula, or None where none is known."""
    interval = _bounded(formula)
    if interval is None:
        return None
    assert interval.low is not None and interval.high is not None
    best: tuple[list[range], int] | None = None
    least = LISTED + 1
    for part in formula.of:
        steps = _steps(part)
        grid = _grid(interval.low, interval.high, steps) if steps else None
        if grid is not None:
            count = sum(map(len, grid[0]))
            if count < least:
                best, least = grid, count
    if best is None:
        return None
    ranges, scale = best
    numbers = sorted({number for numbers in ranges for number in numbers})
    return [Decimal((number < 0, tuple(map(int, str(abs(number)))), scale)) for number in numbers]


def _steps(part: Formula) -> list[Decimal] | None:
    """Return numbers such that whatever meets the formula is a multiple of one of them, or None."""
    found: list[Decimal] = []
    for branch in part.of if isinstance(part, Any_) else (part,):
        conjuncts = branch.of if isinstance(branch, All) else (branch,)
        multiples = [one.of for one in conjuncts if isinstance(one, Multiple)]
        if not multiples:
            return None
        found.append(max(multiples))
    return found


def _grid(low: Decimal, high: Decimal, steps: list[Decimal]) -> tuple[list[range], int] | None:
    """Return the multiples of each step from `low` to `high`, as integers times 10**scale, and the scale."""
    values = (low, high, *steps)
    scale = min(0, *map(_exponent, values))
    if scale < -_DIGITS or any(value and abs(value.adjusted()) > _DIGITS for value in values):
        return None
    first, last = _whole(low, scale), _whole(high, scale)
    found: list[range] = []
    for step in steps:
        whole = _whole(step, scale)
        found.append(range(-(-first // whole) * whole, last + 1, whole))
    return found, scale


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent


def _whole(value: Decimal, scale: int) -> int:
    """Return a number as an integer times 10**scale; exact, `scale` is no larger than its exponent."""
    sign, digits, _ = value.as_tuple()
    size = int("".join(map(str, digits)) + "0" * (_exponent(value) - scale))
    return -size if sign else size
