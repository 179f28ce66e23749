"""One byte of JSON text: `step_byte` takes the registers of a state to those of the state after the byte.

It knows RFC 8259, and the policies of white space and escapes. What the schema allows is in tables, which
Python has filled from the grammar's *network*, the schema as numbers:

- A *place* is what the schema asks of one value: which kinds of values may begin, e.g. only a string.
- An *outcome* is the number of what a finished value has met of its place.
- A *residue* is how far an object or array has come, and what it still owes.
- A *frame* is an open object or array; frames are the stack, shared by all states.
- A state is *structural* between the tokens of JSON: not inside a string, key, numeral or word.

The text of JSON is a deterministic pushdown language, so a state is one set of registers
(`json_blocks.JsonState`) and a stack. Where a row of a table is not there yet, a question is noted
(json_blocks.Q_*), and the step answers ASK: Python answers the question, and the step is made again.

Names in all compiled modules of this room: `c` is the block of the grammar, `d` the registers that a function
changes, `s` the registers before the byte. Bytes are numbers: 34 is a quote, 92 a backslash, 44 a comma, 58 a
colon, 91 and 93 are brackets, 123 and 125 braces.
"""

from __future__ import annotations

from structgen.automata.unicode.decoded_text import LONE_BYTE
from structgen.base.native.jit import jit
from structgen.base.native.typed_blocks import copy_block
from structgen.machines.json_machine.steps.keys_and_items import (
    all_names,
    close_item,
    follow_item,
    item_values,
    listed_outcome,
    may_continue,
)
from structgen.machines.json_machine.steps.string_step import (
    can_finish,
    count_character,
    escape_alive,
    escape_step,
    escapes_of,
    feed_byte,
    settle_lone,
    with_escape,
)
from structgen.machines.json_machine.tables.json_blocks import (
    BLUR,
    CAPTURE,
    COUNT_SHIFT,
    ESCAPE_SHIFT,
    ESCAPES_ASCII,
    LOG,
    M_ARRAY,
    M_COLON,
    M_DOC,
    M_END,
    M_FINISHED,
    M_ITEM,
    M_KEY,
    M_KEYS,
    M_LITERAL,
    M_MEMBER,
    M_NEXT,
    M_NUMBER,
    M_OBJECT,
    M_STRING,
    M_VALUE,
    M_WORDS,
    NO_FRAME,
    NO_STATE,
    Q_DEPTH,
    Q_PLACE,
    SENTINEL,
    SPACE_ANY,
    SPACE_BOUNDED,
    SPACE_COMPACT,
    SPACE_ONELINE,
    STATE_BITS,
    UNREAD,
    JsonContext,
    JsonState,
    PlaceRow,
)
from structgen.machines.json_machine.tables.lookups import (
    extra_place,
    holds_brackets,
    is_space,
    known_residue,
    prefix_of,
    residue_after,
    set_insert,
    set_structural,
    string_outcome,
    value_place,
    word_at_prefix,
)
from structgen.machines.machine_core.interning import intern_row, note_question
from structgen.machines.machine_core.layout import ASK, NO, OUT, OUT_BEFORE, YES


@jit
def open_brackets(c: JsonContext, d: JsonState) -> int:
    """Return how many brackets are open at a structural state."""
    mode = d.mode
    if mode == M_DOC or mode == M_END:
        return 0
    # A frame stands under each value but the document: its depth counts the brackets around the container.
    frame = d.frame
    if frame < 0:
        return 1
    return c.frames[frame].depth + 1


@jit
def deepest_after_token(c: JsonContext, d: JsonState) -> int:
    """Return the most brackets that can be open after the next token of JSON; -1: a question was noted."""
    mode = d.mode
    level = open_brackets(c, d)
    if mode == M_END:
        return 0
    if mode == M_COLON or mode == M_KEYS:
        return level  # a colon or a key comes, and neither opens nor closes anything
    may_begin = mode == M_ARRAY and c.residues[d.residue].item >= 0
    if mode == M_DOC or mode == M_VALUE or mode == M_NEXT or may_begin:
        deeper = holds_brackets(c, value_place(c, d))
        if deeper < 0:
            return -1
        return level + deeper
    # after a member or an item: a comma, or else the bracket that closes
    another = may_continue(c, d)
    if another == ASK:
        return -1
    return level if another == YES else level - 1


