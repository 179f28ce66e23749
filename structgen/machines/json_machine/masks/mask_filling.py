"""The mask of a state: its tokens are collected, and remembered in the row of the state.

A *terminal* is a string, a key, a numeral or white space, looked at without the document around it. Its
*record* has the tokens that stay inside it, mostly as a *dense row* (a row of bits in the mask store), and
its *leftovers*: the tokens that close it, by the bytes after the end. Records are shared by many states and
grammars. So the mask of a state in a string is the record's row, and the leftovers whose bytes after the end
may follow in this document. Some tokens cannot be decided so (*deferred* tokens): they are read one by one. A
*scratch block* holds the registers at one depth of a walk through the trie.

Entry points take the address of the grammar's block and integers. They answer below 0 as
`machine_core.layout` describes: at ASKED the caller answers the questions that were noted, and calls again.
"""

from __future__ import annotations

from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import Int32s, copy_block, skip
from structgen.machines.json_machine.masks.bound_noting import note_bound
from structgen.machines.json_machine.masks.terminal_lexer import put_terminal
from structgen.machines.json_machine.masks.trie_walk import (
    LISTED,
    PLAIN,
    clear_marks,
    emit_at,
    next_possible_byte,
    walk_all,
    walk_leftover,
    walk_node,
)
from structgen.machines.json_machine.steps.byte_step import (
    close_value,
    deepest_after_token,
    is_accepting,
    open_brackets,
    push_frame,
    run_without_count,
    space_allows,
    step_byte,
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
    set_structural,
    value_place,
)
from structgen.machines.machine_core.interning import intern_row, note_question
from structgen.machines.machine_core.layout import ASK, ASKED, ENDED, LARGE, NO, VAGUE, YES
from structgen.machines.machine_core.lexeme_layout import LexemeContext
from structgen.machines.machine_core.masks import emit_bits, emit_tokens, memoise_mask, write_mask


@jit
def known_terminal(c: JsonContext) -> int:
    """Return the number of the terminal whose key is in `c.work.terminal`.

    -1: its record, or room for it, was asked for.
    """
    terminal = intern_row(c, c.terminals, 6, c.work.terminal)  # a `TerminalKey` has six words
    if terminal < 0:
        return -1
    if c.terminals[terminal].record < 0:
        note_question(c, Q_TERMINAL, terminal, 0, 0)
        return -1
    return terminal


@jit
def find_terminal(c: JsonContext, d: JsonState, is_quoted: bool) -> int:
    """Return the number of the terminal of a state in a string, a key or a numeral; -1: it was asked for.

    A terminal is known by the state of the automaton, and by the bounds of the length as far as one token can
    meet them. `is_quoted`: the tokens begin with the quote that opens the string or key.
    """
    min_length, max_length = 0, -1
    if d.mode == M_STRING and not is_quoted:
        # Bounds that are farther away than the longest token make no difference: all such states share one
        # terminal.
        spec = c.string_specs[d.residue]
        longest = c.vocabulary.longest
        min_length = min(max(spec.min_length - d.position, 0), longest + 1)
        if spec.max_length >= 0 and spec.max_length - d.position < longest:
            max_length = spec.max_length - d.position
    if d.mode == M_STRING and c.string_specs[d.residue].phases >= 0:
        min_length, max_length = like_count(c, c.string_specs[d.residue], d.position, 0)
    if d.mode != M_NUMBER:
        c.quoted_row = d.residue  # the row of the string or object, which the maker of the record reads
    put_terminal(c, d.mode, d.lexeme, min_length, max_length, 0, 1 if is_quoted else 0)
    return known_terminal(c)


@jit
def find_space(c: JsonContext, d: JsonState) -> int:
    """Return the number of the terminal of the white space at a structural state; -1: a question was
    noted."""
    # Where brackets do not bound white space, the first three numbers are the same for all states.
    level = 1
    deepest_level = 1
    blanks_left = -1
    run_state = 0
    if (c.space == SPACE_ANY or c.space == SPACE_BOUNDED) and c.most_space >= 0:
        blanks_left = min(c.most_space - (d.position >> COUNT_SHIFT), c.vocabulary.longest)
    if c.space == SPACE_BOUNDED:
        level = open_brackets(c, d)
        deepest_level = deepest_after_token(c, d)
        run_state = run_without_count(d.position)
        if deepest_level < 0:
            return -1
        # deeper than the longest token's white space, depth makes no difference
        fold = c.vocabulary.longest // 8 + 2
        if level > fold:
            deepest_level -= level - fold
            # The blanks after the line break (from bit 6 on) shrink by what the brackets above would allow.
            blanks = max((run_state >> 6) - 8 * (level - fold), 0)
            run_state = (blanks << 6) | (run_state & 63)
            level = fold
    put_terminal(c, M_SPACE, level, deepest_level, run_state | (blanks_left << COUNT_SHIFT), c.space, 0)
    return known_terminal(c)


