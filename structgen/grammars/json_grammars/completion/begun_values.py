"""Decides whether an unfinished item of an array may become a value on which the rest of the array depends.

An array with `uniqueItems`, `contains` or `enum` compares its items with some *values looked for*
(`Network.looked_for`), which are few and short. Once an item differs from each of them, no rest of the
document depends on its text. With the value `[1,"ab"]`, the item `["a` may become it, and its string goes on
with `b`; the item `["c` may not.

A *part* is a string, a number, a literal or a bracket of a JSON text. A *log* is the number of the text of
the items so far, as a linked list: it leads to the log without the last byte. A *rest* is what follows the
written part of a string.
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
"""A part of a JSON text. The groups: a string without its quotes, its closing quote, a number."""
_ESCAPES: Final = re.compile(rb"(?:\\u[0-9a-fA-F]{4}|\\[^u])+", re.DOTALL)
"""Complete escapes that follow one another."""
_UNDONE: Final = re.compile(rb"(?:\\u[dD][89abAB]..)?(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z", re.DOTALL)
"""The end of a string's text whose last escape, or pair of escapes, is not complete."""


class BegunValues:
    """Compares the items of one compiled grammar with the values looked for. The caller holds the grammar's
    lock."""

    def __init__(self, machine: Inspection) -> None:
        self._machine = machine
        self.clear_values()

    def clear_values(self) -> None:
        """Forget all answers."""
        self._values: list[Counter[bytes]] = []
        """For each value that is looked for, how often each part occurs in it."""
        self._impossible: set[tuple[int, int]] = set()
        """Pairs of a log and the log before its item, for items that can become none of the values."""

    @property
    def count(self) -> int:
        """The number of values that are looked for."""
        return len(self._machine.network.looked_for)

    def rests_of_item(self, log: int, begin: int) -> frozenset[bytes] | None:
        """Return the rests with which the last string of an unfinished item becomes part of a value.

        The item is the text of `log` after the log `begin`. The answer is None where the item can become none
        of the values, and an empty set where it can, but does not end inside a string. Cost: linear in the
        bytes since a log whose answer is known to be None; otherwise 5 us for each value.
        """
        if len(self._values) != self.count:  # with a new value, the old answers do not hold
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
    """Return whether the beginning of a JSON text may become equal to a value: None where it cannot.

    Otherwise the rests of its last string are returned; an empty set if it does not end inside a string.
    `text`: the beginning; `value`: how often each part occurs in the value. With the parts of `"ab"`, `"a`
    gives {`b`}.

    Parts are compared without their order, since members may come in any order. So the answer may be a set
    where the text cannot become equal. Of numbers only the digits are compared, not the point or exponent.
    """
    remaining = Counter(value)
    for part, is_open in parts_of(text):
        if is_open:
            # the last part is not complete: it may begin any of the remaining parts
            wholes = [whole for whole in remaining if remaining[whole] and whole.startswith(part)]
            if not wholes:
                return None
            if not part.startswith(b'"'):  # a number or a literal, which is not a string
                return frozenset()
            return frozenset(whole[len(part) :] for whole in wholes)
        if not remaining[part]:
            return None
        remaining[part] -= 1
    return frozenset()


def parts_of(text: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield the parts of a JSON text, each with whether the text ends inside it.

    A string is a quote and its decoded text; a number is a 0 and its digits, without zeros at either end; a
    literal or bracket is as written. The text `["a", 120` gives `[`, `"a` and `012`, the last one open."""
    for token in _TOKEN.finditer(text):
        raw, quote, number = token.groups()
        is_open = token.end() == len(text) and not quote
        if raw is not None:
            if b"\\" in raw:
                if is_open:  # an escape that is not complete is not a character yet
                    raw = _UNDONE.sub(b"", raw)
                raw = _ESCAPES.sub(_decode_escapes, raw)
            yield b'"' + raw, is_open
        elif number is not None:
            mantissa, _, _ = number.lower().partition(b"e")
            digits = mantissa.replace(b".", b"").strip(b"-0")
            if len(digits) > 15:  # rounded to 15: longer numbers may be the same double
                rounded = (int(digits[:16]) + 5) // 10
                digits = (b"%d" % rounded).rstrip(b"0")
            yield b"0" + digits, is_open
        else:
            word = token[0]
            yield word, is_open and word.isalpha()  # a bracket is complete


def _decode_escapes(escapes: re.Match[bytes]) -> bytes:
    """Return the characters that a run of escapes writes, as bytes: `\\n` gives a line break."""
    return encode_text(json.loads(b'"%b"' % escapes[0]))
