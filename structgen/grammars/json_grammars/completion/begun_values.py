"""Whether what is written of an item may become a value on which the rest of an array depends.

Such values are few and short (`Network.looked_for`). All other items of an array that compares them are
alike: once an item differs from each of these values, no rest of the document depends on its text.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from structgen.automata.unicode.decoded_text import encode_text
from structgen.machines.json_machine.inspection import Inspection

_TOKEN: Final = re.compile(
    rb'"((?:[^"\\]|\\.)*)(?:(")|\\?\Z)|(-?[0-9][-+.0-9eE]*|-)|[a-z]+|[\[\]{}]', re.DOTALL
)
_ESCAPES: Final = re.compile(rb"(?:\\u[0-9a-fA-F]{4}|\\[^u])+", re.DOTALL)
_UNDONE: Final = re.compile(rb"(?:\\u[dD][89abAB]..)?(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z", re.DOTALL)
"""What may still become part of a character that an escape writes."""


class BegunValues:
    """Asks this of the states of one compiled grammar; its lock is held by the caller."""

    def __init__(self, machine: Inspection) -> None:
        self._machine = machine
        self.clear_values()

    def clear_values(self) -> None:
        """Forget what was remembered."""
        self._values: list[Counter[bytes]] = []
        self._apart: set[tuple[int, int]] = set()
        """Logs, each with where its item begins, that can become none of the values."""

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self._machine.network.looked_for)

    def rests_of_item(self, log: int, begin: int) -> frozenset[bytes] | None:
        """Return how the string goes on in which an item ends, by its log and where it begins, to become one
        of the values; None where it can become none, and is none.

        Cost: the bytes since a log of which it is known that it cannot; else 5 us a value.
        """
        if len(self._values) != self.count:
            self.clear_values()
            texts = self._machine.network.looked_for
            self._values = [Counter(part for part, _ in parts_of(text)) for text in texts]
        at = log
        while at != begin and at:
            if (at, begin) in self._apart:
                self._apart.add((log, begin))
                return None
            at = self._machine.text_before(at)[0]
        text = self._machine.expander.item_text(log, begin)
        possible = [rests for value in self._values if (rests := may_become(text, value)) is not None]
        if possible:
            return frozenset().union(*possible)
        self._apart.add((log, begin))
        return None


def may_become(text: bytes, value: Counter[bytes]) -> frozenset[bytes] | None:
    """Return how the string goes on in which the beginning of a JSON text ends that may become equal to a
    value, by its parts (none: it ends in no string); None where it cannot.

    Strings, numbers and brackets are compared, whatever their order: so members may come in any, and not all
    that may is so. Of numbers the digits count alone, whatever their place.
    """
    remaining = Counter(value)
    for part, is_open in parts_of(text):
        if is_open:
            rests = frozenset(
                rest[len(part) :] for rest in remaining if remaining[rest] and rest.startswith(part)
            )
            return None if not rests else rests if part.startswith(b'"') else frozenset()
        if not remaining[part]:
            return None
        remaining[part] -= 1
    return frozenset()


def parts_of(text: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield the strings of a JSON text (a quote, and decoded), the digits of its numbers (behind a 0), its
    literals and brackets, each with whether the text ends within it."""
    for token in _TOKEN.finditer(text):
        raw, quote, number = token.groups()
        is_open = token.end() == len(text) and not quote
        if raw is not None:
            if b"\\" in raw:
                raw = _ESCAPES.sub(_decode_escapes, _UNDONE.sub(b"", raw) if is_open else raw)
            yield b'"' + raw, is_open
        elif number is not None:
            digits = number.lower().partition(b"e")[0].replace(b".", b"").strip(b"-0")
            if len(digits) > 15:  # rounded, for others may be the same double
                digits = (b"%d" % ((int(digits[:16]) + 5) // 10)).rstrip(b"0")
            yield b"0" + digits, is_open
        else:
            yield token[0], is_open and token[0].isalpha()


def _decode_escapes(escapes: re.Match[bytes]) -> bytes:
    """Return the characters that escapes write, which follow one another."""
    return encode_text(json.loads(b'"%b"' % escapes[0]))
