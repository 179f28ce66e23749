"""`note_bound` bounds how many tokens a document still needs, during the walk that collects a mask.

- A *rest* is the text that completes a value, or what follows a value in the containers around it.
- A *bound* is a number of tokens that surely suffices. Python works out the bounds of rests, once for each
  object, array, string and frame, and writes them into their rows.
- A *walk* reaches each state to which a token of the mask leads. Its bound is the largest of these states'.
- A *group* is a mode, a residue and a frame. States of one group have one bound.

The bound of a state is the bound of the rest of its innermost value, plus that of the rest after the value.
For example, in the string of `{"a": "x` they may be 4 and 1: `bcd"`, and the brace. A group whose bounds are
not written is listed (`state_groups`), and Python decides. White space before a document leads to states that
take the same values: with one token more a listed group is reached (`mask_filling.compute_bound`).
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
"""The bound of a literal, with 1 added as in the rows: the bytes of `false`, the longest literal."""


@jit
def note_bound(c: JsonContext, s: JsonState) -> None:
    """Add the state `s`, to which a token leads, to the bound of the walk; or list its group.

    `s`: the registers of the state.
    """
    mode, frame = s.mode, s.frame
    if c.bounding == 0 or mode == M_DOC:
        return
    # The rows have each bound with 1 added; 0: Python has not worked it out; UNBOUNDED: none is known.
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
        return  # by a full list Python sees that no bound is known
    i = LISTED * count
    groups[i] = mode
    groups[i + 1] = s.residue
    groups[i + 2] = frame
    c.listed_count = count + 1
