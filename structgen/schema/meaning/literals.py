"""Literals: a *literal* is a schema that a value meets, or a denied schema that the value does not meet.

For example `{"not": {"type": "string"}}` becomes the literal of `{"type": "string"}` with `is_negated` True.
"""

from __future__ import annotations

from typing import TypeAlias

from structgen.schema.reading.model import Schema

OBJECT, ARRAY, STRING, NUMBER, BOOLEAN, NULL = 1, 2, 4, 8, 16, 32
EVERY = 63
"""The JSON types as bits."""


class Literal:
    """A schema that a value meets or, where it is `is_negated`, that the value does not meet.

    Identity is equality: `PlaceTables.signed_literal` makes one for each schema and sign. They are sorted by
    the ids of their schemas.
    """

    __slots__ = ("is_negated", "schema")

    def __init__(self, schema: Schema, is_negated: bool) -> None:
        self.schema = schema
        self.is_negated = is_negated

    def __lt__(self, other: Literal) -> bool:
        return (self.schema.id, self.is_negated) < (other.schema.id, other.is_negated)

    def is_negation_of(self, literal: Literal) -> bool:
        """Return whether one literal is the negation of the other."""
        return self.schema is literal.schema and self.is_negated is not literal.is_negated


Literals: TypeAlias = tuple[Literal, ...]
"""Literals in a fixed order, for example those that one value meets."""


def _any_value() -> Schema:
    # It belongs to no network: all members that one would work out are set here.
    schema = Schema(-1, "")
    schema.verdict = schema.known_verdict = schema.by_value = True
    schema.kinds = EVERY
    schema.spoken_types = 0
    schema.only_values = schema.has_combinators = False
    schema.values = schema.lone_all_of = schema.lone_not = None
    return schema


ALWAYS = Literal(_any_value(), False)
"""The literal that every value meets, whatever the schemas are. Its schema's id is no other's."""
NEVER = Literal(ALWAYS.schema, True)
"""The literal that no value meets."""
