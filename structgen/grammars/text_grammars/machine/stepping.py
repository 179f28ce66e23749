"""Reads bytes and tokens in the states of a text grammar, in compiled code, with a table of steps.

A *state* is a number. A *class* is a set of bytes that have the same effect in every state. The *table of
steps* has a row for each state, with a *cell* (int32) for each class: the state after such a byte, REFUSED,
or UNKNOWN. Code that meets an unknown cell notes a *question* (a state and a class) and returns ASKED; Python
fills the cell and calls again.

A *part* is a grammar inside the grammar that has masks of its own, such as a JSON Schema between tags. A
*place* is one of the ways to read the text so far; a state may have several.
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
"""The kind of a question about a cell of the table of steps: a state, and a class of bytes or BOUNDARY."""
BOUNDARY = -1
"""Stands for the class of bytes in a question about the end of a token."""


ENDS = 4 * (DEEPEST + 4) + BELOW
"""The offset in the scratch memory (in int32) at which the ends of a part are noted. The walk of the part
uses the memory before it."""
MOVE, READ, BEGUN, READINGS = range(4)
"""The kinds of edges, which are remembered answers. MOVE: from a state and a token to the next state. READ:
from a place of a language with lexemes and a terminal to the place after it. BEGUN: from a place to the
lexer's state there. READINGS: from a state to the index of its readings."""
OUTSIDE, INSIDE, BOTH = 0, 1, 2
"""Where the places of a state are. OUTSIDE: outside of parts. INSIDE: all in one part. BOTH: in several
parts, or both inside and outside."""
NEVER, STOPS, WORD = 0, 1, 2
"""Whether a part's text may end in a state. NEVER: no. STOPS: yes, and the text after the part follows. WORD:
yes, then the whole text may end, and the part may also go on. Larger numbers mean STOPS, and distinguish the
texts that follow."""


class TextState(Registers):
    """The registers of a state."""

    number: int
    """The state's own number, so that no two states are equal; 0 for a state inside one part."""
    visit: int
    """For a state inside one part: the number of the part at its position in the grammar (`Visit`)."""
    state: int
    """For a state inside one part: the state of the part."""


class Visit(Block):
    """A part with masks of its own, at one position in a grammar."""

    context: int
    """The address of the part's block."""
    take: int
    """The entry point of the part (`jit.code_of`) for the state after a token; 0: only Python can tell."""
    text_status: int
    """The entry point that returns whether the part's text may end: NEVER, STOPS or WORD."""
    ends_below: int
    """The entry point that finds the nodes of the trie at which the text may end
    (`CompiledGrammar.ends_below`)."""
    targets: int
    """The nodes that `ends_below` examines (`TargetNodes.trie`); 0: there are none; UNKNOWN: not known."""
    leaving: Bytes
    """For each slot whether its tokens may leave the part (`part_ends.EndsMap`), once `targets` is known."""
    state_after: int
    """The state after the part; -1: it is not known, or there are several."""
    follows: int
    """Whether anything may follow the part."""
    may_end: int
    """Whether the whole text may end wherever the part's text may."""


class TextWork(WorkRow):
    """Scratch rows, which are filled before they are interned."""

    node: NodeRow


class TextContext(LexemeContext):
    """The memory of a compiled text grammar."""

    work: At[TextWork]
    cells: Int32s
    """The table of steps: a row of `class_count` cells for each state."""
    class_count: int
    may_end: Bytes
    """For each state whether the text may end there: NEVER, STOPS or WORD."""
    inside: Bytes
    """For each state OUTSIDE, INSIDE or BOTH. A state inside a part reads its tokens with the part, or the
    results are recorded (`token_steps.put_edge`)."""
    row_count: int
    """The number of states for which the arrays above have room."""
    visits: BlockRows[Visit]
    least_nodes: int
    """The number of trie nodes up to which a walk costs less than a record."""
    readings: Int32s
    """For a state the number of its readings, and for each of them the place and the state of the lexer."""
    specials: Int32s
    """The special tokens allowed in the state whose mask is computed now; 0: the grammar has none."""
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
    """Note a question about a cell. Returns ASKED."""
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
    """Note that a state inside a part has the same mask as the part's own state."""
    node = c.nodes[index]
    state = TextState(address_of_block(node))
    # A list below -1 means that (-1: the mask is not known). Then the row is the address of the part's block.
    node.dense_row = c.visits[state.visit].context
    node.token_list = -2 - state.state


