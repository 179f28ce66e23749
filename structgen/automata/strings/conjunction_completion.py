"""A rest of a string that must meet many things at once: one of them after the other.

The shortest text in which twenty patterns are all found is a search among a million sets of those already
found. Here each step is the shortest text that settles one part more for good; what is settled stays so, so
the steps end. The rest is a short one, seldom longer than need be, and never surely the shortest.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

_STEPS = 2_000
"""Nodes that are looked at for one part more."""


def completion_by_parts(
    node: int,
    row: Callable[[int], Sequence[int]],
    costs: Sequence[int],
    settled: Callable[[int], int],
    ends: Callable[[int], bool],
) -> list[int] | None:
    """Return the classes of characters of a text that leads from a node to one that ends a string, or None
    where a part is too far for a look.

    `row`: the node behind a node on each class, negative where none lives; `costs`: bytes of each class's
    character, 0 where it has none; `settled`: how many parts surely hold whatever follows; `ends`: may the
    string end here? From each node on the text, the rest of it is what is found (the shortest step, of these
    the first by classes), so that lengths told along the way fall. Cost: some thousands of rows a part.
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
    """Return the cheapest way to a node that ends, or where more is settled, and that node."""
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
