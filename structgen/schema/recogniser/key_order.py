"""The order in which the keys of an object are written, under the policy property_order="declared".

The declared order is the order in which the schema names the keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from structgen.schema.reading.keywords import field_of
from structgen.schema.reading.model import Schema, parts_of

NameSet: TypeAlias = dict[str, None]
"""A set of names, in the order in which they came in."""
_READ = ("properties", "$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas")
"""The order assumed for schemas that were made without a text."""


def declared_keys(schemas: Iterable[Schema]) -> list[str]:
    """Return the keys that have a position of their own in the objects at a place, in that order.

    A key's position is its first mention in `properties`. The members of each schema are read in text order,
    and into `allOf`, `anyOf`, `oneOf`, `$ref` (each target once), `dependentSchemas`, and `if`, `then` and
    `else` where they have an effect (an `if` alone has none), never `not`. Next come the keys named only in
    `required`. All other keys may follow in any order. Linear, iterative.
    """
    mentioned_keys: NameSet = {}
    required_keys: NameSet = {}
    visited: set[int] = set()
    # A stack of iterators: a schema is read to its end before the next one beside it.
    stack: list[Iterator[Schema]] = [iter(schemas)]
    while stack:
        schema = next(stack[-1], None)
        if schema is None:
            stack.pop()
            continue
        if schema.id in visited:
            continue
        visited.add(schema.id)
        for key in schema.required:
            required_keys[key] = None
        names = schema.applicators
        # The frequent case: no combinator, so that no iterator is needed.
        if not names or names == ("properties",):
            mentioned_keys.update(dict.fromkeys(schema.properties))
            if names:
                continue
        stack.append(_applied_schemas(schema, mentioned_keys))
    for key in required_keys:
        mentioned_keys.setdefault(key)
    return list(mentioned_keys)


def _applied_schemas(schema: Schema, mentioned_keys: NameSet) -> Iterator[Schema]:
    """Yield the schemas that apply to the same value as a schema, in text order,
    noting `properties` as they are passed."""
    for name in schema.applicators or _READ:
        if name == "properties":
            for key in schema.properties:
                mentioned_keys.setdefault(key)
        elif name == "if" and schema.then is None and schema.else_ is None:
            continue
        else:
            yield from parts_of([getattr(schema, field_of(name))])
