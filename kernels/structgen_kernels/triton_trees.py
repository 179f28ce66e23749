"""The Triton kernels for draft trees; `trees` launches them, `reference` says what they do.

Both have one program for each tree. The tree's nodes lie side by side in one tile of NODES, a power of two:

    node       0     1     2     3     4                0
    parent    -1     0     0     1     1              /   \\
    token      .     7     9     5     8             1     2
    depth      0     1     1     2     2            / \\
                                                   3   4
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def nodes_of_tree(starts, tree, most):
    """Return where the nodes of a tree begin among all nodes, and how many it has, `most` at most."""
    start = tl.load(starts + tree).to(tl.int64)
    return start, tl.minimum(tl.load(starts + tree + 1).to(tl.int64) - start, most)


@triton.jit
def place_kernel(parents, starts, owners, depths, nodes, most, NODES: tl.constexpr):
    """Write for each node of a tree the number of the tree, and how many parents lead up to the first node.
    All nodes go up at once, until none has a parent left."""
    tree = tl.program_id(0).to(tl.int64)
    start, count = nodes_of_tree(starts, tree, most)
    at = tl.arange(0, NODES).to(tl.int64)
    place = start + at
    inside = (at < count) & (place < nodes)
    depth = tl.zeros((NODES,), tl.int64)
    above = tl.load(parents + place, mask=inside, other=-1).to(tl.int64)
    # a parent comes before its children, so the way up ends whatever `parents` holds
    is_going = (above >= 0) & (above < at)
    while tl.max(is_going.to(tl.int32), 0) != 0:
        depth += is_going.to(tl.int64)
        at = tl.where(is_going, above, at)
        above = tl.load(parents + start + at, mask=is_going, other=-1).to(tl.int64)
        is_going = (above >= 0) & (above < at)
    tl.store(owners + place, tree, mask=inside)
    tl.store(depths + place, depth, mask=inside)


@triton.jit
def verify_kernel(sampled, tokens, parents, starts, paths, lengths, last, nodes, most, NODES: tl.constexpr):
    """Follow the sampled tokens of a tree from its first node on. A step compares all nodes with the token
    sampled at the node where the path stands; in the tree above:

        sampled at node 0: 7    child of 0 with token 7: node 1
        sampled at node 1: 8    child of 1 with token 8: node 4
        sampled at node 4: 3    no child: 3 is the token after the path 0, 1, 4
    """
    tree = tl.program_id(0).to(tl.int64)
    start, count = nodes_of_tree(starts, tree, most)
    node = tl.arange(0, NODES)
    inside = (node < count) & (start + node < nodes)
    parent = tl.load(parents + start + node, mask=inside, other=-2).to(tl.int64)
    token = tl.load(tokens + start + node, mask=inside, other=-2).to(tl.int64)
    path = paths + tree * most
    tl.store(path + node, tl.full((NODES,), -1, tl.int32), mask=node < most)
    # the path is written over the -1 by other threads
    tl.debug_barrier()
    length = tl.zeros((), tl.int32)
    want = tl.full((), -1, tl.int64)
    at = tl.zeros((), tl.int32)
    is_going = (count > 0) & (start < nodes)
    while is_going:
        tl.store(path + length, at)
        length += 1
        want = tl.load(sampled + start + at).to(tl.int64)
        # a child comes after its parent, so the walk ends whatever `parents` holds
        is_child = inside & (parent == at) & (token == want) & (node > at) & (want >= 0)
        at = tl.min(tl.where(is_child, node, NODES), 0)
        is_going = at < NODES
    tl.store(lengths + tree, length)
    tl.store(last + tree, want)
