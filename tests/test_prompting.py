"""The outline of a schema says its names, types, formats and listed values, and ends for every schema."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

import structgen as sg
from structgen.base.json_text.exact_json import write_canonical
from structgen.grammars.json_grammars.outline_writer import MOST_OUTLINE, shorter_outlines
from structgen.grammars.json_grammars.prompting import (
    extraction_prompt,
    schema_outline,
)


def an_object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


STRING, INTEGER = {"type": "string"}, {"type": "integer"}


@for_each(
    ("schema", "outline"),
    [
        (STRING, "string"),
        (True, "any"),
        (False, "never"),
        ({"type": ["string", "null"]}, "string|null"),
        ({"type": ["null", "number", "integer"]}, "number|null"),
        ({"type": "string", "format": "date"}, "date"),
        ({"format": "email"}, "email"),
        ({"enum": ["S", "M", None, 3, 1.5]}, '"S"|"M"|null|3|1.5'),
        ({"const": {"a": [1]}}, '{"a":[1]}'),
        ({"enum": [1, 2, 3], "allOf": [{"enum": [2, 3, 4]}]}, "2|3"),
        ({"enum": [1], "allOf": [{"enum": [2]}]}, "never"),
        ({"allOf": [STRING, INTEGER]}, "never"),
        ({"allOf": [INTEGER, {"type": "number"}]}, "integer"),
        ({"type": "object"}, "object"),
        ({"type": "object", "additionalProperties": False}, "{}"),
        ({"type": "object", "additionalProperties": INTEGER}, "{...: integer}"),
        ({"patternProperties": {"^x-": STRING}}, "{/^x-/: string}"),
        (an_object("b", a=STRING, b=INTEGER), "{a?: string, b: integer}"),
        (an_object("a z", a=STRING), "{a: string, z: any}"),
        (an_object("", **{"First Name": STRING}), '{"First Name"?: string}'),
        (an_object("", **{'a"b': INTEGER}), '{"a\\"b"?: integer}'),
        (an_object("", a=STRING, b=False), "{a?: string}"),
        ({"type": "array"}, "array"),
        ({"items": STRING}, "[string]"),
        ({"type": "array", "items": an_object("n", n=INTEGER)}, "[{n: integer}]"),
        ({"prefixItems": [STRING, INTEGER], "items": {"type": "boolean"}}, "[string, integer, ...boolean]"),
        ({"anyOf": [STRING, {"type": "null"}]}, "string|null"),
        ({"oneOf": [an_object(x=STRING), an_object(y=STRING)]}, "{x?: string}|{y?: string}"),
        ({**an_object("", a=STRING), "anyOf": [{"required": ["a"]}, {"minProperties": 2}]}, "{a?: string}"),
        ({"allOf": [an_object("a", a=STRING), an_object("b", b=INTEGER)]}, "{a: string, b: integer}"),
        ({"type": ["object", "null"], "properties": {"a": STRING}}, "{a?: string}|null"),
        (
            {**an_object("", k=STRING), "anyOf": [an_object("a", a=STRING), an_object("b", b=STRING)]},
            "{k?: string}&({a: string}|{b: string})",
        ),
        ({"$ref": "#/$defs/day", "$defs": {"day": {"type": "string", "format": "date"}}}, "date"),
    ],
)  # fmt: skip
def test_outline(schema: Any, outline: str) -> None:
    assert schema_outline(schema) == outline


def test_a_definition_that_holds_itself_is_named_once() -> None:
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": an_object("v", v=INTEGER, left={"$ref": "#/$defs/node"}, right={"$ref": "#/$defs/node"})
        },
    }
    assert schema_outline(tree) == "node={v: integer, left?: node, right?: node}"
    assert schema_outline(an_object(a={"$ref": "#"})) == "Root={a?: Root}"


def test_a_short_definition_that_holds_itself_ends_where_it_is_written_again() -> None:
    node = an_object(next={"$ref": "#/$defs/node"})
    schema = {**an_object(a={"$ref": "#/$defs/node"}, b={"$ref": "#/$defs/node"}), "$defs": {"node": node}}
    assert schema_outline(schema) == "{a?: node={next?: node}, b?: {next?: node}}"


def test_a_long_definition_is_written_once() -> None:
    fields = {f"field_{number}": STRING for number in range(30)}
    both = an_object(a={"$ref": "#/$defs/Long"}, b={"$ref": "#/$defs/Long"})
    outline = schema_outline({**both, "$defs": {"Long": an_object(**fields)}})
    assert outline.startswith("{a?: Long={field_0?: string,")
    assert outline.endswith("}, b?: Long}")


def test_references_that_double_do_not_double_the_outline() -> None:
    definitions = {
        f"d{level}": an_object(a={"$ref": f"#/$defs/d{level + 1}"}, b={"$ref": f"#/$defs/d{level + 1}"})
        for level in range(200)
    }
    outline = schema_outline({"$ref": "#/$defs/d0", "$defs": {**definitions, "d200": STRING}})
    assert len(outline) < 20_000


def test_depth_is_no_matter() -> None:
    schema: dict[str, Any] = STRING
    for _ in range(5_000):
        schema = {"items": schema}
    assert schema_outline(schema) == "[" * 5_000 + "string" + "]" * 5_000


def test_a_schema_too_large_for_a_prompt_is_refused() -> None:
    with pytest.raises(sg.errors.LimitError, match="100,000"):
        schema_outline({"enum": ["x" * MOST_OUTLINE]})


def test_a_grammar_is_outlined_like_its_schema() -> None:
    schema = an_object("a", a=STRING)
    assert schema_outline(sg.json_schema(schema)) == schema_outline(json.dumps(schema)) == "{a: string}"


def test_what_is_no_schema_is_an_error() -> None:
    with pytest.raises(sg.errors.SchemaError):
        schema_outline({"properties": 3})


def test_prompt_is_outline_and_text() -> None:
    assert extraction_prompt(an_object("a", a=STRING), " Some words.\n") == "{a: string}\nSome words.\n"


_SCHEMAS = st.recursive(
    st.sampled_from([STRING, INTEGER, {"enum": ["a", 1]}, True, {"type": "array"}]),
    lambda inner: (
        st.builds(
            lambda kinds: {"type": "object", "properties": kinds}, st.dictionaries(st.text(max_size=3), inner)
        )
        | st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=12,
)


@given(_SCHEMAS)
def test_outline_is_one_line_and_names_every_key(schema: Any) -> None:
    outline = schema_outline(schema)
    assert "\n" not in outline
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            for key, inner in part.get("properties", {}).items():
                assert key in outline or write_canonical(key) in outline
                stack.append(inner)
            stack += [part[name] for name in ("items",) if name in part] + part.get("anyOf", [])


NESTED = an_object("a", a=an_object("b", b=an_object("c", c=STRING), d={"type": "array", "items": INTEGER}))


@pytest.mark.parametrize(
    ("depth", "outline"),
    [
        (0, "object"),
        (1, "{a: object}"),
        (2, "{a: {b: object, d?: array}}"),
        (3, "{a: {b: {c: string}, d?: [integer]}}"),
        (None, "{a: {b: {c: string}, d?: [integer]}}"),
    ],
)
def test_below_its_depth_an_outline_tells_types_alone(depth: int | None, outline: str) -> None:
    assert schema_outline(NESTED, depth=depth) == outline


@pytest.mark.parametrize(
    ("most", "outline"),
    [(6, "object"), (11, "{a: object}"), (30, "{a: {b: object, d?: array}}"), (99, schema_outline(NESTED))],
)
def test_the_deepest_outline_that_fits_is_taken(most: int, outline: str) -> None:
    outlines = shorter_outlines(partial(schema_outline, NESTED), descriptions=False)
    assert next(told for told, _ in outlines if len(told) <= most) == outline


def test_an_outline_of_more_than_the_most_characters_is_shortened() -> None:
    wide = {
        f"k{at}": an_object(**{f"key_{at}_{one}_{'x' * 110}": STRING for one in range(30)})
        for at in range(30)
    }
    outline, _ = next(shorter_outlines(partial(schema_outline, an_object(**wide)), descriptions=True))
    assert outline.startswith("{k0?: object, k1?: object")
