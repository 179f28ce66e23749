"""What the objects of one branch of a union have in common: the keys that are there, and their values.

The facts tell branches apart. They are read under the assumption that some keys are absent: a branch that
requires one of them has no such object, and branches that differ in these keys alone say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

from structgen.schema.meaning.place import ALWAYS, NEVER, OBJECT, PlaceTables
from structgen.schema.reading.model import Schema

_NESTED_UNIONS = 8
"""Unions within unions are read to this depth; below it a branch is compared by its identity alone."""


class BranchFacts(NamedTuple):
    """Facts about all objects that meet a literal and hold none of some keys."""

    required: frozenset[str]
    asked: Mapping[str, tuple[int, ...]]
    """The literals that hold for the value under a key, where it is there."""
    finite: Mapping[str, frozenset[Hashable]]
    """The finitely many values that a key may have, as keys of equality."""
    closed: tuple[frozenset[str], ...]
    """Sets of keys outside of which no key may be there."""
    residue: Hashable
    """Literals with equal residues have the same objects among those that hold none of the keys."""


class BranchReader:
    """Reads the facts of literals, and remembers them."""

    def __init__(self, tables: PlaceTables) -> None:
        self.tables = tables
        self._found: dict[tuple[int, frozenset[str]], BranchFacts | None] = {}

    def of(self, literal: int, absent: frozenset[str], depth: int = _NESTED_UNIONS) -> BranchFacts | None:
        """Return the facts of a literal, None where no object meets it. Cost: the keywords of the branch."""
        key = literal, absent
        if key not in self._found:
            self._found[key] = self._read(literal, absent, depth)
        return self._found[key]

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

    def _read(self, literal: int, absent: frozenset[str], depth: int) -> BranchFacts | None:
        if literal == NEVER:
            return None
        if literal == ALWAYS or literal & 1 or not depth:
            return BranchFacts(frozenset(), {}, {}, (), ("literal", literal))
        reading = _Reading(self, absent, depth - 1)
        for schema in self.conjuncts(literal):
            if not reading.take(schema):
                return None
        return reading.facts()


class _Reading:
    """The facts of one literal while they are collected."""

    def __init__(self, reader: BranchReader, absent: frozenset[str], depth: int) -> None:
        self.reader, self.tables, self.absent, self.depth = reader, reader.tables, absent, depth
        self.required: set[str] = set()
        self.asked: dict[str, list[int]] = {}
        self.finite: dict[str, frozenset[Hashable]] = {}
        self.closed: list[frozenset[str]] = []
        self.residue: set[Hashable] = set()

    def facts(self) -> BranchFacts | None:
        if not self.required.isdisjoint(self.absent):
            return None
        for key in self.required:
            if NEVER in self.asked.get(key, ()):
                return None
        for key, literals in self.asked.items():
            for literal in literals:
                if literal >= 0 and not literal & 1:
                    self._allow(key, self.tables.about(literal).values)
        asked = {key: tuple(literals) for key, literals in self.asked.items()}
        self.residue.add(("required", frozenset(self.required)))
        return BranchFacts(
            frozenset(self.required), asked, self.finite, tuple(self.closed), frozenset(self.residue)
        )

    def take(self, schema: Schema) -> bool:
        """Take up the keywords of a schema; return False where no object meets it."""
        tables = self.tables
        info = tables.info(schema)
        if info.verdict is False or not info.types & OBJECT:
            return False
        self.required.update(schema.required)
        for key, child in schema.properties.items():
            if key not in self.absent:
                literal = tables.literal(child)
                if literal != ALWAYS:
                    self.asked.setdefault(key, []).append(literal)
                    self.residue.add(("value", key, tables.twin(literal)))
        patterns = tuple([(source, tables.literal(child)) for source, child in schema.pattern_properties])
        if schema.additional is not None:
            literal = tables.literal(schema.additional)
            named = frozenset(schema.properties) - self.absent
            self.residue.add(("other", named, patterns, tables.twin(literal)))
            if literal == NEVER and not patterns:
                self.closed.append(frozenset(schema.properties))
        elif patterns:
            self.residue.add(("patterns", patterns))
        if counts_or_depends(schema) or schema.enum is not None or schema.if_ is not None:
            self.residue.add(("schema", schema.id))
        if schema.not_ is not None:
            self._deny(schema.not_)
        return self._union(schema.any_of, False) and self._union(schema.one_of, True)

    def _deny(self, schema: Schema) -> None:
        """Take up the negation of a schema: where one key alone can make it true, that is a fact."""
        tables = self.tables
        literal = tables.literal(schema, True)
        self.residue.add(("literal", literal))
        info = tables.info(schema)
        schema = info.schema
        if literal < 0 or info.combined or info.schema.enum is not None or schema.types is not None:
            return
        keys = {*schema.properties, *schema.required}
        more = schema.pattern_properties or schema.additional is not None
        if len(keys) != 1 or more or counts_or_depends(schema):
            return
        (key,) = keys
        child = schema.properties.get(key)
        self.asked.setdefault(key, []).append(NEVER if child is None else tables.literal(child, True))
        if not schema.required:
            self.required.add(key)

    def _union(self, group: Iterable[Schema], is_one: bool) -> bool:
        """Take up the facts that all branches of a union share; return False where none has an object."""
        literals = [self.tables.literal(part) for part in group]
        if not literals:
            return True
        parts = [self.reader.of(literal, self.absent, self.depth) for literal in literals]
        counted = Counter(part.residue for part in parts if part is not None)
        self.residue.add(("oneOf" if is_one else "anyOf", frozenset(counted.items() if is_one else counted)))
        # Two branches that say the same cannot be the only one that holds.
        left = [part for part in parts if part is not None and not (is_one and counted[part.residue] > 1)]
        if not left:
            return False
        self.required |= frozenset.intersection(*(part.required for part in left))
        for key in frozenset.intersection(*(frozenset(part.finite) for part in left)):
            self._allow(key, frozenset().union(*(part.finite[key] for part in left)))
        return True

    def _allow(self, key: str, values: frozenset[Hashable] | None) -> None:
        if values is not None:
            self.finite[key] = self.finite[key] & values if key in self.finite else values


def counts_or_depends(schema: Schema) -> bool:
    """Return whether a schema says more of objects than which members they have."""
    return bool(
        schema.min_properties
        or schema.max_properties is not None
        or schema.property_names is not None
        or schema.dependent_required
        or schema.dependent_schemas
        or schema.unevaluated_properties is not None
    )
