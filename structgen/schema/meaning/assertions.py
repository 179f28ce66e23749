"""What a schema says of objects and arrays: its keywords as plain facts, steps to take up and choices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from structgen.schema.meaning.facts import FactConjunction, Hold, Rank, Step, Watch, absent, present
from structgen.schema.meaning.literals import ALWAYS, NEVER, OBJECT
from structgen.schema.meaning.place import PlaceTables
from structgen.schema.meaning.shape import Counter
from structgen.schema.reading.model import Schema

Ranked: TypeAlias = tuple[Schema, Rank]


class Condition(NamedTuple):
    """`if`, or that a key of `dependentSchemas` is there."""

    holds: Step
    fails: Step
    test: list[Ranked]
    """The schema of `if`."""
    then: list[Ranked]
    other: list[Ranked]


class Assertions:
    """Reads schemas into facts, steps to take up and choices to be made."""

    def __init__(self, tables: PlaceTables) -> None:
        self.tables = tables

    def positive(self, facts: FactConjunction, schema: Schema, rank: Rank, kind: int) -> bool:
        if not schema.kinds & kind or schema.decided is False:
            return False
        tables = self.tables
        if schema.enum is not None:
            container = dict if kind == OBJECT else list
            members = [
                tables.literal(tables.member(schema, index))
                for index, value in enumerate(schema.enum)
                if isinstance(value, container)
            ]
            if not members:
                return False
            facts.choose([(Hold(member, (*rank, 0)),) for member in members])
        (self._object_keywords if kind == OBJECT else self._array_keywords)(facts, schema, rank)
        if schema.combined or schema.dependent_schemas:
            self._combinators(facts, schema, rank, kind)
        child = unevaluated(schema, kind)
        if child is not None and tables.literal(child) is not ALWAYS:
            facts.watching.append(Watch(schema, rank, False))
        return True

    def _object_keywords(self, facts: FactConjunction, schema: Schema, rank: Rank) -> None:
        if schema.properties or schema.pattern_properties or schema.additional is not None:
            facts.facets.append(((*rank, position(schema, "properties")), schema))
        for key in schema.required:
            facts.required[key] = None
        facts.bound(schema.min_properties, schema.max_properties)
        if schema.property_names is not None:
            literal = self.tables.literal(schema.property_names)
            if literal is NEVER:
                facts.bound(0, 0)
            elif literal is not ALWAYS:
                facts.key_literals.append(literal)
        facts.conditional.extend(schema.dependent_required.items())

    def _array_keywords(self, facts: FactConjunction, schema: Schema, rank: Rank) -> None:
        if schema.prefix or schema.items is not None:
            facts.facets.append((rank, schema))
        facts.bound(schema.min_items, schema.max_items)
        facts.unique |= schema.unique_items
        if schema.contains is not None and (schema.min_contains or schema.max_contains is not None):
            literal = self.tables.judging(self.tables.literal(schema.contains))
            facts.count(Counter(literal, schema.min_contains, schema.max_contains))

    def _combinators(self, facts: FactConjunction, schema: Schema, rank: Rank, kind: int) -> None:
        says = list(map(self.hold, ranked(schema, rank, "$ref", schema.ref)))
        says.extend(map(self.hold, ranked(schema, rank, "allOf", *schema.all_of)))
        if schema.not_ is not None:
            says.append(Hold(self.tables.literal(schema.not_, True), rank))
        facts.pending.extend(reversed(says))
        if schema.any_of:
            branches = map(self.hold, ranked(schema, rank, "anyOf", *schema.any_of))
            facts.choose([(step,) for step in branches if self.tables.mask(step.literal) & kind])
        if schema.one_of:
            facts.unions.append((schema, rank))
        for condition in self.conditions(schema, rank, kind):
            then, other = (
                [step for step in map(self.hold, parts) if step.literal is not ALWAYS]
                for parts in (condition.then, condition.other)
            )
            if then or other:
                facts.choose([(condition.holds, *then), (condition.fails, *other)])

    def hold(self, part: Ranked) -> Hold:
        """Return the step that a part of a schema holds."""
        return Hold(self.tables.literal(part[0]), part[1])

    def conditions(self, schema: Schema, rank: Rank, kind: int) -> Iterator[Condition]:
        """Yield `if`, and for objects each key of `dependentSchemas`, as conditions."""
        tables = self.tables
        for test, own in ranked(schema, rank, "if", schema.if_):
            literal = tables.judging(tables.literal(test))
            then, other = (
                ranked(schema, rank, "then", schema.then),
                ranked(schema, rank, "else", schema.else_),
            )
            yield Condition(Hold(literal, own), Hold(tables.negate(literal), own), [(test, own)], then, other)
        if kind == OBJECT:
            parts = ranked(schema, rank, "dependentSchemas", *schema.dependent_schemas.values())
            for key, part in zip(schema.dependent_schemas, parts, strict=True):
                yield Condition(present(key), absent(key), [], [part], [])

    def said(self, schema: Schema, kind: int) -> FactConjunction | None:
        """Return what a schema says of objects or arrays, with its `allOf` and `$ref`, before any
        choice. What these deny is among the literals that are asserted, and not read. None: no such value
        meets it."""
        facts = FactConjunction(pending=[Hold(self.tables.signed(schema), ())])
        while facts.pending:
            step = facts.pending.pop()
            assert isinstance(step, Hold), "a choice of one branch"
            if step.literal is NEVER:
                return None
            if step.literal is not ALWAYS and step.literal not in facts.asserted:
                facts.asserted[step.literal] = None
                denied = step.literal.denied
                if not denied and not self.positive(facts, step.literal.schema, step.rank, kind):
                    return None
        return facts


def position(schema: Schema, name: str) -> int:
    """Return the position of an applicator in the schema's text."""
    try:
        return schema.applicators.index(name)
    except ValueError:
        return 0


def ranked(schema: Schema, rank: Rank, name: str, *parts: Schema | None) -> list[Ranked]:
    """Return the parts of an applicator that are there, each with its rank."""
    at = position(schema, name)
    return [(part, (*rank, at, index)) for index, part in enumerate(parts) if part is not None]


def unevaluated(schema: Schema, kind: int) -> Schema | None:
    """Return the `unevaluated*` keyword for a kind of container."""
    return schema.unevaluated_properties if kind == OBJECT else schema.unevaluated_items
