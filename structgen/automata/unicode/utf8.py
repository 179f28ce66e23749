"""Sets of code points as automata over the bytes of their UTF-8, shared by all that are made in a process."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from structgen.automata.unicode.charsets import SURROGATES, Ranges

_LIMITS: Final = (0x7F, 0x7FF, 0xFFFF, 0x10FFFF)


@dataclass(frozen=True, eq=False, slots=True)
class ByteNode:
    """A state inside a character: what follows each byte. Equal ones are the same object."""

    after: tuple[ByteNode | None, ...]
    """[256]: None where the byte may not come; `DONE` where it completes the character."""


DONE: Final = ByteNode(())


@functools.lru_cache(maxsize=1 << 16)
def intern_node(after: tuple[tuple[int, int, ByteNode], ...]) -> ByteNode:
    """Return the node at which some bytes in a row each, the first and the last, have a node behind them."""
    row: list[ByteNode | None] = [None] * 256
    for low, high, node in after:
        row[low : high + 1] = [node] * (high - low + 1)
    return ByteNode(tuple(row))


@functools.lru_cache(maxsize=1 << 12)
def node_of(ranges: Ranges) -> ByteNode:
    """Return the automaton of one character out of a set; lone surrogates have no UTF-8 and are left out.

    Cost: some 3 us a range, once for equal sets.
    """
    return _join_sequences([sequence for low, high in ranges for sequence in _byte_sequences(low, high)])


@functools.lru_cache(maxsize=1 << 12)
def written_with(node: ByteNode, available: frozenset[int]) -> ByteNode | None:
    """Return a node without the characters that need other bytes than these; None where none is left."""
    edges: list[tuple[int, int, ByteNode]] = []
    for byte, after in enumerate(node.after):
        if after is not None and byte in available:
            narrowed = after if after is DONE else written_with(after, available)
            if narrowed is not None:
                edges.append((byte, byte, narrowed))
    return intern_node(tuple(edges)) if edges else None


def _join_sequences(sequences: list[tuple[tuple[int, int], ...]]) -> ByteNode:
    """Return the node of sequences of byte ranges, ascending and disjoint."""
    groups: list[tuple[int, int, list[tuple[tuple[int, int], ...]]]] = []
    for (low, high), *rest in sequences:
        if groups and groups[-1][:2] == (low, high):
            groups[-1][2].append(tuple(rest))
        else:
            groups.append((low, high, [tuple(rest)]))
    return intern_node(
        tuple((low, high, DONE if rests == [()] else _join_sequences(rests)) for low, high, rests in groups)
    )


def _byte_sequences(low: int, high: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the sequences of byte ranges whose products are the code points, ascending.

    The ranges of two sequences are equal or disjoint at the first place in which they differ.
    """
    for start, end in ((low, min(high, SURROGATES[0] - 1)), (max(low, SURROGATES[1] + 1), high)):
        first = 0
        for size, last in enumerate(_LIMITS):
            a, b = max(start, first), min(end, last)
            if a <= b:
                yield from _split_by_tail(a, b, size)
            first = last + 1


def _split_by_tail(low: int, high: int, size: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the sequences of code points that all take `size` continuation bytes."""
    for at in range(1, size + 1):
        below = (1 << 6 * at) - 1
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
    yield tuple(zip(chr(low).encode(), chr(high).encode(), strict=True))