@jit
def bounded_space(run_state: int, byte: int) -> int:
    """Return the packed run of white space after one more byte; -1: bounded white space cannot go on so.

    There are two bounded forms (`is_bounded`): at most eight characters, or a line break and blanks. A run is
    packed into one number. Bits 0-3: the number of characters, 9 for more than 8. Bits 4-5: 0 nothing is
    written, 1 a carriage return, 2 a line break and blanks, 3 anything else. From bit 6 on: the number of
    blanks after the line break. The caller checks how many blanks are allowed.
    """
    count = run_state & 15
    form = (run_state >> 4) & 3
    blanks = run_state >> 6
    if count < 9:
        count += 1
    if form == 0:
        form = 3
        if byte == 10:  # a line feed
            form = 2
        elif byte == 13:  # a carriage return
            form = 1
    elif form == 1:
        form = 2 if byte == 10 else 3
    elif form == 2:
        if byte == 32 or byte == 9:
            blanks += 1
        else:
            form = 3
    if form == 3:
        blanks = 0  # Only the count of characters matters now: without the blanks there are fewer states.
        if count > 8:
            return -1
    return count | (form << 4) | (blanks << 6)


@jit
def run_without_count(run_state: int) -> int:
    """Return a run of white space without the count of its characters."""
    return run_state & ((1 << COUNT_SHIFT) - 1)


@jit
def is_bounded(run_state: int, level: int) -> bool:
    """Return whether a run of white space is allowed before a token that leaves `level` brackets open.

    Allowed are up to eight characters of any kind, or a line break and up to eight blanks for each bracket.
    `run_state` is packed as in `bounded_space`.
    """
    return run_state & 15 <= 8 or run_without_count(run_state) >> 6 <= 8 * level


@jit
def space_step(c: JsonContext, d: JsonState, byte: int) -> int:
    """Take one byte of white space, as far as the policy allows it: YES, NO or ASK."""
    policy = c.space
    run_state = d.position
    mode = d.mode
    if policy == SPACE_ANY or policy == SPACE_BOUNDED:
        count = run_state >> COUNT_SHIFT
        if c.most_space >= 0:
            if count >= c.most_space:
                return NO
            count += 1
        run_state = run_without_count(run_state)
        if policy == SPACE_BOUNDED:
            run_state = bounded_space(run_state, byte)
            if run_state < 0:
                return NO
            # Only a long run depends on the brackets, which may have to be asked for.
            if run_state & 15 > 8:
                max_brackets = deepest_after_token(c, d)
                if max_brackets < 0:
                    return ASK
                if not is_bounded(run_state, max_brackets):
                    return NO
        d.position = run_state | (count << COUNT_SHIFT)
        return YES
    if policy == SPACE_COMPACT:
        return NO
    if policy == SPACE_ONELINE:
        # one blank after a colon and after a comma
        if byte == 32 and run_state == 0 and (mode == M_VALUE or mode == M_KEYS or mode == M_NEXT):
            d.position = 1
            return YES
        return NO
    # json.dumps(indent=...)
    if mode == M_DOC or mode == M_END or mode == M_COLON:
        return NO
    if mode == M_VALUE:
        if byte == 32 and run_state == 0:
            d.position = 1
            return YES
        return NO
    return indent_step(c, d, byte)


@jit
def indent_step(c: JsonContext, d: JsonState, byte: int) -> int:
    """Take one byte of the white space that json.dumps(indent=...) writes between lines: YES, NO or ASK."""
    mode = d.mode
    run_state = d.position
    # A line break and the indentation: of one level less before the bracket that closes. A comma stands
    # directly after its item, so after an item only that bracket may come.
    level = open_brackets(c, d)
    if mode == M_MEMBER or mode == M_ITEM:
        level -= 1
        if c.residues[d.residue].close < 0:
            return NO
    elif mode == M_OBJECT or mode == M_ARRAY:
        # json.dumps writes an empty container without white space.
        another = may_continue(c, d)
        if another != YES:
            return another
    width = c.indent_length
    if run_state > width * level:
        return NO
    next_blank = 10
    if run_state > 0:
        next_blank = c.indent[(run_state - 1) % width]
    if byte != next_blank:
        return NO
    d.position = run_state + 1
    return YES


