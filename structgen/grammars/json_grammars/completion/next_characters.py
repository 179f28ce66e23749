"""Finds the characters that may come next in a string or a key, and the ways to finish an escape.

Of *alike* characters only the smallest is returned. Two characters are alike if they lead to the same state
of the string's automaton, and no listed word goes on with either. A *listed word* is a string that the schema
names, as in `enum`, or a key that the object holds; what follows the written part of it is its *rest*. With
the words `{"ab"}` and the pattern `^[a-z]*$`, the characters at the start are `a` (listed) and `b` (for `b`
to `z`).

The search goes by characters (as *points*, numbers of Unicode), not by bytes: after `\\u00` only two more
digits show the character. A character from 0x10000 on is two escapes, of a high and a low *surrogate*. Either
may also stand alone. *Missing* digits are those that the vocabulary cannot write.
"""

from __future__ import annotations

from collections.abc import Iterator

from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.charsets import LAST
from structgen.base.language.ir import DEAD
from structgen.machines.json_machine.inspection import Inspection, StateRegisters
from structgen.machines.json_machine.tables import json_blocks as L

_SHORT = b'"\\/bfnrt'
"""The bytes that may follow a backslash in escapes of two characters."""
_HIGH, _LOW, _BEHIND = 0xD800, 0xDC00, 0xE000
"""The first high surrogate, the first low surrogate, and the first point after the surrogates."""
_EVEN = (
    (0, 7),
    (8, 10),
    (11, 11),
    (12, 13),
    (14, 31),
    (32, 126),
    (127, _HIGH - 1),
    (_HIGH, _LOW - 1),
    (_LOW, _BEHIND - 1),
    (_BEHIND, 0xFFFF),
)
"""Ranges of points, first and last. A policy allows the escapes `\\uXXXX` of a range either all or not at
all: controls with and without a short escape, other ASCII, surrogates, and the rest."""
QUOTED = (L.M_STRING, L.M_KEY, L.M_WORDS)
"""The modes of states inside quotation marks."""


def escape_of(registers: StateRegisters) -> int:
    """Return how many bytes of an escape are written in a state with the given registers; 0: the state is not
    inside an escape. After `\\u0` it is 3. From 6 on a high surrogate is written, and a second escape may
    follow."""
    if registers.mode not in QUOTED:
        return 0
    return (registers.lexeme >> L.ESCAPE_SHIFT) & 15  # four bits above the automaton's state


def characters_after(machine: Inspection, index: int, low: int, high: int) -> list[int]:
    """Return points of `low` to `high` that may come next in the state `index` of a string or a key, one for
    all that are alike. Inside an escape they are the points that may come in its place.

    The policy of escapes and the length of the string may still refuse some. In a free string all characters
    are alike: the answer is `[low]`. Cost: about 64 lookups for each state inside a character.
    """
    state = machine.string_state(index)
    rests = set(machine.listed_rests(index))
    return _unlike_points(machine, state, rests, low, high, frozenset())


def _unlike_points(
    machine: Inspection,
    state: int,
    rests: set[str],
    low: int,
    high: int,
    missing: frozenset[int],
) -> list[int]:
    """Return the listed points of `low` to `high`, and for each state that the others lead to, the smallest
    point that leads there. Points whose escapes need a missing digit do not count among the others.

    `state`: a state of the string's automaton; `rests`: the rests of the listed words, not empty; `missing`:
    the digits as bytes. With the rests `{"ab"}` the point of `a` is listed.
    """
    if state == StringPool.FREE and not rests and not _HIGH <= low < _BEHIND:
        point = _first_spelled(low, missing)  # in a free string all points are alike
        return [point] if point <= high else []
    first_characters = {ord(rest[0]) for rest in rests}
    listed_points = {point for point in first_characters if low <= point <= high}
    points: dict[int, int] = {}
    """State -> the smallest point that leads to it and may stand for it."""
    low = _first_spelled(low, missing)
    while low <= high:
        next_low = high + 1
        targets = {} if state == DEAD else machine.strings.states_after(state, low, high)
        for target, point in targets.items():
            if target in points:
                continue
            # a listed point does not stand for others, nor one without an escape: the next one is tried
            if point in listed_points or _first_spelled(point, missing) > point:
                next_low = min(next_low, _first_spelled(point + 1, missing))
            else:
                points[target] = point
        low = _first_spelled(next_low, missing)
    return sorted(listed_points.union(points.values()))


