"""Calls made to be hard: families of schemas, text grammars, Lark grammars, requests, tools, numbers, values.

Each is a name and a function that makes a grammar. It is called in a process of its own, and the grammar is
compiled, masked and walked there (`bench_hostile`). What is asked of a call: an answer, or an error of
structgen's, within its bound of processor time and memory. A family has one size, at which a careless search
takes minutes.
"""

from __future__ import annotations

import functools
import operator
import random
from collections.abc import Callable, Mapping
from typing import Any

from hostile_families import FAMILIES

import structgen as sg

Json = Any


def _object(members: Mapping[str, Json], **more: Json) -> Json:
    return {"type": "object", "properties": dict(members), "required": [*members], **more}


def _of(kind: str, **more: Json) -> Json:
    return {"type": kind, **more}


def _unique(items: int, of: Json) -> Json:
    return _of("array", uniqueItems=True, minItems=items, items=of)


def _nested(depth: int, wrap: Callable[[Json], Json], inner: Json) -> Json:
    for _ in range(depth):
        inner = wrap(inner)
    return inner


def _enums(count: int, of: int, size: int) -> Json:
    chance = random.Random(1)
    values = [f"v{at}" for at in range(of)]
    return {"allOf": [{"enum": chance.sample(values, size)} for _ in range(count)]}


def _definitions(count: int, branch: Callable[[str, int], Json]) -> Json:
    chance = random.Random(2)
    names = [f"d{at}" for at in range(count)]
    found = {name: {"anyOf": [branch(chance.choice(names), which) for which in range(2)]} for name in names}
    return {"$ref": "#/$defs/d0", "$defs": found}


def _ladder(step: Callable[[Json], Json], last: str) -> Json:
    """Return 25 definitions, each made from a reference to the next one."""
    found = {f"d{at}": step({"$ref": f"#/$defs/d{at + 1}"}) for at in range(25)}
    return {"$ref": "#/$defs/d0", "$defs": {**found, "d25": {"type": last}}}


def _keyed(name: str, which: int) -> Json:
    return _object({"ab"[which]: {"$ref": f"#/$defs/{name}"}})


def _branches(count: int, kind: str, make: Callable[[int], Json], **more: Json) -> Json:
    return {kind: [make(at) for at in range(count)], **more}


def _contained(make: Callable[[int], Json], **more: Json) -> Json:
    """Return arrays of five items that hold twelve kinds of values."""
    return _branches(12, "allOf", lambda at: {"contains": make(at)}, type="array", maxItems=5, **more)


_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
_NOTHING: Json = {"enum": []}
_CLOSED: Json = {"type": "object", "unevaluatedProperties": False}

