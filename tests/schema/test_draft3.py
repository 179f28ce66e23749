"""Draft 3 is read into the same shape, and says what package jsonschema says."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema_evaluator import holds

from structgen.errors import SchemaError
from structgen.schema.reading.document import Document
from structgen.schema.reading.json_text import exact
from structgen.schema.reading.model import Schema


def root(schema: object) -> Schema:
    return Document(exact(schema), draft="3").root


NAMES = st.sampled_from(["a", "b", "c"])
INSTANCES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "bb", 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null", "any"])


def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    types = TYPES | st.lists(TYPES | inner, min_size=1, max_size=3)
    members = st.builds(lambda one, asked: {**one, "required": asked}, inner, st.booleans())
    parts: dict[str, st.SearchStrategy[Any]] = {
        "type": types,
        "disallow": types,
        "extends": inner | st.lists(inner, max_size=2),
        "properties": st.dictionaries(NAMES, members, max_size=3),
        "additionalProperties": inner | st.booleans(),
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "[bc]"]), inner, max_size=2),
        "items": inner | st.lists(inner, min_size=1, max_size=2),
        "additionalItems": inner | st.booleans(),
        "dependencies": st.dictionaries(NAMES, NAMES | st.lists(NAMES, max_size=2, unique=True) | inner),
        "divisibleBy": st.sampled_from([1, 2, 0.5]),
        "exclusiveMinimum": st.booleans(),
        "minimum": st.integers(-2, 2),
        "maxItems": st.integers(0, 2),
    }
    return st.fixed_dictionaries({}, optional=parts)


LEAVES = st.sampled_from(
    [{}, {"type": "string"}, {"minLength": 1, "type": ["string", "null"]}, {"enum": [1, "a"]}]
)


@given(schema=st.recursive(LEAVES, larger, max_leaves=5), values=st.lists(INSTANCES, min_size=1, max_size=6))
def test_schemas_say_what_another_validator_says(schema: Any, values: list[Any]) -> None:
    judge = jsonschema.Draft3Validator(schema)
    found = root(schema)
    for value in values:
        assert holds(found, exact(value)) is judge.is_valid(value)


def test_what_a_property_requires_is_said_of_the_object() -> None:
    found = root({"properties": {"b": {"required": True}, "a": {"type": "null"}, "c": {"required": False}}})
    assert found.required == ("b",)
    assert found.properties["b"].verdict is True


@pytest.mark.parametrize("keyword", ["allOf", "not", "multipleOf", "minProperties", "const", "$id"])
def test_later_keywords_say_nothing(keyword: str) -> None:
    assert root({keyword: {"type": "null"}}).verdict is True


def test_an_unknown_type_takes_any_value() -> None:
    assert root({"type": "date-like"}).verdict is True
    assert root({"type": ["null", "date-like"]}).verdict is True


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"properties": {"a": {"required": ["b"]}}}, "#/properties/a/required"),
        ({"type": []}, "#/type"),
        ({"type": [3]}, "#/type"),
        ({"type": {"type": "null"}}, "#/type"),
        ({"disallow": 3}, "#/disallow"),
        ({"divisibleBy": 0}, "#/divisibleBy"),
        ({"extends": 3}, "#/extends"),
        ({"extends": [3]}, "#/extends/0"),
        ({"dependencies": {"a": 3}}, "#/dependencies/a"),
        ({"items": True}, "#/items"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_by_its_place(schema: object, where: str) -> None:
    with pytest.raises(SchemaError) as caught:
        root(schema)
    assert caught.value.where == where


def test_a_schema_inside_a_type_may_be_referred_to() -> None:
    schema = {"type": ["null", {"id": "#there", "type": "array", "items": {"$ref": "#there"}}]}
    found = root(schema)
    assert holds(found, [[], [[]]])
    assert not holds(found, [[None]])


@pytest.mark.parametrize(
    ("name", "read_as"), [("ip-address", "ipv4"), ("host-name", "hostname"), ("ipv6", "ipv6")]
)
def test_formats_go_by_the_names_of_the_draft(name: str, read_as: str) -> None:
    assert root({"format": name}).format == read_as
    assert Document({"format": name}, draft="4").root.format == (name if name == read_as else None)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "color",
            ["fuchsia", "#C89", "#CC8899", "rgb(1, 2,3)", "rgb(1%,2%,3%)"],
            ["puce", "#0033252", "#12345g"],
        ),
        ("time", ["08:30:06", "23:59:59"], ["8:30:06", "24:00:00", "08:30:06Z", "08:60:00"]),
    ],
)
def test_formats_that_later_drafts_lack(name: str, good: list[str], bad: list[str]) -> None:
    found = root({"format": name})
    assert all(holds(found, text) for text in good)
    assert not any(holds(found, text) for text in bad)
    assert holds(found, 3)
