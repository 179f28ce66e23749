"""The root of the schema of arguments: the objects that the schema accepts, and the keys that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import unquote

from structgen.base.json_text.exact_json import target_of, values_in
from structgen.schema.reading.draft_names import DRAFTS, draft_of

Schema: TypeAlias = "Mapping[str, Any]"
"""A JSON Schema that is an object."""


def copy_shared_keywords(
    schema: dict[str, Any] | bool, keywords: Sequence[str] = ("$schema", "$id", "id", "$defs", "definitions")
) -> dict[str, Any]:
    """Return the keywords of a schema that one around it needs, for its references."""
    if not isinstance(schema, dict):
        return {}
    return {name: schema[name] for name in keywords if name in schema}


def _mappings_in(schema: object) -> Iterator[Schema]:
    """Yield the mappings in a schema, itself too."""
    yield from (inner for _, inner in values_in(schema) if isinstance(inner, Mapping))


def is_local(schema: object) -> bool:
    """Return whether all references in a schema lead to its definitions."""
    for inner in _mappings_in(schema):
        for keyword in ("$ref", "$dynamicRef"):
            reference = inner.get(keyword)
            if isinstance(reference, str) and not reference.startswith(("#/$defs/", "#/definitions/")):
                return False
    return True


def all_of(schema: Schema) -> str:
    """Return the name of `allOf` in the draft of a schema."""
    return "extends" if draft_of(str(schema.get("$schema", ""))) == "3" else "allOf"


def root_of(schema: Schema, begin: Schema | None = None) -> tuple[str, Schema]:
    """Return the schema to which the references at a schema's root lead, or those of a part of it, with its
    place; a reference that is no JSON pointer is not followed."""
    where = "#"
    root = schema if begin is None else begin
    visited = {where}
    while isinstance(reference := root.get("$ref"), str) and reference.startswith("#/"):
        target = target_of(schema, unquote(reference))
        if not isinstance(target, Mapping) or reference in visited:  # references may form a circle
            break
        visited.add(reference)
        where = reference
        root = target
    return where, root


def named_properties(schema: object) -> Iterator[str]:
    """Yield the keys of all `properties` in a schema."""
    for inner in _mappings_in(schema):
        properties = inner.get("properties")
        if isinstance(properties, Mapping):
            yield from properties


def always_named(schema: Schema) -> Iterator[str]:
    """Yield the keys of a schema's `properties`, and of those that it adds whatever a value is."""
    pending: list[Any] = [schema]
    visited: set[int] = set()
    while pending:
        inner = pending.pop()
        if isinstance(inner, Mapping) and id(inner) not in visited:
            visited.add(id(inner))
            yield from inner.get("properties", ())
            pending += as_list(inner.get(all_of(schema), []))
            _, referred = root_of(schema, inner)
            pending.append(referred)


def of_objects(schema: Schema) -> dict[str, Any]:
    """Return the schema of the objects that a schema accepts: it says so at its root, or where a reference
    there leads."""
    _, root = root_of(schema)
    if root.get("type") == "object":
        return dict(schema)
    kinds = schema.get("type")
    draft = draft_of(str(schema.get("$schema", "")))
    is_void = "$ref" in schema and draft in DRAFTS[:4]  # there nothing counts beside a reference
    reference = {"$ref": schema["$ref"]} if is_void else {}
    if any(isinstance(kind, Mapping) for kind in as_list(kinds)):
        if draft != DRAFTS[0]:  # which alone has schemas there
            return dict(schema)  # refused in its place
        reference["type"] = kinds
    if not reference:
        return {**schema, "type": "object"}
    if is_void:
        rest = copy_shared_keywords(dict(schema))
    else:
        rest = {key: value for key, value in schema.items() if key not in reference}
    # the type at the root replaces another one there, which moves into a part beside it
    keyword = all_of(schema)
    parts = [*as_list(rest.get(keyword, [])), reference]
    return {**rest, "type": "object", keyword: parts}


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and the list of another value."""
    return value if isinstance(value, list) else [value]
