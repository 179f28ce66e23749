"""Checks whether compiled code can safely follow the contents of a Lark grammar's file (see
`json_machine.kept.table_checks`): the tables of the lexer and the parser, states, lists of tokens, and
records."""

from __future__ import annotations

import numba

from structgen.json_machine.tables.json_blocks import *
from structgen.lark_grammars.compiled.registers import (
    AS_ROW,
    ELSE_NONE,
    ELSE_SHIFT,
    ENDS_OLD,
    IGNORED,
    KEPT,
    KIND_BITS,
    LARGE_TRIE,
    LAST_RULE,
    LEFTOVER_WORDS,
    LIVE_KEY,
    LIVE_NO,
    LIVE_YES,
    MOVE_KEEP_NEW,
    MOVE_KEEP_OLD,
    MOVE_MANY,
    MOVE_ON,
    OLD_PARTED,
    OPEN_BITS,
    OPEN_PENDING,
    PLAIN_AT,
    RECORD_WORDS,
    SEPARATED,
    TAILED,
    TERMINAL_BITS,
    TERMINAL_SHIFT,
    TO_BITS,
    TO_SHIFT,
    UNKNOWN,
    LarkPlace,
    LarkState,
    LeftoverTrie,
)
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store8, store32
from structgen.native.typed_blocks import word_of, words_of
from structgen.tokens.trie_nodes import depth_of, end_of, slot_of

PLACE, LEXEME, COLUMN, BASE = LarkState.place, LarkState.lexeme, LarkState.column, LarkState.base
P_STACK, P_WIDTHS, P_BRACKETS = LarkPlace.stack, LarkPlace.widths, LarkPlace.brackets
D_NODES, D_COUNT, D_STARTS, D_IDS, D_RECORDS, D_SLOTS, D_TOKENS = (
    word_of(LeftoverTrie, name)
    for name in ("nodes", "count", "starts", "ids", "records", "slot_count", "token_count")
)
R_GROUP_COUNT, R_GROUPS, R_TRIE_COUNT, R_TRIES, R_CROSSING_COUNT, R_CROSSINGS = range(RECORD_WORDS)
TRIE_WORDS = words_of(LeftoverTrie)
(
    S_STATES,
    S_TERMINALS,
    S_NONTERMINALS,
    S_RULES,
    S_CONTEXTS,
    S_ACTIONS,
    S_GOTOS,
    S_KERNEL_ENDS,
    S_KERNEL_ITEMS,
    S_RULE_ENDS,
    S_SYMBOLS,
    S_ORIGINS,
    S_START,
    S_LEXEMES,
    S_TOKENS,
    S_LISTS,
) = range(16)
"""Words of facts about a grammar: counts, and the addresses of the parser's arrays (int32). RULE_ENDS: the
ends of each rule's symbols. START: the parser's start state. LISTS: the address of the lists of endings
(int32), for checking records."""


@jit
def _in(value, low, end):
    return value >= low and value < end


@jit
def _has_item(w, state, rule, dot):
    """Return whether a state has the item of a rule with the dot at a position."""
    ends, items = load64(w, S_KERNEL_ENDS), load64(w, S_KERNEL_ITEMS)
    for at in range(load32(ends, state), load32(ends, state + 1)):
        if load32(items, 2 * at) == rule and load32(items, 2 * at + 1) == dot:
            return True
    return False


@jit
def _symbol(w, rule, at):
    return load32(load64(w, S_SYMBOLS), load32(load64(w, S_RULE_ENDS), rule) + at)


@jit
def _size(w, rule):
    ends = load64(w, S_RULE_ENDS)
    return load32(ends, rule + 1) - load32(ends, rule)


@jit
def _leads(w, state, symbol, after):
    """Return whether the items of a state imply that a symbol leads to another state."""
    ends, items = load64(w, S_KERNEL_ENDS), load64(w, S_KERNEL_ITEMS)
    first, last = load32(ends, after), load32(ends, after + 1)
    if first == last:
        return False
    for at in range(first, last):
        rule, dot = load32(items, 2 * at), load32(items, 2 * at + 1)
        if dot < 1 or _symbol(w, rule, dot - 1) != symbol:
            return False
        if dot > 1 and not _has_item(w, state, rule, dot - 1):
            return False
        if dot == 1 and not _has_item(w, state, rule, 0):
            goto = state * load64(w, S_NONTERMINALS) + load32(load64(w, S_ORIGINS), rule)
            if load32(load64(w, S_GOTOS), goto) < 0:
                return False
    return True


