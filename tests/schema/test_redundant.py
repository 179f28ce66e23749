"""The report calls a constraint redundant only where the documents are the same without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each
from typer.testing import CliRunner

import structgen as sg
from structgen.doors.cli import app
from structgen.grammars.compilation.implied_constraints import IMPLIED, SchemaDifference
from structgen.grammars.json_grammars.schema_grammar import json_schema
from structgen.schema.explaining.keyword_report import KeywordReport, KeywordStanding
from structgen.schema.reading.document import Document
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


# What the rest of the schema asks as well, by proof


def report(schema: Any, **options: Any) -> KeywordReport:
    return sg.explain(sg.json_schema(schema, **options), prove=True).report


def proofs(schema: Any, **options: Any) -> set[str]:
    told = report(schema, **options)
    return {f"{one.pointer}/{one.keyword}" for one in told.redundant if one.why == IMPLIED}


@pytest.mark.parametrize(
    ("schema", "idle"),
    [
        ({"minimum": 3, "allOf": [{"minimum": 2}]}, {"#/allOf", "#/allOf/0/minimum"}),
        ({"type": "string", "pattern": "^ab+$", "minLength": 2, "maxLength": 9}, {"#/minLength"}),
        ({"enum": ["a", "b"], "pattern": "^[a-c]$"}, {"#/pattern"}),
        ({"anyOf": [{"type": "integer", "minimum": 2}, {"type": "number"}]}, {"#/anyOf/0/minimum"}),
        (
            {
                "required": ["a"],
                "dependentRequired": {"b": ["a"]},
                "properties": {"a": {"type": "string"}, "b": {"maximum": 2}},
            },
            {"#/dependentRequired"},
        ),
        ({"items": {"enum": [1, 2]}, "uniqueItems": True, "maxItems": 2, "minItems": 1}, {"#/maxItems"}),
        ({"type": "array", "contains": {"type": "null"}, "minItems": 1}, {"#/minItems"}),
        ({"not": {"minLength": 2, "maxLength": 1, "type": "string"}, "type": ["string", "null"]}, {"#/not"}),
        ({"type": "integer", "minimum": 3, "exclusiveMaximum": 9}, set()),
    ],
)
def test_what_the_rest_asks_for_is_redundant_and_nothing_else(schema: Any, idle: set[str]) -> None:
    assert proofs(schema) == idle


def test_without_prove_the_oracle_is_not_asked() -> None:
    schema = {"minimum": 3, "allOf": [{"minimum": 2}]}
    assert not sg.explain(sg.json_schema(schema)).report.redundant


def test_a_keyword_that_others_refer_to_stays_enforced() -> None:
    schema = {
        "anyOf": [{"properties": {"a": {"type": "null"}}}, True],
        "additionalProperties": {"$ref": "#/anyOf/0/properties/a"},
    }
    assert "#/anyOf/0/properties" not in proofs(schema)


def test_a_recursive_bound_that_recurs_is_found() -> None:
    schema = {
        "type": "object",
        "properties": {"next": {"$ref": "#", "minProperties": 0, "type": "object"}, "n": {"minimum": 1}},
        "required": ["n"],
    }
    assert proofs(schema) == {"#/properties/next/type"}


def test_the_resources_and_the_draft_of_the_grammar_count() -> None:
    schema = {"allOf": [{"$ref": "urn:other"}, {"minLength": 2}]}
    assert proofs(schema, resources={"urn:other": {"minLength": 3}}) == {"#/allOf/1/minLength"}


def test_narrow_policies_do_not_make_a_constraint_redundant() -> None:
    schema = {"type": "string", "maxLength": 3, "pattern": "^[ab]*$"}
    assert proofs(schema, max_string=2) == set()


def test_beside_a_format_that_is_cut_nothing_is_called_redundant() -> None:
    schema = {"allOf": [{"format": "hostname", "minLength": 1}, {"type": "string"}]}
    told = report(schema)
    assert not told.redundant
    assert any("#/allOf/0/minLength: " in note and "hostname" in note for note in told.notes)


def test_what_a_limit_leaves_undecided_is_enforced_and_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def met(self: SchemaDifference, other: Document, pointer: str = "#") -> int | None:
        raise sg.errors.LimitError("too long", limit="oracle_steps")

    monkeypatch.setattr(SchemaDifference, "find_difference", met)
    told = report({"minimum": 3})
    assert [one.keyword for one in told.enforced] == ["minimum"]
    why = "whether it changes anything was not decided: the limit oracle_steps was met"
    assert told.notes == (f"#/minimum: {why}",)


def test_the_command_tells_it(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({"minimum": 3, "allOf": [{"minimum": 2}]}))
    shown = CliRunner().invoke(app(), ["explain", "--schema", str(path), "--prove"])
    assert f"#/allOf/0  minimum: {IMPLIED}" in shown.stdout


def test_a_lark_grammar_has_no_keywords_to_prove() -> None:
    with pytest.raises(sg.errors.OptionError, match="no keywords"):
        sg.explain(sg.lark('start: "a"'), prove=True)  # type: ignore[call-overload]


def test_what_would_deny_a_grammar_that_is_not_regular_is_told_as_undecided() -> None:
    rules = {"syntax": "ebnf", "definition": 'root ::= "" | "(" root ")"'}
    schema = {
        "properties": {
            "q": {"type": "string", "x-grammar": rules, "maxLength": 4},
            "n": {"type": "integer", "allOf": [{"minimum": 3}, {"minimum": 2}]},
        }
    }
    told = str(sg.explain(sg.json_schema(schema), prove=True))
    for keyword in ("x-grammar", "maxLength"):
        assert f"#/properties/q/{keyword}: whether it changes anything was not decided" in told
    assert "#/properties/n/allOf/1  minimum: the rest of the schema asks as much" in told
