"""A conjunction under construction, and the facts that a branch adds to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from structgen.schema.meaning.place import ALWAYS, NEVER, Rest
from structgen.schema.meaning.shape import AtKey, Counter, Obligation, Without
from structgen.schema.reading.model import Schema

Rank: TypeAlias = tuple[int, ...]
"""The place of a keyword in the text: the literals of a child are ordered by their ranks."""


@dataclass(frozen=True, slots=True)
class Hold:
    literal: int
    rank: Rank


@dataclass(frozen=True, slots=True)
class Obligate:
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


Step: TypeAlias = Hold | Obligate | Counter | Watch
Choice: TypeAlias = list[tuple[Step, ...]]


@dataclass(slots=True, eq=False)
class FactConjunction:
    """A conjunction under construction."""

    pending: list[Step] = field(default_factory=list)
    asserted: set[int] = field(default_factory=set)
    choices: list[Choice] = field(default_factory=list)
    facets: list[tuple[Rank, Schema]] = field(default_factory=list)
    required: dict[str, None] = field(default_factory=dict)
    values: dict[str | int, tuple[int, ...]] = field(default_factory=dict)
    lo: int = 0
    hi: int | None = None
    key_literals: list[int] = field(default_factory=list)
    conditional: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
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
        if counter.literal == ALWAYS:
            self.bound(counter.least, counter.most)
        elif counter.literal != NEVER:
            self.counters.append(counter)
        elif counter.least:
            self.bound(1, 0)

    def add_value(self, key: str | int, literals: Iterable[int]) -> None:
        self.values[key] = (*self.values.get(key, ()), *literals)
