"""The layout of the JSON machine's memory: the block of a grammar, its tables, the registers of a state.

- A *state* is eight registers (`JsonState`): what is being read, and what was read so far.
- A *place* is what the schema asks of one value: the values that may begin there (`PlaceRow`).
- An *outcome* is a number that names which demands of its place a finished value has met. Outcome 0 is the
  only one of most places.
- A *residue* is how far an object or an array has come, and what is still owed, e.g. a required key. For
  `{"a": 1` the residue says that "a" is written (`ResidueRow`).
- A *frame* is an open object or array around a value; frames refer to the frame around them, and so make the
  *stack* (`FrameRow`).
- A *terminal* is a string, a key, a numeral or white space, looked at without the document around it.
- An *extra key* is a key that the schema does not name; a *log* is the text of an item, label by label.
- A *rest* is the text that completes a value; its bounds count tokens.

The block is one int64 array per compiled grammar, and compiled code gets its address. Tables grow by
doubling. The old memory of a table stays allocated as long as its grammar, so that a reader without the lock
sees old, valid memory. All numbers of rows, places, residues and states are -1 where there is none, unless
said otherwise.
"""

from __future__ import annotations

from typing import Annotated

from structgen.base.native.typed_blocks import (
    At,
    Block,
    BlockRows,
    Bytes,
    ByteTable,
    Int32s,
    Int32Table,
    Int64s,
    Table,
    WordTable,
    word_of,
)
from structgen.machines.machine_core.layout import (
    NodeRow,
    Registers,
)
from structgen.machines.machine_core.lexeme_layout import LexemeContext, SafeRow, WorkRow

# --- modes: what is being read ----------------------------------------------------------------------------
(
    M_DOC,
    M_END,
    M_OBJECT,
    M_COLON,
    M_VALUE,
    M_MEMBER,
    M_KEYS,
    M_ARRAY,
    M_ITEM,
    M_NEXT,
    M_STRING,
    M_KEY,
    M_NUMBER,
    M_LITERAL,
    M_WORDS,
    M_FINISHED,
) = range(16)
"""What is being read. DOC: nothing is written yet. END: the document is complete. OBJECT: after {. COLON:
after a key. VALUE: after the colon. MEMBER: after a member. KEYS: after a comma in an object. ARRAY: after [.
ITEM: after an item. NEXT: after a comma in an array. STRING, KEY, NUMBER: inside one. LITERAL: inside true,
false or null. WORDS: inside a string that is one of a list. FINISHED: an end token was taken."""

M_SPACE = 16
"""The mode of a terminal that is a run of white space. No state has this mode."""

NO_FRAME = -1
"""The `frame` of the document's own value: there is no object or array around it."""
SENTINEL = -2
"""The `frame` of a terminal that is read by itself: closing it ends the walk and answers the outcome."""

# --- blocks -------------------------------------------------------------------------------------------------


class JsonState(Registers):
    """The registers of a state. `mode`: what is being read (M_...)."""

    residue: int
    """The residue of the innermost object or array. In a string: its row in `string_specs`. In true, false
    or null: the outcome."""
    extras: int
    """The set of extra keys that are written in this object: a node of `sets`, and perhaps BLUR."""
    side_node: int
    """In a key: the node that it has reached in that set. In a string: the prefix that it has reached in the
    list beside its automaton (`StringRow.words`); 0 once it has left the list."""
    lexeme: int
    """Inside a string, key or numeral: the state of its automaton, and of an escape (`string_step`). Between
    a key and its value: the key, as the number of its name, or -2 - the class of an extra key."""
    position: int
    """Inside a listed word or a key: the prefix in the sorted list. In a string: the count of characters.
    Between tokens: the white space that is written, packed as in `byte_step.bounded_space` under
    SPACE_BOUNDED; where characters of it are counted, their count << COUNT_SHIFT."""
    text: int
    """The row of `texts` for the extra key that is written so far. In an item whose value matters: CAPTURE,
    and the row of its log."""
    frame: int
    """The row of the innermost frame; NO_FRAME; SENTINEL."""


