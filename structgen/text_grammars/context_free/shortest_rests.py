"""`Rests`: shortest completions of context-free configurations, by Dijkstra's and Knuth's algorithms.

Of equally short rests the lexicographically smallest is taken. A rest is therefore a function of the
configuration alone, and does not depend on the order in which stacks were numbered.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeAlias

from structgen.text_grammars.context_free.parser_stacks import Stacks
from structgen.text_grammars.context_free.rules import Rules
from structgen.text_grammars.machine.scanning import Scanner

Way: TypeAlias = "tuple[tuple[int, ...], int]"
"""The beginning of a rest: its first grammar symbols, and the stack after them (-1: the end of the text)."""


class _Path:
    """A path from the start of a search, and the grammar symbols that it writes; ordered by the length of its
    word, then by the word."""

    __slots__ = ("_before", "_rests", "_symbols", "length")

    def __init__(self, rests: Rests, before: _Path | None = None, symbols: tuple[int, ...] = ()) -> None:
        """`symbols`: at least one, unless this is the start."""
        self._rests, self._before, self._symbols = rests, before, symbols
        self.length: int = sum(map(rests.length_of, symbols)) + (0 if before is None else before.length)

    def __lt__(self, other: _Path) -> bool:
        if self.length != other.length:
            return self.length < other.length
        # only the parts behind the last common node of both paths are compared
        one: _Path | None = self
        two: _Path | None = other
        left: list[tuple[int, ...]] = []
        right: list[tuple[int, ...]] = []
        while one is not two:
            assert one is not None and two is not None, "ways of one search begin alike"
            if one.length >= two.length:
                left.append(one._symbols)
                one = one._before
            else:
                right.append(two._symbols)
                two = two._before
        return _is_smaller(self._spelled(left), self._spelled(right))

    def after(self, symbols: tuple[int, ...]) -> _Path:
        """Return this path continued by some symbols."""
        return _Path(self._rests, self, symbols) if symbols else self

    def word(self) -> Iterator[int]:
        """Yield the word."""
        parts: list[tuple[int, ...]] = []
        path: _Path | None = self
        while path is not None:
            parts.append(path._symbols)
            path = path._before
        return self._spelled(parts)

    def _spelled(self, parts: list[tuple[int, ...]]) -> Iterator[int]:
        """Yield the words of symbols, of which the last part comes first."""
        for symbol in chain.from_iterable(reversed(parts)):
            yield from self._rests.word(symbol)


class _Word:
    """A word of grammar symbols whose own words are known; ordered by length, then by the word."""

    __slots__ = ("_rests", "_symbols", "length")

    def __init__(self, rests: Rests, symbols: tuple[int, ...], length: int) -> None:
        self._rests, self._symbols, self.length = rests, symbols, length

    def __lt__(self, other: _Word) -> bool:
        if self.length != other.length:
            return self.length < other.length
        if self._symbols == other._symbols:
            return False
        return _is_smaller(self._spelled(), other._spelled())

    def _spelled(self) -> Iterator[int]:
        for symbol in self._symbols:
            yield from self._rests.spell(symbol)


def _is_smaller(one: Iterable[int], other: Iterable[int]) -> bool:
    """Return whether a word comes before another of the same length."""
    return next((a < b for a, b in zip(one, other, strict=True) if a != b), False)


class Rests:
    """The shortest words of symbols and the shortest rests of stacks of one grammar, each computed once.

    Cost: all words with the first; for a stack, a search that ends at stacks whose rests are known.
    """

    def __init__(self, rules: Rules, scanner: Scanner, stacks: Stacks) -> None:
        self._rules, self._scanner, self._stacks = rules, scanner, stacks
        self._lengths: list[int] | None = None
        self._best: list[int] = []
        """For each nonterminal (the first is 0) the rule of its shortest word."""
        self._words: dict[int, tuple[int, ...]] = {}
        self._known: dict[int, tuple[int, Way]] = {}
        """Stack -> the length of its shortest rest, and its beginning."""

    def shortest(self, tops: Sequence[tuple[int, int]]) -> list[int]:
        """Return the shortest rest of stacks with bundles, of several the smallest."""
        best: tuple[int, tuple[int, ...], int] | None = None
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
                if best is not None and length == best[0]:
                    known = chain(best[1], self._symbols(best[2]))
                    if not _is_smaller(chain(rest, self._symbols(after)), known):
                        continue
                if best is None or length <= best[0]:
                    best = length, rest, after
        assert best is not None, "a configuration that no text completes"
        return [*best[1], *self.rest(best[2])]

    def length(self, node: int) -> int:
        """Return how long the shortest rest of a stack is."""
        if node not in self._known:
            self._search(node)
        return self._known[node][0]

    def rest(self, node: int) -> list[int]:
        """Return the shortest rest of a stack, of several the smallest."""
        return list(self._symbols(node))

    def _symbols(self, node: int) -> Iterator[int]:
        while node >= 0:
            self.length(node)
            symbols, node = self._known[node][1]
            for symbol in symbols:
                yield from self.word(symbol)

    def _search(self, start: int) -> None:
        """Find the rest of a stack and of the stacks on its path, comparing all shortest paths."""
        stacks, items = self._stacks, self._stacks.items
        known = self._known
        begun = _Path(self)
        paths = {start: begun}
        heap: list[tuple[_Path, int]] = [(begun, start)]
        came: dict[int, tuple[int, tuple[int, ...]]] = {}
        best, last = -1, -1
        while heap:
            path, node = heapq.heappop(heap)
            if path is not paths[node]:
                continue
            if 0 <= best < path.length:
                break
            state = stacks.states[node]
            if node in known or items.accepts(state):
                if node not in known:
                    known[node] = (0, ((), -1))
                total = path.length + known[node][0]
                if total == best:
                    least = chain(paths[last].word(), self._symbols(last))
                    if not _is_smaller(chain(path.word(), self._symbols(node)), least):
                        continue
                if best < 0 or total <= best:
                    best, last = total, node
                continue
            for rule, dot in items.kernels[state]:
                left, right = self._rules.rules[rule]
                more = right[dot:]
                further = path.after(more)
                for under in stacks.under(node, dot):
                    after = stacks.push(under, left)
                    if after not in paths or further < paths[after]:
                        paths[after] = further
                        came[after] = (node, more)
                        heapq.heappush(heap, (further, after))
        assert last >= 0, "a stack that no text completes"
        node = last
        while node != start:
            before, more = came[node]
            known[before] = (best - paths[before].length, (more, node))
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
        return self.spell(symbol)

    def spell(self, symbol: int) -> tuple[int, ...]:
        """Return the shortest word of a symbol whose rule is known, and those of the symbols in it."""
        found: list[int] = []
        pending = [symbol]
        while pending:
            top = pending.pop()
            if top in self._words:
                found += self._words[top]
            elif top < self._rules.terminals:
                found += self._word_of(top)
            else:
                pending += reversed(self._rules.rules[self._best[top - self._rules.terminals]][1])
        if symbol not in self._words:
            self._words[symbol] = tuple(found)
        return self._words[symbol]

    def _word_of(self, terminal: int) -> tuple[int, ...]:
        """Return the shortest word of a terminal that is not empty, of several the smallest."""
        if terminal not in self._words:
            self._words[terminal] = tuple(self._shortest_of(terminal))
        return self._words[terminal]

    def _shortest_of(self, terminal: int) -> Iterable[int]:
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
                if best is None or (len(rest), rest) < (len(best), best):
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
            heap: list[tuple[_Word, int, int]] = []
            for terminal in range(terminals):
                word = _Word(self, (terminal,), len(self._word_of(terminal)))
                heapq.heappush(heap, (word, terminal, -1))
            while heap:
                word, symbol, rule = heapq.heappop(heap)
                if lengths[symbol] >= 0:
                    continue
                lengths[symbol] = word.length
                if symbol >= terminals:
                    self._best[symbol - terminals] = rule
                for index in waiting.get(symbol, ()):
                    missing[index] -= 1
                    sums[index] += word.length
                    if missing[index] == 0:
                        left, right = rules[index]
                        heapq.heappush(heap, (_Word(self, right, sums[index]), left, index))
            self._lengths = lengths
        return self._lengths
