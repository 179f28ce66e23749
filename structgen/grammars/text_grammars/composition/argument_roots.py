"""What a schema says of arguments at its root: the objects that it accepts, and the keys that it names."""

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
    """Return what a schema around another one needs of it, for its references."""
    return {name: schema[name] for name in keywords if name in schema} if isinstance(schema, dict) else {}


def _mappings_in(schema: object) -> Iterator[Schema]:
    """Yield the mappings in a schema, itself too."""
    yield from (inner for _, inner in values_in(schema) if isinstance(inner, Mapping))


def is_local(schema: object) -> bool:
    """Return whether all references in a schema lead to its definitions."""
    references = (inner.get(key) for inner in _mappings_in(schema) for key in ("$ref", "$dynamicRef"))
    return all(
        reference.startswith(("#/$defs/", "#/definitions/"))
        for reference in references
        if isinstance(reference, str)
    )


def all_of(schema: Schema) -> str:
    """Return the name of `allOf` in the draft of a schema."""
    return "extends" if draft_of(str(schema.get("$schema", ""))) == "3" else "allOf"


def root_of(schema: Schema, begin: Schema | None = None) -> tuple[str, Schema]:
    """Return the schema to which the references at a schema's root lead, or those of a part of it, with its
    place; a reference that is no JSON pointer is not followed."""
    where, at_root = "#", schema if begin is None else begin
    visited = {where}
    while isinstance(reference := at_root.get("$ref"), str) and reference.startswith("#/"):
        target = target_of(schema, unquote(reference))
        if not isinstance(target, Mapping) or reference in visited:
            break
        visited.add(reference)
        where, at_root = reference, target
    return where, at_root


def named_properties(schema: object) -> Iterator[str]:
    """Yield the keys of all `properties` in a schema."""
    for inner in _mappings_in(schema):
        properties = inner.get("properties")
        yield from properties if isinstance(properties, Mapping) else ()


def always_named(schema: Schema) -> Iterator[str]:
    """Yield the keys of a schema's `properties`, and of those that it adds whatever a value is."""
    rest: list[Any] = [schema]
    visited = set[int]()
    while rest:
        inner = rest.pop()
        if isinstance(inner, Mapping) and id(inner) not in visited:
            visited.add(id(inner))
            yield from inner.get("properties", ())
            rest += (*as_list(inner.get(all_of(schema), [])), root_of(schema, inner)[1])


def of_objects(schema: Schema) -> dict[str, Any]:
    """Return the schema of the objects that a schema accepts: it says so at its root, or where a reference
    there leads."""
    if root_of(schema)[1].get("type") == "object":
        return dict(schema)
    kinds, draft = schema.get("type"), draft_of(str(schema.get("$schema", "")))
    is_void = "$ref" in schema and draft in DRAFTS[:4]  # there nothing counts beside a reference
    reference = {"$ref": schema["$ref"]} if is_void else {}
    if any(isinstance(kind, Mapping) for kind in as_list(kinds)):
        if draft != DRAFTS[0]:  # which alone has schemas there
            return dict(schema)  # refused in its place
        reference["type"] = kinds
    if not reference:
        return {**schema, "type": "object"}
    rest = (
        copy_shared_keywords(dict(schema))
        if is_void
        else {key: value for key, value in schema.items() if key not in reference}
    )
    together = all_of(schema)
    return {**rest, "type": "object", together: [*as_list(rest.get(together, [])), reference]}


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and the list of another value."""
    return value if isinstance(value, list) else [value]
