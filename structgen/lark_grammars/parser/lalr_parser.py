"""lark's LALR(1) parser over hash-consed stacks, with the stack of indentations where there is an indenter.

A *place* is where the parser stands between two lexemes: its stack, the widths of the open indentations, and
how many brackets are open. Places are values; a stack is a number, equal stacks are one number.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.reading.loaded_grammar import END, UNREACHABLE, ParserTables

REFUSED: Final = -1
_BYTE: Final = 1 << 32
"""What a byte costs in a way to the end, where a rule that ends costs 1."""
_NEVER: Final = UNREACHABLE * _BYTE
"""The least cost of a way to the end where there is none."""


@dataclass(frozen=True, slots=True)
class ParserPlace:
    """Where the parser stands."""

    stack: int
    widths: tuple[int, ...] = (0,)
    """Columns of the open indentations, from the outside in."""
    brackets: int = 0


class ShortestDerivations:
    """The shortest texts of symbols by the grammar, where each terminal costs so much. Cost: some
    milliseconds for a thousand rules."""

    def __init__(
        self, tables: ParserTables, least: list[int], without: Collection[int] = frozenset[int]()
    ) -> None:
        """`least`: for each terminal what it costs, at least the bytes of its shortest lexeme; `without`:
        rules that texts are made of only where there are no others."""
        self.tables, self.terminals = tables, least
        self._costs, self._ways = self._derivations(frozenset())
        self._exits: dict[tuple[int, bool], list[tuple[int, int, int]]] = {}
        self._loose = self._unwritable()
        """Rules in which an indentation ends on a line that has begun, as it does at the text's end alone."""
        left_out = self._loose.union(without)
        self._strict = self._derivations(left_out) if left_out else (self._costs, self._ways)
        """Costs and ways without them."""

    def _unwritable(self) -> frozenset[int]:
        indentation, rules = self.tables.indentation, self.tables.rules
        if indentation is None:
            return frozenset()
        ends = {indentation.newline, indentation.dedent}
        """Symbols that may end with a newline."""
        before = 0
        while before != len(ends):
            before = len(ends)
            for rule in rules:
                for symbol in reversed(rule.symbols):
                    if symbol in ends:
                        ends.add(-1 - rule.origin)
                    if symbol >= 0 or self._costs[-1 - symbol]:
                        break
        return frozenset(
            number
            for number, rule in enumerate(rules)
            for symbol, after in pairwise(rule.symbols)
            if after == indentation.dedent and symbol not in ends
        )

    def _derivations(self, without: frozenset[int]) -> tuple[list[int], list[tuple[int, ...]]]:
        """Return for each nonterminal the bytes of its shortest texts, and the right side that has them, with
        some rules left out."""
        rules = self.tables.rules
        costs = [UNREACHABLE] * len(self.tables.nonterminals)
        ways: list[tuple[int, ...]] = [()] * len(costs)
        using: dict[int, list[int]] = {}
        missing = []
        for number, rule in enumerate(rules):
            parts = [-1 - symbol for symbol in rule.symbols if symbol < 0]
            missing.append(len(parts))
            for part in parts:
                using.setdefault(part, []).append(number)
        for number in without:
            missing[number] = -1
        queue = [(self._sum(rule.symbols, costs), n) for n, rule in enumerate(rules) if not missing[n]]
        heapq.heapify(queue)
        done: set[int] = set()
        while queue:
            cost, number = heapq.heappop(queue)
            origin = rules[number].origin
            if origin in done:
                continue
            done.add(origin)
            costs[origin], ways[origin] = cost, rules[number].symbols
            for user in using.get(origin, ()):
                missing[user] -= 1
                if not missing[user]:
                    heapq.heappush(queue, (self._sum(rules[user].symbols, costs), user))
        return costs, ways

    def _sum(self, symbols: tuple[int, ...], costs: list[int]) -> int:
        return min(UNREACHABLE, sum(self.terminals[one] if one >= 0 else costs[-1 - one] for one in symbols))

    def spelled(self, symbols: tuple[int, ...]) -> list[int]:
        """Return the terminals of the shortest texts of some symbols."""
        found: list[int] = []
        pending = list(reversed(symbols))
        costs, ways = self._strict
        while pending:
            symbol = pending.pop()
            if symbol >= 0:
                found.append(symbol)
            else:
                pending += reversed((ways if costs[-1 - symbol] < UNREACHABLE else self._ways)[-1 - symbol])
        return found

    def made_of(self, rules: Collection[tuple[int, tuple[int, ...]]]) -> set[int]:
        """Return the nonterminals, as symbols, whose shortest texts are made by one of some rules, each an
        origin and a right side."""
        costs, strict = self._strict
        ways = [
            way if cost < UNREACHABLE else other
            for cost, way, other in zip(costs, strict, self._ways, strict=True)
        ]
        found = {-1 - origin for origin, way in enumerate(ways) if (origin, way) in rules}
        before = -1
        while before != len(found):
            before = len(found)
            found.update(-1 - origin for origin, way in enumerate(ways) if not found.isdisjoint(way))
        return found

    def is_dead(self, state: int) -> bool:
        """Return whether no text ends a rule that is under way in a state."""
        rules, kernel = self.tables.rules, self.tables.kernels[state]
        return all(self._sum(rules[rule].symbols[dot:], self._costs) >= UNREACHABLE for rule, dot in kernel)

    def least(self, symbols: tuple[int, ...]) -> int:
        """Return the bytes of the shortest texts of some symbols, UNREACHABLE where they have none."""
        return self._sum(symbols, self._strict[0])

    def is_loose(self, rule: int) -> bool:
        """Return whether an indentation ends in a rule on a line that has begun."""
        return rule in self._loose

    def exits(self, state: int) -> list[tuple[int, int, int]]:
        """Return how the rules under way in a state may end: bytes that they still need at least, the rule,
        and how many of its symbols are there."""
        strict = self.exits_of(state, True)
        return strict if strict and strict[0][0] < UNREACHABLE else self.exits_of(state, False)

    def exits_of(self, state: int, strict: bool) -> list[tuple[int, int, int]]:
        """Return the same with, or without, rules in which an indentation ends on a line that has begun."""
        known = self._exits.get((state, strict))
        if known is None:
            costs = self._strict[0] if strict else self._costs
            known = self._exits[state, strict] = sorted(
                (self._sum(self.tables.rules[rule].symbols[dot:], costs), rule, dot)
                for rule, dot in self.tables.kernels[state]
                if not (strict and rule in self._loose)
            )
        return known


