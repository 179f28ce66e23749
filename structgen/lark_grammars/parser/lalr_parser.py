"""lark's LALR(1) parser over hash-consed stacks, with the stack of indentations of an indenter.

A *place* is the parser's configuration between two lexemes: its stack, the widths of the open indentations,
and the number of open brackets. Places are values; a stack is a number, and equal stacks have one number.

`ShortestDerivations` has the shortest text of each symbol (Knuth's generalisation of Dijkstra's algorithm);
`Parser.shortest_completion` the terminals of the shortest item from a stack to the end of the text.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.reading.loaded_grammar import END, UNREACHABLE, ParserTables

REFUSED: Final = -1
_BYTE_COST: Final = 1 << 32
"""The cost of a byte of a completion; a reduction costs 1."""
_NEVER: Final = UNREACHABLE * _BYTE_COST
"""The cost of a completion if there is none; all others cost less."""


@dataclass(frozen=True, slots=True)
class ParserPlace:
    """The parser between two lexemes."""

    stack: int
    widths: tuple[int, ...] = (0,)
    """Widths of the open indentations, the outermost first."""
    brackets: int = 0


class ShortestDerivations:
    """The shortest texts of symbols by the rules alone, for given costs of terminals. Cost: some milliseconds
    for a thousand rules."""

    def __init__(self, tables: ParserTables, least: list[int]) -> None:
        """`least`: the cost of each terminal, at least the length of its shortest lexeme in bytes."""
        self.tables, self.terminals = tables, least
        self._costs, self._ways = self._derivations(frozenset())
        self._items: dict[tuple[int, bool], list[tuple[int, int, int]]] = {}
        self._loose = self._find_loose()
        """Rules in which a DEDENT follows without a newline, which happens at the text's end only."""
        self._strict = self._derivations(self._loose) if self._loose else (self._costs, self._ways)
        """Costs and right sides without these rules."""

    def _find_loose(self) -> frozenset[int]:
        indentation, rules = self.tables.indentation, self.tables.rules
        if indentation is None:
            return frozenset()
        ends = {indentation.newline, indentation.dedent}
        """Symbols whose texts may end with a newline."""
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
        """Return for each nonterminal the cost of its shortest text, and the right side that derives it, with
        some rules left out."""
        rules = self.tables.rules
        costs = [UNREACHABLE] * len(self.tables.nonterminals)
        ways: list[tuple[int, ...]] = [()] * len(costs)
        users: dict[int, list[int]] = {}
        missing = []
        for number, rule in enumerate(rules):
            parts = [-1 - symbol for symbol in rule.symbols if symbol < 0]
            missing.append(len(parts))
            for part in parts:
                users.setdefault(part, []).append(number)
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
            for user in users.get(origin, ()):
                missing[user] -= 1
                if not missing[user]:
                    heapq.heappush(queue, (self._sum(rules[user].symbols, costs), user))
        return costs, ways

    def _sum(self, symbols: tuple[int, ...], costs: list[int]) -> int:
        return min(UNREACHABLE, sum(self.terminals[one] if one >= 0 else costs[-1 - one] for one in symbols))

    def terminals_of(self, symbols: tuple[int, ...]) -> list[int]:
        """Return the terminals of the shortest text of some symbols."""
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

    def is_dead(self, state: int) -> bool:
        """Return whether no text completes an item of a state."""
        rules, kernel = self.tables.rules, self.tables.kernels[state]
        return all(self._sum(rules[rule].symbols[dot:], self._costs) >= UNREACHABLE for rule, dot in kernel)

    def items_by_cost(self, state: int, strict: bool) -> list[tuple[int, int, int]]:
        """Return the kernel items of a state, with loose rules, or (`strict`) without them, the cheapest
        first: the least bytes that the item still needs, its rule, and its dot."""
        known = self._items.get((state, strict))
        if known is None:
            costs = self._strict[0] if strict else self._costs
            known = self._items[state, strict] = sorted(
                (self._sum(self.tables.rules[rule].symbols[dot:], costs), rule, dot)
                for rule, dot in self.tables.kernels[state]
                if not (strict and rule in self._loose)
            )
        return known


class _Rows(dict[int, list[int]]):
    """The rows of a table as lists, made on demand."""

    def __init__(self, table: npt.NDArray[np.int32]) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, row: int) -> list[int]:
        made: list[int] = self._table[row].tolist()
        self[row] = made
        return made


