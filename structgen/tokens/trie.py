"""The byte trie as flat arrays in depth-first order, with signatures: what the compiled walk reads.

A node is one 64-bit word (`trie_nodes`), so that a walk reads one stream of memory. Nodes lie in depth-first
pre-order, children by byte: the next word is the first child, and the word at the node's `end` is the first
node after the subtree. The root has no word. Strings that are equal share a *slot*; slots are numbered in the
order in which the walk meets them.

A *signature* is a set of 128 classes of bytes (two words). A walk that knows which classes leave an automaton
where it is takes a subtree as a whole whose signature holds none but those:

    bit b   the ASCII byte b, 0x20 to 0x7f, and the bytes 0x09, 0x0a, 0x0d
    bit 0   any other control byte
    bit 1   a complete, well-formed character outside ASCII (Unicode 15, table 3-7), but for those of bit 3
    bit 3   white space and line terminators outside ASCII, as `\\s` has them (ECMA-262, 22.2.2.9)
    bit 2   anything that is not well-formed UTF-8 when read from the node's own byte on: a continuation byte
            with nothing before it, a character that the string cuts off, an overlong form, a surrogate, a
            value past U+10FFFF
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.base.errors import TokenizerError
from structgen.base.native.jit import entry, jit
from structgen.tokens.trie_nodes import (
    DEPTH_BITS,
    DEPTH_SHIFT,
    END_BITS,
    END_SHIFT,
    SLOT_BITS,
    SLOT_SHIFT,
    depth_of,
)

MAX_STRING: Final = DEPTH_BITS
"""Bytes of the longest string."""
MAX_SLOTS: Final = SLOT_BITS
"""Distinct strings."""
MAX_NODES: Final = END_BITS
"""Nodes."""


class TrieArrays(NamedTuple):
    """A byte trie of n nodes and s slots."""

    nodes: npt.NDArray[np.uint64]
    """[n], in depth-first pre-order, children by byte, without the root."""
    sig: npt.NDArray[np.uint64]
    """[n, 2]: the union of the signatures of the subtree's strings, from this node's own byte on."""
    first: npt.NDArray[np.int32]
    """[257]: the root's child for each byte, -1 where there is none; last, n."""
    slot_start: npt.NDArray[np.int32]
    """[s + 1]: slot k's ids are slot_ids[slot_start[k] : slot_start[k + 1]]."""
    slot_ids: npt.NDArray[np.int32]
    """The ids of every slot, ascending in each."""
    slot_len: npt.NDArray[np.int32]
    """[s]: bytes of the string."""


