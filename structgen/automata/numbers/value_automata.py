"""Automata of the numerals whose value meets one atom: an interval, a finite set, or a divisor.

What comes in: an atom of a number's formula. What goes out: the automaton of the texts that meet it, over the
characters of numerals. Values are exact decimals: 1, 1.0 and 1.00 are one number.

Only the bound 0 is compared with numerals that have an exponent: the exponent changes neither the sign nor
whether the value is zero. Behind another bound's, or a divisor's, `e` no text is taken; of a set, those are
which Python prints, where they are asked for. `number_pool` keeps such numerals out where that says too
little.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import product as product_of

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
from structgen.automata.strings.automata import Automaton, both
from structgen.language.ir import DEAD, Interval, Multiple, NumberAtom, Points

_EQUAL, _LESS, _GREATER = range(3)
"""The labels of a comparison with one bound."""
_MINUS, _POINT = COLUMNS.index(b"-"), COLUMNS.index(b".")


def of_atom(atom: NumberAtom, *, printed: bool) -> Automaton:
    """Return the automaton of the texts that meet an atom. `printed`: with the exponents that Python prints.
    Raises `LimitError` (automaton_states)."""
    if isinstance(atom, Interval):
        return _between(atom)
    if isinstance(atom, Points):
        # the set of zero is an interval: an exponent leaves it zero
        is_zero = bool(atom.of) and not any(atom.of)
        return _compared_with(Decimal(0), (_EQUAL,)) if is_zero else _membership(atom.of, printed)
    return _divisibility(atom.of) if isinstance(atom, Multiple) else _digits_alone()


def magnitude(value: Decimal) -> tuple[int, str]:
    """Return the power of ten of a number's first digit, and its digits without a zero at either end."""
    mantissa, _, power = f"{value.copy_abs():e}".partition("e")
    return int(power), mantissa.replace(".", "").rstrip("0")


def written_out(value: Decimal) -> tuple[str, str]:
    """Return the digits of a number before the point and after it, without a zero at either end."""
    power, digits = magnitude(value)
    if power < 0:
        return "", "0" * (-power - 1) + digits if digits else ""
    whole = digits[: power + 1]
    return (whole + "0" * (power + 1 - len(whole)) if digits else ""), digits[power + 1 :]


# -- bounds --


def _between(atom: Interval) -> Automaton:
    """Return the automaton of an interval: some eight states for each digit of its ends."""
    parts = []
    if atom.low is not None:
        parts.append(_compared_with(atom.low, (_GREATER,) if atom.open_low else (_EQUAL, _GREATER)))
    if atom.high is not None:
        parts.append(_compared_with(atom.high, (_LESS,) if atom.open_high else (_EQUAL, _LESS)))
    return both(parts, MOST_STATES)


def _compared_with(bound: Decimal, wanted: tuple[int, ...]) -> Automaton:
    """Return the automaton of the numerals whose comparison with a bound has a label of `wanted`."""
    return (_comparison(bound) if bound else _sign()).done(wanted)


def _sign() -> Sketch:
    """Compare with 0."""
    drawn = Sketch()
    start, minus = drawn.states(2)
    drawn.go(start, "-", minus)
    for before, other in ((start, _GREATER), (minus, _LESS)):
        zero, more, exponent = (
            drawn.state(_EQUAL),
            drawn.state(other, loops=True),
            drawn.state(_EQUAL, loops=True),
        )
        drawn.go(before, "0", zero)
        drawn.go(before, DIGITS[1:], more)
        drawn.go(zero, "0.", zero)
        drawn.go(zero, DIGITS[1:], more)
        drawn.go(zero, "eE", exponent)
    return drawn


