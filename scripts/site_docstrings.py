"""An extension of griffe for the site: options in a docstring, with indented texts, become a list."""

from __future__ import annotations

import re
from typing import Any

import griffe

ENTRY = re.compile(r"^([a-z_]\w*(?:, [a-z_]\w*)*)\n((?:    .*\n?)+)", re.MULTILINE)


def as_markdown(docstring: str) -> str:
    """Return a docstring whose entries are those of Markdown's definition lists: `name` over `:   text`."""

    def entry(match: re.Match[str]) -> str:
        names = ", ".join(f"`{name}`" for name in match[1].split(", "))
        return f"\n{names}\n:   {match[2].lstrip()}"

    return ENTRY.sub(entry, docstring)


class Entries(griffe.Extension):
    """Puts the docstrings of all objects into Markdown."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object that was read."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
