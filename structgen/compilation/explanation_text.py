"""Parts of an explanation: what `structgen explain` and `print(sg.explain(grammar))` print, by rich."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from structgen.system.html_pages import in_cell

_MOST_LISTED: Final = 50
"""Findings of one sort that are listed."""
_SHORTEST: Final = 2_000
"""Characters of the shortest text that are printed."""
_MOST_IN_CELL: Final = 20_000
"""Characters of an explanation that a notebook shows."""


def section(
    title: str, rows: Sequence[Text], style: str = "bold", most: int = _MOST_LISTED
) -> Iterator[RenderableType]:
    """Yield a title and at most `most` of some rows below it; nothing where there are no rows."""
    if rows:
        yield Text(f"\n{title}", style)
        yield from (Padding(row, (0, 0, 0, 2), expand=False) for row in rows[:most])
    if len(rows) > most:
        yield Text(f"  and {len(rows) - most:,} more (--json has all)", "dim")


def rows_of(texts: Iterable[str]) -> list[Text]:
    """Return texts as the rows of a section; a text of several lines is several."""
    return [Text(one) for text in texts for one in text.split("\n")]


def shortened(text: str) -> str:
    """Return the shortest text of a language as far as it is printed."""
    return text if len(text) <= _SHORTEST else text[:_SHORTEST] + " …"


class Shown:
    """An explanation in a notebook."""

    def _repr_html_(self) -> str:
        """Return the text of the explanation, its beginning if it is very long."""
        return f"<pre>{in_cell(str(self), _MOST_IN_CELL)}</pre>"


def plain_text(parts: Iterable[RenderableType]) -> str:
    """Return an explanation as text, not wrapped."""
    out, no_wrap = StringIO(), 1_000_000
    console = Console(
        file=out,
        width=no_wrap,
        color_system=None,
        highlight=False,
        emoji=False,
        force_jupyter=False,  # in a notebook it would show the text, and return none
    )
    console.print(*parts, sep="\n")
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n"))
