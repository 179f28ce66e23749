"""Masks of a compiled text grammar: walks of the trie through its table of steps, and records.

Of a state after which few tokens may come the trie is walked. The tokens of others are those of records
(`machine_core.lexeme_masks`): of the state itself, or of its readings, where its language has lexemes. A
state inside a part has the part's mask, and the tokens that leave the part.
"""

from __future__ import annotations

from structgen.base.native.bit_rows import set_bits
from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import call2, call5
from structgen.base.native.typed_blocks import Int32s, address_of_block, skip
from structgen.grammars.text_grammars.machine.stepping import (
    BEGUN,
    ENDS,
    INSIDE,
    NEVER,
    OUTSIDE,
    READ,
    READINGS,
    STOPS,
    TextContext,
    TextState,
    end_token,
    follow,
    forward,
)
from structgen.machines.machine_core.interning import ask, edge_key, find
from structgen.machines.machine_core.layout import ASKED, LARGE, MISS, REFUSED, Core
from structgen.machines.machine_core.lexeme_layout import ASK_START, FULL, UNKNOWN
from structgen.machines.machine_core.lexeme_masks import begin_mask, collect, emit_mask
from structgen.machines.machine_core.lexeme_records import put_found, scan_trie
from structgen.machines.machine_core.masks import copy_mask, emit, memoise
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of

# --- what scans and records ask (`lexeme_layout.Hooks`) -----------------------------------------------------


@entry("int64(int64, int64, int64)")
def state_after(context: int, index: int, byte: int) -> int:
    """Return the state after a byte, REFUSED, or ASKED."""
    return follow(TextContext(context), index, byte)


@entry("int64(int64, int64)")
def state_at_end(context: int, index: int) -> int:
    """Return the state after the end of a token, REFUSED, or ASKED."""
    return end_token(TextContext(context), index)


@jit
def told(c: TextContext, kind: int, place: int, what: int) -> int:
    """Return what is told of a place; ASKED where it is not known."""
    edge = find(c.edges, 3, edge_key(c, place, what, kind))
    if edge < 0:
        ask(c, ASK_START, kind, place, what)
        return ASKED
    return c.edges[edge].target


@entry("int64(int64, int64, int64, int64)")
def place_behind(context: int, place: int, terminal: int, column: int) -> int:
    """Return the place behind a terminal, REFUSED, or ASKED."""
    return told(TextContext(context), READ, place, terminal)


@entry("int64(int64, int64, int64)")
def state_behind(context: int, place: int, carry: int) -> int:
    """Return the lexer's state before the first byte at a place; REFUSED: nothing follows; or ASKED."""
    return told(TextContext(context), BEGUN, place, 0)


# --- masks --------------------------------------------------------------------------------------------------


@jit
def finish(c: TextContext, index: int, count: int, row: int, target: int) -> int:
    """Memoise the tokens that were found (-1: those of `mask` that a dense row does not have) as a state's
    mask, with the special and the end tokens that are allowed, and write it to `target` (0: nowhere). Returns
    0, ASKED for room, or LARGE where the list would be as long as a row: all is then in `mask`."""
    ends = c.end_count if c.may_end[index] != 0 else 0
    if count + c.special_count + ends >= c.vocabulary.mask_words:
        begin_mask(c)
        set_bits(c.mask, c.found, count)
        count = -1
    if count < 0:
        set_bits(c.mask, c.specials, c.special_count)
        set_bits(c.mask, c.ends, ends)
        emit_mask(c)
        if c.buffer_count >= c.vocabulary.mask_words:
            return LARGE
    else:
        c.buffer_count = 0
        emit(c, c.found, 0, count)
        emit(c, c.specials, 0, c.special_count)
        emit(c, c.ends, 0, ends)
    return memoise(c, c.nodes[index], row, target)


@jit
def collected(c: TextContext, index: int, target: int) -> int:
    """Memoise the mask of a state whose tokens are those of records. Returns as `compute`."""
    code, at, count = 0, 0, 1
    if c.hooks.read:
        at = told(c, READINGS, index, 0)
        if at < 0:
            return ASKED
        count = c.readings[at]
    begin_mask(c)
    for i in range(count):
        place, state = 0, index
        if c.hooks.read:
            place, state = c.readings[at + 2 * i + 1], c.readings[at + 2 * i + 2]
        answer = collect(c, place, state, 0)
        code = answer if answer != 0 and code != FULL else code
    return code if code != 0 else finish(c, index, -1, c.base_row, target)


