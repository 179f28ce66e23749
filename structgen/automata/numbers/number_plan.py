"""Number specifications reduced to bounds and divisors, which an automaton can count with.

A value is `sign * significand * 10**e` with the significand in [1, 10). A specification names finitely many
*bounds* (ends of intervals) and *divisors*. The bounds cut the line into cells (the points themselves and the
gaps between them); a formula is true or false on a whole cell once it is known which divisors divide the
value. So the outcome of a numeral is a table lookup: cell x divisor bits -> outcome. Zero and the two signs
are kept apart (a `Side` each), because a numeral shows its sign first and writes its zeros in their own way.

Each side is reduced: bounds and divisors that decide nothing are dropped. So equivalent specs share states,
and an unconstrained side is the unconstrained numeral.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from math import lcm
from typing import NamedTuple, TypeAlias, TypeVar, Union

import numpy as np
import numpy.typing as npt

from structgen.errors import LimitError
from structgen.language import ir
from structgen.limits import Limits

BOUNDED, PLAIN, ANY, PRINTED = 0, 1, 2, 3
POLICY = {"bounded": BOUNDED, "plain": PLAIN, "any": ANY, "python": PRINTED}
"""PRINTED: the numerals among which `python_spelling` chooses."""
T = TypeVar("T")
Truth: TypeAlias = Union["tuple[int, int]", "npt.NDArray[np.bool_]"]
"""Where a formula is true: a range of cells, or by sets of divisors and cells."""
ValueAtom: TypeAlias = Union[ir.Interval, ir.Multiple]
FARTHEST = 1 << 40
"""Powers of ten from here on are not counted with (`digit_steps.BIG`)."""
MAX_DIVISORS = 12
"""Distinct divisors in one specification: the table has a column for each set of them."""
MAX_BOUNDS = 1 << 20
"""Bounds in one specification: a state holds two of their numbers (`digit_steps`)."""
_LOG10_2 = 30102999566398119521  # log10(2) * 10**20, rounded down


DIGITS = 20
"""Digits before the point, and after it, of which no number of the schema needs more."""
_MOST_EXPONENT = 307 - DIGITS
LARGEST_FLOAT = Decimal("1.7976931348623158E+308")
"""The last numeral of 17 digits that is read as a finite float (IEEE 754 binary64)."""


class Caps(NamedTuple):
    """How many digits may stand before the point, after it and in the exponent; the largest exponent; and how
    many digits a numeral of digits alone may have, if more."""

    integer: int
    fraction: int
    exponent: int
    most_exponent: int = FARTHEST
    alone: int = 0


class Magnitude(NamedTuple):
    """The positive number `digits * 10**(e + 1 - len(digits))`; `digits` has no zero at either end."""

    e: int
    digits: str


class Divisor(NamedTuple):
    """The positive number `core * 10**-shift`; 10 does not divide `core`.

    `odd` is the part of `core` that is prime to 10; `core` divides `odd * 10**tens`, and `tens` is least.
    """

    core: int
    shift: int
    odd: int
    tens: int


class Side(NamedTuple):
    """The outcomes of the values of one sign, and of zero written with that sign.

    `rows[cell][form << divisors | bits]` is the outcome, or -1; cell 2i+1 is `bounds[i]`, cell 2i the gap
    below it. The form is 0 for digits alone, 1 for a numeral with a point or an exponent, here and in `zero`.
    """

    any_length: bool
    caps: Caps
    zero: tuple[int, int]
    bounds: tuple[Magnitude, ...]
    divisors: tuple[Divisor, ...]
    rows: tuple[tuple[int, ...], ...]

    def constant(self) -> bool:
        """Return whether all values but zero have the same outcome, however they are written."""
        return not self.bounds and not self.divisors and self.rows[0][0] == self.rows[0][1]

    def without_zero(self) -> Side:
        """Return the side once a digit that is not 0 was written: zero's own outcome no longer matters."""
        out = self.rows[0][0] if self.constant() else -1
        return self if self.zero == (out, out) else self._replace(zero=(out, out))

    def renumbered(self, numbers: Mapping[int, int]) -> Side:
        """Return the side with `numbers[n]` for each outcome n; -1 where there is none."""
        rows = tuple([tuple([numbers.get(out, -1) for out in row]) for row in self.rows])
        plain, marked = self.zero
        return self._replace(zero=(numbers.get(plain, -1), numbers.get(marked, -1)), rows=rows)

    def outcomes(self) -> set[int]:
        """Return the outcomes that a value can have."""
        return {out for row in (*self.rows, self.zero) for out in row if out >= 0}


