"""Computes the masks of a text grammar in compiled code.

A *mask* has one bit for each token: may it come next? It is computed in one of three ways:

- In a state after which few tokens may come, the vocabulary's trie is walked with the table of steps.
- In other states the tokens come from *records*, which list what each token does inside a lexeme
  (`machine_core.lexeme_masks`). They are records of the state itself, or of its *readings* (a place of the
  parser with a state of the lexer), where the language has lexemes.
- In a state inside a *part* (a grammar with masks of its own) it is the part's mask, with the tokens that
  leave the part.
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
    forward_mask,
    state_after_byte,
)
from structgen.machines.machine_core.interning import edge_key, find_row, note_question
from structgen.machines.machine_core.layout import ASKED, LARGE, MISS, REFUSED, Core
from structgen.machines.machine_core.lexeme_layout import ASK_START, FULL, UNKNOWN
from structgen.machines.machine_core.lexeme_masks import begin_mask, collect_tokens, emit_mask
from structgen.machines.machine_core.lexeme_records import put_found, scan_trie
from structgen.machines.machine_core.masks import copy_mask, emit_tokens, memoise_mask
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of

# --- what scans and records ask (`lexeme_layout.Hooks`) -----------------------------------------------------


@entry("int64(int64, int64, int64)")
def state_after(context: int, index: int, byte: int) -> int:
    """Return the state after a byte, REFUSED, or ASKED."""
    return state_after_byte(TextContext(context), index, byte)


@entry("int64(int64, int64)")
def state_at_end(context: int, index: int) -> int:
    """Return the state after the end of a token, REFUSED, or ASKED."""
    return end_token(TextContext(context), index)


@jit
def find_target(c: TextContext, kind: int, place: int, item: int) -> int:
    """Return an answer of the language about a place; ASKED, with the question noted, where it is not known.
    `kind`: READ, BEGUN or READINGS (`stepping`); `item`: the terminal, for READ. For example,
    `find_target(c, READ, place, terminal)` is the place after a terminal."""
    edge = find_row(c.edges, 3, edge_key(c, place, item, kind))
    if edge < 0:
        note_question(c, ASK_START, kind, place, item)
        return ASKED
    return c.edges[edge].target


@entry("int64(int64, int64, int64, int64)")
def place_behind(context: int, place: int, terminal: int, column: int) -> int:
    """Return the place after a terminal, REFUSED, or ASKED. `column`: unused (`Hooks.read_bytes`)."""
    return find_target(TextContext(context), READ, place, terminal)


@entry("int64(int64, int64, int64)")
def state_behind(context: int, place: int, carry: int) -> int:
    """Return the lexer's state before the first byte at a place; REFUSED: nothing follows; or ASKED."""
    return find_target(TextContext(context), BEGUN, place, 0)


# --- masks --------------------------------------------------------------------------------------------------


@jit
def finish_mask(c: TextContext, index: int, count: int, row: int, target: int) -> int:
    """Store the mask of a state, with the allowed special and end tokens, and write it to `target` (0:
    nowhere).

    `count`: the number of tokens in `found`; -1: the tokens are those of `mask` that the dense row `row` does
    not have. Returns 0; ASKED where there is no room; LARGE where a list would be as long as a row: then the
    whole mask is in `mask`."""
    ends = c.end_count if c.may_end[index] != 0 else 0
    if count + c.special_count + ends >= c.vocabulary.mask_words:
        # Too long for a list: the tokens are added to `mask`, as if they had been there from the beginning.
        begin_mask(c)
        set_bits(c.mask, c.tokens_found, count)
        count = -1
    if count < 0:
        set_bits(c.mask, c.specials, c.special_count)
        set_bits(c.mask, c.ends, ends)
        emit_mask(c)
        if c.buffer_count >= c.vocabulary.mask_words:
            return LARGE
    else:
        c.buffer_count = 0
        emit_tokens(c, c.tokens_found, 0, count)
        emit_tokens(c, c.specials, 0, c.special_count)
        emit_tokens(c, c.ends, 0, ends)
    return memoise_mask(c, c.nodes[index], row, target)


@jit
def memoise_records(c: TextContext, index: int, target: int) -> int:
    """Memoise the mask of a state whose tokens are those of records. Returns as `compute_mask`."""
    code = 0
    first = 0
    count = 1
    if c.hooks.read_bytes:
        # With lexemes, the state has several readings: their number, then a pair of numbers for each.
        first = find_target(c, READINGS, index, 0)
        if first < 0:
            return ASKED
        count = c.readings[first]
    begin_mask(c)
    for i in range(count):
        place = 0
        state = index
        if c.hooks.read_bytes:
            place = c.readings[first + 2 * i + 1]
            state = c.readings[first + 2 * i + 2]
        answer = collect_tokens(c, place, state, 0)
        # go on after ASKED, so that the questions of all readings are noted at once; FULL is the stronger
        code = answer if answer != 0 and code != FULL else code
    return code if code != 0 else finish_mask(c, index, -1, c.base_row, target)


