"""Answers about ECMA-262 patterns that show on their face: prefixes and words."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=4096)
def literal_prefix(source: str) -> str | None:
    """Return the text with which every match of an anchored pattern begins,
    or None where that is not plain."""
    match = re.match(r"\^([A-Za-z0-9_:@/ -]+)", source)
    # With an alternative the prefix may belong to one side alone.
    if match is None or "|" in source:
        return None
    text = match.group(1)
    following = source[match.end() : match.end() + 1]
    if following in ("*", "?", "{"):
        # The last character may be repeated, or be missing.
        text = text[:-1]
    return text or None


_WORD = r"[A-Za-z0-9_:@/ -]+"
_WORDS = re.compile(rf"\^(?:({_WORD})|\((?:\?:)?({_WORD}(?:\|{_WORD})*)\))\$")


@lru_cache(maxsize=4096)
def words_of(source: str) -> frozenset[str] | None:
    """Return the strings that match a pattern of the form ^word$ or ^(word|word)$, else None."""
    match = _WORDS.fullmatch(source)
    if match is None:
        return None
    return frozenset((match.group(1) or match.group(2)).split("|"))
