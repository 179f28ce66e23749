"""Options that exclude one another: rows of a test, the option to name, what is wrong, and how to mend it.

What comes in: checked options. `refuse` raises the error of the first row whose test finds something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from structgen.errors import OptionError, UnsupportedError


class Exclusion(NamedTuple):
    """One row."""

    found: Callable[..., Any]
    """Takes the options; returns what is true where they contradict one another."""
    where: str
    text: str
    """What is wrong. In both, `{}` stands for what was found."""
    cure: str
    keyword: str = ""
    """Of what is not offered at all: the keyword of its UnsupportedError. "": it is an OptionError."""


def refuse(rows: Iterable[Exclusion], *options: Any) -> None:
    """Raise the error of the first row that holds for some options. Cost: some 200 ns a row."""
    for row in rows:
        found = row.found(*options)
        if found:
            text, where = row.text.format(found), row.where.format(found)
            if row.keyword:
                raise UnsupportedError(text, keyword=row.keyword, where=where, cure=row.cure)
            raise OptionError(text, where=where, cure=row.cure)
