"""JSON Schemas: each keyword by itself and beside others, formats, drafts, the samples of schemas/."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from nonempty import nonempty

import structgen as sg

from ..case import Case
from ..vocabularies import ROOT

CASES = r"""
any/true: true | {"a":[1,"x",null,true]} | {"a":1,"\u0061":2} | {"a":1,"b":2,"a":3}
any/empty: {} | [[{"a":{"b":[]}}],-0.5e+3] | [1,] | 01 | "\x" | "\ud83d\ude00"
type/object: {"type": "object"} | {"x":{}} | []
type/array: {"type": "array"} | [[],{}] | {}
type/number: {"type": "number"} | -1.50e+07 | 1. | - | 00
type/integer: {"type": "integer"} | -12.00e1 | 1.5 | 10e-1 | 1e-1 | 0.0
type/boolean: {"type": "boolean"} | true | false | null | True
type/list: {"type": ["integer", "null", "string"]} | null | 1.5 | "a"
type/scalar-list: {"type": ["number", "boolean"]} | true | 1.5
enum/strings: {"enum": ["red", "green", "blue", "reddish", "é", "q\"u\\o"]} | "reddish" | "redd"
enum/prefixes: {"enum": ["a", "ab", "abc", "abcd", "b"]} | "abc" | "abcde"
enum/mixed: {"enum": [1, 1.5, "1", null, true, [1, 2], {"a": 1, "b": [2]}]} | {"b":[2],"a":1}
enum/numbers: {"enum": [10, 100, -0.5, 1000.0, 12345678901234567890]} | 1000 | 1e3 | -5e-1
enum/length: {"enum": ["a", "ab", "é€", "abc", ""], "minLength": 2, "maxLength": 2} | "ab" | "a" | "abc"
enum/values: {"enum": [[], [0], {}, {"a": {}}, {"a": {"b": 0}}]} | {"a":{"b":0.0}} | [0,0]
const/string: {"const": "structgen\n€"} | "structgen\n€"
const/object: {"const": {"a": [1, {"b": null}], "c": ""}} | {"a":[1,{"b":null}],"c":""}
const/number: {"const": 0.1} | 0.1 | 1e-1 | 0.10
const/zero: {"const": 0} | 0 | -0 | 0.0 | 0e5
not/const: {"type": "integer", "not": {"const": 5}} | 5 | 55 | 5.0
not/enum: {"type": "string", "not": {"enum": ["a", "ab", ""]}} | "a" | "abc" | ""
object/properties: {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string",
    "maxLength": 4}}} | {"a":1,"b":"x"}
object/required: {"properties": {"a": {"type": "integer"}, "b": {"type": "string", "maxLength": 4}},
    "required": ["b"], "type": "object"} | {"a":1,"b":""} | {"a":1} | {"b":"","a":1}
object/order-any property_order=any: {"properties": {"a": {"type": "integer"}, "b": {"type": "string",
    "maxLength": 4}}, "required": ["a", "b"], "type": "object"} | {"b":"","a":1} | {"b":"","b":1}
object/closed: {"type": "object", "properties": {"a": {"type": "integer"}, "ab": {"type": "string",
    "maxLength": 4}, "abc": {}}, "additionalProperties": false} | {"a":1,"abc":{}} | {"d":1}
object/closed-any property_order=any: {"type": "object", "properties": {"a": {}, "b": {}, "c": {}, "d": {},
    "e": {}, "f": {}, "g": {}, "h": {}}, "additionalProperties": false} | {"h":1,"a":2} | {"a":1,"a":2}
object/additional: {"properties": {"name": {"type": "string", "maxLength": 4}},
    "additionalProperties": {"type": "boolean"}, "type": "object"} | {"name":"x","na":true,"names":false}
    | {"x":1}
object/required-unnamed: {"type": "object", "required": ["x", "y"]} | {"x":1,"y":2,"z":3} | {"y":1}
object/required-extra property_order=any: {"type": "object", "required": ["x"],
    "additionalProperties": {"type": "integer"}, "properties": {"b": {"type": "string", "maxLength": 4}}}
    | {"b":"","x":1} | {"x":""}
