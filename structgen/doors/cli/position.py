"""Where a text leaves a language, for people: line, column, and the line with a caret under it."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.cells import cell_len

BEFORE = 60
"""Characters of a line that are shown before the place; the rest is cut off with an ellipsis."""
AFTER = 30
"""Characters that are shown from the place on."""


@dataclass(frozen=True)
class TextStop:
    """Where a text left a language. Lines end at LF, as most editors count them, and are counted from 1."""

    state: Any
    """The last live state."""
    data: bytes
    """The whole text."""
    byte: int
    """The offset of the first byte that cannot come; the length of a text that ends too early."""

    @property
    def following(self) -> bytes:
        """What came next; b"" at the end."""
        return self.data[self.byte :]

    @property
    def line(self) -> int:
        """The number of the line."""
        return self.data.count(b"\n", 0, self.byte) + 1

    @property
    def before(self) -> bytes:
        """The line up to the place."""
        return self.data[self.data.rfind(b"\n", 0, self.byte) + 1 : self.byte]

    @cached_property
    def _read(self) -> tuple[str, int]:
        """The whole characters of the line before the place, and how many bytes of one more."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return decoder.decode(self.before), len(decoder.getstate()[0])

    @property
    def lead(self) -> int:
        """The offset of the first byte of the character that the place is in, or before."""
        return self.byte - self._read[1]

    @property
    def column(self) -> int:
        """The column in characters, from 1."""
        return len(self._read[0]) + 1

    @property
    def found(self) -> str | None:
        """The character that the text goes on with (`\\xff` where it is no UTF-8), or None at its end."""
        text = self.following[:4].decode("utf-8", "backslashreplace")
        is_escaped = text.startswith("\\") and not self.following.startswith(b"\\")
        return (text[:4] if is_escaped else text[:1]) or None

    @property
    def is_not_utf8(self) -> bool:
        """Whether the text goes on, and the character at the place is not UTF-8."""
        try:
            self.data[self.lead : self.byte + 4].decode("utf-8")
        except UnicodeDecodeError as error:
            return error.start == 0 and self.byte < len(self.data)
        return False

    def excerpt(self) -> tuple[str, str]:
        """Return the line around the place, and blanks that end in a caret under it. Characters that do not
        print are shown as U+FFFD; a tab stays one in both lines, and a wide character counts two cells."""
        rest = self.data[self.lead : self.byte + 4 * (AFTER + 1)].partition(b"\n")[0]
        before, after = self._read[0], rest.rstrip(b"\r").decode("utf-8", "replace")
        if len(before) > BEFORE:
            before = "…" + before[-BEFORE:]
        if len(after) > AFTER:
            after = after[:AFTER] + "…"
        before, after = _printable(before), _printable(after)
        blanks = ("\t" if char == "\t" else " " * cell_len(char) for char in before)
        return before + after, "".join(blanks) + "^"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
