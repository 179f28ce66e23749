"""Schemas of every draft over small universes of values, and the judge of each draft.

Between them the schemas have every keyword of docs/json-schema.md but `$vocabulary`. A *frame* stands beside
each: it admits the values of its universe and no others, by keywords that all drafts have, so that the
language can be listed.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arbiter import Arbiter
from hypothesis import strategies as st
from strategies import PLAIN, Words, subschema
from validator import Validator

Json = Any

DRAFTS = ("3", "4", "6", "7", "2019-09", "2020-12", "v1")
KEYS = ("a", "b", "x1")
FORMATS = ("date", "ipv4", "json-pointer", "email")
OLD = "https://json-schema.org/draft/2019-09/schema"
ROOT = "https://example.com/root"

_LEAVES = (0, None, "a")
_LEAF = {"enum": list(_LEAVES)}
_INNER = {
    "type": ["object", "array", "null", "integer"],
    "minimum": 0,
    "maximum": 1,
    "properties": {"a": _LEAF},
    "additionalProperties": False,
    "items": _LEAF,
    "maxItems": 1,
}
_WORDS = ("2024-02-28", "2024-02-30", "127.0.0.1", "127.0.0.01", "/a~1", "/a~2", "YQ==", "YQ=", "a@b", "a@")


def _strings(letters: str, most: int) -> list[str]:
    return ["".join(word) for size in range(most + 1) for word in itertools.product(letters, repeat=size)]


def objects(choices: Mapping[str, Sequence[Json]]) -> list[Json]:
    """Return the objects with some of the keys, each with one of its values."""
    absent = object()
    rows = itertools.product(*([absent, *values] for values in choices.values()))
    return [
        {key: value for key, value in zip(choices, row, strict=True) if value is not absent} for row in rows
    ]


def arrays(items: Sequence[Json], most: int) -> list[Json]:
    """Return the arrays of up to `most` of the items."""
    return [list(row) for size in range(most + 1) for row in itertools.product(items, repeat=size)]


_INNER_VALUES = [None, 0, 1, *objects({"a": list(_LEAVES)}), *arrays(list(_LEAVES), 1)]
FRAMES: dict[str, tuple[Json, list[Json]]] = {
    "objects": (
        {"type": "object", "properties": dict.fromkeys(KEYS, _LEAF), "additionalProperties": False},
        objects({key: list(_LEAVES) for key in KEYS}),
    ),
    "arrays": ({"type": "array", "items": _LEAF, "maxItems": 4}, arrays(list(_LEAVES), 4)),
    "nested": (
        {
            "type": ["object", "array"],
            "properties": {"a": _INNER, "b": _LEAF},
            "additionalProperties": False,
            "items": _INNER,
            "maxItems": 2,
        },
        [*objects({"a": _INNER_VALUES, "b": list(_LEAVES)}), *arrays(_INNER_VALUES, 2)],
    ),
    "scalars": (
        {
            "type": ["integer", "null", "boolean", "string"],
            "minimum": -3,
            "maximum": 12,
            "pattern": "^[ab]{0,3}$",
        },
        [None, True, False, *range(-3, 13), *_strings("ab", 3)],
    ),
    "words": (
        {"type": "string", "pattern": f"^({'|'.join(word.replace('.', '[.]') for word in _WORDS)}|[ab]?)$"},
        ["", "a", "b", *_WORDS],
    ),
}
"""By name: the schema that admits a universe alone, and the universe."""


def since(draft: str, first: str) -> bool:
    """Return whether a draft is `first` or a later one."""
    return DRAFTS.index(draft) >= DRAFTS.index(first)


def _definitions(draft: str) -> str:
    return "$defs" if since(draft, "2019-09") else "definitions"


WORDS = Words(
    KEYS,
    (*_LEAVES, 1, 2, "b", True),
    (
        *(True, False, {}, {"type": ["null", "string"]}, {"type": ["integer", "array", "object"]}),
        *({"type": name} for name in ("null", "boolean", "integer", "number", "string", "array", "object")),
        *({"minLength": 1}, {"minLength": 2}, {"maxLength": 1}, {"multipleOf": 2}, {"multipleOf": 0.5}),
        *({"minimum": 0}, {"maximum": 2}, {"exclusiveMinimum": 0}, {"exclusiveMaximum": 2}),
        *({"pattern": pattern} for pattern in ("^a", "b$", "^[ab]*$", "a|2", "^$", "^.b")),
        *({"format": name} for name in FORMATS),
        *({"$ref": reference} for reference in ("#/$defs/d", "#anchored", "list")),
    ),
    ({"maxLength": 1}, {"enum": ["a", "x1"]}, {"not": {"const": "b"}}, {"pattern": "[ab]"}, True, False),
    ("^[ax]", "b", "1$"),
    PLAIN.keywords,
)
_MAPS = frozenset(("properties", "patternProperties", "dependentSchemas"))
_LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_SINGLE = frozenset(
    ("additionalProperties", "items", "contains", "not", "if", "then", "else", "propertyNames")
) | {"unevaluatedProperties", "unevaluatedItems"}
_SINCE = {
    "4": ("minProperties", "maxProperties", "oneOf"),
    "6": ("contains", "propertyNames"),
    "7": ("if", "then", "else"),
    "2019-09": ("minContains", "maxContains", "unevaluatedProperties", "unevaluatedItems"),
}
"""Keywords that no other of an earlier draft can say."""


def in_words_of(draft: str, schema: Json, chance: random.Random) -> Json:
    """Return a schema in the words of a draft, without what it cannot say."""
    if isinstance(schema, bool):
        never = {"not": {}} if draft == "4" else {"disallow": "any"}
        return schema if since(draft, "6") else {} if schema else never

    def inner(one: Json) -> Json:
        return in_words_of(draft, one, chance)

    found: dict[str, Json] = {}
    for name, body in schema.items():
        if name in _MAPS:
            body = {key: inner(one) for key, one in body.items()}
        elif name in _LISTS:
            body = [inner(one) for one in body]
        found[name] = inner(body) if name in _SINGLE else body
    for first, names in _SINCE.items():
        if not since(draft, first):
            found = {name: body for name, body in found.items() if name not in names}
    if draft == "v1" and "dependentSchemas" in found:
        found["propertyDependencies"] = {key: {"a": one} for key, one in found["dependentSchemas"].items()}
    if not since(draft, "2020-12") and "prefixItems" in found:
        if "items" in found:
            found["additionalItems"] = found.pop("items")
        found["items"] = found.pop("prefixItems")
    if not since(draft, "2019-09"):
        lists = {key: some for key, some in found.pop("dependentRequired", {}).items() if some}
        if dependencies := lists | found.pop("dependentSchemas", {}):
            found["dependencies"] = dependencies
    if "$ref" in found and found["$ref"] != "#/$defs/d":
        if draft == "3" or (found["$ref"] == "list" and draft not in ("2019-09", "2020-12")):
            found["$ref"] = "#/$defs/d"
    if "$ref" in found and not since(draft, "2019-09"):
        found["$ref"] = found["$ref"].replace("$defs", "definitions")
    return found if since(draft, "6") else _flagged(draft, found, chance)


def _flagged(draft: str, found: dict[str, Json], chance: random.Random) -> Json:
    """Return a schema in the words of draft 4 or 3: bounds have flags."""
    if "const" in found:
        found["enum"] = [found.pop("const")]
    for side, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if strict in found:
            found |= {side: found[strict], strict: chance.random() < 0.5}
    if draft == "4":
        return found
    if "required" in found:
        members = found.setdefault("properties", {})
        members.update({key: {**members.get(key, {}), "required": True} for key in found.pop("required")})
    for key, one in found.get("dependencies", {}).items():
        if isinstance(one, list) and len(one) == 1:  # may stand by itself
            found["dependencies"][key] = one[0]
    if "anyOf" in found:
        named = found.get("type", [])
        found["type"] = [*([named] if isinstance(named, str) else named), *found.pop("anyOf")]
    for old, new in (("multipleOf", "divisibleBy"), ("allOf", "extends"), ("not", "disallow")):
        if new not in found and old in found:
            found[new] = [found.pop(old)] if old == "not" else found.pop(old)
    return found


def _bare(schema: Json) -> Json:
    """Return a schema without its references: what is defined leads to nothing that is defined."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if isinstance(schema, dict):
        return {key: _bare(body) for key, body in schema.items() if key != "$ref"}
    return schema


