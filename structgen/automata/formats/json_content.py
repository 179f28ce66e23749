"""Strings that hold a JSON text (RFC 8259): a program whose bodies call each other, because values nest.

Any value is accepted, with white space around it; keys may repeat. The context of a thread is the list of its
calls (`instructions.CALL`), so a state holds the nesting of the text so far, to any depth.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

from structgen.automata.formats.encoded_content import ENCODINGS, encoded
from structgen.automata.programs.instructions import CALL, CALLED, CHAR, EOL, MATCH, RETURN, SPLIT, Program
from structgen.automata.programs.thompson_construction import ProgramBuilder
from structgen.automata.unicode.charsets import LAST, Ranges, union
from structgen.automata.unicode.utf8 import DONE, ByteNode, node_of

JSON_TEXT = "JSON text"
"""The name of such strings in `format_meaning`."""
JSON_TEXTS: Mapping[str, str] = MappingProxyType(
    {JSON_TEXT: "", **{f"{JSON_TEXT} in {name}": name for name in ENCODINGS}}
)
"""The same name, and the names of encoded JSON texts with their encodings."""

_SPACE = tuple((ord(char), ord(char)) for char in "\t\n\r ")
_DIGIT, _NONZERO = ((0x30, 0x39),), ((0x31, 0x39),)
_HEXADECIMAL = ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66))
_UNESCAPED = ((0x20, 0x21), (0x23, 0x5B), (0x5D, LAST))


@functools.lru_cache(maxsize=8)
def json_text(encoding: str = "") -> Program:
    """Return the program of JSON texts; with an encoding, of their encoded UTF-8. Each state can be
    completed."""
    if encoding:
        return encoded(_Writer(in_bytes=True).program(), ENCODINGS[encoding])
    return _Writer().program()


class _Writer(ProgramBuilder):
    """Builds the program; each part is emitted with the instruction that follows it."""

    def __init__(self, *, in_bytes: bool = False) -> None:
        """`in_bytes`: the program's characters are bytes of UTF-8."""
        super().__init__()
        self._in_bytes = in_bytes

    def program(self) -> Program:
        end = self.put(RETURN)
        value = self.put(SPLIT)
        bodies = [self._word(word, end) for word in ("true", "false", "null")]
        bodies += [self._string(end), self._number(end), self._array(value, end), self._object(value, end)]
        first, *rest = bodies
        for body in rest[:-1]:
            first = self.put(SPLIT, body, first)
        self.code[value] = (SPLIT, rest[-1], first, 0, 0, 0)
        start = self._spaces(self.put(CALL, value, self._spaces(self.put(EOL, self.put(MATCH)))))
        return Program(tuple(self.code), tuple(self.sets), start, (CALLED,) * len(self.code), True)

    def _char(self, ranges: Ranges, after: int) -> int:
        """Emit one character of a set."""
        if self._in_bytes:
            return self._byte(node_of(ranges), after)
        return self.put(CHAR, self.set(ranges), after)

    def _byte(self, node: ByteNode, after: int) -> int:
        """Emit the rest of a character, byte by byte."""
        if node is DONE:
            return after
        leads: dict[ByteNode, list[tuple[int, int]]] = {}
        for byte, below in enumerate(node.after):
            if below is not None:
                leads.setdefault(below, []).append((byte, byte))
        first, *rest = [
            self.put(CHAR, self.set(union(bytes_)), self._byte(below, after))
            for below, bytes_ in leads.items()
        ]
        for way in rest:
            first = self.put(SPLIT, way, first)
        return first

    def _word(self, word: str, after: int) -> int:
        for char in reversed(word):
            after = self._char(((ord(char), ord(char)),), after)
        return after

    def _loop(self, ranges: tuple[tuple[int, int], ...], after: int) -> int:
        """Emit any number of characters."""
        start = self.put(SPLIT)
        self.code[start] = (SPLIT, self._char(ranges, start), after, 0, 0, 0)
        return start

    def _spaces(self, after: int) -> int:
        return self._loop(_SPACE, after)

    def _string(self, after: int) -> int:
        inside = self.put(SPLIT)
        digits = inside
        for _ in range(4):
            digits = self._char(_HEXADECIMAL, digits)
        simple = tuple(sorted((ord(char), ord(char)) for char in '"\\/bfnrt'))
        escaped = self.put(SPLIT, self._char(simple, inside), self._word("u", digits))
        others = self.put(SPLIT, self._word("\\", escaped), self._word('"', after))
        self.code[inside] = (SPLIT, self._char(_UNESCAPED, inside), others, 0, 0, 0)
        return self._word('"', inside)

    def _number(self, after: int) -> int:
        digits = self._char(_DIGIT, self._loop(_DIGIT, after))
        signed = self.put(SPLIT, self._char(((0x2B, 0x2B), (0x2D, 0x2D)), digits), digits)
        exponent = self.put(SPLIT, self._char(((0x45, 0x45), (0x65, 0x65)), signed), after)
        fraction = self._word(".", self._char(_DIGIT, self._loop(_DIGIT, exponent)))
        fraction = self.put(SPLIT, fraction, exponent)
        whole = self._char(_NONZERO, self._loop(_DIGIT, fraction))
        whole = self.put(SPLIT, self._word("0", fraction), whole)
        return self.put(SPLIT, self._word("-", whole), whole)

    def _array(self, value: int, after: int) -> int:
        more = self.put(SPLIT)
        item = self.put(CALL, value, self._spaces(more))
        closed = self._word("]", after)
        self.code[more] = (SPLIT, self._word(",", self._spaces(item)), closed, 0, 0, 0)
        return self._word("[", self._spaces(self.put(SPLIT, item, closed)))

    def _object(self, value: int, after: int) -> int:
        more = self.put(SPLIT)
        called = self.put(CALL, value, self._spaces(more))
        member = self._string(self._spaces(self._word(":", self._spaces(called))))
        closed = self._word("}", after)
        self.code[more] = (SPLIT, self._word(",", self._spaces(member)), closed, 0, 0, 0)
        return self._word("{", self._spaces(self.put(SPLIT, member, closed)))
