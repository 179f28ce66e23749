"""The compiled half of `compiled_text`: reads tokens and the vocabulary's trie through a table of steps.

States are numbers. The table has a row for each state, and in it a cell (int32) for each class of bytes: the
state after it, REFUSED, or UNKNOWN. Code that meets an unknown cell notes a question, a state and a class,
and answers ASKED. Python answers the questions and calls again.
"""

from __future__ import annotations

from typing import Annotated

from structgen.machine_core.draft_nodes import (
    Batch,
    Job,
    is_end,
    job_at,
    settle_place,
    state_above,
    state_or_left,
    token_of,
)
from structgen.machine_core.growing_tables import DEEPEST, TablePlan, TableSizes
from structgen.machine_core.interning import find, intern
from structgen.machine_core.layout import ASKED, BELOW, MISS, REFUSED, Core, Edge, NodeRow, Registers
from structgen.machine_core.masks import copy_mask, emit, memoise, remember
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import call2, call3, call4
from structgen.native.typed_blocks import At, Block, BlockRows, Bytes, Int32s, Int64s, address_of_block, skip
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of

UNKNOWN, QUESTIONED = -2, -3
"""Cells of the table of steps: not asked yet; asked, but not answered yet."""
MOST_QUESTIONS = 1 << 13
"""Questions that one call notes, at most."""
MOST_WAITING = 1 << 16
"""Trie nodes that one walk leaves for later, at most."""
BOUNDARY = -1
"""In place of a class of bytes in a question: the end of a token."""


SLOTS = 2 * (DEEPEST + 4)
"""Where in the scratch memory (int32) slots are noted that a part finds, behind the path of a walk."""
ENDS = 2 * SLOTS + BELOW
"""Where the ends of a part are noted, behind the path of a part's walk."""
OUTSIDE, INSIDE, BOTH = 0, 1, 2
"""Where a state's places are: outside parts with masks of their own; in one such part; in several, or in
both."""
NEVER, STOPS, WORD = 0, 1, 2
"""How a part's text stands: it may not end here; it may, and what is behind the part follows; the whole text
may end here, and the part goes on. Larger numbers are as STOPS, and say what follows."""


class TextState(Registers):
    """The registers of a state."""

    number: int
    """The state's own number, so that no two states are equal; of a state in one part 0."""
    visit: int
    """Of a state in one part: which one, and what follows it."""
    state: int
    """The part's state."""


class Visit(Block):
    """A part with masks of its own, at one place in a grammar."""

    context: int
    """The part's block."""
    take: int
    """Codes of entry points of the part (`jit.code_of`): the state after a token; 0: Python knows it."""
    standing: int
    """How the text stands in a state: NEVER, STOPS, WORD."""
    ends_below: int
    """Nodes of the trie at which the text may end (`CompiledGrammar.ends_below`)."""
    slots_below: int
    """The slots of tokens below a node that can be read from a state, unless the text ends inside one."""
    wanted: int
    """The nodes to examine for that (`WantedNodes.trie`), 0: there are none, UNKNOWN: not known yet."""
    leaving: Bytes
    """Of each slot, whether its tokens may leave the part (`part_ends.Map`), once `wanted` is known."""
    behind: int
    """The state behind the part, -1: it is not known, or there are several."""
    follows: int
    """Whether anything follows the part."""
    may_end: int
    """Whether the whole text may end where the part says so."""


class TextWork(Block):
    """Rows that are about to be interned."""

    edge: Edge
    node: NodeRow


class StepQuestions(Block):
    """The cells that were missed since the last answers."""

    count: int
    asked: Annotated[Int64s, 2 * MOST_QUESTIONS]
    """A state and a class of bytes (or BOUNDARY) each."""


class WaitingNodes(Block):
    """Trie nodes whose walk waits for an answer: node << 32 | state << 1 | do only its own tokens wait?"""

    count: int
    """More than MOST_WAITING where there was no room for all."""
    noted: Annotated[Int64s, MOST_WAITING]
    resumed: Annotated[Int64s, MOST_WAITING]
    """Those of the walk before."""