@jit
def clear_steps(c: TextContext, index: int) -> None:
    """Make all steps of a state unknown."""
    cells = skip(c.cells, index * c.class_count)
    for i in range(c.class_count):
        cells[i] = UNKNOWN
    if c.hooks.read_bytes == 0:  # else the lexer has states of its own, with other numbers
        c.like[index] = UNKNOWN
    if address_of_block(c.token_ends) != 0:
        c.token_ends[index] = UNKNOWN


@jit
def enter_part(c: TextContext, visit: int, state: int) -> int:
    """Return the state of the grammar in which the part of a visit is in `state`. It is made if it is new.

    If the part's text ends there and cannot go on, it is the state after the part. UNKNOWN: there is no room,
    the text may both end and go on, or the state after the part is not known."""
    row = c.work.node
    v = c.visits[visit]
    # The key of a state in a part is all its registers. The register that other states use is 0 here.
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
    # Python makes room for more. The hash table must stay at most half full.
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
    """Return the state `index`. If it is inside a part that no token leaves, its mask is forwarded first
    (`forward_mask`)."""
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
    """Return the state after a byte in a state inside a part; REFUSED; or another code where Python must find
    it. The part reads the token that is this one byte."""
    state = TextState(address_of_block(c.nodes[index]))
    v = c.visits[state.visit]
    node = c.vocabulary.first[byte]
    slot = slot_of(c.vocabulary.trie[node]) if node >= 0 else 0
    if v.take == 0 or slot == 0:  # no token is this byte alone
        return UNKNOWN
    # all tokens of a slot have the same bytes, so the first one is taken
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
    """Add a chain of states for bytes that must come in the state `number`, and fill their rows. The last
    byte leads to the state `last`. The caller has made room for the states. Returns 0.

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
    """Return the state after the bytes of a token from the offset `first` on, and after the token's end;
    REFUSED; or ASKED with questions noted."""
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
    # find the nodes of the trie at which the part may end from this state on
    ends = skip(Int32s(address_of_block(c.scratch)), ENDS)
    end_count = 0
    if v.targets != 0:
        end_count = call5(v.ends_below, v.context, state, v.targets, STOPS, address_of_block(ends))
    if end_count < 0 or (end_count > 0 and v.state_after < 0):
        return UNKNOWN
    # follow the nodes of the token: at each end, the bytes after it are read outside of the part
    first = c.vocabulary.token_offset[token]
    end = c.vocabulary.token_offset[token + 1]
    node = c.vocabulary.first[data[first]]
    state_after = REFUSED
    for offset in range(first + 1, end):
        for i in range(end_count):
            if ends[i] == node:
                after = read_one_token(c, v.state_after, token, offset)
                # two ends after which the text goes on make a state of several places
                if after < REFUSED or (after >= 0 and state_after >= 0):
                    return ASKED if after == ASKED else UNKNOWN
                state_after = max(after, state_after)
        # go to the child with the next byte: the first child follows its parent, the next is at `end_of`
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
    """Return the array with the state of each spot. A spot is a slot of a walk that holds one state."""
    return Int64s(address_of_block(c.scratch))


@entry("int64(int64, int64, int64)")
def load_state(context: int, index: int, spot: int) -> int:
    """Put a state at a spot. Returns 0."""
    states_at_spots(TextContext(context))[spot] = index
    return 0


@entry("int64(int64, int64, int64, int64)")
def step_on(context: int, spot: int, target_slot: int, byte: int) -> int:
    """Put the state after a byte at another spot. Returns the state, REFUSED, or ASKED. For example,
    `step_on(context, 0, 1, 97)` reads an `a` (byte 97) from spot 0, and puts the state after it at spot 1."""
    c = TextContext(context)
    after = state_after_byte(c, states_at_spots(c)[spot], byte)
    states_at_spots(c)[target_slot] = after
    return after


@entry("int64(int64, int64)")
def may_end_at(context: int, spot: int) -> int:
    """Return whether the text may end in the state at a spot: NEVER, STOPS or WORD."""
    c = TextContext(context)
    return c.may_end[states_at_spots(c)[spot]]


@entry("int64(int64, int64)")
def state_at(context: int, spot: int) -> int:
    """Return the state at a spot."""
    return states_at_spots(TextContext(context))[spot]


BYTE_STEPS: Final = (load_state, step_on, may_end_at, state_at, take_token, read_token)
