"""Finds the *productive* symbols of rules (those that derive a text), and the lengths of their shortest
texts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

from structgen.base.language.best_first import OpenStates

S = TypeVar("S", bound=Hashable)


def productive_symbols(rules: Iterable[tuple[S, tuple[S, ...]]], productive_before: Iterable[S]) -> set[S]:
    """Return the symbols that derive a word, where those that are `productive_before` have one. Cost: that of
    `least_lengths`."""
    return set(least_lengths(rules, dict.fromkeys(productive_before, 0)))


def least_lengths(rules: Iterable[tuple[S, tuple[S, ...]]], known_lengths: Mapping[S, int]) -> dict[S, int]:
    """Return the length of each symbol's shortest word, where those of some symbols are known; a symbol that
    derives no word is left out. Cost: linear in the rules, and a heap (D. E. Knuth's generalisation of
    Dijkstra's algorithm, 1977)."""
    shortest = OpenStates[S, int, None]()
    for symbol, length in known_lengths.items():
        shortest.open_state(symbol, length)
    waiting: dict[S, list[int]] = {}
    """The rules in which a symbol stands, one index for each place."""
    left_sides: list[S] = []
    missing: list[int] = []
    """For each rule, how many symbols of its right side have no known length yet."""
    lengths: list[int] = []
    """For each rule, the length of the symbols that are known."""
    for index, (lhs, rhs) in enumerate(rules):
        left_sides.append(lhs)
        missing.append(len(rhs))
        lengths.append(0)
        for symbol in rhs:
            waiting.setdefault(symbol, []).append(index)
        if not rhs:
            shortest.open_state(lhs, 0)
    # symbols come in the order of their lengths, so that the first length of a symbol is its shortest
    for symbol, length in shortest:
        for index in waiting.get(symbol, ()):
            missing[index] -= 1
            lengths[index] += length
            if missing[index] == 0:
                shortest.open_state(left_sides[index], lengths[index])
    return shortest.costs
