"""Lines of an explanation: what `structgen explain` and `print(sg.explain(grammar))` print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from structgen.printable import named_bytes

_MOST_LISTED = 50
"""Findings of one sort that are listed."""
_SHORTEST = 2_000
"""Characters of the shortest text that are printed."""

StyledText: TypeAlias = tuple[str, str]
"""Text, and the style that a terminal may give it."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of two columns: a terminal wraps the second beside the first."""

    head: tuple[StyledText, ...]
    body: tuple[StyledText, ...]

    @property
    def plain(self) -> str:
        """The line without styles."""
        return "".join(text for text, _style in (*self.head, *self.body)).rstrip()


def line(*body: StyledText, left: int = 0) -> TextLine:
    """Return a line with so many blanks before it."""
    return TextLine(((" " * left, ""),) if left else (), body)


def section(
    title: str, rows: Sequence[TextLine], style: str = "bold", most: int = _MOST_LISTED
) -> Iterator[TextLine]:
    """Yield a title and at most `most` of some lines below it; nothing where there are no lines."""
    if rows:
        yield line()
        yield line((title, style))
        yield from rows[:most]
    if len(rows) > most:
        yield line((f"and {len(rows) - most:,} more (--json has all)", "dim"), left=2)


def indented(texts: Iterable[str]) -> list[TextLine]:
    """Return texts as the lines of a section; a text of several lines is several."""
    return [line((one, ""), left=2) for text in texts for one in text.split("\n")]


def shortened(text: str) -> str:
    """Return the shortest text of a language as far as it is printed."""
    return text if len(text) <= _SHORTEST else text[:_SHORTEST] + " …"


def missing(some: Sequence[int]) -> Iterator[TextLine]:
    """Yield what is said of the bytes that no token of a vocabulary writes."""
    title = "Bytes that no token writes by itself: texts have none of them but inside longer tokens"
    yield from section(title, indented([named_bytes(some)] * bool(some)))


def plain_text(lines: Iterable[TextLine]) -> str:
    """Return the lines as text, not wrapped."""
    return "\n".join(one.plain for one in lines)
