"""Forced bytes, tokenised as the model would write them."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import Final

from structgen.speculation.drafts.drafter import REFUSED, View
from structgen.speculation.drafts.grammar_memo import memo_of
from structgen.tokens.tokenizer import Tokenizer

_LOOKED_AT: Final = 64
"""The most longer tokens that are tried; if there are more, one is assumed to be allowed."""
_Longer = dict[int, list[int]]


class _Tokens:
    """The tokens of a vocabulary sorted by their bytes, and for each token the longer ones that begin with
    it, by their next byte. Sorting takes 50 ms for 128,000 tokens, once; the rest is computed on demand, for
    at most 4,096 tokens at a time."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._texts = tokenizer.token_bytes
        self._ids = [i for i, text in enumerate(self._texts) if text]
        self._ids.sort(key=self._text)
        self._longer: dict[bytes, _Longer] = {}

    def _text(self, token: int) -> bytes:
        return self._texts[token] or b""

    def longer(self, begin: bytes) -> _Longer:
        found = self._longer.get(begin)
        if found is None:
            found = {}
            for at in range(bisect_left(self._ids, begin, key=self._text), len(self._ids)):
                text = self._text(self._ids[at])
                if not text.startswith(begin):
                    break
                if len(text) > len(begin):
                    listed = found.setdefault(text[len(begin)], [])
                    if len(listed) < _LOOKED_AT:
                        listed.append(self._ids[at])
            if len(self._longer) >= 4096:
                self._longer.clear()
            self._longer[begin] = found
        return found


@lru_cache(maxsize=4)
def _tokens_of(tokenizer: Tokenizer) -> _Tokens:
    return _Tokens(tokenizer)


def canonical_tokens(view: View, tokenizer: Tokenizer, data: bytes) -> list[int]:
    """Return the tokens of bytes that must come next, as the tokenizer splits them.

    The last token is left out if the grammar allows a longer token that begins with it, because the model
    might write that one. If only the end can follow, the end token is added; for empty `data` the result is
    that end token, or nothing. Cost: a call of the tokenizer, and 1 us a token.
    """
    tokens = tokenizer.encode(data) if data else []
    states = [view.start]
    for token in tokens:
        states.append(view.after(states[-1], token))
        if states[-1] == REFUSED:  # the bytes are allowed, but not as these tokens
            return tokens[: len(states) - 2]
    if tokens and _may_be_longer(view, tokenizer, states[-2], states[-1], tokens[-1]):
        return tokens[:-1]
    if view.matcher is not None and _must_end(view, states[-1]):
        tokens = [*tokens, tokenizer.eos_token_ids[0]]
    return tokens


def _must_end(view: View, state: int) -> bool:
    assert view.matcher is not None
    compiled = view.matcher.compiled
    memo = memo_of(compiled)
    return memo.may_end(compiled, state) and not memo.next_bytes(compiled, state)


def _may_be_longer(view: View, tokenizer: Tokenizer, state: int, after: int, token: int) -> bool:
    """Return whether a longer token that begins with `token` is allowed in `state`. `after` is the state
    after the token: the rest of the longer token must be allowed there."""
    longer = _tokens_of(tokenizer).longer(tokenizer.token_bytes[token] or b"")
    if not longer:
        return False
    if view.matcher is None:
        return True
    compiled = view.matcher.compiled
    tried = 0
    for byte in memo_of(compiled).next_bytes(compiled, after):
        for one in longer.get(byte, ()):
            if tried == _LOOKED_AT or view.after(state, one) != REFUSED:
                return True
            tried += 1
    return False
