"""Choices about the keys of an object as obligations: many that are independent do not multiply shapes.

A choice between plain schemas (keys that are required, scalars under named keys) is a conjunction of clauses,
each of which one member, or one absent key, can make true: such a clause is an obligation. Twenty `if` on
twenty keys are a million shapes, or twenty obligations of one shape. A few choices are left as they are,
since a shape of one branch has simpler demands on its members. This is an optimisation: where clauses cannot
express a schema, the answer is None and its choice is split.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from math import prod
from typing import TypeAlias

from structgen.schema.meaning.facts import Choice, FactConjunction, Forbid, Hold, Obligate, Require, Step
from structgen.schema.meaning.overlapping_branches import OverlappingBranches
from structgen.schema.meaning.place import ALWAYS, ARRAY, NEVER, OBJECT, Info, PlaceTables
from structgen.schema.meaning.shape import Alternative, AtKey, AtLeast, AtMost, Obligation, Without
from structgen.schema.reading.model import Schema

Clauses: TypeAlias = list[Obligation]
"""A conjunction of disjunctions; an empty disjunction is false."""

_MOST_SHAPES = 16
"""As many shapes as this are made rather than obligations."""
_CLAUSES = 24
"""Clauses that one choice may become."""
_CLAUSE_SIZE = 64
"""Alternatives of one clause."""
_NESTED_COMBINATIONS = 4
"""Combinations within combinations are read to this depth."""
_SCHEMAS_READ = 200
"""Schemas that are read for one literal."""
_INFINITE_SETS = 3
"""Choices over a key of whose value clauses ask more infinite sets than this are split into shapes: values
may lie in all combinations of them. Finite sets are told apart value by value."""


class ClauseReader:
    """Reads schemas and choices as clauses, and remembers them."""

    def __init__(self, tables: PlaceTables, overlaps: OverlappingBranches) -> None:
        self.tables = tables
        self.overlaps = overlaps
        self._left = 0
        self._literals: dict[int, Clauses | None] = {}
        self._choices: dict[tuple[tuple[Step, ...], ...], Clauses | None] = {}

    def convert(self, facts: FactConjunction) -> bool:
        """Turn the choices of an object that can be into obligations, if they would multiply.

        Returns whether any was. Linear in the choices.
        """
        if prod(map(len, facts.choices)) <= _MOST_SHAPES:
            return False
        read = [self._choice(choice) for choice in facts.choices]
        busy = self.busy(clause for clauses in (*read, facts.obligations) for clause in clauses or ())
        kept: list[Choice] = []
        for choice, clauses in zip(facts.choices, read, strict=True):
            if clauses is None or not busy.isdisjoint(_valued(clauses)):
                kept.append(choice)
            else:
                facts.obligations.extend(clauses)
        moved = len(kept) < len(facts.choices)
        facts.choices = kept
        return moved

    def busy(self, clauses: Iterable[Obligation]) -> set[str]:
        """Return the keys of whose values so many things are asked that clauses do not fit them."""
        asked: dict[str, set[int]] = {}
        for clause in clauses:
            for one in clause:
                if isinstance(one, AtKey):
                    asked.setdefault(one.key, set()).update(
                        literal >> 1
                        for literal in one.literals
                        if literal >= 0 and not self.tables.about(literal).only_values
                    )
        return {key for key, literals in asked.items() if len(literals) > _INFINITE_SETS}

    def of(self, literal: int) -> Clauses | None:
        """Return the clauses of an object that meets a literal; None: clauses cannot express it."""
        if literal not in self._literals:
            self._left = _SCHEMAS_READ
            found = self._read(literal, _NESTED_COMBINATIONS)
            self._literals[literal] = found if found is not None and self._fits(found) else None
        return self._literals[literal]

    def either(self, parts: Sequence[Clauses | None]) -> Clauses | None:
        """Return the clauses of a disjunction; None where they are too many."""
        if any(part is None for part in parts):
            return None
        known = [part for part in parts if part is not None]
        if prod(map(len, known)) > 4 * _CLAUSES:
            return None
        found: dict[Obligation, None] = {}
        for combination in product(*known):
            clause = tuple(dict.fromkeys(one for part in combination for one in part))
            if not _sure(clause):
                found[clause] = None
        short = [clause for clause in found if not any(other < set(clause) for other in map(set, found))]
        return short if max(map(len, short), default=0) <= _CLAUSE_SIZE and len(short) <= _CLAUSES else None

    # Inside

    def _choice(self, choice: Choice) -> Clauses | None:
        if len(choice) > _CLAUSE_SIZE:
            return None
        key = tuple(choice)
        if key not in self._choices:
            found = self._read_choice(choice)
            self._choices[key] = found if found is not None and self._fits(found) else None
        return self._choices[key]

    def _read_choice(self, choice: Choice) -> Clauses | None:
        first, second = choice[0], choice[-1]
        if len(choice) == 2 and isinstance(first[0], Hold) and isinstance(second[0], Hold):
            test, denied = first[0].literal, second[0].literal
            if test == denied ^ 1:
                # if, then, else: two implications.
                return self._all(
                    (
                        self.either([self.of(denied), self._steps(first[1:])]),
                        self.either([self.of(test), self._steps(second[1:])]),
                    )
                )
        found: list[Clauses | None] = []
        for branch in choice:
            found.append(self._steps(branch))
            if found[-1] is None:
                return None
        return self.either(found)

    def _steps(self, steps: Iterable[Step]) -> Clauses | None:
        found: list[Clauses | None] = []
        for step in steps:
            match step:
                case Hold(literal):
                    found.append(self.of(literal))
                case Require(key):
                    found.append([(AtKey(key, ()),)])
                case Forbid(key):
                    found.append([(Without(key),)])
                case Obligate(alternatives):
                    found.append([alternatives])
                case _:
                    return None
        return self._all(found)

    def _all(self, parts: Iterable[Clauses | None]) -> Clauses | None:
        found: dict[Obligation, None] = {}
        for part in parts:
            if part is None:
                return None
            found.update(dict.fromkeys(part))
        return list(found) if len(found) <= _CLAUSES else None

    def _fits(self, clauses: Clauses) -> bool:
        """Return whether no clause asks for an object or array: its keys would have a place in the order."""
        return not any(
            literal >= 0 and not literal & 1 and self.tables.mask(literal) & (OBJECT | ARRAY)
            for clause in clauses
            for one in clause
            if isinstance(one, AtKey)
            for literal in one.literals
        )

    def _read(self, literal: int, depth: int) -> Clauses | None:
        if literal < 0:
            return [] if literal == ALWAYS else [()]
        info = self.tables.infos[literal >> 1]
        found = self._schema(info, depth)
        return self._denied(found) if literal & 1 and found is not None else found

    def _schema(self, info: Info, depth: int) -> Clauses | None:
        """Return the clauses of a schema; recursion ends at `_NESTED_COMBINATIONS`."""
        if info.verdict is not None:
            return [] if info.verdict else [()]
        if not info.types & OBJECT:
            return [()]
        schema = info.schema
        self._left -= 1
        if (
            not depth
            or self._left < 0
            or schema.enum is not None
            or schema.pattern_properties
            or schema.additional is not None
            or schema.property_names is not None
            or schema.dependent_schemas
            or schema.unevaluated_properties is not None
            or len(schema.properties) + len(schema.required) > _CLAUSES
        ):
            return None
        parts: list[Clauses | None] = [self._members(schema)]

        def of(part: Schema, negated: bool = False) -> Clauses | None:
            return self._read(self.tables.literal(part, negated), depth - 1)

        if info.combined:
            if schema.ref is not None:
                parts.append(of(schema.ref))
            parts.extend(map(of, schema.all_of))
            if schema.not_ is not None:
                parts.append(of(schema.not_, True))
            if schema.any_of:
                parts.append(self.either([of(part) for part in schema.any_of[: _CLAUSES + 1]]))
            if schema.one_of:
                if not self._exclude_each_other(schema):
                    return None
                parts.append(self.either([of(part) for part in schema.one_of]))
            if schema.if_ is not None:
                for branch, negated in ((schema.then, True), (schema.else_, False)):
                    if branch is not None:
                        parts.append(self.either([of(schema.if_, negated), of(branch)]))
        return self._all(parts)

    def _exclude_each_other(self, schema: Schema) -> bool:
        """Return whether no two branches of a `oneOf` hold at once: then it says the same as `anyOf`."""
        literals = [self.tables.literal(part) for part in schema.one_of]
        return len(literals) <= _CLAUSES and not any(self.overlaps.of(literals, OBJECT, schema))

    def _members(self, schema: Schema) -> Clauses:
        found: Clauses = []
        for key in dict.fromkeys((*schema.required, *schema.properties)):
            child = schema.properties.get(key)
            literal = ALWAYS if child is None else self.tables.literal(child)
            here = AtKey(key, () if literal == ALWAYS else (literal,))
            if key in schema.required:
                found.append(() if literal == NEVER else (here,))
            elif literal == NEVER:
                found.append((Without(key),))
            elif literal != ALWAYS:
                found.append((Without(key), here))
        for key, others in schema.dependent_required.items():
            found.extend((Without(key), AtKey(other, ())) for other in others if other != key)
        if schema.min_properties:
            found.append((AtLeast(schema.min_properties),))
        if schema.max_properties is not None:
            found.append((AtMost(schema.max_properties),))
        return found

    def _denied(self, clauses: Clauses) -> Clauses | None:
        """Return the clauses of the negation: some clause has none of its alternatives."""
        if not all(clauses):
            return []
        return self.either([self._none(clause) for clause in clauses])

    def _none(self, clause: Obligation) -> Clauses | None:
        present = {one.key for one in clause if isinstance(one, Without)}
        found: Clauses = []
        for one in clause:
            match one:
                case Without(key):
                    if not any(isinstance(other, AtKey) and other.key == key for other in clause):
                        found.append((AtKey(key, ()),))
                case AtKey(key, literals):
                    left: list[Alternative] = [] if key in present else [Without(key)]
                    left.extend(AtKey(key, (self.tables.negate(literal),)) for literal in literals)
                    found.append(tuple(left))
                case AtLeast(count):
                    found.append((AtMost(count - 1),))
                case AtMost(count):
                    found.append((AtLeast(count + 1),))
                case _:
                    return None
        return found


def _sure(clause: Obligation) -> bool:
    """Return whether a clause holds for every object."""
    left_out = {one.key for one in clause if isinstance(one, Without)}
    values: set[tuple[str, int]] = set()
    for one in clause:
        if isinstance(one, AtKey) and one.key in left_out and len(one.literals) < 2:
            if not one.literals or (one.key, one.literals[0] ^ 1) in values:
                return True
            values.add((one.key, one.literals[0]))
    return False


def _valued(clauses: Clauses) -> set[str]:
    return {one.key for clause in clauses for one in clause if isinstance(one, AtKey) and one.literals}