@jit
def _goes(w, state, after):
    """Return whether a state may be directly above another on a stack."""
    ends, items = load64(w, S_KERNEL_ENDS), load64(w, S_KERNEL_ITEMS)
    at = load32(ends, after)
    if at == load32(ends, after + 1) or load32(items, 2 * at + 1) < 1:
        return False
    symbol = _symbol(w, load32(items, 2 * at), load32(items, 2 * at + 1) - 1)
    if symbol >= 0:
        return load32(load64(w, S_ACTIONS), state * load64(w, S_TERMINALS) + symbol) == after + 1
    return load32(load64(w, S_GOTOS), state * load64(w, S_NONTERMINALS) - 1 - symbol) == after


@entry("int64(int64)")
def parser_is_valid(w):
    """Return 0 if the actions of a parser follow from the items of its states, so that no reduction pops more
    than is there; else a number for the faulty part. Ranges are checked before."""
    states, terminals, nonterminals = (
        load64(w, S_STATES),
        load64(w, S_TERMINALS),
        load64(w, S_NONTERMINALS),
    )
    actions, gotos, rules = load64(w, S_ACTIONS), load64(w, S_GOTOS), load64(w, S_RULES)
    ends, items = load64(w, S_KERNEL_ENDS), load64(w, S_KERNEL_ITEMS)
    for rule in range(rules):
        if not _in(load32(load64(w, S_ORIGINS), rule), 0, nonterminals) or _size(w, rule) < 0:
            return 1
        for at in range(_size(w, rule)):
            if not _in(_symbol(w, rule, at), -nonterminals, terminals):
                return 1
    for state in range(states):
        for at in range(load32(ends, state), load32(ends, state + 1)):
            rule = load32(items, 2 * at)
            if not _in(rule, 0, rules) or not _in(load32(items, 2 * at + 1), 0, _size(w, rule) + 1):
                return 2
            if (state == load64(w, S_START)) != (load32(items, 2 * at + 1) == 0):
                return 2
    for state in range(states):
        for terminal in range(terminals):
            action = load32(actions, state * terminals + terminal)
            if action == 0:
                continue
            if action > 0:
                if action > states or not _leads(w, state, terminal, action - 1):
                    return 3
                continue
            rule = -1 - action
            if rule >= rules or _has_item(w, load64(w, S_START), rule, 0):
                return 3
            if _size(w, rule) > 0 and not _has_item(w, state, rule, _size(w, rule)):
                return 4
            goto = state * nonterminals + load32(load64(w, S_ORIGINS), rule)
            if _size(w, rule) == 0 and load32(gotos, goto) < 0:
                return 5
        for nonterminal in range(nonterminals):
            after = load32(gotos, state * nonterminals + nonterminal)
            if after >= 0 and (after >= states or not _leads(w, state, -1 - nonterminal, after)):
                return 6
            if after < -1:
                return 6
    return 0


@entry("int64(int64, int64, int64, int64)")
def moves_are_valid(w, moves, count, width):
    """Return 1 if all moves of lexeme states lead to states and terminals, else 0."""
    states, terminals = load64(w, S_LEXEMES), load64(w, S_TERMINALS)
    for at in range(count * width):
        move = load64(moves, at)
        if move < 0:
            if move < UNKNOWN:  # a pending question is never stored
                return 0
            continue
        kind, to, otherwise = move & KIND_BITS, (move >> TO_SHIFT) & TO_BITS, move >> ELSE_SHIFT
        if kind > MOVE_MANY:
            return 0
        kept = kind == MOVE_KEEP_NEW or kind == MOVE_KEEP_OLD
        if (kind == MOVE_ON or kept) and to >= states:
            return 0
        if kept and otherwise >= states and otherwise != ELSE_NONE:
            return 0
        if (move >> TERMINAL_SHIFT) & TERMINAL_BITS >= terminals:
            return 0
    return 1


