"""The schema of the answer to one page, which may have less than that of the whole document.

Any member of an object may be null, since another page may state it. A list may have fewer items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from structgen.base.json_text.exact_json import (
    Json,
    JsonMapping,
    JsonObject,
    escape,
    target_of,
    values_in,
    write_canonical,
)

OF_ALL_ITEMS: Final = {"minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains"}
"""The keywords of an array that concern all items of a document together."""
ARRAYS: Final = ("array", ["array"])
"""The values of `type` in the schema of a list."""
Holds: TypeAlias = Callable[[Any, Json], bool]
"""A function that returns whether a part of the schema allows a value."""


def definitions_of(schema: JsonMapping) -> JsonObject:
    """Return the members of a schema that its references lead into, such as `$defs`. A part of the schema,
    taken out of it, needs them."""
    names = (node["$ref"] for _, node in values_in(schema) if isinstance(node, dict) and "$ref" in node)
    heads = {str(name).split("/")[1] for name in names if str(name).startswith("#/")}
    return {key: part for key, part in schema.items() if key in heads | {"$defs"}}


def resolve_reference(node: Any, root: JsonMapping) -> tuple[Any, str]:
    """Return the schema that `node` refers to, and the reference. Without one: `node` itself, and ""."""
    name = node.get("$ref", "") if isinstance(node, Mapping) else ""
    target = target_of(root, name) if str(name).startswith("#") else None
    return (node, "") if target is None else (target, name)


def without_counts(schema: JsonMapping) -> JsonObject:
    """Return the schema with any number of items allowed in its list, which may be wrapped in an object."""
    return {**definitions_of(schema), **_without_counts(schema, schema)}


def _without_counts(node: Any, root: JsonMapping) -> JsonObject:
    node, _ = resolve_reference(node, root)
    if node.get("type") in ARRAYS:
        return {key: keyword for key, keyword in node.items() if key not in OF_ALL_ITEMS}
    members = node.get("properties", {}).items()
    properties = {key: _without_counts(member, root) for key, member in members}
    return {**node, "properties": properties}


def with_nullable_members(schema: JsonMapping) -> JsonObject:
    """Return the schema with null allowed for any member of its object, and for members of such members.

    A schema without members gets null as another value. Items of arrays stay as they are, because a page has
    an item whole or not at all.
    """
    root, name = resolve_reference(schema, schema)
    # a value without members is stated as a whole, or not at all
    if "properties" not in root:
        return {**definitions_of(schema), "anyOf": [schema, {"type": "null"}]}
    around = {key: part for key, part in schema.items() if key.startswith("$") and key != "$ref"}
    nullable = _nullable_members(root, schema, frozenset({name} - {""}))
    return {**definitions_of(schema), **around, **nullable}


def without_needless_nulls(value: Json, schema: JsonMapping) -> Json:
    """Return a value without the members that are null and not required, so that their defaults are used."""
    return _drop_nulls(value, schema, schema)


def count_fault(
    items: Sequence[Json],
    schema: JsonMapping,
    holds: Holds,
) -> str:
    """Return a sentence about the first keyword on all items together that a list violates; "" if there is
    none. For example "minItems is 2, and there are 1." `holds`: returns whether a schema allows a value."""
    counts = [(len(items), "minItems", "maxItems", 0)]
    if "contains" in schema:
        count = sum(holds(schema["contains"], item) for item in items)
        counts.append((count, "minContains", "maxContains", 1))
    for count, low, high, usual in counts:
        lower = schema.get(low, usual)
        upper = schema.get(high, count)
        if not lower <= count <= upper:
            name = low if count < lower else high
            return f"{name} is {schema.get(name, usual)}, but the list has {count:,} items."
    is_twice = len({write_canonical(item) for item in items}) < len(items)
    return "uniqueItems is true, and two items are equal." if schema.get("uniqueItems") and is_twice else ""


def find_unstated(
    value: Json,
    node: Any,
    root: JsonMapping,
    holds: Holds,
    pointer: str = "",
) -> str | None:
    """Return the JSON Pointer of the first null in a value that its schema does not allow; None without one.

    `node`: the schema of the value. `root`: the whole schema, for references. `holds`: as in `count_fault`.
    `pointer`: the pointer of the value itself.
    """
    node, _ = resolve_reference(node, root)
    if value is None:
        return None if holds(node, None) else pointer
    # members that the schema does not name are not checked
    is_object = isinstance(node, Mapping) and isinstance(value, dict)
    members = node.get("properties", {}) if is_object else {}
    inside = (
        find_unstated(member, members[name], root, holds, f"{pointer}/{escape(name)}")
        for name, member in (value.items() if isinstance(value, dict) else ())
        if name in members
    )
    return next((unstated for unstated in inside if unstated is not None), None)


def _nullable_members(
    node: Any,
    root: JsonMapping,
    around: frozenset[str],
) -> JsonObject:
    members = node.get("properties", {})
    nullable = {}
    for name, member in members.items():
        target, reference = resolve_reference(member, root)
        is_object = isinstance(target, Mapping) and target.get("type") == "object" and "properties" in target
        # a class inside of itself is not changed again
        if is_object and reference not in around:
            member = _nullable_members(target, root, around | {reference} - {""})
        nullable[name] = {"anyOf": [member, {"type": "null"}]}
    return {**node, "properties": nullable}


def _drop_nulls(value: Json, node: Any, root: JsonMapping) -> Json:
    node, _ = resolve_reference(node, root)
    if not isinstance(value, dict) or not isinstance(node, Mapping):
        return value
    members = node.get("properties", {})
    required_names = node.get("required", ())
    return {
        name: _drop_nulls(member, members.get(name), root)
        for name, member in value.items()
        if member is not None or name in required_names or name not in members
    }