@dataclass(frozen=True)
class Dialect:
    """A schema of a draft whose values are all of a universe."""

    schema: Json
    draft: str
    frame: str

    @property
    def universe(self) -> list[Json]:
        """All values that the schema may accept."""
        return FRAMES[self.frame][1]


@st.composite
def dialects(draw: st.DrawFn, draft: str) -> Dialect:
    """Return random schemas of a draft, each beside the frame of a universe."""
    name = draw(st.sampled_from(sorted(FRAMES)))
    chance = random.Random(draw(st.integers(0, 2**32)))
    some = [in_words_of(draft, subschema(chance, depth, WORDS), chance) for depth in (2, 1, 1)]
    parts: list[Json] = [some[0], FRAMES[name][0]]
    defined = {"d": _bare(some[1]), "anchored": _bare(some[2])}
    own = f"#/{_definitions(draft)}/d"
    if draw(st.booleans()):
        defined["d"] = draw(
            st.sampled_from(
                [
                    {"properties": {"a": {"$ref": own}}, "additionalProperties": {"type": "null"}},
                    {"items": {"$ref": own}, "maxItems": 1},
                ]
            )
        )
    return Dialect(_whole(draft, parts, defined, draw(st.booleans())), draft, name)


def _whole(draft: str, parts: list[Json], defined: dict[str, Json], recursive: bool) -> Json:
    """Return a document that is all parts at once, and defines "d", an anchor, and a list that it extends."""
    holder = _definitions(draft)
    if not since(draft, "4"):
        return {"extends": parts, holder: {"d": defined["d"]}}
    whole: Json = {"allOf": parts, holder: defined}
    anchored = defined["anchored"]
    if isinstance(anchored, bool):
        anchored = {} if anchored else {"not": {}}
    if not since(draft, "2019-09"):
        name = "$id" if since(draft, "6") else "id"
        defined["anchored"] = {name: "#anchored", **anchored}
        return whole
    defined["anchored"] = {"$anchor": "anchored", **anchored}
    if draft == "2019-09":
        defined["list"] = {"$id": "list", "$recursiveAnchor": True, "items": {"$recursiveRef": "#"}}
        return {"$schema": OLD, "$id": ROOT, "$recursiveAnchor": recursive, **whole}
    if draft == "2020-12":
        default = {"default": {"$dynamicAnchor": "item"}}
        defined["list"] = {"$id": "list", "items": {"$dynamicRef": "#item"}, "$defs": default}
        defined["item"] = {"$dynamicAnchor": "item", "type": ["null", "integer", "array"]}
        return {"$id": ROOT, **whole}
    return whole


