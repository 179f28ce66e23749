"""States after bytes and tokens, and draft trees, in compiled code."""

from __future__ import annotations

from structgen.lark_grammars.machine.lark_layout import (
    MOST_READINGS,
    READING,
    READING_WORDS,
    WALK_WORDS,
    LarkContext,
    LarkNode,
)
from structgen.lark_grammars.machine.memo import lives, same_mask
from structgen.lark_grammars.machine.parser import begun, column_after, ends_at, put_cell, put_place, read
from structgen.machine_core.draft_nodes import (
    Batch,
    is_end,
    job_at,
    settle_place,
    state_above,
    state_or_left,
    token_of,
)
from structgen.machine_core.interning import ask, intern
from structgen.machine_core.layout import ASKED, MOST_QUESTIONS, REFUSED
from structgen.machine_core.lexeme_layout import ASK_CARRY, ASK_LASTS, ASK_ROW, FULL, UNASKED, UNKNOWN
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Bytes, Int64s, skip
from structgen.tokens.trie_nodes import byte_of, depth_of


@jit
def put_reading(c: LarkContext, there: Int64s, made: int, place: int, state: int, column: int) -> int:
    """Append a reading, once; return how many there are then, or FULL."""
    for i in range(made):
        one = skip(there, READING_WORDS * i)
        if one[0] == place and one[1] == state and one[2] == column:
            return made
    if made == MOST_READINGS:
        return FULL
    one = skip(there, READING_WORDS * made)
    one[0], one[1], one[2] = place, state, column
    return made + 1


@jit
def move_readings(c: LarkContext, here: Int64s, count: int, there: Int64s, byte: int) -> int:
    """Read a byte in some readings. Returns how many there are behind it, ASKED, or FULL."""
    kind, width, made, is_asked = c.classes[byte], c.width, 0, False
    for n in range(count):
        one = skip(here, READING_WORDS * n)
        place, state, column = one[0], one[1], one[2]
        for i in range(c.lexeme_end_at[2 * state], c.lexeme_end_at[2 * state + 1]):
            terminal, carry = c.lexeme_ends[2 * i], c.lexeme_ends[2 * i + 1]
            move = c.carry_moves[carry * width + kind]
            if move == UNASKED:
                ask(c, ASK_CARRY, carry, 0, 0)
                is_asked = True
            if move == 0 or move == UNASKED:
                continue
            after = read(c, place, terminal, column)
            is_asked = is_asked or after == ASKED
            if after < 0:
                continue
            first = begun(c, after, 0 if move == 1 else carry)
            is_asked = is_asked or first == ASKED
            if first < 0:
                continue
            to = c.moves[first * width + kind]
            if to == UNKNOWN:
                ask(c, ASK_ROW, first, 0, 0)
                is_asked = True
            elif to >= 0:
                before = -1 if c.may_break[first] else 0
                made = put_reading(
                    c, there, made, after, to, column_after(c, before, byte) if c.may_break[to] else 0
                )
                if made == FULL:
                    return FULL
        to = c.moves[state * width + kind]
        if to == UNKNOWN:
            ask(c, ASK_ROW, state, 0, 0)
            is_asked = True
        elif to >= 0:
            made = put_reading(
                c, there, made, place, to, column_after(c, column, byte) if c.may_break[to] else 0
            )
            if made == FULL:
                return FULL
    return ASKED if is_asked else made


@jit
def read_node(c: LarkContext, word: int) -> int:
    """Read the byte of a trie's node in the readings of the node above it (`walks` has a row of readings for
    each depth). Returns how many there are behind it, ASKED, or FULL."""
    depth = depth_of(word)
    here, there = skip(c.walks, WALK_WORDS * (depth - 1)), skip(c.walks, WALK_WORDS * depth)
    there[0] = move_readings(c, skip(here, 1), here[0], skip(there, 1), byte_of(word))
    return there[0]


@jit
def put_state(c: LarkContext, readings: Int64s, count: int) -> int:
    """Return the number of the state of some readings, or ASKED."""
    # in order, so that equal sets are one state: there are few
    for i in range(1, count):
        j = i
        while j > 0:
            one, two = skip(readings, READING_WORDS * (j - 1)), skip(readings, READING_WORDS * j)
            if (one[0], one[1], one[2]) <= (two[0], two[1], two[2]):
                break
            for w in range(READING_WORDS):
                held = one[w]
                one[w] = two[w]
                two[w] = held
            j -= 1
    state = -1
    for i in range(count):
        one, row = skip(readings, READING_WORDS * i), c.work
        row.words[0], row.words[1], row.words[2], row.words[3] = READING, one[0], one[1], one[2]
        row.words[4], row.words[5], row.words[6], row.words[7] = state, 0, 0, 0
        row.words[8], row.words[9] = -1, -1
        state = intern(c, c.nodes, 8, row)
        if state < 0:
            return ASKED
    return state


@jit
def live_state(c: LarkContext, readings: Int64s, count: int) -> int:
    """Return the state of those of some readings from which some text goes on; REFUSED where there is none,
    or ASKED."""
    kept, is_asked = 0, False
    for i in range(count):
        one = skip(readings, READING_WORDS * i)
        alive = lives(c, one[0], one[1], one[2])
        is_asked = is_asked or alive == ASKED
        if alive == 1:
            to = skip(readings, READING_WORDS * kept)
            to[0], to[1], to[2] = one[0], one[1], one[2]
            kept += 1
    if is_asked:
        return ASKED
    return put_state(c, readings, kept) if kept else REFUSED


