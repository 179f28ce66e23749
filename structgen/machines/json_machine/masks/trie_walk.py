"""The walk of a trie through the machine: each node's byte is a step, and allowed tokens are collected.

A walk reads the vocabulary's trie, or the small trie of a *leftover*: the bytes that tokens have after the
end of a terminal. The registers at each depth are in a *scratch block*; block 0 has those before the first
byte. In keys and strings a walk may collect only *listed* tokens: those that depend on a list of words, or on
the keys that the object holds. All other tokens there come from the terminal's record.
"""

from __future__ import annotations

from structgen.base.native.jit import jit
from structgen.base.native.typed_blocks import Int32s, Int64s, copy_block, skip
from structgen.machines.json_machine.masks.bound_noting import note_bound
from structgen.machines.json_machine.steps.byte_step import step_byte
from structgen.machines.json_machine.steps.string_step import escapes_of, writes_as_dumps
from structgen.machines.json_machine.tables.json_blocks import (
    ESCAPE_SHIFT,
    ESCAPES_ASCII,
    M_KEY,
    M_STRING,
    M_WORDS,
    NO_STATE,
    STATE_BITS,
    WHOLE_WALK,
    JsonContext,
    JsonState,
)
from structgen.machines.json_machine.tables.lookups import next_held, next_listed, word_at_prefix
from structgen.machines.machine_core.layout import ASK, NO, VAGUE, YES
from structgen.machines.machine_core.lexeme_layout import RANGE_WORDS, Leftover, LexemeContext
from structgen.machines.machine_core.lexeme_records import nodes_of, slots_of, take_below, tokens_of
from structgen.machines.machine_core.masks import emit_tokens
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of

PLAIN, UNMARKED, LISTED = range(3)
"""Modes of a walk. PLAIN: it collects all tokens. UNMARKED: it leaves marked tokens out. LISTED: it collects
only listed tokens (`walk_nodes`)."""


@jit
def emit_unmarked(c: JsonContext, ids: Int32s, first: int, last: int) -> None:
    """Add the tokens `ids[first:last]` to the buffer, without those that are marked in the bitmap
    `c.marks`."""
    buffer = c.buffer
    count = c.buffer_count
    marks = c.marks
    for i in range(first, last):
        token = ids[i]
        if (marks[token >> 5] >> (token & 31)) & 1 == 0:
            buffer[count] = token
            count += 1
    c.buffer_count = count


@jit
def clear_marks(c: JsonContext) -> None:
    """Remove all marks of tokens."""
    marks = c.marks
    for i in range(c.vocabulary.mask_words):
        marks[i] = 0
    c.is_marked = 0


@jit
def allows_escape(c: JsonContext, s: JsonState, words: int, prefix: int) -> bool:
    """Return whether some word with a prefix goes on with a character that may be written as an escape.

    `words`: the list; `s`: the registers in the string or key. For example, a word whose next byte is 10, a
    line feed, goes on with the escape `\\n`.
    """
    policy = escapes_of(c, s)
    if not writes_as_dumps(policy):
        return True  # any character may be written as an escape
    # json.dumps escapes control characters, the quote (34), the backslash (92), and all beyond ASCII if asked
    if next_listed(c, words, prefix, 0) < 32 or next_listed(c, words, prefix, 34) == 34:
        return True
    if policy == ESCAPES_ASCII and next_listed(c, words, prefix, 127) < 256:
        return True
    return next_listed(c, words, prefix, 92) == 92


@jit
def defer_tokens(c: JsonContext, trie: Int64s, first: int, last: int, starts: Int32s, ids: Int32s) -> None:
    """Note the tokens of the nodes from `first` to before `last` of a trie: they are to be read one by one.

    `starts` and `ids`: the arrays of the trie (`slots_of`, `tokens_of`).
    """
    deferred_tokens, count = c.deferred_tokens, c.deferred_count
    for node in range(first, last):
        slot = slot_of(trie[node])
        for i in range(starts[slot - 1] if slot else 0, starts[slot] if slot else 0):
            deferred_tokens[count] = ids[i]
            count += 1
    c.deferred_count = count