object/min: {"type": "object", "minProperties": 2} | {"a":1,"b":2} | {"a":1} | {}
object/max: {"type": "object", "maxProperties": 2} | {"a":1,"b":2} | {"a":1,"b":2,"c":3}
object/min-max property_order=any: {"type": "object", "minProperties": 2, "maxProperties": 3,
    "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "null"}}
    | {"a":1,"b":null,"c":null} | {"a":1}
object/max-zero: {"type": "object", "maxProperties": 0} | {} | {"a":1}
object/pattern: {"type": "object", "patternProperties": {"^a": {"type": "integer"}}} | {"ab":1,"b":"x"}
    | {"a":"x"}
object/pattern-overlap: {"type": "object", "patternProperties": {"^a": {"type": "integer"},
    "b$": {"minimum": 5}, "^.{2}$": {"multipleOf": 2}}} | {"ab":6} | {"ab":5} | {"axb":4} | {"cb":"x"}
object/pattern-named: {"type": "object", "properties": {"aa": {"minimum": 3}, "b": {"type": "string",
    "maxLength": 4}}, "patternProperties": {"^a+$": {"type": "integer"}}, "additionalProperties": false}
    | {"aa":3} | {"aa":2} | {"aaa":2}
object/pattern-closed: {"type": "object", "patternProperties": {"^[a-c]{2}$": {"type": "string",
    "maxLength": 4}, "^x": {}}, "additionalProperties": false, "minProperties": 1} | {"ab":"x"} | {"ad":1}
    | {}
object/pattern-false: {"type": "object", "patternProperties": {"^_": false, "^x_": {"type": "null"}}}
    | {"x_":null} | {"_":1}
object/names: {"type": "object", "propertyNames": {"pattern": "^[a-z]+$", "maxLength": 3}} | {"abc":1}
    | {"abcd":1} | {"A":1}
object/names-enum: {"type": "object", "propertyNames": {"enum": ["x", "y", "xy"]},
    "additionalProperties": {"type": "integer"}} | {"xy":1,"x":2} | {"z":1}
object/names-format: {"type": "object", "propertyNames": {"format": "date"}} | {"2024-02-29":1}
object/false-property: {"type": "object", "properties": {"a": false, "b": true}} | {"b":1} | {"a":1}
object/nested: {"type": "object", "properties": {"o": {"type": "object",
    "properties": {"p": {"type": "object", "properties": {"q": {"type": "integer"}}, "required": ["q"]}},
    "required": ["p"]}}, "required": ["o"]} | {"o":{"p":{"q":1}}}
object/dependent-required property_order=any: {"type": "object", "dependentRequired": {"a": ["b"],
    "b": ["c"]}} | {"a":1,"b":2,"c":3} | {"a":1} | {"c":1}
object/dependent-schemas: {"type": "object", "properties": {"a": {"type": "integer"}, "b": {}, "c": {}},
    "dependentSchemas": {"a": {"required": ["b"], "properties": {"b": {"const": 1}}}},
    "additionalProperties": false} | {"a":1,"b":1} | {"a":1,"b":2} | {"b":2}
object/dependencies property_order=any: {"type": "object", "dependencies": {"a": ["b"],
    "c": {"minProperties": 3}}} | {"a":1,"b":2} | {"c":1} | {"c":1,"d":2,"e":3}
object/unevaluated: {"type": "object", "properties": {"a": {"type": "integer"}},
    "allOf": [{"properties": {"b": {"type": "string", "maxLength": 4}}}], "unevaluatedProperties": false}
    | {"a":1,"b":"x"} | {"c":1}
object/unevaluated-any-of property_order=any: {"type": "object",
    "anyOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"const": 2}},
    "required": ["b"]}], "unevaluatedProperties": {"type": "null"}} | {"a":1,"b":2} | {"a":1,"b":null}
    | {"a":1,"b":3}
object/unevaluated-if property_order=any: {"type": "object", "if": {"properties": {"k": {"const": "x"}},
    "required": ["k"]}, "then": {"properties": {"x": {"type": "integer"}}},
    "else": {"properties": {"y": {"type": "integer"}}}, "unevaluatedProperties": false} | {"k":"x","x":1}
    | {"y":1} | {"x":1}
object/property-dependencies: {"$schema": "https://json-schema.org/v1", "type": "object",
    "properties": {"kind": {"enum": ["a", "b"]}},
    "propertyDependencies": {"kind": {"a": {"required": ["x"]}}}} | {"kind":"a","x":1} | {"kind":"a"}
object/odd-keys property_order=any: {"type": "object", "properties": {"": {"type": "integer"},
    "\u0000": {"type": "integer"}, "\"\\": {"type": "integer"}, "é€😀": {"type": "integer"},
    "a/b~c": {"type": "integer"}}, "additionalProperties": false} | {"":1,"\u0000":2} | {"é€😀":1}
    | {"\"\\":1}
keys/nul escapes=any property_order=any: true | {"\u0000":1,"":2} | {"\u0000":1,"\u0000":2} | {"":1,"":2}
keys/nul-closed escapes=any property_order=any: {"type": "object",
    "additionalProperties": {"type": "integer"}} | {"":1,"\u0000":2,"\u0000\u0000":3}
    | {"\u0000\u0000":1,"\u0000\u0000":2}
keys/escaped escapes=any property_order=any: true | {"\u0061b":1,"ab":2} | {"\ud83d\ude00":1,"😀":2}
    | {"\/":1,"/":2}
array/items: {"type": "array", "items": {"type": "integer"}} | [1,2,3] | ["x"]
array/min: {"type": "array", "minItems": 2} | [1,2] | [1] | []
array/max: {"type": "array", "maxItems": 2} | [1,2] | [1,2,3]
array/exact: {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "maxItems": 3}
    | [true,false,true] | [true,false]
array/large: {"type": "array", "items": {"type": "integer"}, "minItems": 500, "maxItems": 1000} | [1,2,3,4,5
array/empty: {"type": "array", "items": false} | [] | [1]
array/prefix: {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]} | [1,"a",null]
    | ["a"]
array/prefix-closed: {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}],
    "items": false, "minItems": 1} | [1,null] | [1,null,1] | []
array/prefix-rest: {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}}
    | [1,"a","b"] | [1,2]
array/contains: {"type": "array", "contains": {"const": "x"}} | [1,"x"] | [1] | []
array/contains-counts: {"type": "array", "contains": {"type": "integer"}, "minContains": 2,
    "maxContains": 3, "items": {"type": ["integer", "boolean"]}} | [1,true,2] | [1] | [1,2,3,4]
array/contains-none: {"type": "array", "contains": {"minimum": 5}, "minContains": 0, "maxContains": 1}
    | [9,1] | [9,9] | []
