"""The compiled half of `compiled_text`: texts and tries read through a table of steps, filled as it is asked.

Configurations are numbers; `C_TABLE` has a row for each, a word (int32) for each class of bytes: the number
after it, REFUSED, or UNKNOWN: then the question (number, class) is noted, and Python answers it.
"""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.machine_core.draft_nodes import (
    J_CONTEXT,
    J_COUNT,
    J_FINISHED,
    J_SPECIALS,
    J_STATE,
    JOB_WORDS,
    is_end,
    settle_place,
    state_above,
    state_or_left,
    token_of,
)
from structgen.machine_core.masks import emit, remember
from structgen.machine_core.raw_rows import find, intern, row_of
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store8, store32, store64

C_TABLE, C_CLASSES, C_WIDTH, C_FINAL = C_STRINGS, C_STRINGS_OUT, C_NUMBERS, C_NUMBERS_OUT
"""The table of steps; uint8[256], the class of a byte; how many there are; uint8, may a text end here. These
words of the context are the string and number automata's of JSON grammars."""
C_TICKS, C_EXTRA, C_EXTRAS = C_SPACE, C_INDENT, C_INDENT_LENGTH
"""int32, the number after the end of a token (0: tokens are not counted); special tokens that may come in
the state whose mask is worked out (int32), and how many."""
C_INSIDE = C_ESCAPES
"""uint8: whether a state stands inside a part with masks of its own, and nowhere else. Tokens are then not
read byte by byte."""
C_OPEN = C_KEY_ESCAPES
"""int64: how many nodes of the trie wait for answers, more than MOST_OPEN where there was no room for all;
from 1 on each as node << 32 | state << 1 | whether its own tokens alone wait."""

UNKNOWN, QUESTIONED = -2, -3
"""In the table: not asked yet; asked, and not answered yet."""
MOST = 1 << 13
"""Questions noted by one call."""
MOST_OPEN = 1 << 16
BOUNDARY = -1
"""As the class of a question: what is after the end of a token?"""


@jit
def ask(c, at, index, kind):
    """Note a question for the cell `at` of a table, if there is room for one. Returns QUESTIONED."""
    needs = load64(c, C_NEEDS)
    count = load64(needs, 0)
    if count < MOST:
        store64(needs, 1 + 2 * count, index)
        store64(needs, 2 + 2 * count, kind)
        store64(needs, 0, count + 1)
        store32(at, 0, QUESTIONED)
    return QUESTIONED


@jit
def follow(c, index, byte):
    """Return the number after a byte, REFUSED, or QUESTIONED."""
    kind = load8(load64(c, C_CLASSES), byte)
    at = load64(c, C_TABLE) + 4 * (index * load64(c, C_WIDTH) + kind)
    after = load32(at, 0)
    if after == UNKNOWN:
        return ask(c, at, index, kind)
    return after


@jit
def tick(c, index):
    """Return the number after the end of a token, REFUSED, or QUESTIONED."""
    ticks = load64(c, C_TICKS)
    if ticks == 0:
        return index
    after = load32(ticks, index)
    if after == UNKNOWN:
        return ask(c, ticks + 4 * index, index, BOUNDARY)
    return after


@entry("int64(int64, int64, int64, int64)")
def take_bytes(c, index, data, count):
    """Return the number after bytes, REFUSED, or ASKED with questions noted."""
    for i in range(count):
        index = follow(c, index, load8(data, i))
        if index < 0:
            return ASKED if index == QUESTIONED else REFUSED
    return index


@jit
def read(c, index, token):
    """Return the number after a token, byte by byte; REFUSED; or ASKED with questions noted."""
    if load32(load64(c, C_SLOT), token) < 0:
        return REFUSED
    offsets, data = load64(c, C_TOKEN_OFFSET), load64(c, C_TOKEN_DATA)
    for at in range(load64(offsets, token), load64(offsets, token + 1)):
        index = follow(c, index, load8(data, at))
        if index < 0:
            return ASKED if index == QUESTIONED else REFUSED
    index = tick(c, index)
    return ASKED if index == QUESTIONED else index


@jit
def recorded(c, index, token):
    """Return the number after a token, or REFUSED, as it was recorded (`record_move`); UNKNOWN where it was
    not."""
    t = load64(c, C_TEMPORARY) + 8 * 8
    store64(t, 0, index)
    store64(t, 1, token)
    store64(t, 2, 0)
    found = find(c, T_EDGE, 3, t)
    return numba.int64(UNKNOWN) if found < 0 else load64(row_of(c, T_EDGE, 4, found), 3)


@jit
def after_token(c, index, token):
    """Return the number after a token that has a text, or REFUSED; ASKED with questions noted; UNKNOWN where
    the state stands inside a part, and what follows was not recorded."""
    if load8(load64(c, C_INSIDE), index) != 0:
        return recorded(c, index, token)
    return numba.int64(read(c, index, token))


@entry("int64(int64, int64, int64)")
def take_token(c, index, token):
    """As `after_token`."""
    return after_token(c, index, token)


