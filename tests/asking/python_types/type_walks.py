"""Random documents of a type's grammar, written byte by byte."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from compiled_texts import takes

import structgen as sg
from structgen.asking.python_types.type_hints import read_type
from structgen.tokens.tokenizer import byte_tokenizer


def grammar_of(hint: Any) -> sg.CompiledGrammar:
    reader = read_type(hint)
    return sg.compile(sg.json_schema(reader.schema, **reader.policies), byte_tokenizer())


def documents(hint: Any, count: int, *, seed: int = 0, length: int = 60) -> Iterator[str]:
    """Yield random documents of a type's grammar: free for `length` bytes, then as short as can be."""
    compiled = grammar_of(hint)
    mask = sg.allocate_mask(1, compiled.tokenizer.vocab_size)
    for number in range(count):
        draw, matcher, text = random.Random(1000 * seed + number), sg.Matcher(compiled), bytearray()
        while True:
            budget = None
            if len(text) >= length:
                budget = matcher.tokens_to_finish()
                if budget == 0:
                    break
            matcher.fill_mask(mask, budget=budget)
            allowed = list(mask.allowed())
            printable = [token for token in allowed if 32 <= token < 127] or allowed
            token = draw.choice(printable if draw.random() < 0.9 else allowed)
            if token == 256:
                break
            matcher.advance(token)
            text.append(token)
        yield text.decode()


def accepts(hint: Any, document: str) -> bool:
    """Tell whether a document is in the grammar of a type."""
    return takes(grammar_of(hint), document)