@jit
def read_state(c: TextContext, index: int, target: int) -> int:
    """Memoise the mask of a state outside parts. Returns as `compute_mask`."""
    node_count = 0
    firsts = c.vocabulary.first
    has_questions = False
    if c.hooks.read_bytes:
        return memoise_records(c, index, target)
    # the number of nodes that a walk may visit: those below the bytes that may come first
    for byte in range(256):
        if firsts[byte] >= 0:
            after = state_after_byte(c, index, byte)
            has_questions = has_questions or after == ASKED
            if after >= 0:
                node_count += end_of(c.vocabulary.trie[firsts[byte]]) - firsts[byte]
    if has_questions:
        return ASKED
    # records do not know where tokens end, so a grammar that counts tokens has none
    if node_count > c.least_nodes and c.hooks.token_end == 0:
        return memoise_records(c, index, target)
    count = scan_trie(c, 0, index, -1)
    return count if count < 0 else finish_mask(c, index, count, -1, target)


@jit
def read_below(c: TextContext, index: int, top: int) -> bool:
    """Add to `found` the tokens below the node `top` whose remaining bytes can be read from a state. Returns
    whether all cells were known; else questions are noted."""
    v = c.vocabulary
    depths = c.depths
    node = top + 1
    is_known = True
    depths[0].lexeme = index
    # The trie is walked in depth-first order: smaller depths hold the states on the way to the node.
    while node < end_of(v.trie[top]):
        word = v.trie[node]
        depth = depth_of(word) - depth_of(v.trie[top])
        slot = slot_of(word)
        after = depths[depth].lexeme = state_after_byte(c, depths[depth - 1].lexeme, byte_of(word))
        state_ended = end_token(c, after) if slot and after >= 0 else REFUSED
        if state_ended >= 0:
            put_found(c, v.slot_ids, v.slot_start[slot - 1], v.slot_start[slot])
        is_known = is_known and after != ASKED and state_ended != ASKED
        node = node + 1 if after >= 0 else end_of(word)  # refused: the subtree is passed over
    return is_known


@jit
def read_behind(c: TextContext, index: int, nodes: Int32s, count: int) -> int:
    """Find the tokens below some nodes whose remaining bytes can be read from a state. They are written to
    `found`, some perhaps twice. Returns their number, ASKED, or FULL. For example,
    `read_behind(c, state, ends, 2)` takes the first two nodes of `ends`. Bytes are read with the table of
    steps, not with the lexer, whose states are different ones."""
    is_known = True
    c.scan.owner = 0
    c.scan.token_count = 0
    c.scan.is_full = 0
    for i in range(count):
        is_known = read_below(c, index, nodes[i]) and is_known
    if c.scan.is_full:
        return FULL
    return c.scan.token_count if is_known else ASKED


@entry("int64(int64, int64, int64, int64)")
def find_leaving(context: int, index: int, nodes: int, count: int) -> int:
    """Find the tokens below some nodes (int32) that go on after the part, from a state. Returns how many,
    ASKED, or FULL (`read_behind`)."""
    return read_behind(TextContext(context), index, Int32s(nodes), count)


@jit
def join_part(c: TextContext, index: int, target: int) -> int:
    """Memoise the mask of a state inside a part: the part's own mask, and the tokens that leave the part.
    Returns as `compute_mask`."""
    node = c.nodes[index]
    state = TextState(address_of_block(node))
    v = c.visits[state.visit]
    if v.take == 0 or v.targets == UNKNOWN:
        return UNKNOWN
    if call2(v.text_status, v.context, state.state) != NEVER and c.may_end[index] == 0:
        return UNKNOWN
    # the ends are noted after the memory that the part's own walk uses
    ends = skip(Int32s(address_of_block(c.scratch)), ENDS)
    end_count = 0
    if v.targets != 0:
        end_count = call5(v.ends_below, v.context, state.state, v.targets, STOPS, address_of_block(ends))
    if end_count == 0:  # no token leaves the part: its mask is the mask
        forward_mask(c, index)
        return copy_mask(c, node, target)
    part = Core(v.context)
    own = part.nodes[state.state]
    if own.token_list < 0:  # the part's mask is not known, or is another part's
        return MISS
    if end_count < 0 or v.state_after < 0:
        return UNKNOWN
    count = read_behind(c, v.state_after, ends, end_count)
    if count < 0:
        return count
    c.buffer_count = 0
    emit_tokens(c, c.tokens_found, 0, count)
    # a list begins with its length
    tokens = skip(part.lists.numbers, own.token_list)
    emit_tokens(c, skip(tokens, 1), 0, tokens[0])
    if c.buffer_count >= c.vocabulary.mask_words:
        return UNKNOWN
    return memoise_mask(c, node, own.dense_row, target)


@entry("int64(int64, int64, int64)")
def compute_mask(context: int, index: int, target: int) -> int:
    """Compute and store the mask of a state, and write it to `target` (0: nowhere).

    Returns 0; ASKED with questions noted; FULL; MISS where the mask of a part is not known; LARGE where the
    mask is too long for a list, and is in `mask` alone; UNKNOWN where Python must compute it."""
    c = TextContext(context)
    code = copy_mask(c, c.nodes[index], target)
    if code != MISS or c.nodes[index].token_list < -1:
        return code
    if c.inside[index] == OUTSIDE:
        return read_state(c, index, target)
    return join_part(c, index, target) if c.inside[index] == INSIDE else UNKNOWN
