"""The symbols of rules that derive a text, and how long their shortest texts are."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TypeVar

S = TypeVar("S", bound=Hashable)


def productive(rules: Iterable[tuple[S, tuple[S, ...]]], made: Iterable[S]) -> set[S]:
    """Return the symbols that derive a word, where those that are `made` have one. Cost: that of
    `least_lengths`."""
    return set(least_lengths(rules, dict.fromkeys(made, 0)))


def least_lengths(rules: Iterable[tuple[S, tuple[S, ...]]], known: Mapping[S, int]) -> dict[S, int]:
    """Return the length of each symbol's shortest word, where those of some symbols are known; a symbol that
    derives no word is left out. Cost: linear in the rules, and a heap (D. E. Knuth's generalisation of
    Dijkstra's algorithm, 1977)."""
    order = count()  # of equal lengths; symbols themselves may have no order
    heap = [(length, next(order), symbol) for symbol, length in known.items()]
    waiting: dict[S, list[int]] = {}
    lefts: list[S] = []
    missing: list[int] = []
    lengths: list[int] = []
    for index, (left, right) in enumerate(rules):
        lefts.append(left)
        missing.append(len(right))
        lengths.append(0)
        for symbol in right:
            waiting.setdefault(symbol, []).append(index)
        if not right:
            heap.append((0, next(order), left))
    heapify(heap)
    found: dict[S, int] = {}
    while heap:
        length, _order, symbol = heappop(heap)
        if symbol in found:
            continue
        found[symbol] = length
        for index in waiting.get(symbol, ()):
            missing[index] -= 1
            lengths[index] += length
            if missing[index] == 0:
                heappush(heap, (lengths[index], next(order), lefts[index]))
    return found