@jit
def emit_row(c: JsonContext, row: int) -> None:
    """Add the tokens of a dense row to the buffer."""
    emit_bits(c, skip(c.dense_rows, c.vocabulary.mask_words * row), Int32s(0))


@jit
def leave_terminal(c: JsonContext, d: JsonState, outcome: int, at: int, whole: bool) -> int:
    """Write the registers after the end of a terminal to a scratch block: YES, NO, ASK or VAGUE.

    `d`: the registers in the terminal; `outcome`: how it ends; `at`: the number of the scratch block.
    `whole`: the terminal ends before the first byte of the tokens, as a numeral does in `leave_terminal(c, d,
    outcome, 0, True)`.
    """
    scratch = c.scratch[at]
    copy_block(d, scratch)
    if not whole:
        # each token writes other text of the terminal
        scratch.text = d.text & CAPTURE
    if d.mode != M_KEY:
        return close_value(c, scratch, outcome)
    # A key was closed. Its text is not known, so the set of keys that the object holds is blurred.
    value = extra_place(c, d.residue, outcome)
    if value < 0:
        return NO if value == -1 else ASK
    set_structural(scratch, M_COLON, d.residue, d.extras | BLUR, d.frame)
    scratch.lexeme = -2 - outcome
    return YES


@jit
def collect_closing(c: JsonContext, d: JsonState, terminal: int) -> bool:
    """Collect the tokens that close a terminal and go on in the object, array or document around it.

    White space is left to the state in scratch block 0. Marked tokens are left out, and the marks are then
    removed. Returns whether questions were noted.
    """
    skips_marked = c.is_marked != 0
    row = c.terminals[terminal]
    holder = LexemeContext(row.holder)
    is_space = row.key.mode == M_SPACE
    record = holder.records[row.record]
    has_questions = False
    for i in range(record.leftovers, record.leftovers_end):
        leftover = holder.leftovers[i]
        code = YES
        if not is_space:
            outcome = c.outcomes.numbers[row.outcomes + i - record.leftovers]
            code = leave_terminal(c, d, outcome, leftover.shift, False)
        if code == ASK or (code != NO and walk_leftover(c, holder, leftover, code == VAGUE, skips_marked)):
            has_questions = True
    if skips_marked:
        clear_marks(c)
    return has_questions


@jit
def put_inside(c: JsonContext, d: JsonState, terminal: int) -> int:
    """Add the tokens that stay inside a terminal to the buffer, if the record lists them.

    Returns the number of the record's dense row, which has them otherwise; -1: they are listed.
    """
    note_bound(c, d)
    row = c.terminals[terminal]
    holder = LexemeContext(row.holder)
    group = holder.groups[holder.records[row.record].groups]
    if group.dense_row < 0:
        emit_tokens(c, holder.tokens.numbers, group.first, group.last)
    return group.dense_row


@jit
def collect_terminal(c: JsonContext, d: JsonState, quote: int) -> int:
    """Collect the tokens that stay inside a string, key or numeral, and those that close it.

    `quote`: the node of the vocabulary's trie with the quote that opens it; -1: it is open already. Returns
    the number of the dense row to which the mask adds the collected tokens (-1: none); ASKED: questions were
    noted. Scratch blocks are written over.
    """
    terminal = find_terminal(c, d, quote >= 0)
    if terminal < 0:
        return ASKED
    row = put_inside(c, d, terminal)
    has_questions = False
    # Tokens that depend on a list of words, or on the keys of the object, are not in the record.
    if d.side_node > 0 or (d.mode == M_KEY and d.position >= 0):
        copy_block(d, c.scratch[0])
        has_questions = walk_node(c, quote, 1, LISTED) if quote >= 0 else walk_all(c, LISTED)
    if collect_closing(c, d, terminal):
        has_questions = True
    return ASKED if has_questions else row


@jit
def clear_collection(c: JsonContext) -> None:
    """Forget the collected tokens."""
    c.blur_level = 0
    c.buffer_count = 0
    c.deferred_count = 0