def digit_count(number: int) -> int:
    """Return how many decimal digits a positive integer has, without writing it out."""
    bits = number.bit_length()
    least = (bits - 1) * _LOG10_2 // 10**20
    most = bits * _LOG10_2 // 10**20
    return most + 1 if least == most or number >= 10**most else most


@lru_cache(maxsize=1024)
def magnitude(value: Decimal) -> Magnitude:
    """Return the size of a number other than zero."""
    text = str(value.copy_abs())
    if text.isdigit() and text[0] != "0":
        return Magnitude(len(text) - 1, text.rstrip("0"))
    if "E" not in text:
        whole, _, places = text.partition(".")
        whole = whole.lstrip("0")
        if whole:
            return Magnitude(len(whole) - 1, (whole + places).rstrip("0"))
        digits = places.lstrip("0")
        return Magnitude(len(digits) - len(places) - 1, digits.rstrip("0"))
    _, figures, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is not a number")
    digits = "".join(map(str, figures)).lstrip("0")
    return Magnitude(len(digits) + exponent - 1, digits.rstrip("0"))


@lru_cache(maxsize=1024)
def split(size: Magnitude) -> tuple[int, int]:
    """Return (m, x) with size == m * 10**x, 10 not dividing m."""
    digits = size.digits
    exponent = size.e + 1 - len(digits)
    if len(digits) <= 4000:
        return int(digits), exponent
    number = 0
    for at in range(0, len(digits), 4000):  # int() of a longer string is refused by CPython
        chunk = digits[at : at + 4000]
        number = number * 10 ** len(chunk) + int(chunk)
    return number, exponent


@lru_cache(maxsize=256)
def divisor(value: Decimal) -> Divisor:
    """Return the divisor with its factors of 2 and 5 set apart."""
    if not value > 0:
        raise ValueError(f"multipleOf {value} is not positive")
    core, exponent = split(magnitude(value))
    odd, twos, fives = core, 0, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    while odd % 5 == 0:
        odd, fives = odd // 5, fives + 1
    return Divisor(core, -exponent, odd, max(twos, fives))


def divides(by: Divisor, number: int, exponent: int) -> bool:
    """Return whether number * 10**exponent (10 not dividing number) is an integer times the divisor."""
    up = exponent + by.shift
    return up >= 0 and number * pow(10, up, by.core) % by.core == 0


def caps_of(atoms: list[ValueAtom], policy: int, limits: Limits) -> Caps:
    """Return the digit caps of a specification (see structgen.automata.numbers.number_pool for the rule).

    Raises LimitError (number_chars) under "plain" where a number of the specification cannot be written.
    """
    integer = fraction = DIGITS
    beyond = 1 if policy == PLAIN else 0  # without an exponent, other numbers near a bound take a digit more
    short = min(DIGITS, limits.number_chars) - beyond
    values = {atom.of if isinstance(atom, ir.Multiple) else atom.low for atom in atoms}
    values.update([atom.high for atom in atoms if isinstance(atom, ir.Interval)])
    for value in values:
        if not value:
            continue
        text = str(value)
        if len(text) <= short and "E" not in text:
            continue
        _, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int):
            raise ValueError(f"{value} is not a number")
        if len(digits) > limits.number_chars:
            raise LimitError(
                f"A number of the schema is written with {len(digits)} digits.", limit="number_chars"
            )
        if exponent + len(digits) + beyond > integer or beyond - exponent > fraction:
            size = magnitude(value)
            integer = max(integer, size.e + 1 + beyond)
            fraction = max(fraction, len(size.digits) - 1 - size.e + beyond)
    exponent_digits = max(3, len(str(4 * (integer + fraction))))
    most_exponent = _MOST_EXPONENT if policy == BOUNDED and integer == DIGITS else FARTHEST
    longest = max(integer, fraction)
    if longest > limits.number_chars:
        if policy == PLAIN:
            raise LimitError(
                f'A number of the schema has {longest} digits when written out, as numbers="plain" asks.',
                limit="number_chars",
            )
        integer, fraction = min(integer, limits.number_chars), min(fraction, limits.number_chars)
    return Caps(integer, fraction, exponent_digits, most_exponent)