@jit
def after_bytes(c: LarkContext, index: int, data: Bytes, size: int) -> int:
    """Return the live state after bytes, REFUSED, ASKED, or FULL."""
    one, two, count, at = c.here, skip(c.here, READING_WORDS * (MOST_READINGS + 1)), 0, index
    if c.nodes[index].registers.mode != READING:
        return REFUSED
    if size == 0:
        return index
    while at >= 0:
        known, to = c.nodes[at].registers, skip(one, READING_WORDS * count)
        to[0], to[1], to[2] = known.place, known.lexeme, known.column
        count += 1
        at = known.others
    for i in range(size):
        count = move_readings(c, one, count, two, data[i])
        if count <= 0:
            return REFUSED if count == 0 else count
        one, two = two, one
    return live_state(c, one, count)


# --- the text's end -----------------------------------------------------------------------------------------


@jit
def may_end_here(c: LarkContext, place: int, state: int, column: int) -> int:
    """Return 1 if the text may end in a reading, 0, or ASKED."""
    if c.last_at[2 * state] == UNKNOWN:
        ask(c, ASK_LASTS, state, 0, 0)
        return ASKED
    for i in range(c.last_at[2 * state], c.last_at[2 * state + 1]):
        terminal = c.lasts[i]
        after = place if terminal < 0 else read(c, place, terminal, column)
        if after == ASKED:
            return ASKED
        if after >= 0:
            code = ends_at(c, after)
            if code != 0:
                return code
    return 0


@jit
def node_ends(c: LarkContext, node: LarkNode) -> int:
    """Return 1 if the text may end in a state, 0, or ASKED."""
    found = 0
    while found != 1:
        one = node.registers
        code = may_end_here(c, one.place, one.lexeme, one.column)
        found = code if code != 0 else found
        if one.others < 0:
            break
        node = c.nodes[one.others]
    return found


@entry("int64(int64, int64, int64, int64)")
def take_bytes(address: int, index: int, data: int, size: int) -> int:
    """As `after_bytes`."""
    c = LarkContext(address)
    return after_bytes(c, index, Bytes(data), size)


@entry("int64(int64, int64, int64)")
def first_state(address: int, parser_state: int, lexeme: int) -> int:
    """Return the state before the first byte, or ASKED."""
    c = LarkContext(address)
    stack, widths = put_cell(c, parser_state, -1), put_cell(c, -1, -1)
    place = ASKED if stack < 0 or widths < 0 else put_place(c, stack, widths, 0)
    if place < 0:
        return ASKED
    one = c.here
    one[0], one[1], one[2] = place, lexeme, -1 if c.may_break[lexeme] else 0
    return put_state(c, one, 1)


@entry("int64(int64, int64)")
def is_live(address: int, index: int) -> int:
    """Return 1 if some text goes on in the first reading of a state, 0, or ASKED."""
    c = LarkContext(address)
    one = c.nodes[index].registers
    return lives(c, one.place, one.lexeme, one.column)


@entry("int64(int64, int64)")
def may_end(address: int, index: int) -> int:
    """Return 1 if the text may end in a state, 0, or ASKED."""
    c = LarkContext(address)
    node = c.nodes[index]
    return 0 if node.registers.mode != READING else node_ends(c, node)


# --- tokens and drafts --------------------------------------------------------------------------------------


@jit
def after_token(c: LarkContext, index: int, token: int) -> int:
    """Return the live state after a token, REFUSED, ASKED, or FULL; with its mask where another place has
    it."""
    if c.vocabulary.slot[token] < 0:
        return REFUSED
    first = c.vocabulary.token_offset[token]
    after = after_bytes(
        c, index, skip(c.vocabulary.token_data, first), c.vocabulary.token_offset[token + 1] - first
    )
    if after >= 0 and c.nodes[after].token_list < 0:
        same_mask(c, after)
    return after


@entry("int64(int64, int64, int64)")
def take_token(address: int, index: int, token: int) -> int:
    """As `after_token`."""
    return after_token(LarkContext(address), index, token)


@jit
def draft_state(c: LarkContext, finished: int, index: int, token: int) -> int:
    """Return the state after a token of a draft, REFUSED, or another code where it must be asked for.
    `finished`: the state after an end token, -1: not made yet."""
    if not is_end(c, token):
        return after_token(c, index, token)
    if c.nodes[index].registers.mode != READING:
        return REFUSED
    code = node_ends(c, c.nodes[index])
    if code != 1:
        return REFUSED if code == 0 else ASKED
    return finished if finished >= 0 else ASKED


@entry("int64(int64, int64, int64)")
def walk_drafts(batch: int, jobs: int, count: int) -> int:
    """Process the known parts of the draft trees of many jobs (`machine_core.draft_nodes`). Returns how
    many places are left."""
    drafts, left = Batch(batch), 0
    for i in range(count):
        job = job_at(jobs, i)
        c = LarkContext(job.context)
        noted = c.questions.count
        c.questions.count = MOST_QUESTIONS  # full: no question is noted
        left += settle_place(drafts, job, 0, job.state)
        for node in range(job.count):
            state, token = state_above(drafts, job, node), token_of(drafts, job, node)
            if state >= 0:
                after = draft_state(c, job.finished, state, token) if token >= 0 else REFUSED
                state = state_or_left(after)
            left += settle_place(drafts, job, 1 + node, state)
        c.questions.count = noted
    return left
