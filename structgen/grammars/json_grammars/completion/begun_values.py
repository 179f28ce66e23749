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
        """The parts of each value that is looked for."""
        self._impossible: set[tuple[int, int]] = set()
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
        if len(self._values) != self.count:  # with a new value, the old answers are void
            self.clear_values()
            for value_text in self._machine.network.looked_for:
                self._values.append(Counter(part for part, _ in parts_of(value_text)))
        # once a beginning of the item can become none of the values, no continuation of it can
        log_before = log
        while log_before != begin and log_before:
            if (log_before, begin) in self._impossible:
                self._impossible.add((log, begin))
                return None
            log_before, _ = self._machine.text_before(log_before)
        text = self._machine.expander.item_text(log, begin)
        answers = [may_become(text, value) for value in self._values]
        possible = [rests for rests in answers if rests is not None]
        if possible:
            return frozenset().union(*possible)
        self._impossible.add((log, begin))
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
            # the last part: it is the beginning of some parts that are left
            wholes = [whole for whole in remaining if remaining[whole] and whole.startswith(part)]
            if not wholes:
                return None
            if not part.startswith(b'"'):  # a number or a literal: no string that goes on
                return frozenset()
            return frozenset(whole[len(part) :] for whole in wholes)
        if not remaining[part]:
            return None
        remaining[part] -= 1
    return frozenset()


def parts_of(text: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield the strings of a JSON text (a quote, and decoded), the digits of its numbers (after a 0), its
    literals and brackets, each with whether the text ends within it."""
    for token in _TOKEN.finditer(text):
        raw, quote, number = token.groups()
        is_open = token.end() == len(text) and not quote
        if raw is not None:
            if b"\\" in raw:
                if is_open:  # an escape that is not complete is no character yet
                    raw = _UNDONE.sub(b"", raw)
                raw = _ESCAPES.sub(_decode_escapes, raw)
            yield b'"' + raw, is_open
        elif number is not None:
            mantissa, _, _ = number.lower().partition(b"e")
            digits = mantissa.replace(b".", b"").strip(b"-0")
            if len(digits) > 15:  # rounded, for others may be the same double
                rounded = (int(digits[:16]) + 5) // 10
                digits = (b"%d" % rounded).rstrip(b"0")
            yield b"0" + digits, is_open
        else:
            word = token[0]
            yield word, is_open and word.isalpha()  # a bracket is complete


def _decode_escapes(escapes: re.Match[bytes]) -> bytes:
    """Return the characters that escapes write, which follow one another."""
    return encode_text(json.loads(b'"%b"' % escapes[0]))
