"""A conjunction under construction, the facts that a branch adds to it, and what these decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from structgen.schema.meaning.literals import ALWAYS, NEVER, STRING, Literal
from structgen.schema.meaning.place import PlaceTables, Rest
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape import (
    Alternative,
    AtIndex,
    AtKey,
    AtLeast,
    AtMost,
    BadKey,
    Counter,
    FromIndex,
    Obligation,
    RepeatedItem,
    Without,
)
from structgen.schema.reading.model import Schema

Rank: TypeAlias = tuple[int, ...]
"""The position of a keyword in the text: the literals of a child are ordered by their ranks."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The step that a literal holds."""

    literal: Literal
    rank: Rank = field(compare=False)


@dataclass(frozen=True, slots=True)
class Obligate:
    """The step that one of some alternatives holds."""

    alternatives: Obligation


def present(key: str) -> Obligate:
    """Return the step that a key is there."""
    return Obligate((AtKey(key, ()),))


def absent(key: str) -> Obligate:
    """Return the step that a key is not there."""
    return Obligate((Without(key),))


@dataclass(frozen=True, slots=True)
class Watch:
    """`unevaluatedProperties` or `unevaluatedItems` of a schema holds, or fails where `negated`."""

    schema: Schema
    rank: Rank
    negated: bool


EXPANDED = "What may stand here"
"""The words of the error of a call that has spent its steps on conjunctions."""
Step: TypeAlias = Hold | Obligate | Counter | Watch
Choice: TypeAlias = list[tuple[Step, ...]]


@dataclass(slots=True, eq=False)
class FactConjunction:
    """A conjunction under construction."""

    pending: list[Step] = field(default_factory=list)
    """The steps that the construction has not taken yet."""
    asserted: dict[Literal, None] = field(default_factory=dict)
    """The literals that hold."""
    choices: list[Choice] = field(default_factory=list)
    """Disjunctions: of each, one way holds."""
    facets: list[tuple[Rank, Schema]] = field(default_factory=list)
    """Schemas whose keywords speak of members by key or of items, with the ranks of these."""
    required: dict[str, None] = field(default_factory=dict)
    values: dict[Any, tuple[Literal, ...]] = field(default_factory=dict)
    """More literals for values: by the key of a member, or the index of an item."""
    lo: int = 0
    hi: int | None = None
    """The least and the most members or items."""
    key_literals: list[Literal] = field(default_factory=list)
    """What each key, as a string, meets."""
    conditional: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """A key, and those that are required where it is there."""
    obligations: list[Obligation] = field(default_factory=list)
    counters: list[Counter] = field(default_factory=list)
    unions: list[tuple[Schema, Rank]] = field(default_factory=list)
    """The schemas whose `oneOf` is still to be divided: all required keys should be known by then."""
    watching: list[Watch] = field(default_factory=list)
    """The `unevaluated*` keywords that are still to be turned into facts."""
    unique: bool = False
    different: list[Rest] = field(default_factory=list)
    """Excluded values."""

    def branch(self, steps: Iterable[Step]) -> FactConjunction:
        """Return a conjunction that takes up more steps, the first one first; this one stays as it is."""
        new = FactConjunction()
        for name in FactConjunction.__slots__:
            value = getattr(self, name)
            if value or value == 0:  # most are empty, as they begin
                setattr(new, name, value.copy() if hasattr(value, "copy") else value)
        new.pending.extend(reversed(list(steps)))
        return new

    def bound(self, lo: int, hi: int | None) -> None:
        self.lo = max(self.lo, lo)
        if hi is not None:
            self.hi = hi if self.hi is None else min(self.hi, hi)

    def count(self, counter: Counter) -> None:
        """Take up how many items meet a literal."""
        if counter.literal is ALWAYS:
            self.bound(counter.least, counter.most)
        elif counter.literal is not NEVER:
            self.counters.append(counter)
        elif counter.least:
            self.bound(1, 0)

    def choose(self, choice: Choice) -> None:
        """Take up a choice; one without branches is a contradiction."""
        if len(choice) > 1:
            self.choices.append(choice)
        else:
            self.pending.extend(reversed(choice[0]) if choice else [Hold(NEVER, ())])

    def add_value(self, key: str | int, literals: Iterable[Literal]) -> None:
        self.values[key] = (*self.values.get(key, ()), *literals)