@jit
def space_allows(c: JsonContext, d: JsonState, after: int, closes: bool) -> bool:
    """Return whether the white space that is written is allowed before the next token of JSON.

    `after`: the number of brackets that are open after the token. `closes`: the token is a closing bracket,
    as in `space_allows(c, d, level - 1, True)`.
    """
    policy = c.space
    run_state = d.position
    mode = d.mode
    if policy == SPACE_ANY or policy == SPACE_COMPACT:
        return True
    if policy == SPACE_ONELINE:
        return run_state == (1 if mode == M_VALUE or mode == M_KEYS or mode == M_NEXT else 0)
    if policy == SPACE_BOUNDED:
        return is_bounded(run_state, after)
    # json.dumps(indent=...): the white space must be whole, as `space_step` has it
    if mode == M_DOC or mode == M_END or mode == M_COLON:
        return run_state == 0
    if mode == M_VALUE:
        return run_state == 1
    level = open_brackets(c, d)
    width = c.indent_length
    if mode == M_OBJECT or mode == M_ARRAY:
        return run_state == (0 if closes else 1 + width * level)
    if mode == M_MEMBER or mode == M_ITEM:
        return run_state == (1 + width * (level - 1) if closes else 0)
    return run_state == 1 + width * level


@jit
def close_value(c: JsonContext, d: JsonState, outcome: int) -> int:
    """Leave a finished value with an outcome: the registers become those of the object, array or document
    around it. Returns YES, ASK or VAGUE; OUT where a terminal was read by itself (SENTINEL)."""
    frame = d.frame
    if frame == SENTINEL:
        # A terminal is read by itself: the outcome is answered in a register.
        d.lexeme = outcome
        return OUT
    if frame == NO_FRAME:
        set_structural(d, M_END, outcome, 0, NO_FRAME)
        return YES
    row = c.frames[frame]
    key = row.key
    if key == -1 and c.residues[row.residue].values != 0:
        return close_item(c, d, row, outcome)
    residue = residue_after(c, row.residue, key, outcome)
    if residue < 0:
        return ASK
    set_structural(d, M_ITEM if key == -1 else M_MEMBER, residue, row.extras, row.parent)
    return known_residue(c, residue)


@jit
def number_step(c: JsonContext, state: int, byte: int) -> int:
    """Return the state of a numeral's automaton after a byte; -1: the numeral cannot go on so."""
    # the columns of number automata: ten digits, then the signs - + . e E
    column = 15
    if byte >= 48 and byte <= 57:
        column = byte - 48
    elif byte == 45:
        column = 10
    elif byte == 43:
        column = 11
    elif byte == 46:
        column = 12
    elif byte == 101:
        column = 13
    elif byte == 69:
        column = 14
    if column == 15:
        return -1
    return c.numbers[state * 16 + column]


@jit
def push_frame(c: JsonContext, d: JsonState, place: int, level: int, opens: bool) -> int:
    """Return the frame around a value that begins at the structural state `d`; it is made if it is new.

    `place`: the place of the value. `level`: the number of open brackets before it. `opens`: the value is an
    object or an array. Returns NO_FRAME (-1) for the document's own value, -2 where a question was noted.
    """
    mode = d.mode
    if mode == M_DOC:
        return NO_FRAME
    if level >= c.depth_limit and opens:
        note_question(c, Q_DEPTH, level, 0, 0)
        return -2
    t = c.work.frame
    t.residue = d.residue
    t.extras = d.extras if item_values(c, d) == 0 else d.text
    t.key = d.lexeme if mode == M_VALUE else -1
    t.parent = d.frame
    t.depth = level
    # Each bound is kept with 1 added, and 0 means unknown. So the sum has 1 too many.
    rest = 1 if d.frame < 0 else c.frames[d.frame].rest
    tail = c.residues[d.residue].tail
    t.place = place
    t.rest = rest + tail - 1 if rest > 0 and tail > 0 else 0
    # The first five words are the key. The others follow from them, so equal stacks are one frame.
    frame = intern_row(c, c.frames, 5, t)
    return frame if frame >= 0 else -2


