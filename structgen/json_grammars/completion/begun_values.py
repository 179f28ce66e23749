"""Whether what is written of an item may become a value on which the rest of an array depends.

Such values are few and short (`Network.looked_for`). All other items of an array that compares them are alike:
once an item differs from each of these values, the rest of the document does not depend on its text.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from structgen.automata.unicode.decoded_text import encode
from structgen.json_machine.inspection import Inspection
from structgen.json_machine.tables import json_blocks as L
from structgen.schema.reading.json_text import read

_SPACE: Final = re.compile(rb"[ \t\n\r]*")
_STRING: Final = re.compile(rb'"((?:[^"\\]|\\.)*)(\\?)("?)', re.DOTALL)
_NUMERAL: Final = re.compile(rb"-?[0-9.]*([eE][-+]?[0-9]*)?")
_PIECES: Final = re.compile(
    rb"\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)|\\u([0-9a-fA-F]{4})|\\([^u])|([^\\]+)", re.DOTALL
)
_SHORT: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_HIGH: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")
_UNDONE: Final = re.compile(rb"\\u[0-9a-fA-F]{0,3}\Z")


class _Open(Exception):
    """The text ends where it may still become the value: how the string goes on in which it ends."""

    def __init__(self, *rests: bytes) -> None:
        self.rests = frozenset(rests)


class BegunValues:
    """Asks this of the states of one compiled grammar; its lock is held by the caller."""

    __slots__ = ("_apart", "_machine", "_values")

    def __init__(self, machine: Inspection) -> None:
        self._machine = machine
        self.clear()

    def clear(self) -> None:
        """Forget what was remembered."""
        self._values: list[object] = []
        self._apart: set[tuple[int, int]] = set()
        """Logs, each with where its item begins, that can become none of the values."""

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self._machine.network.looked_for)

    def rests(self, log: int, begin: int) -> frozenset[bytes] | None:
        """Return how the string goes on in which an item ends, by its log and where it begins, to become one
        of the values; None where it can become none, and is none.

        Cost: the bytes since a log of which it is known that it cannot; else 2 us a value.
        """
        if len(self._values) != self.count:
            self.clear()
            texts = self._machine.network.looked_for.values()
            self._values = [read(text.decode("utf-8", "surrogatepass")) for text in texts]
        at = log
        while at != begin and at:
            if (at, begin) in self._apart:
                self._apart.add((log, begin))
                return None
            at = self._machine.text_before(at)[0]
        text = self._machine.written(log, begin)
        found = [rests for value in self._values if (rests := may_become(text, value)) is not None]
        if found:
            return frozenset().union(*found)
        self._apart.add((log, begin))
        return None


def may_become(text: bytes, value: object) -> frozenset[bytes] | None:
    """Return how the string goes on in which a text ends that may become a value of JSON, or begins with it
    (none: it ends in no string); None where it cannot. Not all that may is so: of numbers the digits are
    compared alone. The text may go on behind its value."""
    try:
        return frozenset() if _behind(text, 0, value) >= 0 else None
    except _Open as found:
        return found.rests
    except RecursionError:  # so deep a value is compared with all
        return frozenset()


def _behind(text: bytes, at: int, value: object) -> int:
    """Return where a value that is written at a place of a text ends, if it may be equal to another one, else
    -1. Raises _Open where the text ends first."""
    at = _next(text, at)
    match value:
        case str():
            return _string(text, at, [value])[0]
        case list():
            return _items(text, at, value)
        case dict():
            return _members(text, at, dict(value))
        case bool() | None:
            return _literal(text, at, {True: b"true", False: b"false", None: b"null"}[value])
    return _number(text, at, value)


def _next(text: bytes, at: int) -> int:
    """Return the place of what comes behind white space."""
    space = _SPACE.match(text, at)
    assert space is not None, "it matches no byte, too"
    if space.end() == len(text):
        raise _Open
    return space.end()


def _string(text: bytes, at: int, wanted: list[str]) -> tuple[int, str]:
    """Return where a string ends, and which of some strings it is; -1 where none."""
    found = _STRING.match(text, at)
    if found is None:
        return -1, ""
    raw, ended = found[1], bool(found[3])
    if not ended:  # an escape that is not finished may become any character
        raw = _HIGH.sub(b"", _UNDONE.sub(b"", raw)) if b"\\" in raw else raw
    data = b"".join(map(_decoded, _PIECES.finditer(raw))) if b"\\" in raw else raw
    known = {encode(one): one for one in wanted}
    if ended:
        return (found.end(), known[data]) if data in known else (-1, "")
    rests = [one[len(data) :] for one in known if one.startswith(data)]
    if rests:
        raise _Open(*rests)
    return -1, ""


def _decoded(piece: re.Match[bytes]) -> bytes:
    high, low, unit, short, plain = piece.groups()
    if plain is not None:
        return plain
    if short is not None:
        return _SHORT.get(short, short)
    if unit is not None:
        return encode(chr(int(unit, 16)))
    return encode(chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00))


def _literal(text: bytes, at: int, word: bytes) -> int:
    piece = text[at : at + len(word)]
    if not word.startswith(piece):
        return -1
    if piece != word:
        raise _Open
    return at + len(word)


def _digits(mantissa: bytes) -> bytes:
    """Return the digits of a numeral from the first that is not 0."""
    return mantissa.replace(b".", b"").lstrip(b"-0")


def _number(text: bytes, at: int, value: object) -> int:
    """Compare the digits of a numeral with those of a number, whatever their place."""
    assert isinstance(value, (int, Decimal))
    found = _NUMERAL.match(text, at)
    if found is None or not found[0]:
        return -1
    mantissa = found[0].lower().partition(b"e")[0]
    here = _digits(mantissa)
    known = bytes(48 + digit for digit in Decimal(value).as_tuple().digits).strip(b"0")
    if value and mantissa.startswith(b"-") != (value < 0):
        return -1
    is_open = found.end() == len(text)
    if here.rstrip(b"0") != known and not (is_open and not found[1] and known.startswith(here)):
        return -1
    if is_open:
        raise _Open
    return found.end()


def _items(text: bytes, at: int, items: list[object]) -> int:
    if text[at] != 91:
        return -1
    for number, item in enumerate(items):
        if number:
            at = _next(text, at)
            if text[at] != 44:
                return -1
        at = _behind(text, at + 1, item)
        if at < 0:
            return -1
    at = _next(text, at if items else at + 1)
    return at + 1 if text[at] == 93 else -1


def _members(text: bytes, at: int, members: dict[str, object]) -> int:
    if text[at] != 123:
        return -1
    count = len(members)
    at += 1
    while members:
        at = _next(text, at)
        if len(members) < count:
            if text[at] != 44:
                return -1
            at = _next(text, at + 1)
        at, key = _string(text, at, list(members))
        if at < 0:
            return -1
        at = _next(text, at)
        if text[at] != 58:
            return -1
        at = _behind(text, at + 1, members.pop(key))
        if at < 0:
            return -1
    at = _next(text, at)
    return at + 1 if text[at] == 125 else -1
