"""Where everything lies: the context block, the tables behind it, the registers of a state.

The context is one int64 array per compiled grammar; compiled code is handed its address. Tables grow by
doubling; a table that was outgrown stays allocated as long as its grammar,
so that a reader without the lock sees old, valid memory.
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
"""DOC: nothing yet. END: the document is complete. OBJECT: after {. COLON: after a key. VALUE: after the
colon. MEMBER: after a member. KEYS: after a comma in an object. ARRAY: after [. ITEM: after an item. NEXT:
after a comma in an array."""

M_SPACE = 16
"""The mode of a terminal that no state has: a run of white space."""

NO_FRAME = -1
SENTINEL = -2
"""The `frame` of a terminal looked at by itself: closing it ends the walk and hands back the outcome."""

# --- blocks -------------------------------------------------------------------------------------------------


class JsonState(Registers):
    """The registers of a state. `mode`: what is being read."""

    residue: int
    """Of the innermost object or array; in a string its row."""
    extras: int
    """The set of extra keys that are written in this object."""
    side_node: int
    """In a key, where it stands in that set; in a string, the prefix in the list beside its automaton, 0 once
    it has left that."""
    lexeme: int
    """State of the automaton and of the escape; between a key and its value the key."""
    position: int
    """Prefix in a sorted word list, count of characters, or the white space that is written: under
    SPACE_BOUNDED as `byte_step.bounded_space` says, and where it is counted the characters << COUNT_SHIFT."""
    text: int
    """The extra key that is written so far; in an item whose value matters its log (CAPTURE)."""
    frame: int
    """The stack."""


class JsonNode(NodeRow):
    """The row of a state."""

    registers: JsonState


class FrameRow(Block):
    """The object or array around a value that is open, and the frame below."""

    residue: int
    extras: int
    key: int
    parent: int
    depth: int
    place: int
    """Of the value."""
    rest: int
    """1 and the most tokens that all that follows the value takes; 0: not worked out."""


class TextRow(Block):
    """A text, a byte longer than its parent."""

    parent: int
    byte: int


class SetEntry(Block):
    """A node of a set of keys, as a trie: label, whether a member ends here, first child, next sibling."""

    label: int
    member: int
    child: int
    sibling: int


class PlaceRow(Block):
    """The values that may begin at a place: rows, states and outcomes, -1: none of that kind."""

    status: int
    object: int
    array: int
    string: int
    number: int
    true: int
    false: int
    null: int
    rest: int
    """1 and the most tokens that the rest of a numeral takes in any of its states; 0: not worked out."""


class ResidueRow(Block):
    """How far an object or an array has come."""

    status: int
    """0: not known yet; 1, and 3 where extra keys may be owed."""
    close: int
    words: int
    children: int
    extra: int
    """The state in which the automaton of extra keys begins, -1: none."""
    extra_place: int
    """Their place where there is one class only."""
    offers_names: int
    """A named key is on offer."""
    item: int
    plain: int
    """The row of `plain_objects` by which compiled code goes on without questions; -1: it has to ask."""
    index: int
    """How far that has come."""
    values: int
    """1: the value of an item matters to those after it; 2: besides, the value of the last is not known."""
    may_differ: int
    """1: two values or more go on until the value of the next key is read; 2: that is not sure; 0: not
    asked."""
    rest: int
    """1 and the most tokens that the rest of the object or array takes in any of its states, after any token
    that stays in it; 0: not worked out."""
    tail: int
    """1 and the most tokens that follow a value in it; 0: not worked out, or the key decides."""


class WordListRow(Block):
    """A sorted list of words: the first in the table of offsets, and how many."""

    start: int
    count: int


class StringRow(Block):
    """The strings that may stand at a place."""

    kind: int
    """0: an automaton from `start`, with `min_length` to `max_length` characters; 1: the word list
    `start`."""
    start: int
    min_length: int
    max_length: int
    outcomes: int
    """Where the outcomes of listed words begin."""
    farthest: int
    """A bound for the characters that a text of the automaton still needs, in any of its states."""
    words: int
    """Of kind 0, a list of words whose outcomes are not the automaton's (-1: not such a string); or -1."""
    phases: int
    """The first of the phases of its lengths (`strings.length_phases`); -1: `min_length` and `max_length` are
    all."""
    counted_to: int
    """Characters are counted up to here where there is no `max_length`."""
    rest: int
    """1 and the most tokens that the rest of the string takes in any of its states; 0: not worked out."""


class PhaseRow(Block):
    """The texts of some lengths of a string."""

    end: int
    """The length of a text that has left the phase."""
    outcomes: int
    """Where the outcomes of the states of the automaton begin, in `outcomes`."""
    live: int
    """Where the flags of the states begin that are alive 0, 1, ... characters before the end, in `blob`."""
    states: int
    """How many states such a row has."""
    prelude: int
    """The rows from this one on are repeated for more characters."""
    period: int
    """How many rows are repeated."""
    safe: int
    """Up to this length all states are alive; -1: not even there."""


class PlainObjectRow(Block):
    """An object whose residues are rows side by side."""

    words: int
    count: int
    base: int
    arrays: int
    extra_place: int
    close: int


class TerminalKey(Block):
    """The words that tell a terminal from others."""

    mode: int
    lexeme: int
    min_length: int
    max_length: int
    policy: int
    is_quoted: int
    """1: a string or a key with the quote that opens it."""


class JsonTerminal(Block):
    """A state of the lexer of terminals (`terminal_lexer`), and the record of its tokens."""

    key: TerminalKey
    holder: int
    """The address of the block that has its record (`LexemeContext`)."""
    outcomes: int
    """Where the outcomes of its leftovers begin."""
    record: int
    """-1: it is not known."""
    safe: SafeRow
    """The classes of characters that are safe in it; its `row` is -1 before somebody asks."""


class TextsLevel(Block):
    """A byte of a text that `keys_and_items.texts_left` counts: the states before it, and the column that
    comes next (-1: the text may end here first)."""

    state: int
    prefix: int
    set_node: int
    """The node of the set."""
    count: int
    """Characters."""
    column: int


class JsonWork(WorkRow):
    """Rows that are about to be interned, and spare registers."""

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
    """One for each byte that is read ahead."""
    strings: Int32s
    """The string automata: the state after each of 258 columns, by state; the outcome at each state (-1)."""
    string_outcomes: Int32s
    numbers: Int32s
    number_outcomes: Int32s
    space: int
    """The policy of white space."""
    most_space: int
    """Of SPACE_ANY and SPACE_BOUNDED, how many characters of white space stand together at most; -1: any
    number."""
    indent: Bytes
    indent_length: int
    escapes: int
    """How characters of free strings may be written; of keys and of listed strings."""
    key_escapes: int
    lacks: int
    """Parts of strings that cannot be written for want of bytes, as bits: some escapes (LACKS_ESCAPES), some
    characters of which the first byte can be (LACKS_TAILS)."""
    absent: Bytes
    """uint8[256]: 1 for a byte that no token has; there where something lacks."""
    root: int
    blur_level: int
    """Set by a walk that would have needed the text of a key."""
    depth_limit: int
    precise: int
    """1: follow the text of extra keys (commits do, masks need not)."""
    next_byte: Int32s
    """int32[16, 256]: -1 where a byte may come in a mode, else the next byte that may, or 256."""
    quoted_row: int
    """The row of the string, or of the object of the key, whose terminal was asked last."""
    cells: Int32Table
    """256 cells of each terminal (`LexemeContext.moves`)."""
    bounding: int
    """1: a walk bounds what is needed after the tokens that it collects (`bound_noting`)."""
    bound: int
    """The most tokens that any state takes to which a collected token leads, and that token."""
    state_groups: Int64s
    """int64[MOST_LISTED, LISTED]: groups of states that are not in `bound`: mode (all modes between the
    members of an object, or in one or in a key, are M_OBJECT; in an array M_ARRAY), residue, frame."""
    listed_count: int


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
COUNT_SHIFT = 32
# as json.dumps(ensure_ascii=False); all but lone surrogates; all; as json.dumps(ensure_ascii=True)
ESCAPES_CANONICAL, ESCAPES_PAIRED, ESCAPES_ANY, ESCAPES_ASCII = range(4)
LACKS_ESCAPES, LACKS_TAILS = 1, 2

# --- bounds of the tokens that a rest takes -----------------------------------------------------------------
UNBOUNDED = 1 << 40
"""No bound is known: more than any."""
LISTED, MOST_LISTED = 3, 1 << 8
"""Words of a group of states that is listed, and how many are: where there are more, no bound is known."""

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

ESCAPE_SHIFT = 28
STATE_BITS = (1 << ESCAPE_SHIFT) - 1
NO_STATE = STATE_BITS
"""In `lexeme` of a key: no extra key can come of this prefix."""
LOW_SHIFT, HIGH_SHIFT = 43, 22
HIGH_BITS, POSITION_BITS = (1 << 21) - 1, (1 << 22) - 1
"""A prefix in a sorted word list: first word, word after the last, bytes written. So a list holds less than a
million words, of less than four million bytes each."""
BLUR = 1 << 40
"""In `extras`: one key written in this walk is not in the set, since its text was not followed."""
EXTRA_TAG = -1_000_000_000
WHOLE_WALK = 2
"""A value of `blur_level`: the record of the terminal says too much, but the walk of all tokens can tell
without texts. (1: it cannot.)"""

CAPTURE, UNREAD, LOG = 1 << 40, 1 << 41, (1 << 31) - 1
"""In `text`: an item is written whose value matters, and the bits of LOG are its log, 0 where it is not
followed; the item before it has not been read."""
KEY_BEGINS, KEY_ENDS = 256, 257
"""Labels of a log beside the bytes: between them stand the bytes of a key, decoded."""
UNREAD_TAG, ITEM_TAG = -1_000_000_001, -2_000_000_000
"""Keys of `edges` for what follows an item: of any value (with the outcome), of this text (less the outcome,
with the log and where it begins)."""
