"""The report calls a constraint redundant only where the documents are the same without it."""

from __future__ import annotations

from typing import Any

import pytest
from for_each import for_each
from typer.testing import CliRunner

import structgen as sg
from structgen.cli import app
from structgen.json_grammars.schema_grammar import json_schema
from structgen.schema.explaining.keyword_report import KeywordStanding
from structgen.schema.reading.policies import WIDEST
from structgen.tokens.tokenizer import byte_tokenizer

DRAFT_4 = "http://json-schema.org/draft-04/schema#"


def standing(schema: Any, keyword: str, pointer: str = "#", **options: Any) -> KeywordStanding:
    report = json_schema(schema, **{**WIDEST, **options}).report
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
def test_what_takes_a_second_look_is_enforced_and_changes_nothing(keyword: str, schema: Any) -> None:
    assert standing(schema, keyword) is KeywordStanding.ENFORCED
    assert changes_nothing(schema, keyword)


@for_each(
    ("keyword", "schema"),
    [
        ("minLength", {"minLength": 1}),
        ("type", {"type": "object", "enum": [{"a": 1}, 2]}),
        ("type", {"type": "integer", "enum": [1, 1.5]}),
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
def test_what_rules_out_a_document_is_enforced_and_changes_something(keyword: str, schema: Any) -> None:
    assert standing(schema, keyword) is KeywordStanding.ENFORCED
    assert not changes_nothing(schema, keyword)


def test_the_type_beside_an_enum_of_draft_4_is_enforced_as_it_rules_out_a_fraction() -> None:
    assert standing({"$schema": DRAFT_4, "type": "integer", "enum": [1]}, "type") is KeywordStanding.ENFORCED


def test_a_keyword_that_gives_keys_their_order_is_no_redundant_one() -> None:
    schema = {"properties": {"a": True}}
    assert standing(schema, "properties", property_order="declared") is KeywordStanding.ENFORCED


def test_under_caps_little_is_redundant() -> None:
    schema = {"properties": {"a": {"additionalProperties": True}}}
    assert standing(schema, "additionalProperties", "#/properties/a") is KeywordStanding.REDUNDANT
    capped = standing(schema, "additionalProperties", "#/properties/a", any_value="scalar")
    assert capped is KeywordStanding.ENFORCED


# Whether any keyword changes something: a schema asks for a document that only one of two others takes


def changes_nothing(schema: dict[str, Any], keyword: str) -> bool:
    """Return whether no document tells a schema from the same without a keyword of its root."""
    without = {key: value for key, value in schema.items() if key != keyword}
    resources = {"urn:with": schema, "urn:without": without}
    for one, other in (("urn:with", "urn:without"), ("urn:without", "urn:with")):
        root = {"allOf": [{"$ref": one}, {"not": {"$ref": other}}]}
        try:
            sg.compile(sg.json_schema(root, resources=resources, **WIDEST), byte_tokenizer(), store=False)
        except sg.errors.UnsatisfiableSchema:
            continue
        return False
    return True


@for_each(
    ("keyword", "schema"),
    [
        ("allOf", {"minimum": 3, "allOf": [{"minimum": 2}]}),
        ("minLength", {"type": "string", "pattern": "^ab+$", "minLength": 2, "maxLength": 9}),
        ("pattern", {"enum": ["a", "b"], "pattern": "^[a-c]$"}),
        ("dependentRequired", {"required": ["a"], "dependentRequired": {"b": ["a"]}}),
        ("maxItems", {"items": {"enum": [1, 2]}, "uniqueItems": True, "maxItems": 2, "minItems": 1}),
        ("minItems", {"type": "array", "contains": {"type": "null"}, "minItems": 1}),
        ("not", {"not": {"minLength": 2, "maxLength": 1, "type": "string"}, "type": ["string", "null"]}),
    ],
)
def test_of_the_keywords_only_what_the_rest_asks_for_changes_nothing(
    keyword: str, schema: dict[str, Any]
) -> None:
    assert [one for one in schema if changes_nothing(schema, one)] == [keyword]


def test_prove_is_refused_with_what_to_write() -> None:
    with pytest.raises(sg.errors.OptionError, match="Compile"):
        sg.explain(sg.json_schema({"minimum": 3}), prove=True)  # type: ignore[call-overload]
    shown = CliRunner().invoke(app(), ["explain", "--schema", "true", "--prove"])
    assert "Compile" in shown.output
