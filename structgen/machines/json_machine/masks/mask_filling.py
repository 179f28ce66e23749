"""The mask of a state: collected by what the state reads, and remembered.

A state in a terminal takes the tokens that stay inside it, and those that close it and go on. Entry points
take the address of a context and integers, and answer below 0 as `machine_core.layout` says: at ASKED the
caller answers the questions that were noted, and calls again.
"""

from __future__ import annotations

from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import Int32s, copy_block, skip
from structgen.machines.json_machine.masks.bound_noting import note
from structgen.machines.json_machine.masks.terminal_lexer import put_terminal
from structgen.machines.json_machine.masks.trie_walk import (
    LISTED,
    PLAIN,
    emit_at,
    following,
    unmark,
    walk_all,
    walk_left,
    walk_node,
)
from structgen.machines.json_machine.steps.byte_step import (
    accepting,
    brackets,
    close_value,
    deepest,
    push_frame,
    space_allows,
    step,
    uncounted,
)
from structgen.machines.json_machine.steps.keys_and_items import among_literals, item_values
from structgen.machines.json_machine.tables.json_blocks import (
    BLUR,
    CAPTURE,
    COUNT_SHIFT,
    M_COLON,
    M_DOC,
    M_FINISHED,
    M_KEY,
    M_NEXT,
    M_NUMBER,
    M_SPACE,
    M_STRING,
    NO_STATE,
    Q_PLACE,
    Q_TERMINAL,
    SPACE_ANY,
    SPACE_BOUNDED,
    STATE_BITS,
    WHOLE_WALK,
    JsonContext,
    JsonState,
)
from structgen.machines.json_machine.tables.lookups import (
    extra_place,
    is_space,
    like_count,
    settle,
    value_place,
)
from structgen.machines.machine_core.interning import ask, intern
from structgen.machines.machine_core.layout import ASK, ASKED, ENDED, LARGE, NO, VAGUE, YES
from structgen.machines.machine_core.lexeme_layout import LexemeContext
from structgen.machines.machine_core.masks import emit, emit_bits, memoise, write_mask


@jit
def known_terminal(c: JsonContext) -> int:
    """Return the terminal whose identity stands in the row being interned, -1 when it, or room for it, must
    be asked."""
    terminal = intern(c, c.terminals, 6, c.work.terminal)
    if terminal < 0:
        return -1
    if c.terminals[terminal].record < 0:
        ask(c, Q_TERMINAL, terminal, 0, 0)
        return -1
    return terminal


@jit
def find_terminal(c: JsonContext, d: JsonState, quoted: bool) -> int:
    """Return the terminal of a state in a string, a key or a numeral: the automaton state, and what its
    length bounds still ask of one token. `quoted`: with the quote that opened it just now. -1 when it must be
    asked."""
    least, most = 0, -1
    if d.mode == M_STRING and not quoted:
        spec = c.string_specs[d.residue]
        longest = c.vocabulary.longest
        least = min(max(spec.least - d.position, 0), longest + 1)
        if spec.most >= 0 and spec.most - d.position < longest:
            most = spec.most - d.position
    if d.mode == M_STRING and c.string_specs[d.residue].phases >= 0:
        least, most = like_count(c, c.string_specs[d.residue], d.position, 0)
    if d.mode != M_NUMBER:
        c.quoted = d.residue
    put_terminal(c, d.mode, d.lexeme, least, most, 0, 1 if quoted else 0)
    return known_terminal(c)


@jit
def find_space(c: JsonContext, d: JsonState) -> int:
    """Return the terminal of the white space at a structural state, -1 when something must be asked first."""
    level, most, left, written = 1, 1, -1, 0
    if (c.space == SPACE_ANY or c.space == SPACE_BOUNDED) and c.most_space >= 0:
        left = min(c.most_space - (d.position >> COUNT_SHIFT), c.vocabulary.longest)
    if c.space == SPACE_BOUNDED:
        level, most, written = brackets(c, d), deepest(c, d), uncounted(d.position)
        if most < 0:
            return -1
        # deeper than the longest token's white space, depth makes no difference
        fold = c.vocabulary.longest // 8 + 2
        if level > fold:
            most -= level - fold
            written = (max((written >> 6) - 8 * (level - fold), 0) << 6) | (written & 63)
            level = fold
    put_terminal(c, M_SPACE, level, most, written | (left << COUNT_SHIFT), c.space, 0)
    return known_terminal(c)


