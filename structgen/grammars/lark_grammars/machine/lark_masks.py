"""Computes masks of Lark grammars in compiled code: the set of tokens after which some text goes on.

A *record* lists what each token does inside a lexeme, whatever the parser's stack (`lexeme_masks` of
`machine_core`). Tokens that end a lexeme go on in another, smaller trie of token endings; such small tries
are walked with the real stack.
"""

from __future__ import annotations

from structgen.base.native.bit_rows import set_bits
from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import skip
from structgen.grammars.lark_grammars.machine.lark_layout import (
    NOTHING_READ,
    READING_WORDS,
    WALK_WORDS,
    WHOLE_MASK,
    LarkContext,
)
from structgen.grammars.lark_grammars.machine.memo import (
    class_lives,
    copy_equal_mask,
    lexeme_lives,
    recall_result,
    remember_result,
    unit_of,
)
from structgen.grammars.lark_grammars.machine.parser import behind_lexeme, start_state_behind
from structgen.grammars.lark_grammars.machine.steps import put_readings, read_byte, readings_end
from structgen.machines.machine_core.interning import ask_room
from structgen.machines.machine_core.layout import ASKED, ENDED, FINISHED, LARGE
from structgen.machines.machine_core.lexeme_layout import FULL, Pending, Trie
from structgen.machines.machine_core.lexeme_masks import add_tokens, begin_mask, collect_tokens, emit_mask
from structgen.machines.machine_core.lexeme_records import nodes_of, slots_of, tokens_of
from structgen.machines.machine_core.masks import memoise_mask, write_mask
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of

# --- what records ask of the parser (`lexeme_layout.Hooks`) -----------------------------------------------


@entry("int64(int64, int64, int64, int64)")
def place_behind(address: int, place: int, terminal: int, column: int) -> int:
    """Return the place after a lexeme that is a `terminal`, REFUSED, or ASKED. `place`: before it; `column`:
    of a newline, as in `place_behind(address, place, newline, 4)`. `address`: of the block."""
    return behind_lexeme(LarkContext(address), place, terminal, column)


@entry("int64(int64, int64, int64)")
def state_behind(address: int, place: int, carry: int) -> int:
    """Return the lexer's state before a lexeme at a place after a carry; below 0: none, or ASKED."""
    return start_state_behind(LarkContext(address), place, carry, 0)


@entry("int64(int64, int64, int64, int64)")
def group_lives(address: int, place: int, end_class: int, column: int) -> int:
    """Return 1 if some text goes on at a `place` after a class of endings `end_class`, 0, or ASKED
    (`class_lives`, also for `column`). `address`: of the block."""
    return class_lives(LarkContext(address), place, end_class, column)


@entry("int64(int64, int64)")
def walk_small(address: int, pending: int) -> int:
    """Add the wanted tokens of a small trie to the mask. Returns 0, ASKED, or FULL."""
    return add_walked(LarkContext(address), Pending(pending))


# --- small tries are walked on the real stack ---------------------------------------------------------------


