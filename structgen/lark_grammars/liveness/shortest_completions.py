"""The shortest completion of each parser state: which item to complete, and by which terminals.

A state has kernel items (rules under way). Always completing the cheapest one may loop: in `sum: left "+"
NAME` with `left: sum | NAME`, after `NAME` the cheapest is `left`, and the next sum begins. So the cost of an
item is that of all symbols until an item continues that began below its first symbol. Then fewer symbols are
on the stack: the completion makes progress (`RankedItems`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import islice, pairwise
from typing import Final

import numpy as np

from structgen.lark_grammars.parser.lalr_parser import Parser
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE

_MOST_PREDECESSORS: Final = 64
"""The most predecessors of a state that are considered; if they differ, no item may be right for all."""
Completion = tuple[int, int, list[int]]
"""An item (a rule and a dot), and the terminals that complete it."""
_Item = tuple[int, int, int]
"""The bytes that an item itself still needs, its rule, and its dot."""
_Cost = tuple[int, int]
"""Bytes, and reductions."""
_NOTHING: Final = UNREACHABLE, 0


class RankedItems:
    """The items of parser states, ranked by the cost of their completions. Cost: about 20 us for a state the
    first time, and 0.1 ms for each new nonterminal."""

    def __init__(self, parser: Parser) -> None:
        self._parser, self._tables = parser, parser.tables
        self._nearest: dict[int, Completion] = {}
        self._corners: dict[int, list[tuple[int, int]]] = {}
        """For each nonterminal, its left corners: nonterminals with which its rules begin, and the bytes that
        the rule needs after that."""
        self._predecessors: list[list[int]] | None = None
        """The predecessors of each state."""
        self._end_costs: dict[int, dict[int, _Cost]] = {}
        self._waiting: dict[int, list[tuple[int, int]]] = {}
        self._around: dict[tuple[int, int], _Cost] = {}
        self._leading: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._at: dict[tuple[tuple[int, ...], int], _Cost] = {}

    def of(self, state: int) -> Completion:
        """Return the cheapest completion of a parser state."""
        known = self._nearest.get(state)
        if known is None:
            known = self._nearest[state] = self._completion(self._find_nearest(state))
        return known

    def _find_nearest(self, state: int) -> _Item:
        """Return the first item of `ranked`. Items that need too many bytes themselves are skipped."""
        items = self._parser.texts.cheapest_items(state)
        chosen, least, cost_of = items[0], (4 * UNREACHABLE, 0), self._needs(state)
        for item in items if len(items) > 1 else []:
            if (item[0], 0) >= least:
                break
            needed = cost_of(item)
            if needed < least:
                chosen, least = item, needed
        return chosen

    def _completion(self, item: _Item) -> Completion:
        _cost, rule, dot = item
        return rule, dot, self._parser.texts.terminals_of(self._tables.rules[rule].symbols[dot:])

    def _needs(self, state: int) -> Callable[[_Item], _Cost]:
        """Return the cost of each item of a state: that of all symbols until an item continues that began
        below its first symbol."""
        before: list[tuple[int, ...]] = [(state,)]

        def needed(item: _Item) -> _Cost:
            cost, rule, dot = item
            if dot == 0 or self._parser.is_root(rule):
                return cost, 0
            while len(before) <= dot:
                before.append(self._before(before[-1]))
            around = self._needed_at(before[dot], self._tables.rules[rule].origin)
            # with dot > 1, the surrounding item began below the last symbol, and continues from there
            if dot == 1:
                return cost + around[0], around[1]
            return cost + (around[0] if around[0] >= UNREACHABLE else 0), 0

        return needed

    def _before(self, states: tuple[int, ...]) -> tuple[int, ...]:
        """Return predecessors of some states."""
        known = self._leading.get(states)
        if known is None:
            found = dict.fromkeys(one for state in states for one in self.predecessors(state))
            known = self._leading[states] = tuple(islice(found, _MOST_PREDECESSORS))
        return known

    def predecessors(self, state: int) -> list[int]:
        """Return the predecessors of a state: those from which a symbol leads to it."""
        if self._predecessors is None:
            self._predecessors = self._find_predecessors()
        return self._predecessors[state]

    def _needed_at(self, states: tuple[int, ...], nonterminal: int) -> _Cost:
        """Return the largest cost around a nonterminal in some states (`_needed`); UNREACHABLE if the table
        has an error in all of them."""
        key = states, nonterminal
        known = self._at.get(key)
        if known is None:
            known = self._at[key] = max((self._needed(one, nonterminal) for one in states), default=_NOTHING)
        return known

    def _find_predecessors(self) -> list[list[int]]:
        tables, count = self._tables, len(self._tables.kernels)
        gotos, shifts = np.flatnonzero(tables.gotos >= 0), np.flatnonzero(tables.actions > 0)
        sources = np.concatenate([gotos // tables.gotos.shape[1], shifts // tables.actions.shape[1]])
        targets = np.concatenate([tables.gotos.reshape(-1)[gotos], tables.actions.reshape(-1)[shifts] - 1])
        order = np.argsort(targets, kind="stable")
        ends = np.searchsorted(targets[order], np.arange(count + 1)).tolist()
        ordered: list[int] = sources[order].tolist()
        return [ordered[first:last] for first, last in pairwise(ends)]

    def _needed(self, state: int, nonterminal: int) -> _Cost:
        """Return the cost between a nonterminal that was read from a state and the next symbol of a kernel
        item of that state."""
        key = state, nonterminal
        known = self._around.get(key)
        if known is None:
            known = _NOTHING
            for under_way, least in self._after_dots(state):
                cost = self._costs_to_end(under_way).get(nonterminal)
                if cost is not None:
                    known = min(known, (cost[0] + least, cost[1]))
            self._around[key] = known
        return known

    def _after_dots(self, state: int) -> list[tuple[int, int]]:
        """Return the nonterminals after the dots of a state's kernel items, and the least bytes that such an
        item needs after that."""
        known = self._waiting.get(state)
        if known is None:
            texts, rules = self._parser.texts, self._tables.rules
            least: dict[int, int] = {}
            for rule, dot in self._tables.kernels[state]:
                symbols = rules[rule].symbols[dot:]
                if symbols and symbols[0] < 0 and not texts.is_loose(rule):
                    nonterminal = -1 - symbols[0]
                    least[nonterminal] = min(
                        least.get(nonterminal, 2 * UNREACHABLE), texts.least(symbols[1:])
                    )
            known = self._waiting[state] = list(least.items())
        return known

    def _costs_to_end(self, nonterminal: int) -> dict[int, _Cost]:
        """Return, for each left corner of a nonterminal (transitively), the cost from its end to the end of
        the nonterminal."""
        known = self._end_costs.get(nonterminal)
        if known is None:
            known = self._end_costs[nonterminal] = {}
            queue: list[tuple[int, int, int]] = [(0, 0, nonterminal)]
            while queue:
                cost, steps, here = heapq.heappop(queue)
                if here in known:
                    continue
                known[here] = cost, steps
                for part, least in self._left_corners(here):
                    if part not in known:
                        heapq.heappush(queue, (cost + least, steps + 1, part))
        return known

    def _left_corners(self, nonterminal: int) -> list[tuple[int, int]]:
        """Return the direct left corners of a nonterminal, and the bytes that its rules need after them."""
        if not self._corners:
            texts = self._parser.texts
            for number, rule in enumerate(self._tables.rules):
                parts = self._corners.setdefault(rule.origin, [])
                if rule.symbols and rule.symbols[0] < 0 and not texts.is_loose(number):
                    parts.append((-1 - rule.symbols[0], texts.least(rule.symbols[1:])))
        return self._corners.get(nonterminal, [])
