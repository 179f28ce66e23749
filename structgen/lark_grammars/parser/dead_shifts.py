"""Shifts of the parser to states behind which no text ends, as errors of the table; the lexer's contexts stay
lark's. In such a state each rule that is under way needs a terminal that no text matches, or a rule that has
no text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from structgen.lark_grammars.parser.lalr_parser import ShortestDerivations
from structgen.lark_grammars.reading.loaded_grammar import NONE, ParserTables


def without_dead_shifts(tables: ParserTables, least: Sequence[int]) -> ParserTables:
    """Return tables without such actions. `least`: for each terminal the bytes of its shortest lexeme. Cost:
    that of `ShortestDerivations`, and 2 us a state."""
    texts = ShortestDerivations(tables, [*least])
    dead = [state for state in range(len(tables.kernels)) if texts.is_dead(state)]
    if tables.start in dead:  # what derives nothing at all is refused by name
        dead = []
    idle = np.isin(tables.actions, np.array(dead, np.int64) + 1)
    if not idle.any():
        return tables
    return replace(tables, actions=np.where(idle, NONE, tables.actions).astype(tables.actions.dtype))
