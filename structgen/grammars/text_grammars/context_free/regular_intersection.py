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
from structgen.base.language.expectation import Expected
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.context_free.context_free_language import ContextFree
from structgen.grammars.text_grammars.context_free.searched_rests import LONG, SearchedRests
from structgen.grammars.text_grammars.context_free.shortest_rests import GOES_ON, Rests
from structgen.grammars.text_grammars.machine.language import TOKEN, Config, Language
from structgen.grammars.text_grammars.machine.scanning import common_classes

Pair: TypeAlias = "tuple[Config, Config]"
"""A configuration of the language, and one of the filter."""


class Meet(SearchedRests):
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

        `haste`: as in `prepare_search`.
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
        self.prepare_search(limits, haste)
        self._by_rules: Rests | None = None
        # the search over rules knows no restarts at special tokens, and no greedy lexer
        if type(of) is ContextFree and not self.specials:
            self._by_rules = Rests(of.rules, of.scanner, of.stacks, limits, filter_)
        if self._shortest_rest((of.start(), filter_.start())) is None:
            raise GrammarError(
                "No text of the grammar matches the regular expression.",
                where="grammar",
                cure="Relax one of them.",
            )

    def start(self) -> Config:
        return self.of.start(), self.filter.start()

    def _config_after(self, config: Pair, symbol: int) -> Pair | None:
        """Return the pair after a symbol, which need not have a common word; None where one ends here."""
        text_config, filter_config = config
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

    def possible_items(self, config: Config) -> list[Expected]:
        text_config, _ = config
        return self.of.expected_items(text_config)

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

    def _is_completed(self, config: Pair, rest: Sequence[int]) -> bool:
        text_config, filter_config = config
        if self._by_rules is not None:  # the rules find a rest faster
            return False
        if len(rest) > LONG and self.of.step(text_config, rest[0]) is None:
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

    def _find_plain_rest(self, config: Pair) -> bool:
        text_config, filter_config = config
        if self._by_rules is not None:
            self._rests[config] = self._by_rules.shortest(text_config, filter_config)
            return True
        rest = tuple(self.of.shortest_rest(text_config))
        THIS_CALL.spend_steps(len(rest) // LONG, self._limits, GOES_ON)
        for symbol in rest:
            filter_config = self._filter_after(filter_config, symbol)
            if filter_config is None:
                return False
        if not self.filter.accepts(filter_config):
            return False
        self._rests[config] = rest
        return True

    def _bound_length(self, config: Pair) -> int:
        known_rest = self._rests.get(config)
        if known_rest is not None:
            return len(known_rest)
        text_config, filter_config = config
        text_rest = self.of.shortest_rest(text_config)
        filter_length = len(self.filter.shortest_rest(filter_config))
        # a rest with special tokens may be cut into several words of the filter, and is no bound
        if any(symbol >= TOKEN for symbol in text_rest):
            return filter_length
        return max(len(text_rest), filter_length)