@jit
def walk_quoted(c: JsonContext, d: JsonState, node: int) -> int:
    """Collect the tokens that begin with a quote and may follow the structural state in scratch block 0.

    `node`: the quote's node below the root of the trie. `d`: spare registers. Answers as `collect_terminal`.
    """
    code = step_byte(c, c.scratch[0], d, 34)
    if code == NO or code == ASK:
        return ASKED if code == ASK else -1
    # `whole`: the record of the terminal decides all tokens. It does not for a string that is a listed word,
    # nor where one token can be longer than the string may be.
    whole = d.mode == M_KEY and d.lexeme & STATE_BITS != NO_STATE
    if d.mode == M_STRING:
        spec = c.string_specs[d.residue]
        whole = spec.min_length == 0 and (spec.max_length < 0 or spec.max_length >= c.vocabulary.longest)
    if code == VAGUE or not whole:
        return ASKED if walk_node(c, node, 0, PLAIN) else -1
    emit_at(c, node)
    return collect_terminal(c, d, node)


@jit
def walk_digits(c: JsonContext, d: JsonState) -> int:
    """Collect the tokens that begin with a numeral and may follow the structural state in scratch block 0.

    `d`: spare registers. Answers as `collect_terminal`.
    """
    scratch = c.scratch[0]
    place = value_place(c, scratch)
    if place < 0:
        return ASKED if place == -2 else -1
    row = c.places[place]
    if row.status == 0:
        note_question(c, Q_PLACE, place, 0, 0)
        return ASKED
    level = open_brackets(c, scratch)
    if row.number < 0 or not space_allows(c, scratch, level, False):
        return -1
    frame = push_frame(c, scratch, place, level, False)
    if frame == -2:
        return ASKED
    # the registers inside a numeral of which nothing is written yet
    d.text = scratch.text & CAPTURE
    if item_values(c, scratch) != 0:
        d.text = CAPTURE
    set_structural(d, M_NUMBER, 0, 0, frame)
    d.lexeme = row.number
    return collect_terminal(c, d, -1)


@jit
def walk_structure(c: JsonContext) -> int:
    """Collect the tokens that may follow the structural state in scratch block 0. Answers as
    `collect_terminal`.

    Tokens that begin with white space are those of the white space terminal. The others begin with one of the
    few bytes that the mode allows.
    """
    scratch = c.scratch[0]
    saved_registers = c.work.spare[4]
    d = c.work.spare[5]
    copy_block(scratch, saved_registers)
    is_run = c.space == SPACE_BOUNDED or c.space == SPACE_ANY
    has_questions = False
    row = -1
    byte = 0
    while byte < 256:
        byte = next_possible_byte(c, scratch, byte, False)
        node = c.vocabulary.first[byte]
        is_digit = byte >= 48 and byte <= 57
        if byte == 45:  # a minus: all numerals are collected here, and digits are passed over
            row = walk_digits(c, d)
        elif byte == 34 and node >= 0:  # a quote
            row = walk_quoted(c, d, node)
        elif node >= 0 and byte < 256 and not (is_run and is_space(byte)) and not is_digit:
            row = ASKED if walk_node(c, node, 0, PLAIN) else -1
        # The mask refers to at most one dense row: that of white space, below. The tokens of the other rows
        # go into the buffer.
        if row >= 0:
            emit_row(c, row)
        has_questions = has_questions or row == ASKED
        row = -1
        copy_block(saved_registers, scratch)
        byte += 1
    if is_run:
        terminal = find_space(c, scratch)
        if terminal < 0:
            return ASKED
        row = put_inside(c, scratch, terminal)
        if collect_closing(c, scratch, terminal):
            has_questions = True
    return ASKED if has_questions else row


@jit
def resolve_whole(c: JsonContext, d: JsonState) -> int:
    """Collect the tokens before whose first byte a numeral ends. Answers as `collect_terminal`."""
    outcome = c.number_outcomes[d.lexeme]
    if outcome < 0:
        return -1
    # First the numeral is left without its text. An item's text is followed only where that is VAGUE: else
    # each numeral would have a residue of its own.
    code = VAGUE if among_literals(c, d) else leave_terminal(c, d, outcome, 0, False)
    if code == VAGUE:
        code = leave_terminal(c, d, outcome, 0, True)
    if code == YES:
        return walk_structure(c)
    return ASKED if code == ASK else -1


