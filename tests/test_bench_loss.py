"""`make silent-loss` deletes keywords one by one: what is lost, or wrongly called idle, it tells."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from structgen.grammars.compilation.implied_constraints import SchemaDifference
from structgen.schema.explaining import keyword_report
from structgen.schema.reading import dialects

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import bench_loss as loss

SCHEMAS: dict[str, Any] = {
    "scalars": {
        "properties": {
            "a": {"type": "string", "minLength": 2, "maxLength": 3, "pattern": "^[a-c]+$", "title": "A"},
            "b": {"type": "integer", "minimum": 2, "exclusiveMaximum": 9, "multipleOf": 3, "maximum": 20},
            "c": {"enum": [1, "x", None], "type": ["number", "string"]},
            "d": {"const": {"k": [1]}, "format": "date"},
            "e": {"format": "date"},
        },
        "required": ["a"],
        "type": "object",
    },
    "objects": {
        "type": "object",
        "properties": {"a": {}, "b": {"type": "null"}},
        "patternProperties": {"^x": {"type": "boolean"}},
        "additionalProperties": {"type": "string"},
        "propertyNames": {"maxLength": 2},
        "minProperties": 1,
        "maxProperties": 3,
        "dependentRequired": {"a": ["b"]},
        "dependentSchemas": {"b": {"required": ["x"], "minProperties": 0}},
    },
    "arrays": {
        "type": "array",
        "prefixItems": [{"type": "string"}],
        "items": {"type": "integer"},
        "contains": {"minimum": 7},
        "minContains": 1,
        "maxContains": 2,
        "minItems": 3,
        "maxItems": 4,
    },
    "unique": {"type": "array", "items": {"enum": [1, "a", [2]]}, "uniqueItems": True, "minItems": 1},
    "combined": {
        "allOf": [{"minimum": 1}, {}],
        "anyOf": [{"type": "string"}, {"not": {"const": 8}}],
        "oneOf": [{"multipleOf": 2}, {"multipleOf": 3}, {"type": "string"}],
        "not": {"const": 9},
        "if": {"maximum": 5},
        "then": {"not": {"const": 4}},
        "else": {"maximum": 30},
    },
    "unevaluated": {
        "type": "object",
        "anyOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": True}}],
        "properties": {"c": {"unevaluatedItems": False, "prefixItems": [{}]}},
        "unevaluatedProperties": False,
    },
    "recursive": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {
            "node": {
                "type": "object",
                "properties": {"next": {"$ref": "#/definitions/node"}, "v": {"minimum": 0, "minLength": 0}},
                "required": ["v"],
                "additionalProperties": False,
            }
        },
        "$ref": "#/definitions/node",
        "title": "void beside $ref",
    },
    "draft 4": {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {
            "a": {"minimum": 1, "exclusiveMinimum": True, "type": "number"},
            "b": {"items": [{"type": "string"}], "additionalItems": False, "type": "array"},
            "c": {"type": "string", "maximum": 3, "properties": {"d": {"type": "null"}}},
        },
        "dependencies": {"a": ["b"], "b": {"minProperties": 2}},
    },
}


def verdicts(schema: Any) -> dict[str, str]:
    subject = loss.Subject(json.dumps(schema), [], seconds=30.0)
    return {
        f"{one.pointer}/{one.keyword}": one.kind
        for one in map(subject.verdict, subject.prove(subject.report.findings))
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_keyword_changes_the_language_or_the_report_says_why_not(name: str) -> None:
    found = verdicts(SCHEMAS[name])
    assert set(found.values()) <= {loss.CHANGED, loss.NEEDED, loss.ANNOTATION, loss.REDUNDANT}, found


def test_what_only_the_rest_of_the_schema_makes_idle_is_redundant_by_proof() -> None:
    found = verdicts({"minimum": 3, "allOf": [{"minimum": 2}]})
    assert found["#/allOf/0/minimum"] == loss.REDUNDANT
    assert found["#/minimum"] == loss.CHANGED


def test_what_no_proof_was_looked_for_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "prove_redundant", lambda grammar, report: report)
    found = verdicts({"minimum": 3, "allOf": [{"minimum": 2}]})
    assert found["#/allOf/0/minimum"] == loss.IMPLIED


def test_a_wrong_proof_is_untrue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SchemaDifference, "find_difference", lambda self, other, pointer="#": None)
    subject = loss.Subject('{"minLength": 1}', [], seconds=30.0)
    (said,) = subject.prove(subject.report.findings)
    monkeypatch.undo()
    assert subject.verdict(said).kind == loss.UNTRUE


@pytest.mark.parametrize(
    ("keyword", "schema"),
    [
        ("multipleOf", {"properties": {"a": {"multipleOf": 3}}}),
        ("minContains", {"contains": {"type": "null"}, "minContains": 2}),
        ("pattern", {"pattern": "^b+$"}),
        ("dependentRequired", {"dependentRequired": {"a": ["b"]}}),
    ],
)
def test_a_keyword_that_the_reader_drops_is_silent(
    monkeypatch: pytest.MonkeyPatch, keyword: str, schema: Any
) -> None:
    monkeypatch.setitem(dialects.dialect_of("2020-12").keywords, keyword, lambda *_: None)
    found = verdicts(schema)
    assert [kind for at, kind in found.items() if at.endswith("/" + keyword)] == [loss.SILENT]


def test_a_keyword_that_the_report_wrongly_calls_redundant_is_untrue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyword_report, "redundancy_reason", lambda document, place, keyword: "so it is said")
    assert verdicts({"minLength": 1}) == {"#/minLength": loss.UNTRUE}


def test_a_keyword_that_another_place_refers_to_is_needed() -> None:
    schema = {"properties": {"a": {"type": "null"}}, "additionalProperties": {"$ref": "#/properties/a"}}
    found = verdicts(schema)
    assert found["#/properties"] == loss.NEEDED
