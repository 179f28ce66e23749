"""The declared order of an object's keys: the policy property_order="declared"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from structgen.schema.reading.model import Schema

_READ = ("properties", "$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas")
"""The order assumed for schemas that were made without a text."""


def declared(schemas: Iterable[Schema]) -> list[str]:
    """Return the keys that have a place of their own in the objects of a location, in that order.

    A key's place is its first mention in `properties`. The members of each schema are read in text order, and
    into `allOf`, `anyOf`, `oneOf`, `$ref` (each target once), `dependentSchemas`, and `if`, `then` and `else`
    where they have an effect (an `if` alone has none), never `not`. Next come the keys named only in
    `required`. All other keys may follow in any order.
    Linear, iterative.
    """
    mentioned: dict[str, None] = {}
    required: dict[str, None] = {}
    seen: set[int] = set()
    stack: list[Iterator[Schema]] = [iter(schemas)]
    while stack:
        schema = next(stack[-1], None)
        if schema is None:
            stack.pop()
            continue
        if schema.id in seen:
            continue
        seen.add(schema.id)
        for key in schema.required:
            required[key] = None
        names = schema.applicators
        if not names or names == ("properties",):
            mentioned.update(dict.fromkeys(schema.properties))
            if names:
                continue
        stack.append(_applied(schema, mentioned))
    for key in required:
        mentioned.setdefault(key)
    return list(mentioned)


def _applied(schema: Schema, mentioned: dict[str, None]) -> Iterator[Schema]:
    """Yield the schemas that apply to the same value, in text order,
    noting `properties` as they are passed."""
    for name in schema.applicators or _READ:
        if name == "properties":
            for key in schema.properties:
                mentioned.setdefault(key)
        elif name == "$ref":
            if schema.ref is not None:
                yield schema.ref
        elif name == "allOf":
            yield from schema.all_of
        elif name == "anyOf":
            yield from schema.any_of
        elif name == "oneOf":
            yield from schema.one_of
        elif name == "if":
            if schema.if_ is not None and (schema.then is not None or schema.else_ is not None):
                yield schema.if_
        elif name == "then":
            if schema.then is not None:
                yield schema.then
        elif name == "else":
            if schema.else_ is not None:
                yield schema.else_
        elif name in ("dependentSchemas", "dependencies"):
            yield from schema.dependent_schemas.values()
