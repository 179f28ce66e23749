"""What a compiled grammar answers along the texts of a case, or along walks: eight bytes for each place."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

from golden.answers import told
from golden.case import drawn

import structgen as sg

from .cases import Case

KINDS = {"mask": slice(0, 4), "counts": slice(4, 6), "completion": slice(6, 8)}
"""The parts of a digest: the mask with its end tokens; how many tokens and bytes finish; which bytes."""
WALKS, STEPS = 4, 6
"""Walks through a grammar without texts, and tokens of each."""
BESIDE = 4
"""Along a text, completions are asked before each token of so many: one takes a hundred masks' time."""


class Place(NamedTuple):
    """Where something was asked."""

    text: int
    """The number of the text, or of the walk."""
    tokens: tuple[int, ...] | None
    """Before it; None where the text is read byte by byte."""
    read: bytes


Answer = tuple[Place, bytes]


def answers(case: Case, tokenizer: sg.Tokenizer) -> Iterator[Answer]:
    """Yield the places of a case in order, each with its digest. An error is an answer, and ends its text."""
    try:
        compiled = sg.compile(sg.lark(case.source, **case.options), tokenizer, store=False)
    except Exception as error:
        yield Place(0, (), b""), _digest(told(error), 8)
        return
    if case.texts:
        for number, text in enumerate(case.texts):
            yield from _along(compiled, number, text.encode("utf-8", "surrogatepass"), tokenizer)
    else:
        for number in range(WALKS):
            yield from _walk(compiled, number, case, tokenizer)


def _along(
    compiled: sg.CompiledGrammar, number: int, text: bytes, tokenizer: sg.Tokenizer
) -> Iterator[Answer]:
    """Yield the answers before each token of a text and behind the last; then how many bytes are taken."""
    tokens = tokenizer.encode(text)
    state: sg.core.State | None = compiled.start
    read = b""
    for step in range(len(tokens) + 1):
        assert state is not None
        place = Place(number, tuple(tokens[:step]), read)
        answer, is_error = asked(compiled, state, beside=step % BESIDE == 0)
        yield place, answer
        if is_error or step == len(tokens):
            break
        state = compiled.step(state, tokens[step])
        if state is None:
            break
        read += tokenizer.token_bytes[tokens[step]] or b""
    yield Place(number, None, text), _digest(_taken(compiled, text), 8)


def _taken(compiled: sg.CompiledGrammar, text: bytes) -> object:
    """Return how many bytes of a text are taken, one by one, and whether it may end behind them."""
    state, taken = compiled.start, 0
    try:
        for byte in text:
            after = compiled.step_bytes(state, bytes((byte,)))
            if after is None:
                break
            state, taken = after, taken + 1
        return taken, compiled.accepts_end(state)
    except Exception as error:
        return told(error)


def _walk(compiled: sg.CompiledGrammar, number: int, case: Case, tokenizer: sg.Tokenizer) -> Iterator[Answer]:
    """Yield the answers along a walk. Its tokens are drawn, three in four of them of the case's letters."""
    letters = frozenset(case.alphabet.encode())
    state, tokens, read = compiled.start, (), b""
    for step in range(STEPS):
        answer, is_error = asked(compiled, state, beside=True)
        yield Place(number, tokens, read), answer
        if is_error:
            return
        texts = {token: tokenizer.token_bytes[token] for token in compiled.allowed(state)}
        plain = [token for token, text in texts.items() if text and token not in compiled.end_tokens]
        own = [token for token in plain if letters.issuperset(texts[token] or b"")]
        key = f"{case.name} {number} {step}"
        wanted = (own or plain) if drawn(f"{key} way", 4) else plain
        if not wanted:
            return
        token = wanted[drawn(key, len(wanted))]
        state = compiled.step(state, token)
        if state is None:
            return
        tokens, read = (*tokens, token), read + (texts[token] or b"")


def asked(compiled: sg.CompiledGrammar, state: sg.core.State, *, beside: bool) -> tuple[bytes, bool]:
    """Return the digest of what is answered in a state, with counts and completions `beside` the mask, and
    whether the mask was an error."""
    mask = sg.allocate_mask(1, compiled.vocab_size)
    try:
        compiled.fill(state, mask)
    except Exception as error:
        return _digest(told(error), 4) + bytes(4), True
    digest = blake2b(mask.array.tobytes(), digest_size=4).digest()
    if not beside:
        return digest + bytes(4), False
    try:
        completion = compiled.completion(state)
        counts: object = compiled.tokens_to_finish(state), len(completion)
    except Exception as error:
        completion, counts = b"", told(error)
    return digest + _digest(counts, 2) + _digest(completion, 2), False


def _digest(answer: object, size: int) -> bytes:
    return blake2b(repr(answer).encode("utf-8", "replace"), digest_size=size).digest()