def _first_spelled(point: int, missing: frozenset[int]) -> int:
    """Return the first point from `point` on whose escape can be written without the missing digits, or one
    above LAST. A digit is lost only if its upper and its lower case are missing. Without the digit 0, 0x0A
    gives 0x1111."""
    while missing and point <= LAST:
        digits = chr(point).encode("utf-16-be", "surrogatepass").hex()
        lost_places = [
            place
            for place, digit in enumerate(digits)
            if missing.issuperset((ord(digit), ord(digit.upper())))
        ]
        if not lost_places:
            break
        # on to the next point with another digit at the first lost place; a digit has four bits
        first_lost = lost_places[0]
        bits_below = 4 * (3 - first_lost % 4)
        is_high_half = len(digits) == 8 and first_lost < 4
        if is_high_half:  # the halves of a pair have ten bits each
            bits_below += 10
        step = 1 << bits_below
        point = (point // step + 1) * step
    return point


def escape_rests(machine: Inspection, index: int, missing: frozenset[int]) -> Iterator[bytes]:
    """Yield the bytes that finish the escape in the state `index`, one way for all characters that are alike.

    Digits are in upper case; ways whose digits are `missing` in both cases are left out. After `\\u004` one
    way is `1`, which makes `A`. The caller tries each way, since the state may refuse some. A way may end
    with a high surrogate, after which a second escape may come. After a high surrogate that stands alone, a
    way may have the byte or the escape that comes next."""
    lexeme = machine.registers(index).lexeme
    # how many bytes of the escape are written (from 6 on: 6 more than those of the second escape); the value
    # of the digits so far, 16 bits; the low ten bits of a high surrogate before it
    escape = (lexeme >> L.ESCAPE_SHIFT) & 15
    value = (lexeme >> 32) & 0xFFFF
    high_bits = (lexeme >> 48) & 0x3FF
    # the points that the digits may still become; an escape has a backslash, a `u` and four digits
    open_digits = 4 - max(escape % 6 - 2, 0)
    low = value << 4 * open_digits
    high = (value + 1 << 4 * open_digits) - 1
    state = machine.string_state(index)
    rests = set(machine.listed_rests(index))
    head = b""
    if escape >= 6:
        first = max(low, _LOW)
        last = min(high, _BEHIND - 1)
        base = 0x10000 + (high_bits << 10) - _LOW
        for point in _unlike_points(machine, state, rests, base + first, base + last, missing):
            yield _escape_pair(point)[escape:]
        # or the high surrogate stands alone
        high_surrogate = _HIGH + high_bits
        head = _escape_unit(high_surrogate)
        if escape == 6:
            # No name or value that a completion looks for begins with half a pair: the text does not matter.
            for byte in machine.unlike_bytes(index):
                if byte != ord("\\"):
                    yield bytes((byte,))
        state = machine.after_character(state, high_surrogate)
        # the listed rests that have the surrogate, after it
        rests = {rest[1:] for rest in rests if rest[0] == chr(high_surrogate) and len(rest) > 1}
    if len(head) + 2 > escape:  # no more than the backslash is written
        for byte in _SHORT:
            yield (head + b"\\" + bytes((byte,)))[escape:]
    for first, last in _EVEN:
        first = max(first, low)
        last = min(last, high)
        for point in _unlike_points(machine, state, rests, first, last, missing):
            yield (head + _escape_unit(point))[escape:]
    # a high surrogate that becomes the first half of a pair
    first = max(low, _HIGH)
    last = min(high, _LOW - 1)
    if first <= last:
        base = 0x10000 - (_HIGH << 10)
        first_pair = base + (first << 10)
        last_pair = base + (last << 10) + 0x3FF
        for point in _unlike_points(machine, state, rests, first_pair, last_pair, missing):
            yield (head + _escape_pair(point))[escape:]
    # a surrogate that stands alone: the first high one or the first low one that may come
    for first in (max(low, _HIGH), max(low, _LOW)):
        if first <= high and first < _BEHIND:
            yield (head + _escape_unit(first))[escape:]


def _escape_unit(point: int) -> bytes:
    """Return the escape of six characters of a point below 0x10000."""
    return f"\\u{point:04X}".encode()


def _escape_pair(point: int) -> bytes:
    """Return the two escapes of a point from 0x10000 on, as JSON writes it: ten bits in each."""
    high_bits = point - 0x10000 >> 10
    low_bits = point & 0x3FF
    return _escape_unit(_HIGH + high_bits) + _escape_unit(_LOW + low_bits)
