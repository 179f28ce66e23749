"""Checks of arrays that were read from files, before compiled code follows the numbers in them.

Checksums tell accidents. What was written on purpose, by an older or a changed program, may carry a right
checksum and still hold a number that leads outside its array. These checks make sure that no such number is
followed. They are compiled, so that they cost little beside the reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.native.jit import entry
from structgen.native.raw_memory import address_of, load8, load32, load64, store8, store32
from structgen.tokens.trie import TrieArrays
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of

_DEEPEST = 4096


@entry("int64(int64, int64, int64, int64, int64, int64, int64, int64, int64, int64)")
def _trie_is_valid(nodes, count, first, starts, slots, ids, many, lengths, tokens, open_at):
    """Return 1 where the arrays of a trie are what `build_trie` makes in all that is followed, else 0.

    `open_at`: int32[4097], scratch.
    """
    if load32(first, 256) != count or load32(starts, 0) != 0 or load32(starts, slots) != many:
        return 0
    for slot in range(slots):
        low, high = load32(starts, slot), load32(starts, slot + 1)
        if low >= high or high > many:
            return 0
        before = -1
        for at in range(low, high):
            token = load32(ids, at)
            if token <= before or token >= tokens:
                return 0
            before = token
    depth, slot, roots = 0, 0, 0
    for node in range(count):
        word = load64(nodes, node)
        here, end = depth_of(word), end_of(word)
        if here < 1 or here > depth + 1 or end <= node or end > count:
            return 0
        while depth >= here:
            # the subtrees that end here said so
            if end_of(load64(nodes, load32(open_at, depth))) != node:
                return 0
            depth -= 1
        if here == 1:
            if load32(first, byte_of(word)) != node:
                return 0
            roots += 1
        depth = here
        store32(open_at, depth, node)
        ends = slot_of(word)
        if ends != 0:
            slot += 1
            if ends != slot or slot > slots or load32(lengths, slot - 1) != here:
                return 0
    while depth > 0:
        if end_of(load64(nodes, load32(open_at, depth))) != count:
            return 0
        depth -= 1
    for byte in range(256):
        if load32(first, byte) >= 0:
            roots -= 1
    return 1 if slot == slots and roots == 0 else 0


@entry(
    "int64(int64, int64, int64, int64, int64, int64, int64, int64, int64, int64, int64, int64, int64, int64,"
    " int64)"
)
def _tokens_are_valid(
    nodes,
    count,
    starts,
    ids,
    characters,
    token_slot,
    offsets,
    tokens,
    data,
    size,
    before,
    child_start,
    children,
    path,
    begun,
):
    """Return 1 where a valid trie has exactly the tokens of a text, and what is derived from it is right,
    else 0. `path` and `begun`: uint8 and int32[4097], scratch."""
    if load64(offsets, 0) != 0 or load64(offsets, tokens) != size:
        return 0
    written = 0
    for token in range(tokens):
        length = load64(offsets, token + 1) - load64(offsets, token)
        if length < 0 or (length == 0) != (load32(token_slot, token) < 0):
            return 0
        if length > 0:
            written += 1
    slot = 0
    store32(begun, 0, 0)
    for node in range(count):
        if load32(before, node) != slot:
            return 0
        word = load64(nodes, node)
        depth = depth_of(word)
        store8(path, depth - 1, byte_of(word))
        store32(begun, depth, load32(begun, depth - 1) + (1 if word & 0xC0 != 0x80 else 0))
        if slot_of(word) == 0:
            continue
        if load32(characters, slot) != load32(begun, depth):
            return 0
        for at in range(load32(starts, slot), load32(starts, slot + 1)):
            token = load32(ids, at)
            begin = load64(offsets, token)
            if load64(offsets, token + 1) - begin != depth or load32(token_slot, token) != slot:
                return 0
            for byte in range(depth):
                if load8(data, begin + byte) != load8(path, byte):
                    return 0
            written -= 1
        slot += 1
    if written != 0 or load32(before, count) != slot:
        return 0
    used = 0
    for node in range(count + 1):
        if load32(child_start, node) != used:
            return 0
        end = count if node == count else end_of(load64(nodes, node))
        child = 0 if node == count else node + 1
        last = -1
        while child < end:
            word = load64(nodes, child)
            if used >= count or load64(children, 2 * used) != word or byte_of(word) <= last:
                return 0
            last = byte_of(word)
            token = -1
            slot = slot_of(word)
            if slot > 0:
                low = load32(starts, slot - 1)
                token = load32(ids, low) if load32(starts, slot) == low + 1 else -2
            if load64(children, 2 * used + 1) != child | (token << 32):
                return 0
            used += 1
            child = end_of(word)
    return 1 if load32(child_start, count + 1) == used and used == count else 0


@entry("int64(int64, int64, int64)")
def _are_below(numbers, count, bound):
    """Return 1 where all of some numbers (int32) are from 0 to `bound` - 1, else 0."""
    for at in range(count):
        number = load32(numbers, at)
        if number < 0 or number >= bound:
            return 0
    return 1


def are_shaped(arrays: Iterable[npt.NDArray[Any]], shapes: Iterable[tuple[str, tuple[int, ...]]]) -> bool:
    """Return whether arrays have some types, as `dtype.str` says them, and shapes, and lie as compiled code
    reads them. Cost: 0.3 us an array."""
    return all(
        array.dtype.str == dtype and array.shape == shape and bool(array.flags.c_contiguous)
        for array, (dtype, shape) in zip(arrays, shapes, strict=True)
    )


def are_in(array: npt.NDArray[Any], low: int, end: int) -> bool:
    """Return whether all numbers are from `low` to `end` - 1. Cost: 10 us, and 1 ns a number."""
    return not array.size or (low <= int(array.min()) and int(array.max()) < end)


def are_offsets(array: npt.NDArray[Any], size: int) -> bool:
    """Return whether numbers ascend from 0 to `size`: where each of some lists begins in a pool of numbers,
    and where the last one ends."""
    return bool(len(array)) and array[0] == 0 and array[-1] == size and bool((array[1:] >= array[:-1]).all())


class Bounds(NamedTuple):
    """What the numbers in the files of one vocabulary may be."""

    tokens: int = 1 << 31
    """How many tokens there are."""
    words: int = 0
    """32-bit words of a row, 0: not known."""

    def are_tokens(self, array: npt.NDArray[Any]) -> bool:
        """Return whether an array is a list of tokens. Cost: 1 ns a token."""
        if not are_shaped([array], [("<i4", (len(array),))]):
            return False
        return bool(_are_below(address_of(array), len(array), self.tokens))

    def is_row(self, array: npt.NDArray[Any]) -> bool:
        """Return whether an array is a row of bits without one after the last token."""
        if not are_shaped([array], [("<i4", (self.words or len(array),))]):
            return False
        used = self.tokens % 32
        return not (self.words and used) or int(array[-1]) & 0xFFFFFFFF < 1 << used

    def is_trie(self, trie: TrieArrays) -> bool:
        """Return whether arrays are those of a trie of some of the tokens, in all that compiled code follows.
        Cost: 8 ns a node."""
        count, slots = len(trie.nodes), len(trie.slot_len)
        shapes: list[tuple[str, tuple[int, ...]]] = [
            ("<u8", (count,)),
            ("<u8", (count, 2)),
            ("<i4", (257,)),
            ("<i4", (slots + 1,)),
            ("<i4", (len(trie.slot_ids),)),
            ("<u8", (slots, 2)),
            ("<i4", (slots,)),
            ("<i4", (slots,)),
        ]
        if not are_shaped(trie, shapes):
            return False
        scratch = np.empty(_DEEPEST + 1, np.int32)
        arrays = (
            address_of(trie.nodes),
            count,
            address_of(trie.first),
            address_of(trie.slot_start),
            slots,
            address_of(trie.slot_ids),
            len(trie.slot_ids),
            address_of(trie.slot_len),
        )
        return bool(_trie_is_valid(*arrays, self.tokens, address_of(scratch)))


def has_tokens(
    trie: TrieArrays,
    token_slot: npt.NDArray[Any],
    offsets: npt.NDArray[Any],
    data: npt.NDArray[Any],
    derived: tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]],
) -> bool:
    """Return whether a valid trie has exactly the tokens whose bytes are there. `derived`: `slots_before`,
    `child_start` and `children` of a Vocabulary. Cost: 5 ms for 128,000 tokens."""
    count, tokens = len(trie.nodes), len(token_slot)
    before, child_start, children = derived
    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("<i4", (tokens,)),
        ("<i8", (tokens + 1,)),
        ("|u1", (len(data),)),
        ("<i4", (count + 1,)),
        ("<i4", (count + 2,)),
        ("<i8", (count, 2)),
    ]
    if not are_shaped((token_slot, offsets, data, before, child_start, children), shapes):
        return False
    path, begun = np.empty(_DEEPEST + 1, np.uint8), np.empty(_DEEPEST + 1, np.int32)
    return bool(
        _tokens_are_valid(
            address_of(trie.nodes),
            count,
            address_of(trie.slot_start),
            address_of(trie.slot_ids),
            address_of(trie.slot_chars),
            address_of(token_slot),
            address_of(offsets),
            tokens,
            address_of(data),
            len(data),
            address_of(before),
            address_of(child_start),
            address_of(children),
            address_of(path),
            address_of(begun),
        )
    )