@jit
def emit_row(c: JsonContext, row: int) -> None:
    """Add the tokens of a dense row to the buffer."""
    emit_bits(c, skip(c.dense_rows, c.vocabulary.mask_words * row), Int32s(0))


@jit
def enter(c: JsonContext, d: JsonState, outcome: int, at: int, whole: bool) -> int:
    """Put a scratch block to the state after a terminal was left with an outcome: YES, NO, ASK or VAGUE.
    `whole`: nothing of the tokens belongs to the terminal."""
    scratch = c.scratch[at]
    copy_block(d, scratch)
    if not whole:
        # what the tokens wrote of the terminal is different for each
        scratch.text = d.text & CAPTURE
    if d.mode != M_KEY:
        return close_value(c, scratch, outcome)
    value = extra_place(c, d.residue, outcome)
    if value < 0:
        return NO if value == -1 else ASK
    settle(scratch, M_COLON, d.residue, d.extras | BLUR, d.frame)
    scratch.lexeme = -2 - outcome
    return YES


@jit
def resolve(c: JsonContext, d: JsonState, terminal: int) -> bool:
    """Collect the tokens that close the terminal and live on in what holds it (of white space: in the state
    in scratch block 0); those that are marked are left out, and the marks taken away. Returns whether
    something was asked."""
    unmarked = c.is_marked != 0
    row = c.terminals[terminal]
    holder, is_space = LexemeContext(row.holder), row.key.mode == M_SPACE
    record = holder.records[row.record]
    asked = False
    for i in range(record.leftovers, record.leftovers_end):
        left = holder.leftovers[i]
        code = YES
        if not is_space:
            outcome = c.outcomes.numbers[row.outcomes + i - record.leftovers]
            code = enter(c, d, outcome, left.shift, False)
        if code == ASK or (code != NO and walk_left(c, holder, left, code == VAGUE, unmarked)):
            asked = True
    if unmarked:
        unmark(c)
    return asked


@jit
def put_inside(c: JsonContext, d: JsonState, terminal: int) -> int:
    """Add the tokens that stay inside a state's terminal, its row apart, to the buffer. Returns its row."""
    note(c, d)
    row = c.terminals[terminal]
    holder = LexemeContext(row.holder)
    group = holder.groups[holder.records[row.record].groups]
    if group.dense_row < 0:
        emit(c, holder.tokens.numbers, group.first, group.last)
    return group.dense_row


@jit
def collect_terminal(c: JsonContext, d: JsonState, quote: int) -> int:
    """Collect the tokens that stay inside a state's string, key or numeral, or close it. `quote`: the node of
    the vocabulary with the quote that opens it, -1: it is open. Returns a dense row to start from (-1: none),
    or -3 when something was asked; scratch blocks are written over."""
    terminal = find_terminal(c, d, quote >= 0)
    if terminal < 0:
        return ASKED
    row, asked = put_inside(c, d, terminal), False
    if d.seen > 0 or (d.mode == M_KEY and d.position >= 0):
        copy_block(d, c.scratch[0])
        asked = walk_node(c, quote, 1, LISTED) if quote >= 0 else walk_all(c, LISTED)
    if resolve(c, d, terminal):
        asked = True
    return ASKED if asked else row


@jit
def forget(c: JsonContext) -> None:
    """Forget what was collected."""
    c.blurred = 0
    c.buffer_count = 0
    c.deferred_count = 0