class JsonNode(NodeRow):
    """The row of a state: its registers, and its mask once that is known."""

    registers: JsonState


class FrameRow(Block):
    """A frame: the object or array around an open value, and the frame around that."""

    residue: int
    """The residue of the object or array before the value."""
    extras: int
    """The set of its extra keys; in an array whose values matter, the row at which the item's log begins."""
    key: int
    """The key of the value, as in `JsonState.lexeme`; -1: it is an item."""
    parent: int
    """The frame around the object or array."""
    depth: int
    """The number of open brackets."""
    place: int
    """The place of the value."""
    rest: int
    """The most tokens that the text after the value needs, and 1; 0: not worked out."""


class TextRow(Block):
    """A text that is one byte (or label of a log) longer than its parent, another row of `texts`."""

    parent: int
    """The row of the text without its last byte; 0: the empty text."""
    byte: int
    """The last byte, or the last label."""


class SetEntry(Block):
    """A row of a set of keys, which is a trie of nodes and entries.

    A node has `label` 0, `member` 1 if a key ends at it, and its first entry in `child`. An entry has the
    byte and 1 in `label`, the node under the byte in `member`, and the next entry in `child`. `sibling` is 0.
    """

    label: int
    """0: a node; else an entry: its byte and 1."""
    member: int
    """Of a node: 1 if a key ends there. Of an entry: the node under its byte."""
    child: int
    """Of a node: its first entry. Of an entry: the next entry. 0: there is none."""
    sibling: int
    """Always 0."""


class PlaceRow(Block):
    """A place: for each kind of JSON value how it begins here; -1: no value of that kind may come."""

    status: int
    """1: the row is filled; 0: it must be asked for."""
    object: int
    """The residue of an object of which nothing is written."""
    array: int
    """The residue of an array of which nothing is written."""
    string: int
    """The row of `string_specs`."""
    number: int
    """The first state of the automaton of numerals."""
    true: int
    """The outcome of `true`; -1: it may not come."""
    false: int
    """The outcome of `false`; -1: it may not come."""
    null: int
    """The outcome of `null`; -1: it may not come."""
    rest: int
    """The most tokens that the rest of a numeral needs in any of its states, and 1; 0: not worked out."""


class ResidueRow(Block):
    """A residue: how far an object or an array has come, and what may come next in it."""

    status: int
    """0: the row must be asked for; 1: it is filled; 3: it is filled, and extra keys may be owed."""
    close: int
    """The outcome where the object or array may close now; -1: it may not."""
    words: int
    """The row of the sorted list of all names of keys (`word_lists`)."""
    children: int
    """The place in `children` of one entry for each name: the place of its value, -1: it may not come now."""
    extra: int
    """The first state of the automaton of extra keys; -1: no extra key may come."""
    extra_place: int
    """The place of the values of extra keys, where all of them have the same; else -1."""
    offers_names: int
    """1: some named key may come."""
    item: int
    """The place of the next item; -1: none may come, or it is an object."""
    plain: int
    """The row of `plain_objects` from which compiled code fills this row without a question; -1: it asks."""
    index: int
    """The position of this residue among the names of that plain object."""
    values: int
    """Whether the text of an item matters to the items after it. 0: no. 1: yes, as in `uniqueItems`. 2: yes,
    and the text of the last item was not followed."""
    may_differ: int
    """1: whichever key comes next, two or more objects (or arrays) are possible until its value is read; 2:
    that is not sure; 0: not asked yet."""
    rest: int
    """The most tokens that the rest of the object or array needs in any of its states, after any token that
    stays in it, and 1; 0: not worked out."""
    tail: int
    """The most tokens that follow a value in it, and 1; 0: not worked out, or the key decides."""


class WordListRow(Block):
    """A sorted list of words. Its bytes are in `blob`, one word after another."""

    start: int
    """The first of its entries in `offsets`, which have the place in `blob` at which each word begins."""
    count: int
    """The number of its words. There is one entry more: the end of the last word."""