@jit
def _endings_are_valid(w, lists, at, size):
    """Return whether there is a valid list of endings at a position."""
    terminals, contexts = load64(w, S_TERMINALS), load64(w, S_CONTEXTS)
    if not _in(at, 0, size) or not _in(load32(lists, at), 0, size - at):
        return False
    middle = at + 1 + load32(lists, at)
    if middle >= size or not _in(load32(lists, middle), 0, size - middle - 1):
        return False
    for i in range(at + 1, middle):
        one = load32(lists, i)
        if one < TAILED:
            if one >= terminals or one < OLD_PARTED:
                return False
            if one <= SEPARATED and one > IGNORED and SEPARATED - one >= load64(w, S_LEXEMES):
                return False
            continue
        tail = one - TAILED
        if tail >= size or not _in(load32(lists, tail), 1, size - tail):
            return False
        for j in range(load32(lists, tail)):
            if not _in(load32(lists, tail + 1 + j), 0, contexts if j % 2 else terminals):
                return False
    last = middle + 1 + load32(lists, middle)
    for i in range(middle + 1, last):
        if not _in(load32(lists, i), 0, terminals):
            return False
    return _in(load32(lists, last), ENDS_OLD, terminals)


@entry("int64(int64, int64, int64, int64, int64)")
def lists_are_valid(w, endings, plans, lists, size):
    """Return 1 if the lists of endings and of the parser's plans are valid, else 0."""
    terminals = load64(w, S_TERMINALS)
    for lexeme in range(load64(w, S_LEXEMES)):
        at = load32(endings, lexeme)
        if at < UNKNOWN or (at >= 0 and not _endings_are_valid(w, lists, at, size)):
            return 0
    for state in range(load64(w, S_STATES)):
        at = load32(plans, state)
        if at < 0:
            if at < UNKNOWN:
                return 0
            continue
        if at + 3 > size or not _in(load32(lists, at + 2), 0, size - at - 2):
            return 0
        rule, dot = load32(lists, at), load32(lists, at + 1)
        if rule < LAST_RULE and (
            not _in(rule, 0, load64(w, S_RULES)) or dot < 1 or not _has_item(w, state, rule, dot)
        ):
            return 0
        for i in range(load32(lists, at + 2)):
            if not _in(load32(lists, at + 3 + i), 0, terminals):
                return 0
    return 1


@entry("int64(int64, int64, int64, int64, int64, int64, int64, int64, int64, int64, int64)")
def states_are_valid(w, nodes, count, pairs, stacked, places, placed, edges, known, flags, start):
    """Return 0 if all numbers in a snapshot's states, stacks and places are valid, else a number for the
    faulty part."""
    if not _in(start, 0, count) or stacked < 1 or placed < 1:
        return 1
    for i in range(1, stacked):
        first, second = load64(pairs, 2 * i), load64(pairs, 2 * i + 1)
        if not _in(second, -1, i) or second == 0 or not _in(first, -(1 << 31), load64(w, S_STATES)):
            return 2
        if second < 0:
            if first >= 0 and first != load64(w, S_START):
                return 2
            continue
        below = load64(pairs, 2 * second)
        if (first >= 0) != (below >= 0) or (first >= 0 and not _goes(w, below, first)):
            return 2
    for i in range(1, placed):
        stack, widths = load64(places, 4 * i + P_STACK), load64(places, 4 * i + P_WIDTHS)
        if not _in(stack, 1, stacked) or not _in(widths, 1, stacked):
            return 3
        if load64(pairs, 2 * stack) < 0 or load64(pairs, 2 * widths) >= 0:
            return 3
        if not _in(load64(places, 4 * i + P_BRACKETS), 0, 1 << 31):
            return 3
        if load64(flags, i) & OPEN_BITS == OPEN_PENDING:
            return 3
        plain = (load64(flags, i) >> PLAIN_AT) - 1
        if plain != -1 and not _in(plain, 1, placed):
            return 3
    for i in range(count):
        row = nodes + 8 * N_STRIDE * i
        if load64(row, MODE) != M_DOC or not _in(load64(row, PLACE), 1, placed):
            return 4
        if not _in(load64(row, LEXEME), 0, 2 * load64(w, S_LEXEMES)) or not _in(load64(row, BASE), -1, i):
            return 4
        if not _in(load64(row, COLUMN), -1, 1 << 31) or not _in(load64(row, N_ROW), KEPT, 0):
            return 4
        if load64(row, N_LIST) != -1:
            return 4
    for i in range(known):
        row = edges + 32 * i
        first, key, value = load64(row, 0), load64(row, 1), load64(row, 3)
        if key == LIVE_KEY:
            if not _in(first, 0, count) or not _in(value, LIVE_NO, LIVE_YES + 1):
                return 5
        elif (
            not _in(key, 0, load64(w, S_TERMINALS)) or not _in(first, 1, placed) or not _in(value, 1, placed)
        ):
            return 5
    return 0