@jit
def value_start(c: JsonContext, row: PlaceRow, byte: int, is_numeral: bool) -> int:
    """Return how a value of a place begins with a byte; -1: no value of the place does.

    It is the residue of an object or array, the row of a string, the state of a numeral after the byte, or
    the outcome of true, false or null. `is_numeral`: the byte is a digit or a minus. For example,
    `value_start(c, row, 123, False)` is the residue of an object of which nothing is written.
    """
    if byte == 34:  # a quote
        return row.string
    if is_numeral:
        return number_step(c, row.number, byte) if row.number >= 0 else -1
    if byte == 123:  # {
        return row.object
    if byte == 91:  # [
        return row.array
    if byte == 116:  # true
        return row.true
    if byte == 102:  # false
        return row.false
    return row.null if byte == 110 else -1


@jit
def begin_string(c: JsonContext, d: JsonState, string: int, frame: int) -> None:
    """Take the quote that opens a string. `string`: its row of `string_specs`; `frame`: the frame around it.

    For example, `begin_string(c, d, row.string, NO_FRAME)` begins a document that is a string.
    """
    spec = c.string_specs[string]
    if spec.kind == 0:
        set_structural(d, M_STRING, string, 0, frame)
        d.lexeme = spec.start
        if spec.words >= 0:
            words = c.word_lists[spec.words].count
            d.side_node = prefix_of(0, words, 0)
    else:
        set_structural(d, M_WORDS, string, 0, frame)
        d.position = prefix_of(0, c.word_lists[spec.start].count, 0)


@jit
def begin_value(c: JsonContext, d: JsonState, byte: int) -> int:
    """Take the first byte of a value at a structural state: YES, NO or ASK."""
    place = value_place(c, d)
    if place < 0:
        return NO
    row = c.places[place]
    if row.status == 0:
        note_question(c, Q_PLACE, place, 0, 0)
        return ASK
    level = open_brackets(c, d)
    opens = byte == 123 or byte == 91
    if not space_allows(c, d, level + 1 if opens else level, False):
        return NO
    is_numeral = (byte >= 48 and byte <= 57) or byte == 45
    start = value_start(c, row, byte, is_numeral)
    if start < 0:
        return NO
    frame = push_frame(c, d, place, level, opens)
    if frame == -2:
        return ASK
    values = item_values(c, d)
    if values != 0:
        # The log of an item begins here; its frame, which is made already, holds where.
        d.text = d.text | CAPTURE | (UNREAD if values == 2 else 0)
    if byte == 123:
        set_structural(d, M_OBJECT, start, 0, frame)
        return known_residue(c, start)
    if byte == 91:
        set_structural(d, M_ARRAY, start, 0, frame)
        return known_residue(c, start)
    if byte == 34:
        begin_string(c, d, start, frame)
        return YES
    if is_numeral:
        set_structural(d, M_NUMBER, 0, 0, frame)
        d.lexeme = start
        return YES
    # true, false or null by its number, of which one byte is written
    set_structural(d, M_LITERAL, start, 0, frame)
    literal = 2
    if byte == 116:
        literal = 0
    elif byte == 102:
        literal = 1
    d.lexeme = (literal << 4) | 1
    return YES


@jit
def literal_byte(literal: int, position: int) -> int:
    """Return a byte of true, false or null; 0 past its end."""
    # the bytes of "null", "true" and "false", the first byte lowest
    text = 0x6C6C756E
    if literal == 0:
        text = 0x65757274
    elif literal == 1:
        text = 0x65736C6166
    return (text >> (8 * position)) & 255


@jit
def begin_key(c: JsonContext, d: JsonState) -> int:
    """Take the quote that opens a key."""
    residue, extras = d.residue, d.extras
    row = c.residues[residue]
    set_structural(d, M_KEY, residue, extras, d.frame)
    # The key is read in up to three ways at once: by the automaton of extra keys, in the set of keys that the
    # object holds, and in the list of names.
    extra = row.extra
    d.lexeme = extra if extra >= 0 else NO_STATE
    if extra >= 0:
        d.side_node = extras & (BLUR - 1)
    d.position = all_names(c, residue)
    return YES


