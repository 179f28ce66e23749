"""Rules that the parser ends for ever before a terminal, without reading it: lark's own parser hangs there,
and here it is an error of the table.

An empty rule again and again below itself (`x: e x "a" | "b"` with `e` empty), or rules in a ring (`x: y`,
`y: x`), which priorities can make lark prefer. Where it depends on the state below whether a state does so,
it becomes two.

What a state does before a terminal until it is gone itself is one of three: it never ends; it comes to a
shift, an error or the end; or it is popped, with so many states below it, for a nonterminal. As this asks for
what it pushes alone, there is one answer a state and a terminal, as in the summaries of pushdown systems
(Bouajjani, Esparza and Maler, CONCUR 1997).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Literal, TypeAlias

import numpy as np

from structgen.lark_grammars.reading.loaded_grammar import END, NONE, ParserTables, Rule

_NEVER: Final = "never"
"""Rules are ended for ever."""
_STOPS: Final = "stops"
"""A shift, an error, or the end."""
_Run: TypeAlias = Literal["never", "stops"] | tuple[int, int]
"""The third: how many more states are popped below the one that a run begins in, and then the nonterminal."""


def without_endless_reductions(tables: ParserTables) -> ParserTables:
    """Return tables in which no rules are ended for ever.

    Cost: that of the rules, where none of them can be derived from itself with nothing read; else 1 us for
    each state and each terminal, and again for each state that is changed.
    """
    if not _may_be_endless(tables.rules):
        return tables
    below = _below(tables)
    for terminal in range(tables.actions.shape[1]):
        while (found := _endless_state(tables, terminal, below)) is not None:
            tables = _without(tables, terminal, *found)
            below = _below(tables)
    return tables


def _endless_state(
    tables: ParserTables, terminal: int, below: list[list[int]]
) -> tuple[int, list[int]] | None:
    """Return a state from which rules are ended for ever, and the states below it with which it does so:
    none, where that does not matter. A state that does so above all others goes before."""
    runs, found = _Runs(tables, terminal), None
    for state in np.flatnonzero(tables.actions[:, terminal] < 0).tolist():
        run = runs.above(state)
        if run == _NEVER:
            return state, []
        if isinstance(run, tuple) and run[0] == 0:  # it is popped alone, and others take its place
            never = [under for under in below[state] if runs.of(under, state) == _NEVER]
            if never and len(never) == len(below[state]):
                return state, []
            if never:
                found = state, never
    return found


def _without(tables: ParserTables, terminal: int, state: int, below: list[int]) -> ParserTables:
    """Return tables in which a terminal is an error in a state, or in another one above some states."""
    if not below:
        actions = tables.actions.copy()
        actions[state, terminal] = NONE
        return replace(tables, actions=actions)
    other = len(tables.actions)
    actions, gotos = (np.vstack([table, table[-1:]]) for table in (tables.actions, tables.gotos))
    actions[below] = np.where(actions[below] == state + 1, other + 1, actions[below])
    gotos[below] = np.where(gotos[below] == state, other, gotos[below])
    actions[other], gotos[other] = actions[state], gotos[state]
    actions[other, terminal] = NONE
    return replace(
        tables,
        actions=actions,
        gotos=gotos,
        context_of=np.append(tables.context_of, tables.context_of[state]),
        kernels=(*tables.kernels, tables.kernels[state]),
    )


class _Runs:
    """What the parser does before one terminal, without reading it."""

    def __init__(self, tables: ParserTables, terminal: int) -> None:
        self._rules = tables.rules
        self._gotos = tables.gotos
        self._actions: list[int] = tables.actions[:, terminal].tolist()
        self._end = tables.end if terminal == END else -1
        self._known: dict[int, _Run] = {}

    def above(self, state: int) -> _Run:
        """Return what is done from a state on until it is popped."""
        known = self._known.get(state)
        if known is None:
            # met again before this is known, it lies above itself, and does again what has led to it
            self._known[state] = _NEVER
            known = self._known[state] = self._above(state)
        return known

    def _above(self, state: int) -> _Run:
        action = self._actions[state]
        if action >= 0:
            return _STOPS
        rule = self._rules[-1 - action]
        if rule.symbols:
            return len(rule.symbols) - 1, rule.origin
        return self.of(state, int(self._gotos[state, rule.origin]))

    def of(self, under: int, state: int) -> _Run:
        """Return what is done from a state on until the one below it is popped."""
        met = set[int]()
        while state not in met:
            met.add(state)
            if state in (-1, self._end):
                return _STOPS
            run = self.above(state)
            if isinstance(run, str):
                return run
            popped, origin = run
            if popped:
                return popped - 1, origin
            state = int(self._gotos[under, origin])
        return _NEVER


def _may_be_endless(rules: tuple[Rule, ...]) -> bool:
    """Return whether a nonterminal derives itself with nothing beside it, or with nothing before it that
    rules must be ended for."""
    empty = _empty(rules)
    rings: dict[int, set[int]] = {}
    first: dict[int, set[int]] = {}
    hidden: list[tuple[int, int]] = []
    for rule in rules:
        for at, symbol in enumerate(rule.symbols):
            if symbol < 0:
                first.setdefault(rule.origin, set()).add(-1 - symbol)
                if at:
                    hidden.append((rule.origin, -1 - symbol))
                if all(-1 - one in empty for one in rule.symbols[at + 1 :]):
                    rings.setdefault(rule.origin, set()).add(-1 - symbol)
            if -1 - symbol not in empty:
                break
    if any(one in _reached(rings, one) for one in rings):
        return True
    return any(origin == symbol or origin in _reached(first, symbol) for origin, symbol in hidden)


def _empty(rules: tuple[Rule, ...]) -> set[int]:
    """Return the nonterminals that derive the empty text."""
    empty = set[int]()
    while True:
        found = {rule.origin for rule in rules if all(-1 - symbol in empty for symbol in rule.symbols)}
        if found == empty:
            return empty
        empty = found


def _reached(edges: dict[int, set[int]], start: int) -> set[int]:
    """Return what edges lead to, one at least."""
    pending = list(edges.get(start, ()))
    found = set(pending)
    for one in pending:
        further = edges.get(one, set()) - found
        found |= further
        pending += further
    return found


def _below(tables: ParserTables) -> list[list[int]]:
    """Return for each state those that may lie below it."""
    found: list[set[int]] = [set() for _ in range(len(tables.actions))]
    for state, after in _steps(tables):
        found[after].add(state)
    return [sorted(one) for one in found]


def _steps(tables: ParserTables) -> Iterator[tuple[int, int]]:
    """Yield the states that follow each other, by a terminal or a nonterminal."""
    for state, terminal in np.argwhere(tables.actions > 0).tolist():
        yield state, int(tables.actions[state, terminal]) - 1
    for state, nonterminal in np.argwhere(tables.gotos >= 0).tolist():
        yield state, int(tables.gotos[state, nonterminal])
