"""`Products`: the intersection of context-free rules with an automaton: is it empty, and its shortest word?

The *reach* of a symbol in a state of the automaton is the states to which the symbol's words lead, each with
the shortest such word. It is a least fixed point, computed on demand (context-free reachability; the product
is that of Bar-Hillel, Perles and Shamir). The rest of a stack is then a search over pairs of stacks and
states.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Final, TypeAlias, cast

from structgen.errors import LimitError
from structgen.limits import Limits
from structgen.system.public_calls import THIS_CALL
from structgen.text_grammars.context_free.context_free_language import ContextFree, Tops
from structgen.text_grammars.machine.language import TOKEN, Config, Language

GOES_ON: Final = "Whether a text goes on"
Word: TypeAlias = "tuple[int, ...]"
Reach: TypeAlias = "dict[Config, Word]"
"""State of the automaton -> the shortest word that leads there."""
_Item: TypeAlias = "tuple[int, int, Config, Config]"
"""A rule, the position of its dot, the automaton's state before the rule, the state at the dot."""


class Products:
    """The words of one grammar in one automaton."""

    def __init__(self, grammar: ContextFree, filter_: Language, limits: Limits) -> None:
        self._grammar, self._filter, self._most = grammar, filter_, limits.oracle_steps
        self._limits = limits
        self._steps = 0
        self._reach: dict[tuple[int, Config], Reach] = {}
        self._read: dict[tuple[int, Config, Config], Reach] = {}
        self._items: dict[_Item, Word] = {}
        self._waiting: dict[tuple[int, Config], list[_Item]] = {}
        self._todo: deque[tuple[int, Config, Config]] = deque()
        self._rules: dict[int, list[int]] = {}
        self._rests: dict[tuple[int, Config], Word | None] = {}
        for index, (left, _) in enumerate(grammar.rules.rules):
            self._rules.setdefault(left, []).append(index)

    def rest(self, config: Config, state: Config) -> Word | None:
        """Return the shortest rest that the grammar and the automaton both accept, or None."""
        self._steps = 0
        complete, tops = cast(Tops, config)
        if complete and self._filter.accepts(state):
            return ()
        best: Word | None = None
        grammar = self._grammar
        for node, bundle in tops:
            for terminal, at in grammar.scanner.bundles[bundle]:
                for after, word in self._terminal(terminal, at, state).items():
                    if best is not None and len(word) >= len(best):
                        continue
                    more = self._stack(grammar.stacks.push(node, terminal), after)
                    if more is not None and (best is None or len(word) + len(more) < len(best)):
                        best = word + more
        return best

    def _count(self) -> None:
        self._steps += 1
        THIS_CALL.spend(1, self._limits, GOES_ON)
        if self._steps > self._most:
            raise LimitError(
                f"Whether a text goes on cannot be told within {self._most} steps.", limit="oracle_steps"
            )

    def _stack(self, node: int, state: Config) -> Word | None:
        """Return the shortest rest of a stack from a state, or None."""
        start = (node, state)
        if start in self._rests:
            return self._rests[start]
        stacks, items = self._grammar.stacks, self._grammar.items
        words: dict[tuple[int, Config], Word] = {start: ()}
        came: dict[tuple[int, Config], tuple[int, Config]] = {}
        heap: list[tuple[int, int, tuple[int, Config]]] = [(0, 0, start)]
        met = 0
        ends: list[tuple[Word, tuple[int, Config]]] = []
        while heap:
            so_far, _, place = heapq.heappop(heap)
            word = words[place]
            if so_far > len(word):
                continue
            if ends and so_far >= len(ends[0][0]):
                break
            known = self._rests.get(place)
            top, at = place
            if known is not None or (items.accepts(stacks.states[top]) and self._filter.accepts(at)):
                whole = word + (known or ())
                if not ends or len(whole) < len(ends[0][0]):
                    ends = [(whole, place)]
                continue
            self._count()
            targets = 0
            for rule, dot in items.kernels[stacks.states[top]]:
                if rule < 0:
                    continue
                left, right = self._grammar.rules.rules[rule]
                for after, more in self._symbols(right[dot:], at).items():
                    for under in stacks.under(top, dot):
                        target = (stacks.push(under, left), after)
                        targets += 1
                        if self._rests.get(target, ()) is None:
                            continue
                        if target not in words or len(word) + len(more) < len(words[target]):
                            words[target] = word + more
                            came[target] = place
                            met += 1
                            heapq.heappush(heap, (len(word) + len(more), met, target))
            THIS_CALL.spend(targets // 2, self._limits, GOES_ON)
        if not ends:
            for place in words:
                self._rests[place] = None
            return None
        whole, place = ends[0]
        while True:
            self._rests[place] = whole[len(words[place]) :]
            if place == start:
                return whole
            place = came[place]

    def _symbols(self, symbols: tuple[int, ...], state: Config) -> Reach:
        """Return the reach of symbols one after another."""
        found: Reach = {state: ()}
        for symbol in symbols:
            further: Reach = {}
            for at, word in found.items():
                for after, more in self.reach(symbol, at).items():
                    if after not in further or len(word) + len(more) < len(further[after]):
                        further[after] = word + more
            found = further
        return found

    def reach(self, symbol: int, state: Config) -> Reach:
        """Return the states that a symbol's words lead to."""
        if symbol < self._grammar.rules.terminals:
            language = self._grammar.scanner.languages[symbol]
            return self._terminal(symbol, language.start(), state)
        key = (symbol, state)
        if key not in self._reach:
            self._open(key)
            self._settle()
        return self._reach[key]

    def _open(self, key: tuple[int, Config]) -> None:
        if key in self._reach:
            return
        pending = [key]
        self._reach[key] = {}
        while pending:
            symbol, state = pending.pop()
            for rule in self._rules[symbol]:
                self._add((rule, 0, state, state), (), pending)

    def _add(self, item: _Item, word: Word, pending: list[tuple[int, Config]]) -> None:
        """Add an item with its word, if it is new or the word is shorter, and the items that follow from
        it."""
        ahead = [(item, word)]
        while ahead:
            item, word = ahead.pop()
            known = self._items.get(item)
            if known is not None and len(known) <= len(word):
                continue
            self._count()
            self._items[item] = word
            rule, dot, before, now = item
            left, right = self._grammar.rules.rules[rule]
            if dot == len(right):
                reach = self._reach[left, before]
                if now not in reach or len(word) < len(reach[now]):
                    reach[now] = word
                    self._todo.append((left, before, now))
                continue
            symbol = right[dot]
            if symbol < self._grammar.rules.terminals:
                found = self.reach(symbol, now)
            else:
                key = (symbol, now)
                if key not in self._reach:
                    self._reach[key] = {}
                    pending.append(key)
                if known is None:
                    self._waiting.setdefault(key, []).append(item)
                found = self._reach[key]
            ahead += [((rule, dot + 1, before, after), word + more) for after, more in list(found.items())]

    def _settle(self) -> None:
        """Propagate new states of each reach to the items that wait for it, until nothing changes."""
        while self._todo:
            symbol, before, now = self._todo.popleft()
            more = self._reach[symbol, before][now]
            pending: list[tuple[int, Config]] = []
            for item in list(self._waiting.get((symbol, before), ())):
                rule, dot, start, _ = item
                self._add((rule, dot + 1, start, now), self._items[item] + more, pending)
            while pending:
                key = pending.pop()
                for rule in self._rules[key[0]]:
                    self._add((rule, 0, key[1], key[1]), (), pending)

    def _terminal(self, terminal: int, at: Config, state: Config) -> Reach:
        """Return the states to which the non-empty rests of a terminal lead."""
        key = (terminal, at, state)
        known = self._read.get(key)
        if known is not None:
            return known
        language = self._grammar.scanner.languages[terminal]
        symbols = [symbol for symbol in self._grammar.scanner.symbols(terminal) if symbol < TOKEN]
        symbols = _finer(symbols, self._grammar.classes, self._filter.classes)
        found: Reach = {}
        words: dict[tuple[Config, Config], Word] = {(at, state): ()}
        queue = deque(words)
        while queue:
            place = queue.popleft()
            word = words[place]
            self._count()
            THIS_CALL.spend(len(symbols) // 4, self._limits, GOES_ON)
            for symbol in symbols:
                right = self._filter.step(place[1], symbol)
                left = None if right is None else language.step(place[0], symbol)
                if left is None or right is None:
                    continue
                longer = (*word, symbol)
                if language.accepts(left):
                    found.setdefault(right, longer)
                if (left, right) not in words:
                    words[left, right] = longer
                    queue.append((left, right))
        self._read[key] = found
        return found


def _finer(symbols: list[int], classes: bytes, others: bytes) -> list[int]:
    """Return a byte for each pair of classes of both sides in which `symbols` have a byte."""
    wanted = {classes[symbol] for symbol in symbols}
    found: dict[tuple[int, int], int] = {}
    for byte in range(256):
        if classes[byte] in wanted:
            found.setdefault((classes[byte], others[byte]), byte)
    return list(found.values())