array/contains-bound: {"type": "array", "contains": {"minimum": 10}, "items": {"type": "integer"},
    "maxItems": 3} | [1,2,10] | [1,2,3]
array/two-contains: {"type": "array", "allOf": [{"contains": {"const": 1}}, {"contains": {"const": 2}}],
    "maxItems": 2} | [2,1] | [1,1]
array/unevaluated: {"type": "array", "prefixItems": [{"type": "integer"}], "anyOf": [{"prefixItems": [true,
    {"const": "x"}]}, {"prefixItems": [true, true, {"const": "y"}]}], "unevaluatedItems": false} | [1,"x"]
    | [1,2,"y"] | [1,2]
array/unevaluated-contains: {"type": "array", "contains": {"type": "string"},
    "unevaluatedItems": {"type": "integer"}} | ["a",1,"b"] | ["a",null]
array/nested: {"type": "array", "items": {"type": "array", "items": {"type": "array", "maxItems": 1}}}
    | [[[1]],[[]]] | [[[1,2]]]
array/objects: {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}},
    "required": ["id"]}} | [{"id":1},{"id":2}] | [{}]
unique/any numbers=any escapes=any property_order=any: {"type": "array", "uniqueItems": true} | [1,1.0]
    | [1,true] | [{"a":1,"b":2},{"b":2,"a":1}] | [[1],[1,1],[]] | ["a","\u0061"] | ["",null,0,false]
    | [1,2,1]
unique/integers: {"type": "array", "items": {"type": "integer"}, "uniqueItems": true, "minItems": 2}
    | [1,11,111] | [1,1] | [1] | [10,1e1] | [0,-0]
unique/enum: {"type": "array", "items": {"enum": ["a", "b", "ab"]}, "uniqueItems": true} | ["a","ab","b"]
    | ["a","a"] | ["a","ab","b","c"]
unique/enum-min: {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": true, "minItems": 3}
    | [3,1,2] | [3,1,1]
unique/strings: {"type": "array", "items": {"type": "string", "maxLength": 2}, "uniqueItems": true}
    | ["a","b","ab"] | ["ab","ab"] | ["é","\u00e9"]
unique/booleans: {"type": "array", "items": {"type": "boolean"}, "uniqueItems": true, "minItems": 2}
    | [true,false] | [true,true]
unique/objects: {"type": "array", "items": {"type": "object", "properties": {"k": {"enum": ["x", "y"]}},
    "required": ["k"], "additionalProperties": false}, "uniqueItems": true, "maxItems": 2}
    | [{"k":"x"},{"k":"y"}] | [{"k":"x"},{"k":"x"}]
unique/prefix: {"type": "array", "prefixItems": [{"enum": [1, 2]}, {"enum": [1, 2]}], "items": false,
    "uniqueItems": true, "minItems": 2} | [1,2] | [1,1] | [2,1]
unique/nested: {"type": "array", "uniqueItems": true, "items": {"type": "array", "uniqueItems": true,
    "items": {"type": "null"}}} | [[],[null]] | [[],[]] | [[null,null]]
unique/numbers: {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1,
    "multipleOf": 0.5}, "uniqueItems": true} | [0,0.5,1] | [0.5,5e-1] | [1,1.0] | [0,0.50]
unique/contains: {"type": "array", "uniqueItems": true, "contains": {"const": 7}, "items": {"enum": [7, 8]}}
    | [8,7] | [7,7] | [8]
string/min: {"type": "string", "minLength": 3} | "abc" | "ab" | "€€€"
string/max: {"type": "string", "maxLength": 3} | "abc" | "abcd" | "\ud83d\ude00ab" | "é\u00e9é"
string/exact: {"type": "string", "minLength": 2, "maxLength": 2} | "ab" | "a" | "abc"
string/empty: {"type": "string", "maxLength": 0} | "" | "a"
string/long: {"type": "string", "minLength": 300, "maxLength": 400} | "abc
pattern/anchored: {"type": "string", "pattern": "^[a-c]+$"} | "abc" | "abd"
pattern/anywhere: {"type": "string", "pattern": "ab+c"} | "xxabbc" | "xxac"
pattern/class: {"type": "string", "pattern": "^[^\\d\\s]{2,4}$"} | "ab" | "a1" | "abcde"
pattern/alternatives: {"type": "string", "pattern": "^(cat|dog|bird)s?$"} | "dogs" | "dogss"
pattern/groups: {"type": "string", "pattern": "^(?:a(?:b|c){2})+$"} | "abcacb" | "ab"
pattern/lookahead: {"type": "string", "pattern": "^(?=.*\\d)(?=.*[a-z])[a-z\\d]{3,6}$"} | "a1b" | "abc"
    | "123"
pattern/lookbehind: {"type": "string", "pattern": "^[a-z]+(?<!x)$"} | "ab" | "abx"
pattern/not-ahead: {"type": "string", "pattern": "^(?!ab)[a-c]+$"} | "ba" | "abc"
pattern/lazy: {"type": "string", "pattern": "^a.*?b$"} | "aab" | "aa"
pattern/boundary: {"type": "string", "pattern": "\\bcat\\b"} | "a cat" | "concat"
pattern/unicode: {"type": "string", "pattern": "^[\\u00e0-\\u00ff€]+$"} | "é€" | "e"
pattern/property: {"type": "string", "pattern": "^\\p{Lu}\\p{Ll}+$"} | "Éa" | "éa"
pattern/dot: {"type": "string", "pattern": "^.{2}$"} | "a😀" | "a\n"
pattern/escapes: {"type": "string", "pattern": "^\\x41\\u0042\\t\\.\\/$"} | "AB\t./"
pattern/counted: {"type": "string", "pattern": "^(\\d{3}-){2}\\d{4}$"} | "123-456-7890" | "123-4567"
pattern/empty-choice: {"type": "string", "pattern": "^(|a|ab)$"} | "" | "ab" | "b"
pattern/length: {"type": "string", "pattern": "^[ab]*$", "minLength": 3, "maxLength": 5} | "abab" | "ab"
    | "ababab"
