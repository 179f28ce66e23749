"""Which of the rules under way a plan ends, so that it comes to the end of what is around them.

A rule that needs nothing more may lead back to where it was: behind `NAME`, in `sum: left "+" NAME`,
`left: sum | NAME`, `left` is the cheapest to end, and the next sum begins. So what counts is not what a rule
needs by itself, but what is needed until one goes on that was under way before its first symbol: that has
fewer symbols on the stack, and no plan goes round there.
"""

from __future__ import annotations

import heapq
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.parsing.parser import FAR, Parser

_BEFORE: Final = 64
"""States before one that are looked at; where they differ no rule may be right in all."""


class Plans:
    """The rules that plans end, of one grammar. Cost: some 0.2 ms for a state the first time."""

    def __init__(self, parser: Parser) -> None:
        self._parser, self._tables = parser, parser.tables
        self._led: dict[int, list[int]] = {}
        """For each nonterminal, the rules that begin with it."""
        self._of: dict[int, list[int]] = {}
        """For each nonterminal, its rules."""
        for number, rule in enumerate(self._tables.rules):
            self._of.setdefault(rule.origin, []).append(number)
            if rule.symbols and rule.symbols[0] < 0:
                self._led.setdefault(-1 - rule.symbols[0], []).append(number)
        self._leads: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None
        """All moves of the parser: the states that they lead to, in order, and those that they lead from."""
        self._begun: dict[int, set[int]] = {}
        self._around: dict[tuple[int, int], tuple[int, int]] = {}

    def best(self, state: int) -> tuple[int, int]:
        """Return the rule under way in a parser state that is to be ended, and how many of its symbols are
        there."""
        ways = self._parser.exits(state)
        if len(ways) == 1:
            return ways[0][1:]
        before = [[state]]

        def needed(way: tuple[int, int, int]) -> tuple[int, int]:
            cost, rule, dot = way
            if dot == 0 or self._parser.is_root(rule):
                return cost, 0
            while len(before) <= dot:
                before.append(self._before(before[-1]))
            origin = self._tables.rules[rule].origin
            around = max(self._needed(one, origin) for one in before[dot])
            # with more symbols it was under way before the last of them, and goes on from there
            return cost + (around[0] if dot == 1 or around[0] >= FAR else 0), around[1] if dot == 1 else 0

        return min(ways, key=needed)[1:]

    def _before(self, states: list[int]) -> list[int]:
        """Return states from which a symbol leads to one of some states."""
        if self._leads is None:
            tables = self._tables
            pairs = [np.nonzero(tables.gotos >= 0), np.nonzero(tables.actions > 0)]
            sources = np.concatenate([one[0] for one in pairs])
            targets = np.concatenate([tables.gotos[pairs[0]], tables.actions[pairs[1]] - 1])
            order = np.argsort(targets, kind="stable")
            self._leads = targets[order], sources[order]
        targets, sources = self._leads
        found: dict[int, None] = {}
        for state in states:
            first, last = np.searchsorted(targets, (state, state + 1))
            found.update(dict.fromkeys(sources[first:last].tolist()))
        return list(found)[:_BEFORE]

    def _needed(self, state: int, nonterminal: int) -> tuple[int, int]:
        """Return the bytes, and the rules to be ended, between a nonterminal that was read from a state and
        the next symbol of a rule with which that state begins."""
        key = state, nonterminal
        known = self._around.get(key)
        if known is None:
            known = self._around[key] = self._search(state, nonterminal)
        return known

    def _search(self, state: int, nonterminal: int) -> tuple[int, int]:
        rules, parser = self._tables.rules, self._parser
        begun = self._begins(state)
        queue: list[tuple[int, int, int]] = [(0, 0, nonterminal)]
        settled: set[int] = set()
        while queue:
            cost, steps, here = heapq.heappop(queue)
            if here < 0:
                return cost, steps
            if here in settled:
                continue
            settled.add(here)
            for rule, dot in self._tables.kernels[state]:
                symbols = rules[rule].symbols[dot:]
                if symbols and symbols[0] == -1 - here and not parser.is_loose(rule):
                    heapq.heappush(queue, (cost + parser.least(symbols[1:]), steps, -1))
            for rule in self._led.get(here, ()):
                origin = rules[rule].origin
                if origin in begun and origin not in settled and not parser.is_loose(rule):
                    heapq.heappush(queue, (cost + parser.least(rules[rule].symbols[1:]), steps + 1, origin))
        return FAR, 0

    def _begins(self, state: int) -> set[int]:
        """Return the nonterminals of rules that begin in a state."""
        known = self._begun.get(state)
        if known is None:
            rules = self._tables.rules
            firsts = (rules[rule].symbols[dot : dot + 1] for rule, dot in self._tables.kernels[state])
            pending = [-1 - one for first in firsts for one in first if one < 0]
            known = self._begun[state] = set(pending)
            while pending:
                for rule in self._of.get(pending.pop(), ()):
                    for symbol in rules[rule].symbols[:1]:
                        if symbol < 0 and -1 - symbol not in known:
                            known.add(-1 - symbol)
                            pending.append(-1 - symbol)
        return known
