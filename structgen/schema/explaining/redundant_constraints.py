"""Constraints that change nothing, as their own place shows.

Constraints that the rest of the schema makes redundant (a bound that a pattern elsewhere implies, a branch
that never holds) are found by `implied_constraints`. Each is reported by itself: of two equal ones either can
go, but not both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from structgen.schema.reading.document import Document
from structgen.schema.reading.model import Json, Schema
from structgen.schema.reading.schema_place import SchemaPlace

_ASKS_NOTHING = "asks for nothing"
_ALLOWS_ALL = "allows every value"
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), "string"),
        **dict.fromkeys(("contentEncoding", "contentMediaType"), "string"),
        **dict.fromkeys(
            ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "divisibleBy"),
            "number",
        ),
        **dict.fromkeys(
            (
                *("properties", "patternProperties", "additionalProperties", "propertyNames"),
                *("required", "minProperties", "maxProperties", "unevaluatedProperties"),
                *("dependencies", "dependentRequired", "dependentSchemas", "propertyDependencies"),
            ),
            "object",
        ),
        **dict.fromkeys(
            (
                *("items", "prefixItems", "additionalItems", "contains", "minContains", "maxContains"),
                *("minItems", "maxItems", "uniqueItems", "unevaluatedItems"),
            ),
            "array",
        ),
    }
)
"""Keywords that speak of one type of values."""
_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *("properties", "pattern_properties", "additional", "property_names"),
                *("dependent_schemas", "unevaluated_properties"),
            ),
            "object",
        ),
        **dict.fromkeys(("prefix", "items", "contains", "unevaluated_items"), "array"),
    }
)
"""Fields of `Schema` that lead to the parts of values of one type."""
_NAMING = frozenset(
    (
        *("properties", "required", "$ref", "allOf", "anyOf", "oneOf", "if", "then", "else"),
        *("dependencies", "dependentSchemas", "extends", "patternProperties"),
    )
)
"""Keywords that mention keys, and so their order."""
_EVERY_TYPE = frozenset(("object", "array", "string", "number", "boolean", "null"))
_ALL_STRINGS = frozenset(("", ".*", "(.*)", "^", "$"))
_COUNTS = frozenset(("minLength", "minItems", "minProperties"))


class Redundant:
    """Answers for the places of one document."""

    def __init__(self, document: Document) -> None:
        """Cost: some 1 us for each place of the document."""
        policies = document.policies
        self._capped = (policies.max_string, policies.max_items, policies.any_value) != (None, None, None)
        self._ordered = policies.property_order != "any"
        self._unevaluated = document.unevaluated
        self._reached = _reached(document.root)

    def why(self, place: SchemaPlace, raw: dict[str, Any], keyword: str) -> str:
        """Return why a constraint that is enforced at a place changes nothing there, or "".

        Under caps (max_string, max_items, any_value), where something is `unevaluated`, and under the
        declared order of keys, less is known to change nothing.
        """
        value = raw[keyword]
        if asks_for_nothing(keyword, value):
            return _ASKS_NOTHING
        if self._capped:
            return ""
        if place.id not in self._reached:
            return "no value of the types around it has such a part"
        types = _types(place)
        if self._ordered and keyword in _NAMING and value != {}:
            return ""
        kind = _KINDS.get(keyword)
        if kind is not None and kind not in types:
            return f"speaks of {kind}s, and the place takes none"
        rule = _RULES.get(keyword)
        if rule is None or (self._unevaluated and keyword not in _SCALAR):
            return ""
        return rule(place, raw, value)


def asks_for_nothing(keyword: str, value: Json) -> bool:
    """Return whether a keyword has the value that its absence stands for."""
    if keyword in _COUNTS:
        return value == 0
    return (keyword == "required" and value == []) or (keyword == "uniqueItems" and value is False)


def _types(place: Schema) -> frozenset[str]:
    """Return the types that `type`, `enum` and `const` of a place leave open; integers are numbers."""
    types = _EVERY_TYPE
    if place.types is not None:
        types = frozenset("number" if name == "integer" else name for name in place.types)
    if place.enum is not None:
        types &= frozenset(map(_type, place.enum))
    return types


def _type(value: Json) -> str:
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (str, "string"), (list, "array"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return "number"


def _reached(root: Schema) -> frozenset[int]:
    """Return the ids of the schemas that apply to some value, as far as the types around them show."""
    found = {root.id}
    stack = [root]
    while stack:
        schema = stack.pop()
        types = _types(schema)
        fields = schema.__dict__ if isinstance(schema, SchemaPlace) else {}
        for name, held in fields.items():
            if _FIELDS.get(name, "") in ("", *types):
                for child in _schemas(held):
                    if child.id not in found:
                        found.add(child.id)
                        stack.append(child)
    return frozenset(found)


def _schemas(held: object) -> Iterator[Schema]:
    if isinstance(held, Schema):
        yield held
    elif isinstance(held, Mapping):
        yield from (child for child in held.values() if isinstance(child, Schema))
    elif isinstance(held, tuple):
        for child in held:
            one = child[1] if isinstance(child, tuple) and len(child) == 2 else child
            if isinstance(one, Schema):
                yield one


def _free(schema: Schema | None) -> bool:
    """Return whether a schema, or its absence, allows every value."""
    return schema is None or schema.verdict is True


def _all_free(schemas: Collection[Schema]) -> bool:
    return all(map(_free, schemas))


def _when(holds: bool, why: str = _ALLOWS_ALL) -> str:
    return why if holds else ""


# --- Rules: the place, its JSON object, the keyword's value -> why it changes nothing, or "" ----------------


def _type_rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
    types = place.types or _EVERY_TYPE
    if types >= _EVERY_TYPE:
        return "every value has one of these types"
    if not place.enum:
        return ""
    for one in place.enum:
        name = _type(one)
        if name == "number" and "number" not in types:
            whole = isinstance(one, (int, Decimal)) and one == int(one)
            if "integer" not in types or place.plain_integers or not whole:
                return ""
        elif name not in types:
            return ""
    return f"{'const' if 'const' in raw else 'enum'} lists such values alone"


def _enum_rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
    if place.types is None or "const" in raw:
        return ""
    every: dict[str, set[object]] = {"null": {None}, "boolean": {True, False}}
    wanted = {one for name in place.types for one in every.get(name, ())}
    listed = {one for one in value if one is None or isinstance(one, bool)}
    return _when(place.types <= every.keys() and wanted <= listed, "lists all values of its type")


def _multiple_rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
    whole = place.types is not None and "integer" in place.types and "number" not in place.types
    one = Decimal(1)
    fits = place.multiple_of is not None and Decimal("1e-9") < place.multiple_of <= one
    return _when(whole and fits and not one % (place.multiple_of or one), "every integer is such a multiple")


def _bound_rule(plain: str, exclusive: str, sign: int) -> Callable[[SchemaPlace, dict[str, Any], Any], str]:
    def rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
        bound, strict = getattr(place, plain), getattr(place, exclusive)
        both = bound is not None and strict is not None
        return _when(both and sign * strict >= sign * bound, "the exclusive bound beside it says more")

    return rule


def _strict_rule(plain: str, exclusive: str, sign: int) -> Callable[[SchemaPlace, dict[str, Any], Any], str]:
    def rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
        bound, strict = getattr(place, plain), getattr(place, exclusive)
        both = bound is not None and strict is not None
        return _when(both and sign * strict < sign * bound, "the bound beside it says more")

    return rule


def _properties_rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
    if not value:
        return "names no key"
    return _when(_all_free(tuple(place.properties.values())) and _free(place.additional))


def _pattern_properties_rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
    if not value:
        return "names no key"
    children = tuple(schema for _, schema in place.pattern_properties)
    return _when(_all_free(children) and _free(place.additional))


def _items_rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
    if isinstance(value, list):
        return _when(_all_free(place.prefix) and _free(place.items))
    return _when(_free(place.items))


def _depend_rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
    return _when(_all_free(tuple(place.dependent_schemas.values())) and not place.dependent_required)


def _ref_rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
    alone = len(raw) == 1 or not place.scope.dialect.hides_siblings
    return _when(place.ref is not None and _free(place.ref) and alone, "refers to what allows every value")


def _unique_rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
    return _when(place.max_items is not None and place.max_items < 2, "there is at most one item")


def _min_properties_rule(place: SchemaPlace, raw: dict[str, Any], value: Any) -> str:
    return _when(place.min_properties <= len(place.required), "as many keys are required")


_RULES: Mapping[str, Callable[[SchemaPlace, dict[str, Any], Any], str]] = MappingProxyType(
    {
        "type": _type_rule,
        "enum": _enum_rule,
        "multipleOf": _multiple_rule,
        "minimum": _bound_rule("minimum", "exclusive_minimum", 1),
        "maximum": _bound_rule("maximum", "exclusive_maximum", -1),
        "exclusiveMinimum": _strict_rule("minimum", "exclusive_minimum", 1),
        "exclusiveMaximum": _strict_rule("maximum", "exclusive_maximum", -1),
        "pattern": lambda place, raw, value: _when(value in _ALL_STRINGS, "matches every string"),
        "minProperties": _min_properties_rule,
        "uniqueItems": _unique_rule,
        "properties": _properties_rule,
        "patternProperties": _pattern_properties_rule,
        "additionalProperties": lambda place, raw, value: _when(_free(place.additional)),
        "propertyNames": lambda place, raw, value: _when(_free(place.property_names)),
        "dependencies": _depend_rule,
        "dependentRequired": _depend_rule,
        "dependentSchemas": _depend_rule,
        "items": _items_rule,
        "prefixItems": lambda place, raw, value: _when(_all_free(place.prefix) and _free(place.items)),
        "additionalItems": lambda place, raw, value: _when(_free(place.items)),
        "contains": lambda place, raw, value: _when(
            place.min_contains == 0 and place.max_contains is None, "none is asked for"
        ),
        "minContains": lambda place, raw, value: _when(place.min_contains == 1, _ASKS_NOTHING),
        "allOf": lambda place, raw, value: _when(_all_free(place.all_of)),
        "anyOf": lambda place, raw, value: _when(any(map(_free, place.any_of)), "one branch allows all"),
        "not": lambda place, raw, value: _when(
            place.not_ is not None and place.not_.verdict is False, "rules nothing out"
        ),
        "if": lambda place, raw, value: _when(
            _free(place.then) and _free(place.else_), "neither branch asks for anything"
        ),
        "then": lambda place, raw, value: _when(_free(place.then)),
        "else": lambda place, raw, value: _when(_free(place.else_)),
        "$ref": _ref_rule,
    }
)
_SCALAR = frozenset(
    (
        *("type", "enum", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("pattern", "minProperties", "uniqueItems", "propertyNames", "minContains", "not"),
    )
)
"""Keywords that evaluate nothing: without them the same members and items are `unevaluated`."""
