"""Shapes: a *shape* is a conjunction of plain facts about one object, or about one array.

A *fact* holds from the start: these keys are required, these literals hold for the value under a key. An
*obligation* is a set of *alternatives*, one of which must come true while the value is written. For example
`{"not": {"required": ["a", "b"]}}` is the obligation `(Without("a"), Without("b"))`. A *facet* is a schema
whose keywords about members, or about items, hold for the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from structgen.schema.meaning.literals import Literal, Literals
from structgen.schema.reading.model import Schema, Schemas

ValueRest = TypeVar("ValueRest", frozenset[tuple[str, Literal]], Literals)


@dataclass(frozen=True, slots=True)
class AtKey:
    """The named key is there and its value meets the literals."""

    key: str
    literals: Literals


@dataclass(frozen=True, slots=True)
class AtPattern:
    """Some key in which the pattern matches has a value that meets the literals."""

    source: str
    literals: Literals


@dataclass(frozen=True, slots=True)
class AtOther:
    """Some key that `properties` and `patternProperties` of `schema` do not cover has a value that meets the
    literals."""

    schema: Schema
    literals: Literals


@dataclass(frozen=True, slots=True)
class BadKey:
    """Some key, as a string, does not meet the literal."""

    literal: Literal


@dataclass(frozen=True, slots=True)
class Without:
    """The named key is absent."""

    key: str


@dataclass(frozen=True, slots=True)
class AtIndex:
    """The item at an index is there and meets the literals."""

    index: int
    literals: Literals


@dataclass(frozen=True, slots=True)
class FromIndex:
    """Some item at or after an index meets the literals."""

    index: int
    literals: Literals


@dataclass(frozen=True, slots=True)
class AtLeast:
    """There are at least so many members or items."""

    count: int


@dataclass(frozen=True, slots=True)
class AtMost:
    """There are at most so many members or items."""

    count: int


@dataclass(frozen=True, slots=True)
class Differs(Generic[ValueRest]):
    """The object or array equals none of some excluded values.

    `rests` has the unwritten part of each excluded value: pairs of a key and the literal of its value, or the
    literals of items. An excluded value from which the written part already differs is dropped. For example
    after `{"a":1` the excluded value `{"a": 1, "b": 2}` has the rest `{("b", literal of 2)}`.
    """

    rests: frozenset[ValueRest]


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
    | Differs[Any]
    | RepeatedItem
)
Obligation: TypeAlias = tuple[Alternative, ...]


def asks_for_any_key(obligation: Obligation) -> bool:
    """Return whether a key that no schema names may meet an obligation."""
    # The other alternatives are about one key or about items, or are settled at the end.
    return any(isinstance(alternative, (AtPattern, AtOther, BadKey, AtLeast)) for alternative in obligation)


@dataclass(frozen=True, slots=True)
class ItemCounter:
    """From `min_count` to `max_count` (None: any number of) items meet the literal."""

    literal: Literal
    min_count: int
    max_count: int | None


@dataclass(slots=True, eq=False)
class ObjectShape:
    """A conjunction of facts about an object. It never changes, except for the memo of value demands."""

    id: int
    facets: Schemas = ()
    """Schemas whose properties, patternProperties and additionalProperties hold, in text order."""
    required_keys: tuple[str, ...] = ()
    values: Mapping[str, Literals] = field(default_factory=dict)
    """More literals for the values of named keys; NEVER forbids a key."""
    lo: int = 0
    """The least number of members."""
    hi: int | None = None
    """The greatest number of members; None: no bound."""
    key_literals: Literals = ()
    """Literals that every key meets, as a string."""
    conditional: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Pairs of a key and the keys that are required where it is present (`dependentRequired`)."""
    obligations: tuple[Obligation, ...] = ()
    requires: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False)
    """The same as a dictionary: for each such key the keys that it requires."""
    plain: bool = field(init=False)
    """Whether members do not affect each other: no dependent keys and no obligations."""
    loose: bool = field(init=False)
    """Whether the shape is simple, but for values that it must differ from. Once it differs, it is simple."""
    simple: bool = field(init=False)
    """Whether the shape is plain and has no bounds on the number of members."""
    values_memo: dict[str, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for key, dependents in self.conditional:
            self.requires[key] = (*self.requires.get(key, ()), *dependents)
        has_bounds = bool(self.lo) or self.hi is not None
        self.plain = not (self.conditional or self.obligations)
        # An obligation to differ has one alternative, so that the first one tells.
        only_differs = all(isinstance(obligation[0], Differs) for obligation in self.obligations)
        self.loose = only_differs and not (self.conditional or has_bounds)
        self.simple = self.plain and not has_bounds


@dataclass(slots=True, eq=False)
class ArrayShape:
    """A conjunction of facts about an array. It never changes, except for the memo of item demands."""

    id: int
    facets: Schemas = ()
    values: Mapping[int, Literals] = field(default_factory=dict)
    lo: int = 0
    hi: int | None = None
    counters: tuple[ItemCounter, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    unique: bool = False
    """Whether no two items may be equal."""
    plain: bool = field(init=False)
    uniform_from: int = field(init=False)
    """The index from which on all items have the same demand."""
    items_memo: dict[int, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.plain = not (self.counters or self.obligations or self.unique)
        # The index after each item that some part restricts alone.
        ends = [0]
        ends.extend(index + 1 for index in self.values)
        ends.extend(len(schema.prefix) for schema in self.facets)
        for obligation in self.obligations:
            ends.extend(
                alternative.index + 1
                for alternative in obligation
                if isinstance(alternative, (AtIndex, FromIndex))
            )
        self.uniform_from = max(ends)

    @property
    def need(self) -> int:
        """A length for which the shape has an array, if it has any: the items that the schema names or
        counts, and one for each obligation."""
        min_length = self.lo
        named_ends = [index + 1 for index in self.values]
        for obligation in self.obligations:
            for alternative in obligation:
                match alternative:
                    case AtIndex(index, _):
                        named_ends.append(index + 1)
                    case FromIndex(index, _):
                        named_ends.append(index)
                    case AtLeast(count):
                        min_length = max(min_length, count)
        owed = sum(counter.min_count for counter in self.counters)
        # An item that repeats another one takes two.
        owed += sum(2 if RepeatedItem() in obligation else 1 for obligation in self.obligations)
        prefix = max([0, *named_ends, *(len(schema.prefix) for schema in self.facets)])
        return max(min_length, prefix + owed)
