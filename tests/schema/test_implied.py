"""`explain(grammar, prove=True)`: what the rest of the schema asks as well is called redundant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import structgen as sg
from structgen.cli import app
from structgen.compilation.implied_constraints import IMPLIED
from structgen.schema.explaining.keyword_report import KeywordReport
from structgen.schema.explaining.schema_difference import SchemaDifference
from structgen.schema.reading.document import Document


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

    monkeypatch.setattr(SchemaDifference, "difference", met)
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
