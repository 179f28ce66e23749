"""How many tokens a document still needs, at most, noted by the walk that collects a mask.

What a state needs is no more than the rest of its innermost value and the rests of all that holds it. Python
has worked out bounds for both, once for each object, array, string and frame, and they stand in their rows.
So a walk, which reaches each state that a token leads to, takes the most of their sums. Places of states
whose bounds Python has not worked out, or does not know, are listed.
"""

from __future__ import annotations

from structgen.json_machine.tables.json_blocks import (
    BOUNDING,
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
    NO_BOUNDING,
    UNBOUNDED,
    JsonContext,
    JsonState,
)
from structgen.native.jit import jit

_LITERAL_REST = 6
"""1 and the bytes of `false`."""


@jit
def begin_noting(c: JsonContext, s: JsonState, way: int) -> None:
    """Note the place of the state itself; what a walk collects from now on notes where it leads."""
    c.bounding, c.bound, c.listed_count = way, 0, 0
    note(c, s, 0, -1)


@jit
def end_noting(c: JsonContext) -> None:
    """Let walks note no more."""
    c.bounding = NO_BOUNDING


@jit
def note(c: JsonContext, s: JsonState, inside: int, token: int) -> None:
    """Take what is needed in registers, to which a token leads, into the bound of the walk, or list their
    place. `inside`: INSIDE where tokens stay inside a terminal, and lead to others of its states too;
    `token`: the token where the caller has it, else -1."""
    if c.bounding == NO_BOUNDING:
        return
    mode, frame = s.mode, s.frame
    rest = 1 if frame < 0 else c.frames[frame].rest
    lexeme, own = 0, 0
    if mode == M_STRING or mode == M_WORDS:
        own, lexeme = c.string_specs[s.residue].rest, s.lexeme
    elif mode == M_NUMBER:
        own, lexeme = c.places[c.root if frame < 0 else c.frames[frame].place].rest, s.lexeme
    elif mode == M_LITERAL:
        own = _LITERAL_REST
    elif mode == M_END:
        own = 1
    elif mode != M_DOC:
        own = c.residues[s.residue].rest
        mode = M_ARRAY if mode >= M_ARRAY and mode <= M_NEXT else M_OBJECT
    if c.bounding == BOUNDING and own > 0 and rest > 0 and own < UNBOUNDED and rest < UNBOUNDED:
        c.bound = max(c.bound, own + rest - 1)
        return
    if mode == M_WORDS:
        lexeme = 0
    mode += inside
    count, places = c.listed_count, c.listed
    i = LISTED * (count - 1)
    while i >= 0:
        if places[i + 3] == frame and places[i + 2] == lexeme and places[i + 1] == s.residue:
            if places[i] == mode:
                return
        i -= LISTED
    if count == MOST_LISTED:
        return
    i = LISTED * count
    places[i], places[i + 1], places[i + 2], places[i + 3] = mode, s.residue, lexeme, frame
    places[i + 4] = token
    c.listed_count = count + 1
