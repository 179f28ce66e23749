"""Turns a set of code points into an automaton that reads the bytes of one character in UTF-8.

A *node* is a state of the automaton inside a character. It has for each byte the node after it, None if the
byte may not come, or DONE if the byte completes the character. Equal nodes are one object in a process. A
*sequence* is a list of byte ranges, such as [C3] [A0-BF] for the code points U+00E0 to U+00FF.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from structgen.automata.unicode.charsets import SURROGATES, Ranges

ByteSequence: TypeAlias = tuple[tuple[int, int], ...]
"""A range of bytes, (low, high), for each byte of a character."""
_LIMITS: Final = (0x7F, 0x7FF, 0xFFFF, 0x10FFFF)
"""The largest code points of one, two, three and four bytes."""


@dataclass(frozen=True, eq=False, slots=True)
class ByteNode:
    """A state inside a character. Equal nodes are the same object."""

    after: tuple[ByteNode | None, ...]
    """[256]: the node after each byte; None: the byte may not come; `DONE`: it completes the character."""


DONE: Final = ByteNode(())
"""The node after the last byte of a character."""


@functools.lru_cache(maxsize=1 << 16)
def intern_node(after: tuple[tuple[int, int, ByteNode], ...]) -> ByteNode:
    """Return the node with some edges. Each edge (low, high, node) leads from the bytes low to high to a
    node."""
    row: list[ByteNode | None] = [None] * 256
    for low, high, node in after:
        row[low : high + 1] = [node] * (high - low + 1)
    return ByteNode(tuple(row))


@functools.lru_cache(maxsize=1 << 12)
def node_of(ranges: Ranges) -> ByteNode:
    """Return the first node of the automaton for one character of a set.

    Surrogates have no UTF-8 and are left out. Cost: some 3 us for each range, once for equal sets.
    """
    sequences: list[ByteSequence] = []
    for low, high in ranges:
        sequences += _byte_sequences(low, high)
    return _join_sequences(sequences)


@functools.lru_cache(maxsize=1 << 12)
def written_with(node: ByteNode, available: frozenset[int]) -> ByteNode | None:
    """Return a node without the characters that need a byte which is not `available`; None if none is
    left."""
    edges: list[tuple[int, int, ByteNode]] = []
    for byte, after in enumerate(node.after):
        if after is not None and byte in available:
            narrowed = after if after is DONE else written_with(after, available)
            if narrowed is not None:
                edges.append((byte, byte, narrowed))
    return intern_node(tuple(edges)) if edges else None


def _join_sequences(sequences: list[ByteSequence]) -> ByteNode:
    """Return the first node for some sequences, which are ascending and disjoint."""
    groups: list[tuple[int, int, list[ByteSequence]]] = []
    for (low, high), *rest in sequences:
        if groups and groups[-1][:2] == (low, high):
            groups[-1][2].append(tuple(rest))
        else:
            groups.append((low, high, [tuple(rest)]))
    # No rest: the bytes complete the character. Sequences of one length are together, so it is the only one.
    edges: list[tuple[int, int, ByteNode]] = []
    for low, high, rests in groups:
        after = DONE if rests == [()] else _join_sequences(rests)
        edges.append((low, high, after))
    return intern_node(tuple(edges))


def _byte_sequences(low: int, high: int) -> Iterator[ByteSequence]:
    """Yield the sequences that together spell the code points from `low` to `high`, ascending.

    The ranges of two sequences are equal or disjoint at the first place in which they differ.
    """
    first_surrogate, last_surrogate = SURROGATES
    below_surrogates = (low, min(high, first_surrogate - 1))
    above_surrogates = (max(low, last_surrogate + 1), high)
    for start, end in (below_surrogates, above_surrogates):
        first = 0
        # `size`: how many bytes follow the first one for code points up to `last` (RFC 3629, section 3)
        for size, last in enumerate(_LIMITS):
            part_low = max(start, first)
            part_high = min(end, last)
            if part_low <= part_high:
                yield from _split_by_tail(part_low, part_high, size)
            first = last + 1


def _split_by_tail(low: int, high: int, size: int) -> Iterator[ByteSequence]:
    """Yield the sequences for the code points from `low` to `high`, which all take `size` continuation
    bytes."""
    # Where the first bytes differ, the last bytes must be free: ends that cut through them are split off.
    for at in range(1, size + 1):
        below = (1 << 6 * at) - 1  # the bits of the last `at` bytes: a continuation byte has 6 bits
        if low & ~below != high & ~below:
            if low & below:
                yield from _split_by_tail(low, low | below, size)
                yield from _split_by_tail((low | below) + 1, high, size)
                return
            if high & below != below:
                yield from _split_by_tail(low, (high & ~below) - 1, size)
                yield from _split_by_tail(high & ~below, high, size)
                return
    if size == 0:
        yield ((low, high),)
        return
    first_bytes = chr(low).encode()
    last_bytes = chr(high).encode()
    yield tuple(zip(first_bytes, last_bytes, strict=True))
