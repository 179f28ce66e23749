"""What a compiled grammar makes of a text: steps that must go on, whether a text is taken, random texts."""

from __future__ import annotations

import random
from typing import Any

import structgen as sg


def reached(compiled: Any, read: str | bytes | int, state: Any = None) -> Any:
    """Return the state behind a text, or a token, that must go on from a state, the first one without it."""
    state = compiled.start if state is None else state
    data = read.encode() if isinstance(read, str) else read
    after = compiled.step(state, data) if isinstance(data, int) else compiled.step_bytes(state, data)
    assert after is not None, read
    return after


def takes(compiled: sg.CompiledGrammar, text: str | bytes) -> bool:
    """Return whether a text is one of the grammar's."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    state = compiled.step_bytes(compiled.start, data)
    return state is not None and compiled.accepts_end(state)


def written(matcher: sg.Matcher, chance: random.Random, budget: int) -> list[int]:
    """Return the tokens of a random text, written within a budget; without the end token."""
    mask, tokens = sg.allocate_mask(1, matcher.compiled.vocab_size), list[int]()
    while True:
        matcher.fill_mask(mask, budget=budget - len(tokens))
        token = int(chance.choice(mask.allowed()))
        matcher.advance(token)
        if matcher.is_finished:
            return tokens
        tokens.append(token)


def masks_along(compiled: sg.CompiledGrammar, text: str | bytes) -> list[bytes]:
    """Return the mask before each token of a text, and behind the last one."""
    data = text.encode() if isinstance(text, str) else text
    matcher, mask, found = sg.Matcher(compiled), sg.allocate_mask(1, compiled.vocab_size), list[bytes]()
    for token in (*compiled.tokenizer.encode(data), None):
        matcher.fill_mask(mask)
        found.append(mask.array.tobytes())
        if token is not None:
            matcher.advance(token)
    return found
