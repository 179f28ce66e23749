"""Bytes that must come, as the tokens that the model would write for them."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import Final

from structgen.speculation.drafts.drafter import REFUSED, View
from structgen.speculation.drafts.grammar_memo import memo_of
from structgen.tokens.tokenizer import Tokenizer

_LOOKED_AT: Final = 64
"""Longer tokens that are tried before one is assumed to be allowed."""
_Longer = dict[int, list[int]]


class _Tokens:
    """The tokens of a vocabulary in the order of their bytes, and for each token the longer ones that begin
    with it, by the byte after it. The order takes 50 ms for 128,000 tokens, once; the rest is worked out
    when it is asked for, for at most 4,096 tokens at a time."""

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

    The last token is left out where the grammar takes a longer one that begins with it: the model would
    write that one if the text goes on so. Where nothing but the end can follow, the end token is added. With
    `data` empty: that end token, or nothing. Cost: a call of the tokenizer, and 1 us a token.
    """
    tokens = tokenizer.encode(data) if data else []
    states = [view.start]
    for token in tokens:
        states.append(view.after(states[-1], token))
        if states[-1] == REFUSED:  # the bytes may come, but not as these tokens
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
    """Return whether a token that begins with this one, and is longer, may come in its place. `after` is the
    state after the token: what comes there is what a longer token goes on with."""
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
