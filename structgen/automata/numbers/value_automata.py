"""Automata of the numerals whose value meets one atom: ranges, or a divisor.

What comes in: an atom of a number's formula. What goes out: the automaton of the texts that meet it, over the
characters of numerals. Values are exact decimals: 1, 1.0 and 1.00 are one number.

Two questions are answered for numerals that have an exponent. One compares with 0: the exponent changes
neither the sign nor whether the value is zero. The other, asked by the policy "any", is whether the value is
an integer. Of single numbers those are taken that Python prints, where they are asked for.
Elsewhere what has an exponent says nothing; `number_pool` keeps it out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np

from structgen.automata.numbers.numeral_automata import (
    COLUMNS,
    DIGITS,
    MOST_STATES,
    WIDTH,
    Sketch,
    of_rows,
    too_many_states,
)
from structgen.automata.strings.automata import (
    Automaton,
    complement,
    intersect_automata,
    of_words,
    unite_automata,
)
from structgen.base.language.ir import DEAD, Multiple, NumberAtom
from structgen.base.language.number_ranges import Cut, Number, Ranges, points

INTEGER: Final = Multiple(Decimal(1))
MOST_PLACES: Final = 20
"""By so many places an exponent that is compared with the digits of an integer moves the point at most."""
_NEEDS: Final = range(-MOST_PLACES, MOST_PLACES + 1)
_MINUS, _POINT = COLUMNS.index(b"-"), COLUMNS.index(b".")


def of_atom(atom: NumberAtom, *, policy: str) -> Automaton:
    """Return the automaton of the texts that meet an atom, with the exponents that the policy of numbers
    allows. Raises `LimitError` (automaton_states)."""
    if isinstance(atom, Ranges):
        return _automaton_as_printed(atom) if policy == "python" else _automaton_of_ranges(atom)
    if policy == "any" and atom == INTEGER:
        return _integers_with_exponents()
    return _automaton_of_divisor(atom.of) if isinstance(atom, Multiple) else _digits_alone()


def decimal_magnitude(value: Decimal) -> tuple[int, str]:
    """Return the power of ten of a number's first digit, and its digits without a zero at either end."""
    mantissa, _, power = f"{value.copy_abs():e}".partition("e")
    return int(power), mantissa.replace(".", "").rstrip("0")


def written_out(value: Decimal) -> tuple[str, str]:
    """Return the digits of a number before the point and after it, without a zero at either end."""
    power, digits = decimal_magnitude(value)
    if power < 0:
        return "", "0" * (-power - 1) + digits if digits else ""
    whole = digits[: power + 1]
    return (whole + "0" * (power + 1 - len(whole)) if digits else ""), digits[power + 1 :]


# -- ranges --


def _automaton_as_printed(of: Ranges) -> Automaton:
    """Return the automaton of the numerals of some ranges, and of the exponents that Python prints of the
    single numbers that they have or leave out."""
    alone = frozenset(value for (value, _), (next_value, _) in pairwise(of.cuts) if value == next_value)
    automaton = _automaton_of_ranges(
        Ranges(tuple([cut for cut in of.cuts if cut[0] not in alone]), of.from_below)
    )
    for is_in in (True, False):
        values = [value for value in alone if (value in of) is is_in]
        if values:
            few = unite_automata(
                [_automaton_of_ranges(points(values)), of_words(_printed_numbers(values), MOST_STATES)],
                MOST_STATES,
            )
            automaton = (
                unite_automata([automaton, few], MOST_STATES)
                if is_in
                else intersect_automata([automaton, complement(few)], MOST_STATES)
            )
    return automaton


def _printed_numbers(values: Iterable[Number]) -> frozenset[str]:
    """Return the numbers that are floats as Python prints them: those that are a double, and those whose
    digits are the shortest of one."""
    numbers = [Decimal(value) for value in values]
    texts = [(number, repr(float(number))) for number in numbers]
    return frozenset(text for number, text in texts if number in (Decimal(text), Decimal(float(text))))


