"""A completion of a string under many patterns at once, found greedily: one pattern after another.

An exact search for the shortest text in which twenty patterns are found visits a million sets of patterns
found so far. Here each step is the shortest text after which one more part holds for good, so the steps end.
The completion is short, but not always the shortest.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

_STEPS = 2_000
"""The most nodes that one step visits."""


def completion_by_parts(
    node: int,
    row: Callable[[int], Sequence[int]],
    costs: Sequence[int],
    settled: Callable[[int], int],
    ends: Callable[[int], bool],
) -> list[int] | None:
    """Return the character classes of a text from a node to an accepting node, or None if a part is too far.

    `row`: the successor of a node on each class, negative if none is live; `costs`: the bytes of each
    class's character, 0 if it has none; `settled`: how many parts hold whatever follows; `ends`: may the
    string end at a node? From each node of the text the same rest is found, so lengths that are told along
    the text fall. Cost: some thousands of rows a part.
    """
    text: list[int] = []
    while not ends(node):
        step = _step(node, row, costs, settled, ends)
        if step is None:
            return None
        kinds, node = step
        text += kinds
    return text


def _step(
    start: int,
    row: Callable[[int], Sequence[int]],
    costs: Sequence[int],
    settled: Callable[[int], int],
    ends: Callable[[int], bool],
) -> tuple[tuple[int, ...], int] | None:
    """Return the cheapest way to a node that may end or has one more settled part, and that node."""
    least = settled(start)
    queue: list[tuple[int, tuple[int, ...], int]] = [(0, (), start)]
    done: set[int] = set()
    while queue and len(done) < _STEPS:
        cost, kinds, node = heapq.heappop(queue)
        if node in done:
            continue
        done.add(node)
        if node != start and (settled(node) > least or ends(node)):
            return kinds, node
        for kind, after in enumerate(row(node)):
            if after >= 0 and costs[kind] and after not in done:
                heapq.heappush(queue, (cost + costs[kind], (*kinds, kind), after))
    return None
