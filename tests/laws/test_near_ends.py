"""Near the end of a budget: masks are exact and never empty, whatever the text, and cost few states."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import islice
from typing import Any

import pytest
from near_ends import TOKENIZER, fault, schemas, texts

import structgen as sg
from structgen.grammars.json_grammars.completion.begun_values import may_become, parts_of

FEW = sg.Limits(parser_states=50_000)
"""So many rows of each table suffice: a token more is none of them, nor is a byte of the text."""


def _pair(schema: Any, **options: Any) -> tuple[sg.CompiledGrammar, sg.CompiledGrammar]:
    """Return a schema compiled within few states, and once more."""
    grammar = sg.json_schema(schema, **options)
    return (
        sg.compile(grammar, TOKENIZER, store=False, limits=FEW),
        sg.compile(grammar, TOKENIZER, store=False),
    )


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in (1, 2))])
def test_masks_of_long_texts_are_exact_near_the_end(part: int) -> None:
    chance, asked = random.Random(part), 0
    for schema in islice(schemas(chance), 30):
        options = {
            "whitespace": chance.choice(["compact", "bounded", "oneline", 2]),
            "escapes": chance.choice(["canonical", "any"]),
        }
        try:
            compiled, apart = _pair(schema, **options)
        except sg.errors.UnsatisfiableSchema:
            continue
        for more in (0, 1, chance.randint(2, 40)):
            for text in (texts(apart, chance, chance.choice([20, 60, 300])) for _ in range(2)):
                assert fault(compiled, apart, text, more, chance, 12) is None, (schema, options)
                asked += 1
    assert asked > 150


LONG = {
    "a key of Japanese letters": ({"type": "object"}, '{"' + "日本語のテキスト" * 40),
    "a key of English words": (
        {"type": "object", "additionalProperties": {"type": "integer"}},
        '{"' + "the quick brown fox " * 80,
    ),
    "a key of Russian letters among those that are owed": (
        {"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}},
        '{"a": 1, "' + "съешь ещё этих булок " * 40,
    ),
    "a string among those that differ": (
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        '["a", "' + "日本語" * 100,
    ),
    "a string among those that are owed": (
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 3},
        '["' + "日本語" * 100,
    ),
    "a key of an object that differs": (
        {"type": "array", "items": {"type": "object"}, "uniqueItems": True, "minItems": 2},
        '[{"' + "the quick brown fox " * 40,
    ),
    "a key that a pattern describes": (
        {"type": "object", "patternProperties": {"^[^x]*$": {"type": "null"}}, "additionalProperties": False},
        '{"' + "日本語の " * 60,
    ),
    "an item of an array that differs": (
        {
            "type": "array",
            "items": {"type": "array", "uniqueItems": True, "minItems": 2},
            "uniqueItems": True,
            "minItems": 2,
        },
        '[["' + "съешь " * 60,
    ),
}


@pytest.mark.parametrize(("schema", "text"), LONG.values(), ids=LONG.keys())
def test_a_long_text_costs_few_states(schema: Any, text: str) -> None:
    compiled, _ = _pair(schema)
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, TOKENIZER.vocab_size)
    data, known = text.encode(), 0
    for at, byte in enumerate(data):
        if at == len(data) - 40:
            known = compiled.sizes["machine_states"]
        if at >= len(data) - 80:
            matcher.fill_mask(mask, budget=matcher.tokens_to_finish() + at % 4)
            assert len(mask.allowed())
        matcher.advance(byte)
    # in a key, the text's own; where items differ, those behind a token that closes one and begins another
    places = 2 if '"uniqueItems"' not in json.dumps(schema) or '[{"' in text else 200
    assert compiled.sizes["machine_states"] - known <= 40 * places


def test_white_space_of_a_line_counts() -> None:
    schema = {
        "type": "array",
        "items": {"properties": {"n": {"type": "string"}}, "required": ["n"]},
        "minItems": 3,
    }
    compiled, apart = _pair({**schema, "items": {"type": "object", **schema["items"]}}, whitespace=2)
    for more in (0, 1, 2):
        assert fault(compiled, apart, b'[\n  {\n    "n": "a', more, random.Random(1), 1 << 20) is None


def test_items_that_tokens_close_are_compared() -> None:
    compiled, apart = _pair(
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True}, whitespace="compact"
    )
    chance = random.Random(1)
    for text in (b'["', b'["a', b'["a","', b'["a","a', b'["","a', b'["\xe6\x97\xa5","', b'["a","\\u006'):
        for more in (0, 1, 2, 3):
            assert fault(compiled, apart, text, more, chance, 1 << 20) is None


VALUES: list[Any] = ["", "a", 'ab\n"\\', "日本", "\U0001f600", 0, 1, -3, 1.5, 120, None, True]
VALUES += [[], [0], ["a", 1], {}, {"a": 1}, {"a": "x", "b": [1, {"c": 2}]}, {"b": "", "a": []}]


def _may_become(text: bytes, value: bytes) -> frozenset[bytes] | None:
    return may_become(text, Counter(part for part, _ in parts_of(value)))


def test_each_beginning_of_a_value_may_become_it() -> None:
    for value in VALUES:
        known = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        turned = dict(reversed(value.items())) if isinstance(value, dict) else value
        for written in (value, turned):
            for ascii in (False, True):
                text = json.dumps(written, ensure_ascii=ascii, separators=(",", ":")).encode()
                for end in range(len(text) + 1):
                    assert _may_become(text[:end], known) is not None, (text[:end], known)
    for text, known in ((b'"ab', b'"a"'), (b'"\\u0062', b'"a"'), (b"12", b"1"), (b'{"n":"b', b'{"n":"a"}')):
        assert _may_become(text, known) is None
    assert _may_become(b'"\xe6', '"日本"'.encode()) == {"日本".encode()[1:]}
