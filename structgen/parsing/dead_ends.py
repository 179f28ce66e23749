"""States of the parser behind which no text ends: each rule that is under way there needs a terminal that no
text matches, or a rule that never ends. What leads to one is an error already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from structgen.parsing.parser import Texts
from structgen.parsing.tables import NONE, ParserTables


def without_dead_ends(tables: ParserTables, least: Sequence[int]) -> ParserTables:
    """Return tables in which the shifts to such states are errors; the lexer's contexts stay lark's. `least`:
    for each terminal the bytes of its shortest lexeme. Cost: that of `Texts`, and 2 us a state."""
    texts = Texts(tables, [*least])
    dead = [state for state in range(len(tables.kernels)) if texts.is_dead(state)]
    if not dead or tables.start in dead:  # what derives nothing at all is refused by name
        return tables
    shifts = np.isin(tables.actions, np.array(dead) + 1)
    return replace(tables, actions=np.where(shifts, NONE, tables.actions).astype(tables.actions.dtype))
