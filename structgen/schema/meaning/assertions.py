"""What a schema says of objects and arrays: its keywords as plain facts, steps to take up and choices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from structgen.schema.meaning.facts import (
    FactConjunction,
    Hold,
    Rank,
    Step,
    Watch,
    absence_step,
    presence_step,
)
from structgen.schema.meaning.literals import ALWAYS, NEVER, OBJECT
from structgen.schema.meaning.place import PlaceTables
from structgen.schema.meaning.shape import Counter
from structgen.schema.reading.model import Schema

RankedSchema: TypeAlias = tuple[Schema, Rank]


class Condition(NamedTuple):
    """`if`, or that a key of `dependentSchemas` is there."""

    holds: Step
    fails: Step
    test: list[RankedSchema]
    """The schema of `if`."""
    then: list[RankedSchema]
    otherwise: list[RankedSchema]


class Assertions:
    """Reads schemas into facts, steps to take up and choices to be made."""

    def __init__(self, tables: PlaceTables) -> None:
        self.tables = tables

    def add_schema(self, facts: FactConjunction, schema: Schema, rank: Rank, kind: int) -> bool:
        if not schema.kinds & kind or schema.known_verdict is False:
            return False
        tables = self.tables
        if schema.enum is not None:
            container = dict if kind == OBJECT else list
            members = [
                tables.literal_of(tables.member_schema(schema, index))
                for index, value in enumerate(schema.enum)
                if isinstance(value, container)
            ]
            if not members:
                return False
            facts.take_choice([(Hold(member, (*rank, 0)),) for member in members])
        (self._object_keywords if kind == OBJECT else self._array_keywords)(facts, schema, rank)
        if schema.has_combinators or schema.dependent_schemas:
            self._add_combinators(facts, schema, rank, kind)
        child = unevaluated_schema(schema, kind)
        if child is not None and tables.literal_of(child) is not ALWAYS:
            facts.watching.append(Watch(schema, rank, False))
        return True

    def _object_keywords(self, facts: FactConjunction, schema: Schema, rank: Rank) -> None:
        if schema.properties or schema.pattern_properties or schema.additional is not None:
            facts.facets.append(((*rank, text_position(schema, "properties")), schema))
        for key in schema.required:
            facts.required_keys[key] = None
        facts.bound_size(schema.min_properties, schema.max_properties)
        if schema.property_names is not None:
            literal = self.tables.literal_of(schema.property_names)
            if literal is NEVER:
                facts.bound_size(0, 0)
            elif literal is not ALWAYS:
                facts.key_literals.append(literal)
        facts.conditional.extend(schema.dependent_required.items())

    def _array_keywords(self, facts: FactConjunction, schema: Schema, rank: Rank) -> None:
        if schema.prefix or schema.items is not None:
            facts.facets.append((rank, schema))
        facts.bound_size(schema.min_items, schema.max_items)
        facts.unique |= schema.unique_items
        if schema.contains is not None and (schema.min_contains or schema.max_contains is not None):
            literal = self.tables.judging_literal(self.tables.literal_of(schema.contains))
            facts.count_items(Counter(literal, schema.min_contains, schema.max_contains))

    def _add_combinators(self, facts: FactConjunction, schema: Schema, rank: Rank, kind: int) -> None:
        says = list(map(self.hold_step, rank_parts(schema, rank, "$ref", schema.ref)))
        says.extend(map(self.hold_step, rank_parts(schema, rank, "allOf", *schema.all_of)))
        if schema.not_ is not None:
            says.append(Hold(self.tables.literal_of(schema.not_, True), rank))
        facts.pending.extend(reversed(says))
        if schema.any_of:
            branches = map(self.hold_step, rank_parts(schema, rank, "anyOf", *schema.any_of))
            facts.take_choice([(step,) for step in branches if self.tables.type_mask(step.literal) & kind])
        if schema.one_of:
            facts.unions.append((schema, rank))
        for condition in self.conditions_of(schema, rank, kind):
            then, otherwise = (
                [step for step in map(self.hold_step, parts) if step.literal is not ALWAYS]
                for parts in (condition.then, condition.otherwise)
            )
            if then or otherwise:
                facts.take_choice([(condition.holds, *then), (condition.fails, *otherwise)])

    def hold_step(self, part: RankedSchema) -> Hold:
        """Return the step that a part of a schema holds."""
        return Hold(self.tables.literal_of(part[0]), part[1])

    def conditions_of(self, schema: Schema, rank: Rank, kind: int) -> Iterator[Condition]:
        """Yield `if`, and for objects each key of `dependentSchemas`, as conditions."""
        tables = self.tables
        for test, own in rank_parts(schema, rank, "if", schema.if_):
            literal = tables.judging_literal(tables.literal_of(test))
            then, otherwise = (
                rank_parts(schema, rank, "then", schema.then),
                rank_parts(schema, rank, "else", schema.else_),
            )
            yield Condition(
                Hold(literal, own), Hold(tables.negate_literal(literal), own), [(test, own)], then, otherwise
            )
        if kind == OBJECT:
            parts = rank_parts(schema, rank, "dependentSchemas", *schema.dependent_schemas.values())
            for key, part in zip(schema.dependent_schemas, parts, strict=True):
                yield Condition(presence_step(key), absence_step(key), [], [part], [])

    def facts_of(self, schema: Schema, kind: int) -> FactConjunction | None:
        """Return what a schema says of objects or arrays, with its `allOf` and `$ref`, before any
        choice. What these deny is among the literals that are asserted, and not read. None: no such value
        meets it."""
        facts = FactConjunction(pending=[Hold(self.tables.signed_literal(schema), ())])
        while facts.pending:
            step = facts.pending.pop()
            assert isinstance(step, Hold), "a choice of one branch"
            if step.literal is NEVER:
                return None
            if step.literal is not ALWAYS and step.literal not in facts.true_literals:
                facts.true_literals[step.literal] = None
                is_negated = step.literal.is_negated
                if not is_negated and not self.add_schema(facts, step.literal.schema, step.rank, kind):
                    return None
        return facts


def text_position(schema: Schema, name: str) -> int:
    """Return the position of an applicator in the schema's text."""
    try:
        return schema.applicators.index(name)
    except ValueError:
        return 0


def rank_parts(schema: Schema, rank: Rank, name: str, *parts: Schema | None) -> list[RankedSchema]:
    """Return the parts of an applicator that are there, each with its rank."""
    at = text_position(schema, name)
    return [(part, (*rank, at, index)) for index, part in enumerate(parts) if part is not None]


def unevaluated_schema(schema: Schema, kind: int) -> Schema | None:
    """Return the `unevaluated*` keyword for a kind of container."""
    return schema.unevaluated_properties if kind == OBJECT else schema.unevaluated_items
