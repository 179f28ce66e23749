"""Where the compiled reader of Lark grammars keeps what: the map of `lark_step` and `lark_masks`.

It uses the context and the tables of structgen.json_machine.tables.layout, under other names: a state is a
row of `T_NODE` whose registers are those below; stacks and widths are pairs in `T_TEXT`, places rows of
`T_SET`, what a terminal does to a place is in `T_EDGE`, and whether a text goes on from a place in
`T_OFFSET`.
"""

from __future__ import annotations

from structgen.json_machine.tables.layout import C_STRINGS, C_STRINGS_OUT, EXTRAS, LEX, RES, SEEN

PLACE, LEXEME, COLUMN, BASE = RES, EXTRAS, SEEN, LEX
"""PLACE: a row of T_SET. LEXEME: twice the lexer's state, and 1 where the lexeme has a byte. COLUMN: see
parsing.contextual.Reading. BASE: the state (of T_NODE) read on from the one slot that is not new, NO_BASE
where that is an error or there is none."""
NO_BASE = -1

# --- moves: what a byte does to a lexeme state, one int64 ---------------------------------------------------
UNKNOWN, PENDING = -1, -2
"""Not asked yet; asked, and not answered yet."""
(MV_DEAD, MV_ON, MV_NOW, MV_BEFORE, MV_OLD, MV_KEEP_NEW, MV_KEEP_OLD, MV_MANY) = range(8)
"""ON: to another state, with no slot but new ones. NOW: the lexeme is decided, and ends with this byte.
BEFORE: it is decided, and has ended before it. OLD: what was read on from the old slot is real. KEEP_NEW,
KEEP_OLD: to another state, with one slot that is not new, the one that was new before, the old one. MANY: all
else, which Python follows."""
KIND_BITS, TO_SHIFT, TO_BITS, TERMINAL_SHIFT, TERMINAL_BITS, ELSE_SHIFT = 15, 4, (1 << 22) - 1, 26, 4095, 38
ELSE_NONE = TO_BITS
"""In a move: its kind; the state after it; the terminal; the state where what was read on from the slot is an
error, ELSE_NONE where that is an error of the lexeme, too."""

# --- in the table of places: words behind the key -----------------------------------------------------------
P_STACK, P_WIDTHS, P_BRACKETS = range(3)

OPEN_UNKNOWN, OPEN, SHUT, OPEN_PENDING = range(4)
OPEN_BITS, BARE_SHIFT, LINE_SHIFT, PLAIN_SHIFT, BARRED_SHIFT, PLAIN_AT = 3, 2, 4, 6, 12, 16
"""In T_OFFSET, what is known of a place, two bits each. Does a text go on from it with the separator? From
BARE_SHIFT on: with a lexeme that may stand right behind the indenter's newline? From LINE_SHIFT on: with the
indenter's newline, of whatever width? The last two are never SHUT for certain, only not proved.
From PLAIN_SHIFT on the same of a plain place, by plans alone: they hold in all places with its stack, however
wide their indentations are. From BARRED_SHIFT on: has its stack a BARRED state (SHUT)? From PLAIN_AT on: the
plain place of a place and 1, 0: not made yet."""
ENDS_NOT, ENDS_OLD = -1, -2
"""Behind the endings of a lexeme, what the text's end makes of it: an error, or what was read on from the old
slot; else the terminal."""
ANY_LINE, SEPARATED, IGNORED, OLD_PARTED, TAILED = -1, -2, -(1 << 30), -(1 << 30) - 1, 1 << 12
"""Among the endings of a lexeme: the indenter's newline, of whatever width; SEPARATED - state: it may be what
the separator makes, its state is this; IGNORED: it may be ignored, and what is like the separator follows;
OLD_PARTED: the separator makes sure of what was read on from its old slot. From TAILED on: where in ENDS
there are how many numbers: a terminal, the context behind it and one that makes sure of it right there, the
context behind that, ...; the separator makes sure of the last."""
CLEAN_UNKNOWN, SOILED, CLEAN, CLEAN_BARE, CLEAN_PENDING = range(5)
"""Does a terminal's shortest lexeme stand between separators in a context? CLEAN_BARE: and right behind the
indenter's newline."""
LAST_RULE = 1 << 30
MOST_PROVED = 400
"""Terminals of one proof."""

