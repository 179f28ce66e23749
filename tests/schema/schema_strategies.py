"""Random small schemas whose keywords meet each other, and values near them."""

from __future__ import annotations

import random
from typing import Any

KEYS = ("a", "b", "c", "ab")
SCALARS = (0, 1, 2, 3, -1, 1.5, "x", "yy", "a", "", True, False, None)
_LEAVES: tuple[Any, ...] = (
    True,
    False,
    {},
    {"type": "string"},
    {"type": "integer"},
    {"type": ["string", "null"]},
    {"minimum": 1},
    {"maxLength": 1},
    {"type": "number", "maximum": 1},
    {"pattern": "^a"},
    {"multipleOf": 2},
    {"$ref": "#/$defs/d"},
)
_NAMES = ({"pattern": "^a"}, {"maxLength": 1}, {"enum": ["a", "b"]}, {"not": {"const": "a"}}, False)
_KEYWORDS = (
    "properties properties required required additionalProperties patternProperties minProperties "
    "maxProperties items prefixItems minItems maxItems contains anyOf oneOf allOf not if dependentRequired "
    "dependentSchemas propertyNames enum const unevaluatedProperties unevaluatedItems uniqueItems"
).split()


def value(chance: random.Random, depth: int = 2) -> Any:
    """Return a random value over the keys and scalars that the schemas speak of."""
    kind = chance.random()
    if depth == 0 or kind < 0.4:
        return chance.choice(SCALARS)
    if kind < 0.8:
        keys = chance.sample((*KEYS, "zz"), chance.randint(0, 4))
        return {key: value(chance, depth - 1) for key in keys}
    return [value(chance, depth - 1) for _ in range(chance.randint(0, 3))]


def _subschema(chance: random.Random, depth: int) -> Any:
    if depth == 0 or chance.random() < 0.08:
        finite = [{"const": chance.choice(SCALARS)}, {"enum": [chance.choice(SCALARS) for _ in range(3)]}]
        return chance.choice([*_LEAVES, *finite])
    found: dict[str, Any] = {}

    def inner() -> Any:
        return _subschema(chance, depth - 1)

    if chance.random() < 0.25:
        found["type"] = chance.choice(
            ["object", "array", "string", "integer", ["object", "array"], ["object", "null"]]
        )
    for _ in range(chance.randint(1, 3)):
        keyword = chance.choice(_KEYWORDS)
        match keyword:
            case "properties":
                found[keyword] = {key: inner() for key in chance.sample(KEYS, chance.randint(1, 3))}
            case "required":
                found[keyword] = chance.sample(KEYS, chance.randint(1, 2))
            case (
                "additionalProperties"
                | "items"
                | "contains"
                | "not"
                | "unevaluatedProperties"
                | "unevaluatedItems"
            ):
                found[keyword] = inner()
            case "propertyNames":
                found[keyword] = chance.choice(_NAMES)
            case "patternProperties":
                patterns = chance.sample(("^a", "b", "^[ab]$", "z"), chance.randint(1, 2))
                found[keyword] = {pattern: inner() for pattern in patterns}
            case "prefixItems":
                found[keyword] = [inner() for _ in range(chance.randint(1, 2))]
            case "uniqueItems":
                found[keyword] = True
            case "minProperties" | "maxProperties" | "minItems" | "maxItems":
                found[keyword] = chance.randint(0, 3)
            case "anyOf" | "oneOf" | "allOf":
                found[keyword] = [inner() for _ in range(chance.randint(1, 3))]
            case "if":
                found["if"] = inner()
                if chance.random() < 0.9:
                    found[chance.choice(["then", "else"])] = inner()
            case "dependentRequired":
                found[keyword] = {chance.choice(KEYS): chance.sample(KEYS, chance.randint(0, 2))}
            case "dependentSchemas":
                found[keyword] = {chance.choice(KEYS): inner()}
            case "enum":
                found[keyword] = [value(chance) for _ in range(chance.randint(1, 3))]
            case "const":
                found[keyword] = value(chance)
    if "contains" in found and chance.random() < 0.6:
        found[chance.choice(["minContains", "maxContains"])] = chance.randint(0, 2)
    return found


def unique_schema(chance: random.Random) -> dict[str, Any]:
    """Return a random schema of arrays whose items must differ, or must not."""
    small: list[Any] = [
        {"enum": [0, 1]},
        {"enum": ["x", "yy", "a"]},
        {"type": "boolean"},
        {"type": "integer", "minimum": 0, "maximum": 2},
        {"type": ["boolean", "null"]},
        {"enum": [[], [0], {}, {"a": 0}]},
        {"type": "object", "properties": {"a": {"enum": [0, 1]}}, "additionalProperties": False},
        {"type": "object", "properties": {"a": {"enum": [0, 1]}, "b": {}}, "required": ["a"]},
        {"type": "array", "items": {"enum": [0, 1]}, "maxItems": 2, "uniqueItems": chance.random() < 0.5},
        {"const": chance.choice(SCALARS)},
        {"maxLength": 1},
        {},
    ]
    found: dict[str, Any] = {"type": "array", "uniqueItems": True}
    if chance.random() < 0.2:
        found = {
            "type": "array",
            "not": {"uniqueItems": True, "items": chance.choice([True, small[0], small[1]])},
        }
    if chance.random() < 0.7:
        found["items"] = chance.choice(small)
    if chance.random() < 0.4:
        found["prefixItems"] = [chance.choice(small) for _ in range(chance.randint(1, 3))]
    if chance.random() < 0.6:
        found["minItems"] = chance.randint(0, 4)
    if chance.random() < 0.3:
        found["maxItems"] = chance.randint(1, 4)
    if chance.random() < 0.25:
        found["contains"] = chance.choice(small)
        if chance.random() < 0.6:
            found[chance.choice(["minContains", "maxContains"])] = chance.randint(0, 2)
    if chance.random() < 0.15:
        found[chance.choice(["anyOf", "oneOf"])] = [
            {"uniqueItems": True},
            {"minItems": 2, "items": chance.choice(small)},
        ]
    if chance.random() < 0.2:
        return {"type": "object", "properties": {"a": found, "b": {"enum": [0]}}, "required": ["a"]}
    return found


def schema(chance: random.Random, depth: int = 3) -> dict[str, Any]:
    """Return a random schema that may refer to itself through `#/$defs/d`."""
    found = _subschema(chance, depth)
    # Leaves are shared: a copy takes the definitions.
    found = dict(found) if isinstance(found, dict) else {"allOf": [found]}
    found["$defs"] = {
        "d": {
            "type": ["object", "array", "integer"],
            "properties": {
                "a": chance.choice([_subschema(chance, 1), {"$ref": "#/$defs/d"}]),
                "b": _subschema(chance, 1),
            },
            "required": chance.sample(["a", "b"], chance.randint(0, 1)),
        }
    }
    return found
