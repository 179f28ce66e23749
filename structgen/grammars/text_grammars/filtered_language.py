"""The texts of a grammar with masks of its own that a regular expression takes too.

A mask is that of the grammar's machine, without the tokens behind which no text goes on: that is asked once
for each pair of states, of the machine and of the expression, to which tokens lead. A compiled Lark grammar
beside a bound on the length is such a grammar.
"""

from __future__ import annotations

import numpy as np

from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import TOKEN, Config
from structgen.grammars.text_grammars.regular_language import RegularLanguage
from structgen.grammars.text_grammars.written_language import WrittenMeet, WrittenText
from structgen.machines.core.compiled import CompiledGrammar, Tokens


class FilteredMeet(WrittenMeet):
    """The words of a compiled grammar that a regular language has. A configuration is a pair of theirs."""

    filter: RegularLanguage

    def __init__(self, inner: CompiledGrammar, by: RegularLanguage, limits: Limits) -> None:
        super().__init__(inner, by, limits, restarts=False, haste=1)

    def machine_state(self, config: Config) -> int:
        """Return the state of the machine; a token may end in each."""
        return self.number_of(config[0])


class FilteredText(WrittenText):
    """These words, compiled. Cost of a mask: that of the grammar's, a step of the expression for each byte of
    its tokens, and some 0.2 ms for each new pair to which they lead."""

    _language: FilteredMeet

    def _config_after(self, config: Config, token: int) -> Config | None:
        language, data = self._language, self.tokenizer.token_bytes[token]
        if data is None:
            return language.step(config, TOKEN + token)
        inner_state = language.inner.next_index(language.machine_state(config), token)
        right = None if inner_state < 0 else language.filter.config_after(config[1], data)
        if right is None:
            return None
        pair = language.config_of_state(inner_state)[0], right
        return pair if language.is_live(pair) else None

    def after_ascii(self, index: int) -> Tokens:
        language, (text_config, filter_config) = self._language, self._config_of(index)
        states = np.full(128, -1, np.int64)
        with self.lock, self._begin_call():
            after = language.inner.after_ascii(language.number_of(text_config))
            filter_states = language.filter.after_each(
                np.full(128, filter_config), np.arange(128, dtype=np.uint8)
            )
            for byte in np.flatnonzero((after >= 0) & (filter_states >= 0)).tolist():
                pair = language.config_of_state(int(after[byte]))[0], int(filter_states[byte])
                if language.is_live(pair):
                    states[byte] = self._number_of(pair)
        return states

    def _group_tokens(self, config: Config, state: int, tokens: Tokens) -> Tokens:
        vocabulary = self.vocabulary
        right = np.full(len(tokens), config[1], np.int64)
        first, last = vocabulary.token_offset[tokens], vocabulary.token_offset[tokens + 1]
        for at in range(int((last - first).max(initial=0))):
            on = np.flatnonzero((first + at < last) & (right >= 0))
            right[on] = self._language.filter.after_each(right[on], vocabulary.token_data[first[on] + at])
        return (self._language.inner.after_tokens(state, tokens) << 32) + right
