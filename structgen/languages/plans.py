"""Which of the rules under way a plan ends, so that it comes to the end of what is around them.

A rule that needs nothing more may lead back to where it was: behind `NAME`, in `sum: left "+" NAME`,
`left: sum | NAME`, `left` is the cheapest to end, and the next sum begins. So what counts is not what a rule
needs by itself, but what is needed until one goes on that was under way before its first symbol: that has
fewer symbols on the stack, and no plan goes round there.
"""

from __future__ import annotations

import heapq
from itertools import islice, pairwise
from typing import Final

import numpy as np

from structgen.parsing.parser import FAR, Parser

_BEFORE: Final = 64
"""States before one that are looked at; where they differ no rule may be right in all."""
_Need = tuple[int, int]
"""The bytes that are needed, and the rules that are ended."""
_NOTHING: Final = FAR, 0


class Plans:
    """The rules that plans end, of one grammar. Cost: some 20 us for a state the first time, and 0.1 ms for
    each nonterminal that is met."""

    def __init__(self, parser: Parser) -> None:
        self._parser, self._tables = parser, parser.tables
        self._of: dict[int, list[tuple[int, int]]] = {}
        """For each nonterminal, the nonterminals that its rules begin with, and the bytes that the rule needs
        behind that."""
        self._leads: list[list[int]] | None = None
        """For each state, those from which a symbol leads to it."""
        self._ends: dict[int, dict[int, _Need]] = {}
        self._waiting: dict[int, list[tuple[int, int]]] = {}
        self._around: dict[tuple[int, int], _Need] = {}
        self._leading: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._at: dict[tuple[tuple[int, ...], int], _Need] = {}

    def best(self, state: int) -> tuple[int, int]:
        """Return the rule under way in a parser state that is to be ended, and how many of its symbols are
        there."""
        ways = self._parser.exits(state)
        if len(ways) == 1:
            return ways[0][1:]
        before: list[tuple[int, ...]] = [(state,)]

        def needed(way: tuple[int, int, int]) -> tuple[int, int]:
            cost, rule, dot = way
            if dot == 0 or self._parser.is_root(rule):
                return cost, 0
            while len(before) <= dot:
                before.append(self._before(before[-1]))
            around = self._needed_at(before[dot], self._tables.rules[rule].origin)
            # with more symbols it was under way before the last of them, and goes on from there
            return cost + (around[0] if dot == 1 or around[0] >= FAR else 0), around[1] if dot == 1 else 0

        return min(ways, key=needed)[1:]

    def _before(self, states: tuple[int, ...]) -> tuple[int, ...]:
        """Return states from which a symbol leads to one of some states."""
        known = self._leading.get(states)
        if known is None:
            if self._leads is None:
                self._leads = self._all_leads()
            found = dict.fromkeys(one for state in states for one in self._leads[state])
            known = self._leading[states] = tuple(islice(found, _BEFORE))
        return known

    def _needed_at(self, states: tuple[int, ...], nonterminal: int) -> _Need:
        """Return the most that is needed around a nonterminal in any of some states (`_needed`)."""
        key = states, nonterminal
        known = self._at.get(key)
        if known is None:
            known = self._at[key] = max([self._needed(one, nonterminal) for one in states])
        return known

    def _all_leads(self) -> list[list[int]]:
        tables, count = self._tables, len(self._tables.kernels)
        gotos, shifts = np.flatnonzero(tables.gotos >= 0), np.flatnonzero(tables.actions > 0)
        sources = np.concatenate([gotos // tables.gotos.shape[1], shifts // tables.actions.shape[1]])
        targets = np.concatenate([tables.gotos.reshape(-1)[gotos], tables.actions.reshape(-1)[shifts] - 1])
        order = np.argsort(targets, kind="stable")
        ends = np.searchsorted(targets[order], np.arange(count + 1)).tolist()
        ordered: list[int] = sources[order].tolist()
        return [ordered[first:last] for first, last in pairwise(ends)]

    def _needed(self, state: int, nonterminal: int) -> _Need:
        """Return what is needed between a nonterminal that was read from a state and the next symbol of a
        rule with which that state begins."""
        key = state, nonterminal
        known = self._around.get(key)
        if known is None:
            known = _NOTHING
            for under_way, least in self._awaited(state):
                need = self._ends_of(under_way).get(nonterminal)
                if need is not None:
                    known = min(known, (need[0] + least, need[1]))
            self._around[key] = known
        return known

    def _awaited(self, state: int) -> list[tuple[int, int]]:
        """Return the nonterminals that the rules with which a state begins go on with, and the bytes that
        such a rule needs at least behind that."""
        known = self._waiting.get(state)
        if known is None:
            parser, rules = self._parser, self._tables.rules
            least: dict[int, int] = {}
            for rule, dot in self._tables.kernels[state]:
                symbols = rules[rule].symbols[dot:]
                if symbols and symbols[0] < 0 and not parser.is_loose(rule):
                    nonterminal = -1 - symbols[0]
                    least[nonterminal] = min(least.get(nonterminal, 2 * FAR), parser.least(symbols[1:]))
            known = self._waiting[state] = list(least.items())
        return known

    def _ends_of(self, nonterminal: int) -> dict[int, _Need]:
        """Return for each nonterminal that the texts of one begin with what is needed from its end to that of
        the one."""
        known = self._ends.get(nonterminal)
        if known is None:
            known = self._ends[nonterminal] = {}
            queue: list[tuple[int, int, int]] = [(0, 0, nonterminal)]
            while queue:
                cost, steps, here = heapq.heappop(queue)
                if here in known:
                    continue
                known[here] = cost, steps
                for part, least in self._parts(here):
                    if part not in known:
                        heapq.heappush(queue, (cost + least, steps + 1, part))
        return known

    def _parts(self, nonterminal: int) -> list[tuple[int, int]]:
        """Return what the rules of a nonterminal begin with, and the bytes that they need behind that."""
        if not self._of:
            parser = self._parser
            for number, rule in enumerate(self._tables.rules):
                parts = self._of.setdefault(rule.origin, [])
                if rule.symbols and rule.symbols[0] < 0 and not parser.is_loose(number):
                    parts.append((-1 - rule.symbols[0], parser.least(rule.symbols[1:])))
        return self._of.get(nonterminal, [])