SCHEMAS: Mapping[str, Callable[[], Json]] = {
    "enums with little in common": lambda: _enums(400, 400, 388),
    "enums with something in common": lambda: _enums(300, 2000, 1990),
    "300 objects around a contradiction": lambda: _nested(300, lambda s: _object({"k": s}), _NOTHING),
    "300 arrays around a contradiction": lambda: _nested(
        300, lambda s: _of("array", items=s, minItems=1), _NOTHING
    ),
    "300 tuples around a contradiction": lambda: _nested(
        300, lambda s: _of("array", prefixItems=[{}, s], minItems=2), _NOTHING
    ),
    "300 unions around a contradiction": lambda: _nested(
        300, lambda s: {"anyOf": [_object({"k": s}), _object({"l": s})]}, _NOTHING
    ),
    "200 intersections around a contradiction": lambda: _nested(
        200, lambda s: {"allOf": [_object({"k": s}), {"maxProperties": 9}]}, _NOTHING
    ),
    "200 closed objects around a contradiction": lambda: _nested(
        200, lambda s: _object({"k": s}, additionalProperties=False, patternProperties={"^x": {}}), _NOTHING
    ),
    "definitions without a finite value": lambda: _definitions(200, _keyed),
    "definitions of arrays without a finite value": lambda: _definitions(
        200, lambda name, _: _of("array", items={"$ref": f"#/$defs/{name}"}, minItems=1)
    ),
    "12 kinds in five items": lambda: _contained(lambda at: _object({"k": {"const": at}})),
    "12 divisors in five items": lambda: _contained(lambda at: _of("integer", multipleOf=_PRIMES[at])),
    "12 patterns in five items": lambda: _contained(
        lambda at: {"pattern": f"{chr(97 + at)}.*{chr(98 + at)}"}, items=_of("string", maxLength=9)
    ),
    "3,000 keys that are contradictory": lambda: _object({f"k{at}": _NOTHING for at in range(3000)}),
    "3,000 lengths that are contradictory": lambda: _object(
        {f"k{at}": _of("string", minLength=at + 1, maxLength=at) for at in range(3000)}
    ),
    "30 branches, the last of 30 contradictory": lambda: _object(
        {"k": _branches(30, "anyOf", lambda at: _object({f"k{at}": _NOTHING}))}
    ),
    "30 branches beside unevaluatedProperties": lambda: _branches(
        30, "anyOf", lambda at: _object({f"a{at}": {}, f"b{at}": _of("string")}), **_CLOSED
    ),
    "30 branches of one key beside unevaluatedProperties": lambda: _branches(
        30, "anyOf", lambda at: {"properties": {f"a{at}": {}, "b": {"const": at}}}, **_CLOSED
    ),
    "60 patterns beside unevaluatedProperties": lambda: _branches(
        60, "anyOf", lambda at: {"patternProperties": {f"^x{at}": _of("integer")}}, **_CLOSED
    ),
    "30 tuples beside unevaluatedItems": lambda: _of(
        "array", **_branches(30, "anyOf", _tuple_of_constants, unevaluatedItems=False)
    ),
    "40 conditions beside unevaluatedProperties": lambda: _branches(40, "allOf", _condition, **_CLOSED),
    "25 exclusive branches of optional keys": lambda: _branches(
        25, "oneOf", lambda at: _of("object", properties={f"k{at}": _of("integer")})
    ),
    "18 negated objects": lambda: _branches(
        18, "allOf", lambda at: {"not": _object({f"a{at}": {"const": 1}, f"b{at}": {"const": 2}})}
    ),
    "18 negated tuples": lambda: _branches(
        18, "allOf", lambda at: {"not": _of("array", prefixItems=[{"const": at}, {"const": -at}])}
    ),
    "unions of unions of keys": lambda: _nested(
        12, lambda s: {"anyOf": [s, {"allOf": [s, {"minProperties": 1}]}]}, _object({"k": {}})
    ),
    "unique long strings": lambda: _unique(5, _of("string", minLength=800)),
    "unique strings of one length": lambda: _unique(60, _of("string", pattern="^[ab]{6}$")),
    "unique objects of two keys": lambda: _unique(
        40, _object({"a": {"enum": [*range(7)]}, "b": {"enum": [*range(7)]}})
    ),
    "3,000 patterns of keys": lambda: _of(
        "object", patternProperties={f"^k{at}[a-z]*$": _of("integer") for at in range(3000)}
    ),
    "100 overlapping patterns of keys": lambda: _of(
        "object", patternProperties={f".*k{at}.*": {"minimum": at} for at in range(100)}, minProperties=2
    ),
    "names of keys of many lengths": lambda: _of(
        "object",
        propertyNames=_branches(60, "allOf", lambda at: {"not": {"pattern": f"^.{{{at}}}$"}}),
        minProperties=3,
    ),
    "40 patterns that hold together": lambda: _of(
        "string",
        **_branches(40, "allOf", lambda at: {"pattern": f"{chr(97 + at % 26)}.*{chr(97 + at * 7 % 26)}"}),
    ),
    "12 multiples that hold together": lambda: _of(
        "number", **_branches(12, "allOf", lambda at: {"multipleOf": _PRIMES[at]}, minimum=1)
    ),
    "200 multiples excluded": lambda: _of(
        "integer", **_branches(200, "allOf", lambda at: {"not": {"multipleOf": at + 2}})
    ),
    "a chain of dependent keys": lambda: _of(
        "object", dependentRequired={f"k{at}": [f"k{at + 1}"] for at in range(400)}, minProperties=1
    ),
    "a thousand optional keys, five at most": lambda: _of(
        "object",
        properties={f"k{at}": _of("integer") for at in range(1000)},
        additionalProperties=False,
        minProperties=5,
        maxProperties=5,
    ),
    "references in a ladder": lambda: _ladder(lambda next: {"allOf": [next, next]}, "object"),
    "unions in a ladder": lambda: _ladder(lambda next: {"anyOf": [next, _object({"k": next})]}, "integer"),
    "formats that hold together": lambda: {
        "allOf": [{"format": "uri"}, {"format": "iri"}, {"maxLength": 30}]
    },
    "an optional letter, 5,000 times": lambda: _of("string", pattern="^(a?){5000}$"),
    "two optional letters, 2,000 times": lambda: _of("string", pattern="^(a?b?){2000}$"),
    "optional letters, counted twice": lambda: _of("string", pattern="^((a?b?){50}c?){50}$"),
    "a letter before a distant one": lambda: _of("string", pattern="^.*a.{25}b$"),
    "unions of many counts": lambda: _of(
        "string", pattern="^(" + "|".join(f"(a{{{at}}}b?){{{at}}}" for at in range(2, 40)) + ")$"
    ),
}


def _tuple_of_constants(at: int) -> Json:
    return {"prefixItems": [{"const": item} for item in range(at + 1)]}


def _condition(at: int) -> Json:
    branches = {word: {"properties": {f"{key}{at}": {}}} for word, key in (("then", "b"), ("else", "c"))}
    return {"if": _object({"t": {"const": at}}), **branches}


