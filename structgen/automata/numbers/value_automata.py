"""Make the automaton of the numerals whose value meets one atom: ranges of numbers, or a divisor.

A *numeral* is the text of a number. Values are exact decimals: 1, 1.0 and 1.00 are one number. A *cut* is an
end of a range: a number, and whether the cut comes after the number or before it. Each cut changes from
outside the ranges to inside, or back. A numeral *passes* the cuts between zero and its value. So its answer
is that of zero, changed once for each cut that it passes. For example, `minimum` 5 has one cut before 5. Zero
is outside, "7" passes the cut, and so 7 is inside.

Numerals with an exponent are decided in three cases only. Ranges that have no cut but 0 need only the sign,
and whether the value is zero. The policy "any" asks whether the value is an integer. The policy "python" asks
for single numbers as Python prints them. In all other cases `number_pool` allows no exponent.
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
    automaton_of_rows,
    too_many_states,
)
from structgen.automata.strings.automata import (
    Automaton,
    automaton_of_words,
    complement,
    intersect_automata,
    unite_automata,
)
from structgen.base.language.ir import DEAD, Multiple, NumberAtom
from structgen.base.language.number_ranges import Cut, Number, Ranges, points

INTEGER: Final = Multiple(Decimal(1))
MOST_PLACES: Final = 20
"""The most places by which an exponent may move the point where integers are told from other numbers."""
_NEEDS: Final = range(-MOST_PLACES, MOST_PLACES + 1)
_MINUS: Final = COLUMNS.index(b"-")
_POINT: Final = COLUMNS.index(b".")


def automaton_of_atom(atom: NumberAtom, *, policy: str) -> Automaton:
    """Return the automaton of the numerals that meet an atom. `policy`: the policy of numbers, which decides
    about exponents. Raises `LimitError` (automaton_states)."""
    if isinstance(atom, Ranges):
        return _automaton_as_printed(atom) if policy == "python" else _automaton_of_ranges(atom)
    if policy == "any" and atom == INTEGER:
        return _integers_with_exponents()
    if isinstance(atom, Multiple):
        return _automaton_of_divisor(atom.of)
    return _digits_alone()


def decimal_magnitude(value: Decimal) -> tuple[int, str]:
    """Return (power of ten of the first digit, digits without zeros at either end): 0.0250 -> (-2, "25")."""
    mantissa, _, power = f"{value.copy_abs():e}".partition("e")
    return int(power), mantissa.replace(".", "").rstrip("0")


def written_out(value: Decimal) -> tuple[str, str]:
    """Return the digits before the point and after it, without needless zeros: 120.50 -> ("120", "5")."""
    power, digits = decimal_magnitude(value)
    if not digits:
        return "", ""  # zero
    if power < 0:
        leading_zeros = "0" * (-power - 1)
        return "", leading_zeros + digits
    whole_length = power + 1
    return digits[:whole_length].ljust(whole_length, "0"), digits[whole_length:]


# -- ranges --


def _automaton_as_printed(of: Ranges) -> Automaton:
    """Return the automaton of the numerals in some ranges, with numerals that have an exponent for single
    numbers: numbers that the ranges list or leave out are accepted or refused as Python prints them, too."""
    # Two cuts at one value, before it and after it, add a single number or leave it out.
    alone = frozenset(value for (value, _), (next_value, _) in pairwise(of.cuts) if value == next_value)
    wide_cuts = tuple([cut for cut in of.cuts if cut[0] not in alone])
    automaton = _automaton_of_ranges(Ranges(wide_cuts, of.from_below))
    for is_in in (True, False):
        values = [value for value in alone if (value in of) is is_in]
        if values:
            written_out_forms = _automaton_of_ranges(points(values))
            printed_forms = automaton_of_words(_printed_numbers(values), MOST_STATES)
            single_numbers = unite_automata([written_out_forms, printed_forms], MOST_STATES)
            if is_in:
                automaton = unite_automata([automaton, single_numbers], MOST_STATES)
            else:
                automaton = intersect_automata([automaton, complement(single_numbers)], MOST_STATES)
    return automaton


def _printed_numbers(values: Iterable[Number]) -> frozenset[str]:
    """Return the texts that Python prints for those of `values` that are floats.

    A number counts as a float if it is exactly a double, or if it is the shortest decimal that reads as one.
    """
    numbers = [Decimal(value) for value in values]
    printed_texts: set[str] = set()
    for number in numbers:
        text = repr(float(number))
        shortest_value = Decimal(text)
        exact_value = Decimal(float(text))
        if number in (shortest_value, exact_value):
            printed_texts.add(text)
    return frozenset(printed_texts)


def _automaton_of_ranges(of: Ranges) -> Automaton:
    """Return the automaton of the numerals whose value is in some ranges. Raises LimitError
    (automaton_states). Cost: some ten microseconds for each digit of the cuts."""
    sketch = Sketch()
    start, minus = sketch.add_states(2)
    sketch.add_edges(start, "-", minus)
    texts = ["".join(written_out(Decimal(value))) for value, _ in of.cuts]
    # Each digit that a cut does not share with its neighbour needs a state, so the limit is checked first.
    own_digits = (len(text) - _shared_length(text, next_text) for text, next_text in pairwise(texts))
    if sum(own_digits) > MOST_STATES:
        raise too_many_states()
    # Numerals of each sign are compared by their digits. For negative numbers the order of the cuts is
    # reversed, and a cut after a number becomes a cut before it.
    upper_cuts = [cut for cut in of.cuts if cut >= (0, True)]
    lower_cuts = [(value, not after) for value, after in reversed(of.cuts) if (value, after) <= (0, False)]
    has_exponents = not any(value for value, _ in of.cuts)
    for sign_state, cuts in ((start, upper_cuts), (minus, lower_cuts)):
        _Side(sketch, cuts, 0 in of).draw_digits(sign_state, has_exponents)
    return sketch.build_automaton((1,))


def _shared_length(text: str, second_text: str) -> int:
    """Return the length of the longest common prefix of two texts."""
    pairs = zip(text, second_text, strict=False)
    differences = (at for at, (char, second_char) in enumerate(pairs) if char != second_char)
    return next(differences, min(len(text), len(second_text)))


_Span: TypeAlias = tuple[int, int, int]
"""(number of digits before the point, index of the first open cut, index after the last open cut): the *open*
cuts of one length. They begin with the digits that were read; the numeral may still be on either side."""


class _Side:
    """Draws the automaton of the numerals of one sign.

    Cuts with lower indices than the open ones are passed. Whether the value is in the ranges depends on
    whether the number of passed cuts is even or odd.
    """

    def __init__(self, sketch: Sketch, cuts: Sequence[Cut], zero: bool) -> None:
        """`sketch`: the automaton that is drawn. `cuts`: the cuts of this sign, those nearest to zero first.
        `zero`: whether zero is in the ranges."""
        self._sketch = sketch
        digit_pairs = [written_out(Decimal(value)) for value, _ in cuts]
        self._digits = [whole + fraction for whole, fraction in digit_pairs]
        self._after = [after for _, after in cuts]
        self._lengths = [len(whole) for whole, _ in digit_pairs]
        self._longest = max(self._lengths, default=0)
        # Numbers with one digit more than a cut lie beyond this cut, so the next length is checked, too.
        lengths = {*self._lengths, *(length + 1 for length in self._lengths if length)} - {0}
        self._differs = any((self._first_cut(length) ^ len(cuts)) & 1 for length in lengths)
        """Whether the number of digits before the point may change the answer for a numeral without open
        cuts."""
        even_end = sketch.add_state(int(zero), loops=True)
        odd_end = sketch.add_state(int(not zero), loops=True)
        self._ends = even_end, odd_end
        """The two states in which the answer is known: after an even and after an odd number of cuts."""
        self._states: dict[object, int] = {}
        self._todo: list[tuple[int, int, bool, tuple[_Span, ...]]] = []
        """The states whose edges are not drawn yet: (state, number of digits read, was a point read, open
        cuts)."""

    def draw_digits(self, sign_state: int, has_exponents: bool) -> None:
        """Draw all states after the sign. `sign_state`: the state that the sign leads to. `has_exponents`:
        whether exponents are accepted, since 0 is the only cut and they make no difference."""
        sketch = self._sketch
        lengths = sorted({0, *self._lengths})
        spans = tuple(
            [
                (length, self._first_cut(length), self._first_cut(length + 1))  # a _Span
                for length in lengths
            ]
        )
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
                # After the point, the number of digits before it is known, so only one span remains.
                own_span = self._own_span(depth, spans)
                sketch.add_edges(state, ".", self._state_of(depth, True, (own_span,)))

    def _draw_edges(self, state: int, depth: int, has_point: bool, spans: tuple[_Span, ...]) -> None:
        """Draw the edges of all ten digits from a state.

        `depth`: the number of digits read before it. `has_point`: whether a point was read. `spans`: the open
        cuts; for example, `((2, 0, 3),)` is three cuts with two digits before the point.
        """
        longer = [span for span in spans if has_point or span[0] > depth]
        edges = [self._edges_of_span(span, depth) for span in longer]
        # The next digits of the open cuts. All digits between two of them lead to the same state.
        cut_digits = sorted({digit for at in edges for digit in range(10) if at[digit] < at[digit + 1]})
        row = self._sketch.rows[state]
        begin = 0
        for end in (*cut_digits, 10):
            between = (begin, end)  # the digits that no cut has
            own_digit = (end, min(end + 1, 10))  # the digit that a cut has; empty in the last turn
            for digit, beyond in (between, own_digit):
                if digit < beyond:
                    places = zip(longer, edges, strict=True)
                    after = tuple([(span[0], at[digit], at[digit + 1]) for span, at in places])
                    state_after = self._state_of(depth + 1, has_point, after)
                    row[digit:beyond] = [state_after] * (beyond - digit)
            begin = end + 1

    def _edges_of_span(self, span: _Span, depth: int) -> list[int]:
        """Return the indices at which the cuts of a span with the next digit 0, 1, ..., 9 begin, and the end
        of the span: 11 numbers."""
        _, at, high = span
        edges: list[int] = []
        for digit in DIGITS:
            edges.append(at)
            # a cut that has no more digits goes on with zeros
            while at < high and (self._digits[at][depth : depth + 1] or "0") == digit:
                at += 1
        return [*edges, high]

    def _state_of(self, depth: int, has_point: bool, spans: tuple[_Span, ...]) -> int:
        """Return the state after `depth` digits, made if it is new. `has_point`: whether a point was read.
        `spans`: the open cuts."""
        if not has_point:
            spans = tuple([span for span in spans if self._matters(span)])
            if depth > self._longest or not (spans or self._differs):
                return self._ends[len(self._digits) & 1]
        _, passed_cuts, high = spans[0] if has_point else self._own_span(depth, spans)
        # A numeral that ends here has passed the cuts before its own value.
        while passed_cuts < high and len(self._digits[passed_cuts]) <= depth:
            if self._after[passed_cuts]:
                break
            passed_cuts += 1
        if has_point and spans[0][1] == high:
            return self._ends[high & 1]
        key: object = depth, has_point, spans
        has_all_digits = has_point and len(self._digits[high - 1]) <= depth
        if has_all_digits:
            # Only zeros keep the value; any other digit passes all cuts. So two parities tell the states
            # apart: that of the present value, and that beyond all cuts.
            key = passed_cuts & 1, high & 1
        state = self._states.get(key)
        if state is None:
            if len(self._sketch.rows) >= MOST_STATES:
                raise too_many_states()
            label = self._sketch.label[self._ends[passed_cuts & 1]]
            state = self._states[key] = self._sketch.add_state(label)
            self._todo.append((state, depth, has_point, spans))
        return state

    def _matters(self, span: _Span) -> bool:
        """Return whether the cuts of a span may change the answer: one of them is open, or an odd number of
        cuts of this length is passed."""
        length, first_open, high = span
        if first_open < high:
            return True
        passed_cuts = first_open - self._first_cut(length)
        return passed_cuts % 2 == 1

    def _first_cut(self, length: int) -> int:
        """Return the number of cuts that have fewer than `length` digits before the point."""
        return bisect_left(self._lengths, length)

    def _own_span(self, depth: int, spans: tuple[_Span, ...]) -> _Span:
        """Return the span of the cuts that have exactly `depth` digits before the point: a numeral whose
        point comes now is compared with these. Where none of them is open, the span is empty."""
        start = self._first_cut(depth)
        if spans and spans[0][0] == depth:
            return spans[0]
        return (depth, start, start)


# -- divisors --


def _automaton_of_divisor(by: Decimal) -> Automaton:
    """Return the automaton of the numerals whose value is an integer times a positive number.

    `by`: the divisor. It is core * 10**-places, where 10 does not divide the core: 0.25 has the core 25 and 2
    places. A state holds the remainder of the digits so far modulo the core. It also holds the number of
    digits after the point (if `places` is positive) or the number of zeros at the end (if not). Raises
    LimitError (automaton_states). Cost: some 10 ns for each state and digit.
    """
    power, digits = decimal_magnitude(by)
    core = int(Decimal(digits))
    places = len(digits) - 1 - power
    # The product is known before the table is made: a divisor of many digits would take all memory.
    if core * (abs(places) + 2) > MOST_STATES:
        raise too_many_states()
    if places > 0:
        return _divide_by_fraction(core, places)
    return _divide_by_tens(core, -places)


def _integers_with_exponents() -> Automaton:
    """Return the automaton of the numerals whose value is an integer, exponents included.

    The *need* of the digits before the exponent is the least exponent that makes the value an integer: 2 for
    `1.250`, -3 for `7000.0`. Zero needs none. Needs from -MOST_PLACES to MOST_PLACES are exact. For needs
    above, and exponents below, `number_pool` allows no numeral with an exponent. Cost: some milliseconds,
    once in a process.
    """
    sketch = Sketch()
    zero = sketch.add_state(1)
    dead_state = sketch.add_state()
    exact = sketch.add_state(1, loops=True)  # an integer, whatever exponent follows
    whole = sketch.add_states(MOST_PLACES + 1, 1)  # digits without a point, by the number of zeros at the end
    sketch.add_edges(zero, "-0", zero)
    sketch.add_edges(zero, DIGITS[1:], whole[0])
    sketch.add_edges(zero, "eE", exact)
    exponents = {need: _exponent_of_at_least(sketch, need, exact, dead_state) for need in _NEEDS}
    # (digits after the point, need) -> state. The need None: all digits are 0 so far.
    fractions: dict[tuple[int, int | None], int] = {}
    for places in range(MOST_PLACES + 2):
        for need in (None, *_NEEDS):
            is_integer = need is None or need <= 0
            fractions[places, need] = sketch.add_state(int(is_integer))
    for zeros, state in enumerate(whole):
        sketch.add_edges(state, "0", whole[min(zeros + 1, MOST_PLACES)])
        sketch.add_edges(state, DIGITS[1:], whole[0])
        sketch.add_edges(state, ".", fractions[0, -zeros])
        sketch.add_edges(state, "eE", exponents[-zeros])
    sketch.add_edges(zero, ".", fractions[0, None])
    for (places, need), state in fractions.items():
        after = min(places + 1, MOST_PLACES + 1)
        # A digit that is not 0 sets the need: the number of digits after the point up to this one.
        nonzero_target = fractions[after, after] if after <= MOST_PLACES else dead_state
        exponent_target = exact if need is None else exponents[need]
        sketch.add_edges(state, "0", fractions[after, need])
        sketch.add_edges(state, DIGITS[1:], nonzero_target)
        sketch.add_edges(state, "eE", exponent_target)
    return sketch.build_automaton((1,))


def _exponent_of_at_least(sketch: Sketch, need: int, exact: int, dead_state: int) -> int:
    """Return the state after the letter `e`; exponents of at least `need` are accepted from it.

    `sketch`: the automaton that is drawn. `exact`: a state in which every text may end. `dead_state`: one in
    which no text may end.
    """
    start_state = sketch.add_state()
    # A state stands for the number that the digits of the exponent make so far.
    for sign, letters in ((1, "+"), (-1, "-")):
        labels = [int(sign * value >= need) for value in range(MOST_PLACES + 1)]
        exponent_states = [sketch.add_state(label) for label in labels]
        beyond = exact if sign > 0 else dead_state
        for value, state in enumerate(exponent_states):
            for digit in range(10):
                total = 10 * value + digit
                target = exponent_states[total] if total <= MOST_PLACES else beyond
                sketch.add_edges(state, str(digit), target)
        sketch.add_edges(start_state, letters, exponent_states[0])
        if sign > 0:
            # An exponent without a sign is positive.
            for digit in range(10):
                sketch.add_edges(start_state, str(digit), exponent_states[digit])
    return start_state


def _divide_by_fraction(core: int, places: int) -> Automaton:
    """Return the automaton of the multiples of core * 10**-places.

    There is a block of states for the digits before the point, and one for each number of digits after it. In
    a block, state `r` means that the digits so far have the remainder `r` modulo `core`.
    """
    rest = np.arange(core)  # the remainders of a block
    blocks = places + 2
    trans = np.full((blocks * core, WIDTH), DEAD, np.int32)
    label = np.zeros(blocks * core, np.int32)
    for block in range(blocks):  # 0: before the point; then block - 1 places
        rows = slice(block * core, (block + 1) * core)
        places_read = max(block - 1, 0)
        # Missing places are zeros: the numeral is a multiple if the remainder after these zeros is 0.
        label[rows] = rest * pow(10, places - places_read, core) % core == 0
        if block <= places:
            target = block + 1 if block else 0
            for digit in range(10):
                trans[rows, digit] = target * core + (10 * rest + digit) % core
        else:
            trans[rows, 0] = block * core + rest  # all places are read: only zeros may follow
    trans[:core, _POINT] = core + rest
    trans[0, _MINUS] = 0
    return automaton_of_rows(trans, label)


def _divide_by_tens(core: int, zeros: int) -> Automaton:
    """Return the automaton of the multiples of core * 10**zeros.

    There is a block of states for each number of zeros at the end of the digits. In a block, state `r` means
    that the digits before these zeros have the remainder `r` modulo `core`.
    """
    rest = np.arange(core)  # the remainders of a block
    whole = (zeros + 1) * core
    trans = np.full((whole + 1, WIDTH), DEAD, np.int32)
    label = np.zeros(whole + 1, np.int32)
    for count in range(zeros + 1):
        first_row = (zeros - count) * core  # the block with the most zeros comes first; state 0 is zero
        rows = slice(first_row, first_row + core)
        # If another digit than 0 follows, the zeros are digits before it, so they enter the remainder.
        shift = pow(10, count + 1, core)
        for digit in range(1, 10):
            trans[rows, digit] = zeros * core + (rest * shift + digit) % core
        if count < zeros:
            trans[rows, 0] = first_row - core + rest
        else:
            trans[rows, 0] = 10 * rest % core
    trans[0, _POINT] = trans[whole, 0] = whole
    label[0] = label[whole] = 1
    trans[0, _MINUS] = 0
    return automaton_of_rows(trans, label)


def _digits_alone() -> Automaton:
    """Return the automaton of the numerals that have neither a point nor an exponent."""
    sketch = Sketch()
    alone = sketch.add_state()
    sketch.add_edges(alone, DIGITS + "-", alone)
    return sketch.build_automaton((0,))
