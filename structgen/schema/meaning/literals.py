"""Literals: a schema, or its negation, as it stands in a conjunction."""

from __future__ import annotations

from structgen.schema.reading.model import Schema

OBJECT, ARRAY, STRING, NUMBER, BOOLEAN, NULL = 1, 2, 4, 8, 16, 32
EVERY = 63
"""The JSON types as bits."""


class Literal:
    """A schema that a value meets or, where it is `denied`, that the value does not meet.

    Identity is equality: `PlaceTables.signed` makes one for each schema and sign. They are sorted by the ids
    of their schemas.
    """

    __slots__ = ("denied", "schema")

    def __init__(self, schema: Schema, denied: bool) -> None:
        self.schema, self.denied = schema, denied

    def __lt__(self, other: Literal) -> bool:
        return (self.schema.id, self.denied) < (other.schema.id, other.denied)

    def excludes(self, other: Literal) -> bool:
        """Return whether one literal is the negation of the other."""
        return self.schema is other.schema and self.denied is not other.denied


def _any_value() -> Schema:
    schema = Schema(-1, "")
    schema.verdict = schema.decided = schema.by_value = True
    schema.kinds, schema.spoken = EVERY, 0
    schema.only_values = schema.combined = False
    schema.values = schema.opened = schema.refused = None
    return schema


ALWAYS = Literal(_any_value(), False)
"""The literal that every value meets, whatever the schemas are. Its schema's id is no other's."""
NEVER = Literal(ALWAYS.schema, True)
"""The literal that no value meets."""
