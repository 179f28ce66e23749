"""Reads the root of the schema of a tool's arguments: its references, its type, and the keys that it names.

The *root* is the outermost schema, or the schema to which its references lead. With `{"$ref": "#/$defs/a",
"$defs": {"a": {"type": "object"}}}` the root is the definition `a`. A key is *named* if it is in some
`properties` of the schema. A *draft* is a version of JSON Schema.
"""

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
    """Return those of `keywords` that a schema has, with their values. A schema that is put around this one
    needs them, so that references inside still work."""
    if not isinstance(schema, dict):
        return {}
    return {name: schema[name] for name in keywords if name in schema}


def _mappings_in(schema: object) -> Iterator[Schema]:
    """Yield a schema and all mappings inside it, at any depth."""
    yield from (inner for _, inner in values_in(schema) if isinstance(inner, Mapping))


def is_local(schema: object) -> bool:
    """Return whether all references in a schema lead to its own definitions (`$defs`, `definitions`)."""
    for inner in _mappings_in(schema):
        for keyword in ("$ref", "$dynamicRef"):
            reference = inner.get(keyword)
            if isinstance(reference, str) and not reference.startswith(("#/$defs/", "#/definitions/")):
                return False
    return True


def all_of(schema: Schema) -> str:
    """Return the keyword that joins schemas in the draft of a schema: `extends` in draft 3, else `allOf`."""
    return "extends" if draft_of(str(schema.get("$schema", ""))) == "3" else "allOf"


def root_of(schema: Schema, begin: Any = None) -> tuple[str, Any]:
    """Return the place and the schema to which the references at a schema's root lead.

    `begin`: a part of the schema whose references are followed instead. A reference that is not a JSON
    pointer is not followed. Example: ("#/$defs/a", {"type": "object"}).
    """
    where = "#"
    root = schema if begin is None else begin
    visited = {where}
    while isinstance(root, Mapping) and str(reference := root.get("$ref", "")).startswith("#/"):
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
    """Yield the keys of a schema's `properties`, and of the schemas that apply to every value too: those in
    `allOf`, and those to which references lead."""
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
    """Return a schema that accepts the objects that `schema` accepts, and nothing else. Its type `object` is
    at its own root, or at the schema to which its references lead."""
    _, root = root_of(schema)
    if root.get("type") == "object":
        return dict(schema)
    kinds = schema.get("type")
    draft = draft_of(str(schema.get("$schema", "")))
    is_void = "$ref" in schema and draft in DRAFTS[:4]  # the first four drafts ignore what is beside $ref
    reference = {"$ref": schema["$ref"]} if is_void else {}
    if any(isinstance(kind, Mapping) for kind in as_list(kinds)):
        if draft != DRAFTS[0]:  # only the first draft allows schemas in `type`
            return dict(schema)  # the schema is refused later, with the place of this type
        reference["type"] = kinds
    if not reference:
        return {**schema, "type": "object"}
    if is_void:
        rest = copy_shared_keywords(dict(schema))
    else:
        rest = {key: value for key, value in schema.items() if key not in reference}
    # The type `object` replaces the reference or the types at the root, which move into a part of `allOf`.
    keyword = all_of(schema)
    parts = [*as_list(rest.get(keyword, [])), reference]
    return {**rest, "type": "object", keyword: parts}


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and any other value as the only item of a list."""
    return value if isinstance(value, list) else [value]