pattern/two: {"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "^[a-c]+$"}, {"pattern": "c$"}]}
    | "bac" | "bc"
pattern/not: {"type": "string", "not": {"pattern": "^a|b$"}} | "ba" | "ab" | "cb"
pattern/enum: {"enum": ["aa", "ab", "b", 5], "pattern": "^a"} | "ab" | "b" | 5
pattern/any-of: {"type": "string", "anyOf": [{"pattern": "^a"}, {"pattern": "z$"}, {"maxLength": 1}]} | "az"
    | "q" | "qq"
pattern/key property_order=any: {"type": "object",
    "patternProperties": {"^(a|b)\\d{2}$": {"type": "integer"}}, "additionalProperties": false,
    "maxProperties": 2} | {"a12":1,"b34":2} | {"a1":1}
format/date-time: {"type": "string", "format": "date-time"} | "2024-02-29T23:59:60Z"
    | "2023-02-29T00:00:00Z" | "2024-01-01T00:00:00+01:00" | "2024-01-01T24:00:00Z"
format/date: {"type": "string", "format": "date"} | "2024-02-29" | "2023-02-29" | "2024-13-01"
    | "2000-04-31" | "1900-02-29"
format/time: {"type": "string", "format": "time"} | "23:59:60Z" | "12:00:00.5-08:00" | "12:00:60Z"
    | "25:00:00Z"
format/duration: {"type": "string", "format": "duration"} | "P1Y2M3DT4H5M6S" | "P2W" | "P" | "PT" | "P1M1Y"
format/email: {"type": "string", "format": "email"} | "a.b@c.com" | "a@b@c" | "a..b@c.com"
    | "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c" | "\"a b\"@c.d"
    | "a@[127.0.0.1]"
format/hostname: {"type": "string", "format": "hostname"} | "a-b.c" | "-a"
    | "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" | "xn--nxasmq6b"
format/ipv4: {"type": "string", "format": "ipv4"} | "127.0.0.1" | "256.1.1.1" | "1.1.1" | "01.1.1.1"
format/ipv6: {"type": "string", "format": "ipv6"} | "::1" | "1:2:3:4:5:6:7:8" | "1::2::3" | "::ffff:1.2.3.4"
    | "1:2:3:4:5:6:7" | "1:2:3:4:5:6:7::"
format/uri: {"type": "string", "format": "uri"} | "https://a.b/c?d=e#f" | "a b" | "//a" | "mailto:a@b.c"
    | "http://[::1]:80/"
format/uri-reference: {"type": "string", "format": "uri-reference"} | "/a/b?c#d" | "a b" | "%zz" | "../x"
format/iri: {"type": "string", "format": "iri"} | "http://é.com/ü" | "é"
format/iri-reference: {"type": "string", "format": "iri-reference"} | "/é" | "\\"
format/uuid: {"type": "string", "format": "uuid"} | "123e4567-e89b-12d3-a456-426614174000" | "123e4567e89b"
    | "123E4567-E89B-12D3-A456-42661417400g"
format/uri-template: {"type": "string", "format": "uri-template"} | "/a/{b}{?c,d*}" | "{a" | "{+a:3}"
format/json-pointer: {"type": "string", "format": "json-pointer"} | "/a~0b/~1" | "a" | "/~2" | ""
format/relative-json-pointer: {"type": "string", "format": "relative-json-pointer"} | "0#" | "1/a" | "01"
    | "-1"
format/regex: {"type": "string", "format": "regex"} | "^a(b|c)*$" | "a(" | "[a-" | "(?<n>a)\\k<n>"
format/idn-email: {"type": "string", "format": "idn-email"} | "é@é.com" | "é"
format/not-date: {"type": "string", "not": {"format": "date"}, "pattern": "^[0-9-]{8,10}$"} | "2024-02-30"
    | "2024-02-29"
format/two: {"type": "string", "anyOf": [{"format": "date"}, {"format": "ipv4"}]} | "1.2.3.4" | "2024-01-01"
format/length: {"type": "string", "format": "email", "minLength": 8, "maxLength": 10} | "abc@de.fg"
    | "a@b.c"
format/pattern: {"type": "string", "format": "date", "pattern": "^20[0-9]{2}-02"} | "2024-02-01"
    | "1999-02-01"
format/regex-length: {"type": "string", "format": "regex", "maxLength": 4} | "a|b" | "abcde"
format/unknown: {"type": "string", "format": "colour"} | "any"
format/annotate formats=annotate: {"type": "string", "format": "date"} | "no date"
number/min: {"type": "number", "minimum": 3} | 3 | 2.999 | 30 | 3.0
number/max: {"type": "number", "maximum": 3} | 3 | 3.001 | -100
number/range: {"type": "number", "minimum": -1.5, "maximum": 12.25} | -1.5 | 12.25 | 12.26 | -1.51
number/exclusive: {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1} | 0 | 0.5 | 1 | 1.0
    | 0.0001
number/multiple: {"type": "number", "multipleOf": 3} | 9 | 10 | 0 | -3.0
number/multiple-decimal: {"type": "number", "multipleOf": 0.01, "minimum": 0} | 19.99 | 19.995 | 0.1
number/multiple-fraction: {"type": "number", "multipleOf": 2.5, "maximum": 20} | 7.5 | 8 | 20
number/multiple-large: {"type": "number", "multipleOf": 10007} | 20014 | 20015
number/far: {"type": "number", "minimum": 1e+20, "maximum": 1.0000001e+20} | 100000000000000000001 | 1e20
number/tiny: {"type": "number", "exclusiveMinimum": 0, "maximum": 1e-07} | 0.0000001 | 1e-8
number/one: {"type": "number", "minimum": 7, "maximum": 7} | 7 | 7.0 | 8
number/zero: {"type": "number", "minimum": 0, "maximum": 0} | 0 | -0 | 0.00
integer/range: {"type": "integer", "minimum": 5, "maximum": 123} | 5 | 4 | 123 | 124 | 99
integer/negative: {"type": "integer", "minimum": -20, "maximum": -5} | -20 | -21 | -5 | -4 | 5
integer/exclusive: {"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 11} | 10 | 9 | 11
integer/multiple: {"type": "integer", "multipleOf": 7, "minimum": 10, "maximum": 50} | 14 | 15 | 49 | 56
integer/half: {"type": "integer", "multipleOf": 1.5, "maximum": 10, "minimum": 0} | 3 | 6 | 4 | 9
integer/byte: {"type": "integer", "minimum": 0, "maximum": 255} | 255 | 256 | -1 | 007
integer/year: {"type": "integer", "minimum": 1900, "maximum": 2100} | 1999 | 1899 | 2100 | 2101
integer/long: {"type": "integer", "minimum": 1000000000000000, "maximum": 1000000000000000000}
    | 1000000000000000 | 1e18
number/not-multiple: {"type": "integer", "not": {"multipleOf": 2}, "minimum": 0, "maximum": 99} | 13 | 14
number/two-multiples: {"type": "integer", "allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "maximum": 100,
    "minimum": 1} | 12 | 24 | 8
number/any-of: {"anyOf": [{"type": "integer", "maximum": 3}, {"type": "number", "minimum": 10.5}]} | 3 | 3.5
    | 10.5 | 11
number/not-range: {"type": "number", "not": {"minimum": 1, "maximum": 2}} | 0.5 | 1.5 | 2 | 2.01
any-of/types: {"anyOf": [{"type": "string", "maxLength": 2}, {"type": "integer", "minimum": 0},
    {"type": "null"}]} | "ab" | 5 | null | -1
any-of/tagged: {"anyOf": [{"type": "object", "properties": {"kind": {"const": "a"},
    "v": {"type": "integer"}}, "required": ["kind", "v"], "additionalProperties": false}, {"type": "object",
    "properties": {"kind": {"const": "b"}, "v": {"type": "string"}}, "required": ["kind", "v"],
    "additionalProperties": false}, {"type": "object", "properties": {"kind": {"const": "ab"},
    "v": {"type": "null"}}, "required": ["kind", "v"], "additionalProperties": false}]}
    | {"kind":"ab","v":null} | {"kind":"a","v":""}
one-of/tagged: {"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"},
    "v": {"type": "integer"}}, "required": ["kind", "v"], "additionalProperties": false}, {"type": "object",
    "properties": {"kind": {"const": "b"}, "v": {"type": "string"}}, "required": ["kind", "v"],
    "additionalProperties": false}, {"type": "object", "properties": {"kind": {"const": "ab"},
    "v": {"type": "null"}}, "required": ["kind", "v"], "additionalProperties": false}]}
    | {"kind":"b","v":"x"} | {"kind":"b","v":1}