def leaves_of(formulas: tuple[ir.Formula, ...]) -> Iterator[ir.Formula]:
    """Yield the atoms of some formulas, as they are written, repeats included."""
    stack: list[ir.Formula] = list(reversed(formulas))
    while stack:
        formula = stack.pop()
        if isinstance(formula, ir.Not):
            stack.append(formula.of)
        elif isinstance(formula, (ir.All, ir.Any_)):
            stack.extend(reversed(formula.of))
        elif isinstance(formula, (ir.Interval, ir.Multiple, ir.PlainInteger)):
            yield formula
        else:
            raise ValueError(f"{type(formula).__name__} says nothing about numbers")


def atoms_of(formulas: tuple[ir.Formula, ...]) -> list[ValueAtom]:
    """Return the atoms of some formulas that speak of values."""
    return [leaf for leaf in leaves_of(formulas) if isinstance(leaf, (ir.Interval, ir.Multiple))]


def folded(
    root: ir.Formula, leaf: Callable[[ir.Formula], T], joined: Callable[[ir.Formula, list[T]], T]
) -> T:
    """Return what `joined` makes of a formula and of what its parts came to, at any depth."""
    done: list[T] = []
    stack: list[tuple[ir.Formula, bool]] = [(root, False)]
    while stack:
        formula, ready = stack.pop()
        if not isinstance(formula, (ir.Not, ir.All, ir.Any_)):
            done.append(leaf(formula))
            continue
        parts = (formula.of,) if isinstance(formula, ir.Not) else formula.of
        if ready:
            start = len(done) - len(parts)
            done[start:] = [joined(formula, done[start:])]
        else:
            stack.append((formula, True))
            stack.extend([(part, False) for part in reversed(parts)])
    return done[0]


def sides_of(
    spec: ir.Spec,
    policy: int,
    limits: Limits,
    outcome: Callable[[frozenset[int]], int],
    caps: Caps | None = None,
) -> tuple[Side, Side]:
    """Return what a specification asks of numerals without and with a minus sign.

    Cost: linear in the formulas, and in the connectives times the bounds. Raises LimitError (alternatives)
    for more than 12 distinct divisors, (number_chars) for numbers of FARTHEST and as `caps_of` does.
    """
    leaves = list(leaves_of(spec.formulas))
    if caps is None:
        caps = caps_of(atoms_of(spec.formulas), policy, limits)
    bounds, multiples = _named(leaves)
    if policy == PLAIN:
        caps = caps._replace(exponent=0)
        multiples.setdefault(Decimal(1), len(multiples))
    divisors = [divisor(value) for value in multiples]
    alone = marked = _outcomes(spec.formulas, bounds, multiples, outcome, True)
    if any(isinstance(leaf, ir.PlainInteger) for leaf in leaves):
        marked = _outcomes(spec.formulas, bounds, multiples, outcome, False)
    if policy == PLAIN:  # an integer has no fraction
        one = 1 << multiples[Decimal(1)]
        marked = [tuple([-1 if bits & one else out for bits, out in enumerate(row)]) for row in marked]
    at_zero = bisect_left(bounds, Decimal(0))
    zero_cell = 2 * at_zero + (at_zero < len(bounds) and bounds[at_zero] == 0)
    zero = alone[zero_cell][-1], marked[zero_cell][-1]
    whole = _whole(divisors)
    rows = [
        (*[digits[bits | whole] for bits in range(len(digits))], *other)
        for digits, other in zip(alone, marked, strict=True)
    ]
    above = (zero_cell + 1) >> 1
    positive = _side(policy == ANY, caps, zero, bounds[above:], divisors, rows[2 * above :])
    if policy == PLAIN:
        zero = -1, -1
    below = bounds[:at_zero][::-1], divisors, rows[: 2 * at_zero + 1][::-1]
    return positive, _side(policy == ANY, caps, zero, *below)


