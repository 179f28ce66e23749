"""The characters that may come next in a string or a key, as few as tell all of them apart, and the rests of
an escape that was begun.

Bytes do not do where characters are written as escapes: after `\\u00` it takes two more digits to know the
character. Two characters are alike where they lead to one state of the automaton, and no listed word and no
key that the object holds goes on with either; the smallest stands for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.charsets import LAST
from structgen.base.language.ir import DEAD
from structgen.machines.json_machine.inspection import Inspection, StateRegisters
from structgen.machines.json_machine.tables import json_blocks as L

_SHORT = b'"\\/bfnrt'
"""What follows a backslash in escapes of two characters."""
_HIGH, _LOW, _BEHIND = 0xD800, 0xDC00, 0xE000
"""The first high surrogate, the first low one, and the first point after them."""
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
"""Ranges of points whose escapes of six characters a policy allows or refuses alike."""
QUOTED = (L.M_STRING, L.M_KEY, L.M_WORDS)
"""The modes inside quotation marks."""


def escape_of(registers: StateRegisters) -> int:
    """Return the state of the escape that is being written: 0 for none, otherwise how many of its bytes are
    there (structgen.machines.json_machine.steps.string_step)."""
    if registers.mode not in QUOTED:
        return 0
    return (registers.lexeme >> L.ESCAPE_SHIFT) & 15


def characters_after(machine: Inspection, index: int, low: int = 0, high: int = LAST) -> list[int]:
    """Return code points of low..high, one of all that are alike, that may come next in a state of a string
    or a key; inside an escape, in place of that.

    The policy of escapes and the length of the string may still refuse them. Cost: some 64 lookups for each
    state inside a character. For example, in a free string all characters are alike: `[low]`.
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
    """Return the listed points of low..high, and the smallest of the others for each state that they lead to;
    of those whose escapes have none of the missing digits.

    `state`: of the automaton; `rests`: of the listed words and held keys; `missing`: digits, by their bytes.
    For example, with the rests `{"ab"}` the point of `a` is listed.
    """
    if state == StringPool.FREE and not rests and not _HIGH <= low < _BEHIND:
        point = _first_spelled(low, missing)  # all are alike
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
    """Return the first character from one on whose escape has none of the missing digits, in either case."""
    while missing and point <= LAST:
        digits = chr(point).encode("utf-16-be", "surrogatepass").hex()
        lost_places = [
            place
            for place, digit in enumerate(digits)
            if missing.issuperset((ord(digit), ord(digit.upper())))
        ]
        if not lost_places:
            break
        # on to the next point with another digit at the first lost place
        first_lost = lost_places[0]
        bits_below = 4 * (3 - first_lost % 4)
        is_high_half = len(digits) == 8 and first_lost < 4
        if is_high_half:  # the halves of a pair have ten bits each
            bits_below += 10
        step = 1 << bits_below
        point = (point // step + 1) * step
    return point


def escape_rests(machine: Inspection, index: int, missing: frozenset[int]) -> Iterator[bytes]:
    """Yield ways to finish the escape that is being written in a state, one for each character of all that
    are alike, with digits in upper case; of those whose digits are not missing in both cases. Some may be
    refused. A high surrogate may be left open; one that stands alone may take a byte or an escape after
    it."""
    lexeme = machine.registers(index).lexeme
    # how many bytes of the escape are written (6 and more: of the second one), the value of its digits, and
    # the ten bits of a high surrogate before it
    escape = (lexeme >> L.ESCAPE_SHIFT) & 15
    value = (lexeme >> 32) & 0xFFFF
    high_bits = (lexeme >> 48) & 0x3FF
    # the points that the digits may still become
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
            for byte in machine.next_bytes(index):
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
    # a surrogate that stands alone
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
