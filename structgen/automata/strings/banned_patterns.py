"""Banned texts as one regular expression, which a search finds in the strings that hold one of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

_SYNTAX = frozenset("^$\\.*+?()[]{}|/")
"""The characters that ECMA-262 gives a meaning in a pattern."""
_DEEPEST = 40
"""The most nested groups; texts that differ deeper in the trie are written one by one."""

_END = ""
"""In a trie: a text ends here. No character is empty."""

Trie: TypeAlias = "dict[str, Trie]"
"""For each first character the trie of what follows it. A text ends where nothing follows."""


def minimal(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts that hold no other text, sorted. A string that holds any of `texts` holds one of them.

    The texts are not empty. Cost: some 0.5 us a step, a walk down a trie for each character of a text.
    """
    every = sorted(set(texts))
    root: Trie = {}
    for text in every:
        node = root
        for char in text:
            node = node.setdefault(char, {})
        node[_END] = {}
    return tuple(text for text in every if not _holds_another(text, root))


def _holds_another(text: str, root: Trie) -> bool:
    """Return whether a text holds a text of a trie that is not itself."""
    for start in range(len(text)):
        node = root
        for at in range(start, len(text)):
            if text[at] not in node:
                break
            node = node[text[at]]
            if _END in node and at - start + 1 < len(text):
                return True
    return False


def pattern_of(texts: Iterable[str]) -> str:
    """Return the ECMA-262 pattern that matches strings which hold one of `texts` (`minimal` ones).

    Common prefixes are written once, so that the automaton has few threads.
    """
    root: Trie = {}
    for text in texts:
        node = root
        for char in text:
            node = node.setdefault(char, {})
    written: list[str] = []
    # a stack of pattern text, and of tries with their depth of groups
    todo: list[str | tuple[Trie, int]] = [(root, 0)]
    while todo:
        top = todo.pop()
        if isinstance(top, str):
            written.append(top)
            continue
        node, depth = top
        if len(node) == 1:
            ((char, below),) = node.items()
            todo += [(below, depth), _escaped(char)]
        elif node and depth < _DEEPEST:
            parts: list[str | tuple[Trie, int]] = ["(?:"]
            for at, (char, below) in enumerate(node.items()):
                parts += [*(("|",) if at else ()), _escaped(char), (below, depth + 1)]
            todo += reversed([*parts, ")"])
        elif node:
            written.append(f"(?:{'|'.join(_written_out(node))})")
    return "".join(written)


def _written_out(root: Trie) -> list[str]:
    """Return the texts of a trie as patterns."""
    found: list[str] = []
    todo = [(root, "")]
    while todo:
        node, text = todo.pop()
        if not node:
            found.append(text)
        todo += [(below, text + _escaped(char)) for char, below in node.items()]
    return found


def _escaped(char: str) -> str:
    return "\\" + char if char in _SYNTAX else char