def _named(leaves: list[ir.Formula]) -> tuple[list[Decimal], dict[Decimal, int]]:
    """Return the bounds, sorted, and the divisors, numbered. Errors: see `sides_of`."""
    points: set[Decimal] = set()
    multiples: dict[Decimal, int] = {}
    for item in leaves:
        if isinstance(item, ir.Interval):
            if item.low is not None:
                points.add(item.low)
            if item.high is not None and item.high is not item.low:
                points.add(item.high)
        elif isinstance(item, ir.Multiple):
            multiples.setdefault(item.of, len(multiples))
    if len(multiples) > MAX_DIVISORS:
        raise LimitError(
            f"One number is asked about {len(multiples)} different multipleOf values.",
            limit="alternatives",
            cure=f"At most {MAX_DIVISORS} can be kept apart in one place.",
        )
    if any(value and abs(value.adjusted()) >= FARTHEST for value in (*points, *multiples)):
        raise LimitError(
            f"A number is {FARTHEST:,} or more powers of ten away from 1.",
            limit="number_chars",
            cure='Take it out of the schema, or write numbers as numbers="bounded" allows.',
        )
    if len(points) >= MAX_BOUNDS:
        raise LimitError(
            f"One number is asked about {len(points):,} bounds and values.",
            limit="alternatives",
            cure=f"At most {MAX_BOUNDS - 1:,} can be told apart in one place.",
        )
    return sorted(points), multiples


def _whole(divisors: list[Divisor]) -> int:
    """Return the divisors that divide every integer, a bit each."""
    return sum(1 << which for which, by in enumerate(divisors) if divides(by, 1, 0))


def _outcomes(
    formulas: tuple[ir.Formula, ...],
    bounds: list[Decimal],
    multiples: dict[Decimal, int],
    outcome: Callable[[frozenset[int]], int],
    alone: bool,
) -> list[tuple[int, ...]]:
    """Return for each cell the outcomes by divisors, of numerals that are digits `alone` or of the others."""
    index = {value: 2 * at + 1 for at, value in enumerate(bounds)}
    width, columns = 2 * len(bounds) + 1, 1 << len(multiples)

    def leaf(item: ir.Formula) -> Truth:
        if isinstance(item, ir.Interval):
            first = 0 if item.low is None else index[item.low] + item.open_low
            return first, (width if item.high is None else index[item.high] + (not item.open_high))
        if isinstance(item, ir.Multiple):
            divided: npt.NDArray[np.bool_] = np.arange(columns) >> multiples[item.of] & 1 == 1
            return divided[:, None]
        return 0, (width if alone else 0)

    def marked(parts: list[Truth], inside: bool) -> npt.NDArray[np.bool_]:
        """Return where some part is `inside`: true, or else false."""
        found = np.zeros((columns, width), bool)
        for part in parts:
            if not isinstance(part, tuple):
                found |= part if inside else ~part
            elif inside:
                found[:, part[0] : part[1]] = True
            else:
                found[:, : part[0]] = found[:, max(part) :] = True
        return found

    def joined(formula: ir.Formula, parts: list[Truth]) -> Truth:
        if isinstance(formula, ir.Any_):
            return marked(parts, True)
        false = marked(parts, False)
        return false if isinstance(formula, ir.Not) else ~false

    truths = [marked([folded(formula, leaf, joined)], True).T.ravel().tolist() for formula in formulas]
    names: dict[tuple[bool, ...], int] = {}
    for true in zip(*truths, strict=True):
        if true not in names:
            met = frozenset([demand for demand, here in enumerate(true) if here])
            names[true] = outcome(met) if met else -1
    outs = [names[true] for true in zip(*truths, strict=True)]
    return [tuple(outs[at : at + columns]) for at in range(0, len(outs), columns)]