@jit
def listed_at(c: JsonContext, s: JsonState) -> tuple[int, int]:
    """Return the row of the word list of a string, key or listed word, and the prefix that is written in it.

    A prefix below 0: what is written agrees with no word.
    """
    if s.mode == M_KEY:
        return c.residues[s.residue].words, s.position
    spec = c.string_specs[s.residue]
    if s.mode == M_WORDS:
        return spec.start, s.position
    return spec.words, s.side_node if s.side_node > 0 else -1


@jit
def next_possible_byte(c: JsonContext, s: JsonState, byte: int, only_listed: bool) -> int:
    """Return the smallest byte from `byte` on that may come, as far as the mode and word lists decide; or
    256.

    A byte may be returned that cannot come. `only_listed`, in a string or key: only bytes that go on with a
    listed word or a key of the object, that close, or that begin an escape.
    """
    mode = s.mode
    is_text = mode == M_STRING or mode == M_KEY
    if not is_text and mode != M_WORDS:
        after = c.next_byte[(mode << 8) | byte]
        return byte if after < 0 else after
    if is_text and not only_listed and s.lexeme & STATE_BITS != NO_STATE:
        return byte
    if s.lexeme >> ESCAPE_SHIFT != 0:
        return byte
    words, prefix = listed_at(c, s)
    after, escapes = 256, False  # a backslash (92) begins an escape
    if prefix >= 0:
        after = next_listed(c, words, prefix, byte)
        escapes = byte <= 92 and allows_escape(c, s, words, prefix)
    if mode == M_KEY and s.side_node > 0:
        after = min(after, next_held(c, s.side_node, byte))
        escapes = True
    if byte <= 92 and escapes:
        after = min(after, 92)
    return min(after, 34) if byte <= 34 else after  # the closing quote may always come, at a glance


@jit
def is_listed(c: JsonContext, s: JsonState) -> bool:
    """Return whether the text so far of a string or key is a listed word, or a key that the object holds."""
    if s.mode == M_KEY and s.side_node > 0 and c.sets[s.side_node].member == 1:
        return True
    words, prefix = listed_at(c, s)
    return prefix >= 0 and word_at_prefix(c, words, prefix) >= 0


@jit
def is_refused_by_list(c: JsonContext, s: JsonState, byte: int) -> bool:
    """Return whether a byte of a string, which was refused, is refused because of the word list alone.

    Then the record of the terminal has too many tokens.
    """
    # The step is made once more without the list: if it is taken then, the list alone refuses it.
    without_list, after = c.work.spare[6], c.work.spare[7]
    copy_block(s, without_list)
    without_list.side_node = 0
    return step_byte(c, without_list, after, byte) != NO


@jit
def walk_nodes(
    c: JsonContext,
    nodes: Int64s,
    starts: Int32s,
    ids: Int32s,
    node: int,
    last: int,
    base: int,
    closing_state: int,
    mode: int,
) -> bool:
    """Collect the allowed tokens at the nodes from `node` to before `last` of a trie.

    `nodes`, `starts`, `ids`: the arrays of the trie. `base`: the depth above `node`; the registers there are
    in scratch block 0. `closing_state`: the number of depths below it whose registers are in their blocks
    already. `mode`: PLAIN, UNMARKED or LISTED. Under LISTED, tokens that close a listed word or key are
    marked, too; tokens that stay inside, or close under another text, come from the terminal's record.
    Returns whether questions were noted.

    Few children that cannot come are visited: the next byte that may come is looked up.
    """
    scratch, hints = c.scratch, c.room
    has_questions, own_end = False, 0  # nodes before `own_end` are below a key or string that left the list
    # `hints` has two words for each depth: the next byte that may come there, and the end of the siblings.
    hints[2], hints[3] = -1, last
    while node < last:
        word = nodes[node]
        byte, depth, slot, end = byte_of(word), depth_of(word) - base, slot_of(word), end_of(word)
        s = scratch[depth - 1]
        d, code, closes = skip(s, 1), YES, False
        has_list = mode == LISTED and node >= own_end
        if depth > closing_state:
            hint = skip(hints, 2 * depth)
            if hint[0] < byte:
                hint[0] = next_possible_byte(c, s, byte, has_list)
            # Children ascend by their bytes. This one cannot come; where no later one can, all are passed
            # over.
            if hint[0] != byte:
                node = end if hint[0] < 256 else hint[1]
                continue
            escape = (s.lexeme >> ESCAPE_SHIFT) & 15
            closes = has_list and byte == 34 and (escape == 0 or escape == 6)
            if closes and escape == 0 and not is_listed(c, s):
                node = end
                continue
            code = step_byte(c, s, d, byte)
        if closes:
            take_below(nodes, starts, ids, node, c.marks)
            c.is_marked = 1
        if code != YES:
            has_questions = has_questions or code == ASK
            if code == VAGUE:
                defer_tokens(c, nodes, node, end, starts, ids)
            if code == NO and has_list and not closes and s.mode == M_STRING:
                if is_refused_by_list(c, s, byte):
                    c.blur_level = max(c.blur_level, WHOLE_WALK)
            node = end
            continue
        if slot > 0:
            if depth > closing_state:
                note_bound(c, d)
            if mode == UNMARKED:
                emit_unmarked(c, ids, starts[slot - 1], starts[slot])
            else:
                emit_tokens(c, ids, starts[slot - 1], starts[slot])
        if closes or (has_list and d.lexeme & STATE_BITS == NO_STATE):
            own_end = end  # The record has no tokens below: all of them are collected here.
        elif has_list and d.side_node <= 0 and (d.mode == M_STRING or d.position < 0):
            node = end
            continue
        hints[2 * depth + 2], hints[2 * depth + 3] = -1, end
        node += 1
    return has_questions


