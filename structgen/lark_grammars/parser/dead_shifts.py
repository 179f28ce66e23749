"""Replaces dead shifts in the table by errors: shifts to states from which no text can be completed.

In such a state each item needs a terminal that no text matches, or a nonterminal that derives no text. The
lexer's contexts stay those of lark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from structgen.lark_grammars.parser.lalr_parser import ShortestDerivations
from structgen.lark_grammars.reading.loaded_grammar import NONE, ParserTables


def without_dead_shifts(tables: ParserTables, least: Sequence[int]) -> ParserTables:
    """Return tables without dead shifts. `least`: for each terminal the bytes of its shortest lexeme. Cost:
    that of `ShortestDerivations`, and 2 us a state."""
    texts = ShortestDerivations(tables, [*least])
    dead = [state for state in range(len(tables.kernels)) if texts.is_dead(state)]
    if tables.start in dead:  # a grammar without texts is refused later, by name
        dead = []
    idle = np.isin(tables.actions, np.array(dead, np.int64) + 1)
    if not idle.any():
        return tables
    return replace(tables, actions=np.where(idle, NONE, tables.actions).astype(tables.actions.dtype))
