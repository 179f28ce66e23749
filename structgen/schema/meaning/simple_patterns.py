"""Answers about ECMA-262 patterns that show on their face: bounds, prefixes, words."""

from __future__ import annotations

import re
from functools import lru_cache

_QUANTIFIER = re.compile(r"[*+?]|\{[0-9]+(?:,[0-9]*)?\}")


def is_bounded(source: str) -> bool:
    """Return whether a pattern bounds the length of strings on its face: each of its alternatives stands
    between ^ and $, and nothing in it is repeated without a bound. Linear."""
    alternatives: list[list[str]] = [[]]
    depth, at, size = 0, 0, len(source)
    while at < size:
        char = source[at]
        if char == "\\":
            token = source[at : at + 2]
        elif char == "[":
            end = at + 1
            while end < size and source[end] != "]":
                end += 2 if source[end] == "\\" else 1
            token = source[at : end + 1]
        elif char == "{" and (quantifier := _QUANTIFIER.match(source, at)) is not None:
            token = quantifier.group()
            if token.endswith(",}"):
                return False
        else:
            token = char
            if char in "*+":
                return False
        at += len(token)
        depth += (token == "(") - (token == ")")
        if token == "|" and not depth:
            alternatives.append([])
        else:
            alternatives[-1].append(token)
    return all(len(one) > 1 and (one[0], one[-1]) == ("^", "$") for one in alternatives)


@lru_cache(maxsize=4096)
def literal_prefix(source: str) -> str | None:
    """Return the text with which every match of an anchored pattern begins,
    or None where that is not plain."""
    found = re.match(r"\^([A-Za-z0-9_:@/ -]+)", source)
    if found is None or "|" in source:
        return None
    text = found.group(1)
    following = source[found.end() : found.end() + 1]
    if following in ("*", "?", "{"):
        text = text[:-1]
    return text or None


_WORD = r"[A-Za-z0-9_:@/ -]+"
_WORDS = re.compile(rf"\^(?:({_WORD})|\((?:\?:)?({_WORD}(?:\|{_WORD})*)\))\$")


@lru_cache(maxsize=4096)
def words(source: str) -> frozenset[str] | None:
    """Return the strings that match a pattern of the form ^word$ or ^(word|word)$, else None."""
    found = _WORDS.fullmatch(source)
    return None if found is None else frozenset((found.group(1) or found.group(2)).split("|"))
