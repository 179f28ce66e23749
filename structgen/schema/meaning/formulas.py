"""Formulas over strings and numbers, folded as they are built, and plain answers about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any, TypeAlias

from structgen.language.ir import (
    FALSE,
    TRUE,
    All,
    Any_,
    Format,
    Formula,
    Interval,
    Length,
    Multiple,
    Not,
    Pattern,
    PlainInteger,
    Points,
    Words,
)
from structgen.schema.meaning import simple_patterns

EXACT_EXPONENT = 5_000
"""Exact arithmetic on decimals is done up to this exponent; beyond it the number automata are asked."""
LISTED = 1_000
"""Members of a finite set that are looked at one by one: each costs some 20 us where automata are asked."""
FEW_DIGITS = 12
"""Digits of bounds and divisors whose multiples next to them need no more than every policy allows."""
_FEW_REMAINDERS = 4
"""Digits of a divisor that surely has an automaton."""


def has_few_digits(ends: Iterable[Decimal | None], divisor: Decimal | None) -> bool:
    """Return whether numbers that meet bounds and a divisor can be written by every policy, if there are any;
    else the automata are asked, which refuse what is too large by name."""
    if divisor is not None and len(divisor.normalize().as_tuple().digits) > _FEW_REMAINDERS:
        return False
    return not any(value and abs(value.adjusted()) > FEW_DIGITS for value in (*ends, divisor))


def negation(formula: Formula) -> Formula:
    """Return the complement, folded where it is a constant or a complement itself."""
    if isinstance(formula, Not):
        return formula.of
    if formula == TRUE:
        return FALSE
    if formula == FALSE:
        return TRUE
    # a complement of complements says what must hold: lengths are met then, and contradictions seen
    if isinstance(formula, Any_) and any(isinstance(part, Not) for part in formula.of):
        return conjunction([negation(part) for part in formula.of])
    if isinstance(formula, All) and any(isinstance(part, Not) for part in formula.of):
        return disjunction([negation(part) for part in formula.of])
    return Not(formula)


def disjunction(formulas: Iterable[Formula]) -> Formula:
    """Return the union; finite sets are joined, duplicates and constants folded. Linear."""
    kept: dict[Formula, None] = {}
    words: list[frozenset[str]] = []
    values: list[frozenset[int | Decimal]] = []
    for formula in formulas:
        if formula == TRUE:
            return TRUE
        for part in formula.of if isinstance(formula, Any_) else (formula,):
            if isinstance(part, Words):
                words.append(part.of)
            elif isinstance(part, Points):
                values.append(part.of)
            else:
                kept[part] = None
    if words:
        kept[Words(words[0] if len(words) == 1 else frozenset().union(*words))] = None
    if values:
        kept[Points(values[0] if len(values) == 1 else frozenset().union(*values))] = None
    if len(kept) == 1:
        return next(iter(kept))
    return Any_(tuple(kept))


def numbers_of(values: Sequence[Any]) -> frozenset[int | Decimal]:
    """Return the numbers among JSON values."""
    found: list[Any] = [one for one in values if type(one) is int or type(one) is Decimal]
    return frozenset([Decimal(one) if type(one) is int and one.bit_length() > 59 else one for one in found])


def is_multiple(value: Decimal, of: Decimal) -> bool:
    """Return whether a number is an integer times another; exact at any exponent."""
    if not value:
        return True
    _, value_digits, value_exponent = value.as_tuple()
    _, of_digits, of_exponent = of.as_tuple()
    assert isinstance(value_exponent, int) and isinstance(of_exponent, int)
    a = int("".join(map(str, value_digits)))
    b = int("".join(map(str, of_digits)))
    shift = value_exponent - of_exponent
    if shift >= 0:
        return bool(a * pow(10, shift, b) % b == 0)
    if -shift > len(value_digits):
        return False
    return bool(a % (b * 10**-shift) == 0)


def holds(formula: Formula, leaf: Callable[[Formula], bool]) -> bool:
    """Return the truth of a formula, given that of its atoms; asks for no more of them than it takes, and is
    no deeper for Python than an atom."""
    if not isinstance(formula, (Not, All, Any_)):
        return leaf(formula)
    above: list[tuple[Not | All | Any_, int]] = []
    while True:
        if not isinstance(formula, (Not, All, Any_)):
            value = leaf(formula)
        elif isinstance(formula, Not) or formula.of:
            above.append((formula, 0))
            formula = formula.of if isinstance(formula, Not) else formula.of[0]
            continue
        else:
            value = isinstance(formula, All)
        while above:
            parent, at = above.pop()
            if isinstance(parent, Not):
                value = not value
            elif value is isinstance(parent, All) and at + 1 < len(parent.of):
                above.append((parent, at + 1))
                formula = parent.of[at + 1]
                break
        else:
            return value


def number_meets(formula: Formula, value: Decimal) -> bool:
    """Return whether a number, written as plainly as its value allows, meets a formula; exact."""

    def leaf(atom: Formula) -> bool:
        match atom:
            case Interval(low, high, open_low, open_high):
                if low is not None and (value < low or (open_low and value == low)):
                    return False
                return high is None or not (value > high or (open_high and value == high))
            case Points(of):
                return value in of
            case Multiple(step):
                return is_multiple(value, step)
            case PlainInteger():
                return is_multiple(value, Decimal(1))
        raise AssertionError(atom)

    return holds(formula, leaf)


def _meet(a: Interval, b: Interval) -> Interval | None:
    low, open_low = a.low, a.open_low
    if low is None or (b.low is not None and (b.low > low or (b.low == low and b.open_low))):
        low, open_low = b.low, b.open_low
    high, open_high = a.high, a.open_high
    if high is None or (b.high is not None and (b.high < high or (b.high == high and b.open_high))):
        high, open_high = b.high, b.open_high
    if low is not None and high is not None and (low > high or (low == high and (open_low or open_high))):
        return None
    return Interval(low, high, open_low, open_high)


def conjunction(formulas: Iterable[Formula]) -> Formula:
    """Return the intersection: intervals and lengths are met, constants and contradictions folded. An
    interval of one number is a finite set.

    Finite sets are not filtered here (`Scalars.narrowed` does that, for it may have to ask the automata).
    """
    kept: dict[Formula, None] = {}
    interval: Interval | None = None
    words: frozenset[str] | None = None
    values: frozenset[int | Decimal] | None = None
    length: Length | None = None
    stack = list(formulas)
    stack.reverse()
    while stack:
        formula = stack.pop()
        if isinstance(formula, All):
            stack.extend(reversed(formula.of))
        elif isinstance(formula, Interval):
            met = formula if interval is None else _meet(interval, formula)
            if met is None:
                return FALSE
            interval = met
        elif isinstance(formula, Words):
            words = formula.of if words is None else words & formula.of
            if not words:
                return FALSE
        elif isinstance(formula, Points):
            values = formula.of if values is None else values & formula.of
            if not values:
                return FALSE
        elif isinstance(formula, Length):
            if length is not None:
                most = formula.most if length.most is None else length.most
                if formula.most is not None and most is not None:
                    most = min(most, formula.most)
                formula = Length(max(length.least, formula.least), most)
            if formula.most is not None and formula.least > formula.most:
                return FALSE
            length = formula
        elif formula == FALSE:
            return FALSE
        else:
            kept[formula] = None
    if interval is not None and interval.low is not None and interval.low == interval.high:
        if values is not None and interval.low not in values:
            return FALSE
        values = frozenset((interval.low,))
    elif interval is not None:
        kept[interval] = None
    if length is not None:
        kept[length] = None
    if words is not None:
        kept[Words(words)] = None
    if values is not None:
        kept[Points(values)] = None
    for formula in kept:
        if isinstance(formula, Not) and formula.of in kept:
            return FALSE
    if len(kept) == 1:
        return next(iter(kept))
    return All(tuple(kept)) if kept else TRUE


def without_implied(formula: Formula) -> Formula:
    """Return a formula without the complements of ranges that lie in ranges whose complement holds as well.

    Cost: the square of these complements.
    """
    kept = dict.fromkeys(conjuncts(formula))
    denied = [part for part in kept if isinstance(part, Not) and _is_range(part.of)]
    for part in denied:
        inside = conjuncts(part.of)
        if any(other is not part and other in kept and _implies(inside, other.of) for other in denied):
            del kept[part]
    return formula if len(denied) < 2 else conjunction(kept)


def _is_range(formula: Formula) -> bool:
    return any(isinstance(part, Interval) for part in conjuncts(formula))


def conjuncts(formula: Formula) -> tuple[Formula, ...]:
    """Return the parts of a conjunction, or the formula alone."""
    return formula.of if isinstance(formula, All) else (formula,)


def apart(a: Formula, b: Formula) -> bool:
    """Return whether two formulas are disjoint for a cheap reason. False: unknown."""
    return is_empty(conjunction((a, b)))


def is_empty(formula: Formula) -> bool:
    """Return whether nothing meets a formula, for a reason that takes no automaton. False: unknown.

    Cost: the parts of a conjunction, for each part that is a complement.
    """
    if isinstance(formula, Any_):
        return all(map(is_empty, formula.of))
    if formula == FALSE or not isinstance(formula, All):
        return formula == FALSE
    parts = formula.of
    if any(isinstance(part, (Interval, Multiple)) for part in parts) and quick_number(formula) is False:
        return True
    # Of intervals, lengths and finite sets a conjunction has one each; they were met when it was built.
    prefixes = [simple_patterns.literal_prefix(part.source) for part in parts if isinstance(part, Pattern)]
    known = sorted((prefix for prefix in prefixes if prefix), key=len)
    if any(not longer.startswith(shorter) for shorter, longer in pairwise(known)):
        return True
    positive = [part for part in parts if not isinstance(part, Not)]
    return any(isinstance(part, Not) and _implies(positive, part.of) for part in parts)


def _implies(parts: Sequence[Formula], wanted: Formula) -> bool:
    """Return whether a conjunction implies a formula for a cheap reason."""
    if wanted in parts:
        return True
    match wanted:
        case All(of):
            return all(_implies(parts, one) for one in of)
        case Any_(of):
            return any(_implies(parts, one) for one in of)
        case Interval() | Length():
            return any(conjunction((part, wanted)) == part for part in parts if type(part) is type(wanted))
        case Words(of):
            return any(isinstance(part, Words) and part.of <= of for part in parts)
        case Points(of):
            return any(isinstance(part, Points) and part.of <= of for part in parts)
        case Not(of):
            return any(apart(part, of) for part in parts)
    return False


Span: TypeAlias = tuple[tuple[Any, ...], tuple[Any, ...]]
"""The first and the last of values, in an order of all values: kind by kind, texts and numbers by value."""
ALL: Span = (0,), (64,)


def spans(formula: Formula, kind: int) -> list[Span]:
    """Return spans outside of which no value meets a formula of strings or numbers."""
    first: tuple[Any, ...] = (kind,)
    last: tuple[Any, ...] = (kind + 1,)
    for part in conjuncts(formula):
        match part:
            case Words(of) | Points(of):
                return [((kind, one), (kind, one)) for one in of]
            case Interval(low, high):
                first = first if low is None else (kind, low)
                last = last if high is None else (kind, high)
            case Pattern(source) if prefix := simple_patterns.literal_prefix(source):
                first, last = (kind, prefix), (kind, prefix[:-1] + chr(ord(prefix[-1]) + 1))
    return [(first, last)]


def neighbours(spans: Sequence[Iterable[Span]]) -> Iterator[tuple[int, int]]:
    """Yield the pairs i < j of which some spans overlap, in no order; a pair may come again.

    Cost: n log n and the pairs.
    """
    active: list[tuple[tuple[Any, ...], int]] = []
    for low, high, index in sorted((*span, index) for index, some in enumerate(spans) for span in some):
        active = [(end, other) for end, other in active if end >= low]
        for _, other in active:
            if other != index:
                yield min(index, other), max(index, other)
        active.append((high, index))


def atoms(formula: Formula) -> Iterator[Formula]:
    """Yield the atoms of a formula, each as often as it stands there."""
    stack = [formula]
    while stack:
        node = stack.pop()
        if isinstance(node, Not):
            stack.append(node.of)
        elif isinstance(node, (All, Any_)):
            stack.extend(node.of)
        else:
            yield node


def is_local(formula: Formula) -> bool:
    """Return whether membership of a word is decided without patterns and formats."""
    return not any(isinstance(atom, (Pattern, Format)) for atom in atoms(formula))


def quick_string(formula: Formula) -> bool | None:
    """Return whether a string meets the formula where that shows at once, else None."""
    match formula:
        case Words(of):
            return bool(of)
        case Length(least, most):
            return most is None or least <= most
        case Format():
            return True
        case Not(Words()):
            return True
    return None


def any_number(formula: Formula) -> bool:
    """Return whether one of the integers next to the bounds in a formula meets it. False: unknown."""
    bounds = [one for one in atoms(formula) if isinstance(one, Interval)]
    ends = [end.to_integral_value() for one in bounds for end in (one.low, one.high) if end is not None]
    few = [end for end in ends if end.adjusted() < FEW_DIGITS - 1]
    return any(number_meets(formula, end + step) for end in few for step in (-1, 0, 1))


def quick_number(formula: Formula) -> bool | None:
    """Return whether a number meets the formula; None where plain arithmetic does not decide it."""
    parts = conjuncts(formula)
    listed = next((part for part in parts if isinstance(part, Points)), None)
    if listed is not None and PlainInteger() not in parts:
        met = [value for value in map(Decimal, listed.of) if number_meets(formula, value)]
        return True if any(has_few_digits((value,), None) for value in met) else None if met else False
    interval: Interval | None = None
    multiple: Multiple | None = None
    plain = False
    for part in parts:
        if isinstance(part, Interval) and interval is None:
            interval = part
        elif isinstance(part, PlainInteger) and isinstance(formula, All):
            plain = True  # an integer of few digits is written as digits alone by every policy
        elif isinstance(part, Multiple) and multiple is None:
            multiple = part
        elif isinstance(formula, Any_):
            return True if any(quick_number(branch) for branch in formula.of) else None
        else:
            return None
    ends = () if interval is None else (interval.low, interval.high)
    if (plain and multiple is None) or not has_few_digits(ends, None if multiple is None else multiple.of):
        return None  # `Multiple(1)` stands beside a plain integer
    if interval is None or interval.low is None or interval.high is None or number_meets(formula, Decimal(0)):
        return True
    if multiple is None:
        return True
    low, high, step = map(Fraction, (interval.low, interval.high, multiple.of))
    first, last = ceil(low / step) * step, floor(high / step) * step
    if interval.open_low and first == low:
        first += step
    if interval.open_high and last == high:
        last -= step
    return first <= last
