"""Where a stream of bytes has come to, for people: line, column, and the line with a caret under it."""

from __future__ import annotations

import codecs
import unicodedata

BEFORE = 60
"""Characters of a line that are shown before the place; the rest is cut off with an ellipsis."""
AFTER = 30
"""Characters that are shown from the place on."""

_CONTINUATION = bytes(range(0x80, 0xC0))


class Position:
    """The place just after the bytes that were fed, in constant memory whatever the length of a line.

    Lines end at LF, as most editors count them, and are counted from 1. `byte` is the offset from 0.
    """

    __slots__ = ("_characters", "_tail", "byte", "line")

    def __init__(self) -> None:
        self.line = 1
        self.byte = 0
        self._characters = 0
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Move past `data`."""
        self.byte += len(data)
        end = data.rfind(b"\n")
        if end >= 0:
            self.line += data.count(b"\n")
            data = data[end + 1 :]
            self._characters = 0
            self._tail = b""
        self._characters += len(data.translate(None, _CONTINUATION))
        # Four bytes a character, one character more than is shown: whether an ellipsis is due.
        self._tail = (self._tail + data)[-4 * (BEFORE + 1) :]

    def column(self, following: bytes) -> int:
        """Return the column in characters, from 1, of the character that the next byte belongs to."""
        inside = bool(following) and 0x80 <= following[0] < 0xC0
        return max(1, self._characters + (not inside))

    def is_after(self, end: bytes) -> bool:
        """Return whether the line before the place ends with `end`; blanks do not count."""
        return self._tail.rstrip().endswith(end)

    def unfinished(self) -> bytes:
        """Return the bytes before the place that begin a character of UTF-8 and do not end it; mostly b""."""
        for length in range(1, min(3, len(self._tail)) + 1):
            begun = self._tail[-length:]
            if begun[0] < 0x80:
                return b""
            if begun[0] >= 0xC0:
                whole = 2 if begun[0] < 0xE0 else 3 if begun[0] < 0xF0 else 4
                return begun if length < whole else b""
        return b""

    def excerpt(self, following: bytes) -> tuple[str, str]:
        """Return the line around the place, and blanks that end in a caret under it.

        `following` is what comes next in the text (4 * AFTER bytes are enough). Characters that do not print
        are shown as U+FFFD; a tab stays one in both lines, and a wide character counts two cells.
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        tail = self._tail
        while tail and len(tail) < self.byte and 0x80 <= tail[0] < 0xC0:
            tail = tail[1:]
        before = decoder.decode(tail)
        after = decoder.decode(following.partition(b"\n")[0].rstrip(b"\r"), final=True)
        if len(before) > BEFORE:
            before = "…" + before[-BEFORE:]
        if len(after) > AFTER:
            after = after[:AFTER] + "…"
        before, after = _printable(before), _printable(after)
        return before + after, "".join(_blank(c) for c in before) + "^"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _blank(character: str) -> str:
    if character == "\t":
        return "\t"
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "
