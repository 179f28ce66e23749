"""Keys, strings and items that depend on the text before them.

Is there a key left? A key that the object holds, or that the schema names, is no extra key any more. Where
the automaton of extra keys goes on in finitely many ways only (`^x[ab]$`), all of them may be held already.
Then nothing may come of the prefix, of the quote before it, or of the comma before that (`texts_left`).

Strings of an automaton beside which stands a list of words with outcomes of their own (`StringRow.words`):
what an item must not be again, or may still equal. Such strings share the automaton, and its masks, with
other strings. `side_node` is the prefix in the list while the string agrees with a word of it, 0 once it does
not.

Items whose value matters (`ir.ArrayMenu.values`): their text is followed while they are written. `text` then
holds a log (CAPTURE), a chain of rows of `texts`: the bytes of the item without the white space between its
tokens; keys decoded, between KEY_BEGINS and KEY_ENDS. The log of an item within an item goes on with that of
the outer one, and the frame under each holds where its own begins. When the item closes, the network is asked
what follows a value like that. Walks that fill masks do not follow the text: the log is then empty, and the
network is asked what follows any value (`Network.after_unread`). What may be written of the item after such a
one (UNREAD) is told where many values go on with it; where not, the step is VAGUE, and the tokens are tried
one by one.
"""

from __future__ import annotations

from structgen.automata.strings.live_strings import UNASKED
from structgen.automata.unicode.decoded_text import LONE_BYTE, LONE_COLUMN
from structgen.base.native.jit import jit
from structgen.base.native.typed_blocks import skip
from structgen.machines.json_machine.tables.json_blocks import (
    BLUR,
    CAPTURE,
    ESCAPE_SHIFT,
    ESCAPES_ANY,
    ITEM_TAG,
    KEY_BEGINS,
    KEY_ENDS,
    LOG,
    M_ARRAY,
    M_COLON,
    M_ITEM,
    M_KEY,
    M_NEXT,
    M_NUMBER,
    M_OBJECT,
    M_STRING,
    M_VALUE,
    M_WORDS,
    Q_ITEM,
    Q_MAY_DIFFER,
    Q_STRING,
    Q_UNREAD,
    STATE_BITS,
    UNREAD,
    UNREAD_TAG,
    FrameRow,
    JsonContext,
    JsonState,
    StringRow,
    TextsLevel,
)
from structgen.machines.json_machine.tables.lookups import (
    MIDDLES,
    find_edge,
    is_space,
    known_residue,
    narrow_prefix,
    near_enough,
    prefix_of,
    set_step,
    set_structural,
    string_outcome,
    string_step,
    word_at_prefix,
)
from structgen.machines.machine_core.interning import ask_room, intern_row, note_question
from structgen.machines.machine_core.layout import ASK, NO, VAGUE, YES

_DEEP = 48
"""Bytes after which texts are not told apart any more."""


@jit
def listed_byte(column: int) -> int:
    """Return the byte that lists and sets hold for a column of string automata (`unicode.decoded_text`)."""
    return LONE_BYTE if column == LONE_COLUMN else column


@jit
def is_left(
    c: JsonContext, string: int, words: int, state: int, prefix: int, set_node: int, count: int
) -> bool:
    """Return whether a text that ends here is one of those that `texts_left` counts, which says what the
    parameters are."""
    word = word_at_prefix(c, words, prefix) if prefix >= 0 else -1
    if set_node > 0 and c.sets[set_node].member != 0:
        return False
    if string < 0:
        # a key: a name of the list is no extra key
        return word < 0 and c.string_outcomes[state] >= 0
    spec = c.string_specs[string]
    if string_outcome(c, spec, state, count) < 0:
        return False
    return count >= spec.min_length and (word < 0 or c.outcomes.numbers[spec.outcomes + word] >= 0)


@jit
def put_level(level: TextsLevel, state: int, prefix: int, set_node: int, count: int) -> None:
    """Write the level of a text of which nothing is tried yet: `put_level(top, state, -1, 0, 0)` where
    neither list nor set matters."""
    level.state = state
    level.prefix = prefix
    level.set_node = set_node
    level.count = count
    level.column = -1


