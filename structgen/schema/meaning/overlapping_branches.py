"""Which branches of a `oneOf` may overlap: cheap proofs that two branches are disjoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from structgen.errors import LimitError
from structgen.limits import Limits
from structgen.schema.meaning.place import NEVER, OBJECT, STRING, PlaceTables
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.reading.model import Schema

_PINNED = 16
"""Schemas with more properties than this are not searched for constants that contradict known facts."""

_FEW = 8
"""Finite sets of at most so many strings are tried on the patterns of the other side."""


class OverlappingBranches:
    """Cheap proofs that two schemas exclude each other; False or None never means that they do not."""

    def __init__(self, tables: PlaceTables, scalars: Scalars, limits: Limits) -> None:
        self.tables = tables
        self.scalars = scalars
        self.limits = limits
        self._overlaps: dict[tuple[int, ...], list[list[int]]] = {}
        self._pins: dict[int, Mapping[str, frozenset[object]]] = {}
        self._required: dict[int, Mapping[str, tuple[int, ...]]] = {}
        self._discriminators: dict[int, Mapping[str, frozenset[object]]] = {}

    def of(self, literals: list[int], kind: int, schema: Schema) -> list[list[int]]:
        """Return for each branch the others that it may overlap with; remembered, and not to be changed.

        An index over a required key with constants (a discriminator) separates most branches, so that a union
        of thousands is not compared pair by pair.
        """
        key = (kind, *literals)
        found = self._overlaps.get(key)
        if found is None:
            found = self._overlaps[key] = self._compare(literals, kind, schema)
        return found

    def _compare(self, literals: list[int], kind: int, schema: Schema) -> list[list[int]]:
        size = len(literals)
        overlaps: list[list[int]] = [[] for _ in range(size)]
        if size < 2:
            return overlaps
        known = [self._discriminating(literal) for literal in literals] if kind == OBJECT else []
        pairs: Iterable[tuple[int, int]]
        if known and size > 8:
            tally: dict[str, int] = {}
            for facts in known:
                for key in facts:
                    tally[key] = tally.get(key, 0) + 1
            if tally:
                best = max(tally, key=lambda key: tally[key])
                buckets: dict[object, list[int]] = {}
                loose: list[int] = []
                for index, facts in enumerate(known):
                    if best in facts:
                        for value in facts[best]:
                            buckets.setdefault(value, []).append(index)
                    else:
                        loose.append(index)
                found = {(a, b) for bucket in buckets.values() for b in bucket for a in bucket if a < b}
                found.update((min(a, b), max(a, b)) for a in loose for b in range(size) if a != b)
                pairs = sorted(found)
            else:
                pairs = ((a, b) for a in range(size) for b in range(a + 1, size))
        else:
            pairs = ((a, b) for a in range(size) for b in range(a + 1, size))
        steps = 0
        for a, b in pairs:
            steps += 1
            if steps > 50 * self.limits.alternatives:
                raise LimitError(
                    f"oneOf has {size} branches that must be compared pair by pair.",
                    limit="alternatives",
                    where=schema.pointer,
                )
            if known and any(key in known[b] and known[a][key].isdisjoint(known[b][key]) for key in known[a]):
                continue
            if literals[a] ^ 1 == literals[b] or self.tables.clash((literals[a], literals[b])):
                continue
            if kind == OBJECT and (
                self._keys_clash(literals[a], literals[b]) or self._closed_out(literals[a], literals[b])
            ):
                continue
            overlaps[a].append(b)
            overlaps[b].append(a)
        return overlaps

    def _discriminating(self, literal: int) -> Mapping[str, frozenset[object]]:
        """Return keys that a positive literal requires with one of finitely many values."""
        if literal < 0 or literal & 1:
            return {}
        found = self._discriminators.get(literal)
        if found is None:
            required: set[str] = set()
            values: dict[str, frozenset[object]] = {}
            for schema in self.conjuncts(literal):
                required.update(schema.required)
                for key, child in schema.properties.items():
                    info = self.tables.info(child)
                    if info.values is not None:
                        values[key] = values[key] & info.values if key in values else frozenset(info.values)
            found = {key: finite for key, finite in values.items() if key in required}
            self._discriminators[literal] = found
        return found

    def conjuncts(self, literal: int) -> list[Schema]:
        """Return the schemas that hold wherever a positive literal does: itself, its `$ref`, its `allOf`."""
        found: dict[int, Schema] = {}
        stack = [self.tables.about(literal).schema]
        while stack:
            schema = self.tables.info(stack.pop()).schema
            if schema.id in found:
                continue
            found[schema.id] = schema
            stack.extend(schema.all_of)
            if schema.ref is not None:
                stack.append(schema.ref)
        return list(found.values())

    def _asked(self, literal: int) -> Mapping[str, tuple[int, ...]]:
        """Return the literals that a positive literal asks of keys which it requires."""
        found = self._required.get(literal)
        if found is None:
            asked: dict[str, tuple[int, ...]] = {}
            together = [] if literal < 0 or literal & 1 else self.conjuncts(literal)
            for key in dict.fromkeys(key for schema in together for key in schema.required):
                values = [schema.properties[key] for schema in together if key in schema.properties]
                if values:
                    asked[key] = tuple(map(self.tables.literal, values))
            found = self._required[literal] = asked
        return found

    def _keys_clash(self, a: int, b: int) -> bool:
        """Return whether both require a key whose value cannot be right for both."""
        one, other = self._asked(a), self._asked(b)
        return any(
            key in other
            and (self.tables.clash((*one[key], *other[key])) or self._strings_clash(one[key], other[key]))
            for key in one
        )

    def _strings_clash(self, one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        """Return whether one side allows only a few strings, none of which the other side allows."""
        for few, many in ((one, other), (other, one)):
            for literal in few:
                values = self.tables.infos[literal >> 1].values if literal >= 0 and not literal & 1 else None
                if values is None or len(values) > _FEW:
                    continue
                strings = [value for value in values if isinstance(value, str)]
                if len(strings) == len(values) and not any(
                    all(
                        self.scalars.string_meets(self.scalars.literal(asked, STRING), value)
                        for asked in many
                    )
                    for value in strings
                ):
                    return True
        return False

    def _closed_out(self, a: int, b: int) -> bool:
        """Return whether one branch requires a key that the other, a closed object, cannot hold."""
        if a < 0 or b < 0 or a & 1 or b & 1:
            return False
        for one, other in (
            (self.conjuncts(a), self.conjuncts(b)),
            (self.conjuncts(b), self.conjuncts(a)),
        ):
            closed = [
                schema
                for schema in other
                if schema.additional is not None
                and self.tables.literal(schema.additional) == NEVER
                and not schema.pattern_properties
            ]
            if closed and any(
                key not in schema.properties for part in one for key in part.required for schema in closed
            ):
                return True
        return False

    def pinned(self, literal: int) -> Mapping[str, frozenset[object]]:
        """Return the keys to which a schema's own `properties` give one of finitely many values."""
        found = self._pins.get(literal)
        if found is None:
            found = {}
            info = self.tables.infos[literal >> 1]
            if info.types & OBJECT and len(info.schema.properties) <= _PINNED:
                for key, child in info.schema.properties.items():
                    values = self.tables.info(child).values
                    if values is not None:
                        found[key] = values
            self._pins[literal] = found
        return found
