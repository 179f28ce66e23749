"""`Meet`: the language of the words that two languages share, of which one is regular.

The *filter* is the language with finitely many configurations. A *pair* is a configuration of the other
language with one of the filter. For the words `(((...)))` of some rules and the filter `.{0,4}`, the text
`((` leads to the pair of the parser's stack and the state after two characters. A *rest* is the sequence of
symbols that completes a word. A pair is *live* if it has a rest in both languages. Pairs that are not live
are left out, so there are no dead ends. For context-free rules `shortest_rests` decides whether a pair is
live; for other languages, a search for the shortest common rest does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from structgen.base.errors import GrammarError
from structgen.base.language.best_first import OpenStates
from structgen.base.language.expectation import Expected
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.context_free.context_free_language import ContextFree
from structgen.grammars.text_grammars.context_free.shortest_rests import GOES_ON, Rests, undecided_error
from structgen.grammars.text_grammars.machine.language import TOKEN, Config, Language
from structgen.grammars.text_grammars.machine.scanning import common_classes

Pair: TypeAlias = "tuple[Config, Config]"
"""A configuration of the language, and one of the filter."""
_TRIED_RESTS = 16
"""The number of rests of other pairs that are tried before a search, the latest first."""
_LONG = 64
"""If a rest has more symbols than this, its first symbol is tried alone: most long rests of other pairs fail
there."""
_PATIENCE = 2
"""A step of a search is counted once more for each 2 symbols by which the length exceeds its first
estimate."""


class Meet(Language):
    """The words that a language and the filter have in common. They have no special tokens.

    With `restarts`, words may have special tokens. Then each run of bytes between special tokens must be a
    word of the filter. Raises `GrammarError` if there is no word, and `LimitError` (oracle_steps) if the
    allowed steps do not decide whether a text can be completed.
    """

    def __init__(
        self,
        of: Language,
        filter_: Language,
        limits: Limits,
        *,
        restarts: bool = False,
        haste: int = 1,
    ) -> None:
        """`of`: the language; `filter_`: the filter; `restarts`: see the class.

        `haste`: the weight of the symbols that a word still needs, relative to those read (weighted A*).
        Above 1 a search finds a short rest, perhaps not the shortest, and is allowed fewer steps, by this
        factor.
        """
        self.of = of
        self.filter = filter_
        self.locks = of.locks
        self._restarts = restarts
        if restarts:
            self.specials = of.specials
        self.classes = common_classes((of.classes, self.filter.classes))
        self.counts_tokens = of.counts_tokens or filter_.counts_tokens
        self.has_stack = of.has_stack
        self._class_symbols = self.symbols()
        """One symbol of each class, and the special tokens: the edges of a search."""
        self._limits = limits
        self._max_steps = limits.oracle_steps // haste
        self._haste = haste
        self._rests: dict[Pair, tuple[int, ...] | None] = {}
        """The rest of each pair that was asked; None: it has none."""
        self._tried_rests: dict[tuple[int, ...], None] = {}
        """Rests of other pairs, the last used one at the end."""
        self._by_rules: Rests | None = None
        # the search over rules knows no restarts at special tokens
        if isinstance(of, ContextFree) and not self.specials:
            self._by_rules = Rests(of.rules, of.scanner, of.stacks, limits, filter_)
        if self._shortest_rest((of.start(), filter_.start())) is None:
            raise GrammarError(
                "No text of the grammar is one that the regular expression takes.",
                where="grammar",
                cure="Ask for less, or for something that can be.",
            )

    def start(self) -> Config:
        return self.of.start(), self.filter.start()

    def step(self, config: Config, symbol: int) -> Config | None:
        after = self._pair_after(config, symbol)
        if after is None:
            return None
        rest = self._rests.get(config) if self._haste > 1 else None
        if rest and rest[0] == symbol and after not in self._rests:
            # nothing is searched along a rest that is known
            self._rests[after] = () if self.accepts(after) else rest[1:]
        return after if self.is_live(after) else None

    def _pair_after(self, pair: Pair, symbol: int) -> Pair | None:
        """Return the pair after a symbol, which need not have a common word; None where one ends here."""
        text_config, filter_config = pair
        filter_after = self._filter_after(filter_config, symbol)  # mostly the faster one
        if filter_after is None:
            return None
        text_after = self.of.step(text_config, symbol)
        return None if text_after is None else (text_after, filter_after)

    def _filter_after(self, filter_config: Config, symbol: int) -> Config | None:
        """Return the filter's configuration after a symbol. With restarts, a special token ends a word of the
        filter and begins the next one."""
        if symbol >= TOKEN and self._restarts:
            return self.filter.start() if self.filter.accepts(filter_config) else None
        return self.filter.step(filter_config, symbol)

    def height(self, config: Config) -> int:
        text_config, _ = config
        return self.of.height(text_config)

    def accepts(self, config: Config) -> bool:
        text_config, filter_config = config
        return self.of.accepts(text_config) and self.filter.accepts(filter_config)

    def shortest_rest(self, config: Config) -> Sequence[int]:
        rest = self._shortest_rest(config)
        assert rest is not None
        return rest

    def expected_items(self, config: Config) -> list[Expected]:
        text_config, _ = config
        next_bytes = self.first_bytes(config)
        # the items of the language, without the bytes that the filter refuses
        items: list[Expected] = []
        for item in self.of.expected_items(text_config):
            allowed = bytes(byte for byte in item.first if byte in next_bytes)
            if allowed:
                items.append(Expected(item.what, item.sources, allowed))
        return items

    def after_token_end(self, config: Config) -> Config | None:
        text_config, filter_config = config
        text_after = self.of.after_token_end(text_config)
        filter_after = self.filter.after_token_end(filter_config)
        if text_after is None or filter_after is None:
            return None
        pair = text_after, filter_after
        return pair if self.is_live(pair) else None

    @property
    def sizes(self) -> dict[str, int]:
        sizes = dict(self.of.sizes)
        for name, size in self.filter.sizes.items():
            sizes[name] = sizes.get(name, 0) + size
        return sizes

    @remember_answers
    def is_live(self, pair: Pair) -> bool:
        """Return whether some word goes on from a pair."""
        if self._by_rules is None and pair not in self._rests:
            # what completes other pairs mostly completes this one
            if any(self._completes_pair(pair, rest) for rest in reversed(self._tried_rests)):
                return True
        rest = self._shortest_rest(pair)
        if rest:
            # taken out and put in again, so that it stands last; the first one goes
            self._tried_rests.pop(rest, None)
            self._tried_rests[rest] = None
            if len(self._tried_rests) > _TRIED_RESTS:
                oldest = next(iter(self._tried_rests))
                del self._tried_rests[oldest]
        return rest is not None

    def _completes_pair(self, pair: Pair, rest: Sequence[int]) -> bool:
        """Return whether a rest completes a pair."""
        text_config, filter_config = pair
        if len(rest) > _LONG and self.of.step(text_config, rest[0]) is None:
            return False
        state: Config | None = filter_config
        for symbol in rest:
            if state is None:
                return False
            state = self._filter_after(state, symbol)
        if state is None or not self.filter.accepts(state):
            return False
        return self._completes_text(text_config, rest)

    def _completes_text(self, text_config: Config, rest: Sequence[int]) -> bool:
        """Return whether a rest completes a text of `of`."""
        after = self.of.config_after(text_config, rest)
        return after is not None and self.of.accepts(after)

    def _shortest_rest(self, pair: Pair) -> tuple[int, ...] | None:
        """Return the shortest rest of a pair, or None where it has none."""
        if pair in self._rests:
            return self._rests[pair]
        if self._by_rules is not None:
            text_config, filter_config = pair
            self._rests[pair] = self._by_rules.shortest(text_config, filter_config)
        elif not self._goes_as_shortest(pair):
            self._search_rest(pair)
        return self._rests[pair]

    def _goes_as_shortest(self, pair: Pair) -> bool:
        """Return whether the filter takes the shortest rest that the language has, and note it if so."""
        text_config, filter_config = pair
        rest = tuple(self.of.shortest_rest(text_config))
        THIS_CALL.spend_steps(len(rest) // _LONG, self._limits, GOES_ON)
        for symbol in rest:
            filter_config = self._filter_after(filter_config, symbol)
            if filter_config is None:
                return False
        if not self.filter.accepts(filter_config):
            return False
        self._rests[pair] = rest
        return True

    def _search_rest(self, start: Pair) -> None:
        """Find the shortest common word from a pair by A*; the longer of the two shortest rests is the lower
        bound."""
        pairs = OpenStates[Pair, tuple[int, int], int]()
        """The costs are (estimate of the whole length, minus the length so far): of equal estimates the
        longest way is the nearest to an end."""
        first_estimate = self._lower_bound(start)
        pairs.open_state(start, (self._haste * first_estimate, 0))
        steps = 0
        for pair, (_, minus_length) in pairs:
            known_rest = self._rests.get(pair)
            if known_rest is not None or self.accepts(pair):
                rest = known_rest or ()
                self._rests[pair] = rest
                for previous, symbol in pairs.path_back(pair):
                    rest = (symbol, *rest)
                    self._rests[previous] = rest
                return
            # far beyond the estimate there may be no word at all, and configurations grow with the text
            length = -minus_length
            steps += 1 + max(0, length - first_estimate) // _PATIENCE
            if steps > self._max_steps:
                raise undecided_error(self._max_steps)
            THIS_CALL.spend_steps(1 + len(self._class_symbols) // 8, self._limits, GOES_ON)
            length_after = length + 1
            for symbol in self._class_symbols:
                after = self._pair_after(pair, symbol)
                if after is None:
                    continue
                if after in self._rests and self._rests[after] is None:  # known to have no word
                    continue
                if after not in pairs.costs or length_after < -pairs.costs[after][1]:
                    steps += self._haste > 1
                    THIS_CALL.spend_steps(3, self._limits, GOES_ON)
                    estimate = length_after + self._haste * self._lower_bound(after)
                    pairs.open_state(after, (estimate, -length_after), (pair, symbol))
        # all pairs that can be reached were seen, and none is a word: none of them has a rest
        self._rests |= dict.fromkeys(pairs.costs)

    def _lower_bound(self, pair: Pair) -> int:
        """Return a lower bound of the length of a pair's rests."""
        known_rest = self._rests.get(pair)
        if known_rest is not None:
            return len(known_rest)
        text_config, filter_config = pair
        text_rest = self.of.shortest_rest(text_config)
        filter_length = len(self.filter.shortest_rest(filter_config))
        # a rest with special tokens may be cut into several words of the filter, and is no bound
        if any(symbol >= TOKEN for symbol in text_rest):
            return filter_length
        return max(len(text_rest), filter_length)