def _automaton_of_ranges(of: Ranges) -> Automaton:
    """Return the automaton of the numerals whose value is in some ranges. Cost: some ten microseconds for
    each digit of the cuts. Raises LimitError (automaton_states)."""
    sketch = Sketch()
    start, minus = sketch.add_states(2)
    sketch.add_edges(start, "-", minus)
    texts = ["".join(written_out(Decimal(value))) for value, _ in of.cuts]
    if sum(len(text) - _shared_length(text, next_text) for text, next_text in pairwise(texts)) > MOST_STATES:
        raise too_many_states()
    upper_cuts = [cut for cut in of.cuts if cut >= (0, True)]
    lower_cuts = [(value, not after) for value, after in reversed(of.cuts) if (value, after) <= (0, False)]
    has_exponents = not any(value for value, _ in of.cuts)
    for sign_state, cuts in ((start, upper_cuts), (minus, lower_cuts)):
        _Side(sketch, cuts, 0 in of).draw_digits(sign_state, has_exponents)
    return sketch.build_automaton((1,))


def _shared_length(text: str, second_text: str) -> int:
    """Return the length of the longest common prefix of two texts."""
    ends = (at for at, (a, b) in enumerate(zip(text, second_text, strict=False)) if a != b)
    return next(ends, min(len(text), len(second_text)))


_Span: TypeAlias = tuple[int, int, int]
"""Of the cuts with so many digits before the point: the first that is open, and the one behind the last."""


class _Side:
    """The numerals of one sign. The cuts before those that are open are passed: whether the value is in the
    ranges is the parity of their number."""

    def __init__(self, sketch: Sketch, cuts: Sequence[Cut], zero: bool) -> None:
        """`cuts`: the farther from zero, the later; `zero`: whether zero is in the ranges."""
        self._sketch = sketch
        digit_pairs = [written_out(Decimal(value)) for value, _ in cuts]
        self._digits = [whole + fraction for whole, fraction in digit_pairs]
        self._after = [after for _, after in cuts]
        self._lengths = [len(whole) for whole, _ in digit_pairs]
        self._longest = max(self._lengths, default=0)
        lengths = {*self._lengths, *(length + 1 for length in self._lengths if length)} - {0}
        self._differs = any((self._first_cut(length) ^ len(cuts)) & 1 for length in lengths)
        """Whether more digits before the point may change where a value lies that no cut is near to."""
        self._ends = sketch.add_state(int(zero), loops=True), sketch.add_state(int(not zero), loops=True)
        """Where all is known: an even and an odd number of cuts is passed."""
        self._states: dict[object, int] = {}
        self._todo: list[tuple[int, int, bool, tuple[_Span, ...]]] = []
        """States that are not left yet: how many digits were read, whether a point, the open cuts."""

    def draw_digits(self, sign_state: int, has_exponents: bool) -> None:
        """Draw the digits behind the state that the sign leads to. `has_exponents`: an exponent says no more,
        as no cut but 0 is there."""
        sketch = self._sketch
        lengths = sorted({0, *self._lengths})
        spans = tuple([(length, self._first_cut(length), self._first_cut(length + 1)) for length in lengths])
        zero = self._state_of(0, True, (spans[0],))
        if zero not in self._ends:
            sketch.add_edges(zero, ".", zero)
            sketch.add_edges(zero, "eE" if has_exponents else "", self._ends[0])
        self._draw_edges(sign_state, 0, False, spans[1:])
        sketch.add_edges(sign_state, "0", zero)
        while self._todo:
            state, depth, has_point, spans = self._todo.pop()
            self._draw_edges(state, depth, has_point, spans)
            if not has_point:
                sketch.add_edges(state, ".", self._state_of(depth, True, (self._own_span(depth, spans),)))

    def _draw_edges(self, state: int, depth: int, has_point: bool, spans: tuple[_Span, ...]) -> None:
        """Draw the edges of all ten digits from a state."""
        longer = [span for span in spans if has_point or span[0] > depth]
        edges = [self._edges_of_span(span, depth) for span in longer]
        met = sorted({digit for at in edges for digit in range(10) if at[digit] < at[digit + 1]})
        row = self._sketch.rows[state]
        begin = 0
        for end in (*met, 10):
            for digit, beyond in ((begin, end), (end, min(end + 1, 10))):  # those that no cut has, then one
                if digit < beyond:
                    places = zip(longer, edges, strict=True)
                    after = tuple([(span[0], at[digit], at[digit + 1]) for span, at in places])
                    row[digit:beyond] = [self._state_of(depth + 1, has_point, after)] * (beyond - digit)
            begin = end + 1

    def _edges_of_span(self, span: _Span, depth: int) -> list[int]:
        """Return where in a span the cuts begin whose next digit is 0, 1, ..., 9, and its end."""
        _, at, high = span
        edges: list[int] = []
        for digit in DIGITS:
            edges.append(at)
            while at < high and (self._digits[at][depth : depth + 1] or "0") == digit:
                at += 1
        return [*edges, high]

    def _state_of(self, depth: int, has_point: bool, spans: tuple[_Span, ...]) -> int:
        if not has_point:
            spans = tuple(
                [span for span in spans if span[1] < span[2] or (span[1] ^ self._first_cut(span[0])) & 1]
            )
            if depth > self._longest or not (spans or self._differs):
                return self._ends[len(self._digits) & 1]
        _, passed_cuts, high = spans[0] if has_point else self._own_span(depth, spans)
        while passed_cuts < high and len(self._digits[passed_cuts]) <= depth and not self._after[passed_cuts]:
            passed_cuts += 1
        if has_point and spans[0][1] == high:
            return self._ends[high & 1]
        key: object = depth, has_point, spans
        if has_point and len(self._digits[high - 1]) <= depth:
            key = passed_cuts & 1, high & 1  # zeros may follow, and what lies behind all cuts
        state = self._states.get(key)
        if state is None:
            if len(self._sketch.rows) >= MOST_STATES:
                raise too_many_states()
            state = self._states[key] = self._sketch.add_state(
                self._sketch.label[self._ends[passed_cuts & 1]]
            )
            self._todo.append((state, depth, has_point, spans))
        return state

    def _first_cut(self, length: int) -> int:
        """Return how many cuts have fewer digits before the point."""
        return bisect_left(self._lengths, length)

    def _own_span(self, depth: int, spans: tuple[_Span, ...]) -> _Span:
        """Return the open cuts of the numbers that have no more digits before the point than were read."""
        start = self._first_cut(depth)
        return spans[0] if spans and spans[0][0] == depth else (depth, start, start)


