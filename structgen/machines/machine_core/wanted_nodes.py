"""`TargetNodes` are the nodes of a vocabulary's trie that a walk must examine, packed as a trie of their own.

- The *trie* of a vocabulary has a node for each beginning of a token. Nodes are in depth-first order, one
  packed word each (`trie_nodes`): byte, depth, slot, and the node after its subtree.
- A *target* is a node that is to be examined: there a text may end inside a token.
- The *flags* have a number for each node: 2: a target; 1: on the way to a target; 0: neither.

For example, in the trie of "ab" and "c" with the target "ab", the flags of "a", "ab", "c" are 1, 2, 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np

from structgen.base.native.array_types import ByteArray, Int64Array, UInt64Array
from structgen.tokens.trie_nodes import DEPTH_SHIFT, END_SHIFT, SLOT_SHIFT, fields_of

_At = TypeVar("_At")


class TargetNodes(NamedTuple):
    """The targets of a vocabulary's trie, and the nodes on the way to them."""

    flags: ByteArray
    """The flag of each node of the trie: 2, 1 or 0 (see the module)."""
    max_nodes: int
    """The number of targets."""
    trie: Int64Array
    """One array of three parts. First n, the number of nodes with a flag. Then the words of these n nodes, as
    a trie of their own: targets have slot 1, others 0. Then the numbers of the n nodes in the whole trie."""

    @classmethod
    def from_flags(cls, words: UInt64Array, flags: ByteArray) -> TargetNodes:
        """Return the targets of a trie. `words`: the packed words of its nodes; `flags`: one a node."""
        nodes = np.flatnonzero(flags)
        byte, depth, _slot, end = fields_of(words[nodes].astype(np.int64))
        is_target = (flags[nodes] == 2).astype(np.int64)
        # `end` is a number of a node in the whole trie: it becomes a number among the nodes with a flag.
        ends = np.searchsorted(nodes, end)
        packed_words = byte | depth << DEPTH_SHIFT | is_target << SLOT_SHIFT | ends << END_SHIFT
        trie = np.concatenate([[len(nodes)], packed_words, nodes])
        return cls(flags, int(is_target.sum()), trie)


def ends_read(
    nodes: UInt64Array,
    flags: ByteArray,
    start: _At,
    step: Callable[[_At, int], _At | None],
    ends: Callable[[_At], bool],
) -> Iterator[int]:
    """Yield the targets, in order, whose bytes lead from `start` to a state in which a text may end.

    `nodes`, `flags`: as in `TargetNodes.from_flags`; subtrees of nodes with flag 0 are skipped. `step`
    returns the state after a byte, None where the byte is refused. `ends` returns whether a text may end.
    """
    node = 0
    after = [start]  # the states after the bytes of the path to the node, by depth; 0 is the root
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
