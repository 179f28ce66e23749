"""The rows of a batch in compiled code: known masks are copied, and tokens are taken.

A caller hands in a block of columns, each with an int64 for every row: the address of the grammar's block (0:
the row is passed over), the state, and a third number. The answers are written over the column of states:
from 0 on an answer; below 0 the row is left to Python, which asks for it by itself. No questions are
answered.
"""

from __future__ import annotations

from structgen.base.native.jit import entry
from structgen.base.native.typed_blocks import Int64s, skip
from structgen.machines.machine_core.layout import MISS, REFUSED, Core
from structgen.machines.machine_core.lexeme_layout import UNKNOWN
from structgen.machines.machine_core.masks import copy_mask
from structgen.machines.machine_core.token_steps import after_any


@entry("int64(int64, int64, int64, int64)")
def copy_rows(columns: int, count: int, mask: int, stride: int) -> int:
    """Write the known masks to the rows (third column) of a mask, `stride` bytes each, at an address; answers
    are 0. Returns how many are left. Takes no lock: a row that is not known yet is left, and a known one
    never changes."""
    contexts = Int64s(columns)
    left_count = 0
    states, rows = skip(contexts, count), skip(contexts, 2 * count)
    for i in range(count):
        code = MISS
        if contexts[i] != 0:
            c = Core(contexts[i])
            code = copy_mask(c, c.nodes[states[i]], mask + stride * rows[i])
        states[i] = code
        left_count += code != 0
    return left_count


@entry("int64(int64, int64)")
def take_rows(columns: int, count: int) -> int:
    """Take tokens (third column), end tokens too; answers are the states after them. Under the locks of the
    grammars. Returns 0."""
    contexts = Int64s(columns)
    states, tokens = skip(contexts, count), skip(contexts, 2 * count)
    for i in range(count):
        code = UNKNOWN  # no grammar, or one whose lock another thread holds: Python takes the token
        if contexts[i] != 0:
            c = Core(contexts[i])
            code = REFUSED
            if 0 <= tokens[i] < c.vocabulary.size:
                code = after_any(c, states[i], tokens[i])
        states[i] = code
    return 0