@entry("int64(int64, int64, int64)")
def known_move(c, index, token):
    """As `recorded`."""
    return recorded(c, index, token)


@entry("int64(int64, int64, int64, int64)")
def record_move(c, index, token, after):
    """Record the number after a token that is not read byte by byte, or REFUSED; there is room. Returns 0."""
    t = load64(c, C_TEMPORARY) + 8 * 8
    store64(t, 0, index)
    store64(t, 1, token)
    store64(t, 2, 0)
    store64(t, 3, after)
    intern(c, T_EDGE, 3, t)
    return 0


@jit
def draft_state(c, job, index, token):
    """Return the number after a token of a draft, REFUSED, or another code where it must be asked for."""
    if is_end(c, token):
        if load8(load64(c, C_FINAL), index) == 0:
            return numba.int64(REFUSED)
        finished = load64(job, J_FINISHED)
        return finished if finished >= 0 else numba.int64(UNKNOWN)
    if load32(load64(c, C_SLOT), token) < 0 and load64(job, J_SPECIALS) != 0:
        return recorded(c, index, token)
    return after_token(c, index, token)


@entry("int64(int64, int64, int64)")
def walk_drafts(batch, jobs, count):
    """Do what is known of the draft trees of many jobs (`machine_core.draft_nodes`). Returns how many
    places are left."""
    left = numba.int64(0)
    for i in range(count):
        job = jobs + 8 * JOB_WORDS * i
        c = load64(job, J_CONTEXT)
        needs = load64(c, C_NEEDS)
        noted = load64(needs, 0)
        store64(needs, 0, MOST)  # there is no room for questions: none is noted
        left += settle_place(batch, job, 0, load64(job, J_STATE))
        for node in range(load64(job, J_COUNT)):
            state, token = state_above(batch, job, node), token_of(batch, job, node)
            if state >= 0:
                state = (
                    state_or_left(draft_state(c, job, state, token)) if token >= 0 else numba.int64(REFUSED)
                )
            left += settle_place(batch, job, 1 + node, state)
        store64(needs, 0, noted)
    return left


@entry("int64(int64, int64, int64)")
def read_token(c, index, token):
    """As `take_token`, wherever the state stands."""
    return read(c, index, token)


@entry("int64(int64, int64, int64, int64, int64)")
def after_tokens(c, index, tokens, count, target):
    """Write to target[0:count] (int64) the numbers after each of some allowed tokens (int32) with texts.

    Returns 0, or ASKED with questions noted.
    """
    offsets, data = load64(c, C_TOKEN_OFFSET), load64(c, C_TOKEN_DATA)
    asked = False
    for i in range(count):
        token, reached = load32(tokens, i), index
        for at in range(load64(offsets, token), load64(offsets, token + 1)):
            reached = follow(c, reached, load8(data, at))
            if reached < 0:
                break
        if reached >= 0:
            reached = tick(c, reached)
        asked = asked or reached == QUESTIONED
        store64(target, i, reached)
    return ASKED if asked else 0


@jit
def note_open(c, node, state, own):
    """Note that a node of the trie waits for an answer in a state, with what is below it, or its own tokens
    alone (1)."""
    waiting = load64(c, C_OPEN)
    count = load64(waiting, 0)
    if count < MOST_OPEN:
        store64(waiting, 1 + count, (node << 32) + 2 * state + own)
    store64(waiting, 0, min(count, MOST_OPEN) + 1)


@jit
def walk(c, index, node, depth, count):
    """Collect the tokens whose bytes can be read from a state on: those of the trie's nodes from `node` to
    `count`, below one of some depth. Nodes that wait for an answer are noted. Returns whether there are any.
    """
    nodes = load64(c, C_TRIE)
    starts, ids = load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    stack = load64(c, C_SCRATCH)
    store64(stack, depth, index)
    asked = False
    while node < count:
        word = load64(nodes, node)
        depth = (word >> 8) & 0xFFF
        after = follow(c, load64(stack, depth - 1), word & 0xFF)
        if after < 0:
            if after == QUESTIONED:
                note_open(c, node, load64(stack, depth - 1), 0)
                asked = True
            node = (word >> 40) & 0xFFFFFF
            continue
        store64(stack, depth, after)
        slot = (word >> 20) & 0xFFFFF
        if slot != 0:
            end = tick(c, after)
            if end >= 0:
                emit(c, ids, load32(starts, slot - 1), load32(starts, slot))
            elif end == QUESTIONED:
                note_open(c, node, after, 1)
                asked = True
        node += 1
    return asked


@entry("int64(int64, int64, int64)")
def collect(c, index, wanted):
    """Collect a state's tokens in the buffer, those that begin with wanted bytes (uint8[256]; 0: all), but
    for special and end tokens. Returns 0, or ASKED: `collect_on` goes on."""
    store64(c, C_BUFFER_COUNT, 0)
    store64(load64(c, C_OPEN), 0, 0)
    asked = False
    for byte in range(256):
        node = load32(load64(c, C_FIRST), byte)
        if node >= 0 and (wanted == 0 or load8(wanted, byte) != 0):
            last = (load64(load64(c, C_TRIE), node) >> 40) & 0xFFFFFF
            asked = walk(c, index, node, 0, last) or asked
    return ASKED if asked else 0