@jit
def read_state(c: TextContext, index: int, target: int) -> int:
    """Memoise the mask of a state outside parts. Returns as `compute`."""
    nodes, firsts, asked = 0, c.vocabulary.first, False
    if c.hooks.read:
        return collected(c, index, target)
    for byte in range(256):
        if firsts[byte] >= 0:
            after = follow(c, index, byte)
            asked = asked or after == ASKED
            if after >= 0:
                nodes += end_of(c.vocabulary.trie[firsts[byte]]) - firsts[byte]
    if asked:
        return ASKED
    if nodes > c.least_nodes and c.hooks.token_end == 0:
        return collected(c, index, target)
    count = scan_trie(c, 0, index, -1)
    return count if count < 0 else finish(c, index, count, -1, target)


@jit
def read_below(c: TextContext, index: int, top: int) -> bool:
    """Add to `found` the tokens below a node of the trie whose bytes behind the node's can be read from a
    state on. Returns whether all is known; else questions are noted."""
    v, depths, node, is_known = c.vocabulary, c.depths, top + 1, True
    depths[0].lexeme = index
    while node < end_of(v.trie[top]):
        word = v.trie[node]
        depth, slot = depth_of(word) - depth_of(v.trie[top]), slot_of(word)
        after = depths[depth].lexeme = follow(c, depths[depth - 1].lexeme, byte_of(word))
        ended = end_token(c, after) if slot and after >= 0 else REFUSED
        if ended >= 0:
            put_found(c, v.slot_ids, v.slot_start[slot - 1], v.slot_start[slot])
        is_known = is_known and after != ASKED and ended != ASKED
        node = node + 1 if after >= 0 else end_of(word)
    return is_known


@jit
def read_behind(c: TextContext, index: int, nodes: Int32s, count: int) -> int:
    """Find the tokens below some nodes of the trie whose bytes behind the node's can be read from a state on;
    some may stand in `found` twice. Returns how many, ASKED, or FULL. They are read byte by byte: the states
    of the lexer, of a language with lexemes, are others."""
    is_known = True
    c.scan.owner, c.scan.found, c.scan.is_full = 0, 0, 0
    for i in range(count):
        is_known = read_below(c, index, nodes[i]) and is_known
    if c.scan.is_full:
        return FULL
    return c.scan.found if is_known else ASKED


@entry("int64(int64, int64, int64, int64)")
def leaving(context: int, index: int, nodes: int, count: int) -> int:
    """Find the tokens below some nodes (int32) that go on behind the part, from a state. Returns how many,
    ASKED, or FULL (`read_behind`)."""
    return read_behind(TextContext(context), index, Int32s(nodes), count)


@jit
def join_part(c: TextContext, index: int, target: int) -> int:
    """Memoise the mask of a state inside a part: the part's own mask, and the tokens that leave the part.
    Returns as `compute`."""
    node = c.nodes[index]
    state = TextState(address_of_block(node))
    v = c.visits[state.visit]
    if v.take == 0 or v.wanted == UNKNOWN:
        return UNKNOWN
    if call2(v.standing, v.context, state.state) != NEVER and c.may_end[index] == 0:
        return UNKNOWN
    ends, left = skip(Int32s(address_of_block(c.scratch)), ENDS), 0
    if v.wanted != 0:
        left = call5(v.ends_below, v.context, state.state, v.wanted, STOPS, address_of_block(ends))
    if left == 0:
        forward(c, index)
        return copy_mask(c, node, target)
    part = Core(v.context)
    own = part.nodes[state.state]
    if own.token_list < 0:
        return MISS
    if left < 0 or v.behind < 0:
        return UNKNOWN
    count = read_behind(c, v.behind, ends, left)
    if count < 0:
        return count
    c.buffer_count = 0
    emit(c, c.found, 0, count)
    listed = skip(part.lists.numbers, own.token_list)
    emit(c, skip(listed, 1), 0, listed[0])
    if c.buffer_count >= c.vocabulary.mask_words:
        return UNKNOWN
    return memoise(c, node, own.dense_row, target)


@entry("int64(int64, int64, int64)")
def compute(context: int, index: int, target: int) -> int:
    """Memoise the mask of a state, and write it to `target` (0: nowhere). Returns 0; ASKED; FULL; MISS where
    that of a part is not known; LARGE where the mask is too long for a list, and in `mask` alone; UNKNOWN
    where Python must work it out."""
    c = TextContext(context)
    code = copy_mask(c, c.nodes[index], target)
    if code != MISS or c.nodes[index].token_list < -1:
        return code
    if c.inside[index] == OUTSIDE:
        return read_state(c, index, target)
    return join_part(c, index, target) if c.inside[index] == INSIDE else UNKNOWN
