"""Automata that know what a numeral's value is, as far as one bound, one set or one divisor asks.

What comes in: a bound, a finite set of numbers, or the divisor of `multipleOf`. What goes out: an automaton
over the characters of numerals whose labels say how the value compares with the bound, in which of several
sets it is, or whether the divisor divides it. Values are exact decimals: 1, 1.0 and 1.00 are one number.

Only the bound 0 is compared with numerals that have an exponent: the exponent changes neither the sign nor
whether the value is zero. Behind another bound's, a set's or a divisor's `e` nothing is known, and
`number_pool` keeps such numerals out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import product as product_of
from typing import Final

import numpy as np

from structgen.automata.numbers.numeral_automata import (
    COLUMNS,
    DIGITS,
    MOST_STATES,
    WIDTH,
    NumeralAutomaton,
    Sketch,
    product,
    relabelled,
    too_many_states,
)
from structgen.language.ir import DEAD
from structgen.system.public_calls import billed_cache

_LESS, _EQUAL, _GREATER = 0, 1, 2
_ORDER: Final = (_EQUAL, _LESS, _GREATER)
"""The labels of a comparison with one bound."""
_BOOLS: Final = (False, True)
_MINUS, _POINT = COLUMNS.index(b"-"), COLUMNS.index(b".")


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


@billed_cache(128)
def cells(bounds: tuple[Decimal, ...]) -> NumeralAutomaton[int]:
    """Return the automaton whose labels say where a value lies among some bounds, which ascend: 2i + 1 is the
    i-th bound, 2i lies below it.

    It has some four states for each digit of a bound. Cost: some 5 us each, for the first time. Raises
    LimitError (automaton_states).
    """
    if len(bounds) == 1:
        return _comparison(bounds[0]) if bounds[0] else _sign()
    half = len(bounds) // 2
    both = product(cells(bounds[:half]), cells(bounds[half:]))
    return relabelled(both, sum)  # a value above some bound of the second half is above all of the first


def _sign() -> NumeralAutomaton[int]:
    """Compare with 0."""
    equal, less, greater = range(3)
    drawn = Sketch()
    start, minus = drawn.states(2)
    drawn.go(start, "-", minus)
    for before, other in ((start, greater), (minus, less)):
        zero, more, exponent = (
            drawn.state(equal),
            drawn.state(other, loops=True),
            drawn.state(equal, loops=True),
        )
        drawn.go(before, "0", zero)
        drawn.go(before, DIGITS[1:], more)
        drawn.go(zero, "0.", zero)
        drawn.go(zero, DIGITS[1:], more)
        drawn.go(zero, "eE", exponent)
    return drawn.done(_ORDER)


def _comparison(bound: Decimal) -> NumeralAutomaton[int]:
    """Compare with a number other than 0.

    The digits before the point tell how the value compares once it is known how many they are. So a state
    counts them, up to one more than the bound has, and holds how the first of them compare with the bound's.
    """
    whole, fraction = written_out(bound)
    equal, less, greater = range(3)
    if bound < 0:  # the larger its magnitude, the less is a value behind a minus sign
        less, greater = greater, less
    drawn = Sketch()
    start, minus = drawn.states(2)
    other = drawn.state(2 if bound < 0 else 1, loops=True)
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
    return drawn.done(_ORDER)


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


def membership(
    lists: Sequence[Iterable[int | Decimal]], printed: bool = False
) -> NumeralAutomaton[frozenset[int]]:
    """Return the automaton whose labels say in which of some lists of numbers a value is. `printed`: also of
    those numerals with an exponent that Python prints.

    It has a state for each different beginning of them. Cost: some microseconds for each digit. Raises
    LimitError (automaton_states).
    """
    drawn = Sketch()
    start, minus = drawn.states(2)
    drawn.go(start, "-", minus)
    outside = drawn.state(loops=True)
    children: dict[tuple[int, str], int] = {}
    behind_point: set[int] = set()
    holding: defaultdict[int, frozenset[int]] = defaultdict(frozenset)
    """State -> the lists of the value that ends there."""
    for which, value in ((at, value) for at, values in enumerate(lists) for value in values):
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
            holding[at] |= {which}
    for (at, char), after in children.items():  # parents before their children
        drawn.go(at, char, after)
        if char == "." or (char == "0" and at in behind_point):
            holding[after] |= holding[at]  # a zero behind the point changes no value
    tails: dict[frozenset[int], int] = {}
    for at in [start, minus, *children.values()]:
        row = drawn.rows[at]
        for column in range(WIDTH - 1):
            if row[column] == DEAD:
                row[column] = outside
        same = "0" if at in behind_point else "."
        if holding[at] and (at, same) not in children:
            tail = tails.get(holding[at])
            if tail is None:
                tail = tails[holding[at]] = drawn.state()
                drawn.rows[tail] = [outside] * (WIDTH - 1) + [DEAD]
                drawn.go(tail, "0", tail)
                holding[tail] = holding[at]
            drawn.go(at, same, tail)
    labels = tuple(dict.fromkeys((frozenset[int](), *holding.values())))
    numbers = {one: number for number, one in enumerate(labels)}
    for at, held in holding.items():
        drawn.label[at] = numbers[held]
    return drawn.done(labels)


# -- divisors --


@lru_cache(maxsize=64)
def divisibility(by: Decimal) -> NumeralAutomaton[bool]:
    """Return the automaton whose labels say whether a value is an integer times a positive number.

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


def _fine(core: int, places: int) -> NumeralAutomaton[bool]:
    """Divide by core * 10**-places: a state for each count of places and remainder; first those before the
    point."""
    rest = np.arange(core)
    blocks = places + 2
    outside = blocks * core
    trans = np.full((outside + 1, WIDTH), DEAD, np.int32)
    trans[:, : WIDTH - 1] = outside
    label = np.zeros(outside + 1, np.int32)
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
    return NumeralAutomaton(trans, label, _BOOLS)


def _coarse(core: int, zeros: int) -> NumeralAutomaton[bool]:
    """Divide by core * 10**zeros: a state for each count of zeros at the end and remainder before them."""
    rest = np.arange(core)
    whole = (zeros + 1) * core
    tail, outside = whole, whole + 1
    trans = np.full((whole + 2, WIDTH), DEAD, np.int32)
    trans[:, : WIDTH - 1] = outside
    label = np.zeros(whole + 2, np.int32)
    for count in range(zeros + 1):
        rows = slice(
            (zeros - count) * core, (zeros - count + 1) * core
        )  # state 0 is zero, with all its zeros
        shift = pow(10, count + 1, core)
        for digit in range(1, 10):
            trans[rows, digit] = zeros * core + (rest * shift + digit) % core
        trans[rows, 0] = (zeros - count - 1) * core + rest if count < zeros else 10 * rest % core
    trans[:core, _POINT] = np.where(rest == 0, tail, outside)
    trans[tail, 0] = tail
    label[0] = label[tail] = 1
    trans[0, _MINUS] = 0
    return NumeralAutomaton(trans, label, _BOOLS)


@lru_cache(maxsize=1)
def digits_alone() -> NumeralAutomaton[bool]:
    """Return the automaton whose labels say whether a numeral has neither a point nor an exponent."""
    drawn = Sketch()
    alone, other = drawn.state(1), drawn.state(loops=True)
    drawn.go(alone, DIGITS + "-", alone)
    drawn.go(alone, ".eE", other)
    return drawn.done(_BOOLS)
