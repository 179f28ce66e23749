"""Unknown keywords that look like one that was meant: warned of once, with their place; refused if strict."""

from __future__ import annotations

import random
import re
import warnings
from typing import Any

import jsonschema
import pytest
from for_each import for_each
from typer.testing import CliRunner

import structgen as sg
from structgen.schema.reading.document import Document
from structgen.schema.reading.suspect_keywords import find_suspects, misplaced_keywords

DRAFT4 = "http://json-schema.org/draft-04/schema#"
DRAFT7 = "http://json-schema.org/draft-07/schema#"


def found(schema: Any) -> list[tuple[str, str]]:
    return [(one.where, one.likely) for one in find_suspects(Document(schema))]


@for_each(
    ("schema", "likely"),
    [
        ({"type": "string", "maxLenght": 3}, "maxLength"),
        ({"type": "object", "requried": ["a"]}, "required"),
        ({"type": "object", "proprties": {"a": {}}}, "properties"),
        ({"type": "object", "additonalProperties": False}, "additionalProperties"),
        ({"tpye": "string"}, "type"),
        ({"type:": "string"}, "type"),
        ({"enmu": [1, 2]}, "enum"),
        ({"anyof": [{"type": "string"}]}, "anyOf"),
        ({"min_length": 3}, "minLength"),
        ({"additional-properties": False}, "additionalProperties"),
        ({"type": "string", "nullable": True}, "type"),
        ({"type": "string", "optional": True}, "required"),
        ({"type": "object", "required": ["a"], "optional": True}, "required"),
        ({"type": "string", "regex": "a"}, "pattern"),
        ({"type": "integer", "min": 0}, "minimum"),
        ({"ref": "#/$defs/a"}, "$ref"),
        ({"id": "http://example.com/a.json"}, "$id"),
        ({"$schema": DRAFT4, "const": 1}, "const"),
        ({"$schema": DRAFT7, "prefixItems": [{}]}, "prefixItems"),
        ({"$schema": DRAFT7, "divisibleBy": 2}, "divisibleBy"),
        ({"type": "array", "item": {"type": "string"}}, "items"),
        ({"type": "object", "property": {"a": {}}}, "properties"),
        ({"type": "object", "propertes": {"a": {}}}, "properties"),
        ({"type": "string", "enums": ["a"]}, "enum"),
        ({"enums": ["a"]}, "enum"),
        ({"type": "string", "options": ["a"]}, "enum"),
        ({"type": "string", "patterns": "a"}, "pattern"),
        ({"types": ["string"]}, "type"),
        ({"schema": {"type": "string"}}, "allOf"),
    ],
)
def test_a_keyword_like_a_known_one_is_found_with_its_place(schema: Any, likely: str) -> None:
    nested = {"properties": {"a/b": schema}} if "$schema" not in schema else schema
    at = "#/properties/a~1b" if nested is not schema else "#"
    ((where, meant),) = found(nested)
    assert where.rpartition("/")[0] == at
    assert meant == likely


@for_each(
    "schema",
    [
        {"properties": {"maxLenght": {}, "nullable": {}, "requried": True}},
        {"patternProperties": {"anyof": {}}, "$defs": {"requried": {}}},
        {"x-nullable": True, "x-patern": "a", "_format": "date", "@type": "string", "//pattern": "a"},
        {"axPattern": "flag", "note": "x", "types": "x", "when": {}, "form": True, "title_": 3},
        {"nullable": False, "maxLenght": "3", "requried": "yes", "regex": 1, "min": "0"},
        {"example": 1, "xml": {}, "externalDocs": {}, "readonly": True, "descripton": "d", "version": 1},
        {"oneOf": [{}], "discriminator": {"propertyName": "kind"}},  # as pydantic writes unions
        {"id": "name"},
        {"id": "#/definitions/a"},
        {"$schema": DRAFT4, "id": "http://example.com/a.json", "examples": [1]},
        {"$schema": DRAFT7, "$ref": "#/definitions/a", "definitions": {"a": {}}, "maxLenght": 3},
        {"$schema": "http://json-schema.org/draft-03/schema#", "properties": {"a": {"required": True}}},
        {"enum": [{"maxLenght": 1}], "const": {"maxLenght": 1}, "default": {"maxLenght": 1}},
        {"type": "string", "maxLength": 3, "maxlength": 3},
        {
            "properties": {
                "item": {},
                "property": {},
                "schema": {"type": "string"},
                "options": {},
                "enums": {},
            }
        },
        {"type": "array", "items": {}, "item": {"type": "string"}},
        {"type": "string", "enum": ["a"], "options": ["a"], "enums": ["b"]},
        {"type": "string", "options": {"a": 1}, "schema": "a", "item": 3, "property": "name"},
        {"schema": {"x": 1}, "type": "object"},
        {"x-schema": {"type": "string"}, "x-options": ["a"]},
    ],
)
def test_other_unknown_keywords_are_left_alone(schema: Any) -> None:
    assert found(schema) == []


