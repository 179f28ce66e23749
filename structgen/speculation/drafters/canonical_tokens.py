"""Forced bytes, tokenised as the model would write them."""

from __future__ import annotations

from structgen.speculation.drafts.drafter import REFUSED, View
from structgen.speculation.drafts.grammar_memo import memo_of
from structgen.tokens.token_prefixes import tokens_behind
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.vocabulary import Vocabulary


def canonical_tokens(view: View, tokenizer: Tokenizer, data: bytes) -> list[int]:
    """Return the tokens of bytes that must come next, as the tokenizer splits them, or in the tokens in which
    the request has them written (`core.forced_text`).

    The last token is left out if the grammar allows a longer token that begins with it, because the model
    might write that one. If only the end can follow, the end token is added; for empty `data` the result is
    that end token, or nothing. Cost: a call of the tokenizer, and 1 us a token.
    """
    planned = () if view.matcher is None else view.matcher.compiled.planned_tokens(view.start)
    if not data or tokenizer.decode(planned) != data:
        planned = tokenizer.encode(data) if data else ()
    tokens = list(planned)
    states = [view.start]
    for token in tokens:
        states.append(view.after(states[-1], token))
        if states[-1] == REFUSED:  # the bytes are allowed, but not as these tokens
            return tokens[: len(states) - 2]
    if tokens and _may_be_longer(view, tokenizer, states[-1], tokens[-1]):
        return tokens[:-1]
    if view.matcher is not None and _must_end(view, states[-1]):
        tokens = [*tokens, tokenizer.eos_token_ids[0]]
    return tokens


def _must_end(view: View, state: int) -> bool:
    assert view.matcher is not None
    compiled = view.matcher.compiled
    memo = memo_of(compiled)
    return memo.may_end(compiled, state) and not memo.next_bytes(compiled, state)


def _may_be_longer(view: View, tokenizer: Tokenizer, after: int, token: int) -> bool:
    """Return whether a longer token that begins with `token` is allowed in its place. `after` is the state
    after the token: the rest of the longer token must be allowed there."""
    matcher = view.matcher

    def step(state: int, byte: int) -> int | None:
        if matcher is None:
            return state
        found = memo_of(matcher.compiled).byte_after(matcher.compiled, state, byte)
        return None if found < 0 else found

    longer = tokens_behind(Vocabulary.of(tokenizer), tokenizer.token_bytes[token] or b"", after, step)
    return next(longer, None) is not None
