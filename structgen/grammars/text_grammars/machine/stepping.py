"""The compiled half of `compiled_text`: reads tokens and the vocabulary's trie through a table of steps.

States are numbers. The table has a row for each state, and in it a cell (int32) for each class of bytes: the
state after it, REFUSED, or UNKNOWN. Code that meets an unknown cell notes a question, a state and a class,
and answers ASKED. Python answers the questions and calls again.
"""

from __future__ import annotations

from typing import Final

from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import call2, call3, call5
from structgen.base.native.typed_blocks import (
    At,
    Block,
    BlockRows,
    Bytes,
    Int32s,
    Int64s,
    address_of_block,
    skip,
)
from structgen.machines.machine_core.growing_tables import DEEPEST, TablePlan, TableSizes
from structgen.machines.machine_core.interning import edge_key, find_row, intern_row, note_question
from structgen.machines.machine_core.layout import ASKED, BELOW, REFUSED, NodeRow, Registers
from structgen.machines.machine_core.lexeme_layout import RECORD_TABLES, LexemeContext, WorkRow
from structgen.machines.machine_core.lexeme_layout import UNKNOWN as UNKNOWN
from structgen.tokens.trie_nodes import byte_of, end_of, slot_of

ASK_CELL = 8
"""Kind of a question: a cell of the table of steps, by its state and class of bytes (or BOUNDARY)."""
BOUNDARY = -1
"""In place of a class of bytes in a question: the end of a token."""


ENDS = 4 * (DEEPEST + 4) + BELOW
"""Where in the scratch memory (int32) the ends of a part are noted, after what a part's walk needs."""
MOVE, READ, BEGUN, READINGS = range(4)
"""The kinds of edges, by their targets: MOVE, the state after a token that is not read byte by byte; of a
place of a language with lexemes READ, the place after a terminal, and BEGUN, the lexer's state; READINGS,
the index of a state's readings."""
OUTSIDE, INSIDE, BOTH = 0, 1, 2
"""Where a state's places are: outside parts with masks of their own; in one such part; in several, or in
both."""
NEVER, STOPS, WORD = 0, 1, 2
"""How a part's text stands. NEVER: it may not end here; STOPS: it may, and the text after the part follows;
WORD: the whole text may end here, and the part goes on. Larger numbers are as STOPS, and tell which text
follows."""


class TextState(Registers):
    """The registers of a state."""

    number: int
    """The state's own number, so that no two states are equal; of a state in one part 0."""
    visit: int
    """Of a state in one part: the number of the part with its place in the grammar (`Visit`)."""
    state: int
    """The part's state."""


class Visit(Block):
    """A part with masks of its own, at one place in a grammar."""

    context: int
    """The part's block."""
    take: int
    """Codes of entry points of the part (`jit.code_of`): the state after a token; 0: Python knows it."""
    text_status: int
    """How the text stands in a state: NEVER, STOPS, WORD."""
    ends_below: int
    """Nodes of the trie at which the text may end (`CompiledGrammar.ends_below`)."""
    targets: int
    """The nodes to examine for that (`TargetNodes.trie`), 0: there are none, UNKNOWN: not known yet."""
    leaving: Bytes
    """Of each slot, whether its tokens may leave the part (`part_ends.EndsMap`), once `targets` is known."""
    state_after: int
    """The state after the part, -1: it is not known, or there are several."""
    follows: int
    """Whether anything follows the part."""
    may_end: int
    """Whether the whole text may end where the part says so."""


class TextWork(WorkRow):
    """Rows that are about to be interned."""

    node: NodeRow


class TextContext(LexemeContext):
    """The memory of a compiled text grammar."""

    work: At[TextWork]
    cells: Int32s
    """The table of steps: a row of `class_count` cells for each state."""
    class_count: int
    may_end: Bytes
    """Of each state: may the text end here? How it stands, as above."""
    inside: Bytes
    """Of each state: OUTSIDE, INSIDE or BOTH. Inside a part it takes the tokens, or they are recorded
    (`token_steps.put_edge`)."""
    row_count: int
    """States for which there is room in the arrays above."""
    visits: BlockRows[Visit]
    least_nodes: int
    """A walk over no more nodes of the trie than these costs less than a record."""
    readings: Int32s
    """How many readings a state has, and of each the place and the state of the lexer."""
    specials: Int32s
    """The special tokens that are allowed in the state whose mask is worked out; 0: the texts have none."""
    special_count: int


