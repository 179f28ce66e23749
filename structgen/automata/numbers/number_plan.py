"""Number specifications reduced to bounds and divisors, which an automaton can count with.

A value is `sign * significand * 10**e` with the significand in [1, 10). A specification names finitely many
*bounds* (ends of intervals) and *divisors*. The bounds cut the line into cells (the points themselves and the
gaps between them); a formula is true or false on a whole cell once it is known which divisors divide the
value. So the outcome of a numeral is a table lookup: cell x divisor bits -> outcome. Zero and the two signs
are kept apart (a `Side` each), because a numeral shows its sign first and writes its zeros in their own way.

Each side is reduced: bounds and divisors that decide nothing are dropped. So equivalent specs share states,
and an unconstrained side is the unconstrained numeral. All is done with arrays, because an enum may name a
million numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from itertools import compress
from math import lcm
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers.digit_steps import RANKS
from structgen.automata.numbers.written_forms import (
    ANY,
    FARTHEST,
    PLAIN,
    Caps,
    Number,
    as_written,
    atoms_of,
    folded,
    magnitude,
    steps_of,
)
from structgen.errors import LimitError
from structgen.language import ir
from structgen.limits import Limits

MAX_DIVISORS = 12
"""Distinct divisors in one specification: the table has a column for each set of them."""
MAX_BOUNDS = 1 << 20
"""Bounds in one specification: a state holds two of their numbers (`digit_steps`)."""
MAX_ENTRIES = 1 << 24
"""Cells times sets of divisors in one specification."""

Ints = npt.NDArray[np.int64]
Outcomes = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


class Divisor(NamedTuple):
    """The positive number `core * 10**-shift`; 10 does not divide `core`.

    `odd` is the part of `core` that is prime to 10; `core` divides `odd * 10**tens`, and `tens` is least.
    """

    core: int
    shift: int
    odd: int
    tens: int


class Side(NamedTuple):
    """The outcomes of the values of one sign, and of zero written with that sign. Hashed by content."""

    any_length: bool
    caps: Caps
    zero: tuple[int, int]
    """Zero's outcomes by form: 0 for digits alone, 1 for a numeral with a point or an exponent."""
    words: tuple[str, ...]
    """The significands of the bounds, sorted, as digits without a zero at either end."""
    codes: bytes
    """int64: e * RANKS + 2w + 1 for a bound whose first digit stands at 10**e, and whose word is the w-th."""
    divisors: tuple[Divisor, ...]
    rows: bytes
    """int32 [cell, form << divisors | bits]: the outcome, or -1. Cell 2i+1 is bound i, cell 2i below it."""

    @property
    def bounds(self) -> Ints:
        """Return `codes` as numbers."""
        return np.frombuffer(self.codes, np.int64)

    @property
    def table(self) -> Outcomes:
        """Return `rows` as numbers."""
        return np.frombuffer(self.rows, np.int32).reshape(-1, 2 << len(self.divisors))

    def constant(self) -> bool:
        """Return whether all values but zero have the same outcome, however they are written."""
        return not self.words and not self.divisors and self.rows[:4] == self.rows[4:]

    def without_zero(self) -> Side:
        """Return the side once a digit that is not 0 was written: zero's own outcome no longer matters."""
        out = int(self.table[0, 0]) if self.constant() else -1
        return self if self.zero == (out, out) else self._replace(zero=(out, out))

    def renumbered(self, numbers: Mapping[int, int]) -> Side:
        """Return the side with `numbers[n]` for each outcome n; -1 where there is none."""
        table = self.table
        most = max(int(table.max()), *self.zero)
        names = np.full(most + 2, -1, np.int32)  # the last one is that of -1
        for number, name in numbers.items():
            if number <= most:
                names[number] = name
        plain, marked = names[list(self.zero)].tolist()
        return self._replace(zero=(plain, marked), rows=names[table].tobytes())

    def outcomes(self) -> set[int]:
        """Return the outcomes that a value can have."""
        return {*np.unique(self.table).tolist(), *self.zero} - {-1}

    def only(self, kept: Flags) -> Side:
        """Return the side with some of its bounds, and the gaps above these."""
        bounds = self.bounds[kept]
        used = np.zeros(len(self.words), bool)
        used[bounds % RANKS >> 1] = True
        words, ranks = tuple(compress(self.words, used)), np.cumsum(used) - 1
        codes = bounds // RANKS * RANKS + 2 * ranks[bounds % RANKS >> 1] + 1
        table = self.table[np.append(True, np.repeat(kept, 2))]
        return self._replace(words=words, codes=codes.tobytes(), rows=table.tobytes())