class TextContext(Core):
    """The memory of a compiled text grammar."""

    work: At[TextWork]
    cells: Int32s
    """The table of steps: a row of `class_count` cells for each state."""
    classes: Bytes
    """The class of each byte."""
    class_count: int
    may_end: Bytes
    """Of each state: may the text end here? How it stands, as above."""
    inside: Bytes
    """Of each state: OUTSIDE, INSIDE or BOTH. Tokens of a state inside are not read byte by byte: its part
    takes them, or they are recorded (`record_move`)."""
    row_count: int
    """States for which there is room in the arrays above."""
    visits: BlockRows[Visit]
    boundaries: Int32s
    """Of each state the state after the end of a token, as cells; 0: tokens are not counted."""
    missed: At[StepQuestions]
    waiting: At[WaitingNodes]
    specials: Int32s
    """The special tokens that are allowed in the state whose mask is worked out."""
    special_count: int


TEXT_TABLES = TablePlan(
    TextContext,
    {
        "nodes": TableSizes(1024, 2048, key=8),
        "edges": TableSizes(512, 1024, key=3),
        "lists": TableSizes(65536),
    },
)


@jit
def ask(c: TextContext, cell: Int32s, index: int, column: int) -> int:
    """Note a question for a cell, if there is room for one. Returns QUESTIONED."""
    missed = c.missed
    count = missed.count
    if count < MOST_QUESTIONS:
        missed.asked[2 * count] = index
        missed.asked[2 * count + 1] = column
        missed.count = count + 1
        cell[0] = QUESTIONED
    return QUESTIONED


@jit
def follow(c: TextContext, index: int, byte: int) -> int:
    """Return the state after a byte, REFUSED, or QUESTIONED."""
    column = c.classes[byte]
    at = index * c.class_count + column
    after = c.cells[at]
    if after == UNKNOWN:
        return ask(c, skip(c.cells, at), index, column)
    return after


@jit
def end_token(c: TextContext, index: int) -> int:
    """Return the state after the end of a token, REFUSED, or QUESTIONED."""
    boundaries = c.boundaries
    if address_of_block(boundaries) == 0:
        return index
    after = boundaries[index]
    if after == UNKNOWN:
        return ask(c, skip(boundaries, index), index, BOUNDARY)
    return after


@entry("int64(int64, int64, int64, int64)")
def take_bytes(context: int, index: int, data_address: int, count: int) -> int:
    """Return the state after bytes, REFUSED, or ASKED with questions noted."""
    c, data = TextContext(context), Bytes(data_address)
    for i in range(count):
        index = follow(c, index, data[i])
        if index < 0:
            return ASKED if index == QUESTIONED else REFUSED
    return index


@jit
def read(c: TextContext, index: int, token: int) -> int:
    """Return the state after a token, byte by byte; REFUSED; ASKED with questions noted; UNKNOWN where it
    enters a part."""
    if c.vocabulary.slot[token] < 0:
        return REFUSED
    offsets, data = c.vocabulary.token_offset, c.vocabulary.token_data
    for at in range(offsets[token], offsets[token + 1]):
        before = index
        index = c.cells[index * c.class_count + c.classes[data[at]]]
        if index <= UNKNOWN and c.inside[before] == INSIDE:
            return UNKNOWN
        if index == UNKNOWN:
            index = follow(c, before, data[at])
        if index < 0:
            return ASKED if index == QUESTIONED else REFUSED
    index = end_token(c, index)
    return ASKED if index == QUESTIONED else index


@jit
def move_key(c: TextContext, index: int, token: int) -> Edge:
    """Return the row of a move, as the tables find it by its state and token."""
    key = c.work.edge
    key.first = index
    key.second = token
    key.third = 0
    return key


@jit
def recorded(c: TextContext, index: int, token: int) -> int:
    """Return the recorded state after a token, or REFUSED (`record_move`); UNKNOWN where none is recorded."""
    found = find(c.edges, 3, move_key(c, index, token))
    return UNKNOWN if found < 0 else c.edges[found].target