def _rewritten(schema: Json) -> Json:
    """Return a schema of v1 in the words of 2020-12.

    `propertyDependencies` is an `if` for each value that a key may have, whose condition evaluates nothing.
    """
    if isinstance(schema, list):
        return [_rewritten(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _rewritten(body) for name, body in schema.items() if name != "propertyDependencies"}
    named = schema.get("propertyDependencies", {})
    rules = []
    for key, choices in named.items():
        for value, then in choices.items():
            holds = {"type": "object", "properties": {key: {"const": value}}, "required": [key]}
            rules.append({"if": {"not": {"not": holds}}, "then": _rewritten(then)})
    return {**found, "allOf": [*found.get("allOf", []), *rules]} if rules else found


def judge_of(dialect: Dialect) -> Arbiter | Validator:
    """Return the judge of values under a schema of any draft: jsonschema-rs knows no draft 3."""
    if dialect.draft == "3":
        return Arbiter(dialect.schema, "3")
    if dialect.draft == "v1":
        return Validator(_rewritten(dialect.schema), "2020-12")
    return Validator(dialect.schema, dialect.draft)


def texts(value: Json) -> Iterator[str]:
    """Yield the compact texts of a value, the members of objects in every order."""
    if isinstance(value, list):
        for items in itertools.product(*(list(texts(item)) for item in value)):
            yield "[" + ",".join(items) + "]"
    elif isinstance(value, dict):
        for order in itertools.permutations(value.items()):
            for members in itertools.product(*(list(texts(child)) for _, child in order)):
                named = (json.dumps(key) + ":" + text for (key, _), text in zip(order, members, strict=True))
                yield "{" + ",".join(named) + "}"
    else:
        yield json.dumps(value)