def test_a_vocabulary_that_is_left_out_is_left_out_on_purpose() -> None:
    core = "https://json-schema.org/draft/2020-12/vocab/core"
    meta = {"$id": "http://a/m", "$vocabulary": {core: True}}
    meta["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sg.json_schema({"$schema": "http://a/m", "title": "T", "minimum": 3}, resources={"http://a/m": meta})


def test_a_suspect_warns_once_and_not_when_it_is_compiled() -> None:
    schema = {"properties": {"a": {"type": "string", "maxLenght": 3}}}
    tokenizer = sg.Tokenizer.from_bytes([bytes((i,)) for i in range(256)] + [None], eos_token_id=256)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        grammar = sg.json_schema(schema)
        sg.compile(grammar, tokenizer, store=False)
    (one,) = caught
    assert isinstance(one.message, sg.errors.SchemaWarning)
    assert (one.message.where, one.message.likely) == ("#/properties/a/maxLenght", "maxLength")
    assert one.filename == __file__
    (said,) = (one for one in grammar.report.annotations if one.keyword == "maxLenght")
    assert said.why == "unknown in draft 2020-12; is maxLength meant?"


def test_the_warning_can_be_made_an_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", sg.errors.SchemaWarning)
        with pytest.raises(
            sg.errors.SchemaWarning, match='#/maxLenght: Unknown keyword "maxLenght" is ignored'
        ):
            sg.json_schema({"maxLenght": 3})


@pytest.mark.parametrize("schema", [{"maxLenght": 3}, {"type": "integer", "foo": {}, "anyof": [{}]}])
def test_strict_refuses_what_is_warned_of(schema: Any) -> None:
    with pytest.raises(sg.errors.SchemaError, match=r"is ignored \(draft 2020-12\)"):
        sg.json_schema(schema, strict=True)
    assert sg.json_schema({"type": "integer", "foo": 1, "example": 3}, strict=True)


def test_nothing_is_said_where_strict_is_none() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sg.json_schema({"type": "string", "maxLenght": 3}, strict=None)
    with pytest.raises(sg.errors.OptionError, match="Pass True, False or None"):
        sg.json_schema({}, strict=1)  # type: ignore[arg-type]


def test_a_schema_of_no_keyword_warns() -> None:
    with pytest.warns(sg.errors.SchemaWarning, match="None of its keys restricts anything") as caught:
        sg.json_schema({"response_format": {"type": "json_object"}})
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for schema in ({}, True, {"title": "T"}, {"$defs": {}}, {"type": "object", "foo": 1}):
            sg.json_schema(schema)


def test_the_command_line_warns_of_it_and_refuses_it_if_strict(tmp_path: Any) -> None:
    from structgen.doors.cli import app

    schema, text = tmp_path / "s.json", tmp_path / "t.json"
    schema.write_text('{"type": "string", "maxLenght": 1}')
    text.write_text('"ab"')
    with pytest.warns(sg.errors.SchemaWarning, match='#/maxLenght: Unknown keyword "maxLenght" is ignored'):
        run = CliRunner().invoke(app(), ["check", "--schema", str(schema), str(text)])
    assert run.exit_code == 0
    run = CliRunner().invoke(app(), ["check", "-o", "strict=true", "--schema", str(schema), str(text)])
    assert run.exit_code == 2
    assert ", #/maxLenght: " in run.output


def test_a_warning_prints_no_character_that_a_terminal_would_obey():
    with pytest.warns(sg.errors.SchemaWarning) as caught:
        sg.json_schema({"properties": {"a\x1b[2J": {"maxLenght": 3}}, "type": "object"})
    assert str(caught[0].message).isprintable()


@for_each(
    ("pattern", "cure"),
    [
        (r"\A[a-z]+$", "Write ^ for the beginning"),
        (r"^\\\Z", "Write $ for the end"),
        (r"x\z", "Write $ for the end"),
        ("[[:alpha:]]+", "Write [A-Za-z]"),
        ("^[^[:space:]x]$", "Write [A-Za-z]"),
        (r"^a\hb$", r"Write [ \t]"),
        ("a{,3}", "Write {0,n}"),
        ("/^abc$/i", "Leave them out"),
        ("/^abc/", "Leave them out"),
        ("a|b$/g", "Leave them out"),
        ("/ab/i", "Leave them out"),
    ],
)
def test_an_anchor_or_a_construct_of_another_dialect_is_told_at_its_place(pattern: str, cure: str) -> None:
    at = pattern.replace("~", "~0").replace("/", "~1")
    for schema, where in (
        ({"properties": {"a": {"pattern": pattern}}}, "#/properties/a/pattern"),
        ({"patternProperties": {pattern: {"type": "null"}}}, f"#/patternProperties/{at}"),
    ):
        with pytest.warns(sg.errors.SchemaWarning, match=re.escape(cure)) as found:
            sg.json_schema(schema)
        assert [one.message.where for one in found] == [where]  # type: ignore[union-attr]
        with pytest.raises(sg.errors.SchemaError):
            sg.json_schema(schema, strict=True)


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"^\\A[AZz]$", r"\\h", r"a\{,3}", "a{0,3}", "a{3,}", "^/api/v1/", "/home/", "^/a$"),
        *(r"a\$/i", "[$/]+", "[:a]"),
    ],
)
def test_what_looks_like_another_dialect_is_not_told(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sg.json_schema({"pattern": pattern})


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("date-tme", "date-time"),
        ("datetime", "date-time"),
        ("URI", "uri"),
        ("e-mail", "email"),
        ("skucode", "sku-code"),
    ],
)
def test_a_format_like_a_known_one_is_told_with_its_place(name: str, likely: str) -> None:
    schema = {"properties": {"a": {"type": "string", "format": name}}}
    with pytest.warns(sg.errors.SchemaWarning, match=f"Did you mean {likely}") as caught:
        sg.json_schema(schema, custom_formats={"sku-code": "^[a-z]$"})
    assert [(one.message.where, one.message.likely) for one in caught] == [("#/properties/a/format", likely)]  # type: ignore[union-attr]
    with pytest.raises(sg.errors.SchemaError, match="Unknown format 'date-tme' is ignored"):
        sg.json_schema({"format": "date-tme"}, strict=True)