TEXT_TABLES = TablePlan(
    TextContext,
    {
        "nodes": TableSizes(1024, 2048, key=8),
        "edges": TableSizes(512, 1024, key=3),
        "lists": TableSizes(65536),
        **RECORD_TABLES,
    },
    {"newline": -1, "least_nodes": 1 << 14},
)


@jit
def ask_cell(c: TextContext, index: int, column: int) -> int:
    """Note a question for a cell. Returns ASKED."""
    note_question(c, ASK_CELL, index, column, 0)
    return ASKED


@jit
def end_token(c: TextContext, index: int) -> int:
    """Return the state after the end of a token, REFUSED, or ASKED."""
    boundaries = c.token_ends
    if address_of_block(boundaries) == 0:  # the grammar counts no tokens
        return index
    after = boundaries[index]
    if after == UNKNOWN:
        return ask_cell(c, index, BOUNDARY)
    return after


@jit
def recorded_state(c: TextContext, index: int, token: int) -> int:
    """Return the recorded state after a token, or REFUSED; UNKNOWN where none is recorded."""
    edge = find_row(c.edges, 3, edge_key(c, index, token, MOVE))
    return UNKNOWN if edge < 0 else c.edges[edge].target


@jit
def forward_mask(c: TextContext, index: int) -> None:
    """Have a state inside a part stand for the part's own: they have the same mask."""
    node = c.nodes[index]
    state = TextState(address_of_block(node))
    # a list below -1 says so (-1: the mask is not known): then the row is the address of the part's block
    node.dense_row = c.visits[state.visit].context
    node.token_list = -2 - state.state


@jit
def clear_steps(c: TextContext, index: int) -> None:
    """Make all steps of a state unknown."""
    cells = skip(c.cells, index * c.class_count)
    for i in range(c.class_count):
        cells[i] = UNKNOWN
    if c.hooks.read_bytes == 0:  # else the states of the lexer are others
        c.like[index] = UNKNOWN
    if address_of_block(c.token_ends) != 0:
        c.token_ends[index] = UNKNOWN


@jit
def enter_part(c: TextContext, visit: int, state: int) -> int:
    """Return the state in which a part is in a state of its own, made if it is new; UNKNOWN where there is no
    room, or the part's text may end there and something follows; where it goes on no further, that."""
    row = c.work.node
    v = c.visits[visit]
    # the key of a state in a part is all of its registers: those of other states are 0 here
    words = Int64s(address_of_block(row))
    for i in range(8):
        words[i] = 0
    key = TextState(address_of_block(row))
    key.visit = visit
    key.state = state
    node = find_row(c.nodes, 8, row)
    if node >= 0:
        return node
    count = c.nodes.count
    # Python makes room; a hash table is at most half full
    if count >= min(c.row_count, c.nodes.capacity) or 2 * count > c.nodes.mask:
        return UNKNOWN
    status = NEVER if v.take == 0 else call2(v.text_status, v.context, state)
    if status != NEVER and status != WORD and v.follows != 0:
        return v.state_after if status > WORD and v.state_after >= 0 else UNKNOWN
    row.dense_row = -1
    row.token_list = -1
    c.inside[count] = INSIDE
    c.may_end[count] = 1 if status != NEVER and v.may_end != 0 else 0
    clear_steps(c, count)
    intern_row(c, c.nodes, 8, row)  # last: from now on the state can be found
    return count


@jit
def with_part_mask(c: TextContext, index: int) -> int:
    """Return a state; it stands for the part's own where it is inside a part that no token leaves."""
    node = c.nodes[index]
    if c.inside[index] != INSIDE or node.token_list != -1:
        return index
    state = TextState(address_of_block(node))
    v = c.visits[state.visit]
    if v.take == 0 or (v.may_end == 0 and call2(v.text_status, v.context, state.state) != NEVER):
        return index
    if v.targets == 0:
        forward_mask(c, index)
    elif v.targets != UNKNOWN:
        scratch = address_of_block(c.scratch)
        if call5(v.ends_below, v.context, state.state, v.targets, STOPS, scratch) == 0:
            forward_mask(c, index)
    return index