@jit
def texts_left(
    c: JsonContext,
    string: int,
    words: int,
    state: int,
    prefix: int,
    set_node: int,
    count: int,
    needed_count: int,
) -> int:
    """Return how many texts that the automaton accepts from `state` are neither in the word list nor in the
    set, up to `needed_count`; or -1 when something must be asked. The answer is a lower bound, and 0 only
    where there is none: what goes on for long outside list and set counts once. `string`: -1: the texts are
    keys; else the row of a string, of which `count` characters are written: its bounds hold, and its listed
    words count that have an outcome.

    For example `texts_left(c, -1, words, state, prefix, 0, 0, 1)` is 0 where each key that goes on from a
    state is a name of the list. Cost: the size of list and set under `prefix` and `set_node`, times the width
    of the automaton.
    """
    max_length, policy = -1, c.key_escapes
    if string >= 0:
        max_length, policy = c.string_specs[string].max_length, c.escapes
    last = LONE_COLUMN + 1 if policy == ESCAPES_ANY else 256
    texts = 0
    level = 0
    put_level(c.levels[0], state, prefix, set_node, count)
    while level >= 0:
        top = c.levels[level]
        if top.column < 0:
            top.column = 0
            if is_left(c, string, words, top.state, top.prefix, top.set_node, top.count):
                texts += 1
        if texts >= needed_count:
            return needed_count
        # depth first: a level has the next column to try, and is left after the last
        if top.column == last:
            level -= 1
            continue
        column = top.column
        byte, target = listed_byte(column), string_step(c, top.state, column)
        if target == UNASKED:
            note_question(c, Q_STRING, top.state, column, 0)
            return -1
        top.column = column + 1
        count_after = top.count + (1 if byte & 0xC0 != 0x80 else 0)
        if target < 0 or (max_length >= 0 and count_after > max_length):
            continue
        if string >= 0 and not near_enough(c, c.string_specs[string], target, count_after):
            continue
        prefix_after = narrow_prefix(c, words, top.prefix, byte) if top.prefix >= 0 else -1
        node_after = set_step(c, top.set_node, byte) if top.set_node > 0 else 0
        # Outside list and set each text counts, and some text goes on from every state of the automaton. So
        # one is found, without going on to its end.
        if prefix_after < 0 and node_after <= 0 and (texts + 1 >= needed_count or level >= _DEEP):
            texts += 1
            continue
        level += 1
        if level == c.levels.capacity:
            ask_room(c, c.levels, level + 1)
            return -1
        put_level(c.levels[level], target, prefix_after, node_after, count_after)
    return texts


@jit
def fresh_left(c: JsonContext, residue: int, state: int, prefix: int, set_node: int, extras: int) -> int:
    """Return YES, NO or ASK: is some extra key left that goes on from `state`? `extras`: the set of the
    object, which may be blurred; a walk that cannot tell then says so (`JsonContext.blur_level`)."""
    # Of a free key endlessly many texts are left. Outside list and set nothing is taken away.
    is_blurred = extras & BLUR != 0
    if state < MIDDLES or (prefix < 0 and set_node <= 0 and not is_blurred):
        return YES
    words = c.residues[residue].words
    # A blurred set lacks one key of this walk: two texts are needed, of which one may be that key.
    texts = texts_left(c, -1, words, state, prefix, set_node, 0, 2 if is_blurred else 1)
    if texts < 0:
        return ASK
    if is_blurred and texts < 2:
        c.blur_level = 1
    return YES if texts > 0 else NO


@jit
def all_names(c: JsonContext, residue: int) -> int:
    """Return the prefix of all names of an object's list, -1 where there are none."""
    words = c.word_lists[c.residues[residue].words].count
    return prefix_of(0, words, 0) if words > 0 else -1


@jit
def may_continue(c: JsonContext, d: JsonState) -> int:
    """Return YES, NO or ASK: may another member or item come?"""
    residue, extras = d.residue, d.extras
    row = c.residues[residue]
    if row.offers_names > 0 or row.item >= 0:
        return YES
    state = row.extra
    if state < 0:
        return NO
    if state < MIDDLES:
        return YES
    return fresh_left(c, residue, state, all_names(c, residue), extras & (BLUR - 1), extras)


@jit
def listed_outcome(c: JsonContext, spec: StringRow, prefix: int) -> int:
    """Return the outcome of the word that a prefix is, -1 where it is excluded, -2 where none ends."""
    word = word_at_prefix(c, spec.words, prefix)
    if word < 0:
        return -2
    return c.outcomes.numbers[spec.outcomes + word]


@jit
def follow_list(c: JsonContext, d: JsonState, byte: int) -> int:
    """Take a decoded byte in the list beside a string's automaton: YES, NO where nothing is left that could
    come of the string, or ASK."""
    prefix = d.side_node
    if prefix <= 0:
        return YES
    spec = c.string_specs[d.residue]
    prefix = narrow_prefix(c, spec.words, prefix, byte)
    d.side_node = max(prefix, 0)
    if prefix < 0:
        return YES
    state = d.lexeme & STATE_BITS
    # All that goes on may be excluded words: one text that is not must be left.
    texts = texts_left(c, d.residue, spec.words, state, prefix, 0, d.position, 1)
    if texts < 0:
        return ASK
    return YES if texts else NO


@jit
def item_values(c: JsonContext, d: JsonState) -> int:
    """Return 0 unless a value that begins here is an item whose value matters; 2 where the value of the one
    before it has not been read."""
    mode = d.mode
    if mode != M_ARRAY and mode != M_NEXT:
        return 0
    return c.residues[d.residue].values


