"""`unevaluatedProperties` and `unevaluatedItems`: the members that no other keyword has evaluated.

A member is evaluated by a keyword of the schema itself, or of a subschema that judges the same value and
holds: `allOf` and references always, a branch of `anyOf`, `oneOf`, `if` or `dependentSchemas` where it is
true. So the evaluated members depend on the truth of those branches, the *guards*. Once the guards that
matter are decided, the keyword is a plain fact: `additionalProperties` or `items` over the union of the
members. Source: JSON Schema Core 2020-12, sections 10.3, 11.2, 11.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from structgen.base.language.remembering import remembered
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.schema.meaning.assertions import Condition, Ranked, ranked, unevaluated
from structgen.schema.meaning.branch_facts import Clauses
from structgen.schema.meaning.facts import (
    EXPANDED,
    Choice,
    FactConjunction,
    Hold,
    Known,
    Rank,
    Step,
    Watch,
)
from structgen.schema.meaning.key_clauses import ClauseReader
from structgen.schema.meaning.literals import ALWAYS, ARRAY, NEVER, OBJECT, Literal
from structgen.schema.meaning.place import PlaceTables
from structgen.schema.meaning.shape import Alternative, AtKey, AtOther, FromIndex, Obligation, Without
from structgen.schema.reading.model import Schema, in_place

_GUARDS_AS_CLAUSES = 4
"""So many guards and more are clauses of one conjunction, where that can be, and not decided one by one."""


@dataclass(slots=True, eq=False)
class EvaluatedMembers:
    """Evaluated members: names, patterns of keys, the first items, items that meet a literal, or all."""

    names: dict[str, None] = field(default_factory=dict)
    patterns: dict[str, None] = field(default_factory=dict)
    prefix: int = 0
    contains: dict[Literal, Schema] = field(default_factory=dict)
    whole: bool = False

    def read(self, schema: Schema, kind: int, tables: PlaceTables) -> None:
        """Add the members that the keywords of one schema evaluate, without its subschemas and
        `unevaluated*`."""
        if kind == OBJECT:
            self.whole = self.whole or schema.additional is not None
            self.names.update(dict.fromkeys(schema.properties))
            self.patterns.update(dict.fromkeys(source for source, _ in schema.pattern_properties))
            return
        self.whole = self.whole or schema.items is not None
        self.prefix = max(self.prefix, len(schema.prefix))
        if schema.contains is not None and schema.contains_evaluates:
            literal = tables.literal(schema.contains)
            if literal is ALWAYS:
                self.whole = True
            elif literal is not NEVER:
                self.contains[literal] = schema.contains

    def covers(self, other: EvaluatedMembers) -> bool:
        """Return whether `other` adds nothing."""
        return self.whole or (
            not other.whole
            and other.names.keys() <= self.names.keys()
            and other.patterns.keys() <= self.patterns.keys()
            and other.prefix <= self.prefix
            and other.contains.keys() <= self.contains.keys()
        )


@dataclass(frozen=True, slots=True)
class BranchGuard:
    """A branch whose truth is open, and so whether it evaluates its members."""

    choice: Choice
    """What decides it; empty where a choice that is open already does."""
    parts: tuple[Schema, ...]
    holds: Step | None
    """They do where this step holds; None: it is not as plain as that."""


class Evaluation:
    """Turns `unevaluated*` into plain facts; one for each network, its results are remembered."""

    def __init__(self, reader: ClauseReader, limits: Limits) -> None:
        self.tables, self.reader, self.limits = reader.tables, reader, limits
        self._possible: dict[tuple[int, int], EvaluatedMembers] = {}

    def settle(self, facts: FactConjunction, kind: int) -> bool:
        """Turn the watched keywords whose guards are known into facts, ask for the guards of the others.

        Returns whether anything was added to `facts`. Linear in the schemas that judge the value.
        """
        waiting: list[Watch] = []
        moved = False
        for watch in facts.watching:
            members, open_ = self._walk(watch, kind, facts)
            if len(open_) >= _GUARDS_AS_CLAUSES and kind == OBJECT and not watch.negated:
                clauses = self._clauses(watch.schema, members, open_, facts.obligations)
                if clauses is not None:
                    facts.obligations.extend(clauses)
                    open_ = []
            if open_:
                waiting.append(watch)
                new = [guard.choice for guard in open_ if guard.choice and guard.choice not in facts.choices]
                facts.choices.extend(new)
                moved = moved or bool(new)
                continue
            moved = True
            if members.whole and watch.negated:
                facts.pending.append(Hold(NEVER, ()))
                return True
            if watch.negated:
                facts.obligations.append((self._failure(watch.schema, kind, members),))
            elif not members.whole:
                last = (*watch.rank, len(watch.schema.applicators))
                facts.facets.append((last, self._facet(watch.schema, kind, members)))
        facts.watching = waiting
        return moved

    # Inside

    def _walk(
        self, watch: Watch, kind: int, facts: FactConjunction
    ) -> tuple[EvaluatedMembers, list[BranchGuard]]:
        """Return the members that are evaluated in any case, and the open guards that may evaluate more."""
        known = Known(self.reader.branches.obligations, facts)
        members = EvaluatedMembers()
        open_: list[BranchGuard] = []
        seen: set[int] = set()
        stack: list[Ranked] = [(watch.schema, watch.rank)]
        while stack and not members.whole:
            schema, rank = stack.pop()
            if schema.id in seen or schema.verdict is not None:
                continue
            seen.add(schema.id)
            members.read(schema, kind, self.tables)
            if schema is not watch.schema and unevaluated(schema, kind) is not None:
                members.whole = True
            stack.extend(ranked(schema, rank, "$ref", schema.ref))
            stack.extend(ranked(schema, rank, "allOf", *schema.all_of))
            for guard in self._guards(schema, rank, kind, known):
                if isinstance(guard, BranchGuard):
                    open_.append(guard)
                else:
                    stack.extend(guard)
        if members.whole:
            return members, []
        return members, [guard for guard in open_ if self._adds(members, guard.parts, kind)]

    def _guards(
        self, schema: Schema, rank: Rank, kind: int, known: Known
    ) -> Iterator[BranchGuard | list[Ranked]]:
        """Yield the branches of a schema that evaluate their members, and the guards that are open."""
        reader = self.reader.branches.reader
        branches = ranked(schema, rank, "oneOf", *schema.one_of)
        held = [part for part in branches if self._truth(reader.hold(part), kind, known)]
        if held:
            yield held
        elif branches:
            # The choice between them was made when the schema was taken up.
            yield BranchGuard([], schema.one_of, None)
        tests = list(reader.conditions(schema, rank, kind))
        for part in ranked(schema, rank, "anyOf", *schema.any_of):
            hold = reader.hold(part)
            fail = Hold(self.tables.negate(hold.literal), hold.rank)
            tests.append(Condition(hold, fail, [part], [], []))
        for holds, fails, test, then, other in tests:
            truth = self._truth(holds, kind, known)
            if truth is not None:
                yield [*test, *then] if truth else other
                continue
            failing = [part for part, _ in other]
            splits = self._adds(EvaluatedMembers(), failing, kind)
            parts = (*(part for part, _ in (*test, *then)), *failing)
            yield BranchGuard([(holds,), (fails,)], parts, None if splits else holds)

    def _truth(self, step: Step, kind: int, known: Known) -> bool | None:
        """Return the truth of a step; None where it is open. A literal is counted as a step of the call."""
        if isinstance(step, Hold) and step.literal.schema is not ALWAYS.schema:
            literal = step.literal
            if not self.tables.mask(self.tables.signed(literal.schema)) & kind:
                return literal.denied
            THIS_CALL.spend(1, self.limits, EXPANDED, lambda: literal.schema.pointer)
        return known.follows(step)

    def _clauses(
        self, schema: Schema, members: EvaluatedMembers, guards: list[BranchGuard], known: list[Obligation]
    ) -> Clauses | None:
        """Return clauses under which the guards need not be decided; adds the names in them to `found`. None
        where clauses cannot express it.

        One clause for each name that only guards evaluate: it is absent, or a guard holds, or its value meets
        the keyword.
        """
        child = schema.unevaluated_properties
        assert child is not None
        literal = self.tables.literal(child)
        if members.patterns or (literal is not NEVER and self.tables.mask(literal) & (OBJECT | ARRAY)):
            return None
        names: dict[str, list[Clauses | None]] = {}
        for guard in guards:
            held = None if guard.holds is None else self.reader.steps((guard.holds,))
            if held is None:
                return None
            for part in guard.parts:
                here = self._at_most(part, OBJECT)
                open_ = self._walk(Watch(part, (), False), OBJECT, FactConjunction())[1]
                if open_ or here.whole or here.patterns:
                    return None
                for name in here.names:
                    if name not in members.names and held not in names.setdefault(name, []):
                        names[name].append(held)
        said: Clauses = []
        for name, held_by in names.items():
            absent: list[Clauses | None] = [[(Without(name),)]]
            if literal is not NEVER:
                absent.append([(AtKey(name, (literal,)),)])
            clauses = self.reader.branches.either([*absent, *held_by])
            if clauses is None:
                return None
            said.extend(clauses)
        if self.reader.busy((*said, *known)):
            return None
        members.names.update(dict.fromkeys(names))
        return said

    def _adds(self, members: EvaluatedMembers, parts: Iterable[Schema], kind: int) -> bool:
        """Return whether some of the schemas might evaluate more than was found."""
        return not all(members.covers(self._at_most(part, kind)) for part in parts)

    def _at_most(self, root: Schema, kind: int) -> EvaluatedMembers:
        """Return the members that a schema evaluates if every guard in it holds."""
        members = self._possible.get((root.id, kind))
        if members is None:
            members = EvaluatedMembers()
            seen: set[int] = set()
            stack = [root]
            while stack:
                schema = stack.pop()
                if schema.id in seen or schema.verdict is not None:
                    continue
                seen.add(schema.id)
                members.read(schema, kind, self.tables)
                members.whole = members.whole or unevaluated(schema, kind) is not None
                stack.extend((*in_place(schema), *schema.dependent_schemas.values()))
            self._possible[root.id, kind] = members
        return members

    def _failure(self, schema: Schema, kind: int, members: EvaluatedMembers) -> Alternative:
        child = unevaluated(schema, kind)
        assert child is not None
        denied = self.tables.literal(child, True)
        if kind == OBJECT:
            literals = () if denied is ALWAYS else (denied,)
            return AtOther(self._facet(schema, kind, members), literals)
        asked = [self.tables.negate(literal) for literal in members.contains]
        if denied is not ALWAYS:
            asked.append(denied)
        return FromIndex(members.prefix, tuple(asked))

    def _facet(self, schema: Schema, kind: int, members: EvaluatedMembers) -> Schema:
        """Return an equivalent schema of `additionalProperties` or `items` alone."""
        names, patterns, contains = (*members.names,), (*members.patterns,), (*members.contains.values(),)
        return self._facet_beside(schema, kind, names, patterns, members.prefix, contains)

    @remembered
    def _facet_beside(
        self,
        schema: Schema,
        kind: int,
        names: tuple[str, ...],
        patterns: tuple[str, ...],
        prefix: int,
        contains: tuple[Schema, ...],
    ) -> Schema:
        """Return the schema of `_facet`: one for equal members, or a recursive schema would have ever new
        demands."""
        tables = self.tables
        child = unevaluated(schema, kind)
        assert child is not None
        if kind == OBJECT:
            return tables.schema(
                pointer=schema.pointer,
                properties=dict.fromkeys(names, tables.anything),
                pattern_properties=tuple((source, tables.anything) for source in patterns),
                additional=child,
            )
        if contains:
            child = tables.schema(pointer=child.pointer, any_of=(*contains, child), applicators=("anyOf",))
        return tables.schema(pointer=schema.pointer, prefix=(tables.anything,) * prefix, items=child)
