"""Shapes: conjunctions of plain facts about an object or an array, with the obligations left open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from structgen.schema.reading.model import Schema


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


@dataclass(frozen=True, slots=True)
class Differs:
    """The object equals none of some values. Each is kept as its members that are not yet written, with the
    literal of the value under each key. Values from which the written part differs are dropped."""

    rests: frozenset[frozenset[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class DiffersList:
    """The array equals none of some values. Each is kept as the literals of its remaining items."""

    rests: frozenset[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class RepeatedItem:
    """Some item equals an earlier one."""


Alternative: TypeAlias = (
    AtKey
    | AtPattern
    | AtOther
    | BadKey
    | Without
    | AtIndex
    | FromIndex
    | AtLeast
    | AtMost
    | Differs
    | DiffersList
    | RepeatedItem
)
Obligation: TypeAlias = tuple[Alternative, ...]


def asks_for_any_key(obligation: Obligation) -> bool:
    """Return whether a key that no schema names may meet an obligation."""
    return any(isinstance(one, (AtPattern, AtOther, BadKey, AtLeast)) for one in obligation)


def _is_difference(obligation: Obligation) -> bool:
    return isinstance(obligation[0], Differs)


@dataclass(frozen=True, slots=True)
class Counter:
    """From `least` to `most` (None: any number of) items meet the literal."""

    literal: int
    least: int
    most: int | None


class ObjectShape:
    """A conjunction of facts about an object. Immutable, but for the memo of value demands."""

    __slots__ = (
        "conditional",
        "facets",
        "hi",
        "id",
        "key_literals",
        "lo",
        "loose",
        "obligations",
        "plain",
        "required",
        "requires",
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
        self.requires: dict[str, tuple[str, ...]] = {}
        """The same by the first key."""
        for key, others in conditional:
            self.requires[key] = (*self.requires.get(key, ()), *others)
        self.obligations = obligations
        self.plain = not (conditional or obligations)
        self.loose = not (conditional or lo) and hi is None and all(map(_is_difference, obligations))
        """Simple, but that it may have to differ from some values; once it does, it is like a simple one."""
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
        "unique",
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
        unique: bool = False,
    ) -> None:
        self.id = id
        self.facets = facets
        self.values = values
        self.lo = lo
        self.hi = hi
        self.counters = counters
        self.obligations = obligations
        self.unique = unique
        """No two items are equal."""
        self.plain = not (counters or obligations or unique)
        settled = max((index + 1 for index in values), default=0)
        for schema in facets:
            settled = max(settled, len(schema.prefix))
        for obligation in obligations:
            for alternative in obligation:
                if isinstance(alternative, (AtIndex, FromIndex)):
                    settled = max(settled, alternative.index + 1)
        self.settled = settled
        """Items from this index on have the same demand."""
        self.items_memo: dict[int, int] = {}

    @property
    def need(self) -> int:
        """A length for which the shape has an array, if it has any: the items that the schema names or
        counts, and one for each obligation."""
        least = max([self.lo, *(len(schema.prefix) for schema in self.facets)])
        named = [index + 1 for index in self.values]
        for obligation in self.obligations:
            for alternative in obligation:
                match alternative:
                    case AtIndex(index, _):
                        named.append(index + 1)
                    case FromIndex(index, _):
                        named.append(index)
                    case AtLeast(count):
                        least = max(least, count)
        owed = sum(counter.least for counter in self.counters)
        owed += sum(2 if RepeatedItem() in obligation else 1 for obligation in self.obligations)
        prefix = max([0, *named, *(len(schema.prefix) for schema in self.facets)])
        return max(least, prefix + owed)
