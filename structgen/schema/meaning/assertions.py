"""Reads the keywords of objects and arrays into a conjunction: as plain facts, further steps, and choices.

A *fact* is settled at once, for example `minItems: 2`. A *step* is a literal or an obligation that the
conjunction takes up later, for example each schema of `allOf`. A *choice* is a disjunction such as `anyOf`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from structgen.schema.meaning.shape import ItemCounter
from structgen.schema.reading.model import Schema

RankedSchema: TypeAlias = tuple[Schema, Rank]


class Condition(NamedTuple):
    """A condition: the test of `if`, or the presence of a key of `dependentSchemas`."""

    holds: Step
    fails: Step
    test: list[RankedSchema]
    """The schema of `if`; empty where the condition is the presence of a key."""
    then: list[RankedSchema]
    otherwise: list[RankedSchema]


class Assertions:
    """Reads the keywords of schemas into facts, steps and choices of a conjunction."""

    def __init__(self, tables: PlaceTables) -> None:
        self.tables = tables

    def add_schema(
        self,
        facts: FactConjunction,
        schema: Schema,
        rank: Rank,
        kind: int,
    ) -> bool:
        """Add the keywords of a schema to the facts of an object or array; return False where no such value
        meets the schema.

        `rank` is the position of the schema in the text, for example `(0, 2)`; `kind` is OBJECT or ARRAY.
        Combinators become steps and choices that are still to be taken.
        """
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
        if kind == OBJECT:
            self._object_keywords(facts, schema, rank)
        else:
            self._array_keywords(facts, schema, rank)
        if schema.has_combinators or schema.dependent_schemas:
            self._add_combinators(facts, schema, rank, kind)
        child = unevaluated_schema(schema, kind)
        if child is not None and tables.literal_of(child) is not ALWAYS:
            # The keyword depends on the schemas beside it: `Evaluation` turns it into facts at the end.
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
                # No key is allowed, so that the object is empty.
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
            # `contains` counts items, however they are written.
            literal = self.tables.judging_literal(self.tables.literal_of(schema.contains))
            facts.count_items(ItemCounter(literal, schema.min_contains, schema.max_contains))

    def _add_combinators(
        self,
        facts: FactConjunction,
        schema: Schema,
        rank: Rank,
        kind: int,
    ) -> None:
        """Add the combinators of a schema, as `add_schema` does; for example `allOf` as steps, `anyOf` as a
        choice."""
        steps = list(map(self.hold_step, rank_parts(schema, rank, "$ref", schema.ref)))
        steps.extend(map(self.hold_step, rank_parts(schema, rank, "allOf", *schema.all_of)))
        if schema.not_ is not None:
            steps.append(Hold(self.tables.literal_of(schema.not_, True), rank))
        # `pending` is a stack: the first step of the text is taken first.
        facts.pending.extend(reversed(steps))
        if schema.any_of:
            branches = map(self.hold_step, rank_parts(schema, rank, "anyOf", *schema.any_of))
            # A branch for other types alone cannot hold here.
            possible = [step for step in branches if self.tables.type_mask(step.literal) & kind]
            facts.take_choice([(step,) for step in possible])
        if schema.one_of:
            facts.unions.append((schema, rank))
        for condition in self.conditions_of(schema, rank, kind):
            then = self._asking_steps(condition.then)
            otherwise = self._asking_steps(condition.otherwise)
            if then or otherwise:
                facts.take_choice([(condition.holds, *then), (condition.fails, *otherwise)])

    def _asking_steps(self, parts: Iterable[RankedSchema]) -> list[Hold]:
        """Return a step for each of some schemas: the schema holds. Schemas that always hold are left out."""
        return [step for step in map(self.hold_step, parts) if step.literal is not ALWAYS]

    def hold_step(self, part: RankedSchema) -> Hold:
        """Return the step that takes up a part of a schema: the part holds."""
        return Hold(self.tables.literal_of(part[0]), part[1])

    def conditions_of(self, schema: Schema, rank: Rank, kind: int) -> Iterator[Condition]:
        """Yield `if`, and for objects each key of `dependentSchemas`, as conditions."""
        tables = self.tables
        # One `if` at most: the loop takes the optional part.
        for test, test_rank in rank_parts(schema, rank, "if", schema.if_):
            literal = tables.judging_literal(tables.literal_of(test))
            then = rank_parts(schema, rank, "then", schema.then)
            otherwise = rank_parts(schema, rank, "else", schema.else_)
            holds = Hold(literal, test_rank)
            fails = Hold(tables.negate_literal(literal), test_rank)
            yield Condition(holds, fails, [(test, test_rank)], then, otherwise)
        if kind == OBJECT:
            parts = rank_parts(schema, rank, "dependentSchemas", *schema.dependent_schemas.values())
            for key, part in zip(schema.dependent_schemas, parts, strict=True):
                yield Condition(presence_step(key), absence_step(key), [], [part], [])

    def facts_of(self, schema: Schema, kind: int) -> FactConjunction | None:
        """Return the facts of a schema about objects or arrays, with its `allOf` and `$ref`, before any
        choice. Negations are among `true_literals`, and are not read. None: no such value meets the
        schema."""
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
    position = text_position(schema, name)
    return [(part, (*rank, position, index)) for index, part in enumerate(parts) if part is not None]


def unevaluated_schema(schema: Schema, kind: int) -> Schema | None:
    """Return the `unevaluated*` keyword for a kind of container."""
    if kind == OBJECT:
        return schema.unevaluated_properties
    return schema.unevaluated_items