any-of/untagged property_order=any: {"anyOf": [{"type": "object", "properties": {"x": {"type": "integer"}},
    "required": ["x"]}, {"type": "object", "properties": {"y": {"type": "string"}}, "required": ["y"]}]}
    | {"x":"s","y":"t"} | {"x":"s"}
any-of/wide-scalars: {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 0}, {"type": "integer",
    "minimum": 10, "maximum": 11}, {"type": "integer", "minimum": 20, "maximum": 22}, {"type": "integer",
    "minimum": 30, "maximum": 33}, {"type": "integer", "minimum": 40, "maximum": 44}, {"type": "integer",
    "minimum": 50, "maximum": 55}, {"type": "integer", "minimum": 60, "maximum": 66}, {"type": "integer",
    "minimum": 70, "maximum": 77}, {"type": "integer", "minimum": 80, "maximum": 88}, {"type": "integer",
    "minimum": 90, "maximum": 99}, {"type": "integer", "minimum": 100, "maximum": 110}, {"type": "integer",
    "minimum": 110, "maximum": 121}]} | 33 | 34 | 110 | 20
one-of/overlap: {"oneOf": [{"type": "integer"}, {"minimum": 2}]} | 1 | 3 | 2.5 | "x"
one-of/multiples: {"type": "integer", "oneOf": [{"multipleOf": 2}, {"multipleOf": 3}], "minimum": 0,
    "maximum": 30} | 2 | 3 | 6 | 5
