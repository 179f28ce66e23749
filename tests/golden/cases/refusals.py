"""What is refused: each line of the digests holds the error's class and place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import structgen as sg

from ..case import Case

ONE = ("bpe",)
SCHEMAS: dict[str, Any] = {
    "type": {"type": "strin"},
    "type-number": {"properties": {"a": {"type": 3}}},
    "required": {"required": "a"},
    "min-length": {"minLength": -1},
    "min-items": {"items": {"minItems": 1.5}},
    "pattern": {"properties": {"a": {"pattern": "a("}}},
    "pattern-back": {"pattern": "(a)\\1"},
    "pattern-key": {"patternProperties": {"[": {}}},
    "enum": {"enum": "a"},
    "multiple": {"multipleOf": 0},
    "properties": {"properties": []},
    "ref": {"$ref": "#/$defs/a"},
    "ref-remote": {"properties": {"a": {"$ref": "https://example.com/none"}}},
    "ref-loop": {"$ref": "#"},
    "ref-loop-any-of": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    "any-of": {"anyOf": []},
    "not-schema": {"not": 5},
    "draft": {"$schema": "https://example.com/unknown"},
    "no-value": False,
    "no-type": {"type": "string", "not": {}},
    "no-range": {"type": "integer", "minimum": 3, "maximum": 2},
    "no-integer": {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
    "no-length": {"type": "string", "minLength": 3, "maxLength": 2},
    "no-enum": {"enum": [1, 2], "minimum": 3},
    "no-key": {"type": "object", "propertyNames": {"maxLength": 2}, "required": ["abc"]},
    "no-property": {"type": "object", "properties": {"a": False}, "required": ["a"]},
    "no-items": {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True, "minItems": 3},
    "no-contains": {"type": "array", "contains": {"type": "string"}, "items": {"type": "integer"}},
    "no-pattern": {"type": "string", "pattern": "^ab$", "minLength": 3},
    "no-multiple": {"type": "number", "multipleOf": 7, "minimum": 1, "maximum": 6},
    "no-format": {"type": "string", "format": "date", "maxLength": 5},
    "no-recursion": {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    "no-one-of": {"oneOf": [{"type": "integer"}, {"type": "number", "multipleOf": 1}], "type": "integer"},
    "no-properties": {"type": "object", "minProperties": 3, "maxProperties": 2},
    "nested": {"type": "object", "properties": {"a": {"items": {"type": "string", "maxLength": -1}}}},
}
OPTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "whitespace": ({}, {"whitespace": "none"}),
    "numbers": ({}, {"numbers": 1}),
    "order": ({}, {"property_order": "sorted"}),
    "escapes": ({}, {"escapes": "none"}),
    "max-string": ({}, {"max_string": -1}),
    "max-items": ({}, {"max_items": True}),
    "any-value": ({}, {"any_value": 101}),
    "content": ({}, {"content": "check"}),
    "draft": ({}, {"draft": "5"}),
    "formats": ({}, {"custom_formats": {"a": {"minLength": 1}}}),
    "formats-pattern": ({"format": "a"}, {"custom_formats": {"a": "["}}),
    "json": ('{"a": }', {}),
    "limits": ({}, {"limits": 5}),
    "places": ({"properties": {"a": {}, "b": {}, "c": {}}}, {"limits": sg.Limits(schema_places=2)}),
    "openai-root": ({"type": "string"}, dict(sg.OPENAI_STRICT)),
    "openai-open": ({"type": "object", "properties": {}}, dict(sg.OPENAI_STRICT)),
    "openai-keyword": (
        {
            "type": "object",
            "properties": {"a": {"allOf": [{}]}},
            "required": ["a"],
            "additionalProperties": False,
        },
        dict(sg.OPENAI_STRICT),
    ),
    "unique-cap": (
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 2},
        {"max_string": 0},
    ),
    "lone-surrogate": ({"const": "\ud800"}, {}),
    "old-keyword": ({"dependencies": {"a": 5}}, {"draft": "3"}),
    "properties-draft-4": ({"properties": {"a": True}}, {"draft": "4"}),
}
LARK: dict[str, tuple[str, dict[str, Any]]] = {
    "syntax": ('start: "a', {}),
    "undefined": ("start: x\n", {}),
    "start": ('start: "a"\n', {"start": "other"}),
    "collision": ('start: a | b\na: "x"\nb: "x"\n', {}),
    "empty-language": ('start: "a" start\n', {}),
    "declared": ('start: A | B\nA: "a"\n%declare B\n', {}),
    "back-reference": ("start: A\nA: /(a)\\1/\n", {}),
    "zero-width": ("start: A\nA: /a*/\n", {}),
    "import": ("%import nowhere.NAME\nstart: NAME\n", {}),
    "bind": ('start: "a"\n', {"bind": {"J": sg.regex("a")}}),
    "bind-empty": ('start: "a" J\n%declare J\n', {"bind": {"J": sg.regex("a*")}}),
    "lexer": ('start: "a"\n', {"lexer": "basic"}),
    "postlex": ('start: "a"\n', {"postlex": 5}),
    "rules": ('start: "a"~9 b\nb: "c"~7\n', {"limits": sg.Limits(grammar_rules=3)}),
    "property": ("start: A\nA: /\\p{L}/\n", {}),
}
TEXTS: dict[str, Callable[[], Any]] = {
    "regex": partial(sg.regex, "a("),
    "regex-back": partial(sg.regex, r"(a)\1"),
    "regex-condition": partial(sg.regex, r"(a)?(?(1)b|c)"),
    "regex-dialect": partial(sg.regex, "a", dialect="perl"),  # type: ignore[arg-type]
    "regex-flags": partial(sg.regex, "a", dialect="ecma", flags=2),
    "regex-empty": partial(sg.regex, "(?!)"),
    "regex-ecma-bell": partial(sg.regex, r"\a", dialect="ecma"),
    "regex-ecma-hyphen": partial(sg.regex, r"\-", dialect="ecma"),
    "regex-ecma-group": partial(sg.regex, r"(?i)a", dialect="ecma"),
    "ebnf": partial(sg.ebnf, 'root ::= "a'),
    "ebnf-undefined": partial(sg.ebnf, "root ::= x\n"),
    "ebnf-start": partial(sg.ebnf, 'a ::= "a"\n'),
    "ebnf-empty-language": partial(sg.ebnf, 'root ::= "a" root\n'),
    "ebnf-class": partial(sg.ebnf, "root ::= [b-a]\n"),
    "choice": partial(sg.choice, []),
    "literal": partial(sg.literal, 5),  # type: ignore[arg-type]
    "text-until": partial(sg.text, until=""),
    "text-tokens": partial(sg.text, until="a", max_tokens=-1),
    "span": partial(sg.substring_of, ""),
    "special": partial(sg.special, 100000),
    "special-text": partial(sg.special, 300),
    "repeat": lambda: sg.regex("a").repeat(3, 2),
    "and-empty": lambda: sg.regex("a") & sg.regex("b"),
    "not-irregular": lambda: ~sg.ebnf('root ::= "(" root ")" | "x"\n'),
    "minus-irregular": lambda: sg.regex("a") - sg.ebnf('root ::= "(" root ")" | "x"\n'),
}
TAGS: dict[str, Any] = {
    "empty": {"type": "structural_tag"},
    "field": {"format": {"type": "any_text", "exclude": []}},
    "format": {"format": {"type": "some_tokens"}},
    "excludes": {"format": {"type": "any_text", "excludes": [""]}},
    "tokens": {"format": {"type": "any_text", "max_tokens": True}},
    "schema": {"format": {"type": "json_schema", "json_schema": {"type": 3}}},
    "pattern": {"format": {"type": "regex", "pattern": "("}},
    "token": {"format": {"type": "token", "token": "<x>"}},
    "elements": {"format": {"type": "sequence", "elements": []}},
    "repeat": {"format": {"type": "repeat", "min": 2, "max": 1, "content": {"type": "any_text"}}},
    "end": {"format": {"type": "tag", "begin": "a", "content": {"type": "any_text"}, "end": []}},
}


def cases() -> Iterator[Case]:
    """Return all of them."""
    for name, schema in SCHEMAS.items():
        yield Case(f"refused/schema/{name}", partial(sg.json_schema, schema), vocabularies=ONE)
    for name, (schema, options) in OPTIONS.items():
        yield Case(f"refused/option/{name}", partial(sg.json_schema, schema, **options), vocabularies=ONE)
    for name, (text, options) in LARK.items():
        yield Case(f"refused/lark/{name}", partial(sg.lark, text, **options), vocabularies=ONE)
    for name, make in TEXTS.items():
        yield Case(f"refused/text/{name}", make, vocabularies=ONE)
    for name, tag in TAGS.items():
        yield Case(f"refused/tag/{name}", partial(sg.structural_tag, tag), vocabularies=ONE)
    yield Case(
        "refused/limit/alternatives",
        partial(sg.json_schema, _wide()),
        limits=sg.Limits(alternatives=3),
        vocabularies=ONE,
    )
    yield Case(
        "refused/limit/states",
        partial(sg.json_schema, {"type": "string", "pattern": "^(a|b)*a(a|b){9}$"}),
        ('"abab"',),
        limits=sg.Limits(automaton_states=100),
        vocabularies=ONE,
    )
    kinds = [{"contains": {"required": [f"k{at}"]}, "maxContains": 1} for at in range(8)]
    yield Case(
        "refused/limit/steps",
        partial(sg.json_schema, {"type": "array", "maxItems": 3, "allOf": kinds}),
        limits=sg.Limits(oracle_steps=2_000),
        vocabularies=ONE,
    )


def _wide() -> Any:
    pairs = [{"anyOf": [{"required": [f"a{n}"]}, {"required": [f"b{n}"]}]} for n in range(6)]
    return {"type": "object", "allOf": pairs}