class StringRow(Block):
    """The strings that may come at a place."""

    kind: int
    """0: the texts of an automaton from the state `start` on, with `min_length` to `max_length` characters;
    1: the words of the list `start`."""
    start: int
    """The first state of the automaton, or the row of the list (`kind`)."""
    min_length: int
    """The least number of characters."""
    max_length: int
    """The largest number of characters; -1: no bound."""
    outcomes: int
    """The place in `outcomes` where the outcomes of listed words begin."""
    farthest: int
    """A bound for the characters that a text of the automaton still needs in any of its states."""
    words: int
    """For kind 0: the list of the words whose outcome is not the automaton's. An outcome of -1 excludes the
    word. -1: there is no such list."""
    phases: int
    """The first of the phases of its lengths (`PhaseRow`); -1: `min_length` and `max_length` say all."""
    counted_to: int
    """The number of characters up to which they are counted, where there is no `max_length`."""
    rest: int
    """The most tokens that the rest of the string needs in any of its states, and 1; 0: not worked out."""


class PhaseRow(Block):
    """A phase: a range of lengths of a string in which the same demands on the length are met.

    A state is *alive* if a text can go on from it and end in the phase.
    """

    end: int
    """The first length after the phase."""
    outcomes: int
    """The place in `outcomes` where the outcomes of the automaton's states begin."""
    live: int
    """The place in `blob` of rows of flags, one flag for each state. Row n says which states are alive n
    characters before the end."""
    states: int
    """The number of states, and so the length of such a row."""
    prelude: int
    """The first of the rows that are repeated for more characters."""
    period: int
    """The number of rows that are repeated."""
    safe: int
    """Up to this length all states are alive; -1: there is no such length."""


class PlainObjectRow(Block):
    """An object whose names come in one fixed order: its residues are rows side by side.

    Residue n is the object after n names were written or passed over.
    """

    words: int
    """The row of the sorted list of its names."""
    count: int
    """The number of its names."""
    base: int
    """The row of residue 0; there are `count` + 1 rows."""
    arrays: int
    """The place in `children` of two arrays. First, for each sorted name, its position in the fixed order and
    the place of its value. Then, for each position, the next required name from there on; `count`: none."""
    extra_place: int
    """The place of the values of extra keys; -1: no extra key may come."""
    close: int
    """The outcome of the finished object; -1: it may not close."""


class TerminalKey(Block):
    """The words that tell a terminal from others. Some modes use them for numbers of their own."""

    mode: int
    """What is being read: M_STRING, M_KEY, M_NUMBER or M_SPACE."""
    lexeme: int
    """The register of this name (`JsonState.lexeme`). For white space: the open brackets."""
    min_length: int
    """In a string: the characters that are still missing; with phases, 1 if the end of the phase is far away
    (`lookups.like_count`). For white space: `terminal_lexer.space_byte`."""
    max_length: int
    """In a string: the characters that may still come, -1: any number; with phases, a count that goes on
    alike. For white space: `terminal_lexer.space_byte`."""
    policy: int
    """The policy of white space (SPACE_...); 0 for other terminals."""
    is_quoted: int
    """1: the tokens begin with the quote that opens the string or key; 0: the quote is written."""


class JsonTerminal(Block):
    """A terminal, which is a state of the lexer of terminals (`terminal_lexer`), and its record."""

    key: TerminalKey
    holder: int
    """The address of the block that has its record (`LexemeContext`)."""
    outcomes: int
    """The place in `outcomes` where the outcomes of its leftovers begin."""
    record: int
    """The number of its record in the holder's block; -1: it is not known."""
    safe: SafeRow
    """The classes of characters that are safe in it; its `row` is -1 until it is asked for."""


class TextsLevel(Block):
    """One level of the search in which `keys_and_items.texts_left` counts texts: what is known before a
    byte."""

    state: int
    """The state of the automaton."""
    prefix: int
    """The prefix in the list of names."""
    set_node: int
    """The node in the set of extra keys."""
    count: int
    """The number of characters."""
    column: int
    """The column (byte) to try next; -1: first, the text may end here."""


