"""Bytes that must come, as the tokens that the model would write for them."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import Final

from structgen.compiled import State
from structgen.speculation.drafter import REFUSED, View
from structgen.tokenizer import Tokenizer

_LOOKED_AT: Final = 64
"""Longer tokens that are tried before one is assumed to be allowed."""


@lru_cache(maxsize=4)
def _sorted_tokens(tokenizer: Tokenizer) -> tuple[list[bytes], list[int]]:
    pairs = sorted((text, i) for i, text in enumerate(tokenizer.token_bytes) if text)
    return [text for text, _ in pairs], [i for _, i in pairs]


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
    if tokens and _may_be_longer(view, tokenizer, states[-2], tokens[-1]):
        return tokens[:-1]
    if view.matcher is not None and _must_end(view, states[-1]):
        tokens = [*tokens, tokenizer.eos_token_ids[0]]
    return tokens


def _must_end(view: View, state: int) -> bool:
    assert view.matcher is not None
    compiled = view.matcher.compiled
    if not compiled.may_end(state):
        return False
    return not compiled.next_bytes(State(compiled, state))


def _may_be_longer(view: View, tokenizer: Tokenizer, state: int, token: int) -> bool:
    """Return whether a token that begins with this one, and is longer, may come in its place."""
    texts, ids = _sorted_tokens(tokenizer)
    begin = tokenizer.token_bytes[token] or b""
    at = bisect_left(texts, begin)
    for _ in range(_LOOKED_AT):
        while at < len(texts) and texts[at] == begin:
            at += 1
        if at >= len(texts) or not texts[at].startswith(begin):
            return False
        if view.after(state, ids[at]) != REFUSED:
            return True
        at += 1
    return True
