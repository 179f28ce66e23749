"""The Triton kernel that verifies draft trees; `trees` launches it, `reference` says what it does."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def verify_kernel(sampled, tokens, parents, starts, paths, lengths, last, most, NODES: tl.constexpr):
    """Follow the sampled tokens of one tree from its first node on. One program a tree; its nodes lie in the
    registers of one tile, so a step is a comparison of all nodes at once:

        node       0     1     2     3     4
        parent    -1     0     0     1     1
        token      .     7     9     5     8        sampled at node 0: 7  -> node 1
                         ^ child of 0 with token 7  sampled at node 1: 8  -> node 4
                                           ^        sampled at node 4: its token ends the path
    """
    tree = tl.program_id(0).to(tl.int64)
    start = tl.load(starts + tree).to(tl.int64)
    count = tl.load(starts + tree + 1).to(tl.int64) - start
    count = tl.minimum(count, most)
    node = tl.arange(0, NODES)
    place = start + node
    parent = tl.load(parents + place, mask=node < count, other=-2).to(tl.int64)
    token = tl.load(tokens + place, mask=node < count, other=-2).to(tl.int64)
    path = paths + tree * most
    tl.store(path + node, tl.full((NODES,), -1, tl.int32), mask=node < most)
    # the path is written over the -1 by other threads
    tl.debug_barrier()
    length = tl.zeros((), tl.int32)
    want = tl.full((), -1, tl.int64)
    at = tl.zeros((), tl.int32)
    going = count > 0
    while going:
        tl.store(path + length, at)
        length += 1
        want = tl.load(sampled + start + at).to(tl.int64)
        # a child comes after its parent, so the walk ends whatever `parents` holds
        is_child = (parent == at) & (token == want) & (node > at) & (want >= 0)
        at = tl.min(tl.where(is_child, node, NODES), 0)
        going = at < NODES
    tl.store(lengths + tree, length)
    tl.store(last + tree, want)