class JsonWork(WorkRow):
    """Scratch memory for rows that are about to be interned, and spare registers."""

    frame: Annotated[FrameRow, 8]
    text: Annotated[TextRow, 8]
    entry: Annotated[SetEntry, 8]
    terminal: Annotated[JsonTerminal, 24]
    node: Annotated[JsonNode, 16]
    spare: Annotated[BlockRows[JsonState], 8 * 40]


class JsonContext(LexemeContext):
    """The block of a compiled JSON grammar."""

    nodes: Table[JsonNode]
    scratch: BlockRows[JsonState]
    work: At[JsonWork]
    terminals: Table[JsonTerminal]
    frames: Table[FrameRow]
    texts: Table[TextRow]
    sets: Table[SetEntry]
    places: Table[PlaceRow]
    residues: Table[ResidueRow]
    children: Int32Table
    word_lists: Table[WordListRow]
    offsets: WordTable
    blob: ByteTable
    string_specs: Table[StringRow]
    phases: Table[PhaseRow]
    outcomes: Int32Table
    plain_objects: Table[PlainObjectRow]
    stack: WordTable
    levels: Table[TextsLevel]
    """The levels of a search for texts (`TextsLevel`)."""
    strings: Int32s
    """The automata of strings: for each state, the state after each of 258 columns (`decoded_text`)."""
    string_outcomes: Int32s
    """The outcome of a string that ends in each state; -1: it may not end."""
    numbers: Int32s
    """The automata of numerals: for each state, the state after each of 16 columns."""
    number_outcomes: Int32s
    """The outcome of a numeral that ends in each state; -1: it may not end."""
    space: int
    """The policy of white space (SPACE_...)."""
    most_space: int
    """Under SPACE_ANY and SPACE_BOUNDED, the most characters of white space together; -1: any number."""
    indent: Bytes
    """The white space of one level, as json.dumps(indent=...) has it."""
    indent_length: int
    escapes: int
    """How the characters of strings may be written (ESCAPES_...)."""
    key_escapes: int
    """How the characters of keys and of listed strings may be written."""
    lacks: int
    """What cannot be written since no token has some bytes, as bits: some escapes (LACKS_ESCAPES); some
    characters whose first byte can be written (LACKS_TAILS)."""
    absent: Bytes
    """uint8[256]: 1 for a byte that no token has. It is only read where `lacks` is not 0."""
    root: int
    """The row of the place of the whole document."""
    blur_level: int
    """Set where a walk has found that it cannot decide: 1: it needs the texts of keys; WHOLE_WALK."""
    depth_limit: int
    """The most open brackets of a document."""
    precise: int
    """1: the texts of extra keys are followed. That is so where a token is taken; masks rarely need it."""
    next_byte: Int32s
    """int32[16, 256]: for each mode and byte: -1 where the byte may come; else the next byte that may, or
    256."""
    quoted_row: int
    """The row of the string, or of the object of the key, whose terminal was asked for last."""
    cells: Int32Table
    """The lexer of terminals: 256 cells for each terminal (`LexemeContext.moves`)."""
    bounding: int
    """1: the walk also bounds the tokens that are needed after those that it collects (`bound_noting`)."""
    bound: int
    """The most tokens that complete the text from any collected token on, that token included."""
    state_groups: Int64s
    """int64[MOST_LISTED, LISTED]: groups of states that `bound` does not count. A group is a mode, a residue
    and a frame. M_OBJECT stands for all modes inside an object, M_ARRAY for all modes inside an array."""
    listed_count: int
    """The number of these groups."""


# --- numbers of words and tables ----------------------------------------------------------------------------
(
    T_NODE,
    T_EDGE,
    T_TERMINAL,
    T_FRAME,
    T_TEXT,
    T_SET,
    T_PLACE,
    T_RES,
    T_CHILD,
    T_LEX,
    T_OFFSET,
    T_BLOB,
    T_STRING,
    T_PHASE,
    T_OUTCOME,
    T_PLAIN,
    T_CELL,
    T_TRIE,
) = (
    word_of(JsonContext, name)
    for name in (
        *("nodes", "edges", "terminals", "frames", "texts", "sets", "places", "residues"),
        *("children", "word_lists", "offsets", "blob", "string_specs", "phases", "outcomes", "plain_objects"),
        *("cells", "tries"),
    )
)