@jit
def walk_trie(
    c: LarkContext,
    trie: Trie,
    place: int,
    state: int,
    column: int,
) -> int:
    """Append to `tokens` those of a `trie` that may come in a reading: a `place`, a `state` of the lexer, a
    `column`. Return 0, ASKED, or FULL. After ASKED the caller takes the tokens back, as `add_walked` does.
    `c`: the block."""
    nodes = nodes_of(c, trie)
    slots = slots_of(c, trie)
    ids = tokens_of(c, trie)
    room = c.walks
    token_list = c.tokens
    begin = token_list.count
    is_asked = False
    # Spot 0 has the reading before the trie, spot d the readings after d bytes.
    room[0] = 1
    room[1] = place
    room[2] = state
    room[3] = column
    node = 0
    while node < trie.count:
        word = nodes[node]
        depth = depth_of(word)
        reading_count = read_byte(c, depth - 1, depth, byte_of(word))
        if reading_count == FULL:
            return FULL
        is_asked = is_asked or reading_count == ASKED
        if reading_count <= 0:
            node = end_of(word)  # past the subtree: nodes are in depth-first order
            continue
        there = skip(room, WALK_WORDS * depth)
        slot = slot_of(word)
        if slot:  # tokens end at this node
            is_live = 0
            for i in range(reading_count):
                if is_live != 1:
                    reading = skip(there, 1 + READING_WORDS * i)
                    code = lexeme_lives(c, reading[0], reading[1], reading[2])
                    is_live = code if code != 0 else is_live
            is_asked = is_asked or is_live == ASKED
            if is_live == 1:
                first = slots[slot - 1]
                last = slots[slot]
                new_count = token_list.count + last - first + 1
                if new_count > token_list.capacity:
                    ask_room(c, token_list, new_count - begin)  # those so far are taken back
                    return ASKED
                for i in range(first, last):
                    token_list[token_list.count] = ids[i]
                    token_list.count = token_list.count + 1
        node += 1
    return ASKED if is_asked else 0


@jit
def add_walked(c: LarkContext, pending: Pending) -> int:
    """Add the wanted tokens of a small trie to the mask, walked once for all places that agree in what the
    walk reads. Returns 0, ASKED, or FULL."""
    place = pending.place
    unit = unit_of(c, pending.trie, pending.lexeme, pending.column)
    if unit < 0:
        return ASKED
    list_start = recall_result(c, unit, place)
    token_list = c.tokens
    if list_start < 0:
        low = c.low
        begin = token_list.count
        c.low = NOTHING_READ
        code = walk_trie(c, c.tries[pending.trie], place, pending.lexeme, pending.column)
        # One more word for the -1 that ends the list.
        if code == 0 and token_list.count == token_list.capacity:
            ask_room(c, token_list, 1 + token_list.count - begin)
            code = ASKED
        if code == 0:
            token_list[token_list.count] = -1
            token_list.count = token_list.count + 1
            list_start = begin
            code = remember_result(c, unit, place, begin)
        c.low = min(c.low, low)
        if code != 0:
            token_list.count = begin
            return code
    last = list_start
    while token_list[last] >= 0:
        last += 1
    return add_tokens(c, list_start, last, pending.byte_filter)


# --- whole masks --------------------------------------------------------------------------------------------


@entry("int64(int64, int64, int64)")
def compute_mask(address: int, index: int, target: int) -> int:
    """Work out a state's mask, memoise it, and write it to `target` (0: nowhere). Returns 0; ASKED; FULL;
    ENDED after an end token; LARGE where the mask is too long for a list: it is then in `mask` alone."""
    c = LarkContext(address)
    node = c.nodes[index]
    if node.registers.mode == FINISHED:
        return ENDED
    if copy_equal_mask(c, index):
        return write_mask(c, node, target)
    begin_mask(c)
    c.low = NOTHING_READ
    # The mask of a state is the union of those of its readings.
    state = index
    is_asked = False
    while state >= 0:
        reading = c.nodes[state].registers
        code = collect_tokens(c, reading.place, reading.lexeme, reading.column)
        if code == FULL:
            return FULL
        is_asked = is_asked or code != 0
        state = reading.others
    may_end = ASKED if put_readings(c, index, 0) < 0 else readings_end(c, 0)
    if is_asked or may_end == ASKED:
        return ASKED
    if may_end:
        set_bits(c.mask, c.ends, c.end_count)
    emit_mask(c)
    code = LARGE
    if c.buffer_count < c.vocabulary.mask_words:
        code = memoise_mask(c, node, c.base_row, target)
    # With one reading, other places that agree in what was read have the same mask (`copy_mask`).
    if (code == 0 or code == LARGE) and node.registers.others < 0:
        unit = unit_of(c, WHOLE_MASK, node.registers.lexeme, node.registers.column)
        if unit >= 0:
            remember_result(c, unit, node.registers.place, index)
    return code
