"""Where a person looks a place of a document up: the sheet of a PDF, or the heading before the place.

For example `sheet_finder("# Guests\\nAda is 36.")(9)` is a `Sheet` whose heading is "Guests".
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from structgen.base.printable import short_repr

LONGEST_HEADING: Final = 60
"""The most characters of a heading in a sentence."""
_HEADING: Final = re.compile(
    # a block of code, also as an item of a list
    r"^ {0,3}(?:(?:[-*+]|\d{1,9}[.)])[ \t]{1,4})*+(?P<fence>`{3,}+(?=[^`\n]*+$)|~{3,}+)(?s:.*?)"
    r"(?:^[ \t]*+(?P=fence)[`~]*+[ \t\r]*+$|\Z)"
    r"|^ {0,3}#{1,6}[ \t](?P<marked>[^\n]*+)"
    r"|(?:\A|(?<=\A\n)|(?<=\n\n)|(?<=\n\r\n)) {0,3}(?P<underlined>[^\s>|#*+~`-][^\n]*+)"
    r"\n {0,3}(?:=++|-{2,}+)[ \t\r]*+$",
    re.MULTILINE,
)
"""A block of code, whose lines are no headings; a line of `#` and a heading; a heading that is underlined."""


@dataclass(frozen=True, slots=True, order=True)
class Sheet:
    """A sheet of a PDF, or the part of another document that follows a heading."""

    start: int
    """Its first character in the text of the document. It ends where the next one begins."""
    number: int | None = None
    """The number of the sheet in the PDF, from 1; None where the document is no PDF."""
    count: int | None = None
    """The number of sheets of the PDF; None for other documents."""
    label: str = ""
    """The name that the PDF gives to the sheet, such as "iv"; "" where it gives none. Labels may repeat."""
    heading: str = ""
    """The heading; "" in a PDF."""

    def __str__(self) -> str:
        """Return the heading, or the number, with the label where that is another one: `4 (label iv)`."""
        if self.number is None:
            return self.heading
        if self.label in ("", str(self.number)):
            return str(self.number)
        return f"{self.number} (label {self.label})"

    @property
    def location_words(self) -> str:
        """The words by which a person finds it: `on sheet 4 (label iv) of 30`, or `under 'Guests'`."""
        if self.number is None:
            return f"under {short_repr(self.heading, LONGEST_HEADING)}"
        return f"on sheet {self} of {self.count}"


def sheet_finder(text: str, sheets: Sequence[Sheet] = ()) -> Callable[[int], Sheet | None]:
    """Return a function from a character of a text, by its number, to the sheet that has it.

    `sheets`: those of a PDF, in their order. Without them the nearest heading of Markdown before the
    character is the sheet; None where there is none. Cost: linear in the text, 8 bytes a heading; then the
    logarithm of the sheets for each character.
    """
    starts = array("q", [sheet.start for sheet in sheets])
    if not sheets:
        headings = filter(_read_heading, _HEADING.finditer(text))
        starts.extend(match.start() for match in headings)

    def find_sheet(offset: int) -> Sheet | None:
        # of sheets without text, which begin where the next one does, `bisect` takes the last one
        index = bisect(starts, offset) - 1
        if index < 0:
            return None
        if sheets:
            return sheets[index]
        match = _HEADING.match(text, starts[index])
        assert match is not None, "it was found there"
        return Sheet(starts[index], heading=_read_heading(match))

    return find_sheet


def _read_heading(match: re.Match[str]) -> str:
    """Return the words of a heading, without marks at its end: `# C# #` -> `C#`; "" for a block of code."""
    title = " ".join((match["marked"] or match["underlined"] or "").split())
    words, _, end = title.rpartition(" ")
    return title if end.strip("#") or match["underlined"] else words