SPACE_BOUNDED, SPACE_COMPACT, SPACE_ONELINE, SPACE_ANY, SPACE_INDENT = range(5)
"""Policies of white space. BOUNDED: `byte_step.is_bounded`. COMPACT: none. ONELINE: one blank after a comma
or a colon. ANY: all that JSON allows. INDENT: as json.dumps(indent=...)."""
COUNT_SHIFT = 32
"""The bit of `JsonState.position` from which on characters of white space are counted."""
ESCAPES_CANONICAL, ESCAPES_PAIRED, ESCAPES_ANY, ESCAPES_ASCII = range(4)
"""Policies of escapes. CANONICAL: as json.dumps(ensure_ascii=False). PAIRED: all but lone surrogates. ANY:
all that JSON allows. ASCII: as json.dumps(ensure_ascii=True)."""
LACKS_ESCAPES, LACKS_TAILS = 1, 2
"""The bits of `JsonContext.lacks`."""

# --- bounds of the tokens that a rest takes -----------------------------------------------------------------
UNBOUNDED = 1 << 40
"""The bound where none is known: more than any other."""
LISTED, MOST_LISTED = 3, 1 << 8
"""The words of a group in `state_groups`, and the most groups. Where there are more, no bound is known."""

# --- questions ----------------------------------------------------------------------------------------------
(
    Q_PLACE,
    Q_RESIDUE,
    Q_AFTER,
    Q_EXTRA,
    Q_DEPTH,
    Q_ITEM,
    Q_ROOM,
    Q_TERMINAL,
    Q_UNREAD,
    Q_MAY_DIFFER,
    Q_STRING,
) = range(11)
"""Kinds of questions. `Expander.answer_questions` has the answer of each."""

ESCAPE_SHIFT = 28
"""The bit of `JsonState.lexeme` from which on the state of an escape lies."""
STATE_BITS = (1 << ESCAPE_SHIFT) - 1
"""The bits of `JsonState.lexeme` that are the automaton's state."""
NO_STATE = STATE_BITS
"""The automaton's state in a key that can no longer become an extra key."""
LOW_SHIFT, HIGH_SHIFT = 43, 22
HIGH_BITS, POSITION_BITS = (1 << 21) - 1, (1 << 22) - 1
"""A prefix in a sorted word list is packed into one number. From LOW_SHIFT on: the index of the first word
that begins with it. From HIGH_SHIFT on: the index after the last such word. The lowest bits: its length in
bytes. So a list has less than a million words, of less than four million bytes each."""
BLUR = 1 << 40
"""A bit of `extras`: one key of this walk is not in the set, since its text was not followed."""
EXTRA_TAG = -1_000_000_000
"""The second word of an edge that answers with the place of the value of an extra key, by the key's class."""
WHOLE_WALK = 2
"""A value of `blur_level`: the record of the terminal has too many tokens, but a walk of all tokens can
decide without the texts of keys."""

CAPTURE, UNREAD, LOG = 1 << 40, 1 << 41, (1 << 31) - 1
"""Bits of `text`. CAPTURE: an item is being written whose text matters. LOG: the row of its log; 0: the text
is not followed. UNREAD: the text of the item before it was not followed."""
KEY_BEGINS, KEY_ENDS = 256, 257
"""Labels of a log besides bytes. Between the two are the decoded bytes of a key."""
UNREAD_TAG, ITEM_TAG = -1_000_000_001, -2_000_000_000
"""The second word of an edge that answers with the residue after an item. UNREAD_TAG: after an item of any
text; the third word is the outcome. ITEM_TAG - outcome: after an item of one text; the third word has the log
and where it begins."""