one-of/required property_order=any: {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    | {"a":1} | {"a":1,"b":2} | {"c":1}
all-of/objects: {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    {"properties": {"a": {"minimum": 5}, "b": {"type": "string"}}, "required": ["b"]}]} | {"a":5,"b":""}
    | {"a":4}
all-of/any-of: {"allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"anyOf": [{"minimum": 5},
    {"minLength": 2}]}]} | 5 | 4 | "ab" | "a"
not/type: {"not": {"type": ["object", "array", "string"]}} | 1 | null | "a"
not/required property_order=any: {"type": "object", "not": {"required": ["a", "b"]}} | {"a":1}
    | {"b":1,"a":1}
not/items: {"type": "array", "not": {"items": {"type": "integer"}}} | [1,"x"] | [1] | []
not/not: {"not": {"not": {"type": "string", "maxLength": 2}}} | "ab" | "abc"
not/properties: {"type": "object", "not": {"properties": {"a": {"const": 1}}},
    "properties": {"a": {"type": "integer"}}} | {"a":2} | {"a":1} | {}
if/then-else: {"type": "object", "properties": {"k": {"enum": ["x", "y"]}, "v": {}}, "required": ["k", "v"],
    "if": {"properties": {"k": {"const": "x"}}}, "then": {"properties": {"v": {"type": "integer"}}},
    "else": {"properties": {"v": {"type": "string"}}}} | {"k":"x","v":1} | {"k":"y","v":1}
    | {"k":"y","v":""}
if/late property_order=any: {"type": "object", "if": {"properties": {"k": {"const": 1}}, "required": ["k"]},
    "then": {"required": ["a"]}, "properties": {"a": {}, "k": {}}} | {"k":1,"a":2} | {"k":1} | {"k":2}
if/scalar: {"if": {"type": "integer"}, "then": {"minimum": 10}, "else": {"type": "string"}} | 10 | 9 | "x"
    | 10.5
if/chain: {"type": "object", "properties": {"t": {"enum": ["a", "b", "c"]}}, "required": ["t"],
    "allOf": [{"if": {"properties": {"t": {"const": "a"}}}, "then": {"required": ["aa"]}},
    {"if": {"properties": {"t": {"const": "b"}}}, "then": {"required": ["bb"]}},
    {"if": {"properties": {"t": {"const": "c"}}}, "then": {"required": ["cc"]}}]} | {"t":"b","bb":1}
    | {"t":"b","aa":1}
deep/formulas: {"allOf": [{"not": {"anyOf": [{"not": {"allOf": [{"type": "string"}, {"pattern": "^[a-d]"},
    {"maxLength": 5}]}}, {"pattern": "d$"}]}}]} | "abc" | "abcd" | "abcabc"
ref/defs: {"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/b"}},
    "b": {"type": "integer"}}} | [1,2] | ["x"]
ref/beside: {"$ref": "#/$defs/a", "minimum": 3, "$defs": {"a": {"type": "integer"}}} | 3 | 2
ref/tree: {"type": "object", "properties": {"v": {"type": "integer"}, "kids": {"type": "array",
    "items": {"$ref": "#"}}}, "required": ["v"], "additionalProperties": false}
    | {"v":1,"kids":[{"v":2,"kids":[]}]} | {"v":1,"kids":[{}]}
ref/list: {"anyOf": [{"type": "null"}, {"type": "array", "prefixItems": [{"type": "integer"},
    {"$ref": "#"}], "items": false, "minItems": 2}]} | [1,[2,null]] | [1]
ref/mutual: {"$ref": "#/$defs/even", "$defs": {"even": {"type": "array", "items": {"$ref": "#/$defs/odd"},
    "maxItems": 1}, "odd": {"type": "array", "items": {"$ref": "#/$defs/even"}, "minItems": 1,
    "maxItems": 1}}} | [[[]]] | [[]]
ref/anchor: {"$ref": "#here", "$defs": {"x": {"$anchor": "here", "type": "boolean"}}} | true | 1
ref/id: {"$id": "https://example.com/a", "$ref": "b", "$defs": {"b": {"$id": "b", "type": "string",
    "maxLength": 1}}} | "a" | "ab"
ref/pointer-escapes: {"$ref": "#/$defs/a~1b~0%25", "$defs": {"a/b~%": {"enum": [1, "x"]}}} | 1 | "x" | 2
dynamic/plain: {"$id": "https://example.com/tree", "$dynamicAnchor": "node", "type": "object",
    "properties": {"next": {"$dynamicRef": "#node"}, "data": true}} | {"next":{"dta":1}} | {"next":1}
dynamic/lists: {"$id": "https://example.com/root", "type": "object",
    "properties": {"n": {"$ref": "numbers"}, "w": {"$ref": "words"}}, "$defs": {"list": {"$id": "list",
    "type": "array", "items": {"$dynamicRef": "#item"}, "$defs": {"any": {"$dynamicAnchor": "item"}}},
    "numbers": {"$id": "numbers", "$ref": "list", "$defs": {"i": {"$dynamicAnchor": "item",
    "type": "integer"}}}, "words": {"$id": "words", "$ref": "list",
    "$defs": {"i": {"$dynamicAnchor": "item", "type": "string"}}}}} | {"n":[1,2],"w":["a"]} | {"n":["a"]}
    | {"w":[1]}