class Parser:
    """Hash-consed stacks, and their transitions by terminals. Not thread-safe."""

    def __init__(self, tables: ParserTables, least: list[int]) -> None:
        """`least`: for each terminal the length of its shortest lexeme in bytes."""
        self.tables = tables
        self.actions, self.gotos = _Rows(tables.actions), _Rows(tables.gotos)
        self.top: list[int] = [tables.start]
        """The state on top of each stack."""
        self.below: list[int] = [REFUSED]
        """The stack under the top."""
        self._pushed: dict[tuple[int, int], int] = {}
        self._fed: dict[tuple[int, int], int] = {}
        self.least = least
        """For each terminal the length of its shortest lexeme in bytes; UNREACHABLE if there is none."""
        self._completions: dict[tuple[int, bool], tuple[int, tuple[int, int] | None]] = {}

    @cached_property
    def texts(self) -> ShortestDerivations:
        """The shortest texts of symbols."""
        return ShortestDerivations(self.tables, self.least)

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

    def last_read(self, stack: int, tables: ParserTables) -> str:
        """Return the terminal that was read last, as messages of some tables show it; "" at the start of the
        text."""
        for rule, dot in tables.kernels[self.top[stack]]:
            if dot and (terminal := tables.rules[rule].symbols[dot - 1]) >= 0:
                return tables.terminals[terminal].shown
        return ""

    # --- places ---------------------------------------------------------------------------------------------

    def start(self) -> ParserPlace:
        """Return the place before the first lexeme."""
        return ParserPlace(0)

    def read(self, place: ParserPlace, terminal: int, column: int) -> ParserPlace | None:
        """Return the place after a lexeme, None if it is an error. `column`: the width after the last line
        break of the lexeme, -1 if it has none; used for the indenter's newline only (lark/indenter.py)."""
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

    # --- shortest completions by the rules alone ------------------------------------------------------------

    @property
    def is_productive(self) -> bool:
        """Whether the rules derive a text from the start."""
        return self.distance(0) < UNREACHABLE

    def distance(self, stack: int) -> int:
        """Return a lower bound on the bytes that complete a stack, by the rules alone; about UNREACHABLE if
        nothing does."""
        return self._completion(stack, False)[0] // _BYTE_COST

    def shortest_completion(self, stack: int) -> Iterator[int]:
        """Yield the terminals of the shortest completion of a stack; none if there is none. Completions with
        loose rules are used only if there are no others.

        Of completions with equally few bytes the one with the fewest reductions is chosen, and of these the
        one whose rules come first in the tables. So it depends on the stack only. It terminates, because each
        reduction lowers the cost of the rest.
        """
        strict = self._completion(stack, True)[0] < _NEVER
        while True:
            cost, item = self._completion(stack, strict)
            if item is None or cost >= _NEVER:
                return
            rule, dot = self._first_item(stack, strict, cost)
            symbols = self.tables.rules[rule].symbols
            for one in self.texts.terminals_of(symbols[dot:]):
                if one != END:
                    yield one
            if self.is_root(rule):
                return
            stack = self._ended(stack, rule, dot)

    def completion_cost(self, stack: int) -> int:
        """Return the cost of `shortest_completion`. The rest of a completion always costs less than the
        whole."""
        cost = self._completion(stack, True)[0]
        return cost if cost < _NEVER else self._completion(stack, False)[0]

    def _first_item(self, stack: int, strict: bool, cost: int) -> tuple[int, int]:
        """Return the first item of a completion with this cost, which is the least."""
        for least, rule, dot in self.texts.items_by_cost(self.top[stack], strict):
            needed = least * _BYTE_COST + 1
            if needed < cost and not self.is_root(rule):
                needed += self._completion(self._ended(stack, rule, dot), strict)[0]
            if needed == cost:
                return rule, dot
        raise AssertionError("a completion that no item begins")

    def _ended(self, stack: int, rule: int, dot: int) -> int:
        """Return a stack after the item of its top is completed."""
        below = self.pop(stack, dot)
        return self.push(below, self.gotos[self.top[below]][self.tables.rules[rule].origin])

    def is_root(self, rule: int) -> bool:
        return self.tables.nonterminals[self.tables.rules[rule].origin].startswith("$root_")

    def _completion(self, stack: int, strict: bool) -> tuple[int, tuple[int, int] | None]:
        """Return the least cost of a completion of a stack (_BYTE_COST a byte, 1 a reduction), and the item
        that it completes first."""
        known = self._completions.get((stack, strict))
        if known is not None:
            return known
        # Dijkstra from this stack; items with the dot at 1 lead to stacks of the same height, others to lower
        # ones
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
            further = self._completions.get((here, strict))
            if further is not None:
                if goal is None or cost + further[0] < goal[0]:
                    goal = cost + further[0], here, further[1]
                continue
            for least, rule, dot in self.texts.items_by_cost(self.top[here], strict):
                if least >= UNREACHABLE:
                    continue
                total = cost + least * _BYTE_COST + 1
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
            self._completions[stack, strict] = _NEVER, None
            return _NEVER, None
        total, here, item = goal
        self._completions[here, strict] = total - best[here], item
        while here != stack:
            here, step = came[here]
            self._completions[here, strict] = total - best[here], step
        return self._completions[stack, strict]
