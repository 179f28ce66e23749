"""Compiled code copies the known masks of many texts in one call, or takes one token for each of them.

- A *batch* is a number of texts; each has a *row*, with a grammar and a state.
- The *columns* are three arrays of int64, one after another, with one number for each row. Column 1 is the
  address of the grammar's block; 0: the row is passed over. Column 2 is the state. Column 3 is the row of the
  mask (`copy_rows`), or the token (`take_rows`).
- The *answers* replace column 2. An answer below 0 means that Python must do this row by itself: the mask or
  the state is not known, or the token is refused. No question is answered here.

For example, two rows have the columns [context, context, state, state, token, token].
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
    """Copy the known masks of `count` rows. Returns how many rows were not known.

    `mask`: the address of the mask; `stride`: the bytes of one of its rows. The answer for a copied row is 0.
    No lock is needed: a known mask never changes, and an unknown one is not touched.
    """
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
    """Take one token for each of `count` rows; end tokens too. Returns 0.

    The answers are the states after the tokens. The caller holds the locks of the grammars.
    """
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
