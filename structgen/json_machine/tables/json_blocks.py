"""Where everything lies: the context block, the tables behind it, the registers of a state.

The context is one int64 array per compiled grammar; compiled code is handed its address. Tables grow by
doubling; a table that was outgrown stays allocated as long as its grammar,
so that a reader without the lock sees old, valid memory.
"""

from __future__ import annotations

from typing import Annotated

from structgen.machine_core.layout import (
    Core,
    Edge,
    NodeRow,
    Registers,
    TerminalRow,
)
from structgen.native.typed_blocks import (
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

# --- registers of a state: eight int64 words ----------------------------------------------------------------
MODE, RES, EXTRAS, SEEN, LEX, AT, TEXT, FRAME = range(8)
"""MODE: what is being read (below). RES: residue of the innermost container; the string's row while in a
string. EXTRAS: the set of extra keys written in this object. SEEN: while in a key, where it stands in that
set; while in a string, the place in the list beside its automaton, 0 once it has left that. LEX: automaton
state and escape state; the key while between a key and its value. AT: place in a sorted word list, count of
characters, or the white space written. TEXT: the extra key written so far; or, in an item whose value
matters, its log (CAPTURE). FRAME: the stack."""
WORDS = 8
N_ROW, N_LIST = 8, 9
"""Behind the registers in a node's row, its memoised mask: a dense row of the store (-1: none) and the offset
of a list in T_LIST (-1: the mask is not known yet): how many tokens, how many terminals whose tokens inside
belong to it too, these terminals, those tokens."""
N_STRIDE = 10

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

M_SPACE, M_QUOTED_STRING, M_QUOTED_KEY = 16, 17, 18
"""Modes of terminals that no state has: a run of white space;
a string, and a key, with the quote that opens it."""

NO_FRAME = -1
SENTINEL = -2
"""As FRAME of a terminal looked at by itself: closing it ends the walk and hands back the outcome."""

# --- blocks -------------------------------------------------------------------------------------------------


class JsonState(Registers):
    """The registers."""

    residue: int
    extras: int
    seen: int
    lexeme: int
    position: int
    text: int
    frame: int


class JsonNode(NodeRow):
    """The row of a state."""

    registers: JsonState


class FrameRow(Block):
    """What holds a value that is open: an object or an array, and the frame below."""

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
    """What may begin at a place: rows, states and outcomes, -1: nothing of that kind."""

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
    close: int
    words: int
    children: int
    extra: int
    extra_place: int
    named: int
    item: int
    plain: int
    index: int
    values: int
    may_differ: int
    rest: int
    """1 and the most tokens that the rest of the object or array takes in any of its states, after any token
    that stays in it; 0: not worked out."""


class WordListRow(Block):
    """A sorted list of words: the first in the table of offsets, and how many."""

    start: int
    count: int


class StringRow(Block):
    """What a string must be."""

    kind: int
    start: int
    least: int
    most: int
    outcomes: int
    farthest: int
    words: int
    rest: int
    """1 and the most tokens that the rest of the string takes in any of its states; 0: not worked out."""


class PlainObjectRow(Block):
    """An object whose residues are rows side by side."""

    words: int
    count: int
    base: int
    arrays: int
    extra_place: int
    extra: int
    close: int
    any_order: int


class CrossingRow(Block):
    """What tokens leave over after a terminal closed."""

    outcome: int
    trie: Int64s
    count: int
    starts: Int32s
    ids: Int32s
    exact: Int32s
    exact_count: int
    whole: int
    """1: whole tokens are left over too (a numeral ends before them): they are walked on the whole trie."""


class SafeRow(Block):
    """Which bytes can do no harm in a state of a string automaton."""

    known: int
    low: int
    high: int
    dead_low: int
    dead_high: int
    reach: int


class TerminalKey(Block):
    """What tells a terminal from others."""

    mode: int
    lexeme: int
    least: int
    most: int
    policy: int
    spare: int


class JsonTerminal(TerminalRow):
    """A terminal of JSON."""

    key: TerminalKey


class JsonWork(Block):
    """Rows that are about to be interned, and spare registers."""

    frame: Annotated[FrameRow, 8]
    edge: Annotated[Edge, 8]
    text: Annotated[TextRow, 8]
    entry: Annotated[SetEntry, 8]
    terminal: Annotated[JsonTerminal, 8]
    node: Annotated[JsonNode, 16]
    spare: Annotated[BlockRows[JsonState], 8 * 40]


class JsonContext(Core):
    """The block of a compiled JSON grammar."""

    nodes: Table[JsonNode]
    terminals: Table[JsonTerminal]
    scratch: BlockRows[JsonState]
    work: At[JsonWork]
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
    outcomes: Int32Table
    plain_objects: Table[PlainObjectRow]
    stack: WordTable
    crossings: Table[CrossingRow]
    safe_rows: Table[SafeRow]
    distances: Int32Table
    strings: Int32s
    """The string automata: the state after each of 258 columns, by state; the outcome at each state (-1)."""
    string_outcomes: Int32s
    numbers: Int32s
    number_outcomes: Int32s
    space: int
    """The policy of white space."""
    indent: Bytes
    indent_length: int
    escapes: int
    """How characters of free strings may be written; of keys and of listed strings."""
    key_escapes: int
    lacks: int
    """What cannot be written for want of bytes, as bits: some escapes (LACKS_ESCAPES), some characters of
    which the first byte can be (LACKS_TAILS)."""
    absent: Bytes
    """uint8[256]: 1 for a byte that no token has; there where something lacks."""
    root: int
    blurred: int
    """Set by a walk that would have needed the text of a key."""
    depth_limit: int
    precise: int
    """1: follow the text of extra keys (commits do, masks need not)."""
    may: Bytes
    """uint8[16, 256]: may a byte come at all in a mode?"""
    next_byte: Int32s
    """int32[16, 256]: -1 where a byte may come in a mode, else the next byte that may, or 256."""
    quoted: int
    """The string row of the quoted terminal that was asked last."""
    free: int
    """1: the caller knows which tokens stay inside a free string."""
    removed: int
    """1: the buffer holds those of them that the last terminal does not take."""
    bounding: int
    """What a walk does beside collecting tokens (`bound_noting`): NO_BOUNDING, BOUNDING, or LISTING."""
    bound: int
    """The most tokens that any state takes to which a collected token leads, and that token."""
    listed: Int64s
    """int64[MOST_LISTED, LISTED]: the places of states that are not in `bound`: mode (all modes between the
    members of an object, or in one or in a key, are M_OBJECT; in an array M_ARRAY), residue, frame."""
    listed_count: int


# --- numbers of words and tables ----------------------------------------------------------------------------
ADDRESS, COUNT, CAPACITY, STRIDE, HASH, MASK = range(6)
(
    T_NODE,
    T_EDGE,
    T_LIST,
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
    T_OUTCOME,
    T_PLAIN,
    T_SPARE,
    T_CROSS,
    T_SAFE,
    T_DISTANCE,
) = (
    word_of(JsonContext, name)
    for name in (
        "nodes edges lists terminals frames texts sets places residues children word_lists offsets blob "
        "string_specs outcomes plain_objects stack crossings safe_rows distances"
    ).split()
)
TABLES = T_DISTANCE + 6
C_STRINGS = word_of(JsonContext, "strings")
C_STRINGS_OUT = word_of(JsonContext, "string_outcomes")
C_NUMBERS = word_of(JsonContext, "numbers")
C_NUMBERS_OUT = word_of(JsonContext, "number_outcomes")
C_NEEDS = word_of(JsonContext, "questions")
C_SPACE = word_of(JsonContext, "space")
C_INDENT = word_of(JsonContext, "indent")
C_INDENT_LENGTH = word_of(JsonContext, "indent_length")
C_ESCAPES = word_of(JsonContext, "escapes")
C_KEY_ESCAPES = word_of(JsonContext, "key_escapes")
C_LACKS = word_of(JsonContext, "lacks")
C_ABSENT = word_of(JsonContext, "absent")
C_ROOT = word_of(JsonContext, "root")
C_END_COUNT = word_of(JsonContext, "end_count")
C_BLURRED = word_of(JsonContext, "blurred")
C_BUFFER_COUNT = word_of(JsonContext, "buffer_count")
C_DEPTH_LIMIT = word_of(JsonContext, "depth_limit")
C_CROSSED = word_of(JsonContext, "crossed")
C_CROSSED_COUNT = word_of(JsonContext, "crossed_count")
C_FREE = word_of(JsonContext, "free")
C_REMOVED = word_of(JsonContext, "removed")
C_BOUNDING = word_of(JsonContext, "bounding")
C_BOUND = word_of(JsonContext, "bound")
C_LISTED = word_of(JsonContext, "listed")
C_LISTED_COUNT = word_of(JsonContext, "listed_count")
C_VOCABULARY = word_of(JsonContext, "vocabulary", "size")
C_MASK_WORDS = word_of(JsonContext, "vocabulary", "mask_words")

SPACE_BOUNDED, SPACE_COMPACT, SPACE_ONELINE, SPACE_ANY, SPACE_INDENT = range(5)
ESCAPES_CANONICAL, ESCAPES_PAIRED, ESCAPES_ANY, ESCAPES_ASCII = range(4)
# as json.dumps(ensure_ascii=False); all but lone surrogates; all; as json.dumps(ensure_ascii=True)
LACKS_ESCAPES, LACKS_TAILS = 1, 2

# --- rows ---------------------------------------------------------------------------------------------------
# place: status, object, array, string row, number state, outcomes of true, false, null, a bound
P_STATUS, P_OBJECT, P_ARRAY, P_STRING, P_NUMBER, P_TRUE, P_FALSE, P_NULL, P_REST = range(9)
# residue
R_STATUS, R_CLOSE, R_LEX, R_CHILD, R_EXTRA, R_EXTRA_PLACE, R_NAMED, R_ITEM = range(8)
R_PLAIN, R_INDEX, R_VALUES, R_MAY_DIFFER, R_REST = range(8, 13)
"""R_STATUS: 0 not known yet; 1, and 3 where extra keys may be owed. R_EXTRA: start state of the automaton of
extra keys (-1: none). R_EXTRA_PLACE: their place where there is one class only. R_NAMED: a named key is on
offer. R_PLAIN: row in T_PLAIN when the engine can go on by itself. R_INDEX: how far. R_VALUES: 1 where the
value of an item matters to those after it, 2 where besides the value of the last is not known.
R_MAY_DIFFER: 1 where two values or more go on until the value of the next key is read, 2 where that is not
sure, 0 where it was not asked."""
R_STRIDE = 13
# string row
S_KIND, S_START, S_LEAST, S_MOST, S_OUTCOMES, S_FARTHEST, S_WORDS, S_REST = range(8)
"""S_KIND 0: automaton from S_START, with least and most characters. 1: the word list S_START, outcomes from
S_OUTCOMES on. S_FARTHEST: the most characters that any state
of the automaton still needs (T_DISTANCE has each state's). S_WORDS: of kind 0, a list of words whose outcomes
are not the automaton's, but from S_OUTCOMES on (-1: not such a string), or -1."""
S_STRIDE = 8
# frame: residue, extras, key, parent, depth, the value's place, a bound
F_RES, F_EXTRAS, F_KEY, F_PARENT, F_DEPTH, F_PLACE, F_REST = range(7)
# plain object: word list, members, base residue, base of the declared arrays in T_CHILD, extra place, extra
# start, close, first outcome, any order?
L_LEX, L_COUNT, L_BASE, L_ARRAYS, L_EXTRA_PLACE, L_EXTRA, L_CLOSE, L_ANY = range(8)
L_STRIDE = 8

# terminal: six words of identity, then the mask of what stays inside (row, list address, its length) and the
# crossings
(
    X_MODE,
    X_LEX,
    X_LEAST,
    X_MOST,
    X_POLICY,
    X_SPARE,
    X_ROW,
    X_LIST,
    X_LISTED,
    X_CROSS,
    X_CROSSES,
) = range(11)
X_STRIDE = 12

# --- bounds of the tokens that a rest takes -----------------------------------------------------------------
NO_BOUNDING, BOUNDING, LISTING = range(3)
"""BOUNDING: places whose bounds are known count, the others are listed. LISTING: all are listed."""
UNBOUNDED = 1 << 40
"""No bound is known: more than any."""
LISTED, MOST_LISTED = 3, 1 << 8
"""Words of a place that is listed, and how many are: where there are more, no bound is known."""

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
) = range(10)