class _Rows(dict[int, list[int]]):
    """The rows of a table as lists, each made when it is first asked for."""

    def __init__(self, table: npt.NDArray[np.int32]) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, row: int) -> list[int]:
        made: list[int] = self._table[row].tolist()
        self[row] = made
        return made


class Parser:
    """Stacks, made as they are met; what a terminal does to each. Not thread-safe."""

    def __init__(self, tables: ParserTables, least: list[int]) -> None:
        """`least`: for each terminal the bytes of its shortest lexeme."""
        self.tables = tables
        self.actions, self.gotos = _Rows(tables.actions), _Rows(tables.gotos)
        self.top: list[int] = [tables.start]
        """The state on top of each stack."""
        self.below: list[int] = [REFUSED]
        """The stack under the top."""
        self._pushed: dict[tuple[int, int], int] = {}
        self._fed: dict[tuple[int, int], int] = {}
        self._least = least
        self._plans: dict[tuple[int, bool], tuple[int, tuple[int, int] | None]] = {}

    @cached_property
    def texts(self) -> ShortestDerivations:
        """The shortest texts of symbols."""
        return ShortestDerivations(self.tables, self._least)

    def push(self, stack: int, state: int) -> int:
        """Return a stack with one more state."""
        key = stack, state
        known = self._pushed.get(key)
        if known is None:
            known = len(self.below)
            self.top[known:], self.below[known:] = (state,), (stack,)
            self._pushed[key] = known
        return known

    def pop(self, stack: int, count: int) -> int:
        """Return a stack without its topmost states."""
        for _ in range(count):
            stack = self.below[stack]
        return stack

    def feed(self, stack: int, terminal: int) -> int:
        """Return the stack after a terminal (after `$END`: the one at the end), or REFUSED."""
        key = stack, terminal
        known = self._fed.get(key)
        if known is None:
            known = self._fed[key] = self._feed(stack, terminal)
        return known

    def _feed(self, stack: int, terminal: int) -> int:
        tables = self.tables
        while True:
            action = self.actions[self.top[stack]][terminal]
            if action == 0:
                return REFUSED
            if action > 0:
                return self.push(stack, action - 1)
            rule = tables.rules[-1 - action]
            below = self.pop(stack, len(rule.symbols))
            stack = self.push(below, self.gotos[self.top[below]][rule.origin])
            if terminal == END and self.top[stack] == tables.end:
                return stack

    # --- places ---------------------------------------------------------------------------------------------

    def start(self) -> ParserPlace:
        """Return the place before the first lexeme."""
        return ParserPlace(0)

    def read(self, place: ParserPlace, terminal: int, column: int) -> ParserPlace | None:
        """Return the place after a lexeme, None where it is an error. `column` is the width of what stands
        behind the last line break of the lexeme, -1 where it has none; it matters for the indenter's
        newlines alone (lark/indenter.py)."""
        tables = self.tables
        if terminal in tables.ignored:
            return place
        indentation = tables.indentation
        if indentation is not None and terminal == indentation.newline:
            return self._newline(place, column)
        stack = self.feed(place.stack, terminal)
        if stack == REFUSED:
            return None
        brackets = place.brackets
        if indentation is not None:
            if terminal in indentation.opening:
                brackets += 1
            elif terminal in indentation.closing:
                brackets -= 1
                if brackets < 0:
                    return None
        return ParserPlace(stack, place.widths, brackets)

    def _newline(self, place: ParserPlace, column: int) -> ParserPlace | None:
        indentation = self.tables.indentation
        assert indentation is not None
        if place.brackets:
            return place
        stack, widths = self.feed(place.stack, indentation.newline), place.widths
        if stack == REFUSED or column < 0:
            return None
        if column > widths[-1]:
            stack, widths = self.feed(stack, indentation.indent), (*widths, column)
            return None if stack == REFUSED else ParserPlace(stack, widths)
        while column < widths[-1]:
            stack, widths = self.feed(stack, indentation.dedent), widths[:-1]
            if stack == REFUSED:
                return None
        return ParserPlace(stack, widths) if column == widths[-1] else None

    def accepts(self, place: ParserPlace) -> bool:
        """Return whether the text may end at a place."""
        stack, indentation = place.stack, self.tables.indentation
        if indentation is not None:
            for _ in place.widths[1:]:
                stack = self.feed(stack, indentation.dedent)
                if stack == REFUSED:
                    return False
        return self.feed(stack, END) != REFUSED

    # --- the shortest way to the end, by the grammar --------------------------------------------------------

    @property
    def is_productive(self) -> bool:
        """Whether the rules derive a text from the start."""
        return self.distance(0) < UNREACHABLE

    def distance(self, stack: int) -> int:
        """Return a lower bound of the bytes that complete a text, by the grammar alone; about 2**40 where
        nothing does."""
        return self._plan(stack, False)[0] // _BYTE

    def shortest_completion(self, stack: int) -> Iterator[int]:
        """Yield the terminals of a way to the end that needs so many bytes; none where there is none. Ways
        in which an indentation ends on a line that has begun are left aside where there are others.

        Of ways that need as many bytes one is taken that ends the fewest rules, and of those the one whose
        rules come first in the parser's tables. So the plan is a function of the stack alone, and it comes
        to an end: with each rule that ends, the cost of what is left grows less, even where a rule is
        ended without a byte.
        """
        strict = self._plan(stack, True)[0] < _NEVER
        while True:
            cost, way = self._plan(stack, strict)
            if way is None or cost >= _NEVER:
                return
            rule, dot = self._first_way(stack, strict, cost)
            symbols = self.tables.rules[rule].symbols
            for one in self.texts.spelled(symbols[dot:]):
                if one != END:
                    yield one
            if self.is_root(rule):
                return
            stack = self._ended(stack, rule, dot)

    def completion_cost(self, stack: int) -> int:
        """Return what `plan` costs. What is left of a plan costs less than the whole."""
        cost = self._plan(stack, True)[0]
        return cost if cost < _NEVER else self._plan(stack, False)[0]

    def _first_way(self, stack: int, strict: bool, cost: int) -> tuple[int, int]:
        """Return the first of the rules under way (with its symbols read) that a cheapest way, of this cost,
        ends."""
        for least, rule, dot in self.texts.exits_of(self.top[stack], strict):
            needed = least * _BYTE + 1
            if needed < cost and not self.is_root(rule):
                needed += self._plan(self._ended(stack, rule, dot), strict)[0]
            if needed == cost:
                return rule, dot
        raise AssertionError("a way to the end that no rule begins")

    def _ended(self, stack: int, rule: int, dot: int) -> int:
        """Return a stack after a rule that is under way there, with so many symbols read."""
        below = self.pop(stack, dot)
        return self.push(below, self.gotos[self.top[below]][self.tables.rules[rule].origin])

    def is_root(self, rule: int) -> bool:
        return self.tables.nonterminals[self.tables.rules[rule].origin].startswith("$root_")

    def _plan(self, stack: int, strict: bool) -> tuple[int, tuple[int, int] | None]:
        """Return what the cheapest way from a stack to the end costs (_BYTE for each byte, and 1 for each
        rule that ends), and a rule under way (with its symbols read) that such a way ends first."""
        known = self._plans.get((stack, strict))
        if known is not None:
            return known
        # Dijkstra from this stack; rules of one symbol lead to stacks as high, all others to lower ones
        best = {stack: 0}
        came: dict[int, tuple[int, tuple[int, int]]] = {}
        queue = [(0, stack)]
        settled: set[int] = set()
        goal: tuple[int, int, tuple[int, int] | None] | None = None
        while queue:
            cost, here = heapq.heappop(queue)
            if goal is not None and cost >= goal[0]:
                break
            if here in settled:
                continue
            settled.add(here)
            further = self._plans.get((here, strict))
            if further is not None:
                if goal is None or cost + further[0] < goal[0]:
                    goal = cost + further[0], here, further[1]
                continue
            for least, rule, dot in self.texts.exits_of(self.top[here], strict):
                if least >= UNREACHABLE:
                    continue
                total = cost + least * _BYTE + 1
                if self.is_root(rule):
                    if goal is None or total < goal[0]:
                        goal = total, here, (rule, dot)
                    continue
                after = self._ended(here, rule, dot)
                if total < best.get(after, _NEVER):
                    best[after] = total
                    came[after] = here, (rule, dot)
                    heapq.heappush(queue, (total, after))
        if goal is None:
            self._plans[stack, strict] = _NEVER, None
            return _NEVER, None
        total, here, way = goal
        self._plans[here, strict] = total - best[here], way
        while here != stack:
            here, step = came[here]
            self._plans[here, strict] = total - best[here], step
        return self._plans[stack, strict]