@jit
def collect_tokens(c: JsonContext, d: JsonState) -> int:
    """Collect the tokens of a state. Answers as `collect_terminal`."""
    mode = d.mode
    copy_block(d, c.scratch[0])
    if mode == M_STRING or mode == M_NUMBER or (mode == M_KEY and d.lexeme & STATE_BITS != NO_STATE):
        row = collect_terminal(c, d, -1)
        # Only a numeral has no last byte of its own: it may end before the first byte of a token.
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
    """Read each deferred token by itself; collect those that are allowed. Returns whether questions were
    noted.

    `index`: the number of the state.
    """
    c.precise = 1
    deferred_tokens = c.deferred_tokens
    offsets = c.vocabulary.token_offset
    data = c.vocabulary.token_data
    has_questions = False
    for i in range(c.deferred_count):
        token = deferred_tokens[i]
        s = c.nodes[index].registers
        code = YES
        # Two blocks take turns: each byte is read from one into the other.
        for at in range(offsets[token], offsets[token + 1]):
            d = c.scratch[at & 1]
            code = step_byte(c, s, d, data[at])
            if code != YES:
                break
            s = d
        if code == YES:
            note_bound(c, s)
            emit_tokens(c, deferred_tokens, i, i + 1)
        has_questions = has_questions or code == ASK
    return has_questions


@jit
def walk_plainly(c: JsonContext, d: JsonState) -> int:
    """Put the tokens of a state's mask into the buffer without records, by a walk of all tokens: -1, or
    ASKED."""
    copy_block(d, c.scratch[0])
    return ASKED if walk_all(c, PLAIN) else -1


@jit
def gather_mask(c: JsonContext, index: int) -> int:
    """Collect the tokens of a state's mask without end tokens. Answers as `collect_terminal`."""
    d = c.nodes[index].registers
    c.precise = 0
    clear_collection(c)
    row = collect_tokens(c, d)
    # First the fast way, by records. If it finds that they have too many tokens, all tokens are walked. If
    # even that cannot decide without the text of a key, they are walked once more with texts (`precise`).
    if c.blur_level == WHOLE_WALK:
        clear_collection(c)
        row = walk_plainly(c, d)
    if c.blur_level != 0:
        # Some token writes two extra keys of one object: only a walk that follows their texts can decide.
        c.precise = 1
        c.buffer_count = 0
        row = walk_plainly(c, d)
    elif c.deferred_count != 0 and try_deferred(c, index):
        row = ASKED
    c.precise = 1
    if row != ASKED:
        c.questions.count = 0  # They are questions of a walk that was not needed in the end.
    return row


@jit
def store_mask(c: JsonContext, index: int, row: int, target: int) -> int:
    """Memoise the collected tokens and the dense row `row` (-1: none) as the mask of a state, and write it.

    `target` and the answers are those of `compute_mask`.
    """
    node = c.nodes[index]
    if is_accepting(c, node.registers):
        emit_tokens(c, c.ends, 0, c.end_count)
    if row < 0 and c.buffer_count >= c.vocabulary.mask_words:
        return LARGE  # Python makes a row of it, and puts that into the store
    return memoise_mask(c, node, row, target)


@entry("int64(int64, int64, int64)")
def compute_mask(context: int, index: int, target: int) -> int:
    """Work out and memoise the mask of a state, and write it to the address `target` (0: write nothing).

    Returns 0. ASKED: questions were noted. ENDED: an end token was taken. LARGE: the list of the mask's
    tokens, which are in the buffer, would be as long as a row; it is neither memoised nor written then.
    """
    c = JsonContext(context)
    node = c.nodes[index]
    # Another thread may have worked it out while this one waited for the lock.
    if node.token_list >= 0:
        return write_mask(c, node, target)
    if node.registers.mode == M_FINISHED:
        return ENDED
    row = gather_mask(c, index)
    return ASKED if row == ASKED else store_mask(c, index, row, target)


@entry("int64(int64, int64)")
def compute_bound(context: int, index: int) -> int:
    """Work out and memoise the mask of a state, and bound the tokens that complete the text (`bound_noting`).

    Returns a number of tokens, 1 or more. That many complete the text from the state, and one less from each
    state to which a token of its mask leads. 0: groups of states are listed that the bound does not count.
    Below 0: the codes of `compute_mask`.
    """
    c = JsonContext(context)
    node = c.nodes[index]
    if node.registers.mode == M_FINISHED:
        return ENDED
    c.bounding = 1
    c.bound = 1
    c.listed_count = 0
    row = gather_mask(c, index)
    c.bounding = 0
    if row == ASKED:
        return ASKED
    code = 0 if node.token_list >= 0 else store_mask(c, index, row, 0)
    if code < 0:
        return code
    if node.registers.mode == M_DOC:
        c.bound += 1  # a token of blanks alone may come before the token that is noted (`bound_noting`)
    return 0 if c.listed_count > 0 else c.bound