dynamic/recursive: {"$schema": "https://json-schema.org/draft/2019-09/schema",
    "$id": "https://example.com/r", "$recursiveAnchor": true, "type": "object",
    "properties": {"c": {"$recursiveRef": "#"}}, "additionalProperties": false} | {"c":{"c":{}}}
    | {"c":{"d":1}}
ref/loop-all-of: {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"type": "integer"}]}},
    "$ref": "#/$defs/a"} | 1 | "x"
ref/meta-schema: {"$ref": "http://json-schema.org/draft-07/schema#"} | {"type":"string","minLength":1}
    | {"type":"strin"}
draft/4-exclusive draft=4: {"type": "integer", "minimum": 2, "exclusiveMinimum": true} | 3 | 2 | 3.0
draft/4-ref draft=4: {"properties": {"a": {"$ref": "#/definitions/x", "maximum": 1}},
    "definitions": {"x": {"type": "integer"}}} | {"a":5} | {"a":"x"}
draft/4-items draft=4: {"type": "array", "items": [{"type": "integer"}],
    "additionalItems": {"type": "null"}} | [1,null] | [1,1]
draft/3 draft=3: {"type": ["string", {"type": "object", "properties": {"a": {"required": true,
    "type": "integer"}}}], "disallow": [{"enum": ["x"]}]} | {"a":1} | {} | "x" | "y"
draft/3-extends draft=3: {"type": "integer", "divisibleBy": 3, "extends": {"minimum": 4}} | 6 | 3 | 7
draft/3-dependencies draft=3 property_order=any: {"type": "object", "dependencies": {"a": "b"},
    "additionalProperties": {"type": "integer"}} | {"a":1,"b":2} | {"a":1}
draft/6-contains draft=6: {"type": "array", "contains": {"const": 1}, "propertyNames": {"maxLength": 1}}
    | [1] | [2]
draft/7-if draft=7: {"if": {"type": "integer"}, "then": {"minimum": 5}} | 5 | 4 | "x"
draft/7-ref draft=7: {"properties": {"a": {"$ref": "#/definitions/x", "minimum": 10}},
    "definitions": {"x": {"type": "integer"}}} | {"a":1}
draft/7-min-contains draft=7: {"type": "array", "contains": {"const": 1}, "minContains": 2} | [1]
draft/2019-items: {"$schema": "https://json-schema.org/draft/2019-09/schema", "type": "array",
    "items": [{"type": "integer"}], "additionalItems": false} | [1] | [1,2]
draft/2019-unevaluated: {"$schema": "https://json-schema.org/draft/2019-09/schema", "type": "array",
    "contains": {"type": "string"}, "unevaluatedItems": false} | ["a"] | []
draft/v1 draft=v1 property_order=any: {"type": "object", "dependentRequired": {"a": ["b"]}} | {"a":1,"b":1}
    | {"a":1}
