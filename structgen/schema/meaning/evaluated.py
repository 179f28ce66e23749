"""`unevaluatedProperties` and `unevaluatedItems`: the members that no other keyword has evaluated.

A member is evaluated by a keyword of the schema itself, or of a subschema that judges the same value and
holds: `allOf` and references always, a branch of `anyOf`, `oneOf`, `if` or `dependentSchemas` where it is
true. So the evaluated members depend on the truth of those branches, the *guards*. Once the guards that
matter are decided, the keyword is a plain fact: `additionalProperties` or `items` over the union of the
members. A guard needs no exact answer. Where the keyword holds, evaluating more only loosens it: the
conjunction is split into one that claims the guard and one that goes without its members, and need not deny
it. Where the keyword fails it is the other way round. Source: JSON Schema Core 2020-12, sections 10.3, 11.2,
11.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TypeAlias

from structgen.schema.meaning.facts import (
    Choice,
    FactConjunction,
    Forbid,
    Hold,
    LeaveOut,
    Rank,
    Require,
    Watch,
)
from structgen.schema.meaning.key_clauses import ClauseReader, Clauses
from structgen.schema.meaning.place import ALWAYS, ARRAY, NEVER, OBJECT, PlaceTables
from structgen.schema.meaning.shape import Alternative, AtKey, AtOther, FromIndex, Obligation, Without
from structgen.schema.reading.model import Schema

Truth: TypeAlias = Callable[[FactConjunction, int], "bool | None"]
"""True where a literal follows from the known facts, False where its negation does, None where neither
does."""
_GUARDS_AS_CLAUSES = 4
"""So many guards and more are clauses of one conjunction, where that can be, and not decided one by one."""
_Facet: TypeAlias = tuple[int, int, frozenset[str], frozenset[str], int, frozenset[int]]


class EvaluatedMembers:
    """Evaluated members: names, patterns of keys, the first items, items that meet a literal, or all."""

    __slots__ = ("contains", "names", "patterns", "prefix", "whole")

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.patterns: dict[str, None] = {}
        self.prefix = 0
        self.contains: dict[int, Schema] = {}
        self.whole = False

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

    def __init__(self, tables: PlaceTables, reader: ClauseReader) -> None:
        self.tables = tables
        self.reader = reader
        self._possible: dict[tuple[int, int], EvaluatedMembers] = {}
        self._facets: dict[_Facet, Schema] = {}
        self._without: dict[int, Schema] = {}
        self._anything = tables.schema(pointer="", verdict=True)

    # What assertions ask

    def applies(self, schema: Schema, kind: int) -> Schema | None:
        """Return the schema of the `unevaluated*` keyword for a kind of container, or None where it restricts
        nothing."""
        child = _unevaluated(schema, kind)
        return None if child is None or self.tables.literal(child) == ALWAYS else child

    def failures(self, schema: Schema, kind: int) -> list[Alternative] | None:
        """Return how the keyword can fail, each in one member; None where that depends on a guard."""
        found, open_ = self._walk(
            Watch(schema, (), True), FactConjunction(), kind, lambda facts, literal: None
        )
        if open_:
            return None
        return [] if found.whole else [self._failure(schema, kind, found)]

    def without(self, schema: Schema) -> Schema:
        """Return the schema without its `unevaluated*` keywords."""
        made = self._without.get(schema.id)
        if made is None:
            left_out = {"id", "pointer", "unevaluated_properties", "unevaluated_items"}
            kept = {f.name: getattr(schema, f.name) for f in fields(Schema) if f.name not in left_out}
            made = self._without[schema.id] = self.tables.schema(pointer=schema.pointer, **kept)
        return made

    # What shapes ask

    def settle(self, facts: FactConjunction, kind: int, truth: Truth) -> bool:
        """Turn the watched keywords whose guards are known into facts, ask for the guards of the others.

        Returns whether anything was added to `facts`. Linear in the schemas that judge the value.
        """
        waiting: list[Watch] = []
        moved = False
        for watch in facts.watching:
            found, open_ = self._walk(watch, facts, kind, truth)
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

    def _walk(
        self, watch: Watch, facts: FactConjunction, kind: int, truth: Truth
    ) -> tuple[EvaluatedMembers, list[BranchGuard]]:
        """Return the members that are evaluated in any case, and the open guards that may evaluate more."""
        tables = self.tables
        found = EvaluatedMembers()
        open_: list[BranchGuard] = []
        seen: set[int] = set()
        stack: list[tuple[Schema, Rank]] = [(watch.schema, watch.rank)]

        def guard(test: Schema, rank: Rank, held: tuple[tuple[Schema, Rank], ...]) -> None:
            literal = tables.literal(test)
            known = self._claimed(watch, facts, literal, kind, truth)
            if known:
                stack.extend(held)
            elif known is None:
                said = tables.negate(literal) if watch.negated else literal
                parts = tuple(part for part, _ in held)
                open_.append(BranchGuard([(Hold(said, rank),), (LeaveOut(said),)], parts, literal))

        while stack and not found.whole:
            schema, rank = stack.pop()
            if schema.id in seen or schema.verdict is not None:
                continue
            seen.add(schema.id)
            found.read(schema, kind, tables)
            if schema is not watch.schema and _unevaluated(schema, kind) is not None:
                found.whole = True
            if schema.ref is not None:
                stack.append((schema.ref, (*rank, position(schema, "$ref"))))
            place = position(schema, "allOf")
            stack.extend((part, (*rank, place, index)) for index, part in enumerate(schema.all_of))
            place = position(schema, "anyOf")
            for index, part in enumerate(schema.any_of):
                there = (*rank, place, index)
                guard(part, there, ((part, there),))
            if schema.one_of:
                place = position(schema, "oneOf")
                ranked = [
                    (part, (*rank, place, index), self._known(facts, tables.literal(part), kind, truth))
                    for index, part in enumerate(schema.one_of)
                ]
                held = [(part, there) for part, there, holds in ranked if holds]
                if held:
                    stack.extend(held)
                else:
                    # That no second branch holds is said where the schema is taken up.
                    choice: Choice = [
                        (Hold(tables.literal(part), there),) for part, there, holds in ranked if holds is None
                    ]
                    open_.append(BranchGuard(choice, schema.one_of, None))
            if schema.if_ is not None:
                at_if, then, other = (*rank, position(schema, "if")), schema.then, schema.else_
                held = [(schema.if_, at_if)]
                if then is not None:
                    held.append((then, (*rank, position(schema, "then"))))
                if other is None or not self._adds(EvaluatedMembers(), (other,), kind):
                    guard(schema.if_, at_if, tuple(held))
                else:
                    literal = tables.literal(schema.if_)
                    known = self._known(facts, literal, kind, truth)
                    if known is None:
                        choice = [(Hold(literal, at_if),), (Hold(tables.negate(literal), at_if),)]
                        open_.append(BranchGuard(choice, (*(part for part, _ in held), other), None))
                    elif known:
                        stack.extend(held)
                    else:
                        stack.append((other, (*rank, position(schema, "else"))))
            if kind == OBJECT:
                place = position(schema, "dependentSchemas")
                for index, (key, part) in enumerate(schema.dependent_schemas.items()):
                    if key in facts.required:
                        stack.append((part, (*rank, place, index)))
                    elif NEVER not in facts.values.get(key, ()):
                        open_.append(BranchGuard([(Require(key),), (Forbid(key),)], (part,), key))
        if found.whole:
            return found, []
        return found, [guard for guard in open_ if self._adds(found, guard.parts, kind)]

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
                held = self.reader.of(guard.holds)
            here = EvaluatedMembers()
            for part in guard.parts:
                if held is None or not self._is_plain(part):
                    return None
                _join(here, self._at_most(part, OBJECT))
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
            clauses = self.reader.either([*absent, *held_by])
            if clauses is None:
                return None
            said.extend(clauses)
        if self.reader.busy((*said, *known)):
            return None
        found.names.update(dict.fromkeys(names))
        return said

    def _is_plain(self, root: Schema) -> bool:
        """Return whether a schema has no guard in it that evaluates anything."""
        seen: set[int] = set()
        stack = [root]
        while stack:
            schema = stack.pop()
            if schema.id in seen or schema.verdict is not None:
                continue
            seen.add(schema.id)
            guarded = [*schema.any_of, *schema.one_of, *schema.dependent_schemas.values()]
            others = (schema.if_, schema.then, schema.else_)
            guarded.extend(part for part in others if part is not None)
            if self._adds(EvaluatedMembers(), guarded, OBJECT):
                return False
            stack.extend(schema.all_of)
            if schema.ref is not None:
                stack.append(schema.ref)
        return True

    def _known(self, facts: FactConjunction, literal: int, kind: int, truth: Truth) -> bool | None:
        """Return the truth of a literal; None where it is open."""
        if literal < 0:
            return literal == ALWAYS
        return truth(facts, literal) if self.tables.mask(literal) & kind else False

    def _claimed(
        self, watch: Watch, facts: FactConjunction, literal: int, kind: int, truth: Truth
    ) -> bool | None:
        """Return whether the members that a literal guards count as evaluated; None: not decided yet."""
        known = self._known(facts, literal, kind, truth)
        if known is None and watch.negated:
            return True if self.tables.negate(literal) in facts.left_out else None
        return False if known is None and literal in facts.left_out else known

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
                stack.extend((*schema.all_of, *schema.any_of, *schema.one_of))
                stack.extend(schema.dependent_schemas.values())
                others = (schema.ref, schema.if_, schema.then, schema.else_)
                stack.extend(part for part in others if part is not None)
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
                    properties=dict.fromkeys(found.names, self._anything),
                    pattern_properties=tuple((source, self._anything) for source in found.patterns),
                    additional=child,
                )
            else:
                if found.contains:
                    either = (*found.contains.values(), child)
                    child = self.tables.schema(pointer=child.pointer, any_of=either, applicators=("anyOf",))
                made = self.tables.schema(
                    pointer=schema.pointer, prefix=(self._anything,) * found.prefix, items=child
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


def _join(found: EvaluatedMembers, other: EvaluatedMembers) -> None:
    found.names.update(other.names)
    found.patterns.update(other.patterns)
    found.whole = found.whole or other.whole
