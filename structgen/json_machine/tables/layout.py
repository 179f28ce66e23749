"""Where everything lies: the context block, the tables behind it, the registers of a state.

The context is one int64 array per compiled grammar; compiled code is handed its address. Tables grow by
doubling; a table that was outgrown stays allocated as long as its grammar,
so that a reader without the lock sees old, valid memory.
"""

from __future__ import annotations

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

# --- what a step answers ------------------------------------------------------------------------------------
NO, YES, ASK, OUT, OUT_BEFORE, VAGUE = 0, 1, 2, 3, 4, 5
"""NO: no document follows. ASK: a question for the grammar was noted. OUT: the sentinel's terminal closed
with this byte. OUT_BEFORE: it closed before this byte. The outcome is then in LEX. VAGUE: only the text that
this walk does not follow could tell."""

# --- what an entry point answers ----------------------------------------------------------------------------
ASKED, MISS, LARGE, ENDED, UNKNOWN_FREE, REFUSED = -3, -4, -5, -6, -7, -1
"""ASKED: questions were noted. MISS: the mask is not known yet. LARGE: its list would be as long as a row.
ENDED: an end token was taken. UNKNOWN_FREE: what stays inside a free string must be known first. REFUSED: the
bytes are not allowed."""

# --- tables: six words each in the context ------------------------------------------------------------------
ADDRESS, COUNT, CAPACITY, STRIDE, HASH, MASK = range(6)
(
    T_NODE,
    T_FRAME,
    T_EDGE,
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
    T_LIST,
    T_TERMINAL,
    T_CROSS,
    T_SAFE,
    T_DISTANCE,
) = range(20)
TABLES = 20
KEY_WORDS = {T_NODE: 8, T_FRAME: 5, T_EDGE: 3, T_TEXT: 2, T_SET: 4, T_TERMINAL: 6}
"""The tables that intern: how many leading words of a row are its identity."""
NOTHING_FIRST = (T_TEXT, T_SET)
"""Interning tables whose row 0 stands for "nothing" (the text before its first byte, the set without
members). That row is zeros, which may be the key of a row as well: the text of one NUL byte is (0, 0). So no
hash slot ever leads to row 0 of these tables."""

# --- the rest of the context --------------------------------------------------------------------------------
C_STRINGS = 6 * TABLES  # trans, outcome
C_STRINGS_OUT = C_STRINGS + 1
C_NUMBERS = C_STRINGS + 2
C_NUMBERS_OUT = C_STRINGS + 3
C_NEEDS = C_STRINGS + 4  # address of the question buffer; its first word is the count
C_SCRATCH = C_STRINGS + 5  # registers of the walk, one block per depth
C_SPACE = C_STRINGS + 6  # white space policy
C_INDENT = C_STRINGS + 7  # address of the indent's bytes
C_INDENT_LENGTH = C_STRINGS + 8
C_ESCAPES = C_STRINGS + 9  # in free strings
C_KEY_ESCAPES = C_STRINGS + 10  # in keys and in enum strings
C_ROOT = C_STRINGS + 11
C_ENDS = C_STRINGS + 12  # address of the end tokens; C_END_COUNT of them
C_END_COUNT = C_STRINGS + 13
C_ROWS = C_STRINGS + 14  # dense rows of the store
C_BLURRED = C_STRINGS + 15  # set by a walk that would have needed the text of a key
C_BUFFER = C_STRINGS + 16  # int32 token ids collected by a walk
C_BUFFER_COUNT = C_STRINGS + 17
C_DEPTH_LIMIT = C_STRINGS + 18
C_CROSSED = C_STRINGS + 19  # (outcome, trie node, byte consumed?) triples met by a terminal's walk
C_CROSSED_COUNT = C_STRINGS + 20
# a bitmap of tokens, all 0 between two uses, and behind it the tokens that are marked, C_MARKED of them
C_SPECIAL = C_STRINGS + 21
C_PRECISE = C_STRINGS + 22  # follow the text of extra keys (commits do, masks need not)
# rows being interned: frames at word 0, edges 8, texts 16, sets 24, terminals 32, nodes 40
C_TEMPORARY = C_STRINGS + 23
C_MAY = C_STRINGS + 24  # uint8[16, 256]: may a byte come at all in a mode
C_STEPS = C_STRINGS + 25  # bytes stepped by walks, since the beginning
C_STRING_COUNT = C_STRINGS + 26  # states of the string automata
# int32[16, 256]: -1 where a byte may come in a mode, else the next byte that may, or 256
C_NEXT = C_STRINGS + 27
C_QUOTED = C_STRINGS + 28  # the string row of the quoted terminal that was asked last
C_MARKED = C_STRINGS + 29
C_DEFERRED = C_STRINGS + 30  # int32 token ids of which a walk could not tell
C_DEFERRED_COUNT = C_STRINGS + 31
C_HASTE = C_STRINGS + 32  # look for no more safe bytes: they ask for rows that the walk may not need
C_FREE = C_STRINGS + 33  # 1: the caller knows which tokens stay inside a free string
C_REMOVED = C_STRINGS + 34  # 1: the buffer holds those of them that the last terminal does not take
C_SHARED = C_STRINGS + 35  # terminals whose tokens inside are part of the mask: how many, and which
MOST_SHARED = 12
# The vocabulary: the same words for all grammars, in the order of Vocabulary.pointers.
C_TRIE = C_SHARED + MOST_SHARED + 1
C_TRIE_COUNT = C_TRIE + 1
C_FIRST = C_TRIE + 2  # int32[257]: the trie's root child for each byte
C_SIGNATURES = C_TRIE + 3  # uint64[n, 2] of the trie's subtrees
C_SLOTS_BEFORE = C_TRIE + 4  # int32[n + 1]: slots of the nodes before each
C_SUBTREE_CHARS = C_TRIE + 5  # int32[n]: the most characters of a subtree's tokens
C_CHILD_START = C_TRIE + 6  # int32[n + 2]: where a node's children begin in the next; the root is node n
C_CHILDREN = C_TRIE + 7  # int64[n, 2]: a child's node word; its index, and its token from bit 32 on
C_SLOT_START = C_TRIE + 8
C_SLOT_IDS = C_TRIE + 9
C_SLOT = C_TRIE + 10  # token -> slot, -1: never matches text
C_TOKEN_OFFSET = C_TRIE + 11
C_TOKEN_DATA = C_TRIE + 12
C_VOCABULARY = C_TRIE + 13
C_MASK_WORDS = C_TRIE + 14
C_LONGEST = C_TRIE + 15  # characters of the longest token
C_SLOT_SIGNATURES = C_TRIE + 16  # uint64[slots, 2]
C_WORDS = C_TRIE + 17

