"""`unevaluatedProperties` and `unevaluatedItems`: the members that no other keyword has evaluated.

A member is evaluated by a keyword of the schema itself, or of a subschema that judges the same value and
holds: `allOf` and references always, a branch of `anyOf`, `oneOf`, `if` or `dependentSchemas` where it is
true. So the evaluated members depend on the truth of those branches, the *guards*. Once the guards that
matter are decided, the keyword is a plain fact: `additionalProperties` or `items` over the union of the
members. Source: JSON Schema Core 2020-12, sections 10.3, 11.2, 11.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from structgen.schema.meaning.branch_facts import Clauses
from structgen.schema.meaning.facts import (
    Choice,
    FactConjunction,
    Hold,
    Rank,
    Step,
    Watch,
    absent,
    present,
)
from structgen.schema.meaning.key_clauses import ClauseReader
from structgen.schema.meaning.place import ALWAYS, ARRAY, NEVER, OBJECT, PlaceTables
from structgen.schema.meaning.shape import Alternative, AtKey, AtOther, FromIndex, Obligation, Without
from structgen.schema.reading.model import Schema, in_place

Judge: TypeAlias = Callable[[Step], "bool | None"]
"""True where a step follows from the known facts, False where it contradicts them, None where neither."""
_Ranked: TypeAlias = tuple[Schema, Rank]
_GUARDS_AS_CLAUSES = 4
"""So many guards and more are clauses of one conjunction, where that can be, and not decided one by one."""
_Facet: TypeAlias = tuple[int, int, frozenset[str], frozenset[str], int, frozenset[int]]


@dataclass(slots=True, eq=False)
class EvaluatedMembers:
    """Evaluated members: names, patterns of keys, the first items, items that meet a literal, or all."""

    names: dict[str, None] = field(default_factory=dict)
    patterns: dict[str, None] = field(default_factory=dict)
    prefix: int = 0
    contains: dict[int, Schema] = field(default_factory=dict)
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
            if literal == ALWAYS:
                self.whole = True
            elif literal != NEVER:
                self.contains[literal] = schema.contains

    def join(self, other: EvaluatedMembers) -> None:
        """Add the named members of another."""
        self.names.update(other.names)
        self.patterns.update(other.patterns)
        self.whole = self.whole or other.whole

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
    """The literal that decides it."""
    parts: tuple[Schema, ...]
    holds: int | str | None
    """They do where this literal holds, or this key is there; None: it is not as plain as that."""


class Evaluation:
    """Turns `unevaluated*` into plain facts; one for each network, its results are remembered."""

    def __init__(self, reader: ClauseReader) -> None:
        self.tables = reader.tables
        self.reader = reader
        self._possible: dict[tuple[int, int], EvaluatedMembers] = {}
        self._facets: dict[_Facet, Schema] = {}
        self._without: dict[int, Schema] = {}

    # What assertions ask

    def applies(self, schema: Schema, kind: int) -> Schema | None:
        """Return the schema of the `unevaluated*` keyword for a kind of container, or None where it restricts
        nothing."""
        child = _unevaluated(schema, kind)
        return None if child is None or self.tables.literal(child) == ALWAYS else child

    def without(self, schema: Schema) -> Schema:
        """Return the schema without its `unevaluated*` keywords."""
        made = self._without.get(schema.id)
        if made is None:
            made = self.tables.variant(schema, unevaluated_properties=None, unevaluated_items=None)
            self._without[schema.id] = made
        return made

    # What shapes ask

    def settle(self, facts: FactConjunction, kind: int, judge: Judge) -> bool:
        """Turn the watched keywords whose guards are known into facts, ask for the guards of the others.
        `judge`: of steps under these facts.

        Returns whether anything was added to `facts`. Linear in the schemas that judge the value.
        """
        waiting: list[Watch] = []
        moved = False
        for watch in facts.watching:
            found, open_ = self._walk(watch, kind, judge)
            if len(open_) >= _GUARDS_AS_CLAUSES and kind == OBJECT and not watch.negated:
                clauses = self._clauses(watch.schema, found, open_, facts.obligations)
                if clauses is not None:
                    facts.obligations.extend(clauses)
                    open_ = []
            if found.whole:
                if watch.negated:
                    facts.pending.append(Hold(NEVER, ()))
                    return True
                moved = True
            elif open_:
                waiting.append(watch)
                for guard in open_:
                    if guard.choice not in facts.choices:
                        facts.choices.append(guard.choice)
                        moved = True
            else:
                moved = True
                if watch.negated:
                    facts.obligations.append((self._failure(watch.schema, kind, found),))
                else:
                    last = (*watch.rank, len(watch.schema.applicators))
                    facts.facets.append((last, self._facet(watch.schema, kind, found)))
        facts.watching = waiting
        return moved

    # Inside

    def _walk(self, watch: Watch, kind: int, judge: Judge) -> tuple[EvaluatedMembers, list[BranchGuard]]:
        """Return the members that are evaluated in any case, and the open guards that may evaluate more."""
        found = EvaluatedMembers()
        open_: list[BranchGuard] = []
        seen: set[int] = set()
        stack: list[_Ranked] = [(watch.schema, watch.rank)]
        while stack and not found.whole:
            schema, rank = stack.pop()
            if schema.id in seen or schema.verdict is not None:
                continue
            seen.add(schema.id)
            found.read(schema, kind, self.tables)
            if schema is not watch.schema and _unevaluated(schema, kind) is not None:
                found.whole = True
            stack.extend(_ranked(schema, rank, "$ref", schema.ref))
            stack.extend(_ranked(schema, rank, "allOf", *schema.all_of))
            for guard in self._guards(schema, rank, kind, judge):
                if isinstance(guard, BranchGuard):
                    open_.append(guard)
                else:
                    stack.extend(guard)
        if found.whole:
            return found, []
        return found, [guard for guard in open_ if self._adds(found, guard.parts, kind)]

    def _guards(
        self, schema: Schema, rank: Rank, kind: int, judge: Judge
    ) -> Iterator[BranchGuard | list[_Ranked]]:
        """Yield the branches of a schema that evaluate their members, and the guards that are open."""
        tables = self.tables
        for there in _ranked(schema, rank, "anyOf", *schema.any_of):
            yield self._guard(there, [there], [], kind, judge)
        if schema.one_of:
            ranked = _ranked(schema, rank, "oneOf", *schema.one_of)
            truths = [self._known(tables.literal(part), kind, judge) for part, _ in ranked]
            if True in truths:
                yield [there for there, holds in zip(ranked, truths, strict=True) if holds]
            else:
                # That no second branch holds is said where the schema is taken up.
                choice: Choice = [
                    (Hold(tables.literal(part), at),)
                    for (part, at), holds in zip(ranked, truths, strict=True)
                    if holds is None
                ]
                yield BranchGuard(choice, schema.one_of, None)
        for test in _ranked(schema, rank, "if", schema.if_):
            then, other = (
                _ranked(schema, rank, "then", schema.then),
                _ranked(schema, rank, "else", schema.else_),
            )
            yield self._guard(test, [test, *then], other, kind, judge)
        if kind == OBJECT:
            dependent = schema.dependent_schemas
            ranked = _ranked(schema, rank, "dependentSchemas", *dependent.values())
            for key, part in zip(dependent, ranked, strict=True):
                is_there = judge(present(key))
                if is_there:
                    yield [part]
                elif is_there is None:
                    yield BranchGuard([(present(key),), (absent(key),)], (part[0],), key)

    def _guard(
        self, test: _Ranked, held: list[_Ranked], other: list[_Ranked], kind: int, judge: Judge
    ) -> BranchGuard | list[_Ranked]:
        """Return what a test evaluates: where it holds, or else where it fails; a guard if that is open."""
        literal, rank = self.tables.literal(test[0]), test[1]
        known = self._known(literal, kind, judge)
        if known is not None:
            return held if known else other
        failing = [part for part, _ in other]
        splits = self._adds(EvaluatedMembers(), failing, kind)
        choice: Choice = [(Hold(one, rank),) for one in (literal, self.tables.negate(literal))]
        return BranchGuard(choice, (*(part for part, _ in held), *failing), None if splits else literal)

    def _clauses(
        self, schema: Schema, found: EvaluatedMembers, guards: list[BranchGuard], known: list[Obligation]
    ) -> Clauses | None:
        """Return clauses under which the guards need not be decided; adds the names in them to `found`. None
        where clauses cannot express it.

        One clause for each name that only guards evaluate: it is absent, or a guard holds, or its value meets
        the keyword.
        """
        child = schema.unevaluated_properties
        assert child is not None
        literal = self.tables.literal(child)
        if found.patterns or (literal != NEVER and self.tables.mask(literal) & (OBJECT | ARRAY)):
            return None
        names: dict[str, list[Clauses | None]] = {}
        for guard in guards:
            if guard.holds is None:
                return None
            held: Clauses | None
            if isinstance(guard.holds, str):
                held = [(AtKey(guard.holds, ()),)]
            else:
                held = self.reader.branches.clauses(guard.holds)
            here = EvaluatedMembers()
            for part in guard.parts:
                if held is None or self._walk(Watch(part, (), False), OBJECT, _unknown)[1]:
                    return None
                here.join(self._at_most(part, OBJECT))
            if here.whole or here.patterns:
                return None
            for name in here.names:
                if name not in found.names:
                    names.setdefault(name, []).append(held)
        said: Clauses = []
        for name, held_by in names.items():
            absent: list[Clauses | None] = [[(Without(name),)]]
            if literal != NEVER:
                absent.append([(AtKey(name, (literal,)),)])
            clauses = self.reader.branches.either([*absent, *held_by])
            if clauses is None:
                return None
            said.extend(clauses)
        if self.reader.busy((*said, *known)):
            return None
        found.names.update(dict.fromkeys(names))
        return said

    def _known(self, literal: int, kind: int, judge: Judge) -> bool | None:
        """Return the truth of a literal; None where it is open."""
        if literal < 0:
            return literal == ALWAYS
        if not self.tables.mask(literal & ~1) & kind:
            return bool(literal & 1)
        return judge(Hold(literal, ()))

    def _adds(self, found: EvaluatedMembers, parts: Iterable[Schema], kind: int) -> bool:
        """Return whether some of the schemas might evaluate more than was found."""
        return not all(found.covers(self._at_most(part, kind)) for part in parts)

    def _at_most(self, root: Schema, kind: int) -> EvaluatedMembers:
        """Return the members that a schema evaluates if every guard in it holds."""
        found = self._possible.get((root.id, kind))
        if found is None:
            found = EvaluatedMembers()
            seen: set[int] = set()
            stack = [root]
            while stack:
                schema = stack.pop()
                if schema.id in seen or schema.verdict is not None:
                    continue
                seen.add(schema.id)
                found.read(schema, kind, self.tables)
                found.whole = found.whole or _unevaluated(schema, kind) is not None
                stack.extend((*in_place(schema), *schema.dependent_schemas.values()))
            self._possible[root.id, kind] = found
        return found

    def _failure(self, schema: Schema, kind: int, found: EvaluatedMembers) -> Alternative:
        child = _unevaluated(schema, kind)
        assert child is not None
        denied = self.tables.literal(child, True)
        if kind == OBJECT:
            literals = () if denied == ALWAYS else (denied,)
            return AtOther(self._facet(schema, kind, found), literals)
        asked = [self.tables.negate(literal) for literal in found.contains]
        if denied != ALWAYS:
            asked.append(denied)
        return FromIndex(found.prefix, tuple(asked))

    def _facet(self, schema: Schema, kind: int, found: EvaluatedMembers) -> Schema:
        """Return an equivalent schema of `additionalProperties` or `items` alone."""
        names, patterns = frozenset(found.names), frozenset(found.patterns)
        key = (schema.id, kind, names, patterns, found.prefix, frozenset(found.contains))
        made = self._facets.get(key)
        if made is None:
            child = _unevaluated(schema, kind)
            assert child is not None
            if kind == OBJECT:
                made = self.tables.schema(
                    pointer=schema.pointer,
                    properties=dict.fromkeys(found.names, self.tables.anything),
                    pattern_properties=tuple((source, self.tables.anything) for source in found.patterns),
                    additional=child,
                )
            else:
                if found.contains:
                    either = (*found.contains.values(), child)
                    child = self.tables.schema(pointer=child.pointer, any_of=either, applicators=("anyOf",))
                made = self.tables.schema(
                    pointer=schema.pointer, prefix=(self.tables.anything,) * found.prefix, items=child
                )
            self._facets[key] = made
        return made


def position(schema: Schema, name: str) -> int:
    """Return the position of an applicator in the schema's text."""
    try:
        return schema.applicators.index(name)
    except ValueError:
        return 0


def _unevaluated(schema: Schema, kind: int) -> Schema | None:
    return schema.unevaluated_properties if kind == OBJECT else schema.unevaluated_items


def _ranked(schema: Schema, rank: Rank, name: str, *parts: Schema | None) -> list[_Ranked]:
    """Return the parts of an applicator that are there, each with its place in the text."""
    place = position(schema, name)
    return [(part, (*rank, place, index)) for index, part in enumerate(parts) if part is not None]


def _unknown(step: Step) -> None:
    """Judge a step where nothing is known."""
