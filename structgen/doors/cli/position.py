"""Shows users where a text leaves a language: line, column, and the line with a caret under it."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.cells import cell_len

MAX_CHARACTERS_BEFORE = 60
"""Characters of a line that are shown before the place; the rest is cut off with an ellipsis."""
MAX_CHARACTERS_AFTER = 30
"""Characters that are shown from the place on."""


@dataclass(frozen=True)
class TextStop:
    """Where a text left a language. Lines end at LF, as most editors count them, and are counted from 1."""

    state: Any
    """The last live state."""
    data: bytes
    """The whole text."""
    byte: int
    """The offset of the first byte that is not allowed; the length of a text that ends too early."""

    @property
    def following(self) -> bytes:
        """The rest of the text, from the stop on; b"" at the end."""
        return self.data[self.byte :]

    @property
    def line(self) -> int:
        """The number of the line."""
        return self.data.count(b"\n", 0, self.byte) + 1

    @property
    def line_start(self) -> bytes:
        """The line up to the stop."""
        return self.data[self.data.rfind(b"\n", 0, self.byte) + 1 : self.byte]

    @cached_property
    def _read_line(self) -> tuple[str, int]:
        """The whole characters of the line before the stop, and the number of bytes of one more."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return decoder.decode(self.line_start), len(decoder.getstate()[0])

    @property
    def character_offset(self) -> int:
        """The offset of the first byte of the character at the stop."""
        return self.byte - self._read_line[1]

    @property
    def column(self) -> int:
        """The column in characters, from 1."""
        return len(self._read_line[0]) + 1

    @property
    def character(self) -> str | None:
        """The character at the stop (`\\xff` where it is no UTF-8), or None at its end."""
        text = self.following[:4].decode("utf-8", "backslashreplace")
        # an escape of the decoder, unless the text itself has a backslash there
        is_escaped = text.startswith("\\") and not self.following.startswith(b"\\")
        return (text[:4] if is_escaped else text[:1]) or None

    @property
    def is_not_utf8(self) -> bool:
        """Whether the text goes on, and the character at the stop is not UTF-8."""
        try:
            self.data[self.character_offset : self.byte + 4].decode("utf-8")
        except UnicodeDecodeError as error:
            return error.start == 0 and self.byte < len(self.data)
        return False

    def excerpt_lines(self) -> tuple[str, str]:
        """Return the line around the stop, and blanks that end in a caret under it. Characters that do not
        print are shown as U+FFFD; a tab stays one in both lines, and a wide character counts two cells."""
        # four bytes a character at most: a long line is not decoded whole
        rest = self.data[self.character_offset : self.byte + 4 * (MAX_CHARACTERS_AFTER + 1)].partition(b"\n")[
            0
        ]
        text_before, text_after = self._read_line[0], rest.rstrip(b"\r").decode("utf-8", "replace")
        if len(text_before) > MAX_CHARACTERS_BEFORE:
            text_before = "…" + text_before[-MAX_CHARACTERS_BEFORE:]
        if len(text_after) > MAX_CHARACTERS_AFTER:
            text_after = text_after[:MAX_CHARACTERS_AFTER] + "…"
        text_before, text_after = _replace_unprintable(text_before), _replace_unprintable(text_after)
        blanks = ("\t" if char == "\t" else " " * cell_len(char) for char in text_before)
        return text_before + text_after, "".join(blanks) + "^"


def _replace_unprintable(text: str) -> str:
    """Return a text with U+FFFD for each character that does not print, tabs excepted."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
