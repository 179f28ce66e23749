"""A schema compiled over single bytes, and which documents it takes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

from compiled_texts import takes

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
"""Each byte is a token; 256 is the end."""


def compiled(schema: Any, **options: Any) -> sg.CompiledGrammar:
    """Return a compiled schema, which shares nothing with others."""
    return sg.compile(sg.json_schema(schema, strict=None, **options), BYTES, store=False)


def judged(schema: Any, values: Iterable[Any], **options: Any) -> list[bool]:
    """Return for each value whether a schema takes it, under the widest policies but for some: none, where
    the schema is refused as one without documents."""
    try:
        grammar = compiled(schema, **{**sg.WIDEST, **options})
    except sg.errors.UnsatisfiableSchema:
        return [False for _ in values]
    return [takes(grammar, json.dumps(value)) for value in values]


def shortest(schema: Any, **options: Any) -> bytes:
    """Return the shortest document of a schema."""
    grammar = compiled(schema, **options)
    return grammar.completion(grammar.start)


def beginnings(
    grammar: sg.CompiledGrammar, chance: random.Random, most: int
) -> Iterator[tuple[sg.core.State, bytes]]:
    """Yield the states of a random walk over single bytes, each with what was written: at most `most`."""
    state, text = grammar.start, b""
    for _ in range(most):
        yield state, text
        allowed = [token for token in grammar.allowed(state) if token < 256]
        if not allowed:
            return
        token = chance.choice([token for token in allowed if token in b'{}[],:"ab01'] or allowed)
        after = grammar.step(state, token)
        assert after is not None, text
        state, text = after, text + bytes((token,))