@jit
def forward(c: TextContext, index: int) -> None:
    """Have a state inside a part stand for the part's own: they have the same mask."""
    node = c.nodes[index]
    state = TextState(address_of_block(node))
    node.dense_row = c.visits[state.visit].context
    node.token_list = -2 - state.state


@jit
def enter(c: TextContext, visit: int, state: int) -> int:
    """Return the state in which a part is in a state of its own, made if it is new; UNKNOWN where there is no
    room, or the part's text may end there and something follows."""
    row, v = c.work.node, c.visits[visit]
    words = Int64s(address_of_block(row))
    for i in range(8):
        words[i] = 0
    key = TextState(address_of_block(row))
    key.visit = visit
    key.state = state
    found = find(c.nodes, 8, row)
    if found >= 0:
        return found
    count = c.nodes.count
    if count >= min(c.row_count, c.nodes.capacity) or 2 * count > c.nodes.mask:
        return UNKNOWN
    standing = NEVER if v.take == 0 else call2(v.standing, v.context, state)
    if standing != NEVER and standing != WORD and v.follows != 0:
        return UNKNOWN
    row.dense_row = -1
    row.token_list = -1
    c.inside[count] = INSIDE
    c.may_end[count] = 1 if standing != NEVER and v.may_end != 0 else 0
    blank(c, count)
    intern(c, c.nodes, 8, row)
    if v.take != 0 and (standing == NEVER or v.may_end != 0):
        scratch = address_of_block(c.scratch)
        if v.wanted == 0 or (
            v.wanted != UNKNOWN and call4(v.ends_below, v.context, state, v.wanted, scratch) == 0
        ):
            forward(c, count)
    return count


@jit
def blank(c: TextContext, index: int) -> None:
    """Make all steps of a state unknown."""
    cells = skip(c.cells, index * c.class_count)
    for i in range(c.class_count):
        cells[i] = UNKNOWN
    if address_of_block(c.boundaries) != 0:
        c.boundaries[index] = UNKNOWN


@jit
def after_token(c: TextContext, index: int, token: int) -> int:
    """Return the state after a token that has a text, or REFUSED; ASKED with questions noted; UNKNOWN where
    Python must follow into a part, or out of one."""
    if c.inside[index] != INSIDE:
        after = read(c, index, token)
        return after if after != UNKNOWN else recorded(c, index, token)
    node = c.nodes[index]
    state = TextState(address_of_block(node))
    v, slot = c.visits[state.visit], c.vocabulary.slot[token]
    if v.take != 0 and v.wanted != UNKNOWN and (node.token_list < -1 or (slot >= 0 and v.leaving[slot] == 0)):
        after = call3(v.take, v.context, state.state, token)
        if after >= 0:
            after = enter(c, state.visit, after)
        if after >= REFUSED:
            return after
    return recorded(c, index, token)


@entry("int64(int64, int64, int64)")
def take_token(context: int, index: int, token: int) -> int:
    """As `after_token`."""
    return after_token(TextContext(context), index, token)


@entry("int64(int64, int64, int64)")
def known_move(context: int, index: int, token: int) -> int:
    """As `recorded`."""
    return recorded(TextContext(context), index, token)


@entry("int64(int64, int64, int64)")
def join_part(context: int, index: int, target: int) -> int:
    """Memoise the mask of a state inside a part, and write it to `target` (0: nowhere): the part's own, and
    the tokens that leave the part. Returns 0; ASKED with questions noted; MISS where the part's mask is not
    known; UNKNOWN where Python must join them."""
    c = TextContext(context)
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


@entry("int64(int64, int64, int64)")
def inside_state(context: int, visit: int, state: int) -> int:
    """As `enter`."""
    return enter(TextContext(context), visit, state)


@entry("int64(int64, int64, int64, int64)")
def record_move(context: int, index: int, token: int, after: int) -> int:
    """Record the state after a token that is not read byte by byte, or REFUSED. The table has room. Returns
    0."""
    c = TextContext(context)
    row = move_key(c, index, token)
    row.target = after
    intern(c, c.edges, 3, row)
    return 0


