"""Where in Python code a text ends: in code, a string or a comment, and in which brackets.

Formatted strings count as strings. A text that goes on from the text before is read from the beginning of
its last line on; so the next look costs a line.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_IN_CODE: Final = re.compile(r"\"\"\"|'''|[\"'#\n()\[\]{}]")
_IN_STRING: Final = {
    quote: re.compile(rf"\\.|\\\Z|{quote}" + ("" if len(quote) > 1 else r"|\n"), re.DOTALL)
    for quote in ('"""', "'''", '"', "'")
}
_END_OF_LINE: Final = re.compile(r"\n")


class PythonPosition(NamedTuple):
    """A place in Python code."""

    inside: str = ""
    """The quotes of the string, or "#" for a comment, in which the place is; "" in code."""
    brackets: tuple[int, ...] = ()
    """Where the open brackets stand, in characters of the text."""

    @property
    def is_code(self) -> bool:
        """Whether the place is in neither a string nor a comment."""
        return not self.inside


class PythonReader:
    """Reads texts that mostly go on from one another."""

    def __init__(self) -> None:
        self._known: tuple[str, PythonPosition] = "", PythonPosition()
        """Whole lines, and the place behind them."""

    def end_of(self, text: str) -> PythonPosition:
        """Return the place at which a text ends. Cost: its last line, or the whole text if it does not go on
        from the whole lines of the text before."""
        lines, position = self._known
        if not text.startswith(lines):
            lines, position = "", PythonPosition()
        cut = text.rfind("\n") + 1
        if cut > len(lines):
            position = _read(position, text, len(lines), cut)
            lines = text[:cut]
            self._known = lines, position
        return _read(position, text, len(lines), len(text))


def arguments_of(text: str, start: int) -> list[str]:
    """Return the arguments of a call that is still open, as far as they are written. `start`: the place
    behind its bracket. The last one is the one that the text ends in."""
    found, begin, position, at = list[str](), start, PythonPosition(), start
    for match in re.finditer(",", text[start:]):
        comma = start + match.start()
        position, at = _read(position, text, at, comma), comma
        if position.is_code and not position.brackets:
            found.append(text[begin:comma].strip())
            begin = comma + 1
    return [*found, text[begin:].strip()]


def _read(position: PythonPosition, text: str, at: int, end: int) -> PythonPosition:
    """Return the place after the characters from `at` to `end`."""
    inside, brackets = position
    while at < end:
        pattern = _IN_CODE if not inside else _END_OF_LINE if inside == "#" else _IN_STRING[inside]
        match = pattern.search(text, at, end)
        if match is None:
            break
        at, mark = match.end(), match[0]
        if inside:
            inside = "" if mark in (inside, "\n") else inside
        elif mark in "([{":
            brackets = (*brackets, match.start())
        elif mark in ")]}":
            brackets = brackets[:-1]
        elif mark != "\n":
            inside = mark
    return PythonPosition(inside, brackets)
