"""Constraints that change nothing, as their own place shows.

Only what stands in the text of one place is looked at: a value that stands for absence, a type that the place
rules out. Whatever else changes nothing is found by proof (`implied_constraints`). Each constraint is judged
by itself: of two equal ones either can go, but not both.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Any

from structgen.schema.meaning.place import TYPE_BITS, type_bit
from structgen.schema.reading.document import Document
from structgen.schema.reading.schema_place import SchemaPlace

_SPEAKS_OF = MappingProxyType(
    {
        keyword: kind
        for kind, keywords in (
            ("string", "minLength maxLength pattern format contentEncoding contentMediaType"),
            ("number", "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf divisibleBy"),
            ("object", "properties patternProperties additionalProperties propertyNames required"),
            ("object", "minProperties maxProperties unevaluatedProperties dependencies"),
            ("object", "dependentRequired dependentSchemas propertyDependencies"),
            ("array", "items prefixItems additionalItems contains minContains maxContains"),
            ("array", "minItems maxItems uniqueItems unevaluatedItems"),
        )
        for keyword in keywords.split()
    }
)
"""Keywords that speak of one type of values."""
_OF_KEYS = frozenset(("properties", "required", "patternProperties", "dependencies", "dependentSchemas"))
"""Of these the keywords that mention keys, and so their order."""
_ABSENT = MappingProxyType(
    {"minLength": 0, "minItems": 0, "minProperties": 0, "required": [], "uniqueItems": False}
)
"""Values that say what absence says."""
_PARTS = frozenset(("properties", "patternProperties", "additionalProperties", "propertyNames", "items"))
"""Keywords with a schema for parts of a value, or a map of some."""


def redundant(document: Document, place: SchemaPlace, raw: dict[str, Any], keyword: str) -> str:
    """Return why a constraint that is enforced at a place changes nothing there, or "".

    Under caps (max_string, max_items, any_value), where something is `unevaluated`, and under the declared
    order of keys, less is known to change nothing.
    """
    value, policies = raw[keyword], document.policies
    if keyword in _ABSENT and value == _ABSENT[keyword]:
        return "asks for nothing"
    if (policies.max_string, policies.max_items, policies.any_value) != (None, None, None):
        return ""
    if policies.property_order != "any" and keyword in _OF_KEYS and value != {}:
        return ""
    types = reduce(or_, (TYPE_BITS[name] for name in place.types or TYPE_BITS))
    listed = types if place.enum is None else reduce(or_, map(type_bit, place.enum), 0)
    kind = _SPEAKS_OF.get(keyword)
    if kind is not None and not TYPE_BITS[kind] & types & listed:
        return f"speaks of {kind}s, and the place takes none"
    if keyword == "type" and place.types is not None and place.enum is not None:
        numbers = listed & TYPE_BITS["number"] and "number" not in place.types
        return "" if numbers or listed & ~types else "the values listed beside it are of such types"
    if keyword in _PARTS and not document.unevaluated and (value is True or value == {}):
        return "allows every value"
    return ""
