"""What can never hold in a schema, and the reasons that are given for it."""

from __future__ import annotations

import copy
import random
from typing import Any

import jsonschema
import pytest
from for_each import for_each
from schema_documents import compiled
from schema_strategies import schema as random_schema
from schema_strategies import value as random_value

import structgen as sg
from structgen.schema.explaining.impossible import Impossible


def found(schema: Any) -> dict[str, str]:
    """Return what can never hold, with the reason."""
    return {one.pointer: one.why for one in explained(schema)}


def explained(schema: Any) -> tuple[Impossible, ...]:
    explanation = sg.explain(sg.json_schema(schema, **sg.WIDEST))
    assert explanation.complete
    return explanation.impossible


@pytest.mark.parametrize(
    ("schema", "pointer", "why"),
    [
        (
            {"properties": {"a": {"type": "string", "minLength": 3, "maxLength": 2}}},
            "#/properties/a",
            "properties (#) and type string, minLength 3 and maxLength 2 (#/properties/a) exclude it",
        ),
        (
            {"type": "string", "anyOf": [{"maxLength": 3}, {"type": "integer"}]},
            "#/anyOf/1",
            "type string (#) and type integer (#/anyOf/1) contradict each other",
        ),
        (
            {"oneOf": [{"type": "integer"}, {"type": "number"}]},
            "#/oneOf/0",
            "oneOf (#) and type integer (#/oneOf/0) contradict each other: "
            "branches of oneOf (#) hold together",
        ),
        (
            {"type": "string", "enum": ["a", 1]},
            "#/enum/1",
            "type string (#) excludes it",
        ),
        (
            {"items": {"pattern": "^a", "type": "string", "enum": ["b", "c"]}},
            "#/items",
            'items (#) and enum ["b","c"] and pattern "^a" (#/items) exclude it',
        ),
        (
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"], "maxProperties": 1},
            "#/properties/a",
            'required ["b"] and maxProperties 1 (#) exclude it',
        ),
        (
            {
                "properties": {
                    "a": {"items": {"enum": [1, 2]}, "uniqueItems": True, "minItems": 3, "type": "array"}
                }
            },
            "#/properties/a",
            "properties (#), type array, items, minItems 3 and uniqueItems true (#/properties/a) and "
            "enum [1,2] (#/properties/a/items) exclude it",
        ),
        (
            {"if": {"type": "string"}, "then": {"type": "null"}, "else": {}},
            "#/then",
            "type string (#/if) and type null (#/then) contradict each other",
        ),
        (
            {"if": {"type": "string"}, "else": {"type": "string"}},
            "#/else",
            "if (#) and type string (#/else) contradict each other",
        ),
        (
            {
                "properties": {"a": {"$ref": "#/$defs/n"}},
                "$defs": {"n": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/n"}}},
            },
            "#/properties/a",
            'properties (#), $ref "#/$defs/n" (#/properties/a), type array, items and minItems 1 (#/$defs/n) '
            'and $ref "#/$defs/n" (#/$defs/n/items) exclude it: they ask for another such value inside '
            "itself, without end",
        ),
    ],
)
def test_the_reason(schema: Any, pointer: str, why: str) -> None:
    assert found(schema).get(pointer, "") == why


def test_all_that_can_hold_is_not_named() -> None:
    schema = {
        "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "string", "maxLength": 1}]}},
        "oneOf": [{"required": ["a"]}, {"maxProperties": 0}],
        "if": {"required": ["b"]},
        "then": {"minProperties": 2},
    }
    assert found(schema) == {}


def test_false_is_meant_and_not_named() -> None:
    assert found({"properties": {"a": False, "b": {"not": {}}}, "items": False}) == {}


def test_a_branch_that_holds_at_one_of_its_places_is_not_named() -> None:
    base = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    schema = {
        "properties": {
            "a": {"$ref": "#/$defs/base"},
            "b": {"allOf": [{"$ref": "#/$defs/base"}, {"type": "string"}]},
        },
        "$defs": {"base": base},
    }
    assert found(schema) == {}
    del schema["properties"]["a"]
    assert list(found(schema)) == ["#/$defs/base/anyOf/1"]


def replaced(schema: Any, pointer: str) -> Any:
    """Return the schema with what stands at a pointer made false, or taken out of its enum."""
    changed = copy.deepcopy(schema)
    steps = pointer.removeprefix("#/").split("/")
    at = changed
    for step in steps[:-1]:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if steps[-2:-1] == ["enum"]:
        at[int(steps[-1])] = {"no": "value comes near this"}
    elif isinstance(at, list):
        at[int(steps[-1])] = False
    else:
        at[steps[-1]] = False
    return changed


@for_each("seed", range(40))
def test_what_can_never_hold_may_be_made_false(seed: int) -> None:
    chance = random.Random(seed)
    schema = random_schema(chance)
    try:
        named = explained(schema)
    except sg.StructgenError:
        return
    values = [random_value(chance) for _ in range(60)]
    valid = [jsonschema.Draft202012Validator(schema).is_valid(one) for one in values]
    for one in named:
        if one.pointer.split("/")[-2:-1] == ["oneOf"]:
            continue  # made false, it would let in what it overlaps with
        changed = jsonschema.Draft202012Validator(replaced(schema, one.pointer))
        assert [changed.is_valid(value) for value in values] == valid, one


def test_more_than_is_searched_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("structgen.schema.explaining.impossible.MOST_QUESTIONS", 10)
    schema = {"properties": {f"k{n}": {"minLength": 2, "maxLength": 1, "type": "string"} for n in range(12)}}
    explanation = sg.explain(sg.json_schema(schema))
    assert (explanation.complete, explanation.impossible) == (False, ())


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"enum": []}, "enum [] (#) allows nothing. Relax it."),
        (
            {"type": "string", "const": 5},
            "type string and const 5 (#) contradict each other. Relax one of them.",
        ),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer", "enum": ["a", "b"]}}},
            '$ref "#/$defs/a" (#) and type integer and enum ["a","b"] (#/$defs/a) contradict each other.',
        ),
        (
            {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "const": 5}}},
            'required ["a"] (#) and type string and const 5 (#/properties/a) contradict each other.',
        ),
        (False, "false (#) allows nothing. Relax it."),
        ({"not": {}}, "not (#) allows nothing. Relax it."),
    ],
)
def test_a_schema_that_is_empty_on_its_face_is_refused_by_its_keywords(schema: Any, said: str) -> None:
    assert said in refusal(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#"}}},
        {"type": "array", "minItems": 1, "items": {"$ref": "#"}},
    ],
    ids=str,
)
def test_a_recursion_without_end_is_told_how_to_end(schema: Any) -> None:
    said = "without end. Remove a key from required, reduce minItems to 0, or allow null there."
    assert refusal(schema).endswith(said)


def test_a_schema_in_two_places_is_no_recursion() -> None:
    schema = {
        "type": "object",
        "required": ["a", "b"],
        "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"not": {"$ref": "#/$defs/n"}}},
        "additionalProperties": False,
        "maxProperties": 1,
        "$defs": {"n": {"type": "null"}},
    }
    assert "without end" not in refusal(schema)


def refusal(schema: Any) -> str:
    """Return the message with which a schema without any document is refused."""
    with pytest.raises(sg.errors.UnsatisfiableSchema) as caught:
        compiled(schema)
    return str(caught.value)
