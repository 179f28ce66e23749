"""How sure a model was of each field: held to the enumeration of all documents and of all next tokens."""

from __future__ import annotations

import json
import math
import re
from itertools import product
from typing import Any

import pytest
from object_schemas import object_of
from small_models import Function, tokenizer
from torch import softmax

import structgen as sg

WORDS, OTHERS = ["x", "yes", "xy"], ["n", "nu", None, True]
SCHEMA: dict[str, Any] = object_of(a={"enum": WORDS}, b={"type": "array", "items": {"enum": OTHERS}})
SCHEMA["properties"]["b"] |= {"minItems": 1, "maxItems": 1}
DOCUMENTS = [json.dumps({"a": a, "b": [b]}).encode() for a, b in product(WORDS, OTHERS)]
TOKENIZER = tokenizer()


def masked(model: Function, tokens: list[int], written: bytes) -> tuple[dict[int, float], float]:
    """Return the law of the next token among those behind which some document goes on, and their mass."""
    law = softmax(model.logits(tokens).double(), 0)
    of_bytes = enumerate(TOKENIZER.token_bytes)
    allowed = [at for at, one in of_bytes if one and any(d.startswith(written + one) for d in DOCUMENTS)]
    allowed += list(TOKENIZER.eos_token_ids) if written in DOCUMENTS else []
    mass = float(law[allowed].sum())
    return {token: float(law[token]) / mass for token in allowed}, mass


@pytest.mark.parametrize("seed", range(4))
def test_a_confidence_is_that_of_the_tokens_of_its_value(seed: int) -> None:
    model = Function(TOKENIZER.vocab_size)
    engine = sg.Engine(model, TOKENIZER)
    how = sg.Sampling(temperature=1.0, seed=seed)
    outcome = sg.run(engine, "Who?", SCHEMA, detailed=True, sampling=how, policies=sg.JSON_DUMPS)
    text = outcome.text.encode()
    spans = {"/a": re.search(rb'"\w+"(?=, "b")', text), "/b/0": re.search(rb"(?<=\[).+(?=\])", text)}
    asked, written = list(model.prefills[0]), b""
    found = {place: [1.0, 1.0] for place in spans}
    for step in outcome.result.steps:
        law, mass = masked(model, asked, written)
        piece = TOKENIZER.token_bytes[step.token] or b""
        for place, span in spans.items():
            assert span is not None
            if piece and len(written) < span.end() and len(written + piece) > span.start():
                found[place][0] *= law[step.token]
                found[place][1] *= mass
        asked.append(step.token)
        written += piece
    assert written == text and outcome.confidences.keys() == spans.keys()
    for place, (probability, mass) in found.items():
        assert math.isclose(outcome.confidences[place].probability, probability, rel_tol=1e-4)
        assert math.isclose(outcome.confidences[place].mask_mass or 0.0, mass, rel_tol=1e-4, abs_tol=1e-7)


def test_a_value_that_was_compared_has_its_share_under_a_bare_key() -> None:
    engine = sg.Engine(Function(TOKENIZER.vocab_size), TOKENIZER)
    outcome = sg.run(engine, "Who?", {"enum": ["yes", "1", 1, True]}, detailed=True)
    assert list(outcome.probabilities) == ["yes", '"1"', "1", "true"]
    assert math.isclose(sum(outcome.probabilities.values()), 1.0)
    best = max(outcome.probabilities.values())
    assert outcome.confidences == {"": type(outcome.confidences[""])(best, None)}


@pytest.mark.parametrize(
    ("target", "options"),
    [
        (sg.regex("[ab]+"), {}),
        (str, {"max_tokens": 8}),
        (bool, {"strategy": sg.strategies.Mirostat()}),
    ],
)
def test_nothing_is_told_where_it_is_not_known(target: Any, options: dict[str, Any]) -> None:
    engine = sg.Engine(Function(TOKENIZER.vocab_size), TOKENIZER)
    outcome = sg.run(engine, "Who?", target, detailed=True, **options)
    assert outcome.confidences == {} == outcome.probabilities
