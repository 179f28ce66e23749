"""Shortest texts by demand: the least of some, and what stands before them."""

from __future__ import annotations

from collections.abc import Mapping

from structgen.base.language.ir import Demands


def order(text: bytes) -> tuple[int, bytes]:
    """Return what texts are compared by: their length, then their bytes."""
    return len(text), text


def behind(head: bytes, rests: Mapping[int, bytes]) -> Demands:
    """Return texts with another one before each."""
    return {j: head + rest for j, rest in rests.items()} if head else dict(rests)


def least(some: Mapping[int, bytes], others: Mapping[int, bytes]) -> Demands:
    """Return for each demand the lesser of two texts."""
    best = dict(some)
    for j, text in others.items():
        if j not in best or order(text) < order(best[j]):
            best[j] = text
    return best
