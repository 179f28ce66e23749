"""Masks: tokens are collected in a buffer, memoised in the row of their state, and written as bits.

A *mask* is one bit for each token: may it come next? A state keeps its mask in two parts: the number of a
*dense row* of the mask store (a row of bits that many states share; -1: none), and a list of further tokens.
Every machine has its own way to collect tokens. The result is remembered here, and one compiled call
(`fill_mask`) copies the known masks of every kind of grammar.
"""

from __future__ import annotations

from structgen.base.native.bit_rows import set_bits, trailing_zeros
from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import int64, uint64
from structgen.base.native.typed_blocks import Int32s, address_of_block, skip
from structgen.machines.machine_core.interning import ask_room
from structgen.machines.machine_core.layout import ASKED, MISS, Core, NodeRow


@jit
def emit_tokens(c: Core, tokens: Int32s, first: int, last: int) -> None:
    """Add tokens[first:last] to the buffer, which has room for the whole vocabulary twice.

    For example, `emit_tokens(c, tokens_of(c, trie), slots[0], slots[1])` adds the tokens of a trie's first
    slot.
    """
    buffer, count = c.buffer, c.buffer_count
    for i in range(first, last):
        buffer[count] = tokens[i]
        count += 1
    c.buffer_count = count


@jit
def emit_bits(c: Core, row: Int32s, but: Int32s) -> None:
    """Add the tokens of a row of bits to the buffer, without those of the row `but` (address 0: no row)."""
    buffer = c.buffer
    count = c.buffer_count
    is_less = address_of_block(but) != 0
    for i in range(c.vocabulary.mask_words):
        bits = uint64(row[i] & 0xFFFFFFFF)  # without the sign that an int32 carries over
        if is_less:
            bits &= ~uint64(but[i] & 0xFFFFFFFF)
        while bits:
            buffer[count] = 32 * i + int64(trailing_zeros(bits))
            bits &= bits - uint64(1)  # clears the lowest bit
            count += 1
    c.buffer_count = count


@jit
def write_mask(c: Core, node: NodeRow, address: int) -> int:
    """Write the memoised mask of a state to `address` (0: write nothing). Returns 0."""
    if address == 0:
        return 0
    target = Int32s(address)
    words = c.vocabulary.mask_words
    dense = node.dense_row
    if dense >= 0:
        source = skip(c.dense_rows, words * dense)
        for i in range(words):
            target[i] = source[i]
    else:
        for i in range(words):
            target[i] = 0
    tokens = skip(c.lists.numbers, node.token_list)
    set_bits(target, skip(tokens, 1), tokens[0])
    return 0


@jit
def copy_mask(c: Core, node: NodeRow, address: int) -> int:
    """Write the mask of a state to `address` (0: write nothing). Returns 0; MISS: it is not known yet.

    The state may stand for a state of another grammar, whose mask is then copied.
    """
    if node.token_list < -1:
        # The state stands for a state of another grammar, a part of this one (`NodeRow.token_list`).
        source = Core(node.dense_row)
        node = source.nodes[-2 - node.token_list]
        return MISS if node.token_list < 0 else write_mask(source, node, address)
    return MISS if node.token_list < 0 else write_mask(c, node, address)


@jit
def memoise_mask(c: Core, node: NodeRow, row: int, target: int) -> int:
    """Memoise the tokens in the buffer, and a dense row, as the mask of a state; write it to `target`.

    `row`: the number of the dense row (-1: none). `target`: an address (0: write nothing). Returns 0; ASKED:
    room in the lists was asked for, and nothing is memoised.
    """
    count, used = c.buffer_count, c.lists.count
    if used + count + 1 > c.lists.capacity:
        ask_room(c, c.lists, count + 1)
        return ASKED
    tokens = skip(c.lists.numbers, used)
    buffer = c.buffer
    tokens[0] = count
    for i in range(count):
        tokens[1 + i] = buffer[i]
    c.lists.count = used + 1 + count
    node.dense_row = row
    # The list comes last. Readers take no lock, and a list says that the whole mask is there.
    node.token_list = used
    return write_mask(c, node, target)


@entry("int64(int64, int64, int64)")
def fill_mask(context: int, index: int, target: int) -> int:
    """Write the mask of the state `index` to the address `target`, as int32 words.

    Returns 0; MISS: the mask is not known yet. It takes no lock.
    """
    c = Core(context)
    return copy_mask(c, c.nodes[index], target)