# -- divisors --


def _automaton_of_divisor(by: Decimal) -> Automaton:
    """Return the automaton of the numerals whose value is an integer times a positive number.

    `by` is core * 10**-shift, and 10 does not divide the core. A state holds the digits so far modulo the
    core. Where the shift is negative, it also holds how many zeros they end in, and its digits are those
    before these zeros; where it is positive, how many digits stand behind the point. Cost: some 10 ns for
    each state and digit. Raises LimitError (automaton_states).
    """
    power, digits = decimal_magnitude(by)
    core = int(Decimal(digits))
    places = len(digits) - 1 - power
    if core * (abs(places) + 2) > MOST_STATES:
        raise too_many_states()
    return _divide_by_fraction(core, places) if places > 0 else _divide_by_tens(core, -places)


def _integers_with_exponents() -> Automaton:
    """Return the automaton of the numerals whose value is an integer, exponents included.

    A mantissa needs an exponent of at least as much as its last digit that is not 0 has places behind the
    point: 2 in `1.250`, -3 in `7000.0`, any exponent in `0.0`. Between -MOST_PLACES and MOST_PLACES places
    these numbers are exact. Above, and for exponents below, `number_pool` lets no numeral with an exponent
    be written. Cost: some milliseconds, once in a process.
    """
    sketch = Sketch()
    zero = sketch.add_state(1)
    dead_state = sketch.add_state()
    exact = sketch.add_state(1, loops=True)  # an integer, whatever follows
    whole = sketch.add_states(MOST_PLACES + 1, 1)  # by the zeros at the end
    sketch.add_edges(zero, "-0", zero)
    sketch.add_edges(zero, DIGITS[1:], whole[0])
    sketch.add_edges(zero, "eE", exact)
    exponents = {need: _exponent_of_at_least(sketch, need, exact, dead_state) for need in _NEEDS}
    fractions = {
        (places, need): sketch.add_state(int(need is None or need <= 0))
        for places in range(MOST_PLACES + 2)
        for need in (None, *_NEEDS)
    }
    for zeros, state in enumerate(whole):
        sketch.add_edges(state, "0", whole[min(zeros + 1, MOST_PLACES)])
        sketch.add_edges(state, DIGITS[1:], whole[0])
        sketch.add_edges(state, ".", fractions[0, -zeros])
        sketch.add_edges(state, "eE", exponents[-zeros])
    sketch.add_edges(zero, ".", fractions[0, None])
    for (places, need), state in fractions.items():
        after = min(places + 1, MOST_PLACES + 1)
        sketch.add_edges(state, "0", fractions[after, need])
        sketch.add_edges(state, DIGITS[1:], fractions[after, after] if after <= MOST_PLACES else dead_state)
        sketch.add_edges(state, "eE", exact if need is None else exponents[need])
    return sketch.build_automaton((1,))


