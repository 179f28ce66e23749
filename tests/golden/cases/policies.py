"""The written policies, one by one and as presets, over schemas that feel each of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import structgen as sg

from ..case import Case

VALUE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "kind": {"enum": ["é", "b\n", 'c"']},
        "size": {"type": "number"},
        "list": {"type": "array", "items": {"type": "integer"}},
        "free": {},
    },
    "required": ["name", "kind"],
}
TEXTS = (
    '{"name": "x", "kind": "\\u00e9", "size": 1e-07, "list": [1, 2], "free": {"a": [{}]}}',
    '{"name":"x","kind":"é","size":1.50,"list":[1,2],"free":[[[]]]}',
    '{"kind":"b\\n","name":"x"}',
    '{\n  "name": "x",\n  "kind": "b\\n",\n  "list": []\n}',
    '{"name":"\\ud83d","kind":"c\\u0022","size":-0}',
    '{"n\\u0061me":"\\/\\u00E9","kind":"c\\"","size":100000000000000000000000.0}',
    '{"name":         "x","kind":"é"}',
    '{"name":        "x","kind":          "é"}',
    '{  \t\r\n"name":"",\n\n\n          "kind":"é"}',
)
WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "whitespace-compact": {"whitespace": "compact"},
    "whitespace-oneline": {"whitespace": "oneline"},
    "whitespace-any": {"whitespace": "any"},
    "whitespace-2": {"whitespace": 2},
    "whitespace-0": {"whitespace": 0},
    "whitespace-tab": {"whitespace": "\t"},
    "order-any": {"property_order": "any"},
    "numbers-plain": {"numbers": "plain"},
    "numbers-python": {"numbers": "python"},
    "numbers-any": {"numbers": "any"},
    "escapes-utf8": {"escapes": "utf8"},
    "escapes-ascii": {"escapes": "ascii"},
    "escapes-any": {"escapes": "any"},
    "max-string": {"max_string": 3},
    "max-items": {"max_items": 2},
    "any-scalar": {"any_value": "scalar"},
    "any-depth": {"any_value": 2},
    "caps": {"max_string": 5, "max_items": 1, "any_value": 1, "whitespace": "compact"},
    "widest": dict(sg.WIDEST),
    "json-dumps": dict(sg.JSON_DUMPS),
    "json-dumps-utf8": dict(sg.JSON_DUMPS) | {"escapes": "utf8", "whitespace": 2},
}
CAPPED: dict[str, tuple[Any, dict[str, Any], tuple[str, ...]]] = {
    "string-asked": ({"type": "string", "minLength": 5}, {"max_string": 3}, ('"abcde"', '"abcdef"')),
    "string-pattern": ({"type": "string", "pattern": "^a+$"}, {"max_string": 3}, ('"aaa"', '"aaaa"')),
    "string-key": ({"type": "object"}, {"max_string": 1}, ('{"a":1}', '{"ab":1}')),
    "string-format": ({"format": "date", "type": "string"}, {"max_string": 3}, ('"2024-01-01"',)),
    "items-asked": ({"type": "array", "minItems": 3}, {"max_items": 1}, ("[1,2,3]", "[1,2,3,4]")),
    "items-contains": ({"type": "array", "contains": {"const": 1}}, {"max_items": 2}, ("[2,1]", "[2,2,1]")),
    "any-object": ({"type": "object"}, {"any_value": "scalar"}, ('{"a":1}', '{"a":{}}')),
    "any-nested": ({}, {"any_value": 1}, ("[1]", "[[1]]")),
    "ascii-pattern": ({"type": "string", "pattern": "^[é€😀]+$"}, {"escapes": "ascii"}, ('"\\u00e9"', '"é"')),
    "utf8-enum": ({"enum": ["é\u2028", "\x7f/"]}, {"escapes": "utf8"}, ('"é\u2028"', '"\\u00e9\\u2028"')),
    "python-floats": (
        {"type": "number", "minimum": 0.1},
        {"numbers": "python"},
        ("0.1", "1e16", "1e+16", "10.0"),
    ),
    "python-integers": ({"type": "integer", "multipleOf": 5}, {"numbers": "python"}, ("10", "10.0", "7")),
    "plain-integers": ({"type": "integer", "minimum": -3}, {"numbers": "plain"}, ("-3", "-0", "3.0")),
    "any-integers": (
        {"type": "integer", "maximum": 300},
        {"numbers": "any"},
        ("3e2", "300.0", "3000e-1", "301"),
    ),
    "indent-empty": (
        {"type": "array", "items": {"type": "object"}},
        {"whitespace": 1},
        ("[\n {}\n]", "[\n{}]"),
    ),
    "indent-deep": (
        {"items": {"items": {"type": "null"}, "type": "array"}, "type": "array"},
        {"whitespace": 2},
        ("[\n  [\n    null,\n    null\n  ],\n  []\n]",),
    ),
    "openai": (
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"anyOf": [{"type": "null"}, {"enum": ["x"]}]}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
        dict(sg.OPENAI_STRICT),
        ('{"a":1,"b":"x"}',),
    ),
}


def cases() -> Iterator[Case]:
    """Return all of them."""
    for name, options in WAYS.items():
        yield Case(f"policy/{name}", partial(sg.json_schema, VALUE, **options), TEXTS)
    for name, (schema, options, texts) in CAPPED.items():
        yield Case(f"policy/{name}", partial(sg.json_schema, schema, **options), texts)