def _side(
    any_length: bool,
    caps: Caps,
    zero: tuple[int, int],
    values: list[Decimal],
    divisors: list[Divisor],
    rows: list[tuple[int, ...]],
) -> Side:
    """Return a side without the bounds and divisors that decide nothing."""
    sizes = [magnitude(value) for value in values]
    kept = list(divisors)
    if kept:
        # The divisors of a bound are known: its row is the same whatever the bits.
        columns = 1 << len(kept)
        for at, size in enumerate(sizes):
            number = split(size)
            bits = sum(1 << which for which, by in enumerate(kept) if divides(by, *number))
            row = rows[2 * at + 1]
            rows[2 * at + 1] = (row[bits],) * columns + (row[columns + bits],) * columns
        for by in divisors:
            rows = _without(kept, kept.index(by), rows)
        possible = _possible(kept)
        for at in range(0, len(rows), 2):
            rows[at] = tuple([out if may else -1 for out, may in zip(rows[at], possible, strict=True)])
    columns = 1 << len(kept)
    if zero[1] < 0 and all(max(row[columns:]) < 0 for row in rows):
        caps = Caps(max(caps.integer, caps.alone), 0, 0)
        zero = zero[0], zero[0]
        rows = [row[:columns] * 2 for row in rows]
        for by in list(kept):
            rows = _without(kept, kept.index(by), rows)
        columns = 1 << len(kept)
    bounds: list[Magnitude] = []
    table = [rows[0]]
    for at, size in enumerate(sizes):
        below, point, gap = table[-1], rows[2 * at + 1], rows[2 * at + 2]
        if below == gap:
            bits = 0
            if kept:
                number = split(size)
                bits = sum(1 << which for which, by in enumerate(kept) if divides(by, *number))
            if below[bits] == point[0] and below[columns + bits] == point[columns]:
                continue
        bounds.append(size)
        table += [point, gap]
    return Side(any_length, caps, zero, tuple(bounds), tuple(kept), tuple(table))


def _without(kept: list[Divisor], which: int, rows: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return the rows without one divisor's bit, and drop it from `kept`, if it decides nothing."""
    possible = _possible(kept)
    flag = 1 << which
    columns = [bits for bits in range(len(possible)) if not bits & flag]
    for bits in columns:
        if possible[bits] and possible[bits | flag] and any(row[bits] != row[bits | flag] for row in rows):
            return rows
    source = [bits if possible[bits] else bits | flag for bits in columns]
    del kept[which]
    return [tuple([row[bits] for bits in source]) for row in rows]


def _possible(kept: list[Divisor]) -> list[bool]:
    """Return for each form and set of divisors (as bits) whether some number is divided by exactly these, as
    far as pairs of them tell. What divides 1 divides digits alone: of these, the bit is not read."""
    found = [True]
    implied = [0]
    for large, by in enumerate(kept):
        also = sum(1 << small for small, other in enumerate(kept) if divides(other, by.core, -by.shift))
        implied += [before | also for before in implied]
        found += [not whole & ~(bits | 1 << large) for bits, whole in enumerate(implied[len(found) :])]
    whole = _whole(kept)
    return [found[bits | whole] for bits in range(len(found))] + found


def common_core(divisors: tuple[Divisor, ...]) -> int:
    """Return the least number that every divisor's core divides."""
    return lcm(*[by.core for by in divisors]) if divisors else 1
