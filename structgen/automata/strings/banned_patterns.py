"""Write a list of banned texts as one regular expression, and read it back.

A *banned* text may not occur in a string. The expression matches each string that contains a banned text:
["a.b", "c"] -> `a\\.b|c`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
"""The characters that have a special meaning in a pattern of ECMA-262."""
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PART = re.compile(r"(?:[^\\|]|\\.)+", re.DOTALL)
"""One text of a pattern: everything up to the next `|` that is not escaped."""


def minimal_texts(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts that contain no other one of `texts`, sorted: ["ab", "xaby", "c"] -> ("ab", "c").

    A string that contains any of `texts` contains one of the result. No text may be empty. Cost: some
    microseconds for each character (Aho and Corasick, 1975).
    """
    # A trie: a node is a beginning of texts; `below` has the nodes after it, `ends` the text that ends there.
    below: list[dict[str, int]] = [{}]
    ends: dict[int, str] = {}
    for text in sorted(set(texts)):
        node = 0
        for char in text:
            node = below[node].setdefault(char, len(below))
            if node == len(below):
                below.append({})
        ends[node] = text
    # `backs`: for each node its fallback, the longest shorter beginning that it ends with. `holds`: whether
    # the node contains a text other than itself.
    backs = [0] * len(below)
    holds = [False] * len(below)
    todo = deque([0])
    while todo:
        node = todo.popleft()
        for char, after in below[node].items():
            # Breadth first: the fallback is shorter, so its entries are complete.
            back = backs[node]
            while back and char not in below[back]:
                back = backs[back]
            back = below[back].get(char, 0) if node else 0
            backs[after] = back
            # A text is inside `after` if its beginning or its fallback is a text or contains one.
            holds[after] = holds[node] or node in ends or holds[back] or back in ends
            todo.append(after)
    return tuple(text for node, text in ends.items() if not holds[node])


def pattern_of(texts: Iterable[str]) -> str:
    """Return the ECMA-262 pattern that matches the strings which contain one of `texts`."""
    return "|".join("".join(map(_escape_character, text)) for text in texts)


def texts_of(pattern: str) -> list[str] | None:
    """Return the texts from which `pattern_of` makes this pattern; None where it makes no such pattern."""
    texts = [_ESCAPE.sub(r"\1", part) for part in _PART.findall(pattern)]
    return texts if pattern_of(texts) == pattern else None


def _escape_character(char: str) -> str:
    """Return a character as a pattern writes it: "." -> `\\.`."""
    return "\\" + char if char in _SYNTAX else char
