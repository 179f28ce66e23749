"""The report calls a constraint redundant only where the documents are the same without it."""

from __future__ import annotations

from typing import Any

import pytest
from for_each import for_each

import structgen as sg
from structgen.json_grammars.schema_grammar import json_schema
from structgen.schema.explaining.keyword_report import KeywordStanding
from structgen.schema.reading.policies import WIDEST

DRAFT_4 = "http://json-schema.org/draft-04/schema#"


def standing(
    schema: Any, keyword: str, pointer: str = "#", prove: bool = False, **options: Any
) -> KeywordStanding:
    grammar = json_schema(schema, **{**WIDEST, **options})
    report = sg.explain(grammar, prove=True).report if prove else grammar.report
    (found,) = (one for one in report.findings if (one.pointer, one.keyword) == (pointer, keyword))
    assert bool(found.why) is (found.standing is not KeywordStanding.ENFORCED)
    return found.standing


@pytest.mark.parametrize(
    ("keyword", "schema"),
    [
        ("minLength", {"minLength": 0}),
        ("required", {"required": []}),
        ("uniqueItems", {"uniqueItems": False}),
        ("type", {"type": "object", "enum": [{"a": 1}]}),
        ("maximum", {"type": "string", "maximum": 3}),
        ("properties", {"const": 1, "properties": {"a": False}}),
        ("properties", {"properties": {}, "additionalProperties": False}),
        ("additionalProperties", {"additionalProperties": {}}),
        ("items", {"items": {}}),
    ],
)
def test_an_idle_constraint_is_redundant(keyword: str, schema: Any) -> None:
    assert standing(schema, keyword) is KeywordStanding.REDUNDANT


@for_each(
    ("keyword", "schema"),
    [
        ("uniqueItems", {"uniqueItems": True, "maxItems": 1}),
        ("type", {"type": ["string", "integer"], "enum": ["a", 1, 2.0]}),
        ("type", {"type": ["object", "array", "string", "number", "boolean", "null"]}),
        ("enum", {"type": ["boolean", "null"], "enum": [False, True, None]}),
        ("multipleOf", {"type": "integer", "multipleOf": 0.5}),
        ("minimum", {"minimum": 3, "exclusiveMinimum": 3}),
        ("exclusiveMaximum", {"maximum": 2, "exclusiveMaximum": 3}),
        ("pattern", {"pattern": ".*"}),
        ("additionalProperties", {"additionalProperties": {"title": "any"}}),
        ("properties", {"properties": {"a": True}}),
        ("minProperties", {"minProperties": 2, "required": ["a", "b"]}),
        ("contains", {"contains": {"type": "null"}, "minContains": 0}),
        ("anyOf", {"anyOf": [{"type": "null"}, True]}),
        ("not", {"not": False}),
        ("if", {"if": {"type": "null"}, "then": {}}),
        ("$ref", {"$ref": "#/$defs/any", "$defs": {"any": {}}}),
    ],
)
def test_what_takes_a_second_look_is_redundant_by_proof(keyword: str, schema: Any) -> None:
    assert standing(schema, keyword) is KeywordStanding.ENFORCED
    assert standing(schema, keyword, prove=True) is KeywordStanding.REDUNDANT


@for_each(
    ("keyword", "schema"),
    [
        ("minLength", {"minLength": 1}),
        ("type", {"type": "object", "enum": [{"a": 1}, 2]}),
        ("type", {"type": "integer", "enum": [1, 1.5]}),
        ("type", {"$schema": DRAFT_4, "type": "integer", "enum": [1]}),
        ("type", {"type": ["object", "array", "string", "integer", "boolean", "null"]}),
        ("enum", {"type": ["boolean", "null"], "enum": [False, True]}),
        ("enum", {"type": "integer", "enum": [0, 1]}),
        ("maximum", {"type": ["string", "number"], "maximum": 3}),
        ("multipleOf", {"type": "integer", "multipleOf": 1.5}),
        ("multipleOf", {"multipleOf": 0.5}),
        ("minimum", {"minimum": 3, "exclusiveMinimum": 2}),
        ("exclusiveMaximum", {"maximum": 3, "exclusiveMaximum": 3}),
        ("pattern", {"pattern": "^.*$"}),  # no line breaks
        ("properties", {"properties": {"a": True}, "additionalProperties": False}),
        ("properties", {"properties": {"a": True}, "unevaluatedProperties": False}),
        ("additionalProperties", {"additionalProperties": True, "unevaluatedProperties": False}),
        ("minProperties", {"minProperties": 3, "required": ["a", "b"]}),
        ("contains", {"contains": {"type": "null"}, "minContains": 0, "maxContains": 2}),
        ("items", {"items": {}, "unevaluatedItems": False}),
        ("items", {"$schema": DRAFT_4, "items": [{}], "additionalItems": False}),
        ("if", {"if": {"type": "null"}, "then": {}, "else": False}),
        ("dependentRequired", {"dependentRequired": {"a": ["b"]}}),
    ],
)
def test_what_rules_out_a_document_is_enforced(keyword: str, schema: Any) -> None:
    assert standing(schema, keyword) is KeywordStanding.ENFORCED


def test_what_stands_in_a_part_that_no_value_has_is_redundant() -> None:
    schema = {"type": "string", "items": {"type": "null"}, "properties": {"a": {"maximum": 1}}}
    assert standing(schema, "type", "#/items", prove=True) is KeywordStanding.REDUNDANT
    assert standing(schema, "maximum", "#/properties/a", prove=True) is KeywordStanding.REDUNDANT
    referred = {"anyOf": [schema, {"type": "array", "items": {"$ref": "#/anyOf/0/properties/a"}}]}
    pointer = "#/anyOf/0/properties/a"
    assert standing(referred, "maximum", pointer, prove=True) is KeywordStanding.ENFORCED


def test_a_keyword_that_gives_keys_their_order_is_no_redundant_one() -> None:
    schema = {"properties": {"a": True}}
    assert standing(schema, "properties", property_order="declared") is KeywordStanding.ENFORCED


def test_under_caps_little_is_redundant() -> None:
    schema = {"properties": {"a": {"additionalProperties": True}}}
    assert standing(schema, "additionalProperties", "#/properties/a") is KeywordStanding.REDUNDANT
    capped = standing(schema, "additionalProperties", "#/properties/a", any_value="scalar")
    assert capped is KeywordStanding.ENFORCED
