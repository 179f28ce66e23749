"""Masks of a compiled text grammar: walks of the trie through the table of steps (`stepping`)."""

from __future__ import annotations

from structgen.machine_core.layout import ASKED, MISS, Core
from structgen.machine_core.masks import copy_mask, emit, memoise, remember
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import call2, call4
from structgen.native.typed_blocks import Bytes, Int32s, Int64s, address_of_block, skip
from structgen.text_grammars.machine.stepping import (
    ENDS,
    INSIDE,
    MOST_WAITING,
    NEVER,
    OUTSIDE,
    QUESTIONED,
    SLOTS,
    UNKNOWN,
    TextContext,
    TextState,
    end_token,
    follow,
    forward,
)
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of


@jit
def wait(c: TextContext, node: int, state: int, own: int) -> None:
    """Note that the walk of a trie node waits for an answer in a state: with all below it, or (`own` 1) for
    its own tokens alone."""
    waiting = c.waiting
    count = waiting.count
    if count < MOST_WAITING:
        waiting.noted[count] = (node << 32) + 2 * state + own
    waiting.count = min(count, MOST_WAITING) + 1


@jit
def walk(c: TextContext, index: int, node: int, depth: int, count: int) -> bool:
    """Collect the tokens of the trie's nodes from `node` to `count` whose bytes can be read from a state on;
    `depth`: of the node above them. Nodes that wait for an answer are noted. Returns whether there are any.
    """
    nodes = c.vocabulary.trie
    starts, ids = c.vocabulary.slot_start, c.vocabulary.slot_ids
    stack = Int64s(address_of_block(c.scratch))
    slots = skip(Int32s(address_of_block(c.scratch)), SLOTS)
    stack[depth] = index
    asked = False
    while node < count:
        word = nodes[node]
        depth = depth_of(word)
        after = follow(c, stack[depth - 1], byte_of(word))
        if after < 0:
            if after == QUESTIONED:
                wait(c, node, stack[depth - 1], 0)
                asked = True
            node = end_of(word)
            continue
        stack[depth] = after
        slot = slot_of(word)
        if slot != 0:
            end = end_token(c, after)
            if end >= 0:
                emit(c, ids, starts[slot - 1], starts[slot])
            elif end == QUESTIONED:
                wait(c, node, after, 1)
                asked = True
        found = 0
        if c.inside[after] == INSIDE and node + 1 < end_of(word):
            state = TextState(address_of_block(c.nodes[after]))
            v = c.visits[state.visit]
            if v.take != 0:
                found = call4(v.slots_below, v.context, state.state, node, address_of_block(slots))
                if found >= 0:
                    for i in range(found):
                        emit(c, ids, starts[slots[i]], starts[slots[i] + 1])
                    node = end_of(word)
                    continue
        node += 1
    return asked


@jit
def gather(c: TextContext, index: int, wanted_address: int) -> bool:
    """Collect a state's tokens in the buffer, as `collect`. Returns whether nodes wait for answers."""
    wanted = Bytes(wanted_address)
    c.buffer_count = 0
    c.waiting.count = 0
    asked = False
    for byte in range(256):
        node = c.vocabulary.first[byte]
        if node >= 0 and (wanted_address == 0 or wanted[byte] != 0):
            asked = walk(c, index, node, 0, end_of(c.vocabulary.trie[node])) or asked
    return asked


@entry("int64(int64, int64, int64)")
def collect(context: int, index: int, wanted_address: int) -> int:
    """Collect a state's tokens in the buffer, those that begin with wanted bytes (uint8[256]; 0: all bytes),
    without special and end tokens. Returns 0, or ASKED: `collect_on` continues."""
    return ASKED if gather(TextContext(context), index, wanted_address) else 0


@entry("int64(int64)")
def collect_on(context: int) -> int:
    """Collect in the buffer the tokens of the nodes that waited for answers. Returns as `collect`."""
    c = TextContext(context)
    nodes, starts, ids = c.vocabulary.trie, c.vocabulary.slot_start, c.vocabulary.slot_ids
    waiting = c.waiting
    count = waiting.count
    for i in range(count):
        waiting.resumed[i] = waiting.noted[i]
    c.buffer_count = 0
    waiting.count = 0
    asked = False
    for i in range(count):
        one = waiting.resumed[i]
        node, state = one >> 32, (one & 0xFFFFFFFF) >> 1
        word = nodes[node]
        if one & 1 == 0:
            asked = walk(c, state, node, depth_of(word) - 1, end_of(word)) or asked
            continue
        slot, end = slot_of(word), end_token(c, state)
        if end >= 0:
            emit(c, ids, starts[slot - 1], starts[slot])
        elif end == QUESTIONED:
            wait(c, node, state, 1)
            asked = True
    return ASKED if asked else 0


@jit
def kept(c: TextContext, index: int, target: int) -> int:
    """As `keep`."""
    count = c.buffer_count
    emit(c, c.specials, 0, c.special_count)
    if c.may_end[index] != 0:
        emit(c, c.ends, 0, c.end_count)
    code = remember(c, c.nodes[index], -1, target)
    if code == ASKED:
        c.buffer_count = count
    return code