SPACE_BOUNDED, SPACE_COMPACT, SPACE_ONELINE, SPACE_ANY, SPACE_INDENT = range(5)
ESCAPES_CANONICAL, ESCAPES_PAIRED, ESCAPES_ANY, ESCAPES_ASCII = range(4)
# as json.dumps(ensure_ascii=False); all but lone surrogates; all; as json.dumps(ensure_ascii=True)

# --- rows ---------------------------------------------------------------------------------------------------
# place: status, object, array, string row, number state, outcomes of true, false, null
P_STATUS, P_OBJECT, P_ARRAY, P_STRING, P_NUMBER, P_TRUE, P_FALSE, P_NULL = range(8)
# residue
R_STATUS, R_CLOSE, R_LEX, R_CHILD, R_EXTRA, R_EXTRA_PLACE, R_NAMED, R_ITEM = range(8)
R_PLAIN, R_INDEX, R_VALUES, R_PLENTY = range(8, 12)
"""R_STATUS: 0 not known yet; 1, and 3 where extra keys may be owed. R_EXTRA: start state of the automaton of
extra keys (-1: none). R_EXTRA_PLACE: their place where there is one class only. R_NAMED: a named key is on
offer. R_PLAIN: row in T_PLAIN when the engine can go on by itself. R_INDEX: how far. R_VALUES: 1 where the
value of an item matters to those after it, 2 where besides the value of the last is not known. R_PLENTY: 1
where two values or more go on until the value of the next key is read, 2 where that is not sure, 0 where it
was not asked."""
R_STRIDE = 12
# string row
S_KIND, S_START, S_LEAST, S_MOST, S_OUTCOMES, S_FARTHEST, S_WORDS, S_AMPLE = range(8)
"""S_KIND 0: automaton from S_START, with least and most characters. 1: the word list S_START, outcomes from
S_OUTCOMES on. S_FARTHEST: the most characters that any state
of the automaton still needs (T_DISTANCE has each state's). S_WORDS: of kind 0, a list of words whose outcomes
are not the automaton's, but from S_OUTCOMES on (-1: not such a string), or -1. S_AMPLE: from each of the
automaton's states there are endlessly many strings."""
S_STRIDE = 8
# frame: residue, extras, key, parent, depth
F_RES, F_EXTRAS, F_KEY, F_PARENT, F_DEPTH = range(5)
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
# crossing: what tokens leave over after a terminal closed: outcome, trie, its nodes, slot starts, slot ids,
# exact tokens
G_OUTCOME, G_TRIE, G_COUNT, G_STARTS, G_IDS, G_EXACT, G_EXACTS, G_WHOLE = range(8)
"""G_WHOLE: whole tokens are left over too (a numeral ends before them):
they are walked on the vocabulary's trie."""
G_STRIDE = 8

# --- questions ----------------------------------------------------------------------------------------------
(
    Q_PLACE,
    Q_RESIDUE,
    Q_AFTER,
    Q_EXTRA,
    Q_STRING,
    Q_NUMBER,
    Q_ROOM,
    Q_DEPTH,
    Q_TERMINAL,
    Q_ITEM,
    Q_UNREAD,
    Q_PLENTY,
) = range(12)
MOST_QUESTIONS = 64

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
