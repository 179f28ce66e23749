"""Schemas made to be hard: each with texts that its documents are, and texts that they are not.

Every one is written from what its name says and from JSON Schema alone; the texts were not produced by the
engine. A schema is made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hostile_depths import DEPTHS, Hostile, Json, Text, nested
from union_families import FAMILIES, HARDER


def _reference_chain(length: int) -> Json:
    links: dict[str, Json] = {f"d{at}": {"$ref": f"#/$defs/d{at + 1}"} for at in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**links, f"d{length}": {"type": "boolean"}}}


_RECURSIVE = {
    "type": "object",
    "properties": {"a": {"$ref": "#"}, "b": {"type": "array", "items": {"$ref": "#"}}},
    "additionalProperties": False,
}
_LETTERS = "abcdefghijkl"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


_FORMATS = "date time uuid ipv4 email uri json-pointer ipv6 date-time duration".split()
_HEX = {"type": "string", "pattern": "[a-f0-9]{3}"}
_MULTIPLYING = [
    ("^.{40}$", "^[^<>]*$", "[a-f]{4}-[0-9]{2}", "(foo|bar).*baz"),
    ("^[\\s\\S]{40}$", "x.*y.*z", "\\d{3}", "^(?:\\S+\\s+){0,9}\\S+\\s*$"),
    ("^[A-Za-z0-9 .-]{40}$", "[A-Z].*[0-9]", "^\\w+( \\w+)*$", "q.*q.*q"),
]


def _denied(*patterns: str) -> Json:
    return {"not": {"anyOf": [{"not": {"allOf": [{"pattern": one} for one in patterns]}}]}}


def _all() -> list[Hostile]:
    found: list[Hostile] = []

    def add(*parts: Any) -> None:
        found.append(Hostile(*parts))

    # Sets of values
    add(
        "enum of 1,000,000 integers",
        lambda: {"enum": list(range(0, 3_000_000, 3))},
        [0, 2_999_997],
        [1, 3_000_000, "0"],
    )
    add(
        "const nested 10,000 deep",
        lambda: {"const": nested(10_000, lambda v: [v], 1)},
        [Text("[" * 10_000 + "1" + "]" * 10_000)],
        [Text("[" * 10_001), Text("[" * 10_000 + "2")],
    )
    add(
        "const of a million characters",
        lambda: {"const": "ab" * 500_000},
        ["ab" * 500_000],
        ["ab" * 499_999, "aa"],
    )
    add(
        "oneOf of 1,000 intervals",
        lambda: {"oneOf": [{"type": "integer", "minimum": at, "maximum": at + 1} for at in range(1_000)]},
        [0, 1_000],
        [1, 999, 1_001],
    )
    add(
        "not an enum of 10,000",
        lambda: {"type": "string", "not": {"enum": [f"v{at}" for at in range(10_000)]}},
        ["v10000", "", "v"],
        ["v0", "v9999", 1],
    )
    # Objects
    add(
        "5,000 properties",
        lambda: {
            "type": "object",
            "properties": {f"property{at}": {"type": "integer"} for at in range(5_000)},
            "additionalProperties": False,
        },
        [{}, {"property0": 1, "property4999": 2}],
        [{"property5000": 1}, {"property0": "1"}],
    )
    add(
        "50 overlapping patternProperties",
        lambda: {
            "type": "object",
            "patternProperties": {
                "".join(letter for bit, letter in enumerate(_LETTERS) if at >> bit & 1): {"minimum": at}
                for at in range(1, 51)
            },
        },
        [{"a": 1, "b": 2, "ab": 3, "zz": "x"}],
        [{"ab": 2}, {"abcdef": 47}],
    )
    add(
        "each of 1,000 keys requires the next",
        lambda: {"type": "object", "dependentRequired": {f"k{at}": [f"k{at + 1}"] for at in range(1_000)}},
        [{}, {f"k{at}": 0 for at in range(990, 1_001)}],
        [{f"k{at}": 0 for at in range(990, 1_000)}],
    )
    add(
        "each of 300 keys requires all",
        lambda: {
            "type": "object",
            "dependentRequired": {f"k{at}": [f"k{n}" for n in range(300)] for at in range(300)},
        },
        [{}, {"x": 1}, {f"k{at}": 0 for at in range(300)}],
        [{f"k{at}": 0 for at in range(299)}],
    )
    add(
        "propertyNames of 10,000 words",
        lambda: {"type": "object", "propertyNames": {"enum": [f"word{at}" for at in range(10_000)]}},
        [{}, {"word9999": [], "word0": {}}],
        [{"word10000": 1}],
    )
    # Unions
    add(
        "20 choices of two, all at once",
        lambda: {
            "type": "object",
            "allOf": [{"anyOf": [{"required": [f"a{at}"]}, {"required": [f"b{at}"]}]} for at in range(20)],
        },
        [{f"{'ab'[at % 2]}{at}": at for at in range(20)}],
        [{f"a{at}": at for at in range(19)}, []],
    )
    # Depth and references
    add(
        "properties and items nested 10,000 deep",
        lambda: nested(
            5_000,
            lambda s: {
                "type": "object",
                "properties": {"a": {"type": "array", "items": s, "minItems": 1}},
                "required": ["a"],
            },
            {"const": 1},
        ),
        [Text('{"a":[' * 5_000 + "1" + "]}" * 5_000)],
        [Text('{"a":[' * 5_001), Text('{"a":[{}]}')],
    )
    add(
        "allOf nested 10,000 deep",
        lambda: nested(10_000, lambda s: {"allOf": [s]}, {"type": "integer"}),
        [1],
        ["x"],
    )
    add(
        "a tower of 999 nots, each with a key",
        lambda: nested(999, lambda s: {"not": s, "title": "t"}, {"type": "string"}),
        [1, {}],
        ["x"],
    )
    add("10,000 references in a chain", lambda: _reference_chain(10_000), [True], [1])
    add(
        "a document 10,000 deep under a recursive schema",
        lambda: _RECURSIVE,
        [Text('{"b":[' * 5_000 + "{}" + "]}" * 5_000), Text('{"a":' * 10_000 + "{}" + "}" * 10_000)],
        [Text('{"b":[' * 5_000 + "1")],
    )
    add(
        "allOf that recurs on both sides",
        lambda: {
            "allOf": [
                {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#/allOf/1"}}},
                {"properties": {"a": {"$ref": "#/allOf/1"}, "b": {"$ref": "#"}}, "required": ["c"]},
            ]
        },
        [{"a": {"b": {"c": 1}, "c": 2}, "c": 3}],
        [{"a": {}, "c": 3}, {}],
    )
    # Arrays
    add(
        "exactly 10,000 items",
        lambda: {"type": "array", "items": {"type": "null"}, "minItems": 10_000, "maxItems": 10_000},
        [[None] * 10_000],
        [[None] * 9_999, [None] * 10_001],
    )
    add(
        "10,000 prefixItems",
        lambda: {
            "type": "array",
            "prefixItems": [{"const": at} for at in range(10_000)],
            "items": False,
            "minItems": 10_000,
        },
        [list(range(10_000))],
        [list(range(9_999)), [0, 2]],
    )
    add(
        "1,000 items of one kind among others",
        lambda: {"type": "array", "contains": {"type": "null"}, "minContains": 1_000, "maxContains": 1_001},
        [[None, 1] * 1_000],
        [[None, 1] * 999, [None] * 1_002],
    )
    # Strings
    add(
        "a pattern with maxLength of a million",
        lambda: {"type": "string", "pattern": "^[a-z]+( [a-z]+)*$", "maxLength": 1_000_000},
        ["abc def", "ab " * 1_000 + "c"],
        ["abc  def", "", "a "],
    )
    add("minLength of a million", lambda: {"type": "string", "minLength": 1_000_000}, [], ["", "abc"])
    add(
        "fifty words within 500 characters",
        lambda: {"type": "string", "pattern": r"^(?:\S+\s+){0,49}\S+$", "maxLength": 500},
        ["one two three", "w " * 49 + "w", "x" * 500],
        ["w " * 50 + "w", "", "x" * 501],
    )
    add(
        "a thousand times up to a thousand",
        lambda: {"type": "string", "pattern": "^(a{1,1000}b){1,1000}$"},
        ["ab", "aab" * 1_000],
        ["aab" * 1_001, "a", "a" * 1_001],
    )
    add(
        "the twentieth letter from the end",
        lambda: {"type": "string", "pattern": "a[ab]{19}$"},
        ["a" + "b" * 19, "ab" * 30],
        ["b" * 30, "ba" * 30 + "b"[:0] + "c"],
    )
    add(
        "all of twenty-six letters and a number of nine digits",
        lambda: {"type": "string", "allOf": [{"pattern": one} for one in (*_ALPHABET, "[0-9]{9}")]},
        [_ALPHABET + "123456789", "000000000 sphinx of black quartz, judge my vow"],
        [_ALPHABET + "12345678", _ALPHABET[1:] + "123456789", ""],
    )
    add(
        "a pattern of 5,000 words",
        lambda: {"type": "string", "pattern": "^(" + "|".join(f"word{at}" for at in range(5_000)) + ")$"},
        ["word0", "word4999"],
        ["word5000", ""],
    )
    add(
        "a pattern of 100,000 characters",
        lambda: {"type": "string", "pattern": "^" + "ab" * 50_000 + "$"},
        ["ab" * 50_000],
        ["ab" * 49_999, "aa"],
    )
    add(
        "all of twelve letters within forty characters",
        lambda: {"type": "string", "allOf": [{"pattern": one} for one in _LETTERS], "maxLength": 40},
        [_LETTERS, _LETTERS[::-1] + "z" * 28],
        [_LETTERS[1:], _LETTERS + "z" * 29],
    )
    add(
        "one of ten formats and no other",
        lambda: {"oneOf": [{"format": one} for one in _FORMATS], "minLength": 8, "maxLength": 40, **_HEX},
        ["2024-02-29", "::abcd:123", "a@example.abc"],
        ["2024-02-30", "abcdefgh i", "/abc" * 11],
    )
    add(
        "three alternatives of patterns that multiply",
        lambda: {"type": "string", "anyOf": [_denied(*one) for one in _MULTIPLYING], "maxLength": 120},
        ["aaaa-00 barbaz" + " " * 26, "0123456789xyz123" + " " * 24],
        ["aaaa-00 barbaz", "x" * 40],
    )
    # Numbers
    add(
        "multipleOf 1e-300",
        lambda: {"type": "number", "multipleOf": 1e-300},
        [Text("1"), Text("0.5"), Text(f"0.{'0' * 299}1"), Text(f"-0.{'0' * 298}3")],
        [Text(f"0.{'0' * 300}1"), Text('"x"')],
    )
    add(
        "multiples of 10^40 and a little",
        lambda: {"type": "integer", "multipleOf": 10**40 + 1, "minimum": 1},
        [10**40 + 1, 7 * 10**40 + 7],
        [10**40, 0],
    )
    return found


# The families of union_families.py at sizes where combinations of branches would be out of reach

_OF_NAME = {family.name: family for family in (*FAMILIES, *HARDER)}
_SIZES = {
    "optional constant": 1_000,
    "required constant": 1_000,
    "optional constant, other columns": 100,
    "optional enum": 1_000,
    "optional pattern": 1_000,
    "optional range": 1_000,
    "catch-all": 200,
    "if and then": 1_000,
    "if, then and else": 100,
    "none of": 60,
    "union in a union": 16,
    "own columns": 60,
    "one branch without a tag": 40,
    "thresholds": 20,
    "overlapping ranges": 80,
    "overlapping patterns": 30,
    "no neighbours": 24,
}
_WRONG: dict[str, Any] = {
    "overlapping patterns": {"x": "a1 a2"},
    "overlapping ranges": {"x": 40},
    "no neighbours": {"a1": 0, "a2": 0},
    "one branch without a tag": {"type": "t1", "c1": "x", "c39": "x"},
    "thresholds": {"x": 1},
    "none of": {"type": "t1", "column": 7},
    "if, then and else": {"type": "t1", "column": 0},
}


def _make(name: str, size: int) -> Callable[[], Any]:
    return lambda: _OF_NAME[name].make(size)


_NOT_INTEGER = {"type": "t1", "column": "x", "c1": "x"}
NO_KEY = "1,000 branches that no key tells apart"

UNIONS = [
    Hostile(
        f"union: {name}, {size:,}",
        _make(name, size),
        [_OF_NAME[name].document(size)],
        [_WRONG.get(name, _NOT_INTEGER)],
    )
    for name, size in _SIZES.items()
]
UNIONS.append(
    Hostile(
        NO_KEY, lambda: {"type": "object", "oneOf": [{"required": [f"k{at}"]} for at in range(1_000)]}, [], []
    )
)


HOSTILE = [*_all(), *DEPTHS, *UNIONS]
REFUSED: frozenset[str] = frozenset(
    {
        NO_KEY,
        # strings whose automata have more than 50,000 states
        "50 overlapping patternProperties",
        "a thousand times up to a thousand",
        "the twentieth letter from the end",
        "all of twenty-six letters and a number of nine digits",
        "a pattern of 100,000 characters",
        "three alternatives of patterns that multiply",
        "enum of 1,000,000 integers",
    }
)
"""Refused by the name of a limit: when compiled, or at the first mask."""
SLOW: frozenset[str] = frozenset(
    {
        "characters of ten scripts in any order",
        "const nested 10,000 deep",
        "properties and items nested 10,000 deep",
        "multiples of 10^40 and a little",
        "oneOf of 1,000 intervals",
        "a pattern of 5,000 words",
        "if, then and else 500 deep",
        "1,000 patternProperties of prefixes",
        "union: required constant, 1,000",
        "10,000 prefixItems",
        "enum of 100,000 values of every type",
        "oneOf nested 10,000 deep",
        "300 objects that the last of their keys tells apart",
        "all of 1,000 different items",
        "1,000 required keys and a pattern of names",
        "one of ten formats and no other",
        "each of 300 keys requires all",
        "(a?){500}a{500}",
        "union: optional constant, other columns, 100",
        "union: optional pattern, 1,000",
        "union: optional range, 1,000",
        "union: if and then, 1,000",
    }
)
"""More than a second or so: not in every run of the tests."""
