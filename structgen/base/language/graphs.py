"""Directed graphs of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def components(edges: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """Return the strongly connected components of a graph, each sorted. Linear, iterative (Tarjan, 1972).

    `edges`: the targets of each node; a node that is no key has none.
    """
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    inside: set[int] = set()
    groups: list[list[int]] = []
    for root in edges:
        if root in index:
            continue
        # In place of recursion: a node, and how many of its edges were followed. 0: it is met here first.
        calls: list[tuple[int, int]] = [(root, 0)]
        while calls:
            node, at = calls.pop()
            if at == 0:
                index[node] = low[node] = len(index)
                stack.append(node)
                inside.add(node)
            targets = edges.get(node, ())
            if at < len(targets):
                calls.append((node, at + 1))
                target = targets[at]
                if target not in index:
                    calls.append((target, 0))
                elif target in inside:
                    low[node] = min(low[node], index[target])
                continue
            # All edges were followed: what the targets reach the node reaches, too.
            for target in targets:
                if target in inside:
                    low[node] = min(low[node], low[target])
            # A node that reaches none before itself is the first of its component: the rest stands above it.
            if low[node] == index[node]:
                group = []
                while True:
                    member = stack.pop()
                    inside.discard(member)
                    group.append(member)
                    if member == node:
                        break
                groups.append(sorted(group))
    return groups
