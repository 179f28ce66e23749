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

    def state(self, config: Config) -> int:
        """Return the state of the machine; a token may end in each."""
        return self.number_of(config[0])


class FilteredText(WrittenText):
    """These words, compiled. Cost of a mask: that of the grammar's, a step of the expression for each byte of
    its tokens, and some 0.2 ms for each new pair to which they lead."""

    _language: FilteredMeet

    def _after(self, config: Config, token: int) -> Config | None:
        language, data = self._language, self.tokenizer.token_bytes[token]
        if data is None:
            return language.step(config, TOKEN + token)
        reached = language.inner.next_index(language.state(config), token)
        right = None if reached < 0 else language.filter.through(config[1], data)
        if right is None:
            return None
        pair = language.between(reached)[0], right
        return pair if language.lives(pair) else None

    def after_ascii(self, index: int) -> Tokens:
        language, (left, right) = self._language, self._config(index)
        states = np.full(128, -1, np.int64)
        with self.lock, self._begin_call():
            after = language.inner.after_ascii(language.number_of(left))
            filtered = language.filter.after_each(np.full(128, right), np.arange(128, dtype=np.uint8))
            for byte in np.flatnonzero((after >= 0) & (filtered >= 0)).tolist():
                pair = language.between(int(after[byte]))[0], int(filtered[byte])
                if language.lives(pair):
                    states[byte] = self._number(pair)
        return states

    def _alike(self, config: Config, state: int, tokens: Tokens) -> Tokens:
        vocabulary = self.vocabulary
        right = np.full(len(tokens), config[1], np.int64)
        first, last = vocabulary.token_offset[tokens], vocabulary.token_offset[tokens + 1]
        for at in range(int((last - first).max(initial=0))):
            on = np.flatnonzero((first + at < last) & (right >= 0))
            right[on] = self._language.filter.after_each(right[on], vocabulary.token_data[first[on] + at])
        return (self._language.inner.after_tokens(state, tokens) << 32) + right
