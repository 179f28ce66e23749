"""The documents of a schema in words: what a person reads about each place."""

from __future__ import annotations

from typing import Any

from for_each import for_each

import structgen as sg
from structgen.schema.explaining.outline import Line, Outline


def told(schema: Any, **options: Any) -> Outline:
    return sg.explain(sg.json_schema(schema, **{**sg.WIDEST, **options})).outline


def lines(schema: Any, **options: Any) -> list[tuple[int, str, str, str]]:
    return [(line.depth, line.label, line.need, line.what) for line in told(schema, **options).lines]


@for_each(
    ("schema", "what"),
    [
        (True, "any value"),
        ({"type": "string", "minLength": 2, "maxLength": 4}, "a string of 2 to 4 characters"),
        (
            {"type": "string", "pattern": "^a", "not": {"const": "ab"}},
            'a string that matches "^a" and other than "ab"',
        ),
        ({"type": "string", "format": "date"}, "a string in the format date"),
        ({"type": "integer", "minimum": 1.0, "maximum": 9}, "an integer from 1 to 9"),
        ({"type": "integer", "enum": [1, 2]}, "one of 1, 2"),
        ({"type": "integer", "multipleOf": 2, "minimum": 3}, "a multiple of 2, at least 3"),
        ({"type": "integer", "multipleOf": 2.5}, "an integer and a multiple of 2.5"),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer", "enum": [1]},
            "1, as digits alone",
        ),
        ({"type": ["null", "boolean", "number"]}, "a number, true or false or null"),
        ({"enum": ["a", 1, None, True]}, '"a", 1, true or null'),
        ({"type": "object"}, "an object with any keys"),
        ({"type": "object", "additionalProperties": False}, "an empty object"),
        ({"type": "object", "minProperties": 2}, "an object with any keys, at least 2 members"),
        ({"type": "array"}, "an array of any values"),
        ({"type": "array", "minItems": 1, "maxItems": 3}, "an array of 1 to 3 items"),
        ({"type": "array", "items": False}, "an empty array"),
        ({"type": "number", "not": {"enum": [1, 2.50]}}, "a number other than 1 and 2.5"),
        ({"allOf": [{"type": ["string", "null"]}, {"type": ["null", "number"]}]}, "null"),
    ],
)
def test_a_value_in_words(schema: Any, what: str) -> None:
    assert lines(schema)[0] == (0, "", "", what)


def test_members_of_an_object() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "null"},
            "b": {"type": "array", "items": {"type": "string"}},
            "c": False,
        },
        "patternProperties": {"^x-": {"type": "number"}},
        "additionalProperties": {"type": "boolean"},
        "required": ["b"],
    }
    assert lines(schema)[1:] == [
        (1, '"a"', "optional", "null"),
        (1, '"b"', "required", "an array"),
        (2, "each item", "", "a string"),
        (1, '"c"', "never", ""),
        (1, 'any other key that matches "^x-"', "", "a number"),
        (1, 'any other key that does not match "^x-"', "", "true or false"),
    ]


def test_only_kinds_of_keys_that_some_key_is_of_are_told() -> None:
    of = {"^a": {"type": "null"}, "^ab": {"type": "null"}, ".*": True}
    told_of = [label for _, label, _, _ in lines({"type": "object", "patternProperties": of})[1:]]
    assert not [
        label for label in told_of if 'not match ".*"' in label or 'not match "^a" and that matches' in label
    ]
    assert len(told_of) == 3
    every = lines({"type": "object", "patternProperties": {".*": {"type": "null"}}})[1:]
    assert [label for _, label, _, _ in every] == ["any key"]


def test_kinds_share_what_they_have_in_common() -> None:
    def kind(name: str, **members: Any) -> dict[str, Any]:
        return {"properties": {"kind": {"const": name}, **members}, "required": ["kind", *members]}

    schema = {
        "type": "object",
        "properties": {"id": {"type": "integer"}},
        "required": ["id"],
        "anyOf": [kind("a", x={"type": "null"}), kind("b")],
    }
    assert lines(schema) == [
        (0, "", "", "an object of one of 2 kinds"),
        (1, '"id"', "required", "an integer"),
        (1, "any other key", "", "any value"),
        (1, "kind 1 of 2", "", ""),
        (2, '"kind"', "required", '"a"'),
        (2, '"x"', "required", "null"),
        (1, "kind 2 of 2", "", ""),
        (2, '"kind"', "required", '"b"'),
    ]


def test_items_by_place_and_by_count() -> None:
    schema = {
        "type": "array",
        "prefixItems": [{"type": "null"}, {"type": "boolean"}],
        "items": {"type": ["integer", "string"]},
        "contains": {"type": "string"},
        "minContains": 2,
    }
    assert lines(schema)[1:] == [
        (1, "item 1", "", "null"),
        (1, "item 2", "", "true or false"),
        (1, "each further item", "", "a string or an integer"),
        (1, "", "", "at least 2 items must be a string"),
    ]


def test_conditions_are_said() -> None:
    schema = {
        "type": "object",
        "propertyNames": {"maxLength": 3},
        "dependentRequired": {"a": ["b", "c"]},
        "not": {"required": ["d", "e"]},
    }
    said = [what for _, label, _, what in lines(schema) if not label][1:]
    assert said == [
        "each key is a string of at most 3 characters",
        'where "a" is there, so are "b" and "c"',
        '"d" is absent, or "e" is absent',
    ]


def test_recursion_is_referred_to() -> None:
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False}
    found = told(schema).lines
    assert [(line.label, line.same_as) for line in found] == [("", -1), ('"next"', 0)]


def test_sources_are_the_schemas_that_ask() -> None:
    schema = {
        "properties": {"a": {"type": "string"}},
        "allOf": [{"properties": {"a": {"maxLength": 3}}}],
        "type": "object",
    }
    (line,) = [line for line in told(schema).lines if line.label == '"a"']
    assert line.sources == ("#/properties/a", "#/allOf/0/properties/a")


def test_a_deep_schema_is_told_without_recursion() -> None:
    schema: Any = {"type": "null"}
    for _ in range(800):
        schema = {"type": "array", "items": schema, "minItems": 1}
    found = told(schema)
    assert (len(found.lines), found.lines[-1].depth, found.cut) == (801, 800, 0)


def test_what_is_cut_is_counted() -> None:
    schema = {"type": "object", "properties": {f"k{n}": {"type": "null"} for n in range(20)}}
    found = sg.explain(sg.json_schema(schema), lines=5)
    assert (len(found.outline.lines), found.outline.cut, found.complete) == (5, 17, False)


def test_lines_stand_after_the_line_around_them() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"enum": [1, 2]}}, "b": {}}}
    found = told(schema).lines

    def depth(line: Line) -> int:
        return 0 if line.parent < 0 else 1 + depth(found[line.parent])

    assert all(line.parent < index and depth(line) == line.depth for index, line in enumerate(found))
