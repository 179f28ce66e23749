"""Replaces endless reductions in the table by errors: lark's own parser hangs there.

Before some terminal, the parser may reduce forever and never read it. An empty rule is reduced again and
again (`x: e x "a" | "b"` with `e` nullable), or rules form a cycle (`x: y`, `y: x`) that priorities make lark
prefer. If this depends on the state below, the state is split in two.

Before a given terminal, a state has one of three *runs* until it is popped: it never ends; it reaches a
shift, an error or the end; or the state is popped, with a number of states below it, for a nonterminal. A run
depends only on what is pushed above the state, so there is one for each state and terminal, as in the
summaries of pushdown systems (Bouajjani, Esparza and Maler, CONCUR 1997)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Literal, TypeAlias

import numpy as np

from structgen.lark_grammars.reading.loaded_grammar import END, NONE, ParserTables, Rule
from structgen.text_grammars.context_free.productive_symbols import productive

_NEVER: Final = "never"
"""Reductions never end."""
_STOPS: Final = "stops"
"""A shift, an error, or the end."""
_Run: TypeAlias = Literal["never", "stops"] | tuple[int, int]
"""The third kind: how many more states are popped below the first one, and then the nonterminal."""


def without_endless_reductions(tables: ParserTables) -> ParserTables:
    """Return tables without endless reductions.

    Cost: a look at the rules, if none derives itself without reading; else 1 us for each state and each
    terminal, and again for each state that is changed.
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
    """Return a state with an endless run, and the states below it with which the run is endless (empty: all
    of them). States with all of them come first."""
    runs, found = _Runs(tables, terminal), None
    for state in np.flatnonzero(tables.actions[:, terminal] < 0).tolist():
        run = runs.above(state)
        if run == _NEVER:
            return state, []
        if isinstance(run, tuple) and run[0] == 0:  # only the state is popped, and another takes its place
            never = [under for under in below[state] if runs.of(under, state) == _NEVER]
            if never and len(never) == len(below[state]):
                return state, []
            if never:
                found = state, never
    return found


def _without(tables: ParserTables, terminal: int, state: int, below: list[int]) -> ParserTables:
    """Return tables in which a terminal is an error in a state; or in a copy of it, above some states."""
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
    """The runs of the parser before one terminal."""

    def __init__(self, tables: ParserTables, terminal: int) -> None:
        self._rules = tables.rules
        self._gotos = tables.gotos
        self._actions: list[int] = tables.actions[:, terminal].tolist()
        self._end = tables.end if terminal == END else -1
        self._known: dict[int, _Run] = {}

    def above(self, state: int) -> _Run:
        """Return the run from a state until it is popped."""
        known = self._known.get(state)
        if known is None:
            # a state that recurs before its run is known is above itself: the run repeats
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
        """Return the run from a state until the one below it is popped."""
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
    """Return whether a nonterminal derives itself alone, or after nullable symbols only."""
    nullable = _nullable(rules)
    cycles: dict[int, set[int]] = {}
    first: dict[int, set[int]] = {}
    hidden: list[tuple[int, int]] = []
    for rule in rules:
        for at, symbol in enumerate(rule.symbols):
            if symbol < 0:
                first.setdefault(rule.origin, set()).add(-1 - symbol)
                if at:
                    hidden.append((rule.origin, -1 - symbol))
                if all(-1 - one in nullable for one in rule.symbols[at + 1 :]):
                    cycles.setdefault(rule.origin, set()).add(-1 - symbol)
            if -1 - symbol not in nullable:
                break
    if any(one in _reached(cycles, one) for one in cycles):
        return True
    return any(origin == symbol or origin in _reached(first, symbol) for origin, symbol in hidden)


def _nullable(rules: tuple[Rule, ...]) -> set[int]:
    """Return the nullable nonterminals: those that derive the empty text."""
    return {-1 - one for one in productive([(-1 - rule.origin, rule.symbols) for rule in rules], ())}


def _reached(edges: dict[int, set[int]], start: int) -> set[int]:
    """Return the nodes that are reached by at least one edge."""
    pending = list(edges.get(start, ()))
    found = set(pending)
    for one in pending:
        further = edges.get(one, set()) - found
        found |= further
        pending += further
    return found


def _below(tables: ParserTables) -> list[list[int]]:
    """Return for each state those that may be directly below it."""
    found: list[set[int]] = [set() for _ in range(len(tables.actions))]
    for state, after in _steps(tables):
        found[after].add(state)
    return [sorted(one) for one in found]


def _steps(tables: ParserTables) -> Iterator[tuple[int, int]]:
    """Yield each state with its successors, by a terminal or a nonterminal."""
    for state, terminal in np.argwhere(tables.actions > 0).tolist():
        yield state, int(tables.actions[state, terminal]) - 1
    for state, nonterminal in np.argwhere(tables.gotos >= 0).tolist():
        yield state, int(tables.gotos[state, nonterminal])
