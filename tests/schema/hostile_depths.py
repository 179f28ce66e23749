"""What a schema is that was made to be hard; those of depth, sharing, great sizes, patterns by the dozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Json = Any


class Text(str):
    """A text as it is written, where a value stands for what `json.dumps` makes of it."""


@dataclass(frozen=True)
class Hostile:
    """A schema with what its documents are, and what is no beginning of one or none at all."""

    name: str
    make: Callable[[], Json]
    good: Iterable[Json]
    bad: Iterable[Json]


def nested(depth: int, wrap: Callable[[Json], Json], inner: Json) -> Json:
    found = inner
    for _ in range(depth):
        found = wrap(found)
    return found


def _chain_of_ifs(depth: int) -> Json:
    found: Json = {"const": "last"}
    for at in range(depth - 1, -1, -1):
        found = {"if": {"minLength": at + 1}, "then": found, "else": {"pattern": "^x*$"}}
    return {"type": "string", **found}


def _doubled(depth: int) -> Json:
    """Return an object of two equal objects, and so on: its smallest document is exponential."""
    links: dict[str, Json] = {
        f"d{at}": {
            "type": "object",
            "properties": {key: {"$ref": f"#/$defs/d{at + 1}"} for key in "ab"},
            "required": ["a", "b"],
        }
        for at in range(depth)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**links, f"d{depth}": {"type": "integer"}}}


def _twice(depth: int) -> Json:
    links: dict[str, Json] = {
        f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}, {"$ref": f"#/$defs/d{at + 1}"}]}
        for at in range(depth)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**links, f"d{depth}": {"type": "integer"}}}


def _told_apart_last(at: int) -> Json:
    names = [f"p{key}" for key in range(20)]
    return {
        "type": "object",
        "properties": {**{name: {"type": "integer"} for name in names}, "kind": {"const": f"kind{at}"}},
        "required": [*names, "kind"],
        "additionalProperties": False,
    }


def _members(kind: str) -> Json:
    return {**{f"p{key}": key for key in range(20)}, "kind": kind}


def _evaluated(schema: Json) -> Json:
    return {
        "type": "object",
        "allOf": [{"properties": {"a": schema}}],
        "anyOf": [{"required": [key], "properties": {key: {}}} for key in "bc"],
        "unevaluatedProperties": False,
    }


_SCRIPTS = ("Greek", "Latin", "Cyrillic", "Han", "Arabic", "Hebrew", "Thai", "Hiragana", "Tamil", "Hangul")
_FAR = 10**30
_TEN = "\u03b1a\u0436\u0642\u05d0\u0e44\u4e2d\u3072\u0ba4\ud55c"
"""A character of each script."""

DEPTHS = [
    Hostile(
        "if, then and else 500 deep",
        lambda: _chain_of_ifs(500),
        ["", "xxx", "x" * 499],
        ["xyx", "x" * 500, 1],
    ),
    Hostile(
        "numbers under if 1,000 deep",
        lambda: nested(
            1_000, lambda s: {"if": {"minimum": 3}, "then": s, "else": {"maximum": 2}}, {"type": "integer"}
        ),
        [3, 2, 1.5],
        [2.5, 3.5],
    ),
    Hostile(
        "oneOf nested 10,000 deep",
        lambda: nested(10_000, lambda s: {"oneOf": [s, {"type": "null"}]}, {"type": "integer"}),
        [1],
        ["x", True],
    ),
    Hostile(
        "a thousand schemas in a cycle",
        lambda: {
            "$ref": "#/$defs/d0",
            "$defs": {
                f"d{at}": {
                    "type": "object",
                    "properties": {
                        "n": {"anyOf": [{"$ref": f"#/$defs/d{(at + 1) % 1_000}"}, {"type": "null"}]}
                    },
                    "required": ["n"],
                }
                for at in range(1_000)
            },
        },
        [Text('{"n":' * 1_500 + "null" + "}" * 1_500)],
        [{"n": {}}, {}],
    ),
    Hostile("the same schema 2^100 times", lambda: _twice(100), [1], ["x"]),
    Hostile("a document of 2^1000 members", lambda: _doubled(1_000), [], [{"a": {"b": 1}}, {}]),
    Hostile(
        "300 objects that the last of their keys tells apart",
        lambda: {"anyOf": [_told_apart_last(at) for at in range(300)]},
        [_members("kind0"), _members("kind299")],
        [_members("kind300"), {**_members("kind7"), "p7": "x"}],
    ),
    Hostile(
        "items, members and characters beyond 64 bits",
        lambda: {
            "type": "object",
            "properties": {
                "items": {"type": "array", "minItems": _FAR},
                "kinds": {"type": "array", "contains": {"const": 1}, "minContains": _FAR},
                "text": {"type": "string", "maxLength": _FAR},
            },
            "maxProperties": _FAR,
        },
        [{}, {"text": "x" * 1_000}],
        [{"items": [1, 2]}, {"kinds": [1]}],
    ),
    Hostile(
        "enum of 100,000 values of every type",
        lambda: {
            "enum": [
                *(value for at in range(33_000) for value in (at, f"s{at}", at + 0.5)),
                *(value for at in range(300) for value in ([at], {"a": at}, [[at], at])),
                None,
                True,
            ]
        },
        [32_999, "s0", 7.5, [299], {"a": 0}, None, True, [[5], 5]],
        [33_000, "s", 7.25, [300], {"a": 300}, False, [[5], 6]],
    ),
    Hostile(
        "all of 1,000 different items",
        lambda: {
            "type": "array",
            "uniqueItems": True,
            "minItems": 1_000,
            "items": {"enum": [f"v{at}" for at in range(1_000)]},
        },
        [],
        [[], ["v0", "v0"], ["v1000"]],
    ),
    Hostile(
        "1,000 required keys and a pattern of names",
        lambda: {
            "type": "object",
            "propertyNames": {"pattern": "^k[0-9]+$"},
            "required": [f"k{at}" for at in range(1_000)],
        },
        [{f"k{at}": at for at in range(1_001)}],
        [{f"k{at}": at for at in range(999)}, {"x": 1}],
    ),
    Hostile(
        "unevaluatedProperties nested 50 deep",
        lambda: nested(50, _evaluated, {"type": "null"}),
        [{"b": 1}, {"c": 1, "a": {"b": 2, "a": {"c": 3}}}],
        [{}, {"b": 1, "d": 2}, {"b": 1, "a": {}}],
    ),
    Hostile(
        "a key of 100,000 characters",
        lambda: {
            "type": "object",
            "properties": {"k" * 100_000: {"type": "integer"}},
            "required": ["k" * 100_000],
            "additionalProperties": False,
        },
        [{"k" * 100_000: 1}],
        [{"k" * 99_999: 1}, {}],
    ),
    Hostile(
        "1,000 words of 10,000 characters",
        lambda: {"enum": ["k" * 10_000 + str(at) for at in range(1_000)]},
        ["k" * 10_000 + "999"],
        ["k" * 10_000 + "1000", "k" * 10_000],
    ),
    Hostile(
        "1,000 patternProperties of prefixes",
        lambda: {
            "type": "object",
            "patternProperties": {f"^p{at}_": {"maximum": at} for at in range(1_000)},
            "additionalProperties": False,
        },
        [{"p0_": 0, "p999_x": 999}],
        [{"p0_": 1}, {"p1000_": 0}, {"p": 0}],
    ),
    Hostile(
        "(a?){500}a{500}",
        lambda: {"type": "string", "pattern": "^(a?){500}a{500}$"},
        ["a" * 500, "a" * 1_000],
        ["a" * 499, "a" * 1_001],
    ),
    Hostile(
        "a password, as forms ask for it",
        lambda: {
            "type": "string",
            "pattern": r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[^\w\s])(?!.*\s).{8,64}$",
        },
        ["aB3$aB3$"],
        ["aB3$aB3", "aB3$ aB3$", "ab3$ab3$"],
    ),
    Hostile(
        "characters of ten scripts in any order",
        lambda: {"type": "string", "allOf": [{"pattern": f"\\p{{Script={name}}}"} for name in _SCRIPTS]},
        [_TEN],
        [_TEN[1:], "a"],
    ),
    Hostile(
        "multiples of 7 from 10^400 on",
        lambda: {"type": "number", "multipleOf": 7, "minimum": 10**400},
        [Text(str(7 * 10**400)), Text(str(14 * 10**400))],
        [Text(str(10**400)), Text(str(7 * 10**399))],
    ),
]