@jit
def draft_state(c: TextContext, job: Job, index: int, token: int) -> int:
    """Return the state after a token of a draft, REFUSED, or another code where Python must find it."""
    if is_end(c, token):
        if c.may_end[index] == 0:
            return REFUSED
        return job.finished if job.finished >= 0 else UNKNOWN
    if c.vocabulary.slot[token] < 0 and job.specials != 0:
        return recorded(c, index, token)
    return after_token(c, index, token)


@entry("int64(int64, int64, int64)")
def walk_drafts(batch_address: int, jobs: int, count: int) -> int:
    """Find the known states and masks of the draft trees of many jobs (`machine_core.draft_nodes`). Returns
    how many places are left."""
    batch, left = Batch(batch_address), 0
    for i in range(count):
        job = job_at(jobs, i)
        c = TextContext(job.context)
        noted = c.missed.count
        c.missed.count = MOST_QUESTIONS  # no question is noted
        left += settle_place(batch, job, 0, job.state)
        for node in range(job.count):
            state, token = state_above(batch, job, node), token_of(batch, job, node)
            if state >= 0:
                state = REFUSED if token < 0 else state_or_left(draft_state(c, job, state, token))
            left += settle_place(batch, job, 1 + node, state)
        c.missed.count = noted
    return left


@entry("int64(int64, int64, int64, int64, int64)")
def after_tokens(context: int, index: int, tokens_address: int, count: int, target_address: int) -> int:
    """Write to target[0:count] (int64) the states after each of some allowed tokens (int32) with texts.

    Returns 0, or ASKED with questions noted.
    """
    c, tokens, target = TextContext(context), Int32s(tokens_address), Int64s(target_address)
    offsets, data = c.vocabulary.token_offset, c.vocabulary.token_data
    asked = False
    for i in range(count):
        token, reached = tokens[i], index
        for at in range(offsets[token], offsets[token + 1]):
            reached = follow(c, reached, data[at])
            if reached < 0:
                break
        if reached >= 0:
            reached = end_token(c, reached)
        asked = asked or reached == QUESTIONED
        target[i] = reached
    return ASKED if asked else 0


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


@entry("int64(int64, int64, int64)")
def collect(context: int, index: int, wanted_address: int) -> int:
    """Collect a state's tokens in the buffer, those that begin with wanted bytes (uint8[256]; 0: all bytes),
    without special and end tokens. Returns 0, or ASKED: `collect_on` continues."""
    c, wanted = TextContext(context), Bytes(wanted_address)
    c.buffer_count = 0
    c.waiting.count = 0
    asked = False
    for byte in range(256):
        node = c.vocabulary.first[byte]
        if node >= 0 and (wanted_address == 0 or wanted[byte] != 0):
            asked = walk(c, index, node, 0, end_of(c.vocabulary.trie[node])) or asked
    return ASKED if asked else 0


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


@entry("int64(int64, int64, int64)")
def keep(context: int, index: int, target: int) -> int:
    """Memoise the tokens in the buffer as a state's mask, with the special and the end tokens that are
    allowed, and write it to `target` (0: nowhere). Returns 0; ASKED where the lists have too little room;
    LARGE where the list would be as long as a row, which is then neither memoised nor written."""
    c = TextContext(context)
    count = c.buffer_count
    emit(c, c.specials, 0, c.special_count)
    if c.may_end[index] != 0:
        emit(c, c.ends, 0, c.end_count)
    code = remember(c, c.nodes[index], -1, target)
    if code == ASKED:
        c.buffer_count = count
    return code


@entry("int64(int64, int64, int64, int64)")
def collect_below(context: int, index: int, below_address: int, count: int) -> int:
    """Collect the tokens below some nodes of the trie (int64) whose bytes behind the node's can be read from
    a state on; some may stand in the buffer twice. Returns for how many of the nodes there was room, or ASKED
    with questions noted."""
    c, below = TextContext(context), Int64s(below_address)
    c.buffer_count = 0
    asked = False
    for i in range(count):
        if c.buffer_count > c.vocabulary.size:
            return ASKED if asked else i
        node = below[i]
        word = c.vocabulary.trie[node]
        asked = walk(c, index, node + 1, depth_of(word), end_of(word)) or asked
    return ASKED if asked else count


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
