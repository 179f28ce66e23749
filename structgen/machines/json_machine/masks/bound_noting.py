"""How many tokens a document still needs, at most, noted by the walk that collects a mask.

A state needs no more tokens than the rest of its innermost value and the rests of all that holds it. Python
has worked out bounds for both, once for each object, array, string and frame, and they stand in their rows.
So a walk, which reaches each state that a token leads to, takes the most of their sums. Groups of states
whose bounds Python has not worked out, or does not know, are listed. The state itself needs no more than any
of its tokens and the rest after that.

The blanks before a document lead to states that take the same values as the first: a token more, and one of
the noted groups is reached (`mask_filling.compute_bound`).
"""

from __future__ import annotations

from structgen.base.native.jit import jit
from structgen.machines.json_machine.tables.json_blocks import (
    LISTED,
    M_ARRAY,
    M_DOC,
    M_END,
    M_LITERAL,
    M_NEXT,
    M_NUMBER,
    M_OBJECT,
    M_STRING,
    M_WORDS,
    MOST_LISTED,
    UNBOUNDED,
    JsonContext,
    JsonState,
)

_LITERAL_REST = 1 + len("false")
"""1 and the bytes of `false`."""


@jit
def note_bound(c: JsonContext, s: JsonState) -> None:
    """Take the tokens that a document needs from the registers at `s`, to which a token leads, into the bound
    of the walk; or list their group."""
    mode, frame = s.mode, s.frame
    if c.bounding == 0 or mode == M_DOC:
        return
    # Bounds stand in the rows with 1 added: 0 says that Python has not worked one out.
    outer_rest = 1 if frame < 0 else c.frames[frame].rest
    value_rest = 0
    if mode == M_STRING or mode == M_WORDS:
        value_rest = c.string_specs[s.residue].rest
    elif mode == M_NUMBER:
        value_rest = c.places[c.root if frame < 0 else c.frames[frame].place].rest
    elif mode == M_LITERAL:
        value_rest = _LITERAL_REST
    elif mode == M_END:
        value_rest = 1
    else:
        value_rest = c.residues[s.residue].rest
        # Modes between the tokens of one container have one bound, and are one group.
        mode = M_ARRAY if mode >= M_ARRAY and mode <= M_NEXT else M_OBJECT
    if value_rest > 0 and outer_rest > 0 and value_rest < UNBOUNDED and outer_rest < UNBOUNDED:
        c.bound = max(c.bound, value_rest + outer_rest - 1)
        return
    count, groups = c.listed_count, c.state_groups
    # The groups that were listed last come again most often: they are looked at first.
    i = LISTED * (count - 1)
    while i >= 0:
        if groups[i] == mode and groups[i + 1] == s.residue and groups[i + 2] == frame:
            return
        i -= LISTED
    if count == MOST_LISTED:
        return  # a full list says to Python that no bound is known
    i = LISTED * count
    groups[i] = mode
    groups[i + 1] = s.residue
    groups[i + 2] = frame
    c.listed_count = count + 1
