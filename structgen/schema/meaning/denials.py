"""Adds the negation of a schema to a conjunction of facts.

A schema fails in one of several ways. For example `{"required": ["a"], "maxProperties": 2}` fails where the
key `a` is absent, or where there are three members. Each such way is an *alternative* of an obligation.
"""

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
from structgen.schema.meaning.literals import NEVER, OBJECT, Literals
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
    FromIndex,
    ItemCounter,
    RepeatedItem,
    Without,
)
from structgen.schema.reading.model import Schema


class Denials:
    """Adds the ways in which schemas fail to conjunctions of facts."""

    def __init__(self, overlaps: OverlappingBranches) -> None:
        self.overlaps = overlaps
        self.branches = overlaps.reader
        self.tables = overlaps.tables
        self.reader = self.branches.reader

    def add_negation(
        self,
        facts: FactConjunction,
        schema: Schema,
        rank: Rank,
        kind: int,
    ) -> bool:
        """Add the negation of a schema: one of its keywords fails. Return False where no keyword can fail.

        `rank` is the position of the negation in the text, for example `(0, 2)`; `kind` is OBJECT or ARRAY.
        """
        if schema.known_verdict is not None:
            return not schema.known_verdict
        tables = self.tables
        if schema.id in tables.constants.sets:
            # A set of values is excluded as a whole, and not by the ways in which each value fails.
            if schema.kinds & kind:
                facts.different.extend(tables.constants.members_of(schema, kind == OBJECT))
            return True
        conjunction = self.reader.facts_of(schema, kind)
        if conjunction is None:
            return True
        # All failures that one member, or the number of members, can settle become one obligation. They may
        # come from several conjuncts; none of them becomes a choice.
        events = tuple(dict.fromkeys(self._failure_events(conjunction, kind)))
        branches: Choice = [(Obligate(events),)] if events else []
        branches.extend(self._other_denials(conjunction, rank, kind))
        # A branch without steps always holds, and then the choice does, too.
        if all(branches):
            facts.take_choice(branches)
        return True

    def _failure_events(self, conjunction: FactConjunction, kind: int) -> Iterator[Alternative]:
        """Yield the alternatives that make a conjunction fail: each is about one member or the number of
        members."""
        yield from map(Without, conjunction.required_keys)
        for key, literals in conjunction.values.items():
            for literal in literals:
                yield from (AtKey(key, failing) for failing in self.branches.ways_to_fail(literal))
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
        self,
        conjunction: FactConjunction,
        rank: Rank,
        kind: int,
    ) -> Iterator[tuple[Step, ...]]:
        """Yield the other ways in which a conjunction fails."""
        tables = self.tables
        for key, needed_keys in conjunction.conditional:
            for needed_key in needed_keys:
                yield presence_step(key), absence_step(needed_key)
        for counter in conjunction.counters:
            if counter.min_count:
                yield (ItemCounter(counter.literal, 0, counter.min_count - 1),)
            if counter.max_count is not None:
                yield (ItemCounter(counter.literal, counter.max_count + 1, None),)
        for watch in conjunction.watching:
            # The members that are evaluated are known only where the other keywords hold. Where these fail,
            # another case denies them.
            rest = tables.literal_of(self._without_unevaluated(watch.schema))
            yield Hold(rest, rank), Watch(watch.schema, rank, True)
        for literal in conjunction.true_literals:
            if literal.is_negated:
                yield (Hold(tables.negate_literal(literal), rank),)
        for choice in conjunction.choices:
            if all(len(branch) == 1 for branch in choice):
                yield tuple([self._deny_step(step, rank) for (step,) in choice])
            else:  # the first steps of its branches exclude each other
                for first, *further_steps in choice:
                    for step in further_steps:
                        denial = self._deny_step(step, rank)
                        if denial.literal is not NEVER:
                            yield first, denial
        # `oneOf` fails where no branch holds, or where two hold.
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

    def _ways_to_fail(self, child: Schema | None) -> list[Literals]:
        if child is None:
            return []
        return self.branches.ways_to_fail(self.tables.literal_of(child))
