"""Nodes of a trie that are looked for: those at which a text may end inside a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from structgen.tokens.trie_nodes import DEPTH_SHIFT, END_SHIFT, SLOT_SHIFT, fields_of

_At = TypeVar("_At")


class WantedNodes(NamedTuple):
    """Some nodes of a vocabulary's trie, to be examined one by one."""

    flags: npt.NDArray[np.uint8]
    """Of each node of the trie 2 where it is one of them, 1 on the way to them, else 0."""
    most: int
    """How many they are."""
    trie: npt.NDArray[np.int64]
    """How many they and those on the way are; the words of all these as a trie of their own, slot 0 where one
    is to be examined; and their places in the whole trie."""

    @classmethod
    def of(cls, words: npt.NDArray[np.uint64], flags: npt.NDArray[np.uint8]) -> WantedNodes:
        """Return the wanted nodes of a trie by their flags."""
        nodes = np.flatnonzero(flags)
        byte, depth, _slot, end = fields_of(words[nodes].astype(np.int64))
        wanted = (flags[nodes] == 2).astype(np.int64)
        ends = np.searchsorted(nodes, end)
        packed = byte | depth << DEPTH_SHIFT | wanted << SLOT_SHIFT | ends << END_SHIFT
        return cls(flags, int(wanted.sum()), np.concatenate([[len(nodes)], packed, nodes]))


def ends_read(
    nodes: npt.NDArray[np.uint64],
    wanted: npt.NDArray[np.uint8],
    start: _At,
    step: Callable[[_At, int], _At | None],
    ends: Callable[[_At], bool],
) -> Iterator[int]:
    """Yield the trie nodes, in order, that have a 2 in `wanted` and whose bytes lead from `start` to a place
    where `ends` holds. `wanted` has a number for each node; subtrees of nodes with a 0 are skipped."""
    node, after = 0, [start]
    while node < len(nodes):
        fields = fields_of(int(nodes[node]))
        depth = fields.depth
        reached = step(after[depth - 1], fields.byte) if wanted[node] else None
        if reached is None:
            node = fields.end
            continue
        if wanted[node] == 2 and ends(reached):
            yield node
        after[depth:] = [reached]
        node += 1