@jit
def walk_leftover(
    c: JsonContext, holder: LexemeContext, leftover: Leftover, vague: bool, skips_marked: bool
) -> bool:
    """Collect the tokens of a leftover whose bytes after the end of the terminal may follow.

    The registers after the end are in scratch block 0; in block 1 where the first byte of the trie closes the
    terminal. `holder`: the block of the record. `vague`: all tokens are to be read one by one.
    `skips_marked`: marked tokens are left out. Returns whether questions were noted.
    """
    trie = holder.tries[leftover.trie]
    has_questions = False
    nodes = nodes_of(holder, trie)
    starts = slots_of(holder, trie)
    ids = tokens_of(holder, trie)
    for part in range(trie.range_count):
        within = skip(holder.ranges.numbers, trie.ranges + RANGE_WORDS * part)
        first, last, base = within[0], within[1], within[2]
        walk_mode = UNMARKED if skips_marked else PLAIN
        if vague:
            defer_tokens(c, nodes, first, last, starts, ids)
        elif walk_nodes(c, nodes, starts, ids, first, last, base, leftover.shift, walk_mode):
            has_questions = True
    return has_questions


@jit
def walk_node(c: JsonContext, node: int, depth: int, walk_mode: int) -> bool:
    """Collect the allowed tokens at a node of the vocabulary's trie and below it; with `depth` 1 only below
    it.

    The registers before them are in scratch block 0. Returns whether questions were noted. For example,
    `walk_node(c, quote, 1, LISTED)` collects the tokens that go on after an opening quote.
    """
    v = c.vocabulary
    end = end_of(v.trie[node])
    return walk_nodes(c, v.trie, v.slot_start, v.slot_ids, node + depth, end, depth, 0, walk_mode)


@jit
def walk_all(c: JsonContext, walk_mode: int) -> bool:
    """Collect all tokens that are allowed after the registers in scratch block 0. Returns whether questions
    were noted."""
    has_questions, byte = False, 0
    while byte < 256:
        byte = next_possible_byte(c, c.scratch[0], byte, walk_mode == LISTED)
        node = c.vocabulary.first[byte]  # `first` has an entry for 256, too: no node
        if byte < 256 and node >= 0 and walk_node(c, node, 0, walk_mode):
            has_questions = True
        byte += 1
    return has_questions


@jit
def emit_at(c: JsonContext, node: int) -> None:
    """Add the tokens that end at a node of the vocabulary's trie to the buffer."""
    v = c.vocabulary
    slot = slot_of(v.trie[node])
    if slot > 0:
        emit_tokens(c, v.slot_ids, v.slot_start[slot - 1], v.slot_start[slot])