def _comparison(bound: Decimal) -> Sketch:
    """Compare with a number other than 0.

    The digits before the point tell how the value compares once it is known how many they are. So a state
    counts them, up to one more than the bound has, and holds how the first of them compare with the bound's.
    """
    whole, fraction = written_out(bound)
    equal, less, greater = _EQUAL, _LESS, _GREATER
    if bound < 0:  # the larger its magnitude, the less is a value behind a minus sign
        less, greater = greater, less
    drawn = Sketch()
    start, minus = drawn.states(2)
    other = drawn.state(_GREATER if bound < 0 else _LESS, loops=True)
    smaller, larger = drawn.state(less, loops=True), drawn.state(greater, loops=True)
    begun = minus if bound < 0 else start
    drawn.go(start, "-", minus)
    drawn.go(start if bound < 0 else minus, DIGITS, other)
    # behind the point
    places = [*drawn.states(len(fraction), less), drawn.state(equal)]
    for at, digit in enumerate(fraction):
        _compared(drawn, places[at], digit, (smaller, places[at + 1], larger))
    drawn.go(places[-1], "0", places[-1])
    drawn.go(places[-1], DIGITS[1:], larger)
    # before the point: of `count` digits, the first compare so
    drawn.go(begun, "0", zero := drawn.state(less))
    drawn.go(zero, ".", smaller if whole else places[0])
    count = len(whole)
    same = [begun, *drawn.states(count, less)]
    drawn.label[same[-1]] = less if fraction else equal
    below, above = [DEAD, *drawn.states(count, less)], [DEAD, *drawn.states(count, less)]
    if count:
        drawn.label[above[-1]] = greater
    for at, digit in enumerate(whole):
        _compared(drawn, same[at], digit, (below[at + 1], same[at + 1], above[at + 1]), first=not at)
        for row in (below, above) if at else ():
            drawn.go(row[at], DIGITS, row[at + 1])
        for one in (below[at + 1], same[at + 1], above[at + 1]):
            drawn.go(one, ".", smaller)
    for one in (below[-1], same[-1], above[-1]) if count else ():
        drawn.go(one, DIGITS, larger)
    if count:
        drawn.go(same[-1], ".", places[0])
        drawn.go(above[-1], ".", larger)
    else:
        drawn.go(begun, DIGITS[1:], larger)
    return drawn


def _compared(
    drawn: Sketch, state: int, digit: str, after: tuple[int, int, int], *, first: bool = False
) -> None:
    """Let digits below one, the one, and those above it lead to three states; `first`: not a zero."""
    below, same, above = after
    at = int(digit)
    drawn.go(state, DIGITS[1 if first else 0 : at], below)
    drawn.go(state, digit, same)
    drawn.go(state, DIGITS[at + 1 :], above)


# -- finite sets --


def _membership(values: Iterable[int | Decimal], printed: bool) -> Automaton:
    """Return the automaton of the numerals whose value is in a list; `printed`: and of those that have an
    exponent as Python prints them.

    It is drawn with a state for each different beginning of them. Cost: some microseconds for each digit.
    Raises LimitError (automaton_states).
    """
    drawn = Sketch()
    start, minus = drawn.states(2)
    drawn.go(start, "-", minus)
    children: dict[tuple[int, str], int] = {}
    behind_point: set[int] = set()
    for value in values:
        number = Decimal(value)
        whole, fraction = written_out(number)
        texts = [(whole or "0") + ("." + fraction if fraction else "")]
        if printed and Decimal(text := repr(float(number.copy_abs()))) == number.copy_abs():
            texts.append(text)
        roots = (start, minus) if not number else (minus,) if number < 0 else (start,)
        for at, text in product_of(roots, texts):
            for char in text:
                after = children.get((at, char))
                if after is None:
                    if len(drawn.rows) >= MOST_STATES:
                        raise too_many_states()
                    after = children[at, char] = drawn.state()
                    if char == "." or at in behind_point:
                        behind_point.add(after)
                at = after
            drawn.label[at] = 1
    zeros = drawn.state(1)
    drawn.go(zeros, "0", zeros)
    for (at, char), after in children.items():  # parents before their children
        drawn.go(at, char, after)
        if char == "." or (char == "0" and at in behind_point):
            drawn.label[after] |= drawn.label[at]  # a zero behind the point changes no value
    for at in children.values():
        same = "0" if at in behind_point else "."
        if drawn.label[at] and (at, same) not in children:
            drawn.go(at, same, zeros)
    return drawn.done((1,))


# -- divisors --


def _divisibility(by: Decimal) -> Automaton:
    """Return the automaton of the numerals whose value is an integer times a positive number.

    `by` is core * 10**-shift, and 10 does not divide the core. A state holds the digits so far modulo the
    core. Where the shift is negative, it also holds how many zeros they end in, and its digits are those
    before these zeros; where it is positive, how many digits stand behind the point. Cost: some 10 ns for
    each state and digit. Raises LimitError (automaton_states).
    """
    power, digits = magnitude(by)
    core, places = int(Decimal(digits)), len(digits) - 1 - power
    if core * (abs(places) + 2) > MOST_STATES:
        raise too_many_states()
    return _fine(core, places) if places > 0 else _coarse(core, -places)


def _fine(core: int, places: int) -> Automaton:
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


def _coarse(core: int, zeros: int) -> Automaton:
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
    drawn = Sketch()
    alone = drawn.state()
    drawn.go(alone, DIGITS + "-", alone)
    return drawn.done((0,))