# --- questions ----------------------------------------------------------------------------------------------
Q_MOVE, Q_START, Q_ENDINGS, Q_OPEN, Q_LIVE, Q_PLAN, Q_CLEAN, Q_RECORD, Q_PAIR, Q_YIELDS = range(32, 42)
"""(lexeme state, class of bytes); context; lexeme state; place; state; parser state; (context, terminal);
lexeme state, the address of a trie's words or 0; (lexeme state, that of what its old slot has read on),
twice: their record, and whether the lexeme never ends at that slot."""
MOST_NOTED = 1 << 14
"""Questions noted by one call."""
LIVE_NO, LIVE_YES, LIVE_PENDING, LIVE_UNKNOWN = range(4)
LIVE_KEY, YIELDS_KEY = -2, -3
"""Keys of T_EDGE for what is known of a state: (state, LIVE_KEY, 0) is LIVE_YES, ...; and of two lexeme
states, as of Q_YIELDS: (state, YIELDS_KEY, state)."""
KEPT = -2
"""N_ROW of a state whose mask lies in a file and is read when it is asked for; N_LIST is -1 until then."""

C_LARK, C_MASKS = C_STRINGS, C_STRINGS_OUT
"""In the context: the address of the words below, and of a table of pieces whose leaves are states with
masks, that states which look alike may have too."""
(
    K_MOVES,
    K_CLASSES,
    K_WIDTH,
    K_NEWLINES,
    K_ENDINGS,
    K_ENDS,
    K_ACTIONS,
    K_TERMINALS,
    K_GOTOS,
    K_NONTERMINALS,
    K_ORIGINS,
    K_SIZES,
    K_CONTEXTS,
    K_STARTS,
    K_IGNORED,
    K_BRACKETS,
    K_END_STATE,
    K_NEWLINE,
    K_INDENT,
    K_DEDENT,
    K_TAB,
    K_PLANS,
    K_STEPS,
    K_CLEAN,
    K_SEPARATOR,
    K_RECORDS,
    K_FIRST_BYTES,
    K_WANTED,
    K_LEVELS,
    K_DENSE,
    K_LOOKS,
    K_CHAINS,
    K_SURE,
    K_BARRING,
    K_PAIRS,
    K_LOW,
    K_LOOKED,
    K_PIECES,
    K_PIECING,
    K_WORDS,
) = range(40)
"""MOVES: int64[states, WIDTH]. CLASSES: uint8[256]. NEWLINES: uint8[states], may it become the indenter's
newline? ENDINGS: int32[states], -1: not known, else where in ENDS (int32: how many, which) are the terminals
as which the lexeme may end before a separator, and behind them (how many, which) all that it may become, and
what the text's end makes of it. ACTIONS, GOTOS: int32, of parsing.tables. ORIGINS, SIZES: int32 of each rule.
CONTEXTS: int32 of each parser state. STARTS: int32 of each context, its lexeme state, -1: not known. PLANS:
int32 of each parser state, where in STEPS (int32) its plan is, -1: not known: the rule under way that needs
the fewest bytes (LAST_RULE: it is the whole text's), how many of its symbols are there, how many terminals it
still needs, and which. CLEAN: uint8[contexts, terminals]. IGNORED: uint8 of each terminal. BRACKETS: uint8 of
each terminal, 1 opens, 2 closes. NEWLINE: the indenter's, -1: there is none. SEPARATOR: a byte, -1: there is
none. RECORDS: int64[states], the address of a state's record, 0: not made, -1: asked for. FIRST_BYTES: uint8
of each token. WANTED: uint8[MOST_LEVELS, 256], LEVELS: the registers of as many lexemes that a mask's tokens
begin in. DENSE: int64, how many dense rows are in a mask, and DENSE_WORDS for each: its number, and the first
bytes (256 bits) that its tokens must have. LOOKS: int64[1 + LOOK_WORDS * MOST_LOOKS], the number of the mask
that is worked out; and what is known in it of a place with a lexeme: the place, the number of the mask from
LOOK_AT on; the lexeme and, in the last bit, whether it is live; LOW and LOOKED of that. CHAINS:
int64[2 * MOST_CHAINS], 1 + a top, the state
below it (from CHAIN_AT on) and a terminal, or the number of all for plans (from twice CHAIN_AT on); and the
top after all rules with one symbol that are reduced before it, or by plans that need no terminal. SURE: uint8
of each parser state: behind it a text goes on, whatever lies below (languages.sure): SURE_APART with the
separator, SURE_BARE right behind a newline in brackets, SURE_LINE where it is the state behind the
indenter's newline; BARRED: that does not hold for stacks with this state in them. BARRING: is there one?
PAIRS: int64[1 + 2 * MOST_PAIRS], how many; of each a lexeme state and (from PAIR_AT on) that of what its old
slot has read on; the address of the record of both, 0: not made, -1: asked for. LOW, LOOKED: what was looked
at of stacks since this was set anew: the least number of a pair on a stack (of what lies above, pairs have
larger ones; NOTHING_LOOKED: none), and LOOKED_BRACKETS, LOOKED_WIDTHS, LOOKED_ALL. PIECES: the address of the
words below. PIECING: 1 where pieces of masks are kept."""
NOTHING_LOOKED = (1 << 28) - 2
LOOKED_BRACKETS, LOOKED_WIDTHS, LOOKED_ALL = 1, 2, 4
LOW_AT, LOOKED_AT = 3, 32
"""In a row of T_EDGE between places: where, above the place after the terminal, it is noted what was looked
at to find it (0: not known): LOOKED, and from LOW_AT on one more than LOW."""
PC_ROWS, PC_SLOTS, PC_POOL, PC_MASK, PC_USED, PC_MOST, PC_POOLED, PC_MOST_POOLED, PC_TURN = range(9)
PC_WORDS = PC_TURN + 1
"""A table of pieces (languages.lark_pieces): the addresses of its rows (int64, PIECE_WORDS each), of slots
with numbers of rows (int32, 0: free) and of tokens (int32); the number of slots, less one; how many rows are
used, of how many, and tokens; how often all was forgotten."""
PIECE_WORDS = 3
PIECE_UNKNOWN, PIECE_CELL, PIECE_BRACKETS, PIECE_WIDTHS, PIECE_NEVER, PIECE_LEAF = range(6)
PIECE_KINDS = 15
PIECE_COUNT_AT, PIECE_POOL_AT = 4, 32
"""The row of a piece: its key, and what is to be looked at next, or, of a PIECE_LEAF, how many tokens (from
PIECE_COUNT_AT on) lie where among the tokens; of a mask's, the state that has it (from PIECE_COUNT_AT on)."""
FEW_NODES = 3
"""Nodes below a root of a trie that are rather followed than looked up as a piece."""
LOOK_WORDS = 4
MOST_PAIRS, PAIR_AT = 128, 32
PAIR_ROW = 5
"""The record of a pair has groups, no tries, and crossings (int32: node, state, what bytes do to a column,
the state of the slot, -1: none, first byte)."""
SURE_APART, SURE_BARE, SURE_LINE, BARRED = 1, 2, 4, 8
CHAIN_BITS, CHAIN_AT = 13, 20
MOST_CHAINS = 1 << CHAIN_BITS
MOST_LOOKS, LOOK_AT = 1 << 10, 32
PUSHED_AT, MOST_PUSHED = 120, 8
"""Where in C_TEMPORARY the states lie that rules without symbols push while a terminal is tried; how many."""
MOST_DENSE, DENSE_WORDS = 256, 5
MOST_LEVELS, LEVEL_WORDS, LEVEL_TRIE, LEVEL_ROOT = 96, 16, 8, 9
"""Of a level: its registers; the address of its trie's words, 0: it is the vocabulary's; and the level before
whose registers its tokens begin."""
LARGE_TRIE = 256
"""Nodes of a trie that has records of its own."""
SHIFT_AT = 24
"""Where, above a lexeme state, `harvest` puts what bytes do to a column."""
R_GROUP_COUNT, R_GROUPS, R_TRIE_COUNT, R_TRIES, R_CROSSING_COUNT, R_CROSSINGS, R_WORDS = range(7)
TRIE_ROW = 5
D_NODES, D_COUNT, D_STARTS, D_IDS, D_RECORDS, D_SLOTS, D_TOKENS, D_KNOWN, D_FIRSTS = range(9)
D_WORDS = D_FIRSTS + 4
AS_ROW = -1
"""A record, int64: groups (endings; the addresses of the tokens, int32, and of where each first byte's begin
in them, int32[257], 0: anywhere; how many tokens; or, where the last is AS_ROW, the number of the dense row
that has them, and the address of which first bytes they have, uint8[256]); tries (TRIE_ROW words: a terminal;
what bytes do to its column; the address of the words of the trie of what is left over behind it; the tokens
that end with it, int32, and how many); crossings (int32: node, state, what bytes do to a column, first byte,
-1: any). The words of a trie: nodes, how many, slot starts, token ids of each slot, records as of K_RECORDS;
how many starts and ids there are; 1 where it is known which first bytes its tokens have, and these (256
bits)."""

