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
"""The first high surrogate, the first low one, and the first point behind them."""
_EVEN = (
    *((0, 7), (8, 10), (11, 11), (12, 13), (14, 31), (32, 126), (127, _HIGH - 1)),
    *((_HIGH, _LOW - 1), (_LOW, _BEHIND - 1), (_BEHIND, 0xFFFF)),
)
"""Ranges of points whose escapes of six characters a policy allows or refuses alike."""
QUOTED = (L.M_STRING, L.M_KEY, L.M_WORDS)
"""The modes inside quotation marks."""


def escape_of(regs: StateRegisters) -> int:
    """Return the state of the escape that is being written: 0 for none, otherwise how many of its bytes are
    there (structgen.machines.json_machine.steps.string_step)."""
    if regs.mode not in QUOTED:
        return 0
    return (regs.lexeme >> L.ESCAPE_SHIFT) & 15


def characters_after(machine: Inspection, index: int, low: int = 0, high: int = LAST) -> list[int]:
    """Return code points of low..high, one of all that are alike, that may come next in a state of a string
    or a key; inside an escape, in place of that.

    The policy of escapes and the length of the string may still refuse them. Cost: some 64 lookups for each
    state inside a character.
    """
    return _unlike_points(
        machine, machine.string_state(index), set(machine.listed_rests(index)), low, high, frozenset()
    )


def _unlike_points(
    machine: Inspection, state: int, rests: set[str], low: int, high: int, missing: frozenset[int]
) -> list[int]:
    """Return the listed points of low..high, and the smallest of the others for each state that they lead to;
    of those whose escapes have none of the missing digits."""
    if state == StringPool.FREE and not rests and not _HIGH <= low < _BEHIND:
        point = _spelled_from(low, missing)  # all are alike
        return [point] if point <= high else []
    listed_points = {ord(rest[0]) for rest in rests if low <= ord(rest[0]) <= high}
    points: dict[int, int] = {}
    while (low := _spelled_from(low, missing)) <= high:
        again = high + 1
        targets = {} if state == DEAD else machine.strings.states_after(state, low, high)
        for target, point in targets.items():
            if target in points:
                continue
            if point in listed_points or _spelled_from(point, missing) > point:
                again = min(again, _spelled_from(point + 1, missing))
            else:
                points[target] = point
        low = again
    return sorted(listed_points.union(points.values()))


def _spelled_from(point: int, missing: frozenset[int]) -> int:
    """Return the first character from one on whose escape has none of the missing digits, in either case."""
    while missing and point <= LAST:
        units = chr(point).encode("utf-16-be", "surrogatepass").hex()
        lost = [at for at, unit in enumerate(units) if missing.issuperset((ord(unit), ord(unit.upper())))]
        if not lost:
            break
        # another digit there: the halves of a pair have ten bits each
        step = 1 << (4 * (3 - lost[0] % 4) + (10 if len(units) == 8 and lost[0] < 4 else 0))
        point = (point // step + 1) * step
    return point


def escape_rests(machine: Inspection, index: int, missing: frozenset[int]) -> Iterator[bytes]:
    """Yield ways to finish the escape that is being written in a state, one for each character of all that
    are alike, with digits in upper case; of those whose digits are not missing in both cases. Some may be
    refused. A high surrogate may be left open; one that stands alone may take a byte or an escape behind
    it."""
    lex = machine.registers(index).lexeme
    escape, value, high_bits = (lex >> L.ESCAPE_SHIFT) & 15, (lex >> 32) & 0xFFFF, (lex >> 48) & 0x3FF
    missing_bits = 4 * (4 - max(escape % 6 - 2, 0))
    low, high = value << missing_bits, ((value + 1) << missing_bits) - 1
    state, rests = machine.string_state(index), set(machine.listed_rests(index))
    head = b""
    if escape >= 6:
        first, last = max(low, _LOW), min(high, _BEHIND - 1)
        base = 0x10000 + (high_bits << 10) - _LOW
        for point in _unlike_points(machine, state, rests, base + first, base + last, missing):
            yield _escape_pair(point)[escape:]
        # or the high surrogate stands alone
        head = _escape_unit(_HIGH + high_bits)
        if escape == 6:
            yield from (bytes((byte,)) for byte in machine.next_bytes(index) if byte != 92)
        state = machine.after_character(state, _HIGH + high_bits)
        rests = {rest[1:] for rest in rests if ord(rest[0]) == _HIGH + high_bits and len(rest) > 1}
    if len(head) + 2 > escape:
        yield from ((head + b"\\" + bytes((byte,)))[escape:] for byte in _SHORT)
    for first, last in _EVEN:
        for point in _unlike_points(machine, state, rests, max(first, low), min(last, high), missing):
            yield (head + _escape_unit(point))[escape:]
    first, last = max(low, _HIGH), min(high, _LOW - 1)
    if first <= last:
        base = 0x10000 - (_HIGH << 10)
        for point in _unlike_points(
            machine, state, rests, base + (first << 10), base + (last << 10) + 0x3FF, missing
        ):
            yield (head + _escape_pair(point))[escape:]
    for first in (max(low, _HIGH), max(low, _LOW)):
        if first <= high and first < _BEHIND:
            yield (head + _escape_unit(first))[escape:]


def _escape_unit(point: int) -> bytes:
    return f"\\u{point:04X}".encode()


def _escape_pair(point: int) -> bytes:
    return _escape_unit(_HIGH + (point - 0x10000 >> 10)) + _escape_unit(_LOW + (point & 0x3FF))
