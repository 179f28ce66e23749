"""The keywords that a refusal names are a smallest set: alone they leave no document, one fewer leaves one.

The keywords are taken out of the text of random schemas; `jsonschema` judges the documents.
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection
from typing import Any

import jsonschema
import pytest
from schema_documents import BYTES
from schema_strategies import schema as random_schema

import structgen as sg

MAPS = ("properties", "patternProperties", "dependentSchemas")
LISTS = ("allOf", "anyOf", "prefixItems")
SINGLE = ("items", "contains", "then", "else", "additionalProperties", "propertyNames")
SINGLE = (*SINGLE, "unevaluatedProperties", "unevaluatedItems")
WHOLE = ("not", "if", "oneOf")
LEFT_OVER = {
    "properties": ("additionalProperties", "unevaluatedProperties"),
    "patternProperties": ("additionalProperties", "unevaluatedProperties"),
    "additionalProperties": ("unevaluatedProperties",),
    "prefixItems": ("items", "unevaluatedItems"),
    "items": ("unevaluatedItems",),
}
Chance = random.Random


def refusal(schema: Any, limits: sg.Limits | None = None) -> sg.errors.UnsatisfiableSchema | None:
    """Return the refusal of a schema without documents, else None, with a document checked."""
    grammar = sg.json_schema(schema, strict=None, property_order="any", limits=limits)
    try:
        compiled = sg.compile(grammar, BYTES, store=False)
    except sg.errors.UnsatisfiableSchema as error:
        return error
    text = compiled.completion(compiled.start)
    assert jsonschema.Draft202012Validator(schema).is_valid(json.loads(text)), (schema, text)
    return None


def only(schema: Any, keywords: Collection[str], place: str = "#") -> Any:
    """Return a schema with these of its keywords alone, given by their JSON pointers.

    What leaves keys and items over to a keyword that is kept goes on to name them; an operator that may deny
    what stands inside it is kept whole, and `contains` with its counts.
    """
    if isinstance(schema, bool):
        return True if place not in keywords else schema
    found = {}
    counts = {name for name in ("minContains", "maxContains") if f"{place}/contains" in keywords}
    for name, value in schema.items():
        at = f"{place}/{name}"
        if name == "$defs":
            found[name] = {key: only(child, keywords, f"{at}/{key}") for key, child in value.items()}
            found[name].update({f"whole-{key}": child for key, child in value.items()})
        elif at not in keywords and name not in counts:
            if any(f"{place}/{other}" in keywords for other in LEFT_OVER.get(name, ())):
                found[name] = blank(name, value)
        elif name in MAPS:
            found[name] = {key: only(child, keywords, f"{at}/{key}") for key, child in value.items()}
        elif name in WHOLE or (name == "contains" and is_counted(schema)):
            found[name] = json.loads(json.dumps(value).replace("#/$defs/", "#/$defs/whole-"))
        elif name in LISTS:
            found[name] = [only(child, keywords, f"{at}/{index}") for index, child in enumerate(value)]
        else:
            found[name] = only(value, keywords, at) if name in SINGLE else value
    return found


def blank(name: str, value: Any) -> Any:
    """Return the value of a keyword that names the same keys or as many items, and asks nothing of them."""
    if name == "prefixItems":
        return [{} for _ in value]
    return {key: {} for key in value} if name in MAPS else {}


def is_counted(schema: dict[str, Any]) -> bool:
    """Tell whether `contains` may deny what stands in it."""
    return "maxContains" in schema or schema.get("minContains") == 0


def closed(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these keys and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def contradictory(chance: Chance) -> tuple[Any, Collection[str]]:
    """Return a random schema without documents, and the keywords that its refusal names."""
    while True:
        schema = random_schema(chance)
        error = refusal(schema)
        if error is not None and not isinstance(error, sg.errors.UnsatisfiableUnderPolicy):
            return schema, error.keywords


def small_documents() -> list[Any]:
    """Return scalars, and the objects and arrays of a few of them."""
    scalars = [None, 0, 1, 2.5, "", "a", "bb", {}, []]
    pairs = [[one, other] for one in scalars for other in scalars[::3]]
    objects = [dict(zip("ab", pair, strict=True)) for pair in pairs]
    objects += [{key: one} for key in "abcd" for one in scalars]
    return [*scalars, *([one] for one in scalars), *pairs, *objects]


@pytest.mark.parametrize(("seed", "count"), [(1, 28), pytest.param(2, 300, marks=pytest.mark.slow)])
def test_the_keywords_that_a_refusal_names_are_a_smallest_set(seed: int, count: int) -> None:
    chance, documents = Chance(seed), small_documents()
    for _ in range(count):
        schema, named = contradictory(chance)
        alone = only(schema, named)
        assert refusal(alone) is not None, (schema, named)
        assert not any(map(jsonschema.Draft202012Validator(alone).is_valid, documents)), (schema, named)
        for one in named:
            assert refusal(only(schema, set(named) - {one})) is None, (schema, named, one)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (
            {"type": "object", "propertyNames": {"maxLength": 2}, "required": ["abc"], "title": "T"},
            'type object, required ["abc"] and propertyNames (#) and maxLength 2 (#/propertyNames)',
        ),
        (
            {
                "$ref": "#/$defs/o",
                "$defs": {"o": {"required": ["b"]}},
                "type": "object",
                "propertyNames": False,
            },
            '$ref "#/$defs/o", type object and propertyNames false (#) and required ["b"] (#/$defs/o)',
        ),
        (
            {"type": "array", "contains": {"type": "string"}, "items": {"type": "integer"}, "maxItems": 9},
            "type array, items and contains (#), type integer (#/items) and type string (#/contains)",
        ),
        (
            {"type": "object", "patternProperties": {"^a": False}, "required": ["ab"]},
            'type object, patternProperties and required ["ab"] (#) and false (#/patternProperties/^a)',
        ),
        (
            closed(x={"enum": []}),
            'type object, properties and required ["x"] (#) and enum [] (#/properties/x)',
        ),
        (
            {**closed(), "oneOf": [closed(k={"const": "a"}), closed(k={"const": "b"})]},
            "additionalProperties false and oneOf (#)",
        ),
        (
            {"type": "array", "prefixItems": [{"type": "null"}], "items": False, "minItems": 2},
            "type array, items false and minItems 2 (#)",
        ),
        (
            {"type": "array", "maxItems": 1, "contains": {"type": "null"}, "minContains": 2},
            "type array, maxItems 1 and contains with minContains 2 (#)",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_a_refusal_names_the_keywords_with_their_places(schema: Any, said: str) -> None:
    assert f"no document satisfies the schema: {said} contradict each other. Relax one of them." in str(
        refusal(schema)
    )


def test_branches_that_hold_together_are_told() -> None:
    error = refusal({"oneOf": [{"type": "null"}, {"type": "null"}], "description": "d"})
    assert error is not None and error.keywords == ("#/oneOf",)
    assert "oneOf (#) allows nothing: branches of oneOf (#) hold together" in str(error)
    assert "together" not in str(refusal({"type": "null", "oneOf": [{"type": "array"}, {"type": "string"}]}))


def test_a_search_that_ends_early_says_so() -> None:
    schema = {
        "type": "object",
        "propertyNames": {"maxLength": 2},
        "required": ["abc"],
        "properties": {f"k{number}": {"title": "t", "minLength": number} for number in range(100)},
    }
    error = refusal(schema, sg.Limits(oracle_steps=60))
    assert "perhaps fewer of them do: the search ended at Limits.oracle_steps" in str(error)
    assert error is not None and "#/required" in error.keywords
    assert "perhaps" not in str(refusal(schema))


@pytest.mark.parametrize("around", ["properties", "items", "prefixItems", "allOf", "$ref"])
def test_a_contradiction_deep_inside_is_told_whole_for_few_questions(around: str) -> None:
    wrap = {
        "properties": lambda one: {"type": "object", "properties": {"k": one}, "required": ["k"]},
        "items": lambda one: {"type": "array", "items": one, "minItems": 1},
        "prefixItems": lambda one: {"type": "array", "prefixItems": [{}, one], "minItems": 2},
        "allOf": lambda one: {"allOf": [{"title": "t"}, one]},
        "$ref": lambda one: {"$ref": "#/$defs/a", "$defs": {"a": one}},
    }[around]
    schema: Any = {"type": "string", "minLength": 3, "maxLength": 2, "title": "t"}
    for _ in range(1 if around == "$ref" else 100):
        schema = wrap(schema)
    error = refusal(schema, sg.Limits(oracle_steps=1_000))
    assert error is not None and "perhaps" not in str(error)
    assert {one.rpartition("/")[2] for one in error.keywords[-3:]} == {"type", "minLength", "maxLength"}
