"""Demands on objects and arrays as disjunctions of shapes: conjunctions of plain facts, negations pushed inward.

A disjunction of schemas that a single member or item can settle (the negation of `properties`, `items`,
`required`, bounds) does not multiply shapes: it becomes an *obligation*, a set of alternatives of which at least
one must come true while the value is written. What must be split (anyOf, oneOf, if) is split after everything
else is known, and branches that contradict what is known are dropped at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from structgen.errors import LimitError
from structgen.limits import Limits
from structgen.schema.model import Schema
from structgen.schema.place import ALWAYS, ARRAY, NEVER, OBJECT, STRING, Info, Tables
from structgen.schema.scalars import Scalars

# Alternatives of an obligation


@dataclass(frozen=True, slots=True)
class AtKey:
    """The named key is there and its value meets the literals."""

    key: str
    literals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AtPattern:
    """Some key in which the pattern matches has a value that meets the literals."""

    source: str
    literals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AtOther:
    """Some key that `schema` leaves to additionalProperties has a value that meets the literals."""

    schema: Schema
    literals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BadKey:
    """Some key, as a string, does not meet the literal."""

    literal: int


@dataclass(frozen=True, slots=True)
class Without:
    """The named key is absent."""

    key: str


@dataclass(frozen=True, slots=True)
class AtIndex:
    """The item at an index is there and meets the literals."""

    index: int
    literals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FromIndex:
    """Some item at or after an index meets the literals."""

    index: int
    literals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """There are at least so many members or items."""

    count: int


@dataclass(frozen=True, slots=True)
class AtMost:
    """There are at most so many members or items."""

    count: int


Alternative: TypeAlias = (
    AtKey | AtPattern | AtOther | BadKey | Without | AtIndex | FromIndex | AtLeast | AtMost
)
Obligation: TypeAlias = tuple[Alternative, ...]


@dataclass(frozen=True, slots=True)
class Counter:
    """From `least` to `most` (None: any number of) items meet the literal."""

    literal: int
    least: int
    most: int | None


_PINNED = 16
"""Schemas with more properties than this are not searched for constants that contradict what is known."""

# What a branch may be asked to take up

Rank: TypeAlias = tuple[int, ...]
"""Where in the text something is said: the order of the literals of a child is the order of their ranks."""


@dataclass(frozen=True, slots=True)
class _Say:
    literal: int
    rank: Rank


@dataclass(frozen=True, slots=True)
class _Require:
    key: str


@dataclass(frozen=True, slots=True)
class _Forbid:
    key: str


@dataclass(frozen=True, slots=True)
class _Oblige:
    alternatives: Obligation


_Step: TypeAlias = _Say | _Require | _Forbid | _Oblige | Counter
_Choice: TypeAlias = list[tuple[_Step, ...]]


class ObjectShape:
    """A conjunction of facts about an object. Immutable, but for the memo of value demands."""

    __slots__ = (
        "conditional",
        "facets",
        "hi",
        "id",
        "key_literals",
        "lo",
        "obligations",
        "plain",
        "required",
        "simple",
        "values",
        "values_memo",
    )

    def __init__(
        self,
        id: int,
        facets: tuple[Schema, ...],
        required: tuple[str, ...],
        values: Mapping[str, tuple[int, ...]],
        lo: int,
        hi: int | None,
        key_literals: tuple[int, ...],
        conditional: tuple[tuple[str, tuple[str, ...]], ...],
        obligations: tuple[Obligation, ...],
    ) -> None:
        self.id = id
        self.facets = facets
        """Schemas whose properties, patternProperties and additionalProperties hold, in text order."""
        self.required = required
        self.values = values
        """More literals for the values of named keys; NEVER forbids the key."""
        self.lo = lo
        self.hi = hi
        self.key_literals = key_literals
        """Literals that every key meets, as a string."""
        self.conditional = conditional
        """Where the first key is present the others are required."""
        self.obligations = obligations
        self.plain = not (conditional or obligations)
        self.simple = self.plain and not lo and hi is None
        """Neither the number of members nor, but for order, which keys were written matters."""
        self.values_memo: dict[str, int] = {}


class ArrayShape:
    """A conjunction of facts about an array. Immutable, but for the memo of item demands."""

    __slots__ = (
        "counters",
        "facets",
        "hi",
        "id",
        "items_memo",
        "lo",
        "obligations",
        "plain",
        "settled",
        "values",
    )

    def __init__(
        self,
        id: int,
        facets: tuple[Schema, ...],
        values: Mapping[int, tuple[int, ...]],
        lo: int,
        hi: int | None,
        counters: tuple[Counter, ...],
        obligations: tuple[Obligation, ...],
    ) -> None:
        self.id = id
        self.facets = facets
        self.values = values
        self.lo = lo
        self.hi = hi
        self.counters = counters
        self.obligations = obligations
        self.plain = not (counters or obligations)
        settled = max((index + 1 for index in values), default=0)
        for schema in facets:
            settled = max(settled, len(schema.prefix))
        for obligation in obligations:
            for alternative in obligation:
                if isinstance(alternative, (AtIndex, FromIndex)):
                    settled = max(settled, alternative.index + 1)
        self.settled = settled
        """Items from this index on are all alike."""
        self.items_memo: dict[int, int] = {}


class _Facts:
    """A conjunction as it is being built."""

    __slots__ = (
        "asserted",
        "choices",
        "conditional",
        "counters",
        "facets",
        "hi",
        "key_literals",
        "lo",
        "obligations",
        "pending",
        "required",
        "values",
    )

    def __init__(self) -> None:
        self.pending: list[_Step] = []
        self.asserted: set[int] = set()
        self.choices: list[_Choice] = []
        self.facets: list[tuple[Rank, Schema]] = []
        self.required: dict[str, None] = {}
        self.values: dict[str | int, tuple[int, ...]] = {}
        self.lo = 0
        self.hi: int | None = None
        self.key_literals: list[int] = []
        self.conditional: list[tuple[str, tuple[str, ...]]] = []
        self.obligations: list[Obligation] = []
        self.counters: list[Counter] = []

    def copy(self) -> _Facts:
        new = _Facts()
        new.asserted = set(self.asserted)
        new.choices = list(self.choices)
        new.facets = list(self.facets)
        new.required = dict(self.required)
        new.values = dict(self.values)
        new.lo, new.hi = self.lo, self.hi
        new.key_literals = list(self.key_literals)
        new.conditional = list(self.conditional)
        new.obligations = list(self.obligations)
        new.counters = list(self.counters)
        return new

    def bound(self, lo: int, hi: int | None) -> None:
        self.lo = max(self.lo, lo)
        if hi is not None:
            self.hi = hi if self.hi is None else min(self.hi, hi)

    def add_value(self, key: str | int, literals: Iterable[int]) -> None:
        self.values[key] = (*self.values.get(key, ()), *literals)


class Shapes:
    """Expands demands at the two container types; memoised by demand."""

    def __init__(self, tables: Tables, scalars: Scalars, limits: Limits) -> None:
        self.tables = tables
        self.scalars = scalars
        self.limits = limits
        self._objects: dict[int, tuple[ObjectShape, ...]] = {}
        self._arrays: dict[int, tuple[ArrayShape, ...]] = {}
        self._count = 0
        self._pins: dict[int, Mapping[str, frozenset[object]]] = {}
        self._discriminators: dict[int, Mapping[str, frozenset[object]]] = {}

    # The two doors

    def objects(self, demand: int) -> tuple[ObjectShape, ...]:
        """Return the shapes of the objects that meet a demand; LimitError past `limits.alternatives`."""
        found = self._objects.get(demand)
        if found is None:
            literals = self.tables.demands[demand]
            quick = self._quick(literals, OBJECT)
            if quick is not None:
                found = tuple(self._plain_object(schema) for schema in quick)
            else:
                found = tuple(map(self._object_shape, self._expand(demand, OBJECT)))
            self._objects[demand] = found
        return found

    def arrays(self, demand: int) -> tuple[ArrayShape, ...]:
        """Return the shapes of the arrays that meet a demand; LimitError past `limits.alternatives`."""
        found = self._arrays.get(demand)
        if found is None:
            literals = self.tables.demands[demand]
            quick = self._quick(literals, ARRAY)
            if quick is not None:
                found = tuple(self._plain_array(schema) for schema in quick)
            else:
                found = tuple(map(self._array_shape, self._expand(demand, ARRAY)))
            self._arrays[demand] = found
        return found

    def _quick(self, literals: tuple[int, ...], kind: int) -> tuple[Schema | None, ...] | None:
        """Return the facets of the (at most one) shape of a demand that is one plain schema, else None."""
        if not literals:
            return (None,)
        if len(literals) > 1 or literals[0] & 1:
            return None
        info = self.tables.infos[literals[0] >> 1]
        if not info.types & kind:
            return ()
        schema = info.schema
        if info.combined or info.values is not None:
            return None
        if kind == OBJECT:
            if schema.dependent_schemas or schema.property_names is not None:
                return None
            return (schema,) if info.objects else (None,)
        return None if schema.contains is not None else (schema,) if info.arrays else (None,)

    def _plain_object(self, schema: Schema | None) -> ObjectShape:
        self._count += 1
        if schema is None:
            return ObjectShape(self._count, (), (), {}, 0, None, (), (), ())
        has_facet = schema.properties or schema.pattern_properties or schema.additional is not None
        required = schema.required
        if len(required) > 1:
            required = tuple(dict.fromkeys(required))
        return ObjectShape(
            self._count,
            (schema,) if has_facet else (),
            required,
            {},
            schema.min_properties,
            schema.max_properties,
            (),
            tuple(schema.dependent_required.items()) if schema.dependent_required else (),
            (),
        )

    def _plain_array(self, schema: Schema | None) -> ArrayShape:
        self._count += 1
        if schema is None:
            return ArrayShape(self._count, (), {}, 0, None, (), ())
        return ArrayShape(self._count, (schema,), {}, schema.min_items, schema.max_items, (), ())

    def _object_shape(self, facts: _Facts) -> ObjectShape:
        self._count += 1
        facts.facets.sort(key=_by_rank)
        return ObjectShape(
            self._count,
            tuple(schema for _, schema in facts.facets),
            tuple(facts.required),
            {key: literals for key, literals in facts.values.items() if isinstance(key, str)},
            facts.lo,
            facts.hi,
            tuple(dict.fromkeys(facts.key_literals)),
            tuple(dict.fromkeys(facts.conditional)),
            tuple(dict.fromkeys(facts.obligations)),
        )

    def _array_shape(self, facts: _Facts) -> ArrayShape:
        self._count += 1
        facts.facets.sort(key=_by_rank)
        return ArrayShape(
            self._count,
            tuple(schema for _, schema in facts.facets),
            {index: literals for index, literals in facts.values.items() if isinstance(index, int)},
            facts.lo,
            facts.hi,
            tuple(dict.fromkeys(facts.counters)),
            tuple(dict.fromkeys(facts.obligations)),
        )

    # Values

    def value_literals(self, facets: Iterable[Schema], key: str) -> list[int]:
        """Return the literals that facets ask of the value under a key, in text order."""
        tables = self.tables
        found: list[int] = []
        for schema in facets:
            own = schema.properties.get(key)
            matched = own is not None
            if own is not None:
                found.append(tables.literal(own))
            for source, child in schema.pattern_properties:
                if self.scalars.pattern_matches(source, key):
                    matched = True
                    found.append(tables.literal(child))
            if not matched and schema.additional is not None:
                found.append(tables.literal(schema.additional))
        return found

    # Expansion

    def _expand(self, demand: int, kind: int) -> list[_Facts]:
        first = _Facts()
        first.pending = [_Say(literal, (place,)) for place, literal in enumerate(self.tables.demands[demand])]
        first.pending.reverse()
        queue = [first]
        done: list[_Facts] = []
        steps = 0
        while queue:
            facts = queue.pop()
            steps += 1
            if steps > self.limits.oracle_steps:
                raise self._too_many(demand, "oracle_steps", steps)
            if not self._settle(facts, kind):
                continue
            if not facts.choices:
                done.append(facts)
                if len(done) > self.limits.alternatives:
                    raise self._too_many(demand, "alternatives", len(done))
                continue
            best = min(range(len(facts.choices)), key=lambda i: len(facts.choices[i]))
            choice = facts.choices.pop(best)
            for steps_of_branch in reversed(choice):
                branch = facts.copy()
                branch.pending = list(reversed(steps_of_branch))
                queue.append(branch)
        return done

    def _too_many(self, demand: int, limit: str, count: int) -> LimitError:
        sources = self.tables.sources((demand,))
        return LimitError(
            f"the alternatives of this place multiply past {count:,}.",
            limit=limit,
            where=sources[0] if sources else "",
        )

    def _settle(self, facts: _Facts, kind: int) -> bool:
        """Take up everything that needs no choice; return False where it contradicts itself."""
        while True:
            while facts.pending:
                step = facts.pending.pop()
                match step:
                    case _Say(literal, rank):
                        if literal == ALWAYS or literal in facts.asserted:
                            continue
                        if literal == NEVER or literal ^ 1 in facts.asserted:
                            return False
                        facts.asserted.add(literal)
                        info = self.tables.infos[literal >> 1]
                        take = self._negative if literal & 1 else self._positive
                        if not take(facts, info, rank, kind):
                            return False
                    case _Require(key):
                        facts.required[key] = None
                    case _Forbid(key):
                        facts.add_value(key, (NEVER,))
                    case _Oblige(alternatives):
                        facts.obligations.append(alternatives)
                    case Counter():
                        facts.counters.append(step)
            held = self._simplify_object(facts) if kind == OBJECT else self._simplify_array(facts)
            if not held:
                return False
            if not self._prune(facts):
                return False
            if not facts.pending:
                return True

    def _prune(self, facts: _Facts) -> bool:
        """Drop branches of choices that contradict what is asserted; take up a choice with one branch left."""
        if not facts.choices:
            return True
        fixed: dict[str, frozenset[object]] = {}
        left: list[_Choice] = []
        for choice in facts.choices:
            kept: _Choice = []
            held = False
            for branch in choice:
                open_steps: list[_Step] = []
                dead = False
                for step in branch:
                    if isinstance(step, _Say):
                        truth = self._truth(facts, step.literal, fixed)
                        if truth is False:
                            dead = True
                            break
                        if truth:
                            continue
                    open_steps.append(step)
                if dead:
                    continue
                if not open_steps:
                    held = True
                    break
                kept.append(tuple(open_steps))
            if held:
                continue
            if not kept:
                return False
            if len(kept) == 1:
                facts.pending.extend(reversed(kept[0]))
            else:
                left.append(kept)
        facts.choices = left
        return True

    def _truth(self, facts: _Facts, literal: int, fixed: dict[str, frozenset[object]]) -> bool | None:
        """Return whether a literal follows from what is known, or its negation does, as far as that is cheap.

        A schema that asks a constant of a required key which is known to have another is false; this keeps
        long lists of `if` on one key from being split again in every branch. `fixed` is a memo for one call.
        """
        if literal < 0:
            return literal == ALWAYS
        if literal in facts.asserted:
            return True
        if literal ^ 1 in facts.asserted:
            return False
        pinned = self._pinned(literal & ~1)
        for key, values in pinned.items():
            if key in facts.required:
                known = fixed.get(key)
                if known is None:
                    known = fixed[key] = self._fixed(facts, key)
                if known and known.isdisjoint(values):
                    return bool(literal & 1)
        return None

    def _pinned(self, literal: int) -> Mapping[str, frozenset[object]]:
        """Return the keys to which a schema's own `properties` give one of finitely many values."""
        found = self._pins.get(literal)
        if found is None:
            found = {}
            info = self.tables.infos[literal >> 1]
            if info.types & OBJECT and len(info.schema.properties) <= _PINNED:
                for key, child in info.schema.properties.items():
                    values = self.tables.info(child).values
                    if values is not None:
                        found[key] = values
            self._pins[literal] = found
        return found

    def _fixed(self, facts: _Facts, key: str) -> frozenset[object]:
        """Return the finitely many values that are left for a key; empty: not known to be finite."""
        smallest: frozenset[object] = frozenset()
        for literal in self.value_literals([schema for _, schema in facts.facets], key):
            if literal >= 0 and not literal & 1:
                values = self.tables.infos[literal >> 1].values
                if values and (not smallest or len(values) < len(smallest)):
                    smallest = values
        return smallest

    def _positive(self, facts: _Facts, info: Info, rank: Rank, kind: int) -> bool:
        if not info.types & kind or info.verdict is False:
            return False
        schema, tables = info.schema, self.tables
        if schema.enum is not None:
            container = dict if kind == OBJECT else list
            members = [
                tables.literal(tables.member(schema, index))
                for index, value in enumerate(schema.enum)
                if isinstance(value, container)
            ]
            if not members:
                return False
            self._choose(facts, [(_Say(member, (*rank, 0)),) for member in members])
        if kind == OBJECT and info.objects:
            self._object_keywords(facts, schema, rank)
        elif kind == ARRAY and info.arrays:
            self._array_keywords(facts, schema, rank)
        if info.combined:
            self._combinators(facts, schema, rank, kind)
        return True

    def _object_keywords(self, facts: _Facts, schema: Schema, rank: Rank) -> None:
        if schema.properties or schema.pattern_properties or schema.additional is not None:
            facts.facets.append(((*rank, _at(schema, "properties")), schema))
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
        place = _at(schema, "dependentSchemas")
        for index, (key, child) in enumerate(schema.dependent_schemas.items()):
            literal = self.tables.literal(child)
            if literal == NEVER:
                facts.add_value(key, (NEVER,))
            elif literal != ALWAYS:
                says = _Say(literal, (*rank, place, index))
                self._choose(facts, [(_Forbid(key),), (_Require(key), says)])

    def _array_keywords(self, facts: _Facts, schema: Schema, rank: Rank) -> None:
        if schema.prefix or schema.items is not None:
            facts.facets.append((rank, schema))
        facts.bound(schema.min_items, schema.max_items)
        if schema.contains is not None:
            self._count_items(
                facts, self.tables.literal(schema.contains), schema.min_contains, schema.max_contains
            )

    def _count_items(self, facts: _Facts, literal: int, least: int, most: int | None) -> None:
        if literal == ALWAYS:
            facts.bound(least, most)
        elif literal == NEVER:
            if least:
                facts.bound(1, 0)
        elif least or most is not None:
            facts.counters.append(Counter(literal, least, most))

    def _combinators(self, facts: _Facts, schema: Schema, rank: Rank, kind: int) -> None:
        tables = self.tables
        says: list[_Step] = []
        if schema.ref is not None:
            says.append(_Say(tables.literal(schema.ref), (*rank, _at(schema, "$ref"))))
        place = _at(schema, "allOf")
        says.extend(
            _Say(tables.literal(part), (*rank, place, index)) for index, part in enumerate(schema.all_of)
        )
        if schema.not_ is not None:
            says.append(_Say(tables.literal(schema.not_, True), rank))
        facts.pending.extend(reversed(says))
        if schema.any_of:
            place = _at(schema, "anyOf")
            self._choose(
                facts,
                [
                    (_Say(literal, (*rank, place, index)),)
                    for index, literal in enumerate(map(tables.literal, schema.any_of))
                    if tables.mask(literal) & kind
                ],
            )
        if schema.one_of:
            self._choose(facts, self._one_of(schema, rank, kind))
        if schema.if_ is not None:
            then = ALWAYS if schema.then is None else tables.literal(schema.then)
            other = ALWAYS if schema.else_ is None else tables.literal(schema.else_)
            if then != ALWAYS or other != ALWAYS:
                test = tables.literal(schema.if_)
                at_if = (*rank, _at(schema, "if"))
                self._choose(
                    facts,
                    [
                        (_Say(test, at_if), _Say(then, (*rank, _at(schema, "then")))),
                        (_Say(tables.negate(test), at_if), _Say(other, (*rank, _at(schema, "else")))),
                    ],
                )

    def _choose(self, facts: _Facts, choice: _Choice) -> None:
        if len(choice) == 1:
            facts.pending.extend(reversed(choice[0]))
        elif not choice:
            facts.pending.append(_Say(NEVER, ()))
        else:
            facts.choices.append(choice)

    # oneOf

    def _one_of(self, schema: Schema, rank: Rank, kind: int) -> _Choice:
        place = _at(schema, "oneOf")
        tables = self.tables
        branches = [
            (index, literal)
            for index, literal in enumerate(map(tables.literal, schema.one_of))
            if tables.mask(literal) & kind
        ]
        rivals = self._rivals([literal for _, literal in branches], kind, schema)
        choice: _Choice = []
        for at, (index, literal) in enumerate(branches):
            steps: list[_Step] = [_Say(literal, (*rank, place, index))]
            steps.extend(
                _Say(tables.negate(branches[other][1]), (*rank, place, index)) for other in rivals[at]
            )
            choice.append(tuple(steps))
        return choice

    def _rivals(self, literals: list[int], kind: int, schema: Schema) -> list[list[int]]:
        """Return for each branch the others that it may overlap with.

        Branches that ask different constants of one required key are told apart by an index over that key, so
        that a union of thousands is not compared pair by pair.
        """
        size = len(literals)
        rivals: list[list[int]] = [[] for _ in range(size)]
        if size < 2:
            return rivals
        known = [self._discriminating(literal) for literal in literals] if kind == OBJECT else []
        groups: dict[int, list[int]] = {}
        pairs: Iterable[tuple[int, int]]
        if known and size > 8:
            tally: dict[str, int] = {}
            for facts in known:
                for key in facts:
                    tally[key] = tally.get(key, 0) + 1
            if tally:
                best = max(tally, key=lambda key: tally[key])
                buckets: dict[object, list[int]] = {}
                loose: list[int] = []
                for index, facts in enumerate(known):
                    if best in facts:
                        for value in facts[best]:
                            buckets.setdefault(value, []).append(index)
                    else:
                        loose.append(index)
                found = {(a, b) for bucket in buckets.values() for b in bucket for a in bucket if a < b}
                found.update((min(a, b), max(a, b)) for a in loose for b in range(size) if a != b)
                pairs = sorted(found)
            else:
                pairs = ((a, b) for a in range(size) for b in range(a + 1, size))
        else:
            pairs = ((a, b) for a in range(size) for b in range(a + 1, size))
        del groups
        steps = 0
        for a, b in pairs:
            steps += 1
            if steps > 50 * self.limits.alternatives:
                raise LimitError(
                    f"oneOf has {size} branches that must be compared pair by pair.",
                    limit="alternatives",
                    where=schema.pointer,
                )
            if known and any(key in known[b] and known[a][key].isdisjoint(known[b][key]) for key in known[a]):
                continue
            if literals[a] ^ 1 == literals[b] or self.tables.clash((literals[a], literals[b])):
                continue
            if kind == OBJECT and self._closed_out(literals[a], literals[b]):
                continue
            rivals[a].append(b)
            rivals[b].append(a)
        return rivals

    def _discriminating(self, literal: int) -> Mapping[str, frozenset[object]]:
        """Return keys that a positive literal requires with one of finitely many values."""
        if literal < 0 or literal & 1:
            return {}
        found = self._discriminators.get(literal)
        if found is None:
            required: set[str] = set()
            values: dict[str, frozenset[object]] = {}
            for schema in self.conjuncts(literal):
                required.update(schema.required)
                for key, child in schema.properties.items():
                    info = self.tables.info(child)
                    if info.values is not None:
                        values[key] = values[key] & info.values if key in values else frozenset(info.values)
            found = {key: finite for key, finite in values.items() if key in required}
            self._discriminators[literal] = found
        return found

    def conjuncts(self, literal: int) -> list[Schema]:
        """Return the schemas that hold wherever a positive literal does: itself, its `$ref` and its `allOf`."""
        found: dict[int, Schema] = {}
        stack = [self.tables.about(literal).schema]
        while stack:
            schema = self.tables.info(stack.pop()).schema
            if schema.id in found:
                continue
            found[schema.id] = schema
            stack.extend(schema.all_of)
            if schema.ref is not None:
                stack.append(schema.ref)
        return list(found.values())

    def _closed_out(self, a: int, b: int) -> bool:
        """Return whether one branch requires a key that the other, closed by additionalProperties, cannot hold."""
        if a < 0 or b < 0 or a & 1 or b & 1:
            return False
        for one, other in (
            (self.conjuncts(a), self.conjuncts(b)),
            (self.conjuncts(b), self.conjuncts(a)),
        ):
            closed = [
                schema
                for schema in other
                if schema.additional is not None
                and self.tables.literal(schema.additional) == NEVER
                and not schema.pattern_properties
            ]
            if closed and any(
                key not in schema.properties for part in one for key in part.required for schema in closed
            ):
                return True
        return False

    # Negations

    def _negative(self, facts: _Facts, info: Info, rank: Rank, kind: int) -> bool:
        """Take up the negation of a schema: one of its keywords fails."""
        if info.verdict is not None:
            return not info.verdict
        if not info.types & kind:
            return True
        schema, tables = info.schema, self.tables
        events: list[Alternative] = []
        branches: _Choice = []
        if schema.enum is not None:
            container = dict if kind == OBJECT else list
            branches.append(
                tuple(
                    _Say(tables.literal(tables.member(schema, index), True), rank)
                    for index, value in enumerate(schema.enum)
                    if isinstance(value, container)
                )
            )
        if kind == OBJECT and info.objects:
            self._object_events(schema, events, branches, rank)
        elif kind == ARRAY and info.arrays:
            self._array_events(schema, events, branches)
        if info.combined:
            self._negative_combinators(schema, branches, rank, kind)
        if any(not branch for branch in branches):
            return True
        if events:
            branches.insert(0, (_Oblige(tuple(dict.fromkeys(events))),))
        self._choose(facts, branches)
        return True

    def _object_events(
        self, schema: Schema, events: list[Alternative], branches: _Choice, rank: Rank
    ) -> None:
        tables = self.tables
        events.extend(Without(key) for key in dict.fromkeys(schema.required))
        for key, child in schema.properties.items():
            literal = tables.literal(child, True)
            if literal != NEVER:
                events.append(AtKey(key, _one(literal)))
        for source, child in schema.pattern_properties:
            literal = tables.literal(child, True)
            if literal != NEVER:
                events.append(AtPattern(source, _one(literal)))
        if schema.additional is not None:
            literal = tables.literal(schema.additional, True)
            if literal != NEVER:
                events.append(AtOther(schema, _one(literal)))
        if schema.property_names is not None:
            literal = tables.literal(schema.property_names)
            if literal == NEVER:
                events.append(AtLeast(1))
            elif literal != ALWAYS:
                events.append(BadKey(literal))
        if schema.min_properties:
            events.append(AtMost(schema.min_properties - 1))
        if schema.max_properties is not None:
            events.append(AtLeast(schema.max_properties + 1))
        for key, others in schema.dependent_required.items():
            branches.extend((_Require(key), _Forbid(other)) for other in others if other != key)
        for key, child in schema.dependent_schemas.items():
            literal = tables.literal(child, True)
            if literal != NEVER:
                branches.append((_Require(key), _Say(literal, rank)))

    def _array_events(self, schema: Schema, events: list[Alternative], branches: _Choice) -> None:
        tables = self.tables
        for index, child in enumerate(schema.prefix):
            literal = tables.literal(child, True)
            if literal != NEVER:
                events.append(AtIndex(index, _one(literal)))
        if schema.items is not None:
            literal = tables.literal(schema.items, True)
            if literal != NEVER:
                events.append(FromIndex(len(schema.prefix), _one(literal)))
        if schema.min_items:
            events.append(AtMost(schema.min_items - 1))
        if schema.max_items is not None:
            events.append(AtLeast(schema.max_items + 1))
        if schema.contains is not None:
            literal = tables.literal(schema.contains)
            least, most = schema.min_contains, schema.max_contains
            if literal == ALWAYS:
                if least:
                    events.append(AtMost(least - 1))
                if most is not None:
                    events.append(AtLeast(most + 1))
            elif literal == NEVER:
                if least:
                    branches.append(())
            else:
                if least:
                    branches.append((Counter(literal, 0, least - 1),))
                if most is not None:
                    branches.append((Counter(literal, most + 1, None),))

    def _negative_combinators(self, schema: Schema, branches: _Choice, rank: Rank, kind: int) -> None:
        tables = self.tables

        def deny(part: Schema) -> _Say:
            return _Say(tables.literal(part, True), rank)

        if schema.ref is not None:
            branches.append((deny(schema.ref),))
        branches.extend((deny(part),) for part in schema.all_of)
        if schema.any_of:
            branches.append(
                tuple(deny(part) for part in schema.any_of if tables.mask(tables.literal(part)) & kind)
            )
        if schema.one_of:
            literals = [
                literal for literal in map(tables.literal, schema.one_of) if tables.mask(literal) & kind
            ]
            branches.append(tuple(_Say(tables.negate(literal), rank) for literal in literals))
            for a, others in enumerate(self._rivals(literals, kind, schema)):
                branches.extend(
                    (_Say(literals[a], (*rank, a)), _Say(literals[b], (*rank, b))) for b in others if a < b
                )
        if schema.not_ is not None:
            branches.append((_Say(tables.literal(schema.not_), rank),))
        if schema.if_ is not None:
            test = tables.literal(schema.if_)
            if schema.then is not None:
                branches.append((_Say(test, rank), deny(schema.then)))
            if schema.else_ is not None:
                branches.append((_Say(tables.negate(test), rank), deny(schema.else_)))
        branches[:] = [
            branch
            for branch in branches
            if not any(isinstance(step, _Say) and step.literal == NEVER for step in branch)
        ]
        branches[:] = [
            tuple(step for step in branch if not (isinstance(step, _Say) and step.literal == ALWAYS))
            for branch in branches
        ]

    # Simplification

    def _simplify_object(self, facts: _Facts) -> bool:
        """Settle obligations that what is known decides; return False on a contradiction."""
        facets = [schema for _, schema in facts.facets]

        def known(key: str) -> list[int]:
            return [*self.value_literals(facets, key), *facts.values.get(key, ())]

        def impossible(key: str) -> bool:
            return NEVER in facts.values.get(key, ()) or self.tables.clash(known(key))

        again = True
        while again:
            again = False
            left: list[Obligation] = []
            for obligation in facts.obligations:
                kept: list[Alternative] = []
                held = False
                for alternative in obligation:
                    match alternative:
                        case Without(key):
                            if key in facts.required:
                                continue
                            held = impossible(key)
                        case AtKey(key, literals):
                            if NEVER in facts.values.get(key, ()):
                                continue
                            said = known(key)
                            if self.tables.clash((*said, *literals)):
                                continue
                            held = key in facts.required and all(
                                literal in said or self.tables.clash((*said, self.tables.negate(literal)))
                                for literal in literals
                            )
                        case AtLeast(count):
                            if facts.hi is not None and facts.hi < count:
                                continue
                            held = max(facts.lo, len(facts.required)) >= count
                        case AtMost(count):
                            if max(facts.lo, len(facts.required)) > count:
                                continue
                            held = facts.hi is not None and facts.hi <= count
                        case BadKey(literal):
                            formula = self.scalars.literal(literal, STRING)
                            held = any(not self.scalars.string_meets(formula, key) for key in facts.required)
                    if held:
                        break
                    kept.append(alternative)
                if held:
                    again = True
                    continue
                if not kept:
                    return False
                if self._unit(facts, kept):
                    again = True
                else:
                    left.append(tuple(kept))
            facts.obligations = left
        if facts.hi is not None and max(facts.lo, len(facts.required)) > facts.hi:
            return False
        return not any(impossible(key) for key in facts.required)

    def _unit(self, facts: _Facts, kept: list[Alternative]) -> bool:
        """Turn an obligation into a plain fact where it is one; return whether it was."""
        match kept:
            case [Without(key)]:
                facts.add_value(key, (NEVER,))
            case [AtKey(key, literals)]:
                facts.required[key] = None
                facts.add_value(key, literals)
            case [AtLeast(count)]:
                facts.bound(count, None)
            case [AtMost(count)]:
                facts.bound(0, count)
            case [Without(key), AtKey(other, literals)] | [AtKey(other, literals), Without(key)] if (
                key == other
            ):
                facts.add_value(key, literals)
            case [AtIndex(index, literals)]:
                facts.bound(index + 1, None)
                facts.add_value(index, literals)
            case [FromIndex(_, literals)] if len(literals) == 1:
                return False
            case _:
                return False
        return True

    def _simplify_array(self, facts: _Facts) -> bool:
        again = True
        while again:
            again = False
            left: list[Obligation] = []
            for obligation in facts.obligations:
                kept: list[Alternative] = []
                held = False
                for alternative in obligation:
                    match alternative:
                        case AtIndex(index, literals) | FromIndex(index, literals):
                            if facts.hi is not None and facts.hi <= index:
                                continue
                            if isinstance(alternative, AtIndex):
                                said = self.item_literals(facts.facets, facts.values, index)
                                if self.tables.clash((*said, *literals)):
                                    continue
                                held = facts.lo > index and all(
                                    literal in said or self.tables.clash((*said, self.tables.negate(literal)))
                                    for literal in literals
                                )
                        case AtLeast(count):
                            if facts.hi is not None and facts.hi < count:
                                continue
                            held = facts.lo >= count
                        case AtMost(count):
                            if facts.lo > count:
                                continue
                            held = facts.hi is not None and facts.hi <= count
                    if held:
                        break
                    kept.append(alternative)
                if held:
                    again = True
                    continue
                if not kept:
                    return False
                if self._unit(facts, kept):
                    again = True
                else:
                    left.append(tuple(kept))
            facts.obligations = left
        return facts.hi is None or facts.lo <= facts.hi

    def item_literals(
        self,
        facets: Iterable[tuple[Rank, Schema]],
        values: Mapping[str | int, tuple[int, ...]],
        index: int,
    ) -> list[int]:
        """Return the literals asked of the item at an index, in text order."""
        found: list[int] = []
        for _, schema in facets:
            if index < len(schema.prefix):
                found.append(self.tables.literal(schema.prefix[index]))
            elif schema.items is not None:
                found.append(self.tables.literal(schema.items))
        found.extend(values.get(index, ()))
        return found


def _by_rank(entry: tuple[Rank, Schema]) -> Rank:
    return entry[0]


def _at(schema: Schema, name: str) -> int:
    """Return the position of an applicator in the schema's text."""
    try:
        return schema.applicators.index(name)
    except ValueError:
        return 0


def _one(literal: int) -> tuple[int, ...]:
    return () if literal == ALWAYS else (literal,)
