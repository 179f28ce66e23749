"""Restricts the texts of a compiled grammar to those that a regular language has too.

An example is a Lark grammar with a bound on the length of texts. The *machine* is the compiled grammar. The
*filter* is the regular language. A *pair* is a configuration of the machine and one of the filter. A pair is
*live* if some text completes both. A mask is the machine's mask without the tokens that lead to a pair that
is not live. This is decided once for each pair.
"""

from __future__ import annotations

import numpy as np

from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import TOKEN, Config
from structgen.grammars.text_grammars.regular_language import RegularLanguage
from structgen.grammars.text_grammars.written_language import WrittenMeet, WrittenText
from structgen.machines.core.compiled import CompiledGrammar, Tokens


class FilteredMeet(WrittenMeet):
    """The language of the texts that the machine and the filter have in common. A configuration is a pair."""

    filter: RegularLanguage

    def __init__(self, inner: CompiledGrammar, by: RegularLanguage, limits: Limits) -> None:
        """`inner`: the machine; `by`: the filter."""
        super().__init__(inner, by, limits, restarts=False, haste=1)

    def machine_state(self, config: Config) -> int:
        """Return the state of the machine. It is never -1, since a token may end at every byte."""
        return self.number_of(config[0])


class FilteredText(WrittenText):
    """The texts of a `FilteredMeet`, compiled. Cost of a mask: that of the machine's mask, a step of the
    filter for each byte of its tokens, and some 0.2 ms for each new pair."""

    _language: FilteredMeet

    def _config_after(self, config: Config, token: int) -> Config | None:
        """Return the pair after a token; None where it is not live."""
        language = self._language
        token_bytes = self.tokenizer.token_bytes[token]
        if token_bytes is None:
            return language.step(config, TOKEN + token)
        inner_state = language.inner.next_index(language.machine_state(config), token)
        if inner_state < 0:
            return None
        _, filter_config = config
        filter_after = language.filter.config_after(filter_config, token_bytes)
        if filter_after is None:
            return None
        text_config, _ = language.config_of_state(inner_state)
        pair = text_config, filter_after
        # both go on, but perhaps they have no text in common
        return pair if language.is_live(pair) else None

    def after_ascii(self, index: int) -> Tokens:
        """Return the state after each of the 128 bytes of ASCII; -1 where no text goes on."""
        language = self._language
        text_config, filter_config = self._config_of(index)
        states = np.full(128, -1, np.int64)
        with self.lock, self._begin_call():
            inner_states = language.inner.after_ascii(language.number_of(text_config))
            all_ascii = np.arange(128, dtype=np.uint8)
            filter_states = language.filter.after_each(np.full(128, filter_config), all_ascii)
            # the search of a common text is dear: only for bytes with which both go on
            common = np.flatnonzero((inner_states >= 0) & (filter_states >= 0))
            for byte in common.tolist():
                text_after, _ = language.config_of_state(int(inner_states[byte]))
                pair = text_after, int(filter_states[byte])
                if language.is_live(pair):
                    states[byte] = self._number_of(pair)
        return states

    def _group_tokens(self, config: Config, state: int, tokens: Tokens) -> Tokens:
        """Return a number for each token; tokens with equal numbers lead to the same pair."""
        vocabulary = self.vocabulary
        _, filter_config = config
        filter_states = np.full(len(tokens), filter_config, np.int64)
        begins = vocabulary.token_offset[tokens]
        ends = vocabulary.token_offset[tokens + 1]
        longest = int((ends - begins).max(initial=0))
        # One byte of all tokens at a time: one call makes a step of the filter for each token. A state below
        # 0 means that the filter refuses the token.
        for offset in range(longest):
            unread = np.flatnonzero((begins + offset < ends) & (filter_states >= 0))
            symbols = vocabulary.token_data[begins[unread] + offset]
            filter_states[unread] = self._language.filter.after_each(filter_states[unread], symbols)
        # one number holds both states: the machine's in the upper 32 bits, the filter's in the lower
        inner_states = self._language.inner.after_tokens(state, tokens)
        return (inner_states << 32) + filter_states
