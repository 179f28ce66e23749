"""Read the value so far of a JSON text that is still being written.

For the text `{"a": [1, "x`, the value so far is {"a": [1, "x"]}. Later values only add to earlier ones.
`EventLog` reads the text and reports what begins and ends; this module makes values from these events. What
is unfinished counts as follows:

- A key is missing as long as its value is.
- A string has the characters that are *settled*: later text cannot change them. It lacks a begun escape, an
  escape of a high surrogate that a low one may still follow, and a begun character of UTF-8.
- A number is missing until something follows it, for more digits may come. `finish` ends the text.
- true, false and null are missing until their last letter.
- An object or an array is there from its opening bracket on.

Where a key occurs twice, the last one counts, as for `json.loads`: its value starts again.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from typing import Any, Final

from structgen.base.json_text.events import (
    ARRAY_BEGIN,
    ARRAY_END,
    KEY_END,
    OBJECT_BEGIN,
    OBJECT_END,
    TERMINAL_BEGIN,
    TERMINAL_END,
    EventLog,
    JsonError,
    Place,
    TerminalKind,
    decode_string,
)

MISSING: Final = object()
"""Stands for a value that is not known yet."""
_STRING: Final = TerminalKind.STRING
_NUMBER: Final = TerminalKind.NUMBER
_WORDS: Final = {TerminalKind.TRUE: True, TerminalKind.FALSE: False, TerminalKind.NULL: None}
_SURE: Final = re.compile(
    r"(?:[^\\]++|\\[^u]|\\u(?![dD][89abAB])[0-9a-fA-F]{4}|\\u[dD][89abAB][0-9a-fA-F]{2}"
    r"(?:\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F])))*+"
)
"""Matches the longest beginning of a string whose characters are settled. It ends before a begun escape, and
before a high surrogate that a low one may follow."""
_INSIDE: Final = re.compile(r'(?s:[^"\\]++|\\.)*+')


class GrowingJson:
    """Takes a JSON text in pieces, and has the value so far.

    `number`: makes the value of a numeral; None: as `json.loads` does. `on_close(place, start, end, value)`
    is called for each value that has ended, with its place and the indices of its text; its result replaces
    the value. None: values stay. It does not recurse, and its time is linear in the text.
    """

    __slots__ = ("_key", "_log", "_number", "_on_close", "_string_start", "_value", "is_whole", "open")

    def __init__(
        self,
        number: Callable[[str], Any] | None = None,
        on_close: Callable[[Place, int, int, Any], Any] | None = None,
    ) -> None:
        self._log = EventLog()
        self._number = number
        self._on_close = on_close
        self.open: list[tuple[str | None, Any]] = []
        """The open containers, the outermost first: (key in the container around it, the container with the
        values that have ended)."""
        self._key: str | None = None
        """The key of the value that is being read, in the innermost open object."""
        self._string_start: int | None = None
        """The index of the first quote of the string that is being read; None: there is none."""
        self._value: Any = MISSING
        self.is_whole = False
        """Whether the whole value has ended."""

    def feed(self, piece: str | bytes) -> int:
        """Take a piece; return the number of its characters (or bytes, for bytes) that belong to the value.

        Raises `JsonError` as soon as no continuation can make the text JSON; the value so far stays.
        """
        data = piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
        try:
            byte_count = self._log.write_document(data)
        finally:
            self._add_events()
        if byte_count == len(data):
            return len(piece)
        if isinstance(piece, str):
            return len(data[:byte_count].decode("utf-8", "surrogatepass"))
        return byte_count

    def finish(self) -> Any:
        """End the text, and return its value. Raises `JsonError`, also where the value is unfinished."""
        self.feed(b" ")  # a numeral ends where something follows
        if not self.is_whole:
            raise JsonError("The text ends inside a value", len(self._log.text) - 1)
        return self._value

    @property
    def value(self) -> Any:
        """The value so far; MISSING where there is none. Later pieces do not change it, because open
        containers are copied. Cost: the members of these, and the length of an open string."""
        if not self.open and self._string_start is None:
            return self._value
        # From the inside out: each container is copied, and the unfinished value put into the copy.
        value = MISSING
        key = self._key
        if self._string_start is not None:
            value = _sure_characters(bytes(self._log.text[self._string_start + 1 :]))
        for outer_key, container in reversed(self.open):
            whole = container.copy()
            if value is not MISSING:
                put_member(whole, key, value)
            value = whole
            key = outer_key
        return value

    @property
    def in_string(self) -> bool:
        """Whether a string is open."""
        return self._string_start is not None

    def text_between(self, start: int, end: int) -> bytes:
        """Return a part of the text."""
        return bytes(self._log.text[start:end])

    @property
    def text(self) -> str:
        """The text so far, as far as it is JSON, without half of a character."""
        return _whole_characters(bytes(self._log.text))

    def _add_events(self) -> None:
        """Update the value by the events of the last piece."""
        for kind, place, start, end, terminal in self._log.recent_events:
            if kind is KEY_END:
                self._key = str(place.part)
            elif kind is OBJECT_BEGIN or kind is ARRAY_BEGIN:
                self.open.append((self._key, {} if kind is OBJECT_BEGIN else []))
            elif kind is OBJECT_END or kind is ARRAY_END:
                assert end is not None, "a container that ended has an end"
                self._key, value = self.open.pop()
                self._put_value(value, place, start, end)
            elif kind is TERMINAL_BEGIN and terminal is _STRING:
                self._string_start = start
            elif kind is TERMINAL_END:
                assert end is not None and terminal is not None, "a terminal that ended has an end"
                self._string_start = None
                self._put_value(
                    self._value_of_terminal(terminal, bytes(self._log.text[start:end]), start),
                    place,
                    start,
                    end,
                )

    def _put_value(self, value: Any, place: Place, start: int, end: int) -> None:
        """Put a value that has ended into the container around it, after `on_close`. `start`, `end`: the
        indices of its text."""
        if self._on_close is not None:
            value = self._on_close(place, start, end, value)
        if self.open:
            put_member(self.open[-1][1], self._key, value)
        else:
            self._value = value
            self.is_whole = True

    def _value_of_terminal(self, terminal: TerminalKind, literal: bytes, start: int) -> Any:
        """Return the value of a terminal that has ended. `literal`: its text. `start`: the index of its text,
        for the error."""
        if terminal is _STRING:
            return decode_string(literal[1:-1])
        if terminal is _NUMBER:
            try:
                return (self._number or json.loads)(literal.decode())
            except ValueError as error:  # Python limits the digits of an int
                raise JsonError(f"A number has no value ({error}),", start) from error
        return _WORDS[terminal]


def value_of(
    text: str,
    number: Callable[[str], Any] | None = None,
    on_close: Callable[[Place, int, int, Any], Any] | None = None,
) -> Any:
    """Return the value of a whole JSON text, as `json.loads` does, but of any depth.

    NaN and the infinities are refused. `number`, `on_close`: as in `GrowingJson`. Raises `JsonError`, a
    ValueError, with the index of the character.
    """
    data = text.encode("utf-8", "surrogatepass")
    reader = GrowingJson(number, on_close)
    try:
        end = reader.feed(data)
        rest = data[end:].lstrip(b" \t\n\r")
        if rest:
            raise JsonError("The value was already complete before this text", len(data) - len(rest))
        return reader.finish()
    except JsonError as error:
        at = len(data[: error.at].decode("utf-8", "surrogatepass"))
        raise JsonError(error.fault, at) from error


def _sure_characters(data: bytes) -> str:
    """Return the settled characters of a string. `data`: its text after the first quote."""
    return GrowingString().feed(_whole_characters(data))


class GrowingString:
    """Takes the JSON text of a string, after its first quote, in pieces."""

    def __init__(self) -> None:
        self._pending = ""

    def feed(self, piece: str) -> str:
        """Return the settled characters that a piece adds. Text after the closing quote adds none."""
        self._pending += piece
        inside = _INSIDE.match(self._pending)[0]  # type: ignore[index]
        # Once the closing quote is there, nothing can change the last escape.
        has_closed = self._pending.startswith('"', len(inside))
        sure = inside if has_closed else _SURE.match(inside)[0]  # type: ignore[index]
        self._pending = self._pending[len(sure) :]
        return decode_string(sure.encode("utf-8", "surrogatepass"))


def put_member(container: Any, key: Any, value: Any) -> None:
    """Put a value into an object under a key, or append it to an array (`key` is then not used)."""
    if isinstance(container, list):
        container.append(value)
    else:
        container[key] = value


def _whole_characters(data: bytes) -> str:
    """Return the text of bytes, without an unfinished character at the end."""
    # An incremental decoder keeps unfinished bytes back; the ordinary one would raise an error.
    return codecs.getincrementaldecoder("utf-8")("surrogatepass").decode(data)
