"""The compiled loops over draft trees: flat arrays of tokens, parents and chances.

Parents come before their children; -1 is the root. Several trees are concatenated in the same arrays: tree i
has the nodes `starts[i]` to `starts[i + 1]`, and its parents are numbered from `starts[i]`. The arrays of a
`Draft` are read-only, which is part of their type.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from structgen.native.jit import entry, jit

LEAST_CHANCE: Final = 1e-30
"""A lower bound for products of many chances, which float32 would round to 0."""
ENDED: Final = 1
WRONG: Final = 2
_ROOT: Final = -1
_I4: Final = "Array(int32, 1, 'C', True)"
_F4: Final = "Array(float32, 1, 'C', True)"


@jit
def shared(parents: Any, chances: Any, count: Any, most: Any, out: Any) -> None:
    """Write the chances of `count` nodes. If those of siblings add up to more than 1 they are scaled down to
    1; each is at most `most`."""
    sums = np.zeros(count + 1, np.float64)
    for i in range(count):
        sums[parents[i] + 1] += chances[i]
    for i in range(count):
        chance = chances[i]
        total = sums[parents[i] + 1]
        if total > 1.0:
            chance /= total
        out[i] = max(min(chance, most), LEAST_CHANCE)


@entry(
    "int64(int32[::1], int32[::1], float32[::1], int64[::1], float64[::1], float64, "
    "int32[::1], int32[::1], float32[::1])"
)
def fuse_trees(
    tokens: Any,
    parents: Any,
    chances: Any,
    starts: Any,
    trusts: Any,
    most: Any,
    out_tokens: Any,
    out_parents: Any,
    out_chances: Any,
) -> Any:
    """Write the union of trees: each path once, with the largest of its chances, each multiplied by the trust
    in its tree. Returns the number of nodes. `out_*` have room for all nodes. Cost: 20 ns a node and
    sibling."""
    total = len(tokens)
    first = np.full(total + 1, -1, np.int64)
    following = np.full(total + 1, -1, np.int64)
    places = np.empty(total + 1, np.int64)
    joined = np.empty(total + 1, np.float64)
    count = 0
    for tree in range(len(trusts)):
        start = starts[tree]
        trust = trusts[tree]
        for i in range(start, starts[tree + 1]):
            parent = -1 if parents[i] < 0 else places[start + parents[i]]
            chance = np.float64(chances[i]) * trust
            node = first[parent + 1]
            last = -1
            while node >= 0 and out_tokens[node] != tokens[i]:
                last = node
                node = following[node]
            if node >= 0:
                joined[node] = max(joined[node], chance)
            else:
                node = count
                count += 1
                if last < 0:
                    first[parent + 1] = node
                else:
                    following[last] = node
                out_tokens[node] = tokens[i]
                out_parents[node] = parent
                joined[node] = chance
            places[i] = node
    shared(out_parents, joined, count, most, out_chances)
    return count


@jit
def is_before(one: Any, other: Any, worth: Any) -> Any:
    """Return whether a node is taken before another: the likelier one, of equal ones the first."""
    if worth[one] != worth[other]:
        return worth[one] > worth[other]
    return one < other


@jit
def sink(heap: Any, at: Any, count: Any, worth: Any) -> None:
    """Sift a heap's element down."""
    while True:
        child = 2 * at + 1
        if child >= count:
            return
        if child + 1 < count and is_before(heap[child + 1], heap[child], worth):
            child += 1
        if not is_before(heap[child], heap[at], worth):
            return
        kept = heap[at]
        heap[at] = heap[child]
        heap[child] = kept
        at = child