@jit
def close_string(c: JsonContext, d: JsonState) -> int:
    """Take the quote that closes a string, a word or a key: YES, NO, ASK or OUT."""
    mode = d.mode
    if mode == M_STRING:
        spec = c.string_specs[d.residue]
        outcome = string_outcome(c, spec, d.lexeme & STATE_BITS, d.position)
        if outcome < 0 or d.position < spec.min_length:
            return NO
        # The string may be a word of the list beside its automaton (`StringRow.words`): such a word has an
        # outcome of its own, -1 where it is excluded. -2: it is not a word of the list.
        if d.side_node > 0:
            list_outcome = listed_outcome(c, spec, d.side_node)
            if list_outcome == -1:
                return NO
            if list_outcome >= 0:
                outcome = list_outcome
        return close_value(c, d, outcome)
    if mode == M_WORDS:
        spec = c.string_specs[d.residue]
        word = word_at_prefix(c, spec.start, d.position)
        if word < 0:
            return NO
        return close_value(c, d, c.outcomes.numbers[spec.outcomes + word])
    return close_key(c, d)


@jit
def close_key(c: JsonContext, d: JsonState) -> int:
    """Take the quote that closes a key: YES, NO, ASK or OUT."""
    prefix, residue, extras = d.position, d.residue, d.extras
    row = c.residues[residue]
    # A key that the schema names is never an extra key, also where the name may not come now.
    if prefix >= 0:
        word = word_at_prefix(c, row.words, prefix)
        if word >= 0:
            if c.children.numbers[row.children + word] < 0:
                return NO
            set_structural(d, M_COLON, residue, extras, d.frame)
            d.lexeme = word
            return YES
    state = d.lexeme & STATE_BITS
    if state == NO_STATE:
        return NO
    group = c.string_outcomes[state]
    if group < 0:
        return NO
    if d.frame == SENTINEL:
        d.lexeme = group
        return OUT
    list_prefix = d.side_node
    if list_prefix > 0 and c.sets[list_prefix].member == 1:
        return NO
    value = extra_place(c, residue, group)
    if value < 0:
        return NO if value == -1 else ASK
    if c.precise != 0:
        extras = set_insert(c, extras, d.text & LOG)
        if extras < 0:
            return ASK
    elif extras & BLUR:
        # This is the second key whose text was not followed. The two may be equal: the walk cannot decide.
        c.blur_level = 1
    else:
        extras |= BLUR
    set_structural(d, M_COLON, residue, extras, d.frame)
    d.lexeme = -2 - group
    return YES


@jit
def text_step(c: JsonContext, d: JsonState, byte: int) -> int:
    """Take one byte inside a string, a listed word or a key: a step's code (`layout.YES`)."""
    escape = (d.lexeme >> ESCAPE_SHIFT) & 15
    if escape == 6:  # the states of an escape are listed in `string_step`
        # A high surrogate is written. A backslash may begin the low surrogate of the pair; after any other
        # byte the high surrogate is alone.
        if byte == 92:
            lex = d.lexeme
            with_escape(d, 7, 0, (lex >> 48) & 0x3FF)
            return escape_alive(c, d)
        code = settle_lone(c, d)
        if code != YES:
            return code
    elif escape != 0:
        return escape_step(c, d, byte)
    if byte == 34:
        return close_string(c, d)
    if byte == 92:
        # The character is counted when its escape begins: so no escape begins past the bound.
        code = count_character(c, d)
        if code != YES:
            return code
        with_escape(d, 1, 0, 0)
        return escape_alive(c, d)
    if byte < 32 or byte >= LONE_BYTE or (byte >= 127 and escapes_of(c, d) == ESCAPES_ASCII):
        return NO
    # All bytes of UTF-8 but continuation bytes begin a character.
    if byte & 0xC0 != 0x80:
        code = count_character(c, d)
        if code != YES:
            return code
    return feed_byte(c, d, byte)


