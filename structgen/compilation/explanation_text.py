"""What explanations share: sections of lines, for `structgen explain`, `print` and notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.text import Text

from structgen.system.html_pages import in_cell

SHOWN_LINES: Final = 400
"""Lines of an outline that are printed."""
_MOST_LISTED: Final = 50
"""Findings of one sort that are listed."""
_SHORTEST: Final = 2_000
"""Characters of the shortest text that are printed."""
_MOST_IN_CELL: Final = 20_000
"""Characters of an explanation that a notebook shows."""


class Shown:
    """An explanation that prints itself as lines of text."""

    def told(self, name: str = "", most: int = SHOWN_LINES) -> Iterator[Text]:
        """Yield what is said, at most `most` lines of an outline. `name`: of the file, if any."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Return what `structgen explain` prints of it."""
        return plain_text(self.told())

    def _repr_html_(self) -> str:
        """Return the text of the explanation, its beginning if it is very long."""
        return f"<pre>{in_cell(str(self), _MOST_IN_CELL)}</pre>"


def heading(name: str, kind: str) -> Text:
    """Return the first line: the name of the file, if any, and what is explained."""
    return Text.assemble((name, "bold"), ": " * bool(name), kind)


def section(
    title: str, rows: Iterable[str | Text], style: str = "bold", most: int = _MOST_LISTED
) -> Iterator[Text]:
    """Yield a title and at most `most` of some rows below it; nothing where there are no rows."""
    listed = [line for row in rows for line in (row.split("\n") if isinstance(row, str) else [row])]
    if listed:
        yield Text(f"\n{title}", style)
    yield from (Text.assemble("  ", row) for row in listed[:most])
    if len(listed) > most:
        yield Text(f"  and {len(listed) - most:,} more (--json has all)", "dim")


def shortest_section(title: str, text: str, shown: str) -> Iterator[Text]:
    """Yield a section with the shortest text of a language, as it is shown, as far as it is printed."""
    cut = shown if len(shown) <= _SHORTEST else shown[:_SHORTEST] + " …"
    yield from section(f"{title} ({len(text.encode()):,} bytes)", [cut], most=_SHORTEST)


def plain_text(lines: Iterable[Text]) -> str:
    """Return an explanation as text, not wrapped."""
    return "\n".join(line.rstrip() for one in lines for line in one.plain.split("\n"))
