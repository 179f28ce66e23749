"""The subset of OpenAI's strict structured outputs: what is refused, by its place, and what is not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from for_each import for_each

import structgen as sg
from structgen.schema.reading.openai import FORMATS, find_refusals
from structgen.tokens.tokenizer import byte_tokenizer

BOOK: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "of the book", "pattern": "^[A-Z]"},
        "pages": {"type": ["integer", "null"], "minimum": 1},
        "authors": {"type": "array", "items": {"$ref": "#/$defs/author"}, "minItems": 1},
        "cover": {"anyOf": [{"enum": ["hard", "soft"], "type": "string"}, {"type": "null"}]},
    },
    "required": ["name", "pages", "authors", "cover"],
    "additionalProperties": False,
    "$defs": {
        "author": {
            "type": "object",
            "properties": {
                "born": {"type": "string", "format": "date"},
                "taught": {"$ref": "#/$defs/author"},
            },
            "required": ["born", "taught"],
            "additionalProperties": False,
        }
    },
}
BOOK["$defs"]["author"]["properties"]["taught"] = {"anyOf": [{"$ref": "#/$defs/author"}, {"type": "null"}]}


NOT_NAMED: dict[str, Any] = {
    "not": {"type": "null"},
    "oneOf": [{}],
    "dependentRequired": {},
    "dependentSchemas": {},
    "if": {},
    "then": {},
    "else": {},
    "patternProperties": {},
    "propertyNames": {},
    "minProperties": 1,
    "maxProperties": 9,
    "unevaluatedProperties": False,
    "contains": {},
    "minContains": 1,
    "maxContains": 1,
    "unevaluatedItems": False,
    "prefixItems": [{}],
}
"""Keywords that the guide names as not supported, or does not name."""


def changed(path: str, value: Any) -> Any:
    """Return the schema with the member at a path (names by blanks) set; None takes it out."""
    schema = copy.deepcopy(BOOK)
    at = schema
    steps = path.split()
    for step in steps[:-1]:
        at = at[step]
    if value is None:
        del at[steps[-1]]
    else:
        at[steps[-1]] = value
    return schema


def closed(properties: dict[str, Any]) -> Any:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def nested(levels: int) -> Any:
    return closed({"a": nested(levels - 1)}) if levels else {"type": "null"}


def test_a_schema_of_the_subset_is_taken_with_its_order() -> None:
    assert find_refusals(BOOK) == []
    compiled = sg.compile(sg.json_schema(BOOK, **sg.OPENAI_STRICT), byte_tokenizer())
    assert compiled.step_bytes(compiled.start, b'{"name": "A", "pages"') is not None
    assert compiled.step_bytes(compiled.start, b'{"pages"') is None


@for_each(
    ("schema", "pointer", "keyword"),
    [
        (True, "#", ""),
        ({"anyOf": [BOOK, BOOK]}, "#", "anyOf"),
        ({"type": "array", "items": BOOK}, "#", "type"),
        (changed("additionalProperties", None), "#", "additionalProperties"),
        (changed("additionalProperties", True), "#", "additionalProperties"),
        (changed("$defs author additionalProperties", None), "#/$defs/author", "additionalProperties"),
        (changed("required", ["name", "authors", "cover"]), "#", "required"),
        (changed("allOf", [{}]), "#", "allOf"),
        (changed("properties name not", {}), "#/properties/name", "not"),
        (changed("properties name format", "uri"), "#/properties/name", "format"),
        (changed("properties name format", {}), "#/properties/name", "format"),
        (changed("properties pages type", [{}]), "#/properties/pages", "type"),
        (changed("properties authors uniqueItems", True), "#/properties/authors", "uniqueItems"),
        (changed("properties cover oneOf", []), "#/properties/cover", "oneOf"),
        (changed("properties pages type", "any"), "#/properties/pages", "type"),
        (changed("$defs author properties born", True), "#/$defs/author/properties/born", ""),
        (changed("properties authors items description", "of a book"), "#/properties/authors/items", "$ref"),
        (changed("properties authors items $ref", "#/properties/name"), "#/properties/authors/items", "$ref"),
        (changed("properties authors items $ref", "other.json"), "#/properties/authors/items", "$ref"),
        (changed("properties authors items", None), "#/properties/authors", "items"),
        (changed("properties authors items", {}), "#/properties/authors/items", "type"),
        (changed("properties name type", None), "#/properties/name", "type"),
        (changed("properties name pattern", "^(?!x)"), "#/properties/name", "pattern"),
        (changed("properties name pattern", r"[(]\\(?<=x)"), "#/properties/name", "pattern"),
        (changed("properties name minLength", 1), "#/properties/name", "minLength"),
        (changed("properties name maxLength", 1), "#/properties/name", "maxLength"),
        (changed("properties name default", "A"), "#/properties/name", "default"),
        (changed("properties name x-shown", True), "#/properties/name", "x-shown"),
        (changed("required", [*BOOK["required"], "title"]), "#", "required"),
        (changed("enum", [{}]), "#", "enum"),
        *((changed(keyword, value), "#", keyword) for keyword, value in NOT_NAMED.items()),
        (nested(11), "#" + 10 * "/properties/a", "properties"),
        (closed({f"k{n}": {"type": "null"} for n in range(5001)}), "#", "properties"),
        (closed({"k" * 120_001: {"type": "null"}}), "#", "properties"),
        (closed({"k": {"enum": list(range(1001))}}), "#", "enum"),
        (closed({"k": {"enum": [f"{n:0100}" for n in range(251)]}}), "#", "enum"),
    ],
)
def test_what_is_refused(schema: Any, pointer: str, keyword: str) -> None:
    assert [(one.pointer, one.keyword) for one in find_refusals(schema)] == [(pointer, keyword)]
    with pytest.raises(sg.errors.UnsupportedError) as caught:
        sg.json_schema(schema, **sg.OPENAI_STRICT)
    assert (caught.value.where, caught.value.keyword) == (pointer, keyword)


@for_each(
    "schema",
    [
        nested(10),
        closed({}),
        changed("properties authors items $ref", "#"),
        changed("properties name pattern", r"^\(\?=[(]?[=!]$"),
        changed("properties name type", ["string", "null"]),
        changed("properties pages multipleOf", 2),
        changed("properties pages exclusiveMaximum", 2000),
        changed("properties authors maxItems", 3),
        changed("properties cover description", "beside anyOf"),
        changed("$schema", "https://json-schema.org/draft/2020-12/schema"),
        *(changed("properties name format", name) for name in sorted(FORMATS)),
        closed({f"k{n}": {"type": "null"} for n in range(5000)}),
        closed({"k": {"enum": list(range(1000))}}),
        closed({"k": {"enum": [f"{n:060}" for n in range(250)]}}),
    ],
)
def test_limits_are_not_refused(schema: Any) -> None:
    assert find_refusals(schema) == []


def test_all_faults_are_counted_in_the_error_and_listed_in_the_explanation() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"not": {}}}}
    with pytest.raises(sg.errors.UnsupportedError, match=r"2 more like it"):
        sg.json_schema(schema, subset="openai")
    found = sg.explain(sg.json_schema(schema), openai=True)
    assert [one.keyword for one in found.openai] == ["additionalProperties", "required", "not"]
    assert found.has_faults


def test_another_subset_is_named() -> None:
    with pytest.raises(sg.errors.OptionError, match="subset"):
        sg.json_schema(True, subset="none")
