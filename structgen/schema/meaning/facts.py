"""Collects the facts of one conjunction of schemas, and settles what follows from them.

A *fact* is a plain statement about an object or an array, for example "the key `a` is required". A *step* is
something that the conjunction must still take up: a literal, an obligation, an `unevaluated*` keyword. An
*obligation* is a set of *alternatives*, one of which must come true. `FactConjunction` holds all of these.
`KnownFacts` says which alternatives are surely true, or surely false, under the facts so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from structgen.schema.meaning.literals import ALWAYS, NEVER, STRING, Literal, Literals
from structgen.schema.meaning.place import PlaceTables, Rest
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape import (
    Alternative,
    AtIndex,
    AtKey,
    AtLeast,
    AtMost,
    BadKey,
    FromIndex,
    ItemCounter,
    Obligation,
    RepeatedItem,
    Without,
)
from structgen.schema.reading.model import Schema

Rank: TypeAlias = tuple[int, ...]
"""The position of a keyword in the text: the literals of a child are ordered by their ranks."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A step: take up a literal that holds for the value."""

    literal: Literal
    rank: Rank = field(compare=False)


@dataclass(frozen=True, slots=True)
class Obligate:
    """A step: take up an obligation, that is, one of some alternatives must come true."""

    alternatives: Obligation


def presence_step(key: str) -> Obligate:
    """Return the step that requires a key."""
    return Obligate((AtKey(key, ()),))


def absence_step(key: str) -> Obligate:
    """Return the step that forbids a key."""
    return Obligate((Without(key),))


@dataclass(frozen=True, slots=True)
class Watch:
    """A step: wait until the evaluated members of a schema are known, then take up its `unevaluated*`
    keyword. `is_negated`: the keyword must fail."""

    schema: Schema
    rank: Rank
    is_negated: bool


EXPANDED = "What may stand here"
"""The subject of the error that is raised where a call has spent its steps on conjunctions."""
Step: TypeAlias = Hold | Obligate | ItemCounter | Watch
Choice: TypeAlias = list[tuple[Step, ...]]


