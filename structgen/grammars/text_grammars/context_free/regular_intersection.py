"""`Meet`: the intersection of a language with a regular one.

A configuration is a pair of theirs. Pairs without a word are left out:
for context-free rules `shortest_rests` decides, for other languages a search for the shortest common word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from structgen.base.errors import GrammarError
from structgen.base.language.best_first import OpenStates
from structgen.base.language.expectation import Expected
from structgen.base.language.remembering import remembered
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.context_free.context_free_language import ContextFree
from structgen.grammars.text_grammars.context_free.shortest_rests import GOES_ON, Rests, undecided
from structgen.grammars.text_grammars.machine.language import TOKEN, Config, Language
from structgen.grammars.text_grammars.machine.scanning import common_classes

Pair: TypeAlias = "tuple[Config, Config]"
_TRIED = 16
"""Rests of other pairs that are tried first, the last ones before the others."""
_LONG = 64
"""Of a rest of more symbols the first is tried by itself: most long rests of other pairs fail there."""
_PATIENCE = 2
"""A step of a search counts one more for each so many symbols beyond the first estimate of the length."""


class Meet(Language):
    """The words of `of` that are words of `filter_` too, which has finitely many configurations; words with
    special tokens are not among them. With `restarts` each run of bytes between special tokens must be a word
    of `filter_` instead.

    Raises `GrammarError` where there is no such word, `LimitError` (oracle_steps) where so many steps do not
    decide whether a text can be completed.
    """

    def __init__(
        self, of: Language, filter_: Language, limits: Limits, *, restarts: bool = False, haste: int = 1
    ) -> None:
        """`haste`: so many times as much counts what a word still needs as what was read of it (weighted A*).
        Past 1 some short word is found in place of the shortest, and a search takes so many times fewer
        steps."""
        self.of, self.filter, self.locks = of, filter_, of.locks
        self._restarts = restarts
        if restarts:
            self.specials = of.specials
        self.classes = common_classes((of.classes, self.filter.classes))
        self.counts_tokens, self.has_stack = of.counts_tokens or filter_.counts_tokens, of.has_stack
        self._some = self.symbols()
        self._limits = limits
        self._most, self._haste = limits.oracle_steps // haste, haste
        self._rests: dict[Pair, tuple[int, ...] | None] = {}
        self._tried: dict[tuple[int, ...], None] = {}
        self._by_rules: Rests | None = None
        if isinstance(of, ContextFree) and not self.specials:
            self._by_rules = Rests(of.rules, of.scanner, of.stacks, limits, filter_)
        if self._rest((of.start(), filter_.start())) is None:
            raise GrammarError(
                "No text of the grammar is one that the regular expression takes.",
                where="grammar",
                cure="Ask for less, or for something that can be.",
            )

    def start(self) -> Config:
        return self.of.start(), self.filter.start()

    def step(self, config: Config, symbol: int) -> Config | None:
        after = self._after(config, symbol)
        rest = self._rests.get(config) if self._haste > 1 else None
        if after is not None and rest and rest[0] == symbol and after not in self._rests:
            # nothing is searched along a rest that is known
            self._rests[after] = () if self.accepts(after) else rest[1:]
        return after if after is not None and self.lives(after) else None

    def _after(self, pair: Pair, symbol: int) -> Pair | None:
        right = self._filtered(pair[1], symbol)
        if right is None:
            return None
        left = self.of.step(pair[0], symbol)
        return None if left is None else (left, right)

    def _filtered(self, right: Config, symbol: int) -> Config | None:
        if symbol >= TOKEN and self._restarts:
            return self.filter.start() if self.filter.accepts(right) else None
        return self.filter.step(right, symbol)

    def height(self, config: Config) -> int:
        return self.of.height(config[0])

    def accepts(self, config: Config) -> bool:
        left, right = config
        return self.of.accepts(left) and self.filter.accepts(right)

    def shortest(self, config: Config) -> Sequence[int]:
        rest = self._rest(config)
        assert rest is not None
        return rest

    def expected(self, config: Config) -> list[Expected]:
        allowed = self.first_bytes(config)
        told = []
        for following in self.of.expected(config[0]):
            left = bytes(byte for byte in following.first if byte in allowed)
            if left:
                told.append(Expected(following.what, following.sources, left))
        return told

    def boundary(self, config: Config) -> Config | None:
        left, right = config
        after, begun = self.of.boundary(left), self.filter.boundary(right)
        return None if after is None or begun is None or not self.lives((after, begun)) else (after, begun)

    @property
    def sizes(self) -> dict[str, int]:
        sizes = dict(self.of.sizes)
        for name, size in self.filter.sizes.items():
            sizes[name] = sizes.get(name, 0) + size
        return sizes

    @remembered
    def lives(self, pair: Pair) -> bool:
        """Return whether some word goes on from a pair."""
        if self._by_rules is None and pair not in self._rests:
            # what completes other pairs mostly completes this one
            if any(self._goes(pair, rest) for rest in reversed(self._tried)):
                return True
        rest = self._rest(pair)
        if rest:
            self._tried.pop(rest, None)
            self._tried[rest] = None
            if len(self._tried) > _TRIED:
                del self._tried[next(iter(self._tried))]
        return rest is not None

    def _goes(self, pair: Pair, rest: Sequence[int]) -> bool:
        """Return whether a rest completes a pair."""
        if len(rest) > _LONG and self.of.step(pair[0], rest[0]) is None:
            return False
        right: Config | None = pair[1]
        for symbol in rest:
            right = None if right is None else self._filtered(right, symbol)
        return right is not None and self.filter.accepts(right) and self._takes(pair[0], rest)

    def _takes(self, left: Config, rest: Sequence[int]) -> bool:
        """Return whether a rest completes a text of `of`."""
        after = self.of.through(left, rest)
        return after is not None and self.of.accepts(after)

    def _rest(self, pair: Pair) -> tuple[int, ...] | None:
        """Return the shortest rest of a pair, or None where it has none."""
        if pair in self._rests:
            return self._rests[pair]
        if self._by_rules is not None:
            self._rests[pair] = self._by_rules.shortest(pair[0], pair[1])
        elif not self._goes_as_shortest(pair):
            self._search(pair)
        return self._rests[pair]

    def _goes_as_shortest(self, pair: Pair) -> bool:
        """Return whether the filter takes the shortest rest that the language has, and note it if so."""
        rest, right = tuple(self.of.shortest(pair[0])), pair[1]
        THIS_CALL.spend(len(rest) // _LONG, self._limits, GOES_ON)
        for symbol in rest:
            right = self._filtered(right, symbol)
            if right is None:
                return False
        if is_taken := self.filter.accepts(right):
            self._rests[pair] = rest
        return is_taken

    def _search(self, start: Pair) -> None:
        """Find the shortest common word from a pair by A*; the longer of the two shortest rests is the lower
        bound."""
        pairs = OpenStates[Pair, tuple[int, int], int]()
        foreseen = self._least(start)
        pairs.put(start, (self._haste * foreseen, 0))
        steps = 0
        for pair, (_, minus) in pairs:
            known = self._rests.get(pair)
            if known is not None or self.accepts(pair):
                rest = self._rests[pair] = known or ()
                for before, symbol in pairs.way(pair):
                    rest = self._rests[before] = (symbol, *rest)
                return
            # far beyond the estimate there may be no word at all, and configurations grow with the text
            length = -minus
            steps += 1 + max(0, length - foreseen) // _PATIENCE
            if steps > self._most:
                raise undecided(self._most)
            THIS_CALL.spend(1 + len(self._some) // 8, self._limits, GOES_ON)
            for symbol in self._some:
                after = self._after(pair, symbol)
                if after is None or (after in self._rests and self._rests[after] is None):
                    continue
                if after not in pairs.costs or length + 1 < -pairs.costs[after][1]:
                    steps += self._haste > 1
                    THIS_CALL.spend(3, self._limits, GOES_ON)
                    whole = length + 1 + self._haste * self._least(after)
                    pairs.put(after, (whole, -length - 1), (pair, symbol))
        self._rests |= dict.fromkeys(pairs.costs)

    def _least(self, pair: Pair) -> int:
        """Return a lower bound of the length of a pair's rests."""
        known = self._rests.get(pair)
        if known is not None:
            return len(known)
        left = self.of.shortest(pair[0])
        if any(symbol >= TOKEN for symbol in left):
            return len(self.filter.shortest(pair[1]))
        return max(len(left), len(self.filter.shortest(pair[1])))