ESCAPE_SHIFT = 28
STATE_BITS = (1 << ESCAPE_SHIFT) - 1
NO_STATE = STATE_BITS
"""In LEX of a key: no extra key can come of this prefix."""
LOW_SHIFT, HIGH_SHIFT, HIGH_BITS, POSITION_BITS = 43, 22, (1 << 21) - 1, (1 << 22) - 1
"""A place in a sorted word list: first word, word after the last, bytes written. So a list holds less than a
million words, of less than four million bytes each."""
BLUR = 1 << 40
"""In EXTRAS: one key written in this walk is not in the set, since its text was not followed."""
EXTRA_TAG = -1_000_000_000
WHOLE_WALK = 2
"""In C_BLURRED: what the terminal says is too much, but the walk of all tokens can tell without texts. (1: it
cannot.)"""

CAPTURE, UNREAD, LOG = 1 << 40, 1 << 41, (1 << 31) - 1
"""In TEXT: an item is written whose value matters, and the bits of LOG are its log, 0 where it is not
followed; the item before it has not been read."""
KEY_BEGINS, KEY_ENDS = 256, 257
"""Labels of a log beside the bytes: between them stand the bytes of a key, decoded."""
UNREAD_TAG, ITEM_TAG = -1_000_000_001, -2_000_000_000
"""Keys of T_EDGE for what follows an item: of any value (with the outcome), of this text (less the outcome,
with the log and where it begins)."""
