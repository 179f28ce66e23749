"""Calls made to be hard: families of schemas, text grammars, Lark grammars, requests, tools, numbers, values.

Each is a name and a function that makes a grammar. It is called in a process of its own, and the grammar is
compiled, masked and walked there (`bench_hostile`). What is asked of a call: an answer, or an error of
structgen's, within its bound of processor time and memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hostile_families import SCHEMAS, TEXTS

import structgen as sg

Json = Any
_KEYED = {"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"]}
_WORDS = " ".join(f"word{at * 7919 % 5000}" for at in range(60_000))


def _schema(value: Json, policies: Mapping[str, Any] = sg.WIDEST) -> sg.Grammar:
    return sg.json_schema(value, **policies)


def _grammar_of(make: Callable[[], Json]) -> Callable[[], sg.Grammar]:
    return lambda: _schema(make())


def _printed(value: Json) -> sg.Grammar:
    return _schema(value, sg.JSON_DUMPS)


def _dependent(count: int) -> Json:
    asked = {}
    for at in range(count):
        members = {f"p{(at + 1) % count}": {"minimum": at}}
        asked[f"p{at}"] = {"required": [f"p{(at * 7 + 3) % count}"], "properties": members}
    return {"type": "object", "dependentSchemas": asked, "minProperties": 3}


def _chained(count: int) -> Json:
    links = [
        {"if": {"required": [f"a{at}"]}, "then": {"required": [f"a{(at * 7 + 3) % count}"]}}
        for at in range(count)
    ]
    return {"type": "object", "minProperties": 5, "allOf": links}


def _half_of_a_kind(items: int) -> Json:
    kind = {"type": "object", "properties": {"k": {"type": "integer"}}}
    held = {"contains": {"type": "object", "required": ["k"]}, "minContains": items // 2}
    return {"type": "array", "uniqueItems": True, "minItems": items, "items": kind, **held}


def _tools(count: int) -> list[Json]:
    found = []
    for at in range(count):
        members = {f"a{which}": {"type": "string"} for which in range(1 + at % 6)}
        parameters = {"type": "object", "properties": members, "required": ["a0"]}
        found.append({"type": "function", "function": {"name": f"tool_{at}", "parameters": parameters}})
    return found


def _asked(**request: Json) -> sg.Grammar:
    return sg.read_request({"messages": [], **request}).grammar


def _around(key: str) -> Json:
    found: dict[str, Json] = {"type": "object"}
    found[key] = {"a": found}
    return found


_AHEAD = (
    "start: (A|B|C|D|E)*\nA.5: /x(?=.{10}y)/\nB.4: /x+(?=.{12}z)/\nC.3: /[xy]+(?!.{9}z)/\n"
    "D.2: /[xyz]{3}(?=.{7}x)/\nE: /[a-z]/\n"
)

CALLS: Mapping[str, Callable[[], sg.Grammar]] = {
    "text: a schema without a letter": lambda: sg.without(_schema(_KEYED), ["a"], decoded=False),
    "text: a schema without its key": lambda: sg.without(_schema(_KEYED), ["k"], decoded=False),
    "text: a schema and a regular expression": lambda: sg.sequence(_schema(_KEYED), "!") & sg.regex(".{300}"),
    "text: ambiguous rules and a regular expression": lambda: (
        sg.ebnf('root ::= "(" root ")" | "a" | root root') & sg.regex("[(a]*[)a]{50}")
    ),
    "text: rules without texts": lambda: sg.without(
        sg.ebnf('root ::= "(" root ")" root | "a" root | ""'), ["aa", "()"]
    ),
    "text: nested counts": lambda: sg.ebnf('root ::= ((("a" | "b"){0,100} "c"){0,100} "d"){0,100}'),
    "text: counts of counts": lambda: sg.regex("((a{0,300}b{0,300}){0,300}c){0,300}"),
    "text: a million characters": lambda: sg.regex("[ab]{1000000}"),
    "text: spans of a large text": lambda: sg.substring_of(_WORDS),
    "text: a schema in a string": lambda: sg.in_json_string(_schema(_KEYED)),
    "lark: look-aheads beside priorities": lambda: sg.lark(_AHEAD),
    "lark: nested templates": lambda: sg.lark(
        f"start: {'a{' * 15}b{'}' * 15}\na{{x}}: x x " + '"q"\nb: "z"\n'
    ),
    "lark: 1,500 rules": lambda: sg.lark(
        "start: "
        + "|".join(f"r{at}" for at in range(1500))
        + "\n"
        + "".join(f'r{at}: "k{at}" (r{(at * 7 + 1) % 1500} | NAME)*\n' for at in range(1500))
        + 'NAME: /[a-z]+/\n%ignore " "\n'
    ),
    "lark: counts of counts": lambda: sg.lark("start: A\nA: /((a{0,100}b{0,100}){0,100}c){0,100}/\n"),
    "request: 300 tools": lambda: _asked(tools=_tools(300)),
    "request: messages of ten megabytes": lambda: _asked(
        messages=[{"role": "user", "content": "x" * 10**7}], response_format={"type": "json_object"}
    ),
    "request: a schema that holds itself": lambda: _asked(
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": _around("properties")},
        }
    ),
    "tools: 300 in a format": lambda: sg.tools(_tools(300), format="hermes"),
    "value: a schema that holds itself": lambda: _schema(_around("properties")),
    "value: a constant that holds itself": lambda: _schema({"const": _around("x")}),
    "numbers: 400 digits as Python prints them": lambda: _printed(
        '{"type":"integer","exclusiveMaximum":-1e400}'
    ),
    "numbers: 4,000 digits as Python prints them": lambda: _printed('{"type":"integer","minimum":1e4000}'),
    "numbers: multiples above 400 digits": lambda: _printed(
        '{"type":"integer","multipleOf":97,"minimum":1e400}'
    ),
    "numbers: ten thousand, as Python prints them": lambda: _printed(
        {"enum": [at * 7919 for at in range(10_000)]}
    ),
    "schema: dependent schemas": lambda: _schema(_dependent(60)),
    "schema: conditions in a chain": lambda: _printed(_chained(60)),
    "schema: unique items, half of a kind": lambda: _schema(_half_of_a_kind(300)),
    **{f"schema: {name}": _grammar_of(make) for name, make in SCHEMAS.items()},
    **{f"text: {name}": make for name, make in TEXTS.items()},
}
