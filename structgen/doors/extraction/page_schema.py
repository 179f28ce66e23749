"""The schema of what one page says: less than the whole document does.

Of an object any member may be null, since another page may state it. Of a list there may be fewer items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from structgen.base.json_text.exact_json import Json, target_of, values_in

OF_ALL_ITEMS: Final = {"minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains"}
"""Keywords that are said of all items of a document together."""


def referred(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a schema that its references lead into, such as `$defs`: a part of it is a schema
    of its own beside these."""
    names = (one["$ref"] for _, one in values_in(schema) if isinstance(one, dict) and "$ref" in one)
    heads = {str(name).split("/")[1] for name in names if str(name).startswith("#/")}
    return {key: one for key, one in schema.items() if key in heads | {"$defs"}}


def without_counts(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of lists, perhaps held by an object, that may have any number of items."""
    if schema.get("type") == "array":
        return {key: one for key, one in schema.items() if key not in OF_ALL_ITEMS}
    return {**schema, "properties": {key: without_counts(one) for key, one in schema["properties"].items()}}


def with_nullable_members(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of the objects of a schema, of which any member may be null, those of members that
    are objects too; of a schema without members, the one that has null too. Items of arrays stay as they are:
    one that is there is whole."""
    root, name = _resolved(schema, schema)
    if "properties" not in root:
        return {**referred(schema), "anyOf": [schema, {"type": "null"}]}
    around = {key: one for key, one in schema.items() if key.startswith("$") and key != "$ref"}
    return {**referred(schema), **around, **_nullable(root, schema, frozenset({name}))}


def without_needless_nulls(value: Json, schema: Mapping[str, Any]) -> Json:
    """Return a value without the members that are null, and need not be there: a default stands for them."""
    return _filled(value, schema, schema)


def _resolved(node: Any, root: Mapping[str, Any]) -> tuple[Any, str]:
    """Return what a schema refers to, itself where it refers to nothing, and the reference."""
    name = node.get("$ref", "") if isinstance(node, Mapping) else ""
    found = target_of(root, name) if str(name).startswith("#") else None
    return (node, "") if found is None else (found, name)


def _nullable(node: Any, root: Mapping[str, Any], around: frozenset[str]) -> dict[str, Any]:
    members = node.get("properties", {})
    changed = {}
    for name, one in members.items():
        found, reference = _resolved(one, root)
        is_object = isinstance(found, Mapping) and found.get("type") == "object" and "properties" in found
        if is_object and reference not in around:
            one = _nullable(found, root, around | {reference} - {""})
        changed[name] = {"anyOf": [one, {"type": "null"}]}
    return {**node, "properties": changed}


def _filled(value: Json, node: Any, root: Mapping[str, Any]) -> Json:
    node, _ = _resolved(node, root)
    if not isinstance(value, dict) or not isinstance(node, Mapping):
        return value
    members, needed = node.get("properties", {}), node.get("required", ())
    return {
        name: _filled(one, members.get(name), root)
        for name, one in value.items()
        if one is not None or name in needed or name not in members
    }
