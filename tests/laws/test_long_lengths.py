"""Lengths of strings: a bound that no text meets changes nothing, however large it is; small bounds are those
of jsonschema, whatever stands beside them."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import jsonschema
import pytest
from for_each import for_each

import structgen as sg
from structgen.tokens.token_mask import allocate_mask
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
LARGE = (50_000, 65_535, 10**6, 10**9)
"""Bounds from the most states of an automaton on."""
TEXTS = {
    "property": '{"a":"xy"}',
    "two": '{"a":"xy","b":"zz"}',
    "others": '{"a":"xy","q":""}',
    "items": '["a","b"]',
    "unique": '["","b"]',
    "unique or listed": '["a","b",1]',
    "contains": '["","b"]',
    "listed": '{"a":"yy"}',
    "denied": '{"a":"yy"}',
    "denied below": '{"a":"yy"}',
    "one of": '{"a":"yy"}',
    "any of objects": '{"k":2,"b":"x"}',
    "if": '{"a":"x","b":1}',
    "dependent": '{"a":"x","b":"1"}',
    "pattern": '{"a":"xyz"}',
    "class": '{"a":"xyz"}',
    "format": '{"a":"x@y.org"}',
    "keys": '{"ab":"x"}',
    "unevaluated": '{"a":"x","q":"x"}',
    "referred": '{"a":"x","b":"y"}',
    "members": '{"a":"x","b":"y","c":""}',
}


def schema_of(name: str, most: int) -> dict[str, Any]:
    """Return a schema with the bound `most`."""
    short: dict[str, Any] = {"type": "string", "maxLength": most}

    def owed(of: Any) -> dict[str, Any]:
        return {"properties": {"a": of}, "required": ["a"]}

    made: dict[str, Any] = {
        "property": owed(short),
        "two": {"properties": {"a": short, "b": {**short, "minLength": 2}}, "required": ["a", "b"]},
        "others": {**owed(short), "additionalProperties": short},
        "items": {"items": short, "minItems": 2},
        "unique": {"items": short, "minItems": 2, "uniqueItems": True},
        "unique or listed": {
            "items": {"anyOf": [short, {"enum": [1, 2]}]},
            "minItems": 3,
            "uniqueItems": True,
        },
        "contains": {"items": short, "contains": {**short, "minLength": 1}},
        "listed": owed({"enum": ["x", "yy"], "maxLength": most}),
        "denied": owed({"type": "string", "not": {"minLength": most + 1}}),
        "denied below": owed({**short, "not": {"maxLength": 1}}),
        "one of": owed({"oneOf": [short, {"type": "integer"}]}),
        "any of objects": {
            "anyOf": [
                {"properties": {"k": {"const": number}, key: short}, "required": ["k", key]}
                for number, key in ((1, "a"), (2, "b"))
            ]
        },
        "if": {**owed(short), "if": {"properties": {"a": {"maxLength": most}}}, "then": {"required": ["b"]}},
        "dependent": {
            "properties": {"a": short},
            "dependentSchemas": {"a": {"properties": {"b": short}, "required": ["b"]}},
        },
        "pattern": owed({"type": "string", "pattern": "^[a-z]+$", "maxLength": most}),
        "class": owed({"type": "string", "pattern": f"^[a-z]{{1,{most}}}$"}),
        "format": owed({**short, "format": "email"}),
        "keys": {"patternProperties": {"^a": short}, "minProperties": 1, "additionalProperties": False},
        "unevaluated": {"allOf": [owed(short)], "unevaluatedProperties": short, "minProperties": 1},
        "referred": {
            "$defs": {"t": short},
            "properties": {key: {"$ref": "#/$defs/t"} for key in "ab"},
            "required": ["a", "b"],
        },
        "members": {"additionalProperties": short, "minProperties": 3, "maxProperties": most},
    }[name]
    return {"type": "array" if TEXTS[name][0] == "[" else "object", **made}


def answers(schema: Any, text: str) -> list[Any]:
    """Return the masks along a text, without a budget and with two, and the least that ends it."""
    compiled, mask = sg.compile(sg.json_schema(schema), BYTES), allocate_mask(1, BYTES.vocab_size)
    found: list[Any] = []
    for budget in (None, 100, 40):
        matcher = sg.Matcher(compiled)
        for at, byte in enumerate(text.encode()):
            matcher.fill_mask(mask, budget=None if budget is None else budget - at)
            found.append(mask.allowed().tolist())
            matcher.advance(byte)
            found.append(matcher.tokens_to_finish())
    return found


@for_each("name", TEXTS)
def test_a_bound_that_no_text_meets_changes_nothing(name: str) -> None:
    jsonschema.validate(json.loads(TEXTS[name]), schema_of(name, 1000))
    want = answers(schema_of(name, 1000), TEXTS[name])
    for most in LARGE:
        assert answers(schema_of(name, most), TEXTS[name]) == want, most


def lengths_taken(schema: Any) -> list[int]:
    """Return how many letters "a" a string of a schema may have, of at most eight."""
    matcher = sg.Matcher(sg.compile(sg.json_schema(schema), BYTES))
    texts = [list(b'"' + b"a" * size + b'"') for size in range(9)]
    return [size for size, text in enumerate(texts) if matcher.accepts(text) == len(text)]


@pytest.mark.parametrize("most", range(1, 5))
def test_a_length_that_is_denied_takes_away_its_own_lengths_alone(most: int) -> None:
    for low, high in itertools.combinations_with_replacement(range(1, 8), 2):
        for pattern in ({}, {"pattern": "^a*$"}):
            schema = {"type": "string", "maxLength": most, "not": {"minLength": low, "maxLength": high}}
            want = [size for size in range(most + 1) if not low <= size <= high]
            assert lengths_taken({**schema, **pattern}) == want, (low, high, pattern)


def drawn(draw: random.Random, depth: int = 2) -> dict[str, Any]:
    """Return a schema of strings by their lengths. A length that is denied may lie past a bound beside it."""
    kind = draw.choice(
        ["lengths", "lengths", "not", "allOf", "anyOf", "oneOf", "pattern"] if depth else ["lengths"]
    )
    if kind == "lengths":
        bounds = {"minLength": draw.randint(0, 6), "maxLength": draw.randint(1, 8)}
        return {name: bounds[name] for name in draw.choice([["minLength"], ["maxLength"], [*bounds]])}
    if kind == "pattern":
        return {"pattern": draw.choice(["^a*$", "^(aa)+$", "b", "^a{0,4}$", "^[ab]{2,3}$"])}
    if kind == "not":
        return {"not": drawn(draw, depth - 1)}
    return {kind: [drawn(draw, depth - 1) for _ in range(2)]}


def check_lengths(seed: int) -> None:
    draw = random.Random(seed)
    item = {"type": "string", "allOf": [drawn(draw), drawn(draw)]}
    if draw.random() < 0.5:
        item["maxLength"] = draw.randint(1, 5)
    schema: dict[str, Any] = {"type": "array", "items": item, "maxItems": 2}
    schema.update(draw.choice([{}, {"contains": drawn(draw)}, {"uniqueItems": True, "minItems": 2}]))
    words = ["".join(letters) for size in range(7) for letters in itertools.product("ab", repeat=size)]
    judge = jsonschema.Draft202012Validator(schema)
    try:
        compiled = sg.compile(sg.json_schema(schema), BYTES)
    except sg.errors.UnsatisfiableSchema:
        compiled = None
    for word in draw.sample(words, 12):
        for value in ([word], [word, draw.choice(words)], [word, word]):
            taken = False
            if compiled is not None:
                matcher = sg.Matcher(compiled)
                text = json.dumps(value).encode()
                taken = matcher.accepts(list(text)) == len(text)
                if taken:
                    for byte in text:
                        matcher.advance(byte)
                    taken = matcher.is_complete
            assert taken == judge.is_valid(value), (seed, schema, value)


@pytest.mark.parametrize("part", range(4))
def test_lengths_are_those_of_jsonschema(part: int) -> None:
    for seed in range(15 * part, 15 * part + 15):
        check_lengths(seed)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_lengths_are_those_of_jsonschema_whole(part: int) -> None:
    for seed in range(100 + 200 * part, 300 + 200 * part):
        check_lengths(seed)
