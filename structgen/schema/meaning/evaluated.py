"""`unevaluatedProperties` and `unevaluatedItems`: rules for the members that no other keyword has evaluated.

A member is *evaluated* by a keyword of the schema itself, or by a subschema that judges the same value and
holds. Subschemas of `allOf` and references always hold. A branch of `anyOf`, `oneOf`, `if` or
`dependentSchemas` evaluates members where it is true. So the evaluated members depend on the truth of those
branches, the *guards*. Once the guards that matter are decided, the keyword is a plain fact:
`additionalProperties` or `items` over the union of the members.

Source: JSON Schema Core 2020-12, sections 10.3, 11.2, 11.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.schema.meaning.assertions import Condition, RankedSchema, rank_parts, unevaluated_schema
from structgen.schema.meaning.branch_facts import Clauses
from structgen.schema.meaning.facts import (
    EXPANDED,
    Choice,
    FactConjunction,
    Hold,
    KnownFacts,
    Rank,
    Step,
    Watch,
)
from structgen.schema.meaning.key_clauses import ClauseReader
from structgen.schema.meaning.literals import ALWAYS, ARRAY, NEVER, OBJECT, Literal
from structgen.schema.meaning.place import PlaceTables
from structgen.schema.meaning.shape import Alternative, AtKey, AtOther, FromIndex, Obligation, Without
from structgen.schema.reading.model import Schema, Schemas, in_place

_GUARDS_AS_CLAUSES = 4
"""The least number of guards that become clauses of one conjunction, if clauses can express them. Fewer
guards are decided one by one."""


@dataclass(slots=True, eq=False)
class EvaluatedMembers:
    """A set of evaluated members: names, patterns of keys, a number of first items, items that meet a
    literal. `covers_all`: all members."""

    names: dict[str, None] = field(default_factory=dict)
    patterns: dict[str, None] = field(default_factory=dict)
    prefix: int = 0
    contains: dict[Literal, Schema] = field(default_factory=dict)
    covers_all: bool = False

    def add_keywords(self, schema: Schema, kind: int, tables: PlaceTables) -> None:
        """Add the members that the keywords of one schema evaluate, without its subschemas and
        `unevaluated*`."""
        if kind == OBJECT:
            self.covers_all = self.covers_all or schema.additional is not None
            self.names.update(dict.fromkeys(schema.properties))
            self.patterns.update(dict.fromkeys(source for source, _ in schema.pattern_properties))
            return
        self.covers_all = self.covers_all or schema.items is not None
        self.prefix = max(self.prefix, len(schema.prefix))
        if schema.contains is not None and schema.contains_evaluates:
            literal = tables.literal_of(schema.contains)
            # From 2020-12 on the items that meet `contains` are evaluated.
            if literal is ALWAYS:
                self.covers_all = True
            elif literal is not NEVER:
                self.contains[literal] = schema.contains

    def covers_members(self, members: EvaluatedMembers) -> bool:
        """Return whether all of `members` are in this set already."""
        return self.covers_all or (
            not members.covers_all
            and members.names.keys() <= self.names.keys()
            and members.patterns.keys() <= self.patterns.keys()
            and members.prefix <= self.prefix
            and members.contains.keys() <= self.contains.keys()
        )


@dataclass(frozen=True, slots=True)
class BranchGuard:
    """A branch of which it is not known yet whether it holds, and so whether it evaluates its members."""

    choice: Choice
    """The choice that decides the guard; empty where an open choice of the conjunction decides it already."""
    parts: Schemas
    """The schemas that evaluate members where the guard holds."""
    holds: Step | None
    """The step under which the guard holds; None: the guard is not one step."""


class Evaluation:
    """Turns `unevaluated*` into plain facts. A network has one such object, which remembers its results."""

    def __init__(self, reader: ClauseReader, limits: Limits) -> None:
        self.tables = reader.tables
        self.reader = reader
        self.limits = limits
        self._possible: dict[tuple[int, int], EvaluatedMembers] = {}

    def settle_watched(self, facts: FactConjunction, kind: int) -> bool:
        """Turn the watched keywords whose guards are known into facts, and add choices for the other guards.

        Returns whether anything was added to `facts`. Linear in the schemas that judge the value.
        """
        waiting: list[Watch] = []
        has_changed = False
        for watch in facts.watching:
            members, open_ = self._walk_schemas(watch, kind, facts)
            # Each guard that a choice decides doubles the number of shapes; clauses do not.
            if len(open_) >= _GUARDS_AS_CLAUSES and kind == OBJECT and not watch.is_negated:
                clauses = self._guard_clauses(watch.schema, members, open_, facts.obligations)
                if clauses is not None:
                    facts.obligations.extend(clauses)
                    open_ = []
            if open_:
                waiting.append(watch)
                choices = [guard.choice for guard in open_ if guard.choice]
                new = [choice for choice in choices if choice not in facts.choices]
                facts.choices.extend(new)
                has_changed = has_changed or bool(new)
                continue
            has_changed = True
            if members.covers_all and watch.is_negated:
                # Every member is evaluated, so that the keyword cannot fail.
                facts.pending.append(Hold(NEVER, ()))
                return True
            if watch.is_negated:
                facts.obligations.append((self._unevaluated_failure(watch.schema, kind, members),))
            elif not members.covers_all:
                # Its keys come behind those of all applicators of the schema.
                last = (*watch.rank, len(watch.schema.applicators))
                facts.facets.append((last, self._make_facet(watch.schema, kind, members)))
        facts.watching = waiting
        return has_changed

    # Inside

    def _walk_schemas(
        self,
        watch: Watch,
        kind: int,
        facts: FactConjunction,
    ) -> tuple[EvaluatedMembers, list[BranchGuard]]:
        """Return the members that are evaluated in any case, and the open guards that may evaluate more."""
        known_facts = KnownFacts(self.reader.branches.obligations, facts)
        members = EvaluatedMembers()
        open_: list[BranchGuard] = []
        visited: set[int] = set()
        stack: list[RankedSchema] = [(watch.schema, watch.rank)]
        while stack and not members.covers_all:
            schema, rank = stack.pop()
            if schema.id in visited or schema.verdict is not None:
                continue
            visited.add(schema.id)
            members.add_keywords(schema, kind, self.tables)
            # An inner `unevaluated*` evaluates all other members.
            if schema is not watch.schema and unevaluated_schema(schema, kind) is not None:
                members.covers_all = True
            stack.extend(rank_parts(schema, rank, "$ref", schema.ref))
            stack.extend(rank_parts(schema, rank, "allOf", *schema.all_of))
            for guard in self._find_guards(schema, rank, kind, known_facts):
                if isinstance(guard, BranchGuard):
                    open_.append(guard)
                else:
                    stack.extend(guard)
        if members.covers_all:
            return members, []
        return members, [guard for guard in open_ if self._may_add(members, guard.parts, kind)]

    def _find_guards(
        self,
        schema: Schema,
        rank: Rank,
        kind: int,
        known_facts: KnownFacts,
    ) -> Iterator[BranchGuard | list[RankedSchema]]:
        """Yield the branches of a schema that evaluate their members, as lists, and the guards that are open.

        For example of `anyOf` a list `[part]` for a branch that surely holds, and a `BranchGuard` for one of
        which nothing is known; a branch that fails gives nothing. `rank` is the position of the schema in the
        text.
        """
        reader = self.reader.branches.reader
        branches = rank_parts(schema, rank, "oneOf", *schema.one_of)
        holding_parts = [
            part for part in branches if self._truth_of(reader.hold_step(part), kind, known_facts)
        ]
        if holding_parts:
            yield holding_parts
        elif branches:
            # The choice between them was made when the schema was taken up.
            yield BranchGuard([], schema.one_of, None)
        tests = list(reader.conditions_of(schema, rank, kind))
        for part in rank_parts(schema, rank, "anyOf", *schema.any_of):
            hold = reader.hold_step(part)
            fail = Hold(self.tables.negate_literal(hold.literal), hold.rank)
            tests.append(Condition(hold, fail, [part], [], []))
        for holds, fails, test, then, otherwise in tests:
            truth = self._truth_of(holds, kind, known_facts)
            if truth is not None:
                yield [*test, *then] if truth else otherwise
                continue
            holding = [part for part, _ in (*test, *then)]
            failing = [part for part, _ in otherwise]
            # Where `else` evaluates members, too, these depend on both sides and not on one step.
            is_split = self._may_add(EvaluatedMembers(), failing, kind)
            parts = (*holding, *failing)
            yield BranchGuard([(holds,), (fails,)], parts, None if is_split else holds)

    def _truth_of(self, step: Step, kind: int, known_facts: KnownFacts) -> bool | None:
        """Return whether a step holds; None where this is not known. A literal counts as a step of the
        call."""
        if isinstance(step, Hold) and step.literal.schema is not ALWAYS.schema:
            literal = step.literal
            # The schema is for other types alone: no object, or array, meets it.
            if not self.tables.type_mask(self.tables.signed_literal(literal.schema)) & kind:
                return literal.is_negated
            THIS_CALL.spend_steps(1, self.limits, EXPANDED, lambda: literal.schema.pointer)
        return known_facts.truth_of_step(step)

    def _guard_clauses(
        self,
        schema: Schema,
        members: EvaluatedMembers,
        guards: list[BranchGuard],
        obligations: list[Obligation],
    ) -> Clauses | None:
        """Return clauses under which the guards need not be decided, and add the names in them to `members`.
        None where clauses cannot express it.

        There is one clause for each name that only guards evaluate: the key is absent, or a guard holds, or
        the key's value meets the keyword. For example `(Without("a"), AtKey("b", ()))`. `obligations` are
        those of the conjunction, which may ask for the same keys.
        """
        child = schema.unevaluated_properties
        assert child is not None
        literal = self.tables.literal_of(child)
        # The keys of containers have an order, which clauses do not keep (`keeps_key_order`).
        if members.patterns or (literal is not NEVER and self.tables.type_mask(literal) & (OBJECT | ARRAY)):
            return None
        names: dict[str, list[Clauses | None]] = {}
        for guard in guards:
            hold_clauses = None if guard.holds is None else self.reader.clauses_of_steps((guard.holds,))
            if hold_clauses is None:
                return None
            for part in guard.parts:
                part_members = self._possible_members(part, OBJECT)
                # With guards inside of it the part does not evaluate the same names each time.
                _, inner_guards = self._walk_schemas(Watch(part, (), False), OBJECT, FactConjunction())
                if inner_guards or part_members.covers_all or part_members.patterns:
                    return None
                for name in part_members.names:
                    if name not in members.names and hold_clauses not in names.setdefault(name, []):
                        names[name].append(hold_clauses)
        found_clauses: Clauses = []
        for name, clauses_of_guards in names.items():
            ways: list[Clauses | None] = [[(Without(name),)]]
            if literal is not NEVER:
                ways.append([(AtKey(name, (literal,)),)])
            clauses = self.reader.branches.any_of_parts([*ways, *clauses_of_guards])
            if clauses is None:
                return None
            found_clauses.extend(clauses)
        if self.reader.busy_keys((*found_clauses, *obligations)):
            return None
        # The clauses cover these names, so that the keyword treats them as evaluated.
        members.names.update(dict.fromkeys(names))
        return found_clauses

    def _may_add(self, members: EvaluatedMembers, parts: Iterable[Schema], kind: int) -> bool:
        """Return whether some of the schemas might evaluate members that are not in `members`."""
        return not all(members.covers_members(self._possible_members(part, kind)) for part in parts)

    def _possible_members(self, root: Schema, kind: int) -> EvaluatedMembers:
        """Return the members that a schema evaluates if every guard in it holds."""
        members = self._possible.get((root.id, kind))
        if members is None:
            members = EvaluatedMembers()
            visited: set[int] = set()
            stack = [root]
            while stack:
                schema = stack.pop()
                if schema.id in visited or schema.verdict is not None:
                    continue
                visited.add(schema.id)
                members.add_keywords(schema, kind, self.tables)
                members.covers_all = members.covers_all or unevaluated_schema(schema, kind) is not None
                stack.extend((*in_place(schema), *schema.dependent_schemas.values()))
            self._possible[root.id, kind] = members
        return members

    def _unevaluated_failure(self, schema: Schema, kind: int, members: EvaluatedMembers) -> Alternative:
        """Return the alternative that some member is not evaluated, and does not meet the keyword."""
        child = unevaluated_schema(schema, kind)
        assert child is not None
        negation = self.tables.literal_of(child, True)
        if kind == OBJECT:
            literals = () if negation is ALWAYS else (negation,)
            return AtOther(self._make_facet(schema, kind, members), literals)
        item_literals = [self.tables.negate_literal(literal) for literal in members.contains]
        if negation is not ALWAYS:
            item_literals.append(negation)
        return FromIndex(members.prefix, tuple(item_literals))

    def _make_facet(self, schema: Schema, kind: int, members: EvaluatedMembers) -> Schema:
        """Return an equivalent schema of `additionalProperties` or `items` alone."""
        names = (*members.names,)
        patterns = (*members.patterns,)
        contains = (*members.contains.values(),)
        return self._facet_beside(schema, kind, names, patterns, members.prefix, contains)

    @remember_answers
    def _facet_beside(
        self,
        schema: Schema,
        kind: int,
        names: tuple[str, ...],
        patterns: tuple[str, ...],
        prefix: int,
        contains: Schemas,
    ) -> Schema:
        """Return the schema of `_make_facet`. For equal members it is the same object: otherwise a recursive
        schema would have ever new demands.

        For example the names `("a",)` become `properties` that allow anything, and the keyword becomes
        `additionalProperties`. The parameters are the fields of `EvaluatedMembers`, as tuples.
        """
        tables = self.tables
        child = unevaluated_schema(schema, kind)
        assert child is not None
        if kind == OBJECT:
            return tables.make_schema(
                pointer=schema.pointer,
                properties=dict.fromkeys(names, tables.anything),
                pattern_properties=tuple((source, tables.anything) for source in patterns),
                additional=child,
            )
        if contains:
            child = tables.make_schema(
                pointer=child.pointer, any_of=(*contains, child), applicators=("anyOf",)
            )
        prefix_schemas = (tables.anything,) * prefix
        return tables.make_schema(pointer=schema.pointer, prefix=prefix_schemas, items=child)
