"""Keys, strings and items that depend on the text before them.

**Extra keys.** An *extra key* is a key that the schema does not name and the object does not hold yet. The
automaton of extra keys may go on in finitely many ways only (`^x[ab]$`), and the object may hold all of them.
Then no key can begin, and so neither its quote nor the comma before it may come (`texts_left`).

**Listed words.** Beside the automaton of a string there may be a list of words with outcomes of their own
(`StringRow.words`), e.g. the values that an item must not repeat. So many strings share one automaton and its
masks. The register `side_node` is the prefix in the list while the string agrees with some word; else 0.

**Items whose text matters** (`ir.ArrayMenu.values`), e.g. under `uniqueItems`. Their text is followed in a
*log*, a chain of rows of `texts`, whose last row is in the register `text` (CAPTURE). It has the bytes of the
item without the white space between tokens; keys are decoded, between KEY_BEGINS and KEY_ENDS. An item inside
an item continues the log of the outer one; its frame holds where its own part begins. When the item closes,
the network is asked what follows a value with this text.

Walks that fill masks do not follow the text. The log is then empty, and the network is asked what follows an
item of any text (`Network.after_unread`). The next item is then written after an unread one (UNREAD). Its
bytes are allowed while many values can still come of them; where few can, the step is VAGUE, and the tokens
are tried one by one.
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
"""The number of bytes after which `texts_left` counts all texts that go on as one."""


@jit
def listed_byte(column: int) -> int:
    """Return the byte that lists and sets hold for a column of string automata (`unicode.decoded_text`)."""
    return LONE_BYTE if column == LONE_COLUMN else column


@jit
def is_left(
    c: JsonContext, string: int, words: int, state: int, prefix: int, set_node: int, count: int
) -> bool:
    """Return whether a text that ends here counts in `texts_left`; the parameters are those of
    `texts_left`."""
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
    """Write a level of the search in `texts_left`, of which no column is tried yet.

    For example, `put_level(top, state, -1, 0, 0)` is a level at which neither list nor set matters.
    """
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
    """Count the texts of an automaton from `state` on that are neither in a word list nor in a set.

    `words`, `prefix`: the list, and the prefix of it that is written (-1: the list does not matter).
    `set_node`: the node of the set that is reached (0: none). `string`: -1: the texts are keys; else the row
    of a string, of which `count` characters are written. The bounds of its length hold, and its listed words
    count if they have an outcome. The count stops at `needed_count`. It is a lower bound, and 0 only where
    there is no such text. -1: a question was noted.

    For example, `texts_left(c, -1, words, state, prefix, 0, 0, 1)` is 0 where each key that goes on from a
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
        # Outside list and set every text counts, and from each state of the automaton some text can be
        # finished. So one text is counted here without reading it to its end.
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
    """Return YES, NO or ASK: does some extra key go on from `state`?

    `prefix`: the prefix in the list of names; `set_node`: the node in the set of keys that the object holds;
    `extras`: that set. Where the set has BLUR, and the walk cannot decide, `JsonContext.blur_level` is set.
    """
    # A free key goes on in endlessly many ways. Outside list and set no text is excluded.
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
    """Return the empty prefix, which all names of an object's list have; -1: the list is empty."""
    words = c.word_lists[c.residues[residue].words].count
    return prefix_of(0, words, 0) if words > 0 else -1


@jit
def may_continue(c: JsonContext, d: JsonState) -> int:
    """Return YES, NO or ASK: may another member or item come in the object or array?"""
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
    """Return the outcome of the listed word that ends at a prefix; -1: it is excluded; -2: no word ends."""
    word = word_at_prefix(c, spec.words, prefix)
    if word < 0:
        return -2
    return c.outcomes.numbers[spec.outcomes + word]


@jit
def follow_list(c: JsonContext, d: JsonState, byte: int) -> int:
    """Take a decoded byte in the list beside a string's automaton: YES or ASK; NO where every way to complete
    the string is an excluded word."""
    prefix = d.side_node
    if prefix <= 0:
        return YES
    spec = c.string_specs[d.residue]
    prefix = narrow_prefix(c, spec.words, prefix, byte)
    d.side_node = max(prefix, 0)
    if prefix < 0:
        return YES
    state = d.lexeme & STATE_BITS
    # All words that go on may be excluded: there must be one text that is not.
    texts = texts_left(c, d.residue, spec.words, state, prefix, 0, d.position, 1)
    if texts < 0:
        return ASK
    return YES if texts else NO


@jit
def item_values(c: JsonContext, d: JsonState) -> int:
    """Return whether a value that begins here is an item whose text matters: 0 no; 1 yes; 2 yes, and the text
    of the item before it was not followed (`ResidueRow.values`)."""
    mode = d.mode
    if mode != M_ARRAY and mode != M_NEXT:
        return 0
    return c.residues[d.residue].values


@jit
def append_to_log(c: JsonContext, d: JsonState, label: int) -> int:
    """Add a label to the log of an item, or a byte to the extra key: YES; ASK where room was asked for.

    Walks that fill masks (`precise` 0) do not follow texts: they clear the log (see BLUR).
    """
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
    """Return whether at least two strings can be completed from the registers inside a string. False where
    that is not certain."""
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
    """Return whether two digits from 1 to 9 may come next in a numeral of which one character is written.

    They make two different values, whatever follows.
    """
    columns = skip(c.numbers, 16 * state)
    digits = 0
    for digit in range(1, 10):
        if columns[digit] >= 0:
            digits += 1
    return digits >= 2


@jit
def among_literals(c: JsonContext, d: JsonState) -> bool:
    """Return whether the registers are in an item of an array whose items may be true, false or null.

    A literal is one value only; so each byte of an item after an unread one would be VAGUE there.
    """
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
    """Return YES, NO or ASK: are two or more objects (or arrays) possible from a residue on, whichever key
    comes next, until its value is read? NO: perhaps not."""
    answer = c.residues[residue].may_differ
    if answer == 0:
        note_question(c, Q_MAY_DIFFER, residue, 0, 0)
        return ASK
    return YES if answer == 1 else NO


@jit
def follow_item(c: JsonContext, s: JsonState, d: JsonState, byte: int) -> int:
    """Add a byte that was accepted to the log of an item: YES, ASK or VAGUE.

    `s`: the registers before the byte; `d`: those after it. For example, `follow_item(c, s, d, 44)` appends
    the comma between two items of an item.
    """
    mode, mode_before = d.mode, s.mode
    if mode == M_KEY and mode_before == M_KEY:
        return YES  # the bytes of keys were appended when they were decoded (`string_step.feed_byte`)
    if mode != M_STRING and mode != M_WORDS and is_space(byte):
        return YES
    if d.text & UNREAD != 0:
        # The text of the item before is not known, so one value may be excluded, but not which. What is
        # written of this item is safe as long as at least two values can come of it.
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
    """Leave a finished item whose text matters: YES, ASK or VAGUE.

    `frame`: the row of the frame around it, as in `close_item(c, d, c.frames[d.frame], outcome)`.
    """
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