@jit
def step_inside(c: TextContext, index: int, byte: int) -> int:
    """Return the state after a byte in a state inside a part, or REFUSED; another code where Python must
    find it. The part reads the token of this one byte."""
    state = TextState(address_of_block(c.nodes[index]))
    v = c.visits[state.visit]
    node = c.vocabulary.first[byte]
    slot = slot_of(c.vocabulary.trie[node]) if node >= 0 else 0
    if v.take == 0 or slot == 0:  # no token is this byte alone
        return UNKNOWN
    # the tokens of a slot have the same bytes: the first of them serves
    token = c.vocabulary.slot_ids[c.vocabulary.slot_start[slot - 1]]
    after = call3(v.take, v.context, state.state, token)
    return enter_part(c, state.visit, after) if after >= 0 else after


@jit
def state_after_byte(c: TextContext, index: int, byte: int) -> int:
    """Return the state after a byte, REFUSED, or ASKED."""
    column = c.classes[byte]
    cell = skip(c.cells, index * c.class_count + column)
    after = cell[0]
    if after != UNKNOWN:
        return after
    if c.inside[index] == INSIDE:
        after = step_inside(c, index, byte)
        if after >= REFUSED:  # a state or a refusal; smaller codes leave the question to Python
            cell[0] = after
            return after
    return ask_cell(c, index, column)


@entry("int64(int64, int64, int64, int64, int64)")
def put_run(context: int, number: int, data_address: int, count: int, last: int) -> int:
    """Add the states of bytes that must come in a state, each after the one before, and fill their rows; the
    last byte leads to the state `last`. There is room for them. Returns 0.

    For example, `put_run(context, 5, address_of("ab"), 2, 9)` adds one state: 5 goes to it by "a", and it
    goes to 9 by "b".
    """
    c = TextContext(context)
    data = Bytes(data_address)
    for i in range(count):
        cells = skip(c.cells, number * c.class_count)
        after = c.nodes.count
        # one byte may come; all others are refused
        for column in range(c.class_count):
            cells[column] = REFUSED
        if i == count - 1:
            cells[c.classes[data[i]]] = last
            break
        cells[c.classes[data[i]]] = after
        clear_steps(c, after)
        c.inside[after] = OUTSIDE
        c.may_end[after] = NEVER
        if address_of_block(c.token_ends) != 0:
            c.token_ends[after] = after
        row = c.nodes[after]
        words = Int64s(address_of_block(row))
        for word in range(8):
            words[word] = 0
        TextState(address_of_block(row)).number = after
        row.dense_row = -1
        row.token_list = -1
        c.nodes.count = after + 1
        number = after
    return 0


@jit
def read_one_token(c: TextContext, index: int, token: int, first: int) -> int:
    """Return the state after the bytes of a token from `first` on, and the token's end; REFUSED; ASKED with
    questions noted."""
    data = c.vocabulary.token_data
    end = c.vocabulary.token_offset[token + 1]
    for offset in range(first, end):
        index = state_after_byte(c, index, data[offset])
        if index < 0:
            return index
    return end_token(c, index)


@jit
def leave_part(c: TextContext, v: Visit, state: int, token: int) -> int:
    """Return the state after a token in which the text of a part ends, or REFUSED; ASKED with questions
    noted; UNKNOWN where Python must find it. `state`: of the part. For example, from inside a JSON object the
    token `}</a>` leads after the tag."""
    nodes = c.vocabulary.trie
    data = c.vocabulary.token_data
    # the nodes of the trie at which the part may end from this state on
    ends = skip(Int32s(address_of_block(c.scratch)), ENDS)
    end_count = 0
    if v.targets != 0:
        end_count = call5(v.ends_below, v.context, state, v.targets, STOPS, address_of_block(ends))
    if end_count < 0 or (end_count > 0 and v.state_after < 0):
        return UNKNOWN
    # along the nodes of the token: at each end the bytes after it are read outside of the part
    first = c.vocabulary.token_offset[token]
    end = c.vocabulary.token_offset[token + 1]
    node = c.vocabulary.first[data[first]]
    state_after = REFUSED
    for offset in range(first + 1, end):
        for i in range(end_count):
            if ends[i] == node:
                after = read_one_token(c, v.state_after, token, offset)
                # two ends that both lead on make a state of several places
                if after < REFUSED or (after >= 0 and state_after >= 0):
                    return ASKED if after == ASKED else UNKNOWN
                state_after = max(after, state_after)
        # to the child with the next byte: the first child follows its parent, the next stands at `end_of`
        node += 1
        while byte_of(nodes[node]) != data[offset]:
            node = end_of(nodes[node])
    return state_after


