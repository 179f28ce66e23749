"""Schemas of arguments whose roots say more or less than that a value is an object."""

from __future__ import annotations

from typing import Any

_A = {"a": {"type": "string", "maxLength": 3}}
_AB = {**_A, "b": {"type": "integer"}}
_DRAFT7 = "http://json-schema.org/draft-07/schema#"
_KINDS = [
    {"properties": {"kind": {"const": "x"}, "b": {"type": "integer"}}, "required": ["kind", "b"]},
    {"properties": {"kind": {"const": "y"}, "s": {"type": "string"}}, "required": ["kind"]},
]

ROOTS: dict[str, Any] = {
    "empty": {},
    "true": True,
    "type": {"type": "object"},
    "types": {"type": ["object", "null"], "properties": _A},
    "every type": {"type": ["string", "object", "array", "number", "boolean", "null"]},
    "properties": {"properties": _A},
    "required alone": {"required": ["a"]},
    "properties and required": {"properties": _AB, "required": ["b"]},
    "closed": {"additionalProperties": False},
    "title": {"title": "No arguments", "description": "None."},
    "enum": {"enum": [0, "x", {"a": 1}, {"a": 2, "b": None}]},
    "const": {"const": {"a": "x", "b": True}},
    "propertyNames": {"propertyNames": {"enum": ["a", "b"]}, "properties": _AB},
    "dependencies": {"$schema": _DRAFT7, "properties": _AB, "dependencies": {"a": ["b"]}},
    "kinds": {"oneOf": _KINDS},
    "kinds of objects": {"type": "object", "anyOf": _KINDS},
    "allOf": {"allOf": [{"properties": _A}, {"properties": {"b": {"type": "integer"}}, "required": ["b"]}]},
    "a text or an object": {"anyOf": [{"type": "string"}, {"type": "object", "properties": _A}]},
    "an object or null": {"oneOf": [{"type": "null"}, {"properties": _A, "type": "object"}]},
    "no text": {"not": {"type": "string"}},
    "unevaluated": {"allOf": [{"properties": _A}], "unevaluatedProperties": False},
    "reference": {"$ref": "#/$defs/it", "$defs": {"it": {"properties": _AB}}},
    "reference to objects": {"$ref": "#/$defs/it", "$defs": {"it": {"type": "object", "properties": _AB}}},
    "reference beside": {"$ref": "#/$defs/it", "required": ["b"], "$defs": {"it": {"properties": _AB}}},
    "old reference": {
        "$schema": _DRAFT7,
        "$ref": "#/definitions/it",
        "definitions": {"it": {"properties": _A}},
    },
    "two references": {
        "$ref": "#/$defs/one",
        "$defs": {"one": {"$ref": "#/$defs/two"}, "two": {"type": ["object", "null"], "properties": _A}},
    },
    "anchor": {"$ref": "#it", "$defs": {"it": {"$anchor": "it", "properties": _AB}}},
    "dynamic": {"$dynamicRef": "#it", "$defs": {"it": {"$dynamicAnchor": "it", "properties": _AB}}},
    "recursive": {
        "properties": {"a": {"type": "integer"}, "rest": {"type": "array", "items": {"$ref": "#"}}}
    },
    "draft 4": {"$schema": "http://json-schema.org/draft-04/schema#", "properties": _AB},
    "draft 3": {
        "$schema": "http://json-schema.org/draft-03/schema#",
        "type": ["null", {"properties": {"a": {"type": "integer", "required": True}}, "type": "object"}],
    },
    "numbers elsewhere": {"minimum": 3, "minLength": 2, "items": {"type": "string"}, "properties": _A},
}
"""Roots that objects satisfy. The law of conditions draws others."""

NEVER: dict[str, Any] = {
    "false": False,
    "array": {"type": "array", "items": {"type": "string"}},
    "types": {"type": ["string", "null"]},
    "const": {"const": 5},
    "enum": {"enum": ["a", None]},
    "reference": {"$ref": "#/$defs/it", "$defs": {"it": {"type": "string"}}},
    "old reference": {
        "$schema": _DRAFT7,
        "$ref": "#/definitions/it",
        "definitions": {"it": {"type": "array"}},
    },
    "not": {"not": {"type": "object"}},
    "anyOf": {"anyOf": [{"type": "string"}, {"type": "number"}]},
    "allOf": {"allOf": [{"type": "string"}]},
    "nothing": {"not": {}},
    "required": {"properties": {"a": False}, "required": ["a"]},
}
"""Roots that no object satisfies."""