"""
"""Rows `name option=value ...: schema | text | text ...`; a row goes on in lines that begin with blanks."""
ANY: dict[str, Any] = {"property_order": "any"}
NEW = "https://json-schema.org/draft/2020-12"
TREE = {
    "$id": "https://example.com/tree",
    "$dynamicAnchor": "node",
    "type": "object",
    "properties": {"next": {"$dynamicRef": "#node"}, "data": True},
}
STRICT_TREE = {
    "$id": "https://example.com/strict",
    "$dynamicAnchor": "node",
    "$ref": "tree",
    "propertyNames": {"enum": ["next", "data"]},
}


def schema(name: str, value: Any, *texts: str, limits: sg.Limits | None = None, **options: Any) -> Case:
    """Return the case of a schema."""
    return Case(f"schema/{name}", partial(sg.json_schema, value, **options), texts, limits)


def cases() -> Iterator[Case]:
    """Return all of them."""
    for row in re.split(r"\n(?! )", CASES.strip()):
        (head, *texts) = re.split(r"\s+\| ", row)
        named, value = head.split(":", 1)
        name, *options = named.split()
        yield schema(name, json.loads(value), *texts, **dict(option.split("=") for option in options))
    yield from _blanks_and_sizes()
    yield from _formats()
    yield from _resources()
    yield from _grammars()
    yield from _bounds()
    yield from _samples()


def _blanks_and_sizes() -> Iterator[Case]:
    yield schema("type/string", {"type": "string"}, '"a\\nb\\u00e9"', '"\t"', "1")
    yield schema("type/null", {"type": "null"}, " null ", "nul")
    yield schema("enum/wide", {"enum": [f"item{number:03d}" for number in range(0, 300, 7)]}, '"item007"')
    fields = {f"field{n}": {"type": ["integer", "string"][n % 2 : n % 2 + 1]} for n in range(40)}
    many: dict[str, Any] = {"type": "object", "properties": fields}
    many["required"] = [f"field{n}" for n in range(0, 40, 5)]
    yield schema("object/many", many, '{"field0":1,"field5":"x"')
    many = {"type": "object", "properties": {f"f{n}": {"type": "boolean"} for n in range(30)}}
    many |= {"required": ["f3", "f29"], "additionalProperties": False}
    yield schema("object/many-any", many, '{"f29":true,"f3":false}', **ANY)
    any_key: dict[str, Any] = {"escapes": "any", **ANY}
    long = "x" * 600
    twice, others = f'{{"{long}":1,"{long}y":2,"{long}":3}}', f'{{"{long}":1,"\\u0000":1,"":2}}'
    yield schema("keys/long", True, twice, others, **any_key)
    integers = {"type": "object", "additionalProperties": {"type": "integer"}}
    yield schema("keys/many", integers, "{" + ",".join(f'"k{n}":1' for n in range(60)) + ',"k7":1}', **ANY)
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


def _formats() -> Iterator[Case]:
    hosts = {"type": "string", "format": "idn-hostname"}
    # a mask makes thousands of states: one vocabulary is enough
    yield replace(schema("format/idn-hostname", hosts, '"é.com"', '"xn--a"', '"a-"'), vocabularies=("odd",))
    own: Any = {"sku": "^[A-Z]{3}-[0-9]+$", "percent": {"minimum": 0, "maximum": 100}}
    held = {"s": {"format": "sku", "type": "string"}, "p": {"format": "percent", "type": "number"}}
    both, one = {"properties": held, "type": "object"}, '{"s":"ABC-1","p":100}'
    yield schema("format/own", both, one, '{"p":101}', custom_formats=own)
    for name, kind, *texts in (
        ("int32", "number", "2147483647", "2147483648", "1.5"),
        ("float", "number", "1e38", "4e38"),
        ("byte", "string", '"YWI="', '"YWI"', '"YWJ="'),
    ):
        asked = {"format": name, "type": kind}
        yield schema(f"format/openapi-{name}", asked, *texts, custom_formats=sg.OPENAPI_FORMATS)


def _resources() -> Iterator[Case]:
    small = {"$defs": {"small": {"type": "integer", "minimum": 0, "maximum": 7}}}
    yield schema(
        "ref/resource",
        {"$ref": "https://example.com/int#/$defs/small"},
        "7",
        "8",
        resources={"https://example.com/int": small},
    )
    yield schema(
        "dynamic/tree",
        STRICT_TREE,
        '{"next":{"next":{"data":1}}}',
        '{"next":{"dta":1}}',
        resources={"https://example.com/tree": TREE},
    )
    words = {f"{NEW}/vocab/{name}": True for name in ("core", "applicator")}
    yield schema(
        "vocabulary/applicator",
        {"$schema": "https://example.com/meta", "minLength": 3, "properties": {"a": False}, "type": "object"},
        '"x"',
        '{"a":1}',
        '{"b":1}',
        resources={"https://example.com/meta": {"$schema": f"{NEW}/schema", "$vocabulary": words}},
    )


def _grammars() -> Iterator[Case]:
    nested = {"syntax": "ebnf", "definition": 'root ::= "(" root ")" | "x" | "\\n" | """'}
    total = 'start: e\n?e: e "+" t | t\n?t: N | "(" e ")"\nN: /[0-9]+/\n%ignore " "\n'
    summed = {"syntax": "lark", "definition": total}
    text, number = {"type": "string", "x-grammar": nested}, {"type": "string", "x-grammar": summed}
    either = {"anyOf": [text, number, {"enum": ["((", "none"]}, {"type": "null"}]}
    member = {"type": "object", "properties": {"q": number, "n": {"type": "integer"}}, "required": ["q"]}
    yield schema("grammar/rules", text, '"(x)"', '"(\\n)"', '"(\\u000a)"', '"()"', property_order="declared")
    yield schema("grammar/lark", member, '{"q":"1+(2)","n":1}', '{"n":1,"q":"1 +2"}', '{"q":"1+"}')
    yield schema("grammar/either", either, '"((x))"', '"1+2"', '"(("', "null", '"(("', '"non"')
    yield schema("grammar/ascii", number, '"1+2"', '"1\\u002b2"', escapes="ascii")
    yield schema("grammar/any", text, '"\\u0028x)"', '"(\\ud800)"', escapes="any")
    yield schema(
        "grammar/short", {**text, "maxLength": 5, "minLength": 3}, '"(x)"', '"((x))"', '"x"', '"(((x)))"'
    )
    unique = {"type": "array", "items": text, "uniqueItems": True, "minItems": 2}
    yield schema("grammar/unique", unique, '["x","(x)"]', '["x","x"]')


def _bounds() -> Iterator[Case]:
    nested = {"items": {"$ref": "#"}, "type": "array"}
    yield schema("limit/depth", nested, "[[[", "[[[[", limits=sg.Limits(depth=3))
    long, digits = ("1" * 30, "1." + "1" * 30), sg.Limits(number_chars=20)
    yield schema("limit/digits", {"type": "number"}, *long, numbers="any", limits=digits)
    flagged = {"type": "object", "properties": {"a": {"type": "integer"}}}
    yield schema("limit/flag", flagged, '{"a":1}', limits=sg.Limits(liveness="flag"))
    memory = sg.Limits(grammar_memory=1 << 12)
    yield schema("limit/memory", {"type": "object"}, '{"a":1,"b":{"c":2}}', limits=memory)


def _samples() -> Iterator[Case]:
    for path in sorted(nonempty((ROOT / "schemas").glob("*.json"))):
        sample = json.loads(path.read_text(encoding="utf-8"))
        instances = [json.dumps(test["data"]) for test in sample.get("tests", [])]
        yield Case(
            f"sample/{path.stem}", partial(sg.json_schema, sample["schema"], **ANY), tuple(instances[:4])
        )
        yield Case(f"sample/{path.stem}/declared", partial(sg.json_schema, sample["schema"]), ())
    order = json.loads((ROOT / "examples/order.schema.json").read_text(encoding="utf-8"))
    yield Case("sample/order", partial(sg.json_schema, order), ())