TEXTS: Mapping[str, Callable[[], sg.Grammar]] = {
    "2,000 optional words": lambda: sg.sequence(*[sg.literal(f"w{at}").optional() for at in range(2000)]),
    "2,000 optional words, added": lambda: functools.reduce(
        operator.add, [sg.literal(f"w{at}").optional() for at in range(2000)]
    ),
    "2,000 patterns, joined by |": lambda: functools.reduce(
        operator.or_, [sg.regex(f"w{at}[a-z]*") for at in range(2000)]
    ),
    "300 optional schemas": lambda: sg.sequence(
        *[sg.json_schema({"const": at}).optional() for at in range(300)]
    ),
    "200 repeated words in a row": lambda: sg.sequence(
        *[sg.literal(f"w{at}").repeat(0, 9) for at in range(200)]
    ),
    "a text without 300 words": lambda: sg.without(
        sg.regex("[a-z ]{0,200}"), [f"w{at}x" for at in range(300)]
    ),
    "a complement of a count": lambda: ~sg.regex("(.{3}a){40}"),
    "an intersection of counts": lambda: sg.regex("(aa){0,500}") & sg.regex("(aaa){0,400}b?"),
    "ten parts in any order": lambda: sg.ebnf(
        "root ::= (" + " | ".join(f'"p{at}"' for at in range(10)) + "){10,400}"
    ),
    "rules that call each other": lambda: sg.ebnf(
        "root ::= r0\n"
        + "\n".join(
            f'r{at} ::= "a" r{(at * 7 + 1) % 300} | "b" r{(at * 5 + 2) % 300} | "c"' for at in range(300)
        )
    ),
    "rules of which none ends": lambda: sg.ebnf(
        "root ::= r0\n" + "\n".join(f'r{at} ::= "a" r{(at * 7 + 1) % 300} r{at}' for at in range(300))
    ),
    "brackets 400 deep": lambda: sg.ebnf("root ::= " + "(" * 400 + '"a"' + ")?" * 400),
    "lark: alternatives of counts": lambda: sg.lark('start: a\na: A (C~1..3 a* | A)~3..4\nA: "a"\nC: "c"\n'),
    "lark: counts of counts of rules": lambda: sg.lark(
        'start: ((A B?)~1..30 C?)~1..30\nA: "a"\nB: "b"\nC: "c"\n'
    ),
    "lark: 800 keywords": lambda: sg.lark(
        "start: ("
        + "|".join(f"K{at}" for at in range(800))
        + "|NAME)+\n"
        + "".join(f'K{at}: "key{at}"i\n' for at in range(800))
        + "NAME: /[a-z]+/i\n%ignore /\\s+/\n"
    ),
    "lark: ambiguous expressions": lambda: sg.lark(
        "start: e\ne: " + " | ".join(f'e "{chr(33 + at)}" e' for at in range(1, 12)) + ' | "a"\n'
    ),
}

_KEYED = _object({"k": _of("string")})
_WORDS = " ".join(f"word{at * 7919 % 5000}" for at in range(60_000))


def _schema(value: Json, policies: Mapping[str, Any] = sg.WIDEST) -> sg.Grammar:
    return sg.json_schema(value, **policies)


def _grammar_of(make: Callable[[], Json]) -> Callable[[], sg.Grammar]:
    return lambda: _schema(make())


def _tools(count: int) -> list[Json]:
    found = []
    for at in range(count):
        members = {f"a{which}": {"type": "string"} for which in range(1 + at % 6)}
        parameters = {"type": "object", "properties": members, "required": ["a0"]}
        found.append({"type": "function", "function": {"name": f"tool_{at}", "parameters": parameters}})
    return found


def _asked(**request: Json) -> sg.Grammar:
    grammar = sg.read_request({"messages": [], **request}).grammar("hermes" if "tools" in request else None)
    assert grammar is not None, "free text"
    return grammar


_AHEAD = (
    "start: (A|B|C|D|E)*\nA.5: /x(?=.{10}y)/\nB.4: /x+(?=.{12}z)/\nC.3: /[xy]+(?!.{9}z)/\n"
    "D.2: /[xyz]{3}(?=.{7}x)/\nE: /[a-z]/\n"
)

CALLS: Mapping[str, Callable[[], sg.Grammar]] = {
    "text: a schema without its key": lambda: sg.without(_schema(_KEYED), ["k"], decoded=False),
    "text: a schema and a regular expression": lambda: sg.sequence(_schema(_KEYED), "!") & sg.regex(".{300}"),
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
    "tools: 300 in a format": lambda: sg.tools(_tools(300), format="hermes"),
    **{f"schema: {name}": _grammar_of(make) for name, make in SCHEMAS.items()},
    **{f"text: {name}": make for name, make in TEXTS.items()},
    **{f"more: {name}": make for name, make in FAMILIES.items()},
}
