"""Keys of patterns that overlap: they are divided into classes, of which some key may come."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import jsonschema_rs
import pytest
from compiled_texts import takes
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_documents import BYTES, beginnings, compiled

import structgen as sg

ALPHABET = "abc"
PATTERNS = ("a", "b", "ab", "^a", "b$", "a.*b", "^.b", "cc", "^[ab]*$", "^$", "b.a", "^abc?$")
VALUES: tuple[Any, ...] = (
    True,
    False,
    {"type": "integer"},
    {"type": ["integer", "string"]},
    {"const": 1},
    {"const": "x"},
    {"minimum": 2},
    {"enum": [1, 2, "x"]},
)


@st.composite
def objects(draw: st.DrawFn) -> Any:
    """Draw an object of keys that few or many patterns speak of."""
    patterns = draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=5, unique=True))
    schema: dict[str, Any] = {
        "type": "object",
        "patternProperties": {pattern: draw(st.sampled_from(VALUES)) for pattern in patterns},
    }
    for keyword, values in (
        ("additionalProperties", st.sampled_from(VALUES)),
        ("propertyNames", st.sampled_from([{"pattern": pattern} for pattern in PATTERNS])),
        ("properties", st.just({"ab": {"type": "integer"}, "c": {}})),
        ("required", st.lists(st.sampled_from(["ab", "ca"]), unique=True)),
        ("minProperties", st.integers(1, 3)),
        ("maxProperties", st.integers(1, 3)),
        ("minLength", st.just(0)),
    ):
        if draw(st.integers(0, 2)) == 0:
            schema[keyword] = draw(values)
    return schema


def bytewise(schema: Any) -> sg.CompiledGrammar | None:
    """Return a schema over single bytes; None where no document satisfies it."""
    try:
        return compiled(schema, **sg.WIDEST)
    except sg.errors.UnsatisfiableSchema:
        return None


@settings(max_examples=28)
@given(schema=objects(), seed=st.integers(0, 1 << 30))
def test_documents_and_completions_are_those_of_the_validator(schema: Any, seed: int) -> None:
    chance, validator = random.Random(seed), jsonschema_rs.Draft202012Validator(schema)
    grammar = bytewise(schema)
    for _ in range(30):
        keys = [
            "".join(chance.choices(ALPHABET, k=chance.randint(0, 4))) for _ in range(chance.randint(0, 3))
        ]
        value = {key: chance.choice([1, 2, 3, "x", None]) for key in keys}
        taken = grammar is not None and takes(grammar, json.dumps(value))
        assert taken is validator.is_valid(value), value
    if grammar is not None:
        for state, text in beginnings(grammar, chance, 20):
            assert validator.is_valid(json.loads(text + grammar.completion(state)))


KEYS = ["".join(letters) for length in range(6) for letters in itertools.product(ALPHABET, repeat=length)]


@pytest.mark.parametrize(
    "schema",
    [
        {
            "type": "object",
            "patternProperties": {"a": {"const": 1}, "b": {"const": 2}, "cc": {"type": "integer"}},
            "additionalProperties": False,
        },
        {
            "type": "object",
            "patternProperties": {"^a": {"minimum": 5}, "b$": {"maximum": 3}, "c": {"type": "number"}},
            "additionalProperties": {"type": "string"},
        },
        {
            "type": "object",
            "patternProperties": {"^a": True, "ab": {"type": "integer"}, "ba": {"type": "string"}},
            "propertyNames": {"pattern": "^[ab]+$"},
            "additionalProperties": {"type": "null"},
        },
    ],
    ids=["constants", "bounds", "names"],
)
def test_a_key_goes_on_where_some_key_has_a_value(schema: Any) -> None:
    validator = jsonschema_rs.Draft202012Validator(schema)
    values = (1, 2, 3, 5, "x", None)
    good = {key for key in KEYS if any(validator.is_valid({key: value}) for value in values)}
    alive = {key[:end] for key in good for end in range(len(key) + 1)}
    grammar = compiled(schema, **sg.WIDEST)
    for key in KEYS:
        if len(key) > 3:
            continue
        state = grammar.step_bytes(grammar.start, b'{"' + key.encode())
        assert (state is not None) == (key in alive), key
        state = grammar.step_bytes(grammar.start, b'{"' + key.encode() + b'":')
        assert (state is not None) == (key in good), key


def test_members_that_are_owed_are_found_among_patterns() -> None:
    words = [f"{a}{b}" for a in "abc" for b in "abc"]
    schema = {
        "type": "object",
        "patternProperties": {word: {"const": at} for at, word in enumerate(words)},
        "additionalProperties": False,
        "minProperties": 3,
    }
    grammar = compiled(schema, **sg.WIDEST)
    matcher = sg.Matcher(grammar)
    mask = sg.allocate_mask(1, BYTES.vocab_size)
    text = bytearray()
    while not matcher.is_complete:
        matcher.fill_mask(mask, budget=matcher.tokens_to_finish())
        byte = int(mask.allowed()[0])
        matcher.advance(byte)
        text.append(byte)
    value = json.loads(text)
    assert len(value) == 3 and jsonschema_rs.Draft202012Validator(schema).is_valid(value)
