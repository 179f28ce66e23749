"""Rows of tables and the mask of a state, as every compiled machine has them, under Lark's own types."""

from __future__ import annotations

import numba

from structgen.json_machine.masks import mask_filling
from structgen.json_machine.tables.layout import Q_ROOM
from structgen.lark_grammars.compiled.registers import MOST_NOTED, LarkContext, LarkNode
from structgen.native.blocks import Block, Int32s, TableHeader, Words, address_of_block, skip
from structgen.native.jit import jit

_remember = mask_filling.remember


@jit
def ask_room(c: LarkContext, table: TableHeader, rows: int) -> None:
    """Ask for room in a table."""
    questions = c.questions
    if questions.count < MOST_NOTED:
        question = questions.asked[questions.count]
        question.kind = Q_ROOM
        question.first = address_of_block(table)
        question.second = rows
        questions.count = questions.count + 1


@jit
def hash_words(row: Words, words: int) -> int:
    """Return a non-negative mix of a row's leading words."""
    h = numba.uint64(0x9E3779B97F4A7C15)
    for i in range(words):
        h = (h ^ numba.uint64(row[i])) * numba.uint64(0xFF51AFD7ED558CCD)
        h = h ^ (h >> numba.uint64(32))
    return numba.int64(h & numba.uint64(0x3FFFFFFFFFFFFFFF))  # type: ignore[no-any-return]


@jit
def find(table: TableHeader, words: int, row: Block) -> int:
    """Return the number of the row with these leading words, or -1."""
    key, rows, stride = Words(address_of_block(row)), Words(table.address), table.stride
    slots, mask = table.slots, table.mask
    at = hash_words(key, words) & mask
    while True:
        found = slots[at]
        if found < 0:
            return -1
        other = skip(rows, stride * found)
        same = True
        for i in range(words):
            if other[i] != key[i]:
                same = False
                break
        if same:
            return found
        at = (at + 1) & mask


@jit
def intern(c: LarkContext, table: TableHeader, words: int, row: Block) -> int:
    """Return the number of the row, added if it is new; -1 when room must be made, which is asked for."""
    found = find(table, words, row)
    if found >= 0:
        return found
    count, mask = table.count, table.mask
    if count >= table.capacity or 2 * count > mask:
        ask_room(c, table, 1)
        return -1
    key, stride, slots = Words(address_of_block(row)), table.stride, table.slots
    target = skip(Words(table.address), stride * count)
    for i in range(stride):
        target[i] = key[i]
    at = hash_words(key, words) & mask
    while slots[at] >= 0:
        at = (at + 1) & mask
    slots[at] = count
    table.count = count + 1
    return count


@jit
def emit(c: LarkContext, tokens: Int32s, first: int, last: int) -> None:
    """Add tokens to the buffer (it holds a whole vocabulary twice)."""
    buffer, count = c.buffer, c.buffer_count
    for i in range(first, last):
        buffer[count] = tokens[i]
        count += 1
    c.buffer_count = count


@jit
def remember(c: LarkContext, node: LarkNode, row: int, target: int) -> int:
    """Memoise the tokens in the buffer with a dense row (-1: none) as a state's mask."""
    return _remember(address_of_block(c), address_of_block(node), row, target)


@jit
def is_end(c: LarkContext, token: int) -> bool:
    """Return whether a token ends a text."""
    ends = c.ends
    for i in range(c.end_count):  # noqa: SIM110
        if ends[i] == token:
            return True
    return False