@jit
def close_container(c: JsonContext, d: JsonState) -> int:
    """Take the bracket that closes an object or an array: a step's code (`layout.YES`)."""
    outcome = c.residues[d.residue].close
    if outcome < 0 or not space_allows(c, d, open_brackets(c, d) - 1, True):
        return NO
    return close_value(c, d, outcome)


@jit
def structure_step(c: JsonContext, d: JsonState, byte: int) -> int:
    """Take one byte between the tokens of JSON: a step's code (`layout.YES`)."""
    mode = d.mode
    if is_space(byte):
        return NO if mode == M_FINISHED else space_step(c, d, byte)
    if mode == M_VALUE or mode == M_DOC or mode == M_NEXT:
        return begin_value(c, d, byte)
    if mode == M_MEMBER or mode == M_ITEM:
        member = mode == M_MEMBER
        if byte == (125 if member else 93):
            return close_container(c, d)
        if byte == 44 and space_allows(c, d, open_brackets(c, d), False):
            another = may_continue(c, d)
            if another == YES:
                mode_after = M_KEYS if member else M_NEXT
                set_structural(d, mode_after, d.residue, d.extras if member else 0, d.frame)
            return another
        return NO
    if mode == M_COLON:
        if byte == 58 and space_allows(c, d, open_brackets(c, d), False):
            d.mode = M_VALUE
            d.position = 0
            return YES
        return NO
    if mode == M_KEYS or mode == M_OBJECT:
        if byte == 34 and space_allows(c, d, open_brackets(c, d), False):
            another = may_continue(c, d)
            return begin_key(c, d) if another == YES else another
        if byte == 125 and mode == M_OBJECT:
            return close_container(c, d)
        return NO
    if mode == M_ARRAY:
        if byte == 93:
            return close_container(c, d)
        return begin_value(c, d, byte)
    return NO


@jit
def step_byte(c: JsonContext, s: JsonState, d: JsonState, byte: int) -> int:
    """Write the registers after a byte to `d`, from the registers `s` before it.

    Returns YES where the byte is allowed; else NO, ASK, OUT, OUT_BEFORE or VAGUE (`machine_core.layout`), and
    `d` has no meaning then. Where an item's text matters, its log is followed.
    """
    copy_block(s, d)
    code = plain_step(c, d, byte)
    if code == YES and d.text & CAPTURE != 0:
        return follow_item(c, s, d, byte)
    return code


@jit
def plain_step(c: JsonContext, d: JsonState, byte: int) -> int:
    """Take one byte without following the log of an item; only the bytes of keys are logged here."""
    mode = d.mode
    if mode == M_STRING or mode == M_KEY or mode == M_WORDS:
        code = text_step(c, d, byte)
        # Where some byte is in no token, a character or an escape may begin that no tokens can finish.
        may_lack_bytes = (
            c.lacks != 0 and d.mode == mode and (byte >= 128 or (d.lexeme >> ESCAPE_SHIFT) & 15 != 0)
        )
        return can_finish(c, d) if code == YES and may_lack_bytes else code
    if mode == M_NUMBER:
        state = d.lexeme
        target = number_step(c, state, byte)
        if target >= 0:
            d.lexeme = target
            return YES
        # A numeral has no last byte of its own: it ends before this byte, which is then read after it.
        outcome = c.number_outcomes[state]
        if outcome < 0:
            return NO
        code = close_value(c, d, outcome)
        if code == OUT:
            return OUT_BEFORE
        if code != YES:
            return code
        return structure_step(c, d, byte)
    if mode == M_LITERAL:
        at = d.lexeme
        literal, position = at >> 4, at & 15
        if byte != literal_byte(literal, position):
            return NO
        if position + 1 == (5 if literal == 1 else 4):  # `false` has five bytes
            return close_value(c, d, d.residue)
        d.lexeme = at + 1
        return YES
    return structure_step(c, d, byte)


@jit
def is_accepting(c: JsonContext, d: JsonState) -> bool:
    """Return whether the document may end at these registers."""
    mode = d.mode
    if mode == M_END:
        return True
    if mode == M_NUMBER and d.frame == NO_FRAME:
        return c.number_outcomes[d.lexeme] >= 0
    return False
