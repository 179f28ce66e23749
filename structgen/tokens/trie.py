"""Make the byte trie of a vocabulary, as flat arrays that compiled code walks through.

A *trie* is a tree of the strings of all tokens: each *node* stands for a beginning of strings, and its *byte*
is the last byte of this beginning. A *walk* visits the nodes in order, to find the tokens that a text may go
on with.

A node is one 64-bit word (`trie_nodes`). The nodes are in depth-first pre-order, children by byte. So the
word after a node is its first child, and the word at the index `end` of a node is the first node after its
subtree. The root has no word. Strings that are equal share a *slot*; slots are numbered in the order of the
nodes. For example, "a", "ab" and "c" are the nodes a, b, c with the slots 0, 1, 2; the `end` of a is 2.

A *signature* is a set of 128 classes of bytes, in two words. It has the classes of all characters in a
subtree. A walk may know that characters of some classes do not change the state of its automaton. Then it
skips each subtree whose signature has only such classes, since all its strings are allowed. The classes:

    bit b   the ASCII byte b, for 0x20 to 0x7f, and the bytes 0x09, 0x0a, 0x0d
    bit 0   any other control byte
    bit 1   a complete, well-formed character outside ASCII (Unicode 15, table 3-7) that is not of bit 3
    bit 3   white space and line terminators outside ASCII, as `\\s` has them (ECMA-262, 22.2.2.9)
    bit 2   anything that is not well-formed UTF-8, read from the byte of the node on: a continuation byte
            with nothing before it, a character that the string cuts off, an overlong form, a surrogate, a
            value past U+10FFFF
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from structgen.base.errors import TokenizerError
from structgen.base.native.array_types import ByteArray, Int32Array, Int64Array, UInt64Array
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
"""The most bytes of a string."""
MAX_SLOTS: Final = SLOT_BITS
"""The most distinct strings."""
MAX_NODES: Final = END_BITS
"""The most nodes."""


class TrieArrays(NamedTuple):
    """A byte trie of n nodes and s slots."""

    nodes: UInt64Array
    """[n]: the words of the nodes, in depth-first pre-order, without the root."""
    sig: UInt64Array
    """[n, 2]: the classes of all strings in the subtree, read from the byte of the node on."""
    first: Int32Array
    """[257]: the child of the root for each byte, -1 where there is none; the last entry is n."""
    slot_start: Int32Array
    """[s + 1]: the ids of slot `k` are slot_ids[slot_start[k] : slot_start[k + 1]]."""
    slot_ids: Int32Array
    """The ids of all slots, slot by slot, ascending in each."""
    slot_len: Int32Array
    """[s]: the number of bytes of the string of each slot."""


def build_trie(data: ByteArray, offsets: Int64Array) -> TrieArrays:
    """Return the trie of the strings `data[offsets[i]:offsets[i + 1]]`; string `i` has the id `i`.

    Equal strings share a slot; empty strings are left out. Raises TokenizerError where a string is too long,
    or where there are too many strings or nodes for the layout. Cost: 20 to 100 ns for each byte, depending
    on whether the strings fit into the processor's cache. The first call of a process loads the compiled
    code; the first call after an installation compiles it, which takes seconds.
    """
    lengths = np.diff(offsets)
    if len(lengths):
        longest = int(lengths.argmax())
        if lengths[longest] > MAX_STRING:
            raise TokenizerError(
                f"{lengths[longest]:,} bytes exceed the limit of a byte trie, {MAX_STRING:,}.",
                where=f"token {longest}",
                cure="Pass None for it: it is then a special token, never allowed as text.",
            )
    nodes, slots, arrays = trie_kernel(data, offsets)
    if nodes > MAX_NODES or slots > MAX_SLOTS:
        quantity, limit = ("nodes", MAX_NODES) if nodes > MAX_NODES else ("distinct tokens", MAX_SLOTS)
        raise TokenizerError(
            f"The byte trie has more than {limit:,} {quantity}, the limit of its layout.",
            cure="Use a smaller vocabulary.",
        )
    return TrieArrays(*arrays)


@jit
def _character_size(data: Any, at: int, end: int) -> int:
    """Return the size in bytes of the well-formed character at `at`, before `end`; 0 where there is none
    (Unicode 15, table 3-7)."""
    lead = data[at]
    if lead < 0x80:
        return 1
    if lead < 0xC2 or lead > 0xF4:
        return 0
    size = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if at + size > end:
        return 0
    # After these first bytes, the second byte has narrower bounds. They exclude overlong forms, surrogates,
    # and values past U+10FFFF.
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
    """Return whether the character of `size` bytes at `at`, outside ASCII, is white space (bit 3)."""
    point: Any = data[at] & (0xFF >> (size + 1))
    for i in range(at + 1, at + size):
        point = point << 6 | data[i] & 63
    for space in (0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF):
        if point == space:
            return True
    return 0x2000 <= point <= 0x200A


_CHILD, _SIBLING, _HEAD, _TAIL = range(4)
"""The columns of `links`, for a node of the trie under construction: its first child, its next sibling
(siblings ascend by byte), and the first and the last string that end there; -1: none."""


@jit
def _sign_nodes(
    data: Any,
    start: int,
    end: int,
    path: Any,
    suffix: Any,
    signs: Any,
) -> None:
    """Add the classes of a string's characters to the signatures of its nodes.

    The string is `data[start:end]`. `path`: the node of each of its bytes. `signs`: the signature of each
    node; it is changed. `suffix`: room for the signatures of `data[at:end]`. They are computed from the end
    backwards: each is the class of its first character, and the signature of what follows this character.
    """
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
    """Bring the nodes into depth-first order; return the arrays of TrieArrays.

    Before, the nodes are in the order in which they were made. `root`: the child of the root for each byte,
    -1 for none. `byte`, `links`, `signs`: the byte, the links (columns `_CHILD` to `_TAIL`) and the
    signature of each node. `again`: for each string the next equal string, -1 for none. `used`, `slots`,
    `string_count`: the numbers of nodes, of distinct strings and of strings.
    """
    nodes = np.empty(used, np.uint64)
    sig = np.empty((used, 2), np.uint64)
    first = np.full(257, -1, np.int32)
    slot_start = np.zeros(slots + 1, np.int32)
    slot_ids = np.empty(string_count, np.int32)
    slot_len = np.empty(slots, np.int32)
    # for each depth: the node on the present path, and the index at which its word was written
    open_at = np.empty((MAX_STRING + 1, 2), np.int64)
    node_count = 0
    slot = 0
    id_count = 0
    for lead in range(256):
        node = root[lead]
        depth = 1
        if node >= 0:
            first[lead] = node_count
        while node >= 0:
            # Write the node. Then go to its first child; if there is none, go up to a node with a next
            # sibling, and write the `end` of each node that is left.
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
    """Return (number of nodes, number of slots, the arrays of TrieArrays in order).

    The parameters are those of `build_trie`; no string has more than MAX_STRING bytes. Where there are more
    than MAX_NODES nodes or MAX_SLOTS slots, the arrays are empty.
    """
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
            # Siblings ascend by byte: the search ends at the node of this byte, or where it has to be added.
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
        # Equal strings form a chain in the order of their ids: `again` leads from one to the next.
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
    """Return for each node the most characters that begin at its byte or below it, on one path.

    A character begins at each byte that is not a continuation byte (0x80 to 0xBF).
    """
    max_characters = np.zeros(len(nodes), np.int32)
    # for each depth: the largest result of the nodes of the present parent at this depth
    below = np.zeros(MAX_STRING + 2, np.int32)
    for i in range(len(nodes) - 1, -1, -1):
        depth = depth_of(np.int64(nodes[i]))
        # Going backwards, children come before their parent, so the entry below is complete. It is used once.
        here = below[depth + 1]
        below[depth + 1] = 0
        if nodes[i] & np.uint64(0xC0) != np.uint64(0x80):
            here += 1
        max_characters[i] = here
        below[depth] = max(below[depth], here)
    return max_characters
