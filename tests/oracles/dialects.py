"""Schemas of every draft over small universes of values, and the judge of each draft.

Between them the schemas have every keyword of docs/json-schema.md but `$vocabulary`. A *frame* stands beside
each: it admits the values of its universe and no others, by keywords that all drafts have, so that the
language can be listed.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema
import jsonschema_rs
from hypothesis import strategies as st
from validator import Validator

Json = Any
Schemas = st.SearchStrategy[Json]

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


def _scalar_keywords(draft: str) -> list[Schemas]:
    bound = st.integers(-1, 3)
    step = "multipleOf" if since(draft, "4") else "divisibleBy"
    found = [
        st.integers(0, 2).map(lambda n: {"minLength": n}),
        st.integers(0, 2).map(lambda n: {"maxLength": n}),
        st.sampled_from(["^a", "b$", "^[ab]*$", "a|2", "^$", "^.b"]).map(lambda p: {"pattern": p}),
        st.sampled_from(FORMATS).map(lambda f: {"format": f}),
        bound.map(lambda n: {"minimum": n}),
        bound.map(lambda n: {"maximum": n}),
        st.sampled_from([1, 2, 3, 0.5]).map(lambda n: {step: n}),
    ]
    sides = [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")]
    for side, strict in sides:
        if since(draft, "6"):
            found.append(bound.map(lambda n, strict=strict: {strict: n}))
        else:
            flags = st.booleans()
            found.append(
                st.tuples(bound, flags).map(lambda t, side=side, strict=strict: {side: t[0], strict: t[1]})
            )
    return found


def _leaves(draft: str) -> Schemas:
    names = ["null", "boolean", "integer", "number", "string", "array", "object"]
    name = st.sampled_from(names)
    value = st.sampled_from([*_LEAVES, 1, 2, "b", True, {"a": 0}, [0], [], {}])
    found: list[Schemas] = [
        st.just({}),
        name.map(lambda t: {"type": t}),
        st.lists(name, min_size=1, max_size=3, unique=True).map(lambda t: {"type": t}),
        st.lists(value, min_size=1, max_size=4, unique_by=repr).map(lambda v: {"enum": v}),
        *_scalar_keywords(draft),
        *_references(draft),
    ]
    if since(draft, "6"):
        found += [st.booleans(), value.map(lambda v: {"const": v})]
    return st.one_of(found)


def _references(draft: str) -> list[Schemas]:
    """Return references to what `_whole` defines: by pointer, by anchor, and to the list."""
    pointer = st.just({"$ref": f"#/{_definitions(draft)}/d"})
    if not since(draft, "4"):
        return [pointer]
    found = [pointer, st.just({"$ref": "#anchored"})]
    if draft in ("2019-09", "2020-12"):
        found.append(st.just({"$ref": "list"}))
    return found


def _object_keywords(draft: str, inner: Schemas) -> dict[str, Schemas]:
    key = st.sampled_from(KEYS)
    keys = st.lists(key, min_size=1, max_size=2, unique=True)
    found: dict[str, Schemas] = {
        "properties": st.dictionaries(key, inner, min_size=1, max_size=2),
        "patternProperties": st.dictionaries(
            st.sampled_from(["^[ax]", "b", "1$"]), inner, min_size=1, max_size=2
        ),
        "additionalProperties": st.one_of(st.just(False), inner),
    }
    if not since(draft, "4"):
        member = st.tuples(inner, st.booleans()).map(lambda t: {**t[0], "required": t[1]})
        found["properties"] = st.dictionaries(key, member, min_size=1, max_size=2)
        found["dependencies"] = st.dictionaries(key, st.one_of(key, keys, inner), min_size=1, max_size=2)
        return found
    found |= {
        "required": keys,
        "minProperties": st.integers(1, 2),
        "maxProperties": st.integers(0, 2),
    }
    if since(draft, "6"):
        name = st.sampled_from(
            [{"maxLength": 1}, {"enum": ["a", "x1"]}, {"not": {"const": "b"}}, {"pattern": "[ab]"}]
        )
        found["propertyNames"] = st.one_of(name, st.booleans())
    if not since(draft, "2019-09"):
        found["dependencies"] = st.dictionaries(key, st.one_of(keys, inner), min_size=1, max_size=2)
    else:
        found |= {
            "dependentRequired": st.dictionaries(key, keys, min_size=1, max_size=2),
            "dependentSchemas": st.dictionaries(key, inner, min_size=1, max_size=2),
            "unevaluatedProperties": st.one_of(st.just(False), inner),
        }
    if draft == "v1":
        by_value = st.dictionaries(st.just("a"), inner, min_size=1, max_size=1)
        found["propertyDependencies"] = st.dictionaries(key, by_value, min_size=1, max_size=2)
    return found


def _array_keywords(draft: str, inner: Schemas) -> dict[str, Schemas]:
    count = st.integers(0, 3)
    rows = st.lists(inner, min_size=1, max_size=3)
    found: dict[str, Schemas] = {
        "items": inner,
        "minItems": count,
        "maxItems": count,
        "uniqueItems": st.booleans(),
    }
    if since(draft, "2020-12"):
        found["prefixItems"] = rows
    else:
        found["items"] = st.one_of(inner, rows)
        found["additionalItems"] = st.one_of(inner, st.just(False))
    if since(draft, "6"):
        found["contains"] = inner
    if since(draft, "2019-09"):
        found |= {
            "minContains": st.integers(0, 2),
            "maxContains": st.integers(0, 2),
            "unevaluatedItems": st.one_of(st.just(False), inner),
        }
    return found


def _combinations(draft: str, inner: Schemas) -> list[Schemas]:
    branches = st.lists(inner, min_size=1, max_size=3)
    if not since(draft, "4"):
        types = st.lists(
            st.one_of(inner, st.sampled_from(["integer", "object", "null"])), min_size=1, max_size=3
        )
        return [
            branches.map(lambda s: {"extends": s}),
            inner.map(lambda s: {"extends": s}),
            types.map(lambda t: {"type": t}),
            types.map(lambda t: {"disallow": t}),
        ]
    found: list[Schemas] = [
        branches.map(lambda s: {"allOf": s}),
        branches.map(lambda s: {"anyOf": s}),
        branches.map(lambda s: {"oneOf": s}),
        inner.map(lambda s: {"not": s}),
    ]
    if since(draft, "7"):
        found.append(st.fixed_dictionaries({"if": inner}, optional={"then": inner, "else": inner}))
    return found


def _wider(draft: str, inner: Schemas) -> Schemas:
    """Return schemas with some keywords of one kind, and perhaps a combination beside them."""
    objects = _several(_object_keywords(draft, inner))
    arrays = _several(_array_keywords(draft, inner))
    combined = st.one_of(_combinations(draft, inner))
    plain = st.one_of(objects, arrays)
    return st.one_of(
        plain, plain, combined, st.tuples(plain, combined).map(lambda t: {**t[0], **t[1]}), inner
    )


def _several(keywords: dict[str, Schemas]) -> Schemas:
    names = st.lists(st.sampled_from(sorted(keywords)), min_size=1, max_size=4, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: keywords[name] for name in chosen}))


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
    schemas = st.recursive(_leaves(draft), lambda inner: _wider(draft, inner), max_leaves=7)
    parts: list[Json] = [draw(schemas), FRAMES[name][0]]
    defined = {key: _bare(draw(schemas)) for key in ("d", "anchored")}
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


def _checker() -> jsonschema.FormatChecker:
    """Return a checker of formats that asks jsonschema-rs, whatever else is installed."""
    checker = jsonschema.FormatChecker(formats=())
    for name in FORMATS:
        judge = jsonschema_rs.validator_for({"format": name}, validate_formats=True)
        checker.checks(name)(judge.is_valid)
    return checker


class Judge:
    """The truth of values under a schema of any draft, agreed by all validators that know it."""

    def __init__(self, dialect: Dialect) -> None:
        schema, draft = dialect.schema, dialect.draft
        if draft == "3":
            self.valid = jsonschema.Draft3Validator(schema, format_checker=_checker()).is_valid
            return
        newest = draft == "v1"
        self.valid = Validator(_rewritten(schema) if newest else schema, "2020-12" if newest else draft).valid


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