def _exponent_of_at_least(sketch: Sketch, need: int, exact: int, dead_state: int) -> int:
    """Return the state from which the exponents of at least `need` lead to an end; it stands behind the
    letter `e`. `exact`: a state in which every text may end; `dead_state`: one in which none may."""
    start_state = sketch.add_state()
    for sign, letters in ((1, "+"), (-1, "-")):
        exponent_states = [sketch.add_state(int(sign * value >= need)) for value in range(MOST_PLACES + 1)]
        beyond = exact if sign > 0 else dead_state
        for value, state in enumerate(exponent_states):
            for digit in range(10):
                total = 10 * value + digit
                sketch.add_edges(
                    state,
                    str(digit),
                    exponent_states[total] if total <= MOST_PLACES else beyond,
                )
        sketch.add_edges(start_state, letters, exponent_states[0])
        if sign > 0:
            for digit in range(10):
                sketch.add_edges(start_state, str(digit), exponent_states[digit])
    return start_state


def _divide_by_fraction(core: int, places: int) -> Automaton:
    """Divide by core * 10**-places: a state for each count of places and remainder; first those before the
    point."""
    rest = np.arange(core)
    blocks = places + 2
    trans = np.full((blocks * core, WIDTH), DEAD, np.int32)
    label = np.zeros(blocks * core, np.int32)
    for block in range(blocks):  # 0: before the point; then block - 1 places
        rows = slice(block * core, (block + 1) * core)
        at = max(block - 1, 0)
        label[rows] = rest * pow(10, places - at, core) % core == 0
        if block <= places:
            target = block + 1 if block else 0
            for digit in range(10):
                trans[rows, digit] = target * core + (10 * rest + digit) % core
        else:
            trans[rows, 0] = block * core + rest
    trans[:core, _POINT] = core + rest
    trans[0, _MINUS] = 0
    return of_rows(trans, label)


def _divide_by_tens(core: int, zeros: int) -> Automaton:
    """Divide by core * 10**zeros: a state for each count of zeros at the end and remainder before them."""
    rest = np.arange(core)
    whole = (zeros + 1) * core
    trans = np.full((whole + 1, WIDTH), DEAD, np.int32)
    label = np.zeros(whole + 1, np.int32)
    for count in range(zeros + 1):
        rows = slice(
            (zeros - count) * core, (zeros - count + 1) * core
        )  # state 0 is zero, with all its zeros
        shift = pow(10, count + 1, core)
        for digit in range(1, 10):
            trans[rows, digit] = zeros * core + (rest * shift + digit) % core
        trans[rows, 0] = (zeros - count - 1) * core + rest if count < zeros else 10 * rest % core
    trans[0, _POINT] = trans[whole, 0] = whole
    label[0] = label[whole] = 1
    trans[0, _MINUS] = 0
    return of_rows(trans, label)


def _digits_alone() -> Automaton:
    """Return the automaton of the numerals that have neither a point nor an exponent."""
    sketch = Sketch()
    alone = sketch.add_state()
    sketch.add_edges(alone, DIGITS + "-", alone)
    return sketch.build_automaton((0,))
