"""Nodes of a trie that are looked for: those at which a text may end inside a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from structgen.tokens.trie_nodes import DEPTH_SHIFT, END_SHIFT, SLOT_SHIFT, fields_of

_At = TypeVar("_At")


class TargetNodes(NamedTuple):
    """Some nodes of a vocabulary's trie, to be examined one by one."""

    flags: npt.NDArray[np.uint8]
    """Of each node of the trie 2 where it is one of them, 1 on the way to them, else 0."""
    max_nodes: int
    """How many they are."""
    trie: npt.NDArray[np.int64]
    """How many they and those on the way are; the words of all these as a trie of their own, slot 0 where one
    is to be examined; and their places in the whole trie."""

    @classmethod
    def from_flags(cls, words: npt.NDArray[np.uint64], flags: npt.NDArray[np.uint8]) -> TargetNodes:
        """Return the wanted nodes of a trie by their flags."""
        nodes = np.flatnonzero(flags)
        byte, depth, _slot, end = fields_of(words[nodes].astype(np.int64))
        is_target = (flags[nodes] == 2).astype(np.int64)
        # The end of a subtree is a number in the whole trie: it becomes one among the nodes that are left.
        ends = np.searchsorted(nodes, end)
        packed_words = byte | depth << DEPTH_SHIFT | is_target << SLOT_SHIFT | ends << END_SHIFT
        trie = np.concatenate([[len(nodes)], packed_words, nodes])
        return cls(flags, int(is_target.sum()), trie)


def ends_read(
    nodes: npt.NDArray[np.uint64],
    flags: npt.NDArray[np.uint8],
    start: _At,
    step: Callable[[_At, int], _At | None],
    ends: Callable[[_At], bool],
) -> Iterator[int]:
    """Yield the trie nodes, in order, that have a 2 in `flags` and whose bytes lead from `start` to a place
    where `ends` holds. `flags` has a number for each node; subtrees of nodes with a 0 are skipped."""
    node = 0
    after = [start]  # by depth, along the path to the node
    while node < len(nodes):
        fields = fields_of(int(nodes[node]))
        depth = fields.depth
        state_after = step(after[depth - 1], fields.byte) if flags[node] else None
        if state_after is None:
            node = fields.end
            continue
        if flags[node] == 2 and ends(state_after):
            yield node
        after[depth:] = [state_after]
        node += 1
