"""Requests of every kind that an engine knows, and a model whose logits are wider than the vocabulary."""

from __future__ import annotations

from typing import Any

from object_schemas import object_of
from small_models import TreeFunction, tokenizer

import structgen as sg
from structgen.decoding.speculation.speculation_options import Speculation

TOKENIZER = tokenizer()
PERSON = sg.json_schema(
    object_of(
        name={"type": "string", "maxLength": 8},
        age={"type": "integer", "minimum": 0, "maximum": 120},
        tags={"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 3},
        required=["name", "age"],
    ),
    whitespace="oneline",
)
NUMBERS = sg.json_schema({"type": "array", "items": {"type": "integer"}, "minItems": 3}, whitespace="compact")
DATES = sg.regex(r"(on \d{4}-\d\d-\d\d; ){1,3}")
SUMS = sg.lark('start: NUMBER (("+"|"-") NUMBER)*\nNUMBER: /[0-9]{1,3}/')
_SAMPLINGS: tuple[dict[str, Any], ...] = (
    {"temperature": 0.0},
    {"temperature": 1.0},
    {"temperature": 0.7, "top_k": 20},
    {"temperature": 1.4, "top_p": 0.9},
    {"temperature": 1.0, "min_p": 0.05},
    {"temperature": 0.9, "repetition_penalty": 1.3, "frequency_penalty": 0.2},
)


class Wide(TreeFunction):
    """A function of the text whose logits are wider than the vocabulary, by columns of no token."""

    def __init__(self, more: int = 37) -> None:
        super().__init__(TOKENIZER.vocab_size + more)


def requests(count: int = 24) -> list[sg.Request]:
    """Return requests: free texts and four kinds of grammars, six kinds of sampling, thoughts, drafts, stop
    strings, log-probabilities, and budgets that documents are steered into."""
    found = []
    for i in range(count):
        grammar = (None, PERSON, NUMBERS, DATES, SUMS)[i % 5]
        found.append(
            sg.Request(
                f"text {i}",
                grammar,
                sg.Sampling(seed=i, **_SAMPLINGS[i % 6]),
                max_tokens=(25, 30, 16)[i % 3] if grammar is not PERSON else 26,
                thinking=sg.Thinking(until="}", max_tokens=5) if i % 7 == 3 else None,
                stop=("e",) if i % 5 == 0 and i % 2 else (),
                logprobs=3 if i % 8 == 1 else 0,
                speculation=Speculation(("suffix",)) if i % 4 == 2 else "off",
            )
        )
    return found
