"""Reads and fills templates.

A *template* is a text with places: `<call>{"name": "$name", "arguments": $arguments}</call>`. A *place* is a
`$` and a name; a value is put there. A *piece* is a place, or the text between two places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, TypeAlias

Piece: TypeAlias = "tuple[str, str]"
"""A place, as a pair (its name, ""), such as ("name", ""); or a text, as a pair (TEXT, the text)."""

TEXT: Final = "text"
"""The kind of a piece that is a text. No place has this name."""
BLANK: Final = " \t\n\r"
"""The characters that a format may leave between its parts: JSON's white space."""
_PLACE: Final = re.compile(r"\$(name|id|index|arguments|quoted|gap|line|key|type|value)")


@lru_cache(maxsize=1024)
def template_pieces(template: str) -> tuple[Piece, ...]:
    """Return the pieces of a template, in order.

    At the place `$gap` there is white space that is usually not written, at `$line` white space that is
    usually a line break. `$quoted` is the text of the arguments as a JSON string. For example, `a$key` has
    the pieces ("text", "a") and ("key", "").
    """
    pieces: list[Piece] = []
    # texts and places take turns in what `split` returns, because the pattern has one group
    for number, piece in enumerate(_PLACE.split(template)):
        is_place = number % 2 == 1
        if piece:
            pieces.append((piece, "") if is_place else (TEXT, piece))
    return tuple(pieces)


def template_places(template: str) -> set[str]:
    """Return the names of the places of a template."""
    return {kind for kind, _ in template_pieces(template)} - {TEXT}


def first_text(template: str) -> str:
    """Return the text before the first place of a template; "" if there is none."""
    if not template:
        return ""
    kind, text = template_pieces(template)[0]
    return text if kind == TEXT else ""


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its places filled. `values`: the text for each place; `$gap` and `$line` have
    their usual white space by default."""
    all_values = {"gap": "", "line": "\n", **values}
    pieces = template_pieces(template)
    return "".join(text if kind == TEXT else all_values[kind] for kind, text in pieces)
