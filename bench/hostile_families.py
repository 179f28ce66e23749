"""Forty more families of calls made to be hard, which nothing was tuned on (`hostile_calls`).

They speak of everything that a grammar is made of here: patterns and look-arounds, keys, unions, conditions,
references, arrays, numbers, texts, rules, Lark terminals, structural tags, messages, tools, characters.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import structgen as sg

Json = Any
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _schema(value: Json) -> sg.Grammar:
    return sg.json_schema(value, **sg.WIDEST)


def _typed(kind: str, **more: Json) -> sg.Grammar:
    return _schema({"type": kind, **more})


def _asked(**request: Json) -> sg.Grammar:
    request = {"messages": [{"role": "user", "content": "Go."}], **request}
    grammar = sg.read_request(request).grammar()
    assert grammar is not None, "free text"
    return grammar


def _kinds(at: int) -> Json:
    return {"type": ("string", "integer")[at % 2]}


def _word(at: int, size: int = 6) -> str:
    return "".join(random.Random(at).choices(_LETTERS, k=size))


def _wide(at: int) -> str:
    return chr(0x4E00 + at * 7919 % 20_000)


def _looking(letter: str, most: int) -> str:
    return f"^(?=.*{letter})(?!.*{letter}{letter}).{{3,{most}}}$"


def _keys(count: int, most: int) -> Json:
    return {_looking(_LETTERS[at], most): _kinds(at) for at in range(count)}


def _chained(count: int) -> Json:
    """Return conditions, each of which requires the key that the next one asks about."""
    return [
        {
            "if": {"required": [f"c{at}"]},
            "then": {"required": [f"c{at + 1}"]},
            "else": {"minProperties": at % 3},
        }
        for at in range(count)
    ]


def _dynamic(count: int) -> Json:
    """Return generic lists in one another, each of which binds its items anew."""
    found: Json = {"$ref": "list0"}
    definitions: dict[str, Json] = {}
    for at in range(count):
        definitions[f"l{at}"] = {
            "$id": f"list{at}",
            "type": "array",
            "items": {"$dynamicRef": "#item"},
            "maxItems": 3,
            "$defs": {
                "item": {"$dynamicAnchor": "item", "anyOf": [{"type": "null"}, {"$ref": f"list{at + 1}"}]}
            },
        }
    definitions["last"] = {"$id": f"list{count}", "type": "integer"}
    return {"$id": "https://example.org/root", **found, "$defs": definitions}


def _tool(at: int) -> Json:
    of: Json = {"type": "string"}
    for level in range(6):
        of = {
            "type": "object",
            "properties": {f"k{level}_{at}": of, "n": {"type": "integer"}},
            "minProperties": 1,
        }
    return {"type": "function", "function": {"name": f"tool_{at}", "parameters": of}}


def _tags(count: int) -> Json:
    of = {"type": "json_schema", "json_schema": {"type": "object"}}
    tags = [{"type": "tag", "begin": f"<t{at}>", "content": of, "end": f"</t{at}>"} for at in range(count)]
    return {"type": "structural_tag", "format": {"type": "triggered_tags", "triggers": ["<t"], "tags": tags}}


FAMILIES: Mapping[str, Callable[[], sg.Grammar]] = {
    # patterns
    "a literal of 20,000 letters, unanchored": lambda: _typed("string", pattern="a" * 20_000),
    "two literals of 12,000 letters or a class": lambda: _typed(
        "string", pattern="ab" * 6_000 + "|" + "ba" * 6_000 + "|[0-9]" * 9
    ),
    "a literal in any case behind anything": lambda: sg.regex("(?i).*" + "content" * 1_500),
    "20,000 different characters": lambda: _typed("string", pattern="".join(map(chr, range(0x4E00, 0x9C20)))),
    "a character, then any or none, 4,000 times": lambda: _typed(
        "string", pattern="".join(_wide(at) + ".?" for at in range(4_000))
    ),
    "eight patterns that look around": lambda: _typed(
        "string", allOf=[{"pattern": _looking(one, 40)} for one in _LETTERS[:8]]
    ),
    "look-aheads inside look-aheads": lambda: sg.regex("(?=.*a(?=.{4}b(?=.{4}c))).*(?<!x.{6})y"),
    "back from a distant end": lambda: _typed("string", pattern="^.*(?<=a.{12})(?<=b.{14})$"),
    "words of 3,000 first and last characters": lambda: sg.regex(
        "(?:" + "|".join(_wide(at) + "." + _wide(3 * at + 1) for at in range(3_000)) + ")*"
    ),
    "a listed word that three patterns accept": lambda: _schema(
        {"enum": [_wide(at) + f"{at:05}" for at in range(30_000)], "pattern": "[02468].*[13579].*7"}
    ),
    "30,000 excluded pairs of characters": lambda: _typed(
        "string", **{"not": {"enum": [_wide(at) + _wide(5 * at + 1) for at in range(30_000)]}}
    ),
    # keys
    "six kinds of keys that look around": lambda: _typed(
        "object", patternProperties=_keys(6, 9), minProperties=3
    ),
    "six such in each of eight members": lambda: _typed(
        "object",
        properties={f"m{at}": {"patternProperties": _keys(5, 9 + at), "minProperties": 2} for at in range(8)},
        required=[f"m{at}" for at in range(8)],
    ),
    "ten distances between two letters, as keys": lambda: _typed(
        "object",
        patternProperties={f"a.{{{at}}}b": _kinds(at) for at in range(3, 13)},
        minProperties=4,
        unevaluatedProperties=False,
    ),
    "keys whose schemas depend in a ring": lambda: _typed(
        "object",
        dependentSchemas={
            f"k{at}": {
                "required": [f"k{(at + 1) % 60}"],
                "properties": {f"k{(at * 7) % 60}": {"minimum": at}},
            }
            for at in range(60)
        },
        minProperties=2,
    ),
    "200 conditions in a chain": lambda: _typed("object", allOf=_chained(200), required=["c0"]),
    "exactly nine of 60 keys, one of each three": lambda: _typed(
        "object",
        properties={f"k{at}": {"enum": [at]} for at in range(60)},
        allOf=[{"oneOf": [{"required": [f"k{3 * at + which}"]} for which in range(3)]} for at in range(9)],
        additionalProperties=False,
        maxProperties=9,
    ),
    "names that are a format, of one length": lambda: _typed(
        "object", propertyNames={"format": "idn-hostname", "minLength": 9, "maxLength": 12}, minProperties=3
    ),
    # unions, references
    "400 branches told apart by a nested constant": lambda: _schema(
        {
            "oneOf": [
                {
                    "properties": {"a": {"properties": {"b": {"const": at}}, "required": ["b"]}},
                    "required": ["a"],
                }
                for at in range(400)
            ],
            "type": "object",
        }
    ),
    "a tower of conditions": lambda: _schema(_tower(60)),
    "lists that bind their items dynamically": lambda: _schema(_dynamic(40)),
    "300 mutually recursive unions": lambda: _schema(
        {
            "$ref": "#/$defs/u0",
            "$defs": {
                f"u{at}": {
                    "anyOf": [
                        {"type": "array", "items": {"$ref": f"#/$defs/u{(at * 11 + 1) % 300}"}},
                        {
                            "type": "object",
                            "additionalProperties": {"$ref": f"#/$defs/u{(at * 5 + 3) % 300}"},
                        },
                        {"const": at},
                    ]
                }
                for at in range(300)
            },
        }
    ),
    "not one of 60 overlapping intervals": lambda: _typed(
        "number",
        **{"not": {"anyOf": [{"minimum": 3 * at, "exclusiveMaximum": 3 * at + 2} for at in range(60)]}},
    ),
    # arrays
    "distinct pairs of ten values": lambda: _typed(
        "array",
        uniqueItems=True,
        minItems=90,
        items={"type": "array", "prefixItems": [{"enum": [*range(10)]}] * 2, "minItems": 2, "items": False},
    ),
    "ten kinds contained twice at most": lambda: _typed(
        "array",
        allOf=[
            {"contains": {"type": "integer", "multipleOf": at + 2}, "minContains": 1, "maxContains": 2}
            for at in range(10)
        ],
        maxItems=12,
    ),
    "tuples in tuples, 200 deep": lambda: _schema(_tuples(200)),
    "distinct items that match two patterns": lambda: _typed(
        "array",
        uniqueItems=True,
        minItems=30,
        items={"type": "string", "allOf": [{"pattern": "^[abc]{5}$"}, {"pattern": "ab|ca"}]},
    ),
    # texts and rules
    "a class beside a long literal, in rules": lambda: sg.ebnf(f'root ::= [a-z]* "{"ab" * 8_000}" [a-z]*'),
    "rules of 500 characters that end alike": lambda: sg.ebnf(
        "root ::= (" + " | ".join(f'[{_wide(at)}{_wide(at + 1)}] "x"* "y"' for at in range(500)) + ")*"
    ),
    "an intersection of rules and look-arounds": lambda: (
        sg.ebnf('root ::= "(" root ")" root | [a-c] root | ""')
        & sg.regex("(?=.*a.{6}b)(?!.*cc)[a-c()]{0,60}")
    ),
    "5,000 banned words of two alphabets": lambda: sg.without(
        sg.regex(r"[\s\S]*"), [_word(at) + _wide(at) for at in range(5_000)]
    ),
    "banned texts that are powers of one letter": lambda: sg.without(
        sg.json_schema({"type": "string"}), ["a" * 9_000 + "b", "a" * 8_000 + "c"]
    ),
    "schemas and patterns in turns": lambda: sg.sequence(
        *[part for at in range(60) for part in (sg.json_schema({"type": "object"}), sg.regex(f"-+{at}\n"))]
    ),
    "keys that look around, one schema behind another": lambda: sg.sequence(
        *[_typed("object", patternProperties=_keys(5, 9 + at), minProperties=3) for at in range(8)]
    ),
    # lark
    "lark: terminals that look around": lambda: sg.lark(
        "start: (A|B|C)+\nA: /(?=.*a.{9}b)(?!.*c.{8}d).{3,12}/\nB: /(?=.*x.{7}y)[a-z]{2,30}/\n"
        "C: /(?!.*zz).{1,40}q/\n"
    ),
    "lark: a terminal that searches": lambda: sg.lark(f"start: (A|B)+\nA: /.*{'ab' * 4_000}/\nB: /[a-z]/\n"),
    "lark: sixty terminals of distant characters": lambda: sg.lark(
        f"start: ({'|'.join(f'T{at}' for at in range(60))})+\n"
        + "".join(f"T{at}: /{_wide(at)}.*{_wide(at + 60)}/\n" for at in range(60))
    ),
    "lark: optional parts of optional parts": lambda: sg.lark(
        "start: r0\n"
        + "".join(f'r{at}: r{at + 1} ["k{at}" r{at + 1}] ["l{at}"]\n' for at in range(9))
        + 'r9: "z"\n'
    ),
    # requests and tools
    "tags: 300 of an open object": lambda: _asked(response_format=_tags(300)),
    "messages: 10,000 parts of text": lambda: _asked(
        messages=[
            {"role": "user", "content": [{"type": "text", "text": f"part {at}"} for at in range(10_000)]}
        ],
        response_format={"type": "json_object"},
    ),
    "tools: 200 nested six deep": lambda: sg.tools([_tool(at) for at in range(200)], format="qwen_3_coder"),
    "tools: 60 whose keys look around": lambda: sg.tools(
        [
            {
                "type": "function",
                "function": {"name": f"t{at}", "parameters": {"patternProperties": _keys(3, 9 + at)}},
            }
            for at in range(60)
        ],
        format="hermes",
    ),
    # characters and depth
    "letters of all scripts, counted": lambda: _typed(
        "string", pattern=r"^(?:\p{L}\p{M}{0,9}\p{Nd}?){1,200}$"
    ),
    "scripts that hold together": lambda: _typed(
        "string",
        allOf=[
            {"pattern": rf"\p{{Script={one}}}.{{5}}\p{{P}}"} for one in ("Latin", "Greek", "Cyrillic", "Han")
        ],
    ),
    "formats beside distances": lambda: _typed(
        "string", format="uri", pattern="a.{9}b", **{"not": {"pattern": "c.{7}d"}}, maxLength=200
    ),
    "keys nested 2,000 deep, each one of two": lambda: _schema(_deep(2_000)),
    "a million optional repetitions of a million": lambda: _typed(
        "string", pattern="^(?:[a-z]{0,999}[0-9]){0,999}$"
    ),
}


def _tower(depth: int) -> Json:
    found: Json = {"type": "integer"}
    for at in range(depth):
        found = {
            "if": {"properties": {"k": {"const": at}}, "required": ["k"]},
            "then": {"properties": {"v": {"type": "string"}}},
            "else": found,
        }
    return found


def _tuples(depth: int) -> Json:
    found: Json = {"type": "boolean"}
    for _ in range(depth):
        found = {
            "type": "array",
            "prefixItems": [found, {"const": 1}],
            "minItems": 1,
            "unevaluatedItems": False,
        }
    return found


def _deep(depth: int) -> Json:
    found: Json = {"type": "null"}
    for at in range(depth):
        found = {
            "type": "object",
            "properties": {"a": found, "b": {"const": at}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        }
    return found
