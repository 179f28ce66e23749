"""What a draft model is distilled from: texts of its target, each with the target's laws under the grammar.

The target is asked for topics in three shapes of JSON.

None of them is a prompt or a schema of the workloads (`speculation_texts`): no orders, no people, no books.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path
from typing import Any, Final

import numpy as np

import structgen as sg

TOPICS: Final = Path(__file__).with_name("distillation_topics.txt")
"""Lines: a topic, its fields, each with its type, and a sentence of which an object is read."""
_TYPES: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "string", "maxLength": 40},
    "long": {"type": "string", "maxLength": 120},
    "whole": {"type": "integer", "minimum": 0, "maximum": 2100},
    "flag": {"type": "boolean"},
}


def asked() -> list[tuple[str, sg.Grammar]]:
    """Return three prompts for each topic, with their grammars: for an object, for three objects, and for an
    object that is read of a sentence."""
    found: list[tuple[str, sg.Grammar]] = []
    for line in TOPICS.read_text(encoding="utf-8").splitlines():
        topic, fields, sentence = line.split(" | ")
        pairs = [field.split(":") for field in fields.split()]
        own = {key: _TYPES.get(kind) or {"enum": kind.split("|")} for key, kind in pairs}
        one = {"type": "object", "properties": own, "required": list(own), "additionalProperties": False}
        three = {"type": "array", "items": one, "minItems": 3, "maxItems": 3}
        keys = ", ".join(own)
        for prompt, schema in (
            (f"Describe a {topic} as JSON: {keys}.", one),
            (f"Write a JSON array of three examples of a {topic}, each with {keys}.", three),
            (f"{sentence}. Write this {topic} as JSON.", one),
        ):
            found.append((prompt, sg.json_schema(schema, **sg.JSON_DUMPS)))
    return found


TOP: Final = 8
"""The likeliest allowed tokens of a position that are learnt."""
MOST_TOKENS: Final = 220


@dataclass(frozen=True)
class Example:
    """A text of the target, its prompt, and the target's law under the mask at each of its tokens."""

    prompt: list[int]
    tokens: list[int]
    laws: list[dict[int, float]]
    grammar: sg.CompiledGrammar


def collected(
    engine: sg.Engine, asked: Sequence[tuple[str, sg.Grammar]], samples: int = 4, seed: int = 7
) -> list[Example]:
    """Return `samples` texts of each prompt, at temperature 0.7, each prompt with a seed of its own: texts
    of one seed have the same noise. Cost on SmolLM2: 10 ms of CPU a token."""
    requests = [
        sg.Request(
            prompt,
            grammar,
            sg.Sampling(temperature=0.7, seed=seed + at),
            max_tokens=MOST_TOKENS,
            n=samples,
            logprobs=TOP,
            speculation="off",
            outline=False,
        )
        for at, (prompt, grammar) in enumerate(asked)
    ]
    found, results = [], engine.generate(requests)
    for at, result in enumerate(results):
        request = requests[at // samples]
        laws = []
        for step in result.steps:
            shares = {token: float(np.exp(chance)) for token, chance in step.likeliest_allowed}
            whole = sum(shares.values())
            laws.append({token: share / whole for token, share in shares.items()})
        tokens = [step.token for step in result.steps]
        grammar = sg.compile(request.grammar, engine.tokenizer)
        found.append(Example(engine.prompt_tokens(request), tokens, laws, grammar))
    return found


def vocabulary(examples: Sequence[Example], most: int) -> list[int]:
    """Return the tokens that a draft knows, ascending: those that the laws expect most often."""
    expected = defaultdict[int, float](float)
    for one in examples:
        for law in one.laws:
            for token, chance in law.items():
                expected[token] += chance
    return sorted(nlargest(most, expected, key=expected.__getitem__))