@lru_cache(maxsize=256)
def divisor(value: Decimal) -> Divisor:
    """Return the divisor with its factors of 2 and 5 set apart."""
    if not value > 0:
        raise ValueError(f"multipleOf {value} is not positive")
    e, digits = magnitude(value)
    odd = core = int(Decimal(digits))  # int() of a long string is refused by CPython
    twos = fives = 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    while odd % 5 == 0:
        odd, fives = odd // 5, fives + 1
    return Divisor(core, len(digits) - 1 - e, odd, max(twos, fives))


def divides(by: Divisor, number: int, exponent: int) -> bool:
    """Return whether number * 10**exponent (10 not dividing number) is an integer times the divisor."""
    up = exponent + by.shift
    return up >= 0 and number * pow(10, up, by.core) % by.core == 0


def common_core(divisors: tuple[Divisor, ...]) -> int:
    """Return the least number that every divisor's core divides."""
    return lcm(*[by.core for by in divisors])


_TENS = 10 ** np.arange(18)


def _significands(values: list[Number]) -> tuple[Ints, Ints, list[str], Ints]:
    """Return of numbers the sign, the power of ten of the first digit, and which of the different digits are
    its own; these are sorted, without a zero at either end. Ints are read as arrays."""
    if set(map(type, values)) <= {int}:
        numbers = np.array(values, np.int64)
        sizes = np.abs(numbers)
        powers = np.maximum(np.searchsorted(_TENS, sizes, "right") - 1, 0)
        found, which = np.unique(sizes * _TENS[17 - powers], return_inverse=True)
        for zeros in (16, 8, 4, 2, 1):
            found = np.where(found % _TENS[zeros], found, found // _TENS[zeros])
        return np.sign(numbers), powers, [str(size) if size else "" for size in found.tolist()], which
    pairs = [magnitude(Decimal(value)) for value in values]
    words = sorted({digits for _, digits in pairs})
    ranks = dict(zip(words, range(len(words)), strict=True))
    signs = np.array([(value > 0) - (value < 0) for value in values], np.int64)
    powers = np.array([power for power, _ in pairs], np.int64)
    return signs, powers, words, np.array([ranks[digits] for _, digits in pairs], np.int64)


class _Ends:
    """The values that a specification compares with, and the cells into which they cut the line of numbers:
    2i + 1 is the i-th value, 2i lies below it.

    `codes` and `signs` by value: as in `Side.codes`; -1, 0 or 1.
    """

    def __init__(self, atoms: list[ir.NumberAtom]) -> None:
        values: list[Number] = []
        self._at: dict[int, int] = {}
        for atom in atoms:
            self._at[id(atom)] = len(values)
            if isinstance(atom, ir.Points):
                values += atom.of
            elif isinstance(atom, ir.Interval):
                values += [end for end in (atom.low, atom.high) if end is not None]
        signs, powers, self.words, which = _significands(values)
        if (np.abs(powers[signs != 0]) >= FARTHEST).any():
            raise _too_far()
        places = signs * (powers * RANKS + 2 * which + 1 + FARTHEST * RANKS)
        found, which = np.unique(places, return_inverse=True)
        self.codes, self.signs = np.abs(found) - FARTHEST * RANKS, np.sign(found)
        self._cells = np.append(2 * which + 1, 0)  # the last one is that of no value
        self.width = 2 * len(found) + 1

    def of_values(self, atom: ir.Points) -> Ints:
        """Return the cells of a finite set."""
        first = self._at[id(atom)]
        return self._cells[first : first + len(atom.of)]

    def of_intervals(self, atoms: list[ir.Interval]) -> tuple[Ints, Ints]:
        """Return the first cell of each interval, and the cell behind it."""
        lows = [-1 if atom.low is None else self._at[id(atom)] for atom in atoms]
        highs = [-1 if atom.high is None else self._at[id(atom)] + (atom.low is not None) for atom in atoms]
        firsts = self._cells[lows] + [atom.open_low for atom in atoms]
        lasts = self._cells[highs] + [not atom.open_high for atom in atoms]
        firsts[[atom.low is None for atom in atoms]] = 0
        lasts[[atom.high is None for atom in atoms]] = self.width
        return firsts, np.maximum(firsts, lasts)


def sides_of(
    spec: ir.Spec,
    policy: int,
    limits: Limits,
    outcome: Callable[[frozenset[int]], int],
    caps: Caps | None = None,
) -> tuple[Side, Side]:
    """Return what a specification asks of numerals without and with a minus sign.

    Cost: a microsecond or two a bound. Raises LimitError (alternatives) for more than 12 distinct divisors,
    or too many bounds, (number_chars) for numbers of FARTHEST and as `written_forms.caps_of` does.
    """
    asked, caps = as_written(spec, policy, caps, limits)
    atoms = atoms_of(asked.formulas)
    steps = steps_of(atoms)
    if policy == PLAIN and Decimal(1) not in steps:
        steps.append(Decimal(1))
    _check(steps)
    ends = _Ends(atoms)
    _check(steps, len(ends.codes))
    divisors, columns = [divisor(step) for step in steps], 1 << len(steps)
    table = _outcomes(asked.formulas, ends, steps, outcome)
    if policy == PLAIN:  # an integer has no fraction
        integers = np.arange(columns) >> steps.index(Decimal(1)) & 1 == 1
        table[:, columns:][:, integers] = -1
    below = int((ends.signs < 0).sum())
    above = below + int((ends.signs == 0).sum())
    zero = table[below + above, columns - 1 :: columns].tolist()
    table[:, :columns] = table[:, np.arange(columns) | _whole(divisors)]
    side = Side(policy == ANY, caps, (zero[0], zero[1]), tuple(ends.words), b"", tuple(divisors), b"")
    positive = _reduced(side, ends.codes[above:], table[2 * above :].copy())
    if policy == PLAIN:
        side = side._replace(zero=(-1, -1))
    return positive, _reduced(side, ends.codes[:below][::-1], table[: 2 * below + 1][::-1].copy())


def parts_of(side: Side) -> tuple[Side, ...]:
    """Return a side's parts by first digit; part 0 excludes nothing. Empty if the side excludes no value.

    The first digit that is not 0 decides which excluded values are still possible, whatever exponent follows:
    two sides that differ in one excluded value share their states under the nine other digits. So each item
    of an array of different numbers adds a tenth of an automaton. A value is excluded if its neighbours below
    and above share an outcome that it has not. Cost: linear in the bounds.
    """
    gaps = side.table[::2]
    excluded = (gaps[:-1] == gaps[1:]).all(1) & (gaps[1:].max(1) >= 0)
    if not excluded.any():
        return ()
    firsts = np.array([int(word[0]) for word in side.words])[side.bounds % RANKS >> 1]
    side = side._replace(zero=(-1, -1))
    return tuple([side.only(~excluded | (firsts == digit)).without_zero() for digit in range(10)])


def _check(steps: list[Decimal], bounds: int = 0) -> None:
    """Raise LimitError where a table would be too large."""
    if len(steps) > MAX_DIVISORS:
        raise LimitError(
            f"One number is asked about {len(steps)} different multipleOf values.",
            limit="alternatives",
            cure=f"At most {MAX_DIVISORS} can be kept apart in one place.",
        )
    if any(abs(step.adjusted()) >= FARTHEST for step in steps):
        raise _too_far()
    most = min(MAX_BOUNDS - 1, MAX_ENTRIES >> len(steps) + 1)
    if bounds > most:
        raise LimitError(
            f"One number is asked about {bounds:,} bounds and values.",
            limit="alternatives",
            cure=f"At most {most:,} can be told apart in one place beside {len(steps)} multipleOf values.",
        )


def _too_far() -> LimitError:
    return LimitError(
        f"A number is {FARTHEST:,} or more powers of ten away from 1.",
        limit="number_chars",
        cure='Take it out of the schema, or write numbers as numbers="bounded" allows.',
    )


def _whole(divisors: list[Divisor]) -> int:
    """Return the divisors that divide every integer, a bit each."""
    return sum(1 << which for which, by in enumerate(divisors) if divides(by, 1, 0))


def _outcomes(
    formulas: tuple[ir.Formula, ...],
    ends: _Ends,
    steps: list[Decimal],
    outcome: Callable[[frozenset[int]], int],
) -> Outcomes:
    """Return the outcomes by cell, form and divisors."""
    columns = np.arange(1 << len(steps))
    shape = 2, len(columns), ends.width

    def joined(formula: ir.Formula, atoms: list[ir.NumberAtom], parts: list[Flags]) -> Flags:
        """Return where a connective is true."""
        wanted = isinstance(formula, ir.Any_)
        found = np.zeros(shape, bool)
        for part in parts:
            found |= part == wanted
        intervals = [atom for atom in atoms if isinstance(atom, ir.Interval)]
        if intervals:
            firsts, lasts = ends.of_intervals(intervals)
            size = ends.width + 1
            cover = np.cumsum(np.bincount(firsts, minlength=size) - np.bincount(lasts, minlength=size))[:-1]
            found |= cover > 0 if wanted else cover < len(intervals)
        for atom in atoms if len(intervals) < len(atoms) else ():
            if isinstance(atom, ir.Points):
                met = np.zeros(ends.width, bool)
                met[ends.of_values(atom)] = True
                found |= met == wanted
            elif isinstance(atom, ir.Multiple):
                found |= ((columns >> steps.index(atom.of) & 1 == 1) == wanted)[:, None]
            elif isinstance(atom, ir.PlainInteger):
                found[0 if wanted else 1] = True
        return found if wanted or isinstance(formula, ir.Not) else ~found

    truths = [folded(formula, joined) for formula in formulas]
    sets = np.zeros(shape, np.int64)
    for truth in truths:
        sets = 2 * sets + truth
        if sets.max() >= 1 << 16:
            sets = np.unique(sets, return_inverse=True)[1].reshape(shape)
    samples = np.full(int(sets.max()) + 1, -1)
    samples[sets.ravel()] = np.arange(sets.size)
    names = np.full(len(samples), -1, np.int32)
    for number, sample in enumerate(samples.tolist()):
        met = frozenset([demand for demand, truth in enumerate(truths) if sample >= 0 and truth.flat[sample]])
        if met:
            names[number] = outcome(met)
    return names[sets.transpose(2, 0, 1).reshape(ends.width, -1)]


def _reduced(side: Side, codes: Ints, table: Outcomes) -> Side:
    """Return a side of such bounds and such outcomes without the bounds and divisors that decide nothing."""
    kept = list(side.divisors)
    points = np.arange(len(codes))
    if kept:
        # The divisors of a bound are known: its row is the same whatever the bits.
        columns, bits = 1 << len(kept), _bits(kept, side.words, codes)
        table[1::2, :columns] = table[2 * points + 1, bits][:, None]
        table[1::2, columns:] = table[2 * points + 1, columns + bits][:, None]
        table = _without(kept, table)
        table[::2, ~_possible(kept)] = -1
    columns = 1 << len(kept)
    if side.zero[1] < 0 and table[:, columns:].max() < 0:
        caps = Caps(max(side.caps.integer, side.caps.alone), 0, 0)
        side = side._replace(caps=caps, zero=(side.zero[0], side.zero[0]))
        table[:, columns:] = table[:, :columns]
        table = _without(kept, table)
        columns = 1 << len(kept)
    bits = _bits(kept, side.words, codes)
    below, above, bound = table[:-1:2], table[2::2], table[1::2]
    same = (below == above).all(1)
    same &= (below[points, bits] == bound[:, 0]) & (below[points, columns + bits] == bound[:, columns])
    side = side._replace(codes=codes.tobytes(), divisors=tuple(kept), rows=table.tobytes())
    return side.only(~same)


def _bits(divisors: list[Divisor], words: tuple[str, ...], codes: Ints) -> Ints:
    """Return which divisors divide each bound."""
    found = np.zeros(len(codes), np.int64)
    if divisors:
        digits = [words[rank >> 1] for rank in (codes & RANKS - 1).tolist()]
        lows = codes // RANKS + 1 - np.array(list(map(len, digits)), np.int64)
        for which, by in enumerate(divisors):
            hits = lows >= -by.shift
            if by.core > 1:
                numbers = zip(digits, lows.tolist(), strict=True)
                hits = np.array([divides(by, int(Decimal(word)), low) for word, low in numbers], bool)
            found |= hits.astype(np.int64) << which
    return found


def _without(kept: list[Divisor], table: Outcomes) -> Outcomes:
    """Return a table without the bits of divisors that decide nothing, and drop these from `kept`."""
    for by in list(kept):
        possible = _possible(kept)
        which = kept.index(by)
        columns = np.arange(len(possible))
        clear = columns[columns >> which & 1 == 0]
        other = clear | 1 << which
        both = possible[clear] & possible[other]
        if (table[:, clear[both]] == table[:, other[both]]).all():
            table = table[:, np.where(possible[clear], clear, other)]
            del kept[which]
    return table


def _possible(kept: list[Divisor]) -> Flags:
    """Return for each form and set of divisors (as bits) whether some number is divided by exactly these, as
    far as pairs of them tell. What divides 1 divides digits alone: of these, the bit is not read."""
    found = [True]
    implied = [0]
    for large, by in enumerate(kept):
        also = sum(1 << small for small, other in enumerate(kept) if divides(other, by.core, -by.shift))
        implied += [before | also for before in implied]
        found += [not whole & ~(bits | 1 << large) for bits, whole in enumerate(implied[len(found) :])]
    whole = _whole(kept)
    return np.array([found[bits | whole] for bits in range(len(found))] + found)
