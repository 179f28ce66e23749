"""Masks in compiled code: the tokens after which some text goes on, collected from records
(`machine_core.lexeme_masks`) and from walks on the real stack."""

from __future__ import annotations

from structgen.base.native.bit_rows import set_bits
from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import skip
from structgen.grammars.lark_grammars.machine.lark_layout import (
    NOTHING_READ,
    WALK_WORDS,
    WHOLE_MASK,
    LarkContext,
)
from structgen.grammars.lark_grammars.machine.memo import (
    class_lives,
    lives,
    recall,
    remember,
    same_mask,
    unit_of,
)
from structgen.grammars.lark_grammars.machine.parser import begun, read
from structgen.grammars.lark_grammars.machine.steps import put_readings, read_byte, readings_end
from structgen.machines.machine_core.interning import ask_room
from structgen.machines.machine_core.layout import ASKED, ENDED, FINISHED, LARGE
from structgen.machines.machine_core.lexeme_layout import FULL, Pending, Trie
from structgen.machines.machine_core.lexeme_masks import add_tokens, begin_mask, collect, emit_mask
from structgen.machines.machine_core.lexeme_records import nodes_of, slots_of, tokens_of
from structgen.machines.machine_core.masks import memoise, write_mask
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of

# --- what records ask of the parser (`lexeme_layout.Hooks`) -----------------------------------------------


@entry("int64(int64, int64, int64, int64)")
def place_behind(address: int, place: int, terminal: int, column: int) -> int:
    """Return the place behind a lexeme, REFUSED, or ASKED."""
    return read(LarkContext(address), place, terminal, column)


@entry("int64(int64, int64, int64)")
def state_behind(address: int, place: int, carry: int) -> int:
    """Return the lexer's state before a lexeme at a place behind a carry; below 0: none, or ASKED."""
    return begun(LarkContext(address), place, carry, 0)


@entry("int64(int64, int64, int64, int64)")
def group_lives(address: int, place: int, end_class: int, column: int) -> int:
    """Return 1 if some text goes on at a place behind a class of endings, 0, or ASKED."""
    return class_lives(LarkContext(address), place, end_class, column)


@entry("int64(int64, int64)")
def walk_small(address: int, pending: int) -> int:
    """Add the wanted tokens of a small trie to the mask. Returns 0, ASKED, or FULL."""
    return add_walked(LarkContext(address), Pending(pending))


# --- small tries are walked on the real stack ---------------------------------------------------------------


@jit
def walk(c: LarkContext, trie: Trie, place: int, state: int, column: int) -> int:
    """Append to `tokens` those of a trie that may come in a reading. Returns 0, ASKED, or FULL."""
    nodes, slots, ids, node = nodes_of(c, trie), slots_of(c, trie), tokens_of(c, trie), 0
    room, is_asked, listed = c.walks, False, c.tokens
    begin = listed.count
    room[0], room[1], room[2], room[3] = 1, place, state, column
    while node < trie.count:
        word = nodes[node]
        made = read_byte(c, depth_of(word) - 1, depth_of(word), byte_of(word))
        if made == FULL:
            return FULL
        is_asked = is_asked or made == ASKED
        if made <= 0:
            node = end_of(word)
            continue
        there, slot = skip(room, WALK_WORDS * depth_of(word)), slot_of(word)
        if slot:
            alive = 0
            for i in range(made):
                if alive != 1:
                    code = lives(c, there[1 + 3 * i], there[2 + 3 * i], there[3 + 3 * i])
                    alive = code if code != 0 else alive
            is_asked = is_asked or alive == ASKED
            if alive == 1:
                first, last = slots[slot - 1], slots[slot]
                if listed.count + last - first + 1 > listed.capacity:
                    ask_room(c, listed, listed.count + last - first + 1 - begin)  # they are taken back
                    return ASKED
                for i in range(first, last):
                    listed[listed.count] = ids[i]
                    listed.count = listed.count + 1
        node += 1
    return ASKED if is_asked else 0


@jit
def add_walked(c: LarkContext, pending: Pending) -> int:
    """Add the wanted tokens of a small trie to the mask, walked once for all places that agree in what the
    walk reads. Returns 0, ASKED, or FULL."""
    number, place, state, column = pending.trie, pending.place, pending.lexeme, pending.column
    unit = unit_of(c, number, state, column)
    if unit < 0:
        return ASKED
    known, listed = recall(c, unit, place), c.tokens
    if known < 0:
        low, begin = c.low, listed.count
        c.low = NOTHING_READ
        code = walk(c, c.tries[number], place, state, column)
        if code == 0 and listed.count == listed.capacity:
            ask_room(c, listed, 1 + listed.count - begin)
            code = ASKED
        if code == 0:
            listed[listed.count] = -1
            listed.count = listed.count + 1
            known = begin
            code = remember(c, unit, place, begin)
        c.low = min(c.low, low)
        if code != 0:
            listed.count = begin
            return code
    last = known
    while listed[last] >= 0:
        last += 1
    return add_tokens(c, known, last, pending.wanted)


# --- whole masks --------------------------------------------------------------------------------------------


@entry("int64(int64, int64, int64)")
def compute(address: int, index: int, target: int) -> int:
    """Work out a state's mask, memoise it, and write it to `target` (0: nowhere). Returns 0; ASKED; FULL;
    ENDED after an end token; LARGE where the mask is too long for a list: it is then in `mask` alone."""
    c = LarkContext(address)
    node = c.nodes[index]
    if node.registers.mode == FINISHED:
        return ENDED
    if same_mask(c, index):
        return write_mask(c, node, target)
    begin_mask(c)
    c.low = NOTHING_READ
    at, is_asked = index, False
    while at >= 0:
        reading = c.nodes[at].registers
        code = collect(c, reading.place, reading.lexeme, reading.column)
        if code == FULL:
            return FULL
        is_asked = is_asked or code != 0
        at = reading.others
    may_end = ASKED if put_readings(c, index, 0) < 0 else readings_end(c, 0)
    if is_asked or may_end == ASKED:
        return ASKED
    if may_end:
        set_bits(c.mask, c.ends, c.end_count)
    emit_mask(c)
    code = LARGE
    if c.buffer_count < c.vocabulary.mask_words:
        code = memoise(c, node, c.base_row, target)
    if (code == 0 or code == LARGE) and node.registers.others < 0:
        unit = unit_of(c, WHOLE_MASK, node.registers.lexeme, node.registers.column)
        if unit >= 0:
            remember(c, unit, node.registers.place, index)
    return code
