"""Adds a schema or its negation to a conjunction: its keywords as plain facts, negations pushed inward."""

from __future__ import annotations

from structgen.schema.meaning.evaluated import Evaluation, position
from structgen.schema.meaning.facts import (
    Choice,
    FactConjunction,
    Hold,
    Obligate,
    Rank,
    Step,
    Watch,
    absent,
    present,
)
from structgen.schema.meaning.key_clauses import ClauseReader
from structgen.schema.meaning.overlapping_branches import OverlappingBranches
from structgen.schema.meaning.place import ALWAYS, NEVER, OBJECT
from structgen.schema.meaning.shape import (
    Alternative,
    AtIndex,
    AtLeast,
    AtMost,
    AtOther,
    AtPattern,
    BadKey,
    Counter,
    FromIndex,
    RepeatedItem,
    Without,
)
from structgen.schema.reading.model import Schema


class Assertions:
    """Reads schemas into facts, steps to take up and choices to be made."""

    def __init__(self, reader: ClauseReader, overlaps: OverlappingBranches) -> None:
        self.tables, self.branches = reader.tables, reader.branches
        self.reader, self.overlaps = reader, overlaps
        self.evaluation = Evaluation(reader)

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
            self._choose(facts, [(Hold(member, (*rank, 0)),) for member in members])
        self.keywords(facts, schema, rank, kind)
        if schema.combined:
            self._combinators(facts, schema, rank, kind)
        if self.evaluation.applies(schema, kind) is not None:
            facts.watching.append(Watch(schema, rank, False))
        return True

    def keywords(self, facts: FactConjunction, schema: Schema, rank: Rank, kind: int) -> None:
        """Take up the keywords of a schema for objects or arrays, but for combinations and `unevaluated*`."""
        (self._object_keywords if kind == OBJECT else self._array_keywords)(facts, schema, rank)

    def _object_keywords(self, facts: FactConjunction, schema: Schema, rank: Rank) -> None:
        if schema.properties or schema.pattern_properties or schema.additional is not None:
            facts.facets.append(((*rank, position(schema, "properties")), schema))
        for key in schema.required:
            facts.required[key] = None
        facts.bound(schema.min_properties, schema.max_properties)
        if schema.property_names is not None:
            literal = self.tables.literal(schema.property_names)
            if literal == NEVER:
                facts.bound(0, 0)
            elif literal != ALWAYS:
                facts.key_literals.append(literal)
        facts.conditional.extend(schema.dependent_required.items())
        place = position(schema, "dependentSchemas")
        for index, (key, child) in enumerate(schema.dependent_schemas.items()):
            literal = self.tables.literal(child)
            if literal == NEVER:
                facts.add_value(key, (NEVER,))
            elif literal != ALWAYS:
                says = Hold(literal, (*rank, place, index))
                choice: Choice = [(absent(key),), (present(key), says)]
                clauses = self.reader.choice(choice)
                if clauses is None:
                    self._choose(facts, choice)
                else:
                    facts.obligations.extend(clauses)

    def _array_keywords(self, facts: FactConjunction, schema: Schema, rank: Rank) -> None:
        if schema.prefix or schema.items is not None:
            facts.facets.append((rank, schema))
        facts.bound(schema.min_items, schema.max_items)
        facts.unique |= schema.unique_items
        if schema.contains is not None and (schema.min_contains or schema.max_contains is not None):
            literal = self.tables.judging(self.tables.literal(schema.contains))
            facts.count(Counter(literal, schema.min_contains, schema.max_contains))

    def _combinators(self, facts: FactConjunction, schema: Schema, rank: Rank, kind: int) -> None:
        tables = self.tables
        says: list[Step] = []
        if schema.ref is not None:
            says.append(Hold(tables.literal(schema.ref), (*rank, position(schema, "$ref"))))
        place = position(schema, "allOf")
        says.extend(
            Hold(tables.literal(part), (*rank, place, index)) for index, part in enumerate(schema.all_of)
        )
        if schema.not_ is not None:
            says.append(Hold(tables.literal(schema.not_, True), rank))
        facts.pending.extend(reversed(says))
        if schema.any_of:
            place = position(schema, "anyOf")
            self._choose(
                facts,
                [
                    (Hold(literal, (*rank, place, index)),)
                    for index, literal in enumerate(map(tables.literal, schema.any_of))
                    if tables.mask(literal) & kind
                ],
            )
        if schema.one_of:
            facts.unions.append((schema, rank))
        if schema.if_ is not None:
            then = ALWAYS if schema.then is None else tables.literal(schema.then)
            other = ALWAYS if schema.else_ is None else tables.literal(schema.else_)
            if then != ALWAYS or other != ALWAYS:
                test = tables.judging(tables.literal(schema.if_))
                at_if = (*rank, position(schema, "if"))
                self._choose(
                    facts,
                    [
                        (Hold(test, at_if), Hold(then, (*rank, position(schema, "then")))),
                        (Hold(tables.negate(test), at_if), Hold(other, (*rank, position(schema, "else")))),
                    ],
                )

    def _choose(self, facts: FactConjunction, choice: Choice) -> None:
        if len(choice) == 1:
            facts.pending.extend(reversed(choice[0]))
        elif not choice:
            facts.pending.append(Hold(NEVER, ()))
        else:
            facts.choices.append(choice)

    # oneOf

    def divide_unions(self, facts: FactConjunction, kind: int) -> bool:
        """Turn each `oneOf` that was met into a choice between its cases; return whether there was any."""
        unions, facts.unions = facts.unions, []
        for schema, rank in unions:
            self._choose(facts, self._one_of(facts, schema, rank, kind))
        return bool(unions)

    def _one_of(self, facts: FactConjunction, schema: Schema, rank: Rank, kind: int) -> Choice:
        place = position(schema, "oneOf")
        tables = self.tables
        branches = [
            (index, literal)
            for index, literal in enumerate(map(tables.literal, schema.one_of))
            if tables.mask(literal) & kind
        ]
        choice: Choice = []
        literals = [literal for _, literal in branches]
        for case in self.overlaps.cases(literals, kind, schema, facts.required):
            index, literal = branches[case.branch]
            steps: list[Step] = [] if case.present is None else [present(case.present)]
            steps.extend(map(absent, case.absent))
            steps.append(Hold(literal, (*rank, place, index)))
            steps.extend(
                Hold(tables.negate(branches[other][1]), (*rank, place, index)) for other in case.others
            )
            choice.append(tuple(steps))
        return choice

    def negative(self, facts: FactConjunction, whole: Schema, rank: Rank, kind: int) -> bool:
        """Take up the negation of a schema: one of its keywords fails."""
        if whole.decided is not None:
            return not whole.decided
        if not whole.kinds & kind:
            return True
        tables = self.tables
        if whole.id in tables.constants.sets:
            facts.different.extend(tables.constants.members_of(whole, kind == OBJECT))
            return True
        events: list[Alternative] = []
        branches: Choice = []
        # Conjunctions are taken apart here: what a member or the number of members settles, in whichever
        # conjunct it stands, is one obligation and no choice.
        stack = [whole]
        seen: set[int] = set()
        while stack:
            schema = stack.pop()
            if schema.decided is False or not (schema.decided or schema.kinds & kind):
                return True
            if schema.decided or schema.id in seen:
                continue
            seen.add(schema.id)
            if schema.enum is not None:
                container = dict if kind == OBJECT else list
                branches.append(
                    tuple(
                        Hold(tables.literal(tables.member(schema, index), True), rank)
                        for index, value in enumerate(schema.enum)
                        if isinstance(value, container)
                    )
                )
            if kind == OBJECT and schema.spoken & kind:
                self._object_events(schema, events, branches, rank)
            elif schema.spoken & kind:
                self._array_events(schema, events, branches)
            if self.evaluation.applies(schema, kind) is not None:
                rest = self.evaluation.without(schema)
                branches.append((Hold(tables.literal(rest), rank), Watch(schema, rank, True)))
            if schema.combined:
                self._negative_combinators(schema, branches, rank, kind)
                stack.extend(map(tables.resolved, reversed(schema.all_of)))
                if schema.ref is not None:
                    stack.append(tables.resolved(schema.ref))
        if any(not branch for branch in branches):
            return True
        if events:
            branches.insert(0, (Obligate(tuple(dict.fromkeys(events))),))
        self._choose(facts, branches)
        return True

    def _object_events(self, schema: Schema, events: list[Alternative], branches: Choice, rank: Rank) -> None:
        tables = self.tables
        ways: list[Alternative] = []
        for clause in self.branches.own(schema)[0]:
            denied = self.branches.none_of(clause)
            if denied is not None and len(denied) == 1:
                ways.extend(denied[0])
            else:
                branches.append(tuple(map(Obligate, denied or ())))
        events.extend(sorted(ways, key=_asks_of_a_value))
        for source, child in schema.pattern_properties:
            events.extend(AtPattern(source, failing) for failing in self._failures(child))
        events.extend(AtOther(schema, failing) for failing in self._failures(schema.additional))
        if schema.property_names is not None:
            literal = tables.literal(schema.property_names)
            if literal == NEVER:
                events.append(AtLeast(1))
            elif literal != ALWAYS:
                events.append(BadKey(literal))
        for key, child in schema.dependent_schemas.items():
            literal = tables.literal(child, True)
            if literal != NEVER:
                branches.append((present(key), Hold(literal, rank)))

    def _array_events(self, schema: Schema, events: list[Alternative], branches: Choice) -> None:
        tables = self.tables
        for index, child in enumerate(schema.prefix):
            events.extend(AtIndex(index, failing) for failing in self._failures(child))
        events.extend(FromIndex(len(schema.prefix), failing) for failing in self._failures(schema.items))
        if schema.min_items:
            events.append(AtMost(schema.min_items - 1))
        if schema.max_items is not None:
            events.append(AtLeast(schema.max_items + 1))
        if schema.unique_items:
            events.append(RepeatedItem())
        if schema.contains is not None:
            literal = tables.judging(tables.literal(schema.contains))
            least, most = schema.min_contains, schema.max_contains
            if least:
                branches.append((Counter(literal, 0, least - 1),))
            if most is not None:
                branches.append((Counter(literal, most + 1, None),))

    def _failures(self, child: Schema | None) -> list[tuple[int, ...]]:
        """Return what is asked of a member whose schema is to fail, as literals: one way, or none."""
        literal = NEVER if child is None else self.branches.failing(self.tables.literal(child))
        return [] if literal == NEVER else [() if literal == ALWAYS else (literal,)]

    def _negative_combinators(self, schema: Schema, branches: Choice, rank: Rank, kind: int) -> None:
        """Add the ways in which a combination of schemas fails, but for `allOf` and `$ref`."""
        tables = self.tables

        def deny(part: Schema) -> Hold:
            return Hold(tables.literal(part, True), rank)

        if schema.any_of:
            branches.append(
                tuple(deny(part) for part in schema.any_of if tables.mask(tables.literal(part)) & kind)
            )
        if schema.one_of:
            literals = [
                literal for literal in map(tables.literal, schema.one_of) if tables.mask(literal) & kind
            ]
            branches.append(tuple(Hold(tables.negate(literal), rank) for literal in literals))
            for a, others in enumerate(self.overlaps.of(literals, kind, schema)):
                branches.extend(
                    tuple(Hold(tables.judging(literals[at]), (*rank, at)) for at in (a, b))
                    for b in others
                    if a < b
                )
        if schema.not_ is not None:
            branches.append((Hold(tables.literal(schema.not_), rank),))
        if schema.if_ is not None:
            test = tables.judging(tables.literal(schema.if_))
            if schema.then is not None:
                branches.append((Hold(test, rank), deny(schema.then)))
            if schema.else_ is not None:
                branches.append((Hold(tables.negate(test), rank), deny(schema.else_)))


def _asks_of_a_value(one: Alternative) -> bool:
    return not isinstance(one, Without)
