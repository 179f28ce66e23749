"""The tree of the bounds' significands, as the compiled loop of numerals walks it.

A node is twelve numbers: the successors on the ten digits, its rank, and 1 for a gap. Node 0 stands before
the first digit that is not 0. Word i (in order) has rank 2i+1, and the gap below it rank 2i: strictly between
two bounds, whatever follows.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers.digit_steps import NODE_SIZE

_MANY = 512
"""Words from which on the tree is made of arrays."""
_LONGEST = 64
"""Digits of a word up to which it is."""


def nodes(words: list[str]) -> list[int]:
    """Return the tree of some significands: sorted, distinct, without a zero at either end.

    Cost: 3 us a digit of few words, 0.3 us a digit of many.
    """
    if len(words) >= _MANY and max(map(len, words)) <= _LONGEST:
        return nodes_of_many(words)
    return nodes_of_few(words)


def nodes_of_few(words: list[str]) -> list[int]:
    """Return the tree, node by node."""
    below: dict[str, int] = {"": len(words)}  # how many words begin so
    for word in words:
        for end in range(1, len(word) + 1):
            prefix = word[:end]
            below[prefix] = below.get(prefix, 0) + 1
    numbers = {prefix: node for node, prefix in enumerate(below)}
    children: dict[str, list[int]] = {}
    for prefix in below:
        if prefix:
            children.setdefault(prefix[:-1], []).append(int(prefix[-1]))
    rank_of = {word: 2 * at + 1 for at, word in enumerate(words)}
    count = len(below)
    flat: list[int] = []
    more: list[int] = []  # the nodes after those of `numbers`
    gaps: dict[int, int] = {}
    tails: dict[str, int] = {}

    def gap(rank: int) -> int:
        """Return the node strictly between two neighbouring words."""
        node = gaps.get(rank, -1)
        if node < 0:
            node = gaps[rank] = count + len(more) // NODE_SIZE
            more.extend((node, node, node, node, node, node, node, node, node, node, rank, 1))
        return node

    def tail(word: str) -> int:
        """Return the node of a word followed by zeros for good."""
        if word not in children:
            return numbers[word]
        above = gap(rank_of[word] + 1)
        node = tails.get(word, -1)
        if node < 0:
            node = tails[word] = count + len(more) // NODE_SIZE
            more.extend((node, *([above] * 9), rank_of[word], 0))
        return node

    for prefix, number in numbers.items():
        if prefix in rank_of and prefix not in children:  # the end of a word: zeros stay, the rest is above
            rank = rank_of[prefix]
            above = gap(rank + 1)
            flat += (number, above, above, above, above, above, above, above, above, above, rank, 0)
            continue
        smaller = bisect_left(words, prefix + "0") if prefix else 0
        row: list[int] = []
        for digit in children.get(prefix, ()):
            if digit > len(row):
                row += [gap(2 * smaller)] * (digit - len(row))
            longer = prefix + str(digit)
            row.append(numbers[longer])
            smaller += below[longer]
        if len(row) < 10:
            row += [gap(2 * smaller)] * (10 - len(row))
        bare = prefix.rstrip("0")
        rank = rank_of.get(bare, -1)
        if not bare:
            row[0], rank = 0, 0
        elif rank >= 0 and prefix + "0" not in numbers:
            row[0] = tail(bare)
        flat += row
        flat += (rank if rank >= 0 else 2 * bisect_left(words, bare), 0)
    return flat + more


def nodes_of_many(words: list[str]) -> list[int]:
    """Return the tree, level by level; nodes have other numbers than in `nodes_of_few`."""
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    count, depth = len(words), int(lengths.max())
    digits = np.array(words, dtype=f"S{depth}").view(np.uint8).reshape(count, depth).astype(np.int64) - 48
    # Word i begins a node for each of its prefixes that word i - 1 does not have.
    differs = np.ones((count, depth), bool)
    differs[1:] = np.maximum.accumulate(digits[1:] != digits[:-1], axis=1)
    starts = differs & (np.arange(depth) < lengths[:, None])
    number = np.zeros((count, depth + 1), np.int64)  # of the node of each prefix of each word
    number[:, 1:][starts] = 1 + np.arange(int(starts.sum()))
    for at in range(1, depth + 1):
        number[:, at] = np.maximum.accumulate(number[:, at])
    word_of, level_of = np.nonzero(starts)
    made = len(word_of) + 1
    first = np.zeros(made, np.int64)  # the first word below a node
    first[1:] = word_of
    parent, digit = np.zeros(made, np.int64), np.zeros(made, np.int64)
    parent[1:], digit[1:] = number[word_of, level_of], digits[word_of, level_of]
    ends = np.full(made, -1, np.int64)  # the word that ends here
    ends[number[np.arange(count), lengths]] = np.arange(count)
    below = np.zeros(made, np.int64)  # how many words go through a node
    below[0] = count
    within = np.arange(1, depth + 1) <= lengths[:, None]
    np.add.at(below, number[:, 1:][within], 1)
    child = np.full((made, 10), -1, np.int64)
    child[parent[1:], digit[1:]] = np.arange(1, made)
    # Where no child is, the rest lies in the gap below the words that come after.
    sizes = np.where(child >= 0, below[child], 0)
    before = first[:, None] + (ends >= 0)[:, None] + np.cumsum(sizes, axis=1) - sizes
    gaps = 2 * before
    # A prefix with zeros at its end has the value of the one without.
    bare = np.arange(made)
    level = np.zeros(made, np.int64)
    level[1:] = level_of
    for at in range(depth):
        here = np.flatnonzero((level == at) & (digit == 0))
        here = here[here > 0]
        bare[here] = bare[parent[here]]
    rank = np.where(ends[bare] >= 0, 2 * ends[bare] + 1, 2 * first[bare])
    rank[0] = 0
    # Zeros after a word stay there: at its node if nothing else goes through it, else at a tail.
    leaf: npt.NDArray[np.bool_] = np.all(child < 0, axis=1)
    whole = np.flatnonzero((ends[bare] >= 0) & (child[:, 0] < 0) & ~leaf)
    inner = np.unique(bare[whole])
    inner = inner[~leaf[inner]]
    tail_at = np.full(made, -1, np.int64)
    used = np.concatenate([gaps[child < 0], 2 * ends[inner] + 2])
    ranks = np.unique(used)
    tail_at[inner] = made + len(ranks) + np.arange(len(inner))

    def gap(of: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return made + np.searchsorted(ranks, of)

    table = np.zeros((made + len(ranks) + len(inner), NODE_SIZE), np.int64)
    table[:made, :10] = np.where(child >= 0, child, gap(np.where(child < 0, gaps, ranks[0])))
    table[:made, 10] = rank
    table[0, 0] = 0
    at_leaf = np.flatnonzero(leaf & (ends >= 0))
    table[at_leaf, 0] = at_leaf
    table[at_leaf, 1:10] = gap(2 * ends[at_leaf] + 2)[:, None]
    target = bare[whole]
    table[whole, 0] = np.where(leaf[target], target, tail_at[target])
    below_rows = np.arange(made, made + len(ranks))
    table[below_rows, :10], table[below_rows, 10], table[below_rows, 11] = below_rows[:, None], ranks, 1
    tails = tail_at[inner]
    table[tails, 0], table[tails, 1:10] = tails, gap(2 * ends[inner] + 2)[:, None]
    table[tails, 10] = 2 * ends[inner] + 1
    flat: list[int] = table.ravel().tolist()
    return flat