@entry("int64(int64, int64, int64)")
def keep(context: int, index: int, target: int) -> int:
    """Memoise the tokens in the buffer as a state's mask, with the special and the end tokens that are
    allowed, and write it to `target` (0: nowhere). Returns 0; ASKED where the lists have too little room;
    LARGE where the list would be as long as a row, which is then neither memoised nor written."""
    return kept(TextContext(context), index, target)


@jit
def read_state(c: TextContext, index: int, most: int, target: int) -> int:
    """As `compute`, of a state outside parts."""
    nodes, firsts, asked = 0, c.vocabulary.first, False
    for byte in range(256):
        if firsts[byte] >= 0:
            after = follow(c, index, byte)
            asked = asked or after == QUESTIONED
            if after >= 0:
                nodes += end_of(c.vocabulary.trie[firsts[byte]]) - firsts[byte]
    if asked:
        return ASKED
    if nodes > most:
        return UNKNOWN
    return ASKED if gather(c, index, 0) else kept(c, index, target)


@entry("int64(int64, int64, int64, int64)")
def collect_below(context: int, index: int, below_address: int, count: int) -> int:
    """Collect the tokens below some nodes of the trie (int64) whose bytes behind the node's can be read from
    a state on; some may stand in the buffer twice. Returns for how many of the nodes there was room, or ASKED
    with questions noted."""
    c, below = TextContext(context), Int64s(below_address)
    c.buffer_count = 0
    c.waiting.count = 0
    asked = False
    for i in range(count):
        if c.buffer_count > c.vocabulary.size:
            return ASKED if asked else i
        node = below[i]
        word = c.vocabulary.trie[node]
        asked = walk(c, index, node + 1, depth_of(word), end_of(word)) or asked
    return ASKED if asked else count


@jit
def join_part(c: TextContext, index: int, target: int) -> int:
    """As `compute`, of a state inside a part: the part's own mask, and the tokens that leave the part."""
    node = c.nodes[index]
    state = TextState(address_of_block(node))
    v = c.visits[state.visit]
    if v.take == 0 or v.wanted == UNKNOWN:
        return UNKNOWN
    if call2(v.standing, v.context, state.state) != NEVER and c.may_end[index] == 0:
        return UNKNOWN
    # behind the memory of `walk` and of what it calls
    ends, left = skip(Int32s(address_of_block(c.scratch)), ENDS), 0
    if v.wanted != 0:
        left = call4(v.ends_below, v.context, state.state, v.wanted, address_of_block(ends))
    if left == 0:
        forward(c, index)
        return copy_mask(c, node, target)
    part = Core(v.context)
    own = part.nodes[state.state]
    if own.token_list < 0:
        return MISS
    if left < 0 or v.behind < 0 or own.token_list < 0:
        return UNKNOWN
    c.buffer_count = 0
    c.waiting.count = 0
    listed = skip(part.lists.numbers, own.token_list)
    for i in range(listed[1]):
        terminal = part.terminals[listed[2 + i]]
        emit(c, terminal.tokens, 0, terminal.count)
    emit(c, skip(listed, 2 + listed[1]), 0, listed[0])
    asked = False
    for i in range(left):
        at = ends[i]
        word = c.vocabulary.trie[at]
        asked = walk(c, v.behind, at + 1, depth_of(word), end_of(word)) or asked
    if asked:
        return ASKED
    if c.buffer_count >= c.vocabulary.mask_words:
        return UNKNOWN
    return memoise(c, node, own.dense_row, target)


@entry("int64(int64, int64, int64, int64)")
def compute(context: int, index: int, most: int, target: int) -> int:
    """Memoise the mask of a state, and write it to `target` (0: nowhere). Returns as `keep`; MISS where that
    of a part is not known; UNKNOWN where Python must work it out, or the walk would be over more than `most`
    nodes of the trie."""
    c = TextContext(context)
    code = copy_mask(c, c.nodes[index], target)
    if code != MISS or c.nodes[index].token_list < -1:
        return code
    if c.inside[index] == OUTSIDE:
        return read_state(c, index, most, target)
    return join_part(c, index, target) if c.inside[index] == INSIDE else UNKNOWN


@entry("int64(int64, int64, int64, int64, int64)")
def prefixes(context: int, data_address: int, size: int, target_address: int, most: int) -> int:
    """Write the lengths of the tokens that data[0:size] begins with to target (int64), ascending, `most` at
    most; return how many there are."""
    vocabulary = Core(context).vocabulary
    data, target = Bytes(data_address), Int64s(target_address)
    found = 0
    if size == 0:
        return found
    node, end, depth = vocabulary.first[data[0]], vocabulary.trie_count, 1
    while 0 <= node < end and found < most:
        word = vocabulary.trie[node]
        if depth_of(word) < depth:
            break
        if byte_of(word) != data[depth - 1]:
            node = end_of(word)
            continue
        if slot_of(word) != 0:
            target[found] = depth
            found += 1
        if depth == size:
            break
        end = end_of(word)
        depth += 1
        node += 1
    return found