@entry("int64(int64)")
def collect_on(c):
    """Collect in the buffer what waited for answers. Returns as `collect`."""
    nodes, starts, ids = load64(c, C_TRIE), load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    waiting = load64(c, C_OPEN)
    count = load64(waiting, 0)
    noted = waiting + 8 * (1 + MOST_OPEN)
    for i in range(count):
        store64(noted, i, load64(waiting, 1 + i))
    store64(c, C_BUFFER_COUNT, 0)
    store64(waiting, 0, 0)
    asked = False
    for i in range(count):
        one = load64(noted, i)
        node, state = one >> 32, (one & 0xFFFFFFFF) >> 1
        word = load64(nodes, node)
        if one & 1 == 0:
            more = walk(c, state, node, ((word >> 8) & 0xFFF) - 1, (word >> 40) & 0xFFFFFF)
            asked = more or asked
            continue
        slot, end = (word >> 20) & 0xFFFFF, tick(c, state)
        if end >= 0:
            emit(c, ids, load32(starts, slot - 1), load32(starts, slot))
        elif end == QUESTIONED:
            note_open(c, node, state, 1)
            asked = True
    return ASKED if asked else 0


@entry("int64(int64, int64, int64)")
def keep(c, index, target):
    """Memoise the tokens in the buffer as a state's mask, with the special and the end tokens that may come,
    and write it to `target` (0: nowhere). Returns 0; ASKED where T_LIST has too little room; LARGE where the
    list of its tokens would be as long as a row: it is then neither memoised nor written."""
    d, count = row_of(c, T_NODE, N_STRIDE, index), load64(c, C_BUFFER_COUNT)
    emit(c, load64(c, C_EXTRA), 0, load64(c, C_EXTRAS))
    if load8(load64(c, C_FINAL), index) != 0:
        emit(c, load64(c, C_ENDS), 0, load64(c, C_END_COUNT))
    code = remember(c, d, -1, target)
    if code == ASKED:
        store64(c, C_BUFFER_COUNT, count)
    return code


@entry("int64(int64, int64, int64, int64)")
def collect_below(c, index, below, count):
    """Collect the tokens below some nodes of the trie (int64) whose bytes behind the node's can be read from
    a state on. Some may stand in the buffer twice. Returns how many of the nodes there was room for, or ASKED
    with questions noted."""
    store64(c, C_BUFFER_COUNT, 0)
    asked = False
    for i in range(count):
        if load64(c, C_BUFFER_COUNT) > load64(c, C_VOCABULARY):
            return ASKED if asked else i
        node = load64(below, i)
        word = load64(load64(c, C_TRIE), node)
        asked = walk(c, index, node + 1, (word >> 8) & 0xFFF, (word >> 40) & 0xFFFFFF) or asked
    return ASKED if asked else count


@entry("int64(int64, int64, int64, int64)")
def mark_wanted(c, last, first, target):
    """Write to `target` (uint8 for each node of the trie) 2 where a node's byte is among some (`last`,
    uint8[256]) and one of its children's among others (`first`), 1 on the way to such nodes, else 0. Returns
    0."""
    nodes, count, path = load64(c, C_TRIE), load64(c, C_TRIE_COUNT), load64(c, C_SCRATCH)
    for node in range(count):
        store8(target, node, 0)
    for node in range(count):
        word = load64(nodes, node)
        depth = (word >> 8) & 0xFFF
        store64(path, depth, node)
        if depth < 2 or load8(first, word & 0xFF) == 0:
            continue
        at = load64(path, depth - 1)
        if load8(last, load64(nodes, at) & 0xFF) == 0:
            continue
        store8(target, at, 2)
        depth -= 2
        while depth >= 1 and load8(target, load64(path, depth)) == 0:
            store8(target, load64(path, depth), 1)
            depth -= 1
    return 0


@entry("int64(int64, int64, int64, int64, int64)")
def prefixes(c, data, size, target, most):
    """Write the lengths of the tokens that data[0:size] begins with to target (int64), ascending, `most` at
    most; return how many there are."""
    first = load64(c, C_FIRST)
    nodes = load64(c, C_TRIE)
    found = 0
    if size == 0:
        return found
    node = load32(first, load8(data, 0))
    end = load64(c, C_TRIE_COUNT)
    depth = 1
    while 0 <= node < end and found < most:
        word = load64(nodes, node)
        if (word >> 8) & 0xFFF < depth:
            break
        if (word & 0xFF) != load8(data, depth - 1):
            node = (word >> 40) & 0xFFFFFF
            continue
        if (word >> 20) & 0xFFFFF != 0:
            store64(target, found, depth)
            found += 1
        if depth == size:
            break
        end = (word >> 40) & 0xFFFFFF
        depth += 1
        node += 1
    return found
