"""Shortest rests of context-free configurations: exact, by Dijkstra's and Knuth's algorithms."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from structgen.languages.rules import Rules
from structgen.languages.scanning import Scanner
from structgen.languages.stacks import Stacks

Way: TypeAlias = "tuple[tuple[int, ...], int]"
"""How a rest begins: the symbols of rules that come first, and the stack after them (-1: the text's end)."""


class Rests:
    """The shortest words of symbols, and rests of stacks, of one grammar: each worked out once.

    Cost: the words, when the first is asked for; a stack's, a search over stacks that ends at one whose rest
    is known.
    """

    def __init__(self, rules: Rules, scanner: Scanner, stacks: Stacks) -> None:
        self._rules, self._scanner, self._stacks = rules, scanner, stacks
        self._lengths: list[int] | None = None
        self._best: list[int] = []
        """Of each nonterminal (the first is 0) the rule that its shortest word begins with."""
        self._words: dict[int, tuple[int, ...]] = {}
        self._known: dict[int, tuple[int, Way]] = {}
        """Of a stack: how long its shortest rest is, and how it begins."""

    def shortest(self, tops: Sequence[tuple[int, int]]) -> list[int]:
        """Return the shortest rest of stacks on which bundles are read."""
        best: tuple[int, int, tuple[int, ...]] | None = None
        for node, bundle in tops:
            for terminal, config in self._scanner.bundles[bundle]:
                language = self._scanner.languages[terminal]
                rest = tuple(language.shortest(config))
                if not rest and config == language.start():
                    rest = self.word(terminal)
                if not rest:
                    continue  # a word that goes on: its end has a stack of its own
                after = self._stacks.push(node, terminal)
                length = len(rest) + self.length(after)
                if best is None or (length, after, rest) < best:
                    best = (length, after, rest)
        assert best is not None, "a configuration that no text completes"
        return [*best[2], *self.rest(best[1])]

    def length(self, node: int) -> int:
        """Return how long the shortest rest of a stack is."""
        if node not in self._known:
            self._search(node)
        return self._known[node][0]

    def rest(self, node: int) -> list[int]:
        """Return the shortest rest of a stack."""
        found: list[int] = []
        while node >= 0:
            self.length(node)
            symbols, node = self._known[node][1]
            for symbol in symbols:
                found += self.word(symbol)
        return found

    def _search(self, start: int) -> None:
        stacks, items = self._stacks, self._stacks.items
        known = self._known
        heap: list[tuple[int, int]] = [(0, start)]
        cost = {start: 0}
        came: dict[int, tuple[int, tuple[int, ...]]] = {}
        best, last = -1, -1
        while heap:
            so_far, node = heapq.heappop(heap)
            if so_far > cost[node]:
                continue
            if best >= 0 and so_far >= best:
                break
            state = stacks.states[node]
            if node in known or items.accepts(state):
                total = so_far + (known[node][0] if node in known else 0)
                if best < 0 or total < best:
                    best, last = total, node
                if items.accepts(state) and node not in known:
                    known[node] = (0, ((), -1))
                continue
            for rule, dot in items.kernels[state]:
                left, right = self._rules.rules[rule]
                more = right[dot:]
                after_rule = so_far + sum(map(self.length_of, more))
                for under in stacks.under(node, dot):
                    after = stacks.push(under, left)
                    if after not in cost or after_rule < cost[after]:
                        cost[after] = after_rule
                        came[after] = (node, more)
                        heapq.heappush(heap, (after_rule, after))
        assert last >= 0, "a stack that no text completes"
        node = last
        while node != start:
            before, more = came[node]
            known[before] = (best - cost[before], (more, node))
            node = before

    def length_of(self, symbol: int) -> int:
        """Return how long the shortest word of a symbol is."""
        return self._all_lengths()[symbol]

    def word(self, symbol: int) -> tuple[int, ...]:
        """Return the shortest word of a symbol."""
        known = self._words.get(symbol)
        if known is not None:
            return known
        self._all_lengths()
        found: list[int] = []
        pending = [symbol]
        while pending:
            top = pending.pop()
            if top in self._words:
                found += self._words[top]
            elif top < self._rules.terminals:
                self._words[top] = tuple(self._shortest_of(top))
                found += self._words[top]
            else:
                pending += reversed(self._rules.rules[self._best[top - self._rules.terminals]][1])
        if symbol not in self._words:
            self._words[symbol] = tuple(found)
        return self._words[symbol]

    def _shortest_of(self, terminal: int) -> Iterable[int]:
        """Return the shortest word of a terminal that is not empty."""
        language = self._scanner.languages[terminal]
        start = language.start()
        word: Iterable[int] = language.shortest(start)
        if word:
            return word
        best: tuple[int, ...] | None = None
        for symbol in self._scanner.symbols(terminal):
            after = language.step(start, symbol)
            if after is not None:
                rest = (symbol, *language.shortest(after))
                if best is None or len(rest) < len(best):
                    best = rest
        assert best is not None, "a terminal without words"
        return best

    def _all_lengths(self) -> list[int]:
        if self._lengths is None:
            rules, terminals = self._rules.rules, self._rules.terminals
            count = len(self._rules.names)
            lengths = [-1] * count
            self._best = [-1] * (count - terminals)
            missing = [len(right) for _, right in rules]
            sums = [0] * len(rules)
            waiting: dict[int, list[int]] = {}
            for index, (_, right) in enumerate(rules):
                for symbol in right:
                    waiting.setdefault(symbol, []).append(index)
            heap: list[tuple[int, int, int]] = []
            for terminal in range(terminals):
                self._words[terminal] = tuple(self._shortest_of(terminal))
                heapq.heappush(heap, (len(self._words[terminal]), terminal, -1))
            while heap:
                length, symbol, rule = heapq.heappop(heap)
                if lengths[symbol] >= 0:
                    continue
                lengths[symbol] = length
                if symbol >= terminals:
                    self._best[symbol - terminals] = rule
                for index in waiting.get(symbol, ()):
                    missing[index] -= 1
                    sums[index] += length
                    if missing[index] == 0:
                        heapq.heappush(heap, (sums[index], rules[index][0], index))
            self._lengths = lengths
        return self._lengths
