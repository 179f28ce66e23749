"""A conjunction under construction, and the facts that a branch adds to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from structgen.schema.meaning.place import Rest
from structgen.schema.meaning.shape import Counter, Obligation
from structgen.schema.reading.model import Schema

Rank: TypeAlias = tuple[int, ...]
"""The place of a keyword in the text: the literals of a child are ordered by their ranks."""


@dataclass(frozen=True, slots=True)
class Hold:
    literal: int
    rank: Rank


@dataclass(frozen=True, slots=True)
class Require:
    key: str


@dataclass(frozen=True, slots=True)
class Forbid:
    key: str


@dataclass(frozen=True, slots=True)
class Obligate:
    alternatives: Obligation


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Leave the values that meet the literal to other conjunctions: the literal is never added here."""

    literal: int


@dataclass(frozen=True, slots=True)
class Watch:
    """`unevaluatedProperties` or `unevaluatedItems` of a schema holds, or fails where `negated`."""

    schema: Schema
    rank: Rank
    negated: bool


Step: TypeAlias = Hold | Require | Forbid | Obligate | Counter | LeaveOut | Watch
Choice: TypeAlias = list[tuple[Step, ...]]


class FactConjunction:
    """A conjunction under construction."""

    __slots__ = (
        "asserted",
        "choices",
        "conditional",
        "counters",
        "different",
        "facets",
        "hi",
        "key_literals",
        "left_out",
        "lo",
        "obligations",
        "pending",
        "required",
        "unions",
        "unique",
        "values",
        "watching",
    )

    def __init__(self) -> None:
        self.pending: list[Step] = []
        self.asserted: set[int] = set()
        self.choices: list[Choice] = []
        self.facets: list[tuple[Rank, Schema]] = []
        self.required: dict[str, None] = {}
        self.values: dict[str | int, tuple[int, ...]] = {}
        self.lo = 0
        self.hi: int | None = None
        self.key_literals: list[int] = []
        self.conditional: list[tuple[str, tuple[str, ...]]] = []
        self.obligations: list[Obligation] = []
        self.counters: list[Counter] = []
        self.left_out: frozenset[int] = frozenset()
        """Literals that are never added here: other conjunctions have them."""
        self.unions: list[tuple[Schema, Rank]] = []
        """The schemas whose `oneOf` is still to be divided: all required keys should be known by then."""
        self.watching: list[Watch] = []
        """The `unevaluated*` keywords that are still to be turned into facts."""
        self.unique = False
        self.different: list[Rest] = []
        """Excluded values."""

    def copy(self) -> FactConjunction:
        new = FactConjunction()
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
        new.left_out = self.left_out
        new.unions = list(self.unions)
        new.watching = list(self.watching)
        new.unique = self.unique
        new.different = list(self.different)
        return new

    def bound(self, lo: int, hi: int | None) -> None:
        self.lo = max(self.lo, lo)
        if hi is not None:
            self.hi = hi if self.hi is None else min(self.hi, hi)

    def add_value(self, key: str | int, literals: Iterable[int]) -> None:
        self.values[key] = (*self.values.get(key, ()), *literals)
