"""Banned texts as one regular expression, which a search finds in the strings that hold one of them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
"""The characters that ECMA-262 gives a meaning in a pattern."""
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PART = re.compile(r"(?:[^\\|]|\\.)+", re.DOTALL)
"""One text of a pattern: all up to the next bar that is no character."""


def minimal_texts(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts that hold no other text, sorted. A string that holds any of `texts` holds one of them.

    The texts are not empty. Cost: some microseconds a character (A. Aho and M. Corasick, 1975).
    """
    # a trie: of each beginning of texts what follows it
    below: list[dict[str, int]] = [{}]
    ends: dict[int, str] = {}
    for text in sorted(set(texts)):
        node = 0
        for char in text:
            node = below[node].setdefault(char, len(below))
            if node == len(below):
                below.append({})
        ends[node] = text
    # of each beginning the longest beginning that it ends with, and whether it holds a text other than itself
    backs = [0] * len(below)
    holds = [False] * len(below)
    todo = deque([0])
    while todo:
        node = todo.popleft()
        for char, after in below[node].items():
            # Breadth first: the fallback is shorter, so all is known of it.
            back = backs[node]
            while back and char not in below[back]:
                back = backs[back]
            back = below[back].get(char, 0) if node else 0
            backs[after] = back
            # A text stands inside where the beginning before or the fallback is one, or holds one.
            holds[after] = holds[node] or node in ends or holds[back] or back in ends
            todo.append(after)
    return tuple(text for node, text in ends.items() if not holds[node])


def pattern_of(texts: Iterable[str]) -> str:
    """Return the ECMA-262 pattern that matches strings which hold one of `texts`: one beside another."""
    return "|".join("".join(map(_escape_character, text)) for text in texts)


def texts_of(pattern: str) -> list[str] | None:
    """Return the texts of which `pattern_of` writes a pattern; None for other patterns."""
    texts = [_ESCAPE.sub(r"\1", part) for part in _PART.findall(pattern)]
    return texts if pattern_of(texts) == pattern else None


def _escape_character(char: str) -> str:
    return "\\" + char if char in _SYNTAX else char
