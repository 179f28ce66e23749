"""The report says of every keyword that the root reaches whether it is enforced, annotation, or refused."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from structgen.grammars.json_grammars.schema_grammar import json_schema
from structgen.schema.explaining.keyword_report import KeywordReport, KeywordStanding


def standings(schema: Any, **options: Any) -> dict[tuple[str, str], tuple[str, str]]:
    report = json_schema(schema, **options).report
    return {(one.pointer, one.keyword): (one.standing.value, one.why) for one in report.findings}


def test_every_keyword_of_every_place_is_listed_once(unhandled: str) -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/a",
        "type": "object",
        "title": "T",
        "properties": {"a": {"$ref": "#/$defs/b"}},
        "$defs": {"b": {"minimum": 1, "x-mine": 2, unhandled: False}, "unused": {"type": "null"}},
    }
    assert standings(schema) == {
        ("#", "type"): ("enforced", ""),
        ("#", "title"): ("annotation", ""),
        ("#", "properties"): ("enforced", ""),
        ("#/properties/a", "$ref"): ("enforced", ""),
        ("#/$defs/b", "minimum"): ("enforced", ""),
        ("#/$defs/b", "x-mine"): ("annotation", "unknown in draft 2020-12"),
        ("#/$defs/b", unhandled): ("refused", f"{unhandled} is not supported."),
    }


@pytest.mark.filterwarnings("ignore::structgen.errors.SchemaWarning")
@pytest.mark.parametrize(
    ("schema", "keyword", "why"),
    [
        ({"_format": "date"}, "_format", "unknown"),
        ({"format": "zip-code"}, "format", "'zip-code' is not a format"),
        ({"if": {}}, "if", "without then or else"),
        ({"then": {}}, "then", "without if"),
        ({"else": {}}, "else", "without if"),
        ({"maxContains": 1}, "maxContains", "without contains"),
        ({"additionalItems": False}, "additionalItems", "unknown"),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#", "additionalItems": {}},
            "additionalItems",
            "items",
        ),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "const": 1}, "const", "unknown in draft 4"),
    ],
)
def test_a_keyword_that_says_nothing_is_an_annotation_with_the_reason(
    schema: Any, keyword: str, why: str
) -> None:
    standing, said = standings(schema)["#", keyword]
    assert standing == "annotation"
    assert why in said


def test_what_stands_beside_a_reference_in_draft_7_is_void() -> None:
    found = standings({"properties": {"a": {"$ref": "#", "type": "null"}}}, draft="7")
    assert found["#/properties/a", "type"] == ("annotation", "void next to $ref in draft 7")


def test_formats_are_annotations_when_asked() -> None:
    assert standings({"format": "date"})["#", "format"][0] == "enforced"
    assert standings({"format": "date"}, formats="annotate")["#", "format"] == (
        "annotation",
        "formats='annotate'",
    )


def test_a_reference_out_of_the_document_is_listed_as_refused() -> None:
    standing, why = standings({"$ref": "https://example.com/other"})["#", "$ref"]
    assert standing == "refused"
    assert "https://example.com/other" in why


def test_a_name_given_twice_is_noted() -> None:
    report = json_schema('{"properties": {"a": {}, "a": {"type": "null"}}}').report
    assert report.notes == ("#/properties/a is given more than once; the last one counts.",)


def test_the_four_standings_part_the_findings(unhandled: str) -> None:
    report = json_schema({"type": "null", "title": "T", "minimum": 1, unhandled: False}).report
    parts = (report.enforced, report.annotations, report.redundant, report.refused)
    assert sorted(str(one) for part in parts for one in part) == sorted(map(str, report.findings))
    assert [len(part) for part in parts] == [1, 1, 1, 1]


def test_the_printed_report_names_places_policies_and_reasons() -> None:
    text = str(
        json_schema({"properties": {"a": {"type": "null", "x": 1}}, "format": "zip"}, whitespace="any").report
    )
    assert "whitespace=any" in text
    assert "#/properties/a: enforced type; annotation x (unknown in draft 2020-12)" in text


def test_the_report_as_json_says_the_same() -> None:
    report = json_schema({"type": "null", "x": 1}).report
    found = json.loads(json.dumps(report.to_json()))
    assert found["draft"] == "2020-12"
    assert found["places"]["#"] == {
        "enforced": {"type": ""},
        "annotation": {"x": "unknown in draft 2020-12"},
        "redundant": {},
        "refused": {},
    }
    assert found["may_dead_end"] == []


def test_a_report_is_a_frozen_value() -> None:
    report = json_schema({"type": "null"}).report
    assert report == json_schema({"type": "null"}).report
    with pytest.raises(FrozenInstanceError):
        report.draft = "7"  # type: ignore[misc]
    assert isinstance(report, KeywordReport)
    assert report.findings[0].standing is KeywordStanding.ENFORCED


def test_places_that_may_dead_end_come_from_the_living_networks() -> None:
    class Scalars:
        def __getattr__(self, name: str) -> Any:
            return lambda *arguments: {0: b"0"}

    grammar = json_schema({"type": "null"})
    network = grammar.make_network(Scalars(), Scalars())  # type: ignore[arg-type]
    network.oracle.undecided_pointers["#/a"] = None
    assert grammar.report.may_dead_end == ("#/a",)
    assert "may dead-end: #/a" in str(grammar.report)


def test_a_schema_with_several_meanings_has_one_line_and_another_document_its_uri() -> None:
    other = {"items": {"$dynamicRef": "#x"}, "$defs": {"x": {"$dynamicAnchor": "x", "minLength": 1}}}
    schema = {
        "properties": {
            "a": {"$id": "https://example.com/a", "$ref": "list", "$defs": {"x": {"$dynamicAnchor": "x"}}},
            "b": {"$ref": "https://example.com/list"},
        }
    }
    report = json_schema(schema, resources={"https://example.com/list": other}).report
    lines = [(one.pointer, one.keyword) for one in report.findings]
    assert len(lines) == len(set(lines))
    assert ("https://example.com/list#/items", "$dynamicRef") in lines
    assert report.refused == ()


def test_a_loop_that_asks_nothing_is_noted() -> None:
    report = json_schema({"minLength": 1, "allOf": [{"$ref": "#"}]}).report
    assert "refers to itself" in report.notes[0]


@pytest.mark.parametrize(
    ("name", "said"), [("hostname", "xn--"), ("idn-email", "idn-hostname"), ("regex", "groups"), ("uri", "")]
)
def test_a_format_says_what_it_leaves_out(name: str, said: str) -> None:
    report = json_schema({"format": name}).report
    (finding,) = report.enforced
    assert said in finding.why
    assert bool(said) == bool(finding.why)