@jit
def heap_of(worth: Any) -> Any:
    """Return all nodes as a heap, the likeliest first."""
    count = len(worth)
    heap = np.empty(count, np.int64)
    for i in range(count):
        heap[i] = i
    for i in range(count // 2 - 1, -1, -1):
        sink(heap, i, count, worth)
    return heap


@jit
def paths(parents: Any, chances: Any, starts: Any) -> Any:
    """Return for each node the probability that the model reaches it. It is never above that of the parent,
    not even by a rounding error, so that taking the likeliest first takes parents before children."""
    found = np.empty(len(parents), np.float64)
    for tree in range(len(starts) - 1):
        start = starts[tree]
        for i in range(start, starts[tree + 1]):
            above = 1.0 if parents[i] < 0 else found[start + parents[i]]
            found[i] = above * min(np.float64(chances[i]), 1.0)
    return found


@entry(
    "int64(int32[::1], int32[::1], float32[::1], int64[::1], int64[::1], float64[::1], int64, int64[::1],"
    " int32[::1], int32[::1], float32[::1])"
)
def plan_trees(
    tokens: Any,
    parents: Any,
    chances: Any,
    starts: Any,
    mosts: Any,
    costs: Any,
    most: Any,
    out_starts: Any,
    out_tokens: Any,
    out_parents: Any,
    out_chances: Any,
) -> Any:
    """Write the parts of trees that give the most expected tokens for their cost; of equally good ones the
    smallest. Returns their total number of nodes.

    `costs[i]` is the cost of a pass of i + 1 rows; the root of each tree has a row, too. `mosts[i]` bounds
    the nodes of a tree, `most` those of all. Cost: about 50 ns a node.
    """
    trees, total = len(mosts), len(tokens)
    worth = paths(parents, chances, starts)
    heap = heap_of(worth)
    tree_of = np.empty(total, np.int64)
    for tree in range(trees):
        for i in range(starts[tree], starts[tree + 1]):
            tree_of[i] = tree
    taken = np.zeros(trees, np.int64)
    order = np.empty(total, np.int64)
    room = min(most, len(costs) - trees)
    count = left = 0
    expected = float(trees)
    best, best_count = expected / costs[trees - 1], 0
    left = total
    while left > 0 and count < room:
        node = heap[0]
        left -= 1
        heap[0] = heap[left]
        sink(heap, 0, left, worth)
        tree = tree_of[node]
        if taken[tree] == mosts[tree]:  # later nodes are not parents of the taken ones
            continue
        taken[tree] += 1
        order[count] = node
        count += 1
        expected += worth[node]
        rate = expected / costs[trees + count - 1]
        if rate > best:
            best, best_count = rate, count
    chosen = np.zeros(total, np.uint8)
    for i in range(best_count):
        chosen[order[i]] = 1
    places = np.empty(total, np.int64)
    at = 0
    for tree in range(trees):
        start, out_start = starts[tree], at
        out_starts[tree] = at
        for i in range(start, starts[tree + 1]):
            if chosen[i]:
                places[i] = at - out_start
                out_tokens[at] = tokens[i]
                out_parents[at] = -1 if parents[i] < 0 else places[start + parents[i]]
                out_chances[at] = chances[i]
                at += 1
    out_starts[trees] = at
    return at


@entry(
    f"int64({_I4}, {_I4}, {_F4}, int64[::1], int64, int64, int32[::1], int32[::1], float32[::1])",
)
def allowed_nodes(
    tokens: Any,
    parents: Any,
    chances: Any,
    states: Any,
    most: Any,
    branches: Any,
    out_tokens: Any,
    out_parents: Any,
    out_chances: Any,
) -> Any:
    """Write the nodes of a tree whose states are 0 or more. Shares of refused siblings go to the others; each
    node keeps its first `branches` children, and of more than `most` nodes the likeliest are kept. Returns
    their number.

    A node after a refused one has a refused state, too. Overwrites `states`. Cost: about 50 ns a node.
    """
    total = len(tokens)
    before = np.zeros(total + 1, np.float64)
    left = np.zeros(total + 1, np.float64)
    for i in range(total):
        before[parents[i] + 1] += chances[i]
        if states[i] >= 0:
            left[parents[i] + 1] += chances[i]
    given = np.empty(total, np.float64)
    children = np.zeros(total + 1, np.int64)
    kept = 0
    for i in range(total):
        given[i] = 0.0
        if states[i] >= 0:
            children[parents[i] + 1] += 1
            if children[parents[i] + 1] > branches or (parents[i] >= 0 and states[parents[i]] < 0):
                states[i] = -1
        if states[i] >= 0:
            share = np.float64(chances[i]) * before[parents[i] + 1] / left[parents[i] + 1]
            given[i] = max(share, LEAST_CHANCE)
            kept += 1
    chosen = np.zeros(total, np.uint8)
    if kept <= most:
        for i in range(total):
            chosen[i] = states[i] >= 0
    else:
        starts = np.zeros(2, np.int64)
        starts[1] = total
        worth = paths(parents, given, starts)
        for i in range(total):
            if states[i] < 0:
                worth[i] = -1.0
        heap = heap_of(worth)
        size = total
        for _ in range(most):
            chosen[heap[0]] = 1
            size -= 1
            heap[0] = heap[size]
            sink(heap, 0, size, worth)
    places = np.empty(total, np.int64)
    joined = np.empty(total, np.float64)
    count = 0
    for i in range(total):
        if chosen[i]:
            places[i] = count
            out_tokens[count] = tokens[i]
            out_parents[count] = -1 if parents[i] < 0 else places[parents[i]]
            joined[count] = given[i]
            count += 1
    shared(out_parents, joined, count, 1.0, out_chances)
    return count


@entry(f"int64({_I4}, {_I4}, int32[::1])")
def follow_path(tokens: Any, parents: Any, taken: Any) -> Any:
    """Return 4 n + code: the first n taken tokens are in the tree. The code is ENDED if the tree has no node
    after them, WRONG if it guessed other tokens, and 0 if no more tokens were taken."""
    node, count, at = -1, 0, 0
    total = len(tokens)
    while count < len(taken):
        guesses = 0
        found = -1
        for i in range(at, total):  # children come after their parent
            if parents[i] == node:
                guesses += 1
                if tokens[i] == taken[count]:
                    found = i
                    break
        if found < 0:
            return 4 * count + (WRONG if guesses else ENDED)
        node, at = found, found + 1
        count += 1
    return 4 * count


@entry(f"int64({_I4}, {_F4}, int64[::1])")
def likeliest_leaves(parents: Any, chances: Any, out: Any) -> Any:
    """Write the likeliest leaves, as many as `out` holds; return their number."""
    total = len(parents)
    starts = np.zeros(2, np.int64)
    starts[1] = total
    worth = paths(parents, chances, starts)
    for i in range(total):
        if parents[i] >= 0:
            worth[parents[i]] = -1.0
    count = 0
    while count < len(out):
        best = -1
        for i in range(total):
            if worth[i] > 0.0 and (best < 0 or worth[i] > worth[best]):
                best = i
        if best < 0:
            break
        worth[best] = -1.0
        out[count] = best
        count += 1
    return count
