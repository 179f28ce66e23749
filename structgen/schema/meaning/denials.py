"""Adds the negation of a schema to a conjunction: what the schema says fails in one of some ways."""

from __future__ import annotations

from collections.abc import Iterator

from structgen.base.language.remembering import remembered
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

    def negative(self, facts: FactConjunction, schema: Schema, rank: Rank, kind: int) -> bool:
        """Take up the negation of a schema: something of what it says fails."""
        if schema.decided is not None:
            return not schema.decided
        tables = self.tables
        if schema.id in tables.constants.sets:
            if schema.kinds & kind:
                facts.different.extend(tables.constants.members_of(schema, kind == OBJECT))
            return True
        said = self.reader.said(schema, kind)
        if said is None:
            return True
        # What a member or the number of members settles, in whichever conjunct it stands, is one obligation
        # and no choice.
        events = tuple(dict.fromkeys(self._events(said, kind)))
        branches: Choice = [(Obligate(events),)] if events else []
        branches.extend(self._denials(said, rank, kind))
        if all(branches):
            facts.choose(branches)
        return True

    def _events(self, said: FactConjunction, kind: int) -> Iterator[Alternative]:
        """Yield the events of which one alone makes a conjunction fail: a member, or how many there are."""
        yield from map(Without, said.required)
        for key, literals in said.values.items():
            yield from (
                AtKey(key, failing) for literal in literals for failing in self.branches.failing(literal)
            )
        for _, schema in said.facets:
            if kind == OBJECT:
                for key, child in schema.properties.items():
                    yield from (AtKey(key, failing) for failing in self._failures(child))
                for source, child in schema.pattern_properties:
                    yield from (AtPattern(source, failing) for failing in self._failures(child))
                yield from (AtOther(schema, failing) for failing in self._failures(schema.additional))
            else:
                for index, child in enumerate(schema.prefix):
                    yield from (AtIndex(index, failing) for failing in self._failures(child))
                count = len(schema.prefix)
                yield from (FromIndex(count, failing) for failing in self._failures(schema.items))
        if said.lo:
            yield AtMost(said.lo - 1)
        if said.hi is not None:
            yield AtLeast(said.hi + 1)
        yield from map(BadKey, said.key_literals)
        if said.unique:
            yield RepeatedItem()

    def _denials(self, said: FactConjunction, rank: Rank, kind: int) -> Iterator[tuple[Step, ...]]:
        """Yield the other ways in which a conjunction fails."""
        tables = self.tables
        for key, needed in said.conditional:
            yield from ((present(key), absent(other)) for other in needed)
        for counter in said.counters:
            if counter.least:
                yield (Counter(counter.literal, 0, counter.least - 1),)
            if counter.most is not None:
                yield (Counter(counter.literal, counter.most + 1, None),)
        for watch in said.watching:
            yield Hold(tables.literal(self._unwatched(watch.schema)), rank), Watch(watch.schema, rank, True)
        yield from ((Hold(tables.negate(literal), rank),) for literal in said.asserted if literal.denied)
        for choice in said.choices:
            if all(len(branch) == 1 for branch in choice):
                yield tuple([self._denied(step, rank) for (step,) in choice])
            else:  # the first steps of its branches exclude each other
                for first, *held in choice:
                    failing = (self._denied(step, rank) for step in held)
                    yield from ((first, step) for step in failing if step.literal is not NEVER)
        for schema, _ in said.unions:
            branches = self.overlaps.branches(schema, rank, kind)
            yield tuple([self._denied(branch, rank) for branch in branches])
            for both in self.overlaps.pairs(schema, rank, kind):
                yield tuple([Hold(tables.judging(branch.literal), branch.rank) for branch in both])

    @remembered
    def _unwatched(self, schema: Schema) -> Schema:
        """Return a schema without `unevaluated*`."""
        return self.tables.variant(schema, unevaluated_properties=None, unevaluated_items=None)

    def _denied(self, step: Step, rank: Rank) -> Hold:
        assert isinstance(step, Hold)
        return Hold(self.tables.negate(step.literal), rank)

    def _failures(self, child: Schema | None) -> list[tuple[Literal, ...]]:
        return [] if child is None else self.branches.failing(self.tables.literal(child))