@jit
def append_to_log(c: JsonContext, d: JsonState, label: int) -> int:
    """Add a label to the log, or a byte to the extra key written so far: YES, or ASK when room must be made.
    Walks that fill masks leave it out (see BLUR)."""
    text = d.text
    if c.precise == 0:
        d.text = text & (CAPTURE | UNREAD)
        return YES
    t = c.work.text
    t.parent = text & LOG
    t.byte = label
    row = intern_row(c, c.texts, 2, t)
    if row < 0:
        return ASK
    d.text = (text & CAPTURE) | row
    return YES


@jit
def many_strings(c: JsonContext, d: JsonState) -> bool:
    """Return whether two strings or more go on from the registers of one, as far as that shows quickly."""
    spec = c.string_specs[d.residue]
    state = d.lexeme & STATE_BITS
    if d.lexeme >> ESCAPE_SHIFT != 0:
        return False
    if state < MIDDLES:
        return spec.max_length < 0 or d.position < spec.max_length
    if spec.phases >= 0:
        return False
    list_prefix = d.side_node if d.side_node > 0 else -1
    return texts_left(c, -1, spec.words, state, list_prefix, 0, 0, 2) >= 2


@jit
def many_numbers(c: JsonContext, state: int) -> bool:
    """Return whether two digits other than 0 may come next in a numeral of which one character is written:
    they are two values, whatever follows."""
    columns = skip(c.numbers, 16 * state)
    digits = 0
    for digit in range(1, 10):
        if columns[digit] >= 0:
            digits += 1
    return digits >= 2


@jit
def among_literals(c: JsonContext, d: JsonState) -> bool:
    """Return whether the registers are in an item of an array whose items may be literals. After such a one
    what is written of the next would be VAGUE: a literal is one value."""
    frame = d.frame
    if frame < 0:
        return False
    below = c.frames[frame]
    place = c.residues[below.residue].item
    if below.key != -1 or place < 0:
        return False
    row = c.places[place]
    return row.true >= 0 or row.false >= 0 or row.null >= 0


@jit
def may_differ(c: JsonContext, residue: int) -> int:
    """Return YES, NO or ASK: do two values or more go on from a residue, until the value of a key is read? NO
    says nothing."""
    answer = c.residues[residue].may_differ
    if answer == 0:
        note_question(c, Q_MAY_DIFFER, residue, 0, 0)
        return ASK
    return YES if answer == 1 else NO


@jit
def follow_item(c: JsonContext, s: JsonState, d: JsonState, byte: int) -> int:
    """Take a byte that was accepted, from the registers at `s` to those at `d`, into the log:
    YES, ASK or VAGUE. For example `follow_item(c, s, d, 44)` appends a comma between two items."""
    mode, mode_before = d.mode, s.mode
    if mode == M_KEY and mode_before == M_KEY:
        return YES  # the bytes of keys were appended when they were decoded (`string_step.feed_byte`)
    if mode != M_STRING and mode != M_WORDS and is_space(byte):
        return YES
    if d.text & UNREAD != 0:
        # The item before was not read. What is written of this one tells nothing only as long as at least two
        # values go on with it: one of them may be excluded.
        if mode == M_STRING and many_strings(c, d):
            return YES
        if mode == M_NUMBER and mode_before != M_NUMBER:
            return YES if many_numbers(c, d.lexeme) else VAGUE
        if mode == M_OBJECT or mode == M_ARRAY or mode == M_KEY or mode == M_COLON or mode == M_VALUE:
            code = may_differ(c, d.residue)
            return VAGUE if code == NO else code
        return VAGUE
    if mode == M_KEY:
        return append_to_log(c, d, KEY_BEGINS)
    return append_to_log(c, d, KEY_ENDS if mode_before == M_KEY else byte)


@jit
def close_item(c: JsonContext, d: JsonState, frame: FrameRow, outcome: int) -> int:
    """Leave a finished item whose value matters: YES, ASK or VAGUE. `frame`: the row of the frame under it,
    as in `close_item(c, d, c.frames[d.frame], outcome)`."""
    outer_residue = frame.residue
    if c.residues[outer_residue].values == 2:
        return VAGUE
    log = d.text & LOG
    outer = frame.extras
    if log == 0:
        residue = find_edge(c, outer_residue, UNREAD_TAG, outcome)
        if residue == -1:
            return VAGUE
        if residue < 0:
            note_question(c, Q_UNREAD, outer_residue, outcome, 0)
            return ASK
    else:
        # the text of the item: where its log ends, and where it begins
        item_key = (log << 32) | (outer & LOG)
        residue = find_edge(c, outer_residue, ITEM_TAG - outcome, item_key)
        if residue < 0:
            note_question(c, Q_ITEM, outer_residue, outcome, item_key)
            return ASK
    set_structural(d, M_ITEM, residue, 0, frame.parent)
    d.text = 0 if outer == 0 else CAPTURE | log
    return known_residue(c, residue)
