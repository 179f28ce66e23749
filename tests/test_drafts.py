"""Each draft's own words, from the schema to the last byte: what is taken, and that what is taken can end."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import pytest

import structgen as sg

TOKENIZER = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None], eos_token_id=256)
TREE = {
    "$id": "https://example.com/tree",
    "$dynamicAnchor": "node",
    "type": "object",
    "properties": {
        "data": {"type": "boolean"},
        "children": {"type": "array", "items": {"$dynamicRef": "#node"}},
    },
}

CASES: dict[str, tuple[Any, dict[str, Any], list[Any], list[Any]]] = {
    "draft 3": (
        {
            "$schema": "http://json-schema.org/draft-03/schema#",
            "type": [
                "null",
                {
                    "properties": {
                        "a": {"required": True, "disallow": ["string", {"type": "array", "maxItems": 0}]}
                    }
                },
            ],
            "extends": {"properties": {"b": {"divisibleBy": 0.5}}},
            "dependencies": {"b": "c"},
        },
        {},
        [None, {"a": 1}, {"a": [1]}, {"c": 0, "a": {}, "b": 1.5}],
        [{}, {"a": "x"}, {"a": []}, {"a": 1, "b": 0.3, "c": 1}, {"a": 1, "b": 1}],
    ),
    "a tree that is extended": (
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://example.com/strict",
            "$dynamicAnchor": "node",
            "$ref": "tree",
            "unevaluatedProperties": False,
        },
        {"https://example.com/tree": TREE},
        [{}, {"children": []}, {"children": [{"data": True}, {"children": [{}]}]}],
        [[], {"daat": 1}, {"children": [{"daat": True}]}, {"children": [{"children": [{"x": 1}]}]}],
    ),
    "recursive references of 2019-09": (
        {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "$recursiveAnchor": True,
            "$ref": "#/$defs/list",
            "maxItems": 1,
            "$defs": {
                "list": {
                    "$id": "list",
                    "$recursiveAnchor": True,
                    "anyOf": [{"type": "null"}, {"type": "array", "items": {"$recursiveRef": "#"}}],
                }
            },
        },
        {},
        [None, [], [None], [[[None]]]],
        [1, [None, None], [[[], []]]],
    ),
    "no vocabulary of validation": (
        {
            "$schema": "https://example.com/meta",
            "properties": {"a": {"minimum": 3, "not": {"$ref": "#/$defs/b"}}},
            "$defs": {"b": {"properties": {"c": False}}},
        },
        {
            "https://example.com/meta": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$vocabulary": {
                    "https://json-schema.org/draft/2020-12/vocab/core": True,
                    "https://json-schema.org/draft/2020-12/vocab/applicator": True,
                },
            }
        },
        [1, {}, {"a": {"c": 1}}],
        [{"a": 1}, {"a": {"d": 1}}],
    ),
    "the proposal of v1": (
        {
            "$schema": "https://json-schema.org/v1",
            "type": "object",
            "propertyDependencies": {"kind": {"a": {"required": ["x"], "properties": {"x": True}}}},
            "properties": {"kind": True},
            "unevaluatedProperties": False,
        },
        {},
        [{}, {"kind": "a", "x": 1}, {"kind": "b"}, {"x": None, "kind": "a"}],
        [{"kind": "a"}, {"kind": "b", "x": 1}, {"x": 1}],
    ),
}


def compiled(name: str) -> sg.CompiledGrammar:
    schema, resources, _, _ = CASES[name]
    return sg.compile(sg.json_schema(schema, resources=resources, **sg.WIDEST), TOKENIZER, store=False)


@pytest.mark.parametrize("name", CASES)
def test_texts_are_taken_as_the_draft_says(name: str) -> None:
    grammar = compiled(name)
    for values, valid in zip(CASES[name][2:], (True, False), strict=True):
        for value in values:
            state = grammar.step_bytes(grammar.start, json.dumps(value).encode())
            assert (state is not None and state.is_complete) is valid, value


@pytest.mark.parametrize("name", CASES)
def test_walks_end_in_documents(name: str) -> None:
    grammar = compiled(name)
    mask = sg.allocate_mask(1, TOKENIZER.vocab_size)
    draw = random.Random(7)
    for _ in range(4):
        matcher = sg.Matcher(grammar)
        for _ in range(40):
            matcher.fill_mask(mask)
            tokens = [token for token in mask.allowed().tolist() if token != 256]
            if not tokens:
                break
            matcher.advance(draw.choice(tokens))
        while not matcher.is_complete:
            matcher.fill_mask(mask, budget=matcher.tokens_to_finish())
            matcher.advance(next(token for token in mask.allowed().tolist() if token != 256))
        text = bytes(matcher.tokens)
        if name == "draft 3":
            jsonschema.Draft3Validator(CASES[name][0]).validate(json.loads(text))