@dataclass(slots=True, eq=False)
class FactConjunction:
    """A conjunction of facts about one object or array, while it is built from the keywords of schemas."""

    pending: list[Step] = field(default_factory=list)
    """The steps that are not taken yet; the last one comes next."""
    true_literals: dict[Literal, None] = field(default_factory=dict)
    """The literals that hold."""
    choices: list[Choice] = field(default_factory=list)
    """The disjunctions that are not yet split: one branch of each must hold. A branch is a tuple of steps."""
    facets: list[tuple[Rank, Schema]] = field(default_factory=list)
    """The schemas whose keywords about members, or about items, hold; each with its position in the text."""
    required_keys: dict[str, None] = field(default_factory=dict)
    values: dict[Any, Literals] = field(default_factory=dict)
    """More literals for values, by the key of a member or the index of an item."""
    lo: int = 0
    hi: int | None = None
    """The most members or items; `lo` is the least number. None: no bound."""
    key_literals: list[Literal] = field(default_factory=list)
    """The literals that each key, as a string, must meet."""
    conditional: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Pairs of a key and the keys that are required where it is present."""
    obligations: list[Obligation] = field(default_factory=list)
    counters: list[ItemCounter] = field(default_factory=list)
    unions: list[tuple[Schema, Rank]] = field(default_factory=list)
    """The schemas whose `oneOf` is still to be divided: all required keys should be known by then."""
    watching: list[Watch] = field(default_factory=list)
    """The `unevaluated*` keywords that are still to be turned into facts."""
    unique: bool = False
    different: list[Rest] = field(default_factory=list)
    """The values that the object or array must not equal."""

    def make_branch(self, steps: Iterable[Step]) -> FactConjunction:
        """Return a copy of this conjunction with more steps to take, the first one next."""
        new = FactConjunction()
        for name in FactConjunction.__slots__:
            value = getattr(self, name)
            if value or value == 0:  # most are empty, as in a new conjunction
                # Lists and dictionaries are copied, one level deep: their members never change.
                setattr(new, name, value.copy() if hasattr(value, "copy") else value)
        new.pending.extend(reversed(list(steps)))
        return new

    def bound_size(self, lo: int, hi: int | None) -> None:
        """Add bounds on the number of members or items; `hi` None: no upper bound."""
        self.lo = max(self.lo, lo)
        if hi is not None:
            self.hi = hi if self.hi is None else min(self.hi, hi)

    def count_items(self, counter: ItemCounter) -> None:
        """Add a bound on the number of items that meet a literal."""
        if counter.literal is ALWAYS:
            self.bound_size(counter.min_count, counter.max_count)
        elif counter.literal is not NEVER:
            self.counters.append(counter)
        elif counter.min_count:
            # No item meets NEVER: bounds that no size meets make the conjunction contradict itself.
            self.bound_size(1, 0)

    def take_choice(self, choice: Choice) -> None:
        """Add a choice. A single branch is taken at once; a choice without branches is a contradiction."""
        if len(choice) > 1:
            self.choices.append(choice)
        elif choice:
            self.pending.extend(reversed(choice[0]))
        else:
            self.pending.append(Hold(NEVER, ()))

    def add_value(self, key: str | int, literals: Iterable[Literal]) -> None:
        self.values[key] = (*self.values.get(key, ()), *literals)


@dataclass(eq=False)
class Obligations:
    """Simplifies conjunctions of facts. Each simplification keeps the set of values."""

    tables: PlaceTables
    scalars: Scalars

    def value_literals(self, facets: Iterable[Schema], key: str) -> list[Literal]:
        """Return the literals that facets ask of the value under a key, in text order."""
        tables = self.tables
        literals: list[Literal] = []
        for schema in facets:
            value_schemas = [schema.properties[key]] if key in schema.properties else []
            for source, child in schema.pattern_properties:
                if self.scalars.pattern_matches(source, key):
                    value_schemas.append(child)
            # `additionalProperties` is for keys that the two keywords beside it do not have.
            if not value_schemas and schema.additional is not None:
                value_schemas.append(schema.additional)
            literals.extend(map(tables.literal_of, value_schemas))
        return literals

    def item_literals(
        self,
        facets: Iterable[tuple[Rank, Schema]],
        values: Mapping[str | int, Literals],
        index: int,
    ) -> list[Literal]:
        """Return the literals asked of the item at an index, in text order."""
        literals: list[Literal] = []
        for _, schema in facets:
            if index < len(schema.prefix):
                literals.append(self.tables.literal_of(schema.prefix[index]))
            elif schema.items is not None:
                literals.append(self.tables.literal_of(schema.items))
        literals.extend(values.get(index, ()))
        return literals

    def simplify_facts(self, facts: FactConjunction) -> bool:
        """Settle the obligations that known facts decide; return False on a contradiction."""
        # A fact that an obligation becomes may decide other obligations: until nothing changes.
        has_changed = True
        while has_changed:
            has_changed = False
            open_obligations: list[Obligation] = []
            known_facts = KnownFacts(self, facts)
            for obligation in facts.obligations:
                open_ways = known_facts.open_ways(obligation)
                if open_ways == ():
                    return False
                if open_ways is not None and not self.take_obligation(facts, open_ways):
                    open_obligations.append(open_ways)
                    continue
                has_changed = True
                if open_ways is not None:
                    # The obligation became a fact, and answers that were remembered may be old.
                    known_facts = KnownFacts(self, facts)
            facts.obligations = open_obligations
        min_size = max(facts.lo, len(facts.required_keys))
        if facts.hi is not None and min_size > facts.hi:
            return False
        known_facts = KnownFacts(self, facts)
        return not any(map(known_facts.is_impossible, facts.required_keys))

    def take_obligation(self, facts: FactConjunction, obligation: Obligation) -> bool:
        """Turn an obligation into a plain fact where it amounts to one; return whether it did.

        For example the obligation `(Without("a"),)` forbids the key "a".
        """
        match obligation:
            case (Without(key),):
                facts.add_value(key, (NEVER,))
            case (AtKey(key, literals),):
                facts.required_keys[key] = None
                facts.add_value(key, map(self._denied_by_value, literals))
            case (AtLeast(count),):
                facts.bound_size(count, None)
            case (AtMost(count),):
                facts.bound_size(0, count)
            # "The key is absent, or its value meets these literals" restricts the value alone.
            case (Without(key), AtKey(other_key, literals)) | (AtKey(other_key, literals), Without(key)) if (
                key == other_key
            ):
                facts.add_value(key, map(self._denied_by_value, literals))
            case (AtIndex(index, literals),):
                facts.bound_size(index + 1, None)
                facts.add_value(index, map(self._denied_by_value, literals))
            case _:
                return False
        return True

    def _denied_by_value(self, literal: Literal) -> Literal:
        """Return a literal; a negated one is replaced by one that only judges values, however they are
        written."""
        if literal.is_negated:
            return self.tables.judging_literal(literal)
        return literal


class KnownFacts:
    """The truth of alternatives under the present facts of a conjunction."""

    def __init__(self, obligations: Obligations, facts: FactConjunction) -> None:
        self._obligations = obligations
        self._facts = facts
        self._facets = [schema for _, schema in facts.facets]
        self._key_literals: dict[str, Literals] = {}

    def open_ways(self, obligation: Obligation) -> Obligation | None:
        """Return the alternatives of an obligation that may still hold, without literals that hold anyway.
        None where one alternative surely holds."""
        open_alternatives: list[Alternative] = []
        for alternative in obligation:
            truth = self.truth_of_alternative(alternative)
            if truth:
                return None
            if truth is None:
                open_alternatives.append(self._reduce_alternative(alternative))
        return tuple(open_alternatives)

    def truth_of_step(self, step: Step) -> bool | None:
        """Return whether a step surely holds, or surely does not; None where neither shows."""
        match step:
            case Obligate(alternatives):
                # One constant may settle twenty `not`, of which none is to be split then.
                ways = self.open_ways(alternatives)
                if ways is None:
                    return True
                return None if ways else False
            case Hold(literal):
                if literal.schema is ALWAYS.schema:
                    return not literal.is_negated
                if literal in self._facts.true_literals:
                    return True
                if self._obligations.tables.negate_literal(literal) in self._facts.true_literals:
                    return False
        return None

    def truth_of_alternative(self, alternative: Alternative) -> bool | None:
        """Return whether an alternative surely holds, or surely does not; None where neither shows."""
        facts = self._facts
        scalars = self._obligations.scalars
        min_size = max(facts.lo, len(facts.required_keys))
        match alternative:
            case Without(key):
                if key in facts.required_keys:
                    return False
                # A key whose value no schema allows is surely absent.
                return True if self.is_impossible(key) else None
            case AtKey(key, literals):
                if NEVER in facts.values.get(key, ()):
                    return False
                return self._truth_of_literals(self._literals_at(key), literals, key in facts.required_keys)
            case AtIndex(index, literals):
                if facts.hi is not None and facts.hi <= index:
                    return False
                known_literals = self._obligations.item_literals(facts.facets, facts.values, index)
                return self._truth_of_literals(known_literals, literals, facts.lo > index)
            case FromIndex(index):
                if facts.hi is not None and facts.hi <= index:
                    return False
                return None
            case AtLeast(count):
                if facts.hi is not None and facts.hi < count:
                    return False
                return True if min_size >= count else None
            case AtMost(count):
                if min_size > count:
                    return False
                if facts.hi is not None and facts.hi <= count:
                    return True
                return None
            case RepeatedItem():
                if facts.unique or (facts.hi is not None and facts.hi < 2):
                    return False
                return None
            case BadKey(literal):
                # The keys that are surely there may include one that does not meet the literal.
                formula = scalars.literal_formula(literal, STRING)
                if any(not scalars.string_meets(formula, key) for key in facts.required_keys):
                    return True
                return None
        return None

    def _truth_of_literals(
        self,
        known_literals: Sequence[Literal],
        literals: Sequence[Literal],
        is_there: bool,
    ) -> bool | None:
        """Return whether a value that meets the known literals surely meets others, or surely does not; None
        where neither shows. `is_there`: the value surely exists."""
        scalars = self._obligations.scalars
        if scalars.are_contradictory((*known_literals, *literals)):
            return False
        if is_there and all(scalars.surely_meets(known_literals, literal) for literal in literals):
            return True
        return None

    def _reduce_alternative(self, alternative: Alternative) -> Alternative:
        """Return an alternative without the literals that every value under its key meets."""
        if not isinstance(alternative, AtKey) or not alternative.literals:
            return alternative
        known_literals = self._literals_at(alternative.key)
        scalars = self._obligations.scalars
        open_literals = tuple(
            [literal for literal in alternative.literals if not scalars.surely_meets(known_literals, literal)]
        )
        # The same object where nothing was dropped: equal obligations are compared often.
        if len(open_literals) == len(alternative.literals):
            return alternative
        return AtKey(alternative.key, open_literals)

    def is_impossible(self, key: str) -> bool:
        """Return whether no value can stand under a key."""
        if NEVER in self._facts.values.get(key, ()):
            return True
        return self._obligations.scalars.are_contradictory(self._literals_at(key))

    def _literals_at(self, key: str) -> Literals:
        literals = self._key_literals.get(key)
        if literals is None:
            literals = self._key_literals[key] = (
                *self._obligations.value_literals(self._facets, key),
                *self._facts.values.get(key, ()),
            )
        return literals
