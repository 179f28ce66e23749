"""`productive`: the symbols of rules that derive a text."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

S = TypeVar("S", bound=Hashable)


def productive(rules: Iterable[tuple[S, tuple[S, ...]]], made: Iterable[S]) -> set[S]:
    """Return the symbols that derive a word, where those that are `made` have one. Cost: linear."""
    waiting: dict[S, list[int]] = {}
    missing: list[int] = []
    lefts: list[S] = []
    found = set(made)
    todo = list(found)
    for index, (left, right) in enumerate(rules):
        missing.append(len(right))
        lefts.append(left)
        for symbol in right:
            waiting.setdefault(symbol, []).append(index)
        if not right and left not in found:
            found.add(left)
            todo.append(left)
    while todo:
        for index in waiting.get(todo.pop(), ()):
            missing[index] -= 1
            left = lefts[index]
            if missing[index] == 0 and left not in found:
                found.add(left)
                todo.append(left)
    return found