@entry("int64(int64, int64, int64)")
def slots_are_valid(slots, size, count):
    """Return 1 if hash slots hold row numbers, and enough of them are free, else 0."""
    free = 0
    for at in range(size):
        number = load32(slots, at)
        if number >= count or number < -1:
            return 0
        if number < 0:
            free += 1
    return 1 if 2 * free >= size else 0


@entry("int64(int64, int64, int64, int64, int64, int64)")
def masks_are_valid(lists, low, high, offsets, count, tokens):
    """Return 1 if the token lists of some masks are between two positions and hold tokens, else 0."""
    before = -1
    for i in range(count):
        at = load64(offsets, i)
        if at == before:
            continue
        before = at
        if at < low or at + 2 > high:
            return 0
        size = load32(lists, at)
        if size < 0 or load32(lists, at + 1) != 0 or at + 2 + size > high:
            return 0
        for j in range(at + 2, at + 2 + size):
            if not _in(load32(lists, j), 0, tokens):
                return 0
    return 1


# --- records ------------------------------------------------------------------------------------------------


@jit
def _address(made, marks, size, word, bytes_of, align):
    """Return the offset in a word of `made`, if so many bytes from there on are in `made`; -1 if it is no
    valid offset."""
    if not _in(word, 0, size) or load8(marks, word) != 1:
        return numba.int64(-1)
    at = load64(made, word)
    if at < 0 or bytes_of < 0 or at % align != 0 or bytes_of > 8 * size or at + bytes_of > 8 * size:
        return numba.int64(-1)
    return at


@jit
def _are_tokens(w, made, marks, size, word, count):
    """Return whether a word of `made` is the offset of that many tokens."""
    if count == 0:
        return True
    at = _address(made, marks, size, word, 4 * count, 4)
    if count < 0 or at < 0:
        return False
    for i in range(count):
        if not _in(load32(made + at, i), 0, load64(w, S_TOKENS)):
            return False
    return True


@jit
def _groups_are_valid(w, made, marks, size, at, count, rows, lists):
    """Return whether the groups of a record are valid. `rows`: the number of dense rows; `lists`: the length
    of the lists."""
    for _ in range(count):
        word = at // 8
        at += 32
        many = load64(made, word + 3)
        if not _endings_are_valid(w, load64(w, S_LISTS), load64(made, word), lists):
            return False
        if many == AS_ROW:
            if load8(marks, word + 1) != 2 or not _in(load64(made, word + 1), 0, rows):
                return False
            if _address(made, marks, size, word + 2, 256, 1) < 0:
                return False
            continue
        if not _are_tokens(w, made, marks, size, word + 1, many):
            return False
        if load8(marks, word + 2) == 0:
            if load64(made, word + 2) != 0:
                return False
            continue
        starts = _address(made, marks, size, word + 2, 4 * 257, 4)
        if starts < 0:
            return False
        before = 0
        for i in range(257):
            here = load32(made + starts, i)
            if here < before or here > many:
                return False
            before = here
    return True


