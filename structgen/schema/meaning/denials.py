"""Adds the negation of a schema to a conjunction: what the schema says fails in one of some ways."""

from __future__ import annotations

from collections.abc import Iterator

from structgen.base.language.remembering import remember_answers
from structgen.schema.meaning.facts import (
    Choice,
    FactConjunction,
    Hold,
    Obligate,
    Rank,
    Step,
    Watch,
    absence_step,
    presence_step,
)
from structgen.schema.meaning.literals import NEVER, OBJECT, Literal
from structgen.schema.meaning.overlapping_branches import OverlappingBranches
from structgen.schema.meaning.shape import (
    Alternative,
    AtIndex,
    AtKey,
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


class Denials:
    """Reads what schemas say, and takes up the ways in which it fails."""

    def __init__(self, overlaps: OverlappingBranches) -> None:
        self.overlaps, self.branches, self.tables = overlaps, overlaps.reader, overlaps.tables
        self.reader = self.branches.reader

    def add_negation(self, facts: FactConjunction, schema: Schema, rank: Rank, kind: int) -> bool:
        """Take up the negation of a schema: something of what it says fails."""
        if schema.known_verdict is not None:
            return not schema.known_verdict
        tables = self.tables
        if schema.id in tables.constants.sets:
            if schema.kinds & kind:
                facts.different.extend(tables.constants.members_of(schema, kind == OBJECT))
            return True
        conjunction = self.reader.facts_of(schema, kind)
        if conjunction is None:
            return True
        # What a member or the number of members settles, in whichever conjunct it stands, is one obligation
        # and no choice.
        events = tuple(dict.fromkeys(self._failure_events(conjunction, kind)))
        branches: Choice = [(Obligate(events),)] if events else []
        branches.extend(self._other_denials(conjunction, rank, kind))
        if all(branches):
            facts.take_choice(branches)
        return True

    def _failure_events(self, conjunction: FactConjunction, kind: int) -> Iterator[Alternative]:
        """Yield the events of which one alone makes a conjunction fail: a member, or how many there are."""
        yield from map(Without, conjunction.required_keys)
        for key, literals in conjunction.values.items():
            yield from (
                AtKey(key, failing) for literal in literals for failing in self.branches.ways_to_fail(literal)
            )
        for _, schema in conjunction.facets:
            if kind == OBJECT:
                for key, child in schema.properties.items():
                    yield from (AtKey(key, failing) for failing in self._ways_to_fail(child))
                for source, child in schema.pattern_properties:
                    yield from (AtPattern(source, failing) for failing in self._ways_to_fail(child))
                yield from (AtOther(schema, failing) for failing in self._ways_to_fail(schema.additional))
            else:
                for index, child in enumerate(schema.prefix):
                    yield from (AtIndex(index, failing) for failing in self._ways_to_fail(child))
                count = len(schema.prefix)
                yield from (FromIndex(count, failing) for failing in self._ways_to_fail(schema.items))
        if conjunction.lo:
            yield AtMost(conjunction.lo - 1)
        if conjunction.hi is not None:
            yield AtLeast(conjunction.hi + 1)
        yield from map(BadKey, conjunction.key_literals)
        if conjunction.unique:
            yield RepeatedItem()

    def _other_denials(
        self, conjunction: FactConjunction, rank: Rank, kind: int
    ) -> Iterator[tuple[Step, ...]]:
        """Yield the other ways in which a conjunction fails."""
        tables = self.tables
        for key, needed_keys in conjunction.conditional:
            yield from ((presence_step(key), absence_step(needed_key)) for needed_key in needed_keys)
        for counter in conjunction.counters:
            if counter.min_count:
                yield (Counter(counter.literal, 0, counter.min_count - 1),)
            if counter.max_count is not None:
                yield (Counter(counter.literal, counter.max_count + 1, None),)
        for watch in conjunction.watching:
            yield (
                Hold(tables.literal_of(self._without_unevaluated(watch.schema)), rank),
                Watch(watch.schema, rank, True),
            )
        yield from (
            (Hold(tables.negate_literal(literal), rank),)
            for literal in conjunction.true_literals
            if literal.is_negated
        )
        for choice in conjunction.choices:
            if all(len(branch) == 1 for branch in choice):
                yield tuple([self._deny_step(step, rank) for (step,) in choice])
            else:  # the first steps of its branches exclude each other
                for first, *further_steps in choice:
                    failing = (self._deny_step(step, rank) for step in further_steps)
                    yield from ((first, step) for step in failing if step.literal is not NEVER)
        for schema, _ in conjunction.unions:
            branches = self.overlaps.branches_of(schema, rank, kind)
            yield tuple([self._deny_step(branch, rank) for branch in branches])
            for both in self.overlaps.pairs_of(schema, rank, kind):
                yield tuple([Hold(tables.judging_literal(branch.literal), branch.rank) for branch in both])

    @remember_answers
    def _without_unevaluated(self, schema: Schema) -> Schema:
        """Return a schema without `unevaluated*`."""
        return self.tables.make_variant(schema, unevaluated_properties=None, unevaluated_items=None)

    def _deny_step(self, step: Step, rank: Rank) -> Hold:
        assert isinstance(step, Hold)
        return Hold(self.tables.negate_literal(step.literal), rank)

    def _ways_to_fail(self, child: Schema | None) -> list[tuple[Literal, ...]]:
        return [] if child is None else self.branches.ways_to_fail(self.tables.literal_of(child))