# --- what a record is made from, in the words of `record_harvest`
# ---------------------------------------------
(
    H_NODES,
    H_COUNT,
    H_STARTS,
    H_IDS,
    H_NUMBER,
    H_PIECES,
    H_ROOM,
    H_USED,
    H_MORE,
    H_TABLE,
    H_MASK,
    H_SEGMENTS,
    H_SEGMENT_COUNT,
    H_NOTED,
    H_HOME,
    H_LOOPS,
    H_MORE_LOOPS,
    H_SCRATCH,
    H_PART,
    H_NEWLINE,
    H_FIRST_BYTES,
    H_MANY,
    H_WIDTH,
    H_GROUPS,
    H_ROWS,
    H_LEFT,
    H_OTHERS,
    H_RECORD,
    H_LISTS,
    H_BITS,
    H_MARKS,
    H_WORDS,
) = range(32)
"""Of a trie: NODES, how many (COUNT), slot STARTS, token IDS, and its NUMBER, 0: the vocabulary's. PIECES:
int64, USED of ROOM words, each piece its key (NUMBER; its root, from bit 22 on; the state behind that), how
many words it has, and these; MORE: 1 where they may get more room. TABLE: int32, MASK + 1 of them, 1 + where
a piece is, by its key. SEGMENTS: SEGMENT_COUNT addresses, each with how many words are there; NOTED: words of
all. HOME: a state, and which classes of bytes lead back to it, as a signature of the trie. SCRATCH: seven
parts of PART words: the endings of groups, how many tokens they have; the keys of what is left, where the
nodes of each end, and these; two more. NEWLINE: K_NEWLINE. FIRST_BYTES: uint8 of each token. MANY: tokens of
a group that is a dense row, laid out in WIDTH words (int32), FIRST_WORDS of them which first bytes there are.
GROUPS, ROWS, LEFT, OTHERS: groups, those that are dense rows, keys of what is left, and other crossings.
RECORD, LISTS, BITS, MARKS: where a record is laid out."""
LARGE_PIECE = 16
"""Nodes of a piece that is kept."""
KEY_AT = 40
"""Where the terminal is in a key of what is left; below it what bytes do to its column, from bit 1 on, and 1
where the node's byte belongs to the terminal."""
FIRST_WORDS = 8
FULL = -8
"""Beside layout.ASKED: more room is needed."""
