"""Values as literals: what was written of a document becomes part of what the rest must meet."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, TypeAlias

from structgen.schema.reading.model import Json, Schema

if TYPE_CHECKING:
    from structgen.schema.meaning.place import PlaceTables

Rest: TypeAlias = frozenset[tuple[str, int]] | tuple[int, ...]
"""An object (its members) or an array (its items), each value as the literal of a constant."""


class Constants:
    """The literals of single values, and of sets of them; part of `PlaceTables`."""

    def __init__(self, tables: PlaceTables) -> None:
        self.tables = tables
        self.sets: dict[int, frozenset[int]] = {}
        """Ids of the schemas that `among` made, each with the literals of its values."""
        self._among: dict[frozenset[int], int] = {}
        self._rests: dict[int, Rest | None] = {}
        self._known: dict[int, tuple[frozenset[Hashable], Json, int]] = {}
        """Of each literal: its key of equality, its value, the bit of its type."""

    def value(self, value: Json, pointer: str) -> int:
        """Return the literal of one value; equal values have equal literals."""
        return self.tables.literal(self.tables.constant(value, pointer))

    def among(self, values: frozenset[int]) -> int:
        """Return the literal of a set of values, given by the literals of each."""
        found = self._among.get(values)
        if found is None:
            known = self._known
            keys: set[Hashable] = set()
            ordered: list[Json] = []
            types = 0
            for literal in sorted(values):
                said = known.get(literal)
                if said is None:
                    info = self.tables.infos[literal >> 1]
                    said = known[literal] = (info.values or frozenset(), self.value_of(literal), info.types)
                keys |= said[0]
                ordered.append(said[1])
                types |= said[2]
            # A schema of its own, also of one value: what is said of sets is not said of constants.
            schema = self.tables.schema(pointer="", enum=tuple(ordered))
            self.tables.described(schema, frozenset(keys), types)
            self.sets[schema.id] = values
            found = self._among[values] = self.tables.literal(schema)
        return found

    def none_of(self, values: frozenset[int]) -> int:
        """Return the literal that excludes a set of values."""
        return self.tables.negate(self.among(values))

    def value_of(self, literal: int) -> Json:
        """Return the value of a literal that `value` made."""
        enum = self.tables.infos[literal >> 1].schema.enum
        assert enum is not None and len(enum) == 1
        return enum[0]

    def members_of(self, schema: Schema, objects: bool) -> list[Rest]:
        """Return the objects, or the arrays, of a set that `among` made."""
        wanted = frozenset if objects else tuple
        found = (self._rest(literal) for literal in sorted(self.sets[schema.id]))
        return [rest for rest in found if isinstance(rest, wanted)]

    def _rest(self, literal: int) -> Rest | None:
        """Return the object or array of a literal that `value` made, None for a scalar."""
        if literal not in self._rests:
            value, pointer = self.value_of(literal), self.tables.infos[literal >> 1].schema.pointer
            rest: Rest | None = None
            if isinstance(value, dict):
                rest = frozenset((key, self.value(child, pointer)) for key, child in value.items())
            elif isinstance(value, list):
                rest = tuple([self.value(child, pointer) for child in value])
            self._rests[literal] = rest
        return self._rests[literal]
