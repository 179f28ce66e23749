"""Templates, which are texts with named places: `<call>{"name": "$name", "arguments": $arguments}</call>`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, TypeAlias

Piece: TypeAlias = "tuple[str, str]"
"""A place and "" (`("name", "")`), or TEXT and a text."""

TEXT: Final = "text"
BLANK: Final = " \t\n\r"
"""The characters that a format may leave between its parts: JSON's white space."""
_PLACE: Final = re.compile(r"\$(name|id|index|arguments|quoted|gap|line|key|type|value)")


@lru_cache(maxsize=1024)
def template_pieces(template: str) -> tuple[Piece, ...]:
    """Return the texts and places of a template, in order. `$gap` is white space that is usually not written,
    `$line` white space that is usually a line break; `$quoted` is the text of the arguments as a JSON string.
    """
    pieces: list[Piece] = []
    # texts and places take turns in what `split` returns, because the pattern has one group
    for number, piece in enumerate(_PLACE.split(template)):
        is_place = number % 2 == 1
        if piece:
            pieces.append((piece, "") if is_place else (TEXT, piece))
    return tuple(pieces)


def template_places(template: str) -> set[str]:
    """Return the places of a template."""
    return {kind for kind, _ in template_pieces(template)} - {TEXT}


def first_text(template: str) -> str:
    """Return the text before the first place."""
    if not template:
        return ""
    kind, text = template_pieces(template)[0]
    return text if kind == TEXT else ""


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its places filled; white space that may be there is written as it usually is."""
    all_values = {"gap": "", "line": "\n", **values}
    pieces = template_pieces(template)
    return "".join(text if kind == TEXT else all_values[kind] for kind, text in pieces)