@jit
def after_token(c: TextContext, index: int, token: int) -> int:
    """Return the state after a token, or REFUSED; ASKED with questions noted; UNKNOWN where Python must
    follow into a part, or out of one, or step a special token."""
    slot = c.vocabulary.slot[token]
    if slot < 0:
        return REFUSED if address_of_block(c.specials) == 0 else recorded_state(c, index, token)
    if c.inside[index] != INSIDE:
        return read_one_token(c, index, token, c.vocabulary.token_offset[token])
    node = c.nodes[index]
    state = TextState(address_of_block(node))
    v = c.visits[state.visit]
    if v.take == 0 or v.targets == UNKNOWN:
        return recorded_state(c, index, token)
    after = call3(v.take, v.context, state.state, token)
    state_outside = REFUSED
    # a list below -1: no token leaves the part from here (`with_part_mask`)
    if after >= REFUSED and node.token_list >= -1 and v.leaving[slot] != 0:
        state_outside = leave_part(c, v, state.state, token)
    if state_outside != REFUSED:
        # both inside and outside: a state of several places, which Python makes
        after = state_outside if after == REFUSED or state_outside == ASKED else UNKNOWN
    elif after >= 0:
        after = enter_part(c, state.visit, after)
    return after if after >= REFUSED or state_outside == ASKED else recorded_state(c, index, token)


@entry("int64(int64, int64, int64)")
def take_token(context: int, index: int, token: int) -> int:
    """Return the state after a token; REFUSED; ASKED; UNKNOWN where Python must follow (`after_token`)."""
    c = TextContext(context)
    after = after_token(c, index, token)
    return after if after < 0 else with_part_mask(c, after)


@entry("int64(int64, int64, int64)")
def read_token(context: int, index: int, token: int) -> int:
    """Return the state after the bytes of a token, read one by one, in parts too; REFUSED; ASKED with
    questions noted; UNKNOWN of a special token."""
    c = TextContext(context)
    if c.vocabulary.slot[token] < 0:
        return UNKNOWN
    return read_one_token(c, index, token, c.vocabulary.token_offset[token])


@entry("int64(int64, int64, int64)")
def inside_state(context: int, visit: int, state: int) -> int:
    """Return the state in which a part is in a state of its own; UNKNOWN where Python must find it
    (`enter_part`)."""
    c = TextContext(context)
    after = enter_part(c, visit, state)
    return after if after < 0 else with_part_mask(c, after)


# --- how texts are read (`layout.ByteSteps`): the state of a spot -------------------------------------------


@jit
def states_at_spots(c: TextContext) -> Int64s:
    """Return the states that stand at spots."""
    return Int64s(address_of_block(c.scratch))


@entry("int64(int64, int64, int64)")
def load_state(context: int, index: int, spot: int) -> int:
    """Have a state stand at a spot. Returns 0."""
    states_at_spots(TextContext(context))[spot] = index
    return 0


@entry("int64(int64, int64, int64, int64)")
def step_on(context: int, spot: int, target_slot: int, byte: int) -> int:
    """Have the state after a byte stand at another spot. Returns it, REFUSED, or ASKED. For example,
    `step_on(context, 0, 1, 97)` reads an `a` from spot 0 to spot 1."""
    c = TextContext(context)
    after = state_after_byte(c, states_at_spots(c)[spot], byte)
    states_at_spots(c)[target_slot] = after
    return after


@entry("int64(int64, int64)")
def may_end_at(context: int, spot: int) -> int:
    """Return how the text stands in the state at a spot."""
    c = TextContext(context)
    return c.may_end[states_at_spots(c)[spot]]


@entry("int64(int64, int64)")
def state_at(context: int, spot: int) -> int:
    """Return the state that stands at a spot."""
    return states_at_spots(TextContext(context))[spot]


BYTE_STEPS: Final = (load_state, step_on, may_end_at, state_at, take_token, read_token)