@jit
def walk_quoted(c: JsonContext, d: JsonState, node: int) -> int:
    """Collect the tokens that begin with a quote (its root child is `node`) and live from the structural
    state in scratch block 0; answers as `collect_terminal`. `d`: to be written over."""
    code = step(c, c.scratch[0], d, 34)
    if code == NO or code == ASK:
        return ASKED if code == ASK else -1
    whole = d.mode == M_KEY and d.lexeme & STATE_BITS != NO_STATE
    if d.mode == M_STRING:
        spec = c.string_specs[d.residue]
        whole = spec.least == 0 and (spec.most < 0 or spec.most >= c.vocabulary.longest)
    if code == VAGUE or not whole:
        return ASKED if walk_node(c, node, 0, PLAIN) else -1
    emit_at(c, node)
    return collect_terminal(c, d, node)


@jit
def walk_digits(c: JsonContext, d: JsonState) -> int:
    """Collect the tokens that begin with a numeral and live from the structural state in scratch block 0;
    answers as `collect_terminal`. `d`: to be written over."""
    scratch = c.scratch[0]
    place = value_place(c, scratch)
    if place < 0:
        return ASKED if place == -2 else -1
    row = c.places[place]
    if row.status == 0:
        ask(c, Q_PLACE, place, 0, 0)
        return ASKED
    level = brackets(c, scratch)
    if row.number < 0 or not space_allows(c, scratch, level, False):
        return -1
    frame = push_frame(c, scratch, place, level, False)
    if frame == -2:
        return ASKED
    d.text = scratch.text & CAPTURE
    if item_values(c, scratch) != 0:
        d.text = CAPTURE
    settle(d, M_NUMBER, 0, 0, frame)
    d.lexeme = row.number
    return collect_terminal(c, d, -1)


@jit
def walk_structure(c: JsonContext) -> int:
    """Collect the tokens that live from the structural state in scratch block 0, at most white space written
    of what follows. Returns a dense row to start from (-1: none), or -3 when something was asked.

    Tokens that begin with white space are those of the white space terminal; the others begin with one of the
    few bytes that the mode allows.
    """
    scratch, kept, d = c.scratch[0], c.work.spare[4], c.work.spare[5]
    copy_block(scratch, kept)
    is_run = c.space == SPACE_BOUNDED or c.space == SPACE_ANY
    asked, row, byte = False, -1, 0
    while byte < 256:
        byte = following(c, scratch, byte, False)
        node = c.vocabulary.first[byte]
        if byte == 45:
            row = walk_digits(c, d)
        elif byte == 34 and node >= 0:
            row = walk_quoted(c, d, node)
        elif node >= 0 and byte < 256 and not (is_run and is_space(byte)) and (byte < 48 or byte > 57):
            row = ASKED if walk_node(c, node, 0, PLAIN) else -1
        if row >= 0:
            emit_row(c, row)
        asked = asked or row == ASKED
        row = -1
        copy_block(kept, scratch)
        byte += 1
    if is_run:
        terminal = find_space(c, scratch)
        if terminal < 0:
            return ASKED
        row = put_inside(c, scratch, terminal)
        if resolve(c, scratch, terminal):
            asked = True
    return ASKED if asked else row


@jit
def resolve_whole(c: JsonContext, d: JsonState) -> int:
    """Collect the tokens before which a numeral ends. Returns a dense row to start from (-1: none), or -3
    when something was asked."""
    outcome = c.number_outcomes[d.lexeme]
    if outcome < 0:
        return -1
    # Where its value makes no difference an item is not read: each digit on the way would be a residue.
    code = VAGUE if among_literals(c, d) else enter(c, d, outcome, 0, False)
    if code == VAGUE:
        code = enter(c, d, outcome, 0, True)
    if code == YES:
        return walk_structure(c)
    return ASKED if code == ASK else -1


@jit
def collect(c: JsonContext, d: JsonState) -> int:
    """Collect a state's tokens: returns the dense row to start from (-1:
    none), or -3 when something was asked."""
    mode = d.mode
    copy_block(d, c.scratch[0])
    if mode == M_STRING or mode == M_NUMBER or (mode == M_KEY and d.lexeme & STATE_BITS != NO_STATE):
        row = collect_terminal(c, d, -1)
        follows = resolve_whole(c, d) if mode == M_NUMBER else -1
        if row == ASKED or follows == ASKED:
            return ASKED
        if row >= 0 and follows >= 0:
            emit_row(c, follows)
        return row if row >= 0 else follows
    if mode <= M_NEXT:
        return walk_structure(c)
    return ASKED if mode != M_FINISHED and walk_all(c, PLAIN) else -1


