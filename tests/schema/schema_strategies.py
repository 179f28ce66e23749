"""Random small schemas whose keywords meet each other, and values near them.

What the schemas speak of is a `Words`: `PLAIN`; `FOREIGN` with keys and strings beyond ASCII, `$dynamicRef`,
and unions whose branches some keys tell apart; or `RARE` with lone surrogates as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Words:
    """What random schemas and values are made of."""

    keys: tuple[str, ...]
    scalars: tuple[Any, ...]
    leaves: tuple[Any, ...]
    names: tuple[Any, ...]
    """Schemas of `propertyNames`."""
    patterns: tuple[str, ...]
    """Of `patternProperties`."""
    keywords: tuple[str, ...]


PLAIN = Words(KEYS, SCALARS, _LEAVES, _NAMES, ("^a", "b", "^[ab]$", "z"), tuple(_KEYWORDS))
HIGH, LOW = "\ud83d", "\udc00"
"""Surrogates, each alone."""
FOREIGN = Words(
    (*KEYS, "é", "日", "😀", 'q"\\'),
    (*SCALARS, "é", "日本", "😀", 'q"\\/', "\n", "\x7f", 10**17, -0.5),
    (
        *_LEAVES,
        {"pattern": "é"},
        {"pattern": "^[^a]$"},
        {"pattern": "^(a|é|😀)*$"},
        {"minLength": 1, "maxLength": 2},
        {"not": {"enum": ["é", "a", 1]}},
        {"exclusiveMinimum": 0, "multipleOf": 0.5},
        {"$ref": "#/$defs/e"},
        {"properties": {"a": {"$dynamicRef": "#n"}}},
        {"items": {"$dynamicRef": "#n"}},
    ),
    (*_NAMES, {"pattern": "é"}, {"pattern": "^[^é]*$"}, {"enum": ["a", "é"]}, {"minLength": 2}),
    ("^a", "b", "^[ab]$", "z", "é", "^[^a]", "😀$"),
    (
        *_KEYWORDS,
        *("union union union union unevaluatedProperties unevaluatedItems dependentRequired").split(),
        *("dependentSchemas contains propertyNames patternProperties if not").split(),
    ),
)
RARE = Words(
    (*FOREIGN.keys, HIGH, "a" + LOW),
    (*FOREIGN.scalars, HIGH, LOW + "a"),
    (*FOREIGN.leaves, {"not": {"const": HIGH}}, {"not": {"enum": ["é", HIGH, 1]}}),
    (*FOREIGN.names, {"not": {"const": HIGH}}, {"enum": ["a", "é", HIGH]}),
    FOREIGN.patterns,
    FOREIGN.keywords,
)


def value(chance: random.Random, depth: int = 2, words: Words = PLAIN) -> Any:
    """Return a random value over the keys and scalars that the schemas speak of."""
    kind = chance.random()
    if depth == 0 or kind < 0.4:
        return chance.choice(words.scalars)
    if kind < 0.8:
        keys = chance.sample((*words.keys, "zz"), chance.randint(0, 4))
        return {key: value(chance, depth - 1, words) for key in keys}
    return [value(chance, depth - 1, words) for _ in range(chance.randint(0, 3))]


def _union(chance: random.Random, words: Words, inner: Callable[[], Any]) -> dict[str, Any]:
    """Return a union whose branches one key or two tell apart, or nearly: by a constant, a list, a pattern or
    a range; the keys may be left out."""
    count, keys = chance.randint(2, 5), chance.sample(words.keys, chance.randint(1, 2))
    strings = [one for one in words.scalars if isinstance(one, str)]

    def tests() -> list[Any]:
        match chance.choice(["const", "const", "enum", "pattern", "range", "any"]):
            case "const":
                return [{"const": one} for one in chance.sample(words.scalars, count)]
            case "enum":
                # A member may be in two of the lists.
                return [{"enum": chance.sample(strings, 2)} for _ in range(count)]
            case "pattern":
                return [{"pattern": chance.choice(words.patterns), "type": "string"} for _ in range(count)]
            case "range":
                return [{"minimum": at, "maximum": at + chance.choice([0.5, 1, 1])} for at in range(count)]
        return [
            {"const": chance.choice(words.scalars)} if chance.random() < 0.6 else True for _ in range(count)
        ]

    told = {key: tests() for key in keys}
    needed = chance.choice([[], keys[:1], keys])
    branches: list[dict[str, Any]] = []
    for at in range(count):
        branch: dict[str, Any] = {"properties": {key: told[key][at] for key in keys}}
        if needed:
            branch["required"] = needed
        if chance.random() < 0.6:
            branch["properties"].setdefault(chance.choice(words.keys), inner())
        if chance.random() < 0.25:
            branch["additionalProperties"] = False
        if chance.random() < 0.3:
            branch["type"] = "object"
        branches.append(branch)
    kind = chance.choice(["oneOf", "oneOf", "anyOf", "if", "not"])
    if kind == "if":
        chain: Any = chance.choice([False, True, branches[-1]])
        for branch in branches:
            chain = {"if": {**branch, "required": keys[:1]}, "then": inner(), "else": chain}
        return {"allOf": [chain]}
    if kind == "not":
        return {"not": {"anyOf": branches}}
    if chance.random() < 0.25:
        rest = {"properties": {key: {"enum": list(strings)} for key in keys[:1]}}
        branches.append({"not": rest} if chance.random() < 0.5 else {"required": keys[:1], "not": rest})
    return {"type": "object", kind: branches} if chance.random() < 0.6 else {kind: branches}


def _unions(chance: random.Random, words: Words) -> dict[str, Any]:
    """Return a union, or two of the same keys, beside what an object must be as a whole."""

    def inner() -> Any:
        return subschema(chance, chance.choice([0, 0, 1]), words)

    found = _union(chance, words, inner)
    if chance.random() < 0.4:
        found = {"allOf": [found, _union(chance, words, inner)]}
    beside: dict[str, Callable[[], Any]] = {
        "properties": lambda: {chance.choice(words.keys): inner()},
        "required": lambda: chance.sample(words.keys, chance.randint(1, 2)),
        "unevaluatedProperties": lambda: chance.choice([False, {"type": "string"}]),
        "minProperties": lambda: chance.randint(1, 4),
        "maxProperties": lambda: chance.randint(1, 4),
        "propertyNames": lambda: chance.choice(words.names),
    }
    found.update({keyword: make() for keyword, make in beside.items() if chance.random() < 0.2})
    return {"properties": {"a": found, "b": found}, "required": ["a"]} if chance.random() < 0.15 else found


def subschema(chance: random.Random, depth: int, words: Words = PLAIN) -> Any:
    """Return a random schema, which may refer to what its leaves refer to."""
    if depth == 0 or chance.random() < 0.08:
        scalars = words.scalars
        finite = [{"const": chance.choice(scalars)}, {"enum": [chance.choice(scalars) for _ in range(3)]}]
        return chance.choice([*words.leaves, *finite])
    found: dict[str, Any] = {}

    def inner() -> Any:
        return subschema(chance, depth - 1, words)

    if chance.random() < 0.25:
        found["type"] = chance.choice(
            ["object", "array", "string", "integer", ["object", "array"], ["object", "null"]]
        )
    for _ in range(chance.randint(1, 3)):
        keyword = chance.choice(words.keywords)
        match keyword:
            case "properties":
                found[keyword] = {key: inner() for key in chance.sample(words.keys, chance.randint(1, 3))}
            case "required":
                found[keyword] = chance.sample(words.keys, chance.randint(1, 2))
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
                found[keyword] = chance.choice(words.names)
            case "patternProperties":
                patterns = chance.sample(words.patterns, chance.randint(1, 2))
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
                found[keyword] = {chance.choice(words.keys): chance.sample(words.keys, chance.randint(0, 2))}
            case "dependentSchemas":
                found[keyword] = {chance.choice(words.keys): inner()}
            case "enum":
                found[keyword] = [value(chance, words=words) for _ in range(chance.randint(1, 3))]
            case "union":
                found.update(_union(chance, words, inner))
            case "const":
                found[keyword] = value(chance, words=words)
    if "contains" in found and chance.random() < 0.6:
        found[chance.choice(["minContains", "maxContains"])] = chance.randint(0, 2)
    return found


def schema(chance: random.Random, depth: int = 3, words: Words = PLAIN) -> dict[str, Any]:
    """Return a random schema that may refer to itself through `#/$defs/d`."""
    found = subschema(chance, depth, words)
    # Leaves are shared: a copy takes the definitions.
    found = dict(found) if isinstance(found, dict) else {"allOf": [found]}
    found["$defs"] = {
        "d": {
            "type": ["object", "array", "integer"],
            "properties": {
                "a": chance.choice([subschema(chance, 1, words), {"$ref": "#/$defs/d"}]),
                "b": subschema(chance, 1, words),
            },
            "required": chance.sample(["a", "b"], chance.randint(0, 1)),
        }
    }
    return found


def rare_schema(chance: random.Random, depth: int = 3) -> dict[str, Any]:
    """Return a random schema over `FOREIGN` or `RARE` that may refer to itself through `#/$defs/d`,
    `#/$defs/e` and `#n`, whose target the resource `urn:e` and the root each have."""
    words = _rare(chance)
    found = schema(chance, depth, words)
    if chance.random() < 0.3:
        found = {**_unions(chance, words), "$defs": found["$defs"]}
    if not speaks_of_anchors(found):
        return found
    leaf = chance.choice([{}, {"type": "integer"}, {"enum": [0, "é"]}, {"type": ["object", "null"]}])
    again = {"$dynamicRef": "#n"}
    found["$defs"]["e"] = {
        "$id": "urn:e",
        "$dynamicAnchor": "n",
        "properties": {"a": again, "b": leaf},
        **chance.choice([{}, {"items": again}, {"unevaluatedProperties": False}, {"type": "object"}]),
    }
    # The outermost anchor wins: of the root itself, or of a definition of the root.
    if chance.random() < 0.5:
        found["$dynamicAnchor"] = "n"
    else:
        found["$defs"]["n"] = {"$dynamicAnchor": "n", "properties": {"b": subschema(chance, 1, words)}}
    return found


def rare_value(chance: random.Random, depth: int = 2) -> Any:
    """Return a random value over `FOREIGN` or `RARE`."""
    return value(chance, depth, _rare(chance))


def _rare(chance: random.Random) -> Words:
    return RARE if chance.random() < 0.3 else FOREIGN


def speaks_of_anchors(schema: Any) -> bool:
    """Return whether a schema of `rare_schema` has a reference whose target depends on the way to it."""
    text = repr(schema)
    return "$dynamicRef" in text or "#/$defs/e" in text