@pytest.mark.parametrize("key", ["nam", "Name", "nmae"])
def test_a_required_key_like_a_property_is_told_with_its_place(key: str) -> None:
    schema = {"items": {"type": "object", "properties": {"name": {}, "age": {}}, "required": [key, "age"]}}
    with pytest.warns(
        sg.errors.SchemaWarning, match=f"{key!r} is not a key of properties. Did you mean name"
    ) as caught:
        sg.json_schema(schema)
    assert [(one.message.where, one.message.likely) for one in caught] == [("#/items/required", "name")]  # type: ignore[union-attr]


@for_each(
    "schema",
    [
        *(
            {"type": "string", "format": name}
            for name in ("phone", "url", "int32", "uuid4", "path", "date-type", "")
        ),
        {"properties": {"name": {}}, "required": ["age"]},
        {"properties": {"name": {}}, "required": ["nam", "name"]},
        {"properties": {"line1": {}}, "required": ["line2"]},
        {"properties": {"name": {}}, "required": ["nam"], "allOf": [{"properties": {"nam": {}}}]},
        {"required": ["nam"]},
    ],
)
def test_other_formats_and_required_keys_are_left_alone(schema: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sg.json_schema(schema)
        sg.json_schema({"format": "date-tme"}, formats="annotate")


OF_TYPES = {
    "string": {"minLength": 1, "maxLength": 3, "pattern": "a"},
    "array": {"minItems": 1, "maxItems": 3, "items": {"type": "null"}, "uniqueItems": True},
    "object": {"minProperties": 1, "maxProperties": 3, "required": ["a"], "properties": {"a": {}}},
    "number": {"minimum": 0, "maximum": 3, "multipleOf": 2, "exclusiveMinimum": 0},
    "integer": {"minimum": 0, "maximum": 3, "multipleOf": 2, "exclusiveMaximum": 4},
}
"""Keywords that have an effect on values of a type alone."""


def misplaced(schema: Any) -> list[tuple[str, str]]:
    return [(one.where, one.likely) for one in misplaced_keywords(Document(schema))]


@for_each("seed", range(300))
def test_a_keyword_is_misplaced_if_no_value_of_its_type_is_allowed(seed: int) -> None:
    """The oracle: the table above, and a validator: without the keyword the same samples are valid."""
    source = random.Random(seed)
    types = source.sample([*OF_TYPES, "boolean", "null"], source.randrange(1, 3))
    taken = {**source.choice([*OF_TYPES.values()]), **source.choice([*OF_TYPES.values()])}
    taken = {key: taken[key] for key in source.sample([*taken], min(3, len(taken)))}
    schema = {"type": source.choice([types, types[0]]), **taken}
    allowed = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    effective = {key for kind in allowed for key in OF_TYPES.get(kind, ())}
    if "integer" in allowed or "number" in allowed:
        effective |= {*OF_TYPES["number"], *OF_TYPES["integer"]}
    found = {where.removeprefix("#/properties/p/") for where, _ in misplaced({"properties": {"p": schema}})}
    assert found == taken.keys() - effective, schema
    samples = ["", "a", "xyzw", 0, 1, 2, 7.5, [], [1], [1, 1, 2, 3], {}, {"a": 1}, {"b": 1}, True, None]
    kept = {key: value for key, value in schema.items() if key not in found}
    whole, less = (jsonschema.Draft202012Validator(one) for one in (schema, kept))
    assert [whole.is_valid(one) for one in samples] == [less.is_valid(one) for one in samples]


@for_each(
    ("schema", "likely"),
    [
        ({"type": "array", "minLength": 2}, "minItems"),
        ({"type": "array", "maxLength": 2}, "maxItems"),
        ({"type": "string", "minItems": 2}, "minLength"),
        ({"type": "object", "minItems": 2}, "minProperties"),
        ({"type": "integer", "maxLength": 2}, "maximum"),
        ({"type": "string", "items": {"type": "null"}}, ""),
        ({"type": ["array", "null"], "minLength": 2}, ""),
    ],
)
def test_a_misplaced_keyword_is_told_with_its_place_and_the_likely_one(schema: Any, likely: str) -> None:
    (keyword,) = schema.keys() - {"type"}
    with pytest.warns(sg.errors.SchemaWarning, match=f'"{keyword}" is ignored: it has no effect') as caught:
        sg.json_schema({"items": schema})
    assert [(one.message.where, one.message.likely) for one in caught] == [(f"#/items/{keyword}", likely)]  # type: ignore[union-attr]
    with pytest.raises(sg.errors.SchemaError, match="has no effect"):
        sg.json_schema(schema, strict=True)


@for_each(
    "schema",
    [
        {"minLength": 1, "minItems": 1, "minimum": 1},
        {"allOf": [{"minLength": 1}, {"minItems": 2}], "type": "string"},
        {"type": ["string", "array"], "minLength": 1, "minItems": 1},
        {"type": "integer", "minimum": 1, "format": "int64"},
        {"type": "integer", "format": "date-time"},
        {"type": "array", "minLength": 0, "properties": {}, "required": [], "additionalProperties": False},
        {"type": "string", "items": {}, "uniqueItems": False, "minItems": 0},
        {
            "$schema": DRAFT7,
            "definitions": {"a": {}},
            "$ref": "#/definitions/a",
            "type": "array",
            "minLength": 1,
        },
        {"enum": ["a"], "minItems": 3},
        {
            "items": {"$ref": "#/$defs/a"},
            "$defs": {"a": {"$ref": "#/$defs/a", "type": "object", "minItems": 1}},
        },
    ],
)
def test_keywords_that_may_act_or_ask_for_nothing_are_left_alone(schema: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sg.json_schema(schema)
