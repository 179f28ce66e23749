"""Finds the productive symbols of rules, and the lengths of their shortest words.

A *rule* is a pair (symbol, right side); a *word* of a symbol is what its rules derive. A symbol is
*productive* if it has a word. For example, with the rules `a -> b` and `c -> c`, where `b` has the known
length 2, the symbol `a` is productive and has the length 2; `c` is not productive.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

from structgen.base.language.best_first import OpenStates

S = TypeVar("S", bound=Hashable)


def productive_symbols(rules: Iterable[tuple[S, tuple[S, ...]]], productive_before: Iterable[S]) -> set[S]:
    """Return the productive symbols. `productive_before`: symbols that have a word without any rule, such as
    terminals. Cost: that of `least_lengths`."""
    return set(least_lengths(rules, dict.fromkeys(productive_before, 0)))


def least_lengths(rules: Iterable[tuple[S, tuple[S, ...]]], known_lengths: Mapping[S, int]) -> dict[S, int]:
    """Return the length of the shortest word of each productive symbol. `known_lengths`: the lengths that are
    known ahead, such as those of terminals.

    Cost: linear in the rules, and a heap. It is D. E. Knuth's generalisation of Dijkstra's algorithm (1977).
    """
    shortest = OpenStates[S, int, None]()
    for symbol, length in known_lengths.items():
        shortest.open_state(symbol, length)
    waiting: dict[S, list[int]] = {}
    """For each symbol the indices of the rules that have it in their right sides, once for each
    occurrence."""
    left_sides: list[S] = []
    missing: list[int] = []
    """For each rule the number of symbols of its right side whose length is not known yet."""
    lengths: list[int] = []
    """For each rule the sum of the lengths of its right side's symbols that are known."""
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
