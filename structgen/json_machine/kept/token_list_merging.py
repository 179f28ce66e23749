"""The lists of tokens of many states as they are written to a file: complete, equal ones once.

A list in T_LIST holds the tokens of its own in the order in which a walk met them, and names the terminals
whose tokens belong to it too. To merge them list by list from Python took three quarters of the time that it
takes to encode a grammar.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numba
import numpy as np
import numpy.typing as npt

from structgen.json_machine.tables.json_blocks import JsonContext, JsonTerminal
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import Int32s, Int64s, skip

if TYPE_CHECKING:
    from structgen.machine_core.growing_tables import GrowingTables


@jit
def shared_of(c: JsonContext, lists: Int32s, at: int, i: int) -> JsonTerminal:
    """Return the row of the terminal that stands in place `i` of a list's shared terminals."""
    return c.terminals[lists[at + 2 + i]]


@entry("int64(int64, int64, int64)")
def words_of_lists(context: int, offsets_address: int, count: int) -> int:
    """Return how many int32 `merge_lists` writes at most for the lists at `offsets` (int64[count])."""
    c = JsonContext(context)
    offsets = Int64s(offsets_address)
    lists, total = c.lists.numbers, 0
    for n in range(count):
        at = offsets[n]
        total += 2 + lists[at]
        for i in range(lists[at + 1]):
            total += shared_of(c, lists, at, i).count
    return total


@jit
def put_all(c: JsonContext, lists: Int32s, at: int, target: Int32s) -> int:
    """Write the tokens of a list, in any order, some twice, to `target` (int32). Returns how many."""
    own, shared = lists[at], lists[at + 1]
    for i in range(own):
        target[i] = lists[at + 2 + shared + i]
    count = own
    for i in range(shared):
        row = shared_of(c, lists, at, i)
        tokens, more = row.tokens, row.count
        for j in range(more):
            target[count + j] = tokens[j]
        count += more
    return count


@jit
def is_same(one: Int32s, other: Int32s, count: int) -> bool:
    for i in range(count):
        if one[i] != other[i]:
            return False
    return True


@entry("int64(int64, int64, int64, int64, int64, int64, int64)")
def merge_lists(
    context: int,
    offsets_address: int,
    count: int,
    target_address: int,
    slots_address: int,
    mask: int,
    places_address: int,
) -> int:
    """Write the lists at `offsets` (int64[count]) to `target` (int32, room for `words_of_lists`): how many
    tokens, a zero, the tokens, some twice; and to `places` (int64[count]) where each begins. `slots`:
    int32[mask + 1] of -1. Returns the words in use. Cost: 1 ns a token."""
    c = JsonContext(context)
    offsets = Int64s(offsets_address)
    target = Int32s(target_address)
    slots = Int32s(slots_address)
    places = Int64s(places_address)
    lists, used = c.lists.numbers, 0
    for n in range(count):
        tokens = skip(target, used + 2)
        left = put_all(c, lists, offsets[n], tokens)
        h = numba.uint64(left)
        for i in range(left):
            h = (h ^ numba.uint64(tokens[i])) * numba.uint64(0x9E3779B97F4A7C15)
            h ^= h >> numba.uint64(32)
        slot = numba.int64(h & numba.uint64(mask))
        while True:
            known = slots[slot]
            if known < 0:
                slots[slot] = used
                target[used] = left
                target[used + 1] = 0
                places[n] = used
                used += 2 + left
                break
            if target[known] == left and is_same(skip(target, known + 2), tokens, left):
                places[n] = known
                break
            slot = (slot + 1) & mask
    return used


def merged(tables: GrowingTables, offsets: Iterable[int]) -> tuple[npt.NDArray[np.int32], dict[int, int]]:
    """Return the lists of tokens at some offsets of T_LIST, each content once, as a table of its own, and
    where each of the offsets went."""
    wanted = list(offsets)
    at = np.array(wanted, np.int64)
    room = words_of_lists(tables.address, address_of(at), len(at))
    target = np.empty(room, np.int32)
    size = 1 << (2 * len(at)).bit_length()
    slots, places = np.full(size, -1, np.int32), np.empty(len(at), np.int64)
    addresses = address_of(target), address_of(slots), size - 1, address_of(places)
    used = merge_lists(tables.address, address_of(at), len(at), *addresses)
    return target[:used].copy(), dict(zip(wanted, places.tolist(), strict=True))