class Obligations:
    """Simplifies conjunctions; every step keeps the language."""

    def __init__(self, tables: PlaceTables, scalars: Scalars) -> None:
        self.tables = tables
        self.scalars = scalars

    def value_literals(self, facets: Iterable[Schema], key: str) -> list[Literal]:
        """Return the literals that facets ask of the value under a key, in text order."""
        tables = self.tables
        literals: list[Literal] = []
        for schema in facets:
            told = [schema.properties[key]] if key in schema.properties else []
            for source, child in schema.pattern_properties:
                if self.scalars.pattern_matches(source, key):
                    told.append(child)
            if not told and schema.additional is not None:
                told.append(schema.additional)
            literals.extend(map(tables.literal, told))
        return literals

    def item_literals(
        self,
        facets: Iterable[tuple[Rank, Schema]],
        values: Mapping[str | int, tuple[Literal, ...]],
        index: int,
    ) -> list[Literal]:
        """Return the literals asked of the item at an index, in text order."""
        literals: list[Literal] = []
        for _, schema in facets:
            if index < len(schema.prefix):
                literals.append(self.tables.literal(schema.prefix[index]))
            elif schema.items is not None:
                literals.append(self.tables.literal(schema.items))
        literals.extend(values.get(index, ()))
        return literals

    def simplify(self, facts: FactConjunction) -> bool:
        """Settle the obligations that known facts decide; return False on a contradiction."""
        again = True
        while again:
            again = False
            left: list[Obligation] = []
            known = Known(self, facts)
            for obligation in facts.obligations:
                open_ = known.open_ways(obligation)
                if open_ == ():
                    return False
                if open_ is not None and not self.take(facts, open_):
                    left.append(open_)
                    continue
                again = True
                if open_ is not None:
                    known = Known(self, facts)
            facts.obligations = left
        if facts.hi is not None and max(facts.lo, len(facts.required)) > facts.hi:
            return False
        known = Known(self, facts)
        return not any(map(known.impossible, facts.required))

    def take(self, facts: FactConjunction, obligation: Obligation) -> bool:
        """Turn an obligation into a plain fact where it is one; return whether it was."""
        match obligation:
            case (Without(key),):
                facts.add_value(key, (NEVER,))
            case (AtKey(key, literals),):
                facts.required[key] = None
                facts.add_value(key, map(self._denied_by_value, literals))
            case (AtLeast(count),):
                facts.bound(count, None)
            case (AtMost(count),):
                facts.bound(0, count)
            case (Without(key), AtKey(other, literals)) | (AtKey(other, literals), Without(key)) if (
                key == other
            ):
                facts.add_value(key, map(self._denied_by_value, literals))
            case (AtIndex(index, literals),):
                facts.bound(index + 1, None)
                facts.add_value(index, map(self._denied_by_value, literals))
            case _:
                return False
        return True

    def _denied_by_value(self, literal: Literal) -> Literal:
        """Return a literal which, if it denies a schema, only judges values."""
        return self.tables.judging(literal) if literal.denied else literal


class Known:
    """The truth of alternatives under the present facts of a conjunction."""

    def __init__(self, obligations: Obligations, facts: FactConjunction) -> None:
        self._obligations, self._facts = obligations, facts
        self._facets = [schema for _, schema in facts.facets]
        self._said: dict[str, tuple[Literal, ...]] = {}

    def open_ways(self, obligation: Obligation) -> Obligation | None:
        """Return the alternatives of an obligation that may still hold, without what they need not ask; None
        where one surely holds."""
        left: list[Alternative] = []
        for alternative in obligation:
            truth = self.truth(alternative)
            if truth:
                return None
            if truth is None:
                left.append(self._reduced(alternative))
        return tuple(left)

    def follows(self, step: Step) -> bool | None:
        """Return whether a step surely holds, or surely does not; None where neither shows."""
        match step:
            case Obligate(alternatives):
                # Of twenty `not` that one constant settles none is to be split.
                ways = self.open_ways(alternatives)
                return True if ways is None else None if ways else False
            case Hold(literal):
                if literal.schema is ALWAYS.schema:
                    return not literal.denied
                if literal in self._facts.asserted:
                    return True
                if self._obligations.tables.negate(literal) in self._facts.asserted:
                    return False
        return None

    def truth(self, alternative: Alternative) -> bool | None:
        """Return whether an alternative surely holds, or surely does not; None where neither shows."""
        facts, scalars = self._facts, self._obligations.scalars
        least = max(facts.lo, len(facts.required))
        match alternative:
            case Without(key):
                if key in facts.required:
                    return False
                return True if self.impossible(key) else None
            case AtKey(key, literals):
                if NEVER in facts.values.get(key, ()):
                    return False
                return self._meets(self._asked(key), literals, key in facts.required)
            case AtIndex(index, literals):
                if facts.hi is not None and facts.hi <= index:
                    return False
                said = self._obligations.item_literals(facts.facets, facts.values, index)
                return self._meets(said, literals, facts.lo > index)
            case FromIndex(index):
                return False if facts.hi is not None and facts.hi <= index else None
            case AtLeast(count):
                if facts.hi is not None and facts.hi < count:
                    return False
                return True if least >= count else None
            case AtMost(count):
                if least > count:
                    return False
                return True if facts.hi is not None and facts.hi <= count else None
            case RepeatedItem():
                return False if facts.unique or (facts.hi is not None and facts.hi < 2) else None
            case BadKey(literal):
                formula = scalars.literal(literal, STRING)
                return True if any(not scalars.string_meets(formula, key) for key in facts.required) else None
        return None

    def _meets(self, said: Sequence[Literal], literals: Sequence[Literal], is_there: bool) -> bool | None:
        """Return whether a value of which something is said surely meets literals, or surely does not."""
        scalars = self._obligations.scalars
        if scalars.contradictory((*said, *literals)):
            return False
        return True if is_there and all(scalars.surely(said, literal) for literal in literals) else None

    def _reduced(self, alternative: Alternative) -> Alternative:
        """Return an alternative without the literals that every value under its key meets."""
        if not isinstance(alternative, AtKey) or not alternative.literals:
            return alternative
        said, scalars = self._asked(alternative.key), self._obligations.scalars
        left = tuple([literal for literal in alternative.literals if not scalars.surely(said, literal)])
        return alternative if len(left) == len(alternative.literals) else AtKey(alternative.key, left)

    def impossible(self, key: str) -> bool:
        """Return whether no value can stand under a key."""
        if NEVER in self._facts.values.get(key, ()):
            return True
        return self._obligations.scalars.contradictory(self._asked(key))

    def _asked(self, key: str) -> tuple[Literal, ...]:
        literals = self._said.get(key)
        if literals is None:
            literals = self._said[key] = (
                *self._obligations.value_literals(self._facets, key),
                *self._facts.values.get(key, ()),
            )
        return literals
