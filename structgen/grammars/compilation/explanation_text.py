"""The layout of explanations: sections of lines, for `structgen explain`, `print` and notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from structgen.base.printable import in_cell

SHOWN_LINES: Final = 400
"""The most lines of an outline, or of a section, that are printed."""
_SHORTEST: Final = 2_000
"""The most characters of the shortest text that are printed: about a screen."""
_MOST_IN_CELL: Final = 10 * _SHORTEST
"""The most characters of an explanation that a notebook shows: ten screens. A JSON pointer in it may have any
length."""


class Shown:
    """An explanation that prints itself as lines of text."""

    def told(self, name: str = "", most: int = SHOWN_LINES) -> Iterator[str]:
        """Yield the lines of the explanation, at most `most` of an outline. `name`: of the file, if any."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Return the text that `structgen explain` prints."""
        return "\n".join(self.told())

    def _repr_html_(self) -> str:
        """Return the text of the explanation, its beginning if it is very long."""
        return f"<pre>{in_cell(str(self), _MOST_IN_CELL)}</pre>"


def section_lines(
    title: str,
    rows: Iterable[str],
    max_lines: int = SHOWN_LINES,
) -> Iterator[str]:
    """Yield a title and at most `max_lines` lines of some rows below it; nothing where there are no rows."""
    lines = [line for row in rows for line in row.split("\n")]
    if lines:
        yield f"\n{title}"
    yield from (f"  {line}" for line in lines[:max_lines])
    if len(lines) > max_lines:
        yield f"  and {len(lines) - max_lines:,} more (--json has all)"


def shortest_section(title: str, text: str, shown_text: str) -> Iterator[str]:
    """Yield a section with the shortest text of a language, as it is shown, as far as it is printed."""
    if len(shown_text) > _SHORTEST:
        shown_text = shown_text[:_SHORTEST] + " …"
    title = f"{title} ({len(text.encode()):,} bytes)"
    # So many characters have no more lines than that.
    return section_lines(title, [shown_text], max_lines=_SHORTEST)
