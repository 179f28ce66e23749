"""JSON Schemas: each keyword by itself and beside others, formats, drafts, the samples of schemas/."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import structgen as sg

from ..case import Case
from ..vocabularies import ROOT

ANY: dict[str, Any] = {"property_order": "any"}
NEW, OLD = "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema"
TREE = {
    "$id": "https://example.com/tree",
    "$dynamicAnchor": "node",
    "type": "object",
    "properties": {"next": {"$dynamicRef": "#node"}, "data": True},
}


def schema(name: str, value: Any, *texts: str, limits: sg.Limits | None = None, **options: Any) -> Case:
    """Return the case of a schema."""
    return Case(f"schema/{name}", partial(sg.json_schema, value, **options), texts, limits)


def cases() -> Iterator[Case]:
    """Return all of them."""
    yield from _any_values()
    yield from _objects()
    yield from _keys()
    yield from _arrays()
    yield from _unique()
    yield from _strings()
    yield from _formats()
    yield from _numbers()
    yield from _combinations()
    yield from _references()
    yield from _drafts()
    yield from _bounds()
    yield from _samples()


def _any_values() -> Iterator[Case]:
    yield schema("any/true", True, '{"a":[1,"x",null,true]}', '{"a":1,"\\u0061":2}', '{"a":1,"b":2,"a":3}')
    yield schema("any/empty", {}, '[[{"a":{"b":[]}}],-0.5e+3]', "[1,]", "01", '"\\x"', '"\\ud83d\\ude00"')
    yield schema("type/object", {"type": "object"}, '{"x":{}}', "[]")
    yield schema("type/array", {"type": "array"}, "[[],{}]", "{}")
    yield schema("type/string", {"type": "string"}, '"a\\nb\\u00e9"', '"\t"', "1")
    yield schema("type/number", {"type": "number"}, "-1.50e+07", "1.", "-", "00")
    yield schema("type/integer", {"type": "integer"}, "-12.00e1", "1.5", "10e-1", "1e-1", "0.0")
    yield schema("type/boolean", {"type": "boolean"}, "true", "false", "null", "True")
    yield schema("type/null", {"type": "null"}, " null ", "nul")
    yield schema("type/list", {"type": ["integer", "null", "string"]}, "null", "1.5", '"a"')
    yield schema("type/scalar-list", {"type": ["number", "boolean"]}, "true", "1.5")
    yield schema(
        "enum/strings", {"enum": ["red", "green", "blue", "reddish", "é", 'q"u\\o']}, '"reddish"', '"redd"'
    )
    yield schema("enum/prefixes", {"enum": ["a", "ab", "abc", "abcd", "b"]}, '"abc"', '"abcde"')
    yield schema(
        "enum/mixed", {"enum": [1, 1.5, "1", None, True, [1, 2], {"a": 1, "b": [2]}]}, '{"b":[2],"a":1}'
    )
    yield schema("enum/numbers", {"enum": [10, 100, -0.5, 1e3, 12345678901234567890]}, "1000", "1e3", "-5e-1")
    yield schema(
        "enum/length",
        {"enum": ["a", "ab", "é€", "abc", ""], "minLength": 2, "maxLength": 2},
        '"ab"',
        '"a"',
        '"abc"',
    )
    yield schema("enum/wide", {"enum": [f"item{number:03d}" for number in range(0, 300, 7)]}, '"item007"')
    yield schema(
        "enum/values", {"enum": [[], [0], {}, {"a": {}}, {"a": {"b": 0}}]}, '{"a":{"b":0.0}}', "[0,0]"
    )
    yield schema("const/string", {"const": "structgen\n\u20ac"}, '"structgen\\n€"')
    yield schema("const/object", {"const": {"a": [1, {"b": None}], "c": ""}}, '{"a":[1,{"b":null}],"c":""}')
    yield schema("const/number", {"const": 0.1}, "0.1", "1e-1", "0.10")
    yield schema("const/zero", {"const": 0}, "0", "-0", "0.0", "0e5")
    yield schema("not/const", {"type": "integer", "not": {"const": 5}}, "5", "55", "5.0")
    yield schema("not/enum", {"type": "string", "not": {"enum": ["a", "ab", ""]}}, '"a"', '"abc"', '""')


def _objects() -> Iterator[Case]:
    a = {"type": "integer"}
    b = {"type": "string", "maxLength": 4}
    yield schema("object/properties", {"type": "object", "properties": {"a": a, "b": b}}, '{"a":1,"b":"x"}')
    yield schema(
        "object/required",
        {"properties": {"a": a, "b": b}, "required": ["b"], "type": "object"},
        '{"a":1,"b":""}',
        '{"a":1}',
        '{"b":"","a":1}',
    )
    yield schema(
        "object/order-any",
        {"properties": {"a": a, "b": b}, "required": ["a", "b"], "type": "object"},
        '{"b":"","a":1}',
        '{"b":"","b":1}',
        **ANY,
    )
    yield schema(
        "object/closed",
        {"type": "object", "properties": {"a": a, "ab": b, "abc": {}}, "additionalProperties": False},
        '{"a":1,"abc":{}}',
        '{"d":1}',
    )
    yield schema(
        "object/closed-any",
        {"type": "object", "properties": {k: {} for k in "abcdefgh"}, "additionalProperties": False},
        '{"h":1,"a":2}',
        '{"a":1,"a":2}',
        **ANY,
    )
    yield schema(
        "object/additional",
        {"properties": {"name": b}, "additionalProperties": {"type": "boolean"}, "type": "object"},
        '{"name":"x","na":true,"names":false}',
        '{"x":1}',
    )
    yield schema(
        "object/required-unnamed",
        {"type": "object", "required": ["x", "y"]},
        '{"x":1,"y":2,"z":3}',
        '{"y":1}',
    )
    yield schema(
        "object/required-extra",
        {"type": "object", "required": ["x"], "additionalProperties": a, "properties": {"b": b}},
        '{"b":"","x":1}',
        '{"x":""}',
        **ANY,
    )
    yield schema("object/min", {"type": "object", "minProperties": 2}, '{"a":1,"b":2}', '{"a":1}', "{}")
    yield schema("object/max", {"type": "object", "maxProperties": 2}, '{"a":1,"b":2}', '{"a":1,"b":2,"c":3}')
    yield schema(
        "object/min-max",
        {
            "type": "object",
            "minProperties": 2,
            "maxProperties": 3,
            "properties": {"a": a},
            "additionalProperties": {"type": "null"},
        },
        '{"a":1,"b":null,"c":null}',
        '{"a":1}',
        **ANY,
    )
    yield schema("object/max-zero", {"type": "object", "maxProperties": 0}, "{}", '{"a":1}')
    yield schema(
        "object/pattern", {"type": "object", "patternProperties": {"^a": a}}, '{"ab":1,"b":"x"}', '{"a":"x"}'
    )
    yield schema(
        "object/pattern-overlap",
        {
            "type": "object",
            "patternProperties": {
                "^a": {"type": "integer"},
                "b$": {"minimum": 5},
                "^.{2}$": {"multipleOf": 2},
            },
        },
        '{"ab":6}',
        '{"ab":5}',
        '{"axb":4}',
        '{"cb":"x"}',
    )
    yield schema(
        "object/pattern-named",
        {
            "type": "object",
            "properties": {"aa": {"minimum": 3}, "b": b},
            "patternProperties": {"^a+$": a},
            "additionalProperties": False,
        },
        '{"aa":3}',
        '{"aa":2}',
        '{"aaa":2}',
    )
    yield schema(
        "object/pattern-closed",
        {
            "type": "object",
            "patternProperties": {"^[a-c]{2}$": b, "^x": {}},
            "additionalProperties": False,
            "minProperties": 1,
        },
        '{"ab":"x"}',
        '{"ad":1}',
        "{}",
    )
    yield schema(
        "object/pattern-false",
        {"type": "object", "patternProperties": {"^_": False, "^x_": {"type": "null"}}},
        '{"x_":null}',
        '{"_":1}',
    )
    yield schema(
        "object/names",
        {"type": "object", "propertyNames": {"pattern": "^[a-z]+$", "maxLength": 3}},
        '{"abc":1}',
        '{"abcd":1}',
        '{"A":1}',
    )
    yield schema(
        "object/names-enum",
        {"type": "object", "propertyNames": {"enum": ["x", "y", "xy"]}, "additionalProperties": a},
        '{"xy":1,"x":2}',
        '{"z":1}',
    )
    yield schema(
        "object/names-format", {"type": "object", "propertyNames": {"format": "date"}}, '{"2024-02-29":1}'
    )
    yield schema(
        "object/false-property",
        {"type": "object", "properties": {"a": False, "b": True}},
        '{"b":1}',
        '{"a":1}',
    )
    yield schema(
        "object/nested",
        {
            "type": "object",
            "properties": {
                "o": {
                    "type": "object",
                    "properties": {"p": {"type": "object", "properties": {"q": a}, "required": ["q"]}},
                    "required": ["p"],
                }
            },
            "required": ["o"],
        },
        '{"o":{"p":{"q":1}}}',
    )
    yield schema(
        "object/dependent-required",
        {"type": "object", "dependentRequired": {"a": ["b"], "b": ["c"]}},
        '{"a":1,"b":2,"c":3}',
        '{"a":1}',
        '{"c":1}',
        **ANY,
    )
    yield schema(
        "object/dependent-schemas",
        {
            "type": "object",
            "properties": {"a": a, "b": {}, "c": {}},
            "dependentSchemas": {"a": {"required": ["b"], "properties": {"b": {"const": 1}}}},
            "additionalProperties": False,
        },
        '{"a":1,"b":1}',
        '{"a":1,"b":2}',
        '{"b":2}',
    )
    yield schema(
        "object/dependencies",
        {"type": "object", "dependencies": {"a": ["b"], "c": {"minProperties": 3}}},
        '{"a":1,"b":2}',
        '{"c":1}',
        '{"c":1,"d":2,"e":3}',
        **ANY,
    )
    yield schema(
        "object/unevaluated",
        {
            "type": "object",
            "properties": {"a": a},
            "allOf": [{"properties": {"b": b}}],
            "unevaluatedProperties": False,
        },
        '{"a":1,"b":"x"}',
        '{"c":1}',
    )
    yield schema(
        "object/unevaluated-any-of",
        {
            "type": "object",
            "anyOf": [
                {"properties": {"a": {"const": 1}}, "required": ["a"]},
                {"properties": {"b": {"const": 2}}, "required": ["b"]},
            ],
            "unevaluatedProperties": {"type": "null"},
        },
        '{"a":1,"b":2}',
        '{"a":1,"b":null}',
        '{"a":1,"b":3}',
        **ANY,
    )
    yield schema(
        "object/unevaluated-if",
        {
            "type": "object",
            "if": {"properties": {"k": {"const": "x"}}, "required": ["k"]},
            "then": {"properties": {"x": a}},
            "else": {"properties": {"y": a}},
            "unevaluatedProperties": False,
        },
        '{"k":"x","x":1}',
        '{"y":1}',
        '{"x":1}',
        **ANY,
    )
    yield schema(
        "object/property-dependencies",
        {
            "$schema": "https://json-schema.org/v1",
            "type": "object",
            "properties": {"kind": {"enum": ["a", "b"]}},
            "propertyDependencies": {"kind": {"a": {"required": ["x"]}}},
        },
        '{"kind":"a","x":1}',
        '{"kind":"a"}',
    )
    yield schema(
        "object/many",
        {
            "type": "object",
            "properties": {
                f"field{n}": {"type": ["integer", "string"][n % 2 : n % 2 + 1]} for n in range(40)
            },
            "required": [f"field{n}" for n in range(0, 40, 5)],
        },
        '{"field0":1,"field5":"x"',
    )
    yield schema(
        "object/many-any",
        {
            "type": "object",
            "properties": {f"f{n}": {"type": "boolean"} for n in range(30)},
            "required": ["f3", "f29"],
            "additionalProperties": False,
        },
        '{"f29":true,"f3":false}',
        **ANY,
    )
    yield schema(
        "object/odd-keys",
        {
            "type": "object",
            "properties": {"": a, "\u0000": a, '"\\': a, "é€😀": a, "a/b~c": a},
            "additionalProperties": False,
        },
        '{"":1,"\\u0000":2}',
        '{"é€😀":1}',
        '{"\\"\\\\":1}',
        **ANY,
    )


def _keys() -> Iterator[Case]:
    long = "x" * 600
    yield schema(
        "keys/nul",
        True,
        '{"\\u0000":1,"":2}',
        '{"\\u0000":1,"\\u0000":2}',
        '{"":1,"":2}',
        escapes="any",
        **ANY,
    )
    yield schema(
        "keys/nul-closed",
        {"type": "object", "additionalProperties": {"type": "integer"}},
        '{"":1,"\\u0000":2,"\\u0000\\u0000":3}',
        '{"\\u0000\\u0000":1,"\\u0000\\u0000":2}',
        escapes="any",
        **ANY,
    )
    yield schema(
        "keys/long",
        True,
        f'{{"{long}":1,"{long}y":2,"{long}":3}}',
        f'{{"{long}":1,"\\u0000":1,"":2}}',
        escapes="any",
        **ANY,
    )
    yield schema(
        "keys/many",
        {"type": "object", "additionalProperties": {"type": "integer"}},
        "{" + ",".join(f'"k{number}":1' for number in range(60)) + ',"k7":1}',
        **ANY,
    )
    yield schema(
        "keys/escaped",
        True,
        '{"\\u0061b":1,"ab":2}',
        '{"\\ud83d\\ude00":1,"😀":2}',
        '{"\\/":1,"/":2}',
        escapes="any",
        **ANY,
    )


def _arrays() -> Iterator[Case]:
    a = {"type": "integer"}
    yield schema("array/items", {"type": "array", "items": a}, "[1,2,3]", '["x"]')
    yield schema("array/min", {"type": "array", "minItems": 2}, "[1,2]", "[1]", "[]")
    yield schema("array/max", {"type": "array", "maxItems": 2}, "[1,2]", "[1,2,3]")
    yield schema(
        "array/exact",
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "maxItems": 3},
        "[true,false,true]",
        "[true,false]",
    )
    yield schema(
        "array/large", {"type": "array", "items": a, "minItems": 500, "maxItems": 1000}, "[1,2,3,4,5"
    )
    yield schema("array/empty", {"type": "array", "items": False}, "[]", "[1]")
    yield schema(
        "array/prefix", {"type": "array", "prefixItems": [a, {"type": "string"}]}, '[1,"a",null]', '["a"]'
    )
    yield schema(
        "array/prefix-closed",
        {"type": "array", "prefixItems": [a, {"type": "null"}], "items": False, "minItems": 1},
        "[1,null]",
        "[1,null,1]",
        "[]",
    )
    yield schema(
        "array/prefix-rest",
        {"type": "array", "prefixItems": [a], "items": {"type": "string"}},
        '[1,"a","b"]',
        "[1,2]",
    )
    yield schema("array/contains", {"type": "array", "contains": {"const": "x"}}, '[1,"x"]', "[1]", "[]")
    yield schema(
        "array/contains-counts",
        {
            "type": "array",
            "contains": {"type": "integer"},
            "minContains": 2,
            "maxContains": 3,
            "items": {"type": ["integer", "boolean"]},
        },
        "[1,true,2]",
        "[1]",
        "[1,2,3,4]",
    )
    yield schema(
        "array/contains-none",
        {"type": "array", "contains": {"minimum": 5}, "minContains": 0, "maxContains": 1},
        "[9,1]",
        "[9,9]",
        "[]",
    )
    yield schema(
        "array/contains-bound",
        {"type": "array", "contains": {"minimum": 10}, "items": a, "maxItems": 3},
        "[1,2,10]",
        "[1,2,3]",
    )
    yield schema(
        "array/two-contains",
        {"type": "array", "allOf": [{"contains": {"const": 1}}, {"contains": {"const": 2}}], "maxItems": 2},
        "[2,1]",
        "[1,1]",
    )
    yield schema(
        "array/unevaluated",
        {
            "type": "array",
            "prefixItems": [a],
            "anyOf": [{"prefixItems": [True, {"const": "x"}]}, {"prefixItems": [True, True, {"const": "y"}]}],
            "unevaluatedItems": False,
        },
        '[1,"x"]',
        '[1,2,"y"]',
        "[1,2]",
    )
    yield schema(
        "array/unevaluated-contains",
        {"type": "array", "contains": {"type": "string"}, "unevaluatedItems": {"type": "integer"}},
        '["a",1,"b"]',
        '["a",null]',
    )
    yield schema(
        "array/nested",
        {"type": "array", "items": {"type": "array", "items": {"type": "array", "maxItems": 1}}},
        "[[[1]],[[]]]",
        "[[[1,2]]]",
    )
    yield schema(
        "array/objects",
        {"type": "array", "items": {"type": "object", "properties": {"id": a}, "required": ["id"]}},
        '[{"id":1},{"id":2}]',
        "[{}]",
    )


def _unique() -> Iterator[Case]:
    yield schema(
        "unique/any",
        {"type": "array", "uniqueItems": True},
        "[1,1.0]",
        "[1,true]",
        '[{"a":1,"b":2},{"b":2,"a":1}]',
        "[[1],[1,1],[]]",
        '["a","\\u0061"]',
        '["",null,0,false]',
        "[1,2,1]",
        numbers="any",
        escapes="any",
        **ANY,
    )
    yield schema(
        "unique/integers",
        {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "minItems": 2},
        "[1,11,111]",
        "[1,1]",
        "[1]",
        "[10,1e1]",
        "[0,-0]",
    )
    yield schema(
        "unique/enum",
        {"type": "array", "items": {"enum": ["a", "b", "ab"]}, "uniqueItems": True},
        '["a","ab","b"]',
        '["a","a"]',
        '["a","ab","b","c"]',
    )
    yield schema(
        "unique/enum-min",
        {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True, "minItems": 3},
        "[3,1,2]",
        "[3,1,1]",
    )
    yield schema(
        "unique/strings",
        {"type": "array", "items": {"type": "string", "maxLength": 2}, "uniqueItems": True},
        '["a","b","ab"]',
        '["ab","ab"]',
        '["é","\\u00e9"]',
    )
    yield schema(
        "unique/booleans",
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 2},
        "[true,false]",
        "[true,true]",
    )
    yield schema(
        "unique/objects",
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"k": {"enum": ["x", "y"]}},
                "required": ["k"],
                "additionalProperties": False,
            },
            "uniqueItems": True,
            "maxItems": 2,
        },
        '[{"k":"x"},{"k":"y"}]',
        '[{"k":"x"},{"k":"x"}]',
    )
    yield schema(
        "unique/prefix",
        {
            "type": "array",
            "prefixItems": [{"enum": [1, 2]}, {"enum": [1, 2]}],
            "items": False,
            "uniqueItems": True,
            "minItems": 2,
        },
        "[1,2]",
        "[1,1]",
        "[2,1]",
    )
    yield schema(
        "unique/nested",
        {
            "type": "array",
            "uniqueItems": True,
            "items": {"type": "array", "uniqueItems": True, "items": {"type": "null"}},
        },
        "[[],[null]]",
        "[[],[]]",
        "[[null,null]]",
    )
    yield schema(
        "unique/numbers",
        {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.5},
            "uniqueItems": True,
        },
        "[0,0.5,1]",
        "[0.5,5e-1]",
        "[1,1.0]",
        "[0,0.50]",
    )
    yield schema(
        "unique/contains",
        {"type": "array", "uniqueItems": True, "contains": {"const": 7}, "items": {"enum": [7, 8]}},
        "[8,7]",
        "[7,7]",
        "[8]",
    )


def _strings() -> Iterator[Case]:
    yield schema("string/min", {"type": "string", "minLength": 3}, '"abc"', '"ab"', '"€€€"')
    yield schema(
        "string/max",
        {"type": "string", "maxLength": 3},
        '"abc"',
        '"abcd"',
        '"\\ud83d\\ude00ab"',
        '"é\\u00e9é"',
    )
    yield schema("string/exact", {"type": "string", "minLength": 2, "maxLength": 2}, '"ab"', '"a"', '"abc"')
    yield schema("string/empty", {"type": "string", "maxLength": 0}, '""', '"a"')
    yield schema("string/long", {"type": "string", "minLength": 300, "maxLength": 400}, '"abc')
    for name, pattern, *texts in (
        ("anchored", "^[a-c]+$", '"abc"', '"abd"'),
        ("anywhere", "ab+c", '"xxabbc"', '"xxac"'),
        ("class", "^[^\\d\\s]{2,4}$", '"ab"', '"a1"', '"abcde"'),
        ("alternatives", "^(cat|dog|bird)s?$", '"dogs"', '"dogss"'),
        ("groups", "^(?:a(?:b|c){2})+$", '"abcacb"', '"ab"'),
        ("lookahead", "^(?=.*\\d)(?=.*[a-z])[a-z\\d]{3,6}$", '"a1b"', '"abc"', '"123"'),
        ("lookbehind", "^[a-z]+(?<!x)$", '"ab"', '"abx"'),
        ("not-ahead", "^(?!ab)[a-c]+$", '"ba"', '"abc"'),
        ("lazy", "^a.*?b$", '"aab"', '"aa"'),
        ("boundary", "\\bcat\\b", '"a cat"', '"concat"'),
        ("unicode", "^[\\u00e0-\\u00ff€]+$", '"é€"', '"e"'),
        ("property", "^\\p{Lu}\\p{Ll}+$", '"Éa"', '"éa"'),
        ("dot", "^.{2}$", '"a😀"', '"a\\n"'),
        ("escapes", "^\\x41\\u0042\\t\\.\\/$", '"AB\\t./"'),
        ("counted", "^(\\d{3}-){2}\\d{4}$", '"123-456-7890"', '"123-4567"'),
        ("empty-choice", "^(|a|ab)$", '""', '"ab"', '"b"'),
    ):
        yield schema(f"pattern/{name}", {"type": "string", "pattern": pattern}, *texts)
    yield schema(
        "pattern/length",
        {"type": "string", "pattern": "^[ab]*$", "minLength": 3, "maxLength": 5},
        '"abab"',
        '"ab"',
        '"ababab"',
    )
    yield schema(
        "pattern/two",
        {"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "^[a-c]+$"}, {"pattern": "c$"}]},
        '"bac"',
        '"bc"',
    )
    yield schema("pattern/not", {"type": "string", "not": {"pattern": "^a|b$"}}, '"ba"', '"ab"', '"cb"')
    yield schema("pattern/enum", {"enum": ["aa", "ab", "b", 5], "pattern": "^a"}, '"ab"', '"b"', "5")
    yield schema(
        "pattern/any-of",
        {"type": "string", "anyOf": [{"pattern": "^a"}, {"pattern": "z$"}, {"maxLength": 1}]},
        '"az"',
        '"q"',
        '"qq"',
    )
    yield schema(
        "pattern/key",
        {
            "type": "object",
            "patternProperties": {"^(a|b)\\d{2}$": {"type": "integer"}},
            "additionalProperties": False,
            "maxProperties": 2,
        },
        '{"a12":1,"b34":2}',
        '{"a1":1}',
        **ANY,
    )


FORMATS = {
    "date-time": (
        '"2024-02-29T23:59:60Z"',
        '"2023-02-29T00:00:00Z"',
        '"2024-01-01T00:00:00+01:00"',
        '"2024-01-01T24:00:00Z"',
    ),
    "date": ('"2024-02-29"', '"2023-02-29"', '"2024-13-01"', '"2000-04-31"', '"1900-02-29"'),
    "time": ('"23:59:60Z"', '"12:00:00.5-08:00"', '"12:00:60Z"', '"25:00:00Z"'),
    "duration": ('"P1Y2M3DT4H5M6S"', '"P2W"', '"P"', '"PT"', '"P1M1Y"'),
    "email": (
        '"a.b@c.com"',
        '"a@b@c"',
        '"a..b@c.com"',
        '"' + "a" * 65 + '@b.c"',
        '"\\"a b\\"@c.d"',
        '"a@[127.0.0.1]"',
    ),
    "hostname": ('"a-b.c"', '"-a"', '"' + "a" * 64 + '"', '"xn--nxasmq6b"'),
    "ipv4": ('"127.0.0.1"', '"256.1.1.1"', '"1.1.1"', '"01.1.1.1"'),
    "ipv6": (
        '"::1"',
        '"1:2:3:4:5:6:7:8"',
        '"1::2::3"',
        '"::ffff:1.2.3.4"',
        '"1:2:3:4:5:6:7"',
        '"1:2:3:4:5:6:7::"',
    ),
    "uri": ('"https://a.b/c?d=e#f"', '"a b"', '"//a"', '"mailto:a@b.c"', '"http://[::1]:80/"'),
    "uri-reference": ('"/a/b?c#d"', '"a b"', '"%zz"', '"../x"'),
    "iri": ('"http://é.com/ü"', '"é"'),
    "iri-reference": ('"/é"', '"\\\\"'),
    "uuid": (
        '"123e4567-e89b-12d3-a456-426614174000"',
        '"123e4567e89b"',
        '"123E4567-E89B-12D3-A456-42661417400g"',
    ),
    "uri-template": ('"/a/{b}{?c,d*}"', '"{a"', '"{+a:3}"'),
    "json-pointer": ('"/a~0b/~1"', '"a"', '"/~2"', '""'),
    "relative-json-pointer": ('"0#"', '"1/a"', '"01"', '"-1"'),
    "regex": ('"^a(b|c)*$"', '"a("', '"[a-"', '"(?<n>a)\\\\k<n>"'),
    "idn-email": ('"é@é.com"', '"é"'),
}


def _formats() -> Iterator[Case]:
    for name, texts in FORMATS.items():
        yield schema(f"format/{name}", {"type": "string", "format": name}, *texts)
    # a mask makes thousands of states: one vocabulary is enough
    of_hosts = schema(
        "format/idn-hostname", {"type": "string", "format": "idn-hostname"}, '"é.com"', '"xn--a"', '"a-"'
    )
    yield replace(of_hosts, vocabularies=("odd",))
    yield schema(
        "format/not-date",
        {"type": "string", "not": {"format": "date"}, "pattern": "^[0-9-]{8,10}$"},
        '"2024-02-30"',
        '"2024-02-29"',
    )
    yield schema(
        "format/two",
        {"type": "string", "anyOf": [{"format": "date"}, {"format": "ipv4"}]},
        '"1.2.3.4"',
        '"2024-01-01"',
    )
    yield schema(
        "format/length",
        {"type": "string", "format": "email", "minLength": 8, "maxLength": 10},
        '"abc@de.fg"',
        '"a@b.c"',
    )
    yield schema(
        "format/pattern",
        {"type": "string", "format": "date", "pattern": "^20[0-9]{2}-02"},
        '"2024-02-01"',
        '"1999-02-01"',
    )
    yield schema(
        "format/regex-length", {"type": "string", "format": "regex", "maxLength": 4}, '"a|b"', '"abcde"'
    )
    yield schema("format/unknown", {"type": "string", "format": "colour"}, '"any"')
    yield schema("format/annotate", {"type": "string", "format": "date"}, '"no date"', formats="annotate")
    own: Any = {"sku": "^[A-Z]{3}-[0-9]+$", "percent": {"minimum": 0, "maximum": 100}}
    yield schema(
        "format/own",
        {
            "properties": {
                "s": {"format": "sku", "type": "string"},
                "p": {"format": "percent", "type": "number"},
            },
            "type": "object",
        },
        '{"s":"ABC-1","p":100}',
        '{"p":101}',
        custom_formats=own,
    )
    for name, texts in (
        ("int32", ("2147483647", "2147483648", "1.5")),
        ("float", ("1e38", "4e38")),
        ("byte", ('"YWI="', '"YWI"', '"YWJ="')),
    ):
        yield schema(
            f"format/openapi-{name}",
            {"format": name, "type": "string" if name == "byte" else "number"},
            *texts,
            custom_formats=sg.OPENAPI_FORMATS,
        )


def _numbers() -> Iterator[Case]:
    for name, bounds, *texts in (
        ("min", {"minimum": 3}, "3", "2.999", "30", "3.0"),
        ("max", {"maximum": 3}, "3", "3.001", "-100"),
        ("range", {"minimum": -1.5, "maximum": 12.25}, "-1.5", "12.25", "12.26", "-1.51"),
        ("exclusive", {"exclusiveMinimum": 0, "exclusiveMaximum": 1}, "0", "0.5", "1", "1.0", "0.0001"),
        ("multiple", {"multipleOf": 3}, "9", "10", "0", "-3.0"),
        ("multiple-decimal", {"multipleOf": 0.01, "minimum": 0}, "19.99", "19.995", "0.1"),
        ("multiple-fraction", {"multipleOf": 2.5, "maximum": 20}, "7.5", "8", "20"),
        ("multiple-large", {"multipleOf": 10007}, "20014", "20015"),
        ("far", {"minimum": 1e20, "maximum": 1.0000001e20}, "100000000000000000001", "1e20"),
        ("tiny", {"exclusiveMinimum": 0, "maximum": 1e-7}, "0.0000001", "1e-8"),
        ("one", {"minimum": 7, "maximum": 7}, "7", "7.0", "8"),
        ("zero", {"minimum": 0, "maximum": 0}, "0", "-0", "0.00"),
    ):
        yield schema(f"number/{name}", {"type": "number", **bounds}, *texts)
    for name, bounds, *texts in (
        ("range", {"minimum": 5, "maximum": 123}, "5", "4", "123", "124", "99"),
        ("negative", {"minimum": -20, "maximum": -5}, "-20", "-21", "-5", "-4", "5"),
        ("exclusive", {"exclusiveMinimum": 9, "exclusiveMaximum": 11}, "10", "9", "11"),
        ("multiple", {"multipleOf": 7, "minimum": 10, "maximum": 50}, "14", "15", "49", "56"),
        ("half", {"multipleOf": 1.5, "maximum": 10, "minimum": 0}, "3", "6", "4", "9"),
        ("byte", {"minimum": 0, "maximum": 255}, "255", "256", "-1", "007"),
        ("year", {"minimum": 1900, "maximum": 2100}, "1999", "1899", "2100", "2101"),
        ("long", {"minimum": 10**15, "maximum": 10**18}, "1000000000000000", "1e18"),
    ):
        yield schema(f"integer/{name}", {"type": "integer", **bounds}, *texts)
    yield schema(
        "number/not-multiple",
        {"type": "integer", "not": {"multipleOf": 2}, "minimum": 0, "maximum": 99},
        "13",
        "14",
    )
    yield schema(
        "number/two-multiples",
        {"type": "integer", "allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "maximum": 100, "minimum": 1},
        "12",
        "24",
        "8",
    )
    yield schema(
        "number/any-of",
        {"anyOf": [{"type": "integer", "maximum": 3}, {"type": "number", "minimum": 10.5}]},
        "3",
        "3.5",
        "10.5",
        "11",
    )
    yield schema(
        "number/not-range", {"type": "number", "not": {"minimum": 1, "maximum": 2}}, "0.5", "1.5", "2", "2.01"
    )


def _combinations() -> Iterator[Case]:
    yield schema(
        "any-of/types",
        {"anyOf": [{"type": "string", "maxLength": 2}, {"type": "integer", "minimum": 0}, {"type": "null"}]},
        '"ab"',
        "5",
        "null",
        "-1",
    )
    branch = [
        {
            "type": "object",
            "properties": {"kind": {"const": kind}, "v": {"type": of}},
            "required": ["kind", "v"],
            "additionalProperties": False,
        }
        for kind, of in (("a", "integer"), ("b", "string"), ("ab", "null"))
    ]
    yield schema("any-of/tagged", {"anyOf": branch}, '{"kind":"ab","v":null}', '{"kind":"a","v":""}')
    yield schema("one-of/tagged", {"oneOf": branch}, '{"kind":"b","v":"x"}', '{"kind":"b","v":1}')
    yield schema(
        "any-of/untagged",
        {
            "anyOf": [
                {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
                {"type": "object", "properties": {"y": {"type": "string"}}, "required": ["y"]},
            ]
        },
        '{"x":"s","y":"t"}',
        '{"x":"s"}',
        **ANY,
    )
    wide = [
        {
            "type": "object",
            "properties": {
                "op": {"const": f"op{n}"},
                f"arg{n}": {"type": ["integer", "string", "boolean"][n % 3]},
            },
            "required": ["op", f"arg{n}"],
            "additionalProperties": False,
        }
        for n in range(60)
    ]
    yield schema("any-of/wide", {"anyOf": wide}, '{"op":"op7","arg7":"x"}', '{"op":"op7","arg8":1}')
    yield schema("one-of/wide", {"oneOf": wide[:25]}, '{"op":"op3","arg3":1}', '{"op":"op3","arg3":""}')
    yield schema(
        "any-of/wide-scalars",
        {"anyOf": [{"type": "integer", "minimum": 10 * n, "maximum": 10 * n + n} for n in range(12)]},
        "33",
        "34",
        "110",
        "20",
    )
    yield schema("one-of/overlap", {"oneOf": [{"type": "integer"}, {"minimum": 2}]}, "1", "3", "2.5", '"x"')
    yield schema(
        "one-of/multiples",
        {"type": "integer", "oneOf": [{"multipleOf": 2}, {"multipleOf": 3}], "minimum": 0, "maximum": 30},
        "2",
        "3",
        "6",
        "5",
    )
    yield schema(
        "one-of/required",
        {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        '{"a":1}',
        '{"a":1,"b":2}',
        '{"c":1}',
        **ANY,
    )
    yield schema(
        "all-of/objects",
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"properties": {"a": {"minimum": 5}, "b": {"type": "string"}}, "required": ["b"]},
            ]
        },
        '{"a":5,"b":""}',
        '{"a":4}',
    )
    yield schema(
        "all-of/any-of",
        {
            "allOf": [
                {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                {"anyOf": [{"minimum": 5}, {"minLength": 2}]},
            ]
        },
        "5",
        "4",
        '"ab"',
        '"a"',
    )
    yield schema("not/type", {"not": {"type": ["object", "array", "string"]}}, "1", "null", '"a"')
    yield schema(
        "not/required", {"type": "object", "not": {"required": ["a", "b"]}}, '{"a":1}', '{"b":1,"a":1}', **ANY
    )
    yield schema(
        "not/items", {"type": "array", "not": {"items": {"type": "integer"}}}, '[1,"x"]', "[1]", "[]"
    )
    yield schema("not/not", {"not": {"not": {"type": "string", "maxLength": 2}}}, '"ab"', '"abc"')
    yield schema(
        "not/properties",
        {
            "type": "object",
            "not": {"properties": {"a": {"const": 1}}},
            "properties": {"a": {"type": "integer"}},
        },
        '{"a":2}',
        '{"a":1}',
        "{}",
    )
    yield schema(
        "if/then-else",
        {
            "type": "object",
            "properties": {"k": {"enum": ["x", "y"]}, "v": {}},
            "required": ["k", "v"],
            "if": {"properties": {"k": {"const": "x"}}},
            "then": {"properties": {"v": {"type": "integer"}}},
            "else": {"properties": {"v": {"type": "string"}}},
        },
        '{"k":"x","v":1}',
        '{"k":"y","v":1}',
        '{"k":"y","v":""}',
    )
    yield schema(
        "if/late",
        {
            "type": "object",
            "if": {"properties": {"k": {"const": 1}}, "required": ["k"]},
            "then": {"required": ["a"]},
            "properties": {"a": {}, "k": {}},
        },
        '{"k":1,"a":2}',
        '{"k":1}',
        '{"k":2}',
        **ANY,
    )
    yield schema(
        "if/scalar",
        {"if": {"type": "integer"}, "then": {"minimum": 10}, "else": {"type": "string"}},
        "10",
        "9",
        '"x"',
        "10.5",
    )
    yield schema(
        "if/chain",
        {
            "type": "object",
            "properties": {"t": {"enum": ["a", "b", "c"]}},
            "required": ["t"],
            "allOf": [
                {"if": {"properties": {"t": {"const": t}}}, "then": {"required": [f"{t}{t}"]}} for t in "abc"
            ],
        },
        '{"t":"b","bb":1}',
        '{"t":"b","aa":1}',
    )
    yield schema(
        "deep/formulas",
        {
            "allOf": [
                {
                    "not": {
                        "anyOf": [
                            {"not": {"allOf": [{"type": "string"}, {"pattern": "^[a-d]"}, {"maxLength": 5}]}},
                            {"pattern": "d$"},
                        ]
                    }
                }
            ]
        },
        '"abc"',
        '"abcd"',
        '"abcabc"',
    )


def _references() -> Iterator[Case]:
    yield schema(
        "ref/defs",
        {
            "$ref": "#/$defs/a",
            "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/b"}}, "b": {"type": "integer"}},
        },
        "[1,2]",
        '["x"]',
    )
    yield schema(
        "ref/beside", {"$ref": "#/$defs/a", "minimum": 3, "$defs": {"a": {"type": "integer"}}}, "3", "2"
    )
    yield schema(
        "ref/tree",
        {
            "type": "object",
            "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#"}}},
            "required": ["v"],
            "additionalProperties": False,
        },
        '{"v":1,"kids":[{"v":2,"kids":[]}]}',
        '{"v":1,"kids":[{}]}',
    )
    yield schema(
        "ref/list",
        {
            "anyOf": [
                {"type": "null"},
                {
                    "type": "array",
                    "prefixItems": [{"type": "integer"}, {"$ref": "#"}],
                    "items": False,
                    "minItems": 2,
                },
            ]
        },
        "[1,[2,null]]",
        "[1]",
    )
    yield schema(
        "ref/mutual",
        {
            "$ref": "#/$defs/even",
            "$defs": {
                "even": {"type": "array", "items": {"$ref": "#/$defs/odd"}, "maxItems": 1},
                "odd": {"type": "array", "items": {"$ref": "#/$defs/even"}, "minItems": 1, "maxItems": 1},
            },
        },
        "[[[]]]",
        "[[]]",
    )
    yield schema(
        "ref/anchor", {"$ref": "#here", "$defs": {"x": {"$anchor": "here", "type": "boolean"}}}, "true", "1"
    )
    yield schema(
        "ref/id",
        {
            "$id": "https://example.com/a",
            "$ref": "b",
            "$defs": {"b": {"$id": "b", "type": "string", "maxLength": 1}},
        },
        '"a"',
        '"ab"',
    )
    yield schema(
        "ref/resource",
        {"$ref": "https://example.com/int#/$defs/small"},
        "7",
        "8",
        resources={
            "https://example.com/int": {"$defs": {"small": {"type": "integer", "minimum": 0, "maximum": 7}}}
        },
    )
    yield schema(
        "ref/pointer-escapes",
        {"$ref": "#/$defs/a~1b~0%25", "$defs": {"a/b~%": {"enum": [1, "x"]}}},
        "1",
        '"x"',
        "2",
    )
    yield schema(
        "dynamic/tree",
        {
            "$id": "https://example.com/strict",
            "$dynamicAnchor": "node",
            "$ref": "tree",
            "propertyNames": {"enum": ["next", "data"]},
        },
        '{"next":{"next":{"data":1}}}',
        '{"next":{"dta":1}}',
        resources={"https://example.com/tree": TREE},
    )
    yield schema("dynamic/plain", TREE, '{"next":{"dta":1}}', '{"next":1}')
    yield schema(
        "dynamic/lists",
        {
            "$id": "https://example.com/root",
            "type": "object",
            "properties": {"n": {"$ref": "numbers"}, "w": {"$ref": "words"}},
            "$defs": {
                "list": {
                    "$id": "list",
                    "type": "array",
                    "items": {"$dynamicRef": "#item"},
                    "$defs": {"any": {"$dynamicAnchor": "item"}},
                },
                "numbers": {
                    "$id": "numbers",
                    "$ref": "list",
                    "$defs": {"i": {"$dynamicAnchor": "item", "type": "integer"}},
                },
                "words": {
                    "$id": "words",
                    "$ref": "list",
                    "$defs": {"i": {"$dynamicAnchor": "item", "type": "string"}},
                },
            },
        },
        '{"n":[1,2],"w":["a"]}',
        '{"n":["a"]}',
        '{"w":[1]}',
    )
    yield schema(
        "dynamic/recursive",
        {
            "$schema": OLD,
            "$id": "https://example.com/r",
            "$recursiveAnchor": True,
            "type": "object",
            "properties": {"c": {"$recursiveRef": "#"}},
            "additionalProperties": False,
        },
        '{"c":{"c":{}}}',
        '{"c":{"d":1}}',
    )
    yield schema(
        "ref/loop-all-of",
        {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"type": "integer"}]}}, "$ref": "#/$defs/a"},
        "1",
        '"x"',
    )
    meta = {
        "$schema": NEW,
        "$vocabulary": {
            f"https://json-schema.org/draft/2020-12/vocab/{name}": True for name in ("core", "applicator")
        },
    }
    yield schema(
        "vocabulary/applicator",
        {"$schema": "https://example.com/meta", "minLength": 3, "properties": {"a": False}, "type": "object"},
        '"x"',
        '{"a":1}',
        '{"b":1}',
        resources={"https://example.com/meta": meta},
    )
    yield schema(
        "ref/meta-schema",
        {"$ref": "http://json-schema.org/draft-07/schema#"},
        '{"type":"string","minLength":1}',
        '{"type":"strin"}',
    )


def _drafts() -> Iterator[Case]:
    value = {"type": "integer", "minimum": 2, "exclusiveMinimum": True}
    yield schema("draft/4-exclusive", value, "3", "2", "3.0", draft="4")
    yield schema(
        "draft/4-ref",
        {
            "properties": {"a": {"$ref": "#/definitions/x", "maximum": 1}},
            "definitions": {"x": {"type": "integer"}},
        },
        '{"a":5}',
        '{"a":"x"}',
        draft="4",
    )
    yield schema(
        "draft/4-items",
        {"type": "array", "items": [{"type": "integer"}], "additionalItems": {"type": "null"}},
        "[1,null]",
        "[1,1]",
        draft="4",
    )
    yield schema(
        "draft/3",
        {
            "type": [
                "string",
                {"type": "object", "properties": {"a": {"required": True, "type": "integer"}}},
            ],
            "disallow": [{"enum": ["x"]}],
        },
        '{"a":1}',
        "{}",
        '"x"',
        '"y"',
        draft="3",
    )
    yield schema(
        "draft/3-extends",
        {"type": "integer", "divisibleBy": 3, "extends": {"minimum": 4}},
        "6",
        "3",
        "7",
        draft="3",
    )
    yield schema(
        "draft/3-dependencies",
        {"type": "object", "dependencies": {"a": "b"}, "additionalProperties": {"type": "integer"}},
        '{"a":1,"b":2}',
        '{"a":1}',
        draft="3",
        **ANY,
    )
    yield schema(
        "draft/6-contains",
        {"type": "array", "contains": {"const": 1}, "propertyNames": {"maxLength": 1}},
        "[1]",
        "[2]",
        draft="6",
    )
    yield schema(
        "draft/7-if", {"if": {"type": "integer"}, "then": {"minimum": 5}}, "5", "4", '"x"', draft="7"
    )
    yield schema(
        "draft/7-ref",
        {
            "properties": {"a": {"$ref": "#/definitions/x", "minimum": 10}},
            "definitions": {"x": {"type": "integer"}},
        },
        '{"a":1}',
        draft="7",
    )
    yield schema(
        "draft/7-min-contains",
        {"type": "array", "contains": {"const": 1}, "minContains": 2},
        "[1]",
        draft="7",
    )
    yield schema(
        "draft/2019-items",
        {"$schema": OLD, "type": "array", "items": [{"type": "integer"}], "additionalItems": False},
        "[1]",
        "[1,2]",
    )
    yield schema(
        "draft/2019-unevaluated",
        {"$schema": OLD, "type": "array", "contains": {"type": "string"}, "unevaluatedItems": False},
        '["a"]',
        "[]",
    )
    yield schema(
        "draft/v1",
        {"type": "object", "dependentRequired": {"a": ["b"]}},
        '{"a":1,"b":1}',
        '{"a":1}',
        draft="v1",
        **ANY,
    )


def _bounds() -> Iterator[Case]:
    yield schema(
        "limit/depth", {"items": {"$ref": "#"}, "type": "array"}, "[[[", "[[[[", limits=sg.Limits(depth=3)
    )
    yield schema(
        "limit/digits",
        {"type": "number"},
        "1" * 30,
        "1." + "1" * 30,
        numbers="any",
        limits=sg.Limits(number_chars=20),
    )
    yield schema(
        "limit/flag",
        {"type": "object", "properties": {"a": {"type": "integer"}}},
        '{"a":1}',
        limits=sg.Limits(liveness="flag"),
    )
    yield schema(
        "limit/memory", {"type": "object"}, '{"a":1,"b":{"c":2}}', limits=sg.Limits(grammar_memory=1 << 12)
    )


def _samples() -> Iterator[Case]:
    for path in sorted((ROOT / "schemas").glob("*.json")):
        sample = json.loads(path.read_text(encoding="utf-8"))
        instances = [json.dumps(test["data"]) for test in sample.get("tests", [])]
        yield Case(
            f"sample/{path.stem}", partial(sg.json_schema, sample["schema"], **ANY), tuple(instances[:4])
        )
        yield Case(f"sample/{path.stem}/declared", partial(sg.json_schema, sample["schema"]), ())
    order = json.loads((ROOT / "examples/order.schema.json").read_text(encoding="utf-8"))
    yield Case("sample/order", partial(sg.json_schema, order), ())