@jit
def try_deferred(c: JsonContext, index: int) -> bool:
    """Collect those of the deferred tokens that live. Returns whether something was asked."""
    c.precise = 1
    deferred, offsets, data = c.deferred, c.vocabulary.token_offset, c.vocabulary.token_data
    asked = False
    for i in range(c.deferred_count):
        token = deferred[i]
        s = c.nodes[index].registers
        code = YES
        for at in range(offsets[token], offsets[token + 1]):
            d = c.scratch[at & 1]
            code = step(c, s, d, data[at])
            if code != YES:
                break
            s = d
        if code == YES:
            note(c, s)
            emit(c, deferred, i, i + 1)
        asked = asked or code == ASK
    return asked


@jit
def walk_plainly(c: JsonContext, d: JsonState) -> int:
    """Put the tokens of a state's mask into the buffer, each read by itself: -1, or ASKED."""
    copy_block(d, c.scratch[0])
    return ASKED if walk_all(c, PLAIN) else -1


@jit
def gather(c: JsonContext, index: int) -> int:
    """Put the tokens of a state's mask into the buffer, end tokens apart. Returns a dense row to start from
    (-1: none), or -3 with questions noted."""
    d = c.nodes[index].registers
    c.precise = 0
    forget(c)
    row = collect(c, d)
    if c.blurred == WHOLE_WALK:
        forget(c)
        row = walk_plainly(c, d)
    if c.blurred != 0:
        # a token that writes two extra keys of one object: only the walk that follows their text can tell
        c.precise = 1
        c.buffer_count = 0
        row = walk_plainly(c, d)
    elif c.deferred_count != 0 and try_deferred(c, index):
        row = ASKED
    c.precise = 1
    if row != ASKED:
        c.questions.count = 0  # what a walk asked that was then not needed
    return row


@jit
def keep(c: JsonContext, index: int, row: int, target: int) -> int:
    """Memoise what was gathered as a state's mask, and write it to `target`, as `compute` does."""
    node = c.nodes[index]
    if accepting(c, node.registers):
        emit(c, c.ends, 0, c.end_count)
    if row < 0 and c.buffer_count >= c.vocabulary.mask_words:
        return LARGE
    return memoise(c, node, row, target)


@entry("int64(int64, int64, int64)")
def compute(context: int, index: int, target: int) -> int:
    """Work out and memoise a state's mask, and write it to `target` (0: nowhere). Returns 0; ASKED with
    questions noted; ENDED after an end token; or LARGE where the list of its tokens (in the buffer) would be
    as long as a row: it is then neither memoised nor written."""
    c = JsonContext(context)
    node = c.nodes[index]
    if node.token_list >= 0:
        return write_mask(c, node, target)
    if node.registers.mode == M_FINISHED:
        return ENDED
    row = gather(c, index)
    return ASKED if row == ASKED else keep(c, index, row, target)


@entry("int64(int64, int64)")
def compute_bound(context: int, index: int) -> int:
    """Work out and memoise a state's mask, and bound the tokens that are needed (`bound_noting`).

    Returns a number of tokens, 1 or more, that suffices for the state and, less one, for each state to which
    a token of its mask leads; 0 where groups of states are listed besides; a code as `compute` does.
    """
    c = JsonContext(context)
    node = c.nodes[index]
    if node.registers.mode == M_FINISHED:
        return ENDED
    c.bounding, c.bound, c.listed_count = 1, 1, 0
    row = gather(c, index)
    c.bounding = 0
    if row == ASKED:
        return ASKED
    code = 0 if node.token_list >= 0 else keep(c, index, row, 0)
    if code < 0:
        return code
    if node.registers.mode == M_DOC:
        c.bound += 1  # a token may come between one that is noted and the state that is noted for it
    return 0 if c.listed_count > 0 else c.bound
