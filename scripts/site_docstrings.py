"""An extension of griffe for the site: the first sentence of a docstring stands before the signature
(site_templates), and options with indented texts become a list."""

from __future__ import annotations

import re
from typing import Any

import griffe

ENTRY = re.compile(r"^([a-z_]\w*(?:, [a-z_]\w*)*)\n((?:    .*\n?)+)", re.MULTILINE)
FIRST = re.compile(r"\A((?:`[^`]*`|[^`])+?\.)(?=\s+(?:[A-Z`*(]|structgen)|\s*\Z|\s*\n\n)")


def parted(docstring: str) -> tuple[str, str]:
    """Return the first sentence of a docstring, and the rest of it."""
    match = FIRST.match(docstring)
    return ("", docstring) if match is None else (match[1], docstring[match.end() :].lstrip())


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
            lead, rest = "", obj.docstring.value
            if obj.is_function or obj.is_class:
                lead, rest = parted(rest)
            obj.extra["structgen"]["lead"] = lead
            obj.docstring.value = as_markdown(rest)
