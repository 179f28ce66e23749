"""Actions of the parser behind which no text ends, as errors of the table; the lexer's contexts stay lark's.

A shift to a state in which each rule that is under way needs a terminal that no text matches, or a rule that
never ends. And an empty rule that is ended again and again before the same terminal (`x: e x "a" | "b"` with
`e` empty): lark's own parser comes to no end there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from structgen.parsing.parser import Texts
from structgen.parsing.tables import END, NONE, ParserTables


def without_dead_ends(tables: ParserTables, least: Sequence[int]) -> ParserTables:
    """Return tables without such actions. `least`: for each terminal the bytes of its shortest lexeme. Cost:
    that of `Texts`, and 2 us a state."""
    texts = Texts(tables, [*least])
    dead = [state for state in range(len(tables.kernels)) if texts.is_dead(state)]
    if tables.start in dead:  # what derives nothing at all is refused by name
        dead = []
    idle = np.isin(tables.actions, np.array(dead, np.int64) + 1)
    empty = np.array([not rule.symbols for rule in tables.rules], np.bool_)
    ends = tables.actions < 0
    ends[ends] = empty[-1 - tables.actions[ends]]
    for state, terminal in np.argwhere(ends).tolist():
        idle[state, terminal] = _is_endless(tables, state, terminal)
    if not idle.any():
        return tables
    return replace(tables, actions=np.where(idle, NONE, tables.actions).astype(tables.actions.dtype))


def _is_endless(tables: ParserTables, state: int, terminal: int) -> bool:
    """Return whether rules are ended above a state for ever before a terminal. All states that are met on the
    way stay where they are until less is left than there was; one that comes again above itself does what it
    did."""
    stack = [state]
    while True:
        action = int(tables.actions[stack[-1], terminal])
        if action >= 0:
            return False
        rule = tables.rules[-1 - action]
        if len(rule.symbols) >= len(stack):
            return False
        del stack[len(stack) - len(rule.symbols) :]
        after = int(tables.gotos[stack[-1], rule.origin])
        if after < 0 or (terminal == END and after == tables.end):
            return False
        if after in stack:
            return True
        stack.append(after)
