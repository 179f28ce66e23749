"""The trie of the bounds' significands, as a table for compiled code.

A node is twelve numbers: the successors on the ten digits, its rank, and 1 for a gap. Node 0 stands before
the first digit that is not 0. Word i (in order) has rank 2i+1, and the gap below it rank 2i: strictly between
two bounds, whatever follows.
"""

from __future__ import annotations

from bisect import bisect_left

from structgen.automata.numbers.digit_steps import NODE_SIZE


def nodes(words: list[str]) -> list[int]:
    """Return the trie of some significands: sorted, distinct, without a zero at either end.

    Cost: 3 us a digit.
    """
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
