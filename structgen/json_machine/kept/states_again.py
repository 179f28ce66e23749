"""The states of an image, reached once more in tables that begin anew."""

from __future__ import annotations

from structgen.json_machine.masks.state_walk import after_token, finished, intern_node
from structgen.json_machine.steps.byte_step import step
from structgen.json_machine.tables.json_blocks import BYTES, END_STEP, N_LIST, N_ROW, JsonContext
from structgen.machine_core.layout import ASKED, NO, REFUSED, YES
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Int64s, copy_block


@jit
def read_step(c: JsonContext, above: int, read: int) -> int:
    """Return the state after a step from a state, or a code."""
    if read >= 0:
        return after_token(c, above, read)
    if read == END_STEP:
        return finished(c, above)
    d = c.scratch[0]
    code = step(c, c.nodes[above].registers, d, BYTES - read)
    if code != YES:
        return REFUSED if code == NO else ASKED
    return intern_node(c, d, above, read)


@entry("int64(int64, int64, int64, int64)")
def reach_again(context: int, nodes_address: int, origins_address: int, count: int) -> int:
    """Reach `count` states of other tables, whose rows lie at these addresses, in tables that have their
    start: each gets the number and the mask that it had there. There is room.

    Returns 0; -1 where a step is refused; -3 with questions noted: called again, it goes on where it stopped.
    """
    c = JsonContext(context)
    nodes, origins = Int64s(nodes_address), Int64s(origins_address)
    c.precise = 1
    words = c.nodes.stride
    for i in range(c.nodes.count, count):
        above, read = origins[2 * i], origins[2 * i + 1]
        if above < 0 or above >= i:
            return REFUSED
        found = read_step(c, above, read)
        if found < 0:
            return ASKED if found == ASKED or c.questions.count > 0 else REFUSED
        row = c.nodes[i]
        if found != i:
            # two states there are one here: the number leads to the same registers
            copy_block(c.nodes[found], row)
            c.nodes.count = i + 1
            c.origins.count = i + 1
            c.origins[i].above = above
            c.origins[i].step = read
        row.dense_row = nodes[words * i + N_ROW]
        row.token_list = nodes[words * i + N_LIST]
    return 0