def build_trie(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> TrieArrays:
    """The trie of the strings data[offsets[i]:offsets[i + 1]], each with the id i.

    Equal strings share a slot; empty strings have no node and are left out. Cost: 20 to 100 ns a byte, as the
    strings fit the processor's cache or not; the first call of a process loads the compiled code, the first
    after installation compiles it (seconds). Raises TokenizerError where a string, the strings or the nodes
    pass the limits of the layout.
    """
    lengths = np.diff(offsets)
    if len(lengths):
        longest = int(lengths.argmax())
        if lengths[longest] > MAX_STRING:
            raise TokenizerError(
                f"{lengths[longest]:,} bytes are more than the {MAX_STRING:,} that a byte trie takes.",
                where=f"token {longest}",
                cure="Pass None for it: it is then a special token, never allowed as text.",
            )
    nodes, slots, arrays = trie_kernel(data, offsets)
    if nodes > MAX_NODES or slots > MAX_SLOTS:
        quantity, limit = ("nodes", MAX_NODES) if nodes > MAX_NODES else ("distinct tokens", MAX_SLOTS)
        raise TokenizerError(
            f"The byte trie has more than {limit:,} {quantity}, the most that its layout takes.",
            cure="Use a smaller vocabulary.",
        )
    return TrieArrays(*arrays)


@jit
def _character_size(data: Any, at: int, end: int) -> int:
    """Return the size of the well-formed character at `at`, in bytes; 0 where there is none (Unicode 15,
    table 3-7)."""
    lead = data[at]
    if lead < 0x80:
        return 1
    if lead < 0xC2 or lead > 0xF4:
        return 0
    size = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if at + size > end:
        return 0
    # Behind these leads the second byte has narrower bounds: no form that is too long, no surrogate, nothing
    # past U+10FFFF.
    low, high = 0x80, 0xBF
    if lead == 0xE0:
        low = 0xA0
    elif lead == 0xED:
        high = 0x9F
    elif lead == 0xF0:
        low = 0x90
    elif lead == 0xF4:
        high = 0x8F
    if data[at + 1] < low or data[at + 1] > high:
        return 0
    for i in range(at + 2, at + size):
        if data[i] < 0x80 or data[i] > 0xBF:
            return 0
    return size


@jit
def _is_space(data: Any, at: int, size: int) -> Any:
    # Whether a character outside ASCII is of bit 3.
    point: Any = data[at] & (0xFF >> (size + 1))
    for i in range(at + 1, at + size):
        point = point << 6 | data[i] & 63
    for space in (0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF):
        if point == space:
            return True
    return 0x2000 <= point <= 0x200A


_CHILD, _SIBLING, _HEAD, _TAIL = range(4)
"""Of a node of the trie in order of insertion: the first child, the next sibling (they ascend), the
first and the last string that ends there; -1: none."""


@jit
def _sign_nodes(
    data: Any,
    start: int,
    end: int,
    path: Any,
    suffix: Any,
    signs: Any,
) -> None:
    """Add the classes of a string's characters to the signatures of its nodes (`path`).

    From the back: the signature of data[at:end] is that of its first character and of what follows it."""
    suffix[end - start, 0] = suffix[end - start, 1] = 0
    for at in range(end - 1, start - 1, -1):
        size = _character_size(data, at, end)
        if size == 1:
            bit = int(data[at])
            if bit < 0x20 and bit != 0x09 and bit != 0x0A and bit != 0x0D:
                bit = 0
        else:
            bit = 2 if size == 0 else (3 if _is_space(data, at, size) else 1)
        place = at - start
        for half in range(2):
            both = suffix[place + max(size, 1), half]
            if bit >> 6 == half:
                both |= np.uint64(1) << np.uint64(bit & 63)
            suffix[place, half] = both
            signs[path[place], half] |= both


@jit
def _lay_out(
    root: Any,
    byte: Any,
    links: Any,
    again: Any,
    signs: Any,
    used: int,
    slots: int,
    string_count: int,
) -> Any:
    """Return the arrays of TrieArrays, of a trie in order of insertion.

    `root`: the first node for each byte, -1 for none. `byte`, `links`, `signs`: of each node its byte, its
    links (`_CHILD` and the other columns) and its signature. `again`: the next string equal to one, -1 for
    none. `used`, `slots`, `string_count`: how many nodes, different strings and strings there are.
    """
    nodes = np.empty(used, np.uint64)
    sig = np.empty((used, 2), np.uint64)
    first = np.full(257, -1, np.int32)
    slot_start = np.zeros(slots + 1, np.int32)
    slot_ids = np.empty(string_count, np.int32)
    slot_len = np.empty(slots, np.int32)
    open_at = np.empty((MAX_STRING + 1, 2), np.int64)  # of each depth the node, and where it was written
    node_count = 0
    slot = 0
    id_count = 0
    for lead in range(256):
        node = root[lead]
        depth = 1
        if node >= 0:
            first[lead] = node_count
        while node >= 0:
            # Write the node, then go to its first child, or close nodes up to one that has a next sibling.
            word = np.uint64(byte[node]) | np.uint64(depth) << np.uint64(DEPTH_SHIFT)
            string = links[node, _HEAD]
            if string >= 0:
                slot_len[slot] = depth
                while string >= 0:
                    slot_ids[id_count] = string
                    id_count += 1
                    string = again[string]
                slot += 1
                slot_start[slot] = id_count
                word |= np.uint64(slot) << np.uint64(SLOT_SHIFT)
            nodes[node_count] = word
            sig[node_count, 0], sig[node_count, 1] = signs[node, 0], signs[node, 1]
            open_at[depth, 0] = node
            open_at[depth, 1] = node_count
            node_count += 1
            node = links[node, _CHILD]
            depth += 1
            while node < 0 and depth > 1:
                depth -= 1
                nodes[open_at[depth, 1]] |= np.uint64(node_count) << np.uint64(END_SHIFT)
                node = links[open_at[depth, 0], _SIBLING] if depth > 1 else -1
    first[256] = node_count
    return nodes, sig, first, slot_start, slot_ids, slot_len


@entry(
    "Tuple((int64, int64, Tuple((uint64[::1], uint64[:, ::1], int32[::1], int32[::1], int32[::1],"
    " int32[::1]))))(uint8[::1], int64[::1])"
)
def trie_kernel(data: Any, offsets: Any) -> Any:
    """Return how many nodes and slots the trie has, and the arrays of TrieArrays in order, for strings of at
    most MAX_STRING bytes, as `build_trie` takes them. Where there are more than MAX_NODES or MAX_SLOTS, the
    arrays are empty."""
    count = len(offsets) - 1
    room = min(offsets[count] - offsets[0], MAX_NODES)
    root = np.full(256, -1, np.int32)
    byte = np.empty(room, np.uint8)
    links = np.empty((room, 4), np.int32)
    signs = np.zeros((room, 2), np.uint64)
    again = np.full(count, -1, np.int32)  # the next string equal to this one
    path = np.empty(MAX_STRING + 1, np.int32)
    suffix = np.empty((MAX_STRING + 1, 2), np.uint64)
    used = 0
    slots = 0
    string_count = 0
    for i in range(count):
        start, end = offsets[i], offsets[i + 1]
        if start == end:
            continue
        string_count += 1
        parent = -1
        for at in range(start, end):
            previous = -1
            here = data[at]
            node = root[here] if parent < 0 else links[parent, _CHILD]
            # Siblings ascend, so the search ends where a node of the byte stands or would stand.
            while parent >= 0 and node >= 0 and byte[node] < here:
                previous = node
                node = links[node, _SIBLING]
            if node < 0 or byte[node] != here:
                if used == MAX_NODES:
                    return (
                        MAX_NODES + 1,
                        0,
                        _lay_out(np.full(256, -1, np.int32), byte, links, again, signs, 0, 0, 0),
                    )
                byte[used] = here
                links[used, _SIBLING] = node if parent >= 0 else -1
                links[used, _CHILD] = links[used, _HEAD] = -1
                if parent < 0:
                    root[here] = used
                elif previous < 0:
                    links[parent, _CHILD] = used
                else:
                    links[previous, _SIBLING] = used
                node = used
                used += 1
            path[at - start] = node
            parent = node
        # Equal strings are a chain, in the order of their ids: `again` leads from one to the next.
        if links[parent, _HEAD] < 0:
            links[parent, _HEAD] = i
            slots += 1
        else:
            again[links[parent, _TAIL]] = i
        links[parent, _TAIL] = i
        _sign_nodes(data, start, end, path, suffix, signs)
    if slots > MAX_SLOTS:
        return used, slots, _lay_out(np.full(256, -1, np.int32), byte, links, again, signs, 0, 0, 0)
    return used, slots, _lay_out(root, byte, links, again, signs, used, slots, string_count)


@entry("int32[::1](uint64[::1])")
def deepest_characters(nodes: Any) -> Any:
    """For each node, the most characters begun on a path from its own byte down (bytes
    that are no continuation bytes)."""
    max_characters = np.zeros(len(nodes), np.int32)
    # by depth: the most of the nodes there met since the last one above
    below = np.zeros(MAX_STRING + 2, np.int32)
    for i in range(len(nodes) - 1, -1, -1):
        depth = depth_of(np.int64(nodes[i]))
        # Backwards, children come before their parent: what is below is complete, and is counted once.
        here = below[depth + 1]
        below[depth + 1] = 0
        if nodes[i] & np.uint64(0xC0) != np.uint64(0x80):
            here += 1
        max_characters[i] = here
        below[depth] = max(below[depth], here)
    return max_characters