@jit
def _trie_is_valid(w, made, marks, size, at):
    """Return whether the trie at an offset is valid."""
    word = at // 8
    if at < 0 or at % 8 != 0 or word + TRIE_WORDS > size:
        return False
    if load8(marks, word + D_RECORDS) >= 3:
        return True  # it was checked before
    count, starts, tokens = (
        load64(made, word + D_COUNT),
        load64(made, word + D_SLOTS),
        load64(made, word + D_TOKENS),
    )
    if not _in(count, 0, 1 << 24) or not _in(starts, 1, 1 << 21) or not _in(tokens, 0, 1 << 31):
        return False
    if load8(marks, word + D_RECORDS) != 0 or load64(made, word + D_RECORDS) != 0:
        return False
    nodes = _address(made, marks, size, word + D_NODES, 8 * count, 8)
    slots = _address(made, marks, size, word + D_STARTS, 4 * starts, 4)
    if nodes < 0 or slots < 0 or not _are_tokens(w, made, marks, size, word + D_IDS, tokens):
        return False
    before = 0
    for i in range(starts):
        here = load32(made + slots, i)
        if here < before or here > tokens:
            return False
        before = here
    depth = 0
    for i in range(count):
        node = load64(made + nodes, i)
        here, end = depth_of(node), end_of(node)
        if here < 1 or here > depth + 1 or end <= i or end > count or slot_of(node) >= starts:
            return False
        depth = here
    store8(marks, word + D_RECORDS, 3)
    return True


@jit
def _record_is_valid(w, made, marks, size, at, nodes, rows, lists):
    """Return whether the record at an offset is valid; its trie has so many nodes."""
    word = at // 8
    if at < 0 or at % 8 != 0 or word + RECORD_WORDS > size:
        return False
    groups, tries, crossings = (
        load64(made, word + R_GROUP_COUNT),
        load64(made, word + R_TRIE_COUNT),
        load64(made, word + R_CROSSING_COUNT),
    )
    if not _in(groups, 0, size) or not _in(tries, 0, size) or not _in(crossings, 0, 2 * size):
        return False
    if groups > 0:
        found = _address(made, marks, size, word + R_GROUPS, 32 * groups, 8)
        if found < 0 or not _groups_are_valid(w, made, marks, size, found, groups, rows, lists):
            return False
    if tries > 0:
        found = _address(made, marks, size, word + R_TRIES, 8 * LEFTOVER_WORDS * tries, 8)
        if found < 0:
            return False
        for i in range(tries):
            row = found // 8 + LEFTOVER_WORDS * i
            if not _in(load64(made, row), 0, load64(w, S_TERMINALS)):
                return False
            trie = _address(made, marks, size, row + 2, 8 * TRIE_WORDS, 8)
            if trie < 0 or not _trie_is_valid(w, made, marks, size, trie):
                return False
            if load64(made, trie // 8 + D_COUNT) >= LARGE_TRIE and load8(marks, trie // 8 + D_RECORDS) != 4:
                return False  # it is large enough to have records of its own
            if not _are_tokens(w, made, marks, size, row + 3, load64(made, row + 4)):
                return False
    if crossings > 0:
        found = _address(made, marks, size, word + R_CROSSINGS, 16 * crossings, 4)
        if found < 0:
            return False
        for i in range(crossings):
            node, state, first = (
                load32(made + found, 4 * i),
                load32(made + found, 4 * i + 1),
                load32(made + found, 4 * i + 3),
            )
            if not _in(node, 0, nodes) or not _in(state, 0, load64(w, S_LEXEMES)) or not _in(first, -1, 256):
                return False
    return True


@entry("int64(int64, int64, int64, int64, int64, int64, int64, int64, int64, int64, int64, int64)")
def records_are_valid(w, made, marks, size, records, known, tries, count, nodes, rows, lists, seen):
    """Return 0 if compiled code can safely follow records, else a number for the faulty part.

    `made`: int64[size] with offsets; `marks` (uint8): 1 if a word of it is an offset, 2 if it is the number
    of a dense row. `records`: int64[1 + count, known]; `tries`: the offsets of COUNT tries; `nodes`: the
    number of nodes of the vocabulary's trie; `seen`: int32[size] of zeros.
    """
    for which in range(count):
        if not _trie_is_valid(w, made, marks, size, load64(tries, which)):
            return 1
        known_at = load64(tries, which) // 8 + D_RECORDS
        if load8(marks, known_at) == 4:
            return 1
        store8(marks, known_at, 4)
    for which in range(1 + count):
        many = nodes if which == 0 else load64(made, load64(tries, which - 1) // 8 + D_COUNT)
        for state in range(known):
            record = load64(records, which * known + state)
            if record <= 0:
                if record < 0:
                    return 2
                continue
            word = (record - 1) // 8
            if word < size and load32(seen, word) == which + 1:
                continue
            if not _record_is_valid(w, made, marks, size, record - 1, many, rows, lists):
                return 3
            store32(seen, word, which + 1)
    return 0
