"""Parts of a schema that can never hold: branches, properties, items and constants, each with the reason.

A branch is examined at its place, together with the other demands there: `{"type": "string"}` is
empty under `allOf` with `{"type": "integer"}`. It is reported if it holds at none of the places that refer to
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import NamedTuple, TypeAlias

from structgen.base.errors import LimitError, StructgenError
from structgen.schema.meaning import wording
from structgen.schema.meaning.formulas import LISTED
from structgen.schema.meaning.literals import ARRAY, NEVER, OBJECT, Literal
from structgen.schema.meaning.place import NOTHING
from structgen.schema.reading.model import Schema, conjuncts_of
from structgen.schema.recogniser.schema_network import SchemaNetwork
from structgen.schema.recogniser.smallest_contradiction import smallest

MOST_QUESTIONS = 20_000
"""Branches, keys and constants that are examined, some 0.1 ms each. Those of a place with many required keys,
items or branches count many times: see `_questions`."""


@dataclass(frozen=True, slots=True)
class Impossible:
    """A part of a schema that no document makes use of."""

    pointer: str
    """Its JSON pointer."""
    what: str
    """`this branch of oneOf`, `the property "a"`, `the value 3 of enum`."""
    why: str


class _Part(NamedTuple):
    """A part of a schema, as it is asked about."""

    what: str
    schema: Schema
    asked: tuple[Schema, ...]
    """Schemas that a value meets besides, of which the text has none."""
    met: tuple[Literal, ...] = ()
    """Literals of a value of the place that meets it, its own last; empty where it is about another value."""
    member: int = -1
    """The index of a value in its enum."""


_Place: TypeAlias = tuple[tuple[Literal, ...], tuple[Literal, ...]]
"""The literals of a value, and those of them whose parts are examined."""


def impossible(network: SchemaNetwork, demands: Iterable[int]) -> tuple[list[Impossible], bool]:
    """Return the parts that can never hold at places with these demands, in order, and whether all parts were
    examined; with more than MOST_QUESTIONS parts none is.

    Parts that a schema rules out by `false` itself are not reported. A part that a limit left undecided
    counts as possible. Of many parts in a large schema the first alone have a reason. Cost: a question to the
    liveness oracle for each branch, property and constant of each place, and some 0.4 ms for each subschema
    and reason.
    """
    tables, oracle = network.tables, network.oracle
    excluded: dict[tuple[Schema, int], tuple[_Part, tuple[Literal, ...]] | None] = {}
    """The parts, with the literals that exclude each other; None once a part can hold."""
    stack: list[_Place] = [(tables.demands[demand],) * 2 for demand in demands if demand != NOTHING]
    stack.reverse()
    seen: set[_Place] = set()
    questions = 0
    while stack:
        place = stack.pop()
        if place in seen:
            continue
        seen.add(place)
        try:
            parts = list(_parts(network, place)) if oracle.alive(tables.demand(place[0])) else []
            # what is `false` itself is meant so
            parts = [part for part in parts if part.member >= 0 or tables.literal(part.schema) is not NEVER]
        except LimitError:
            continue
        for part in parts:
            literals = (*place[0], *part.met)
            questions += _questions([*_said(network, literals)])
            if questions > MOST_QUESTIONS:
                return [], False
            try:
                holds = oracle.alive(tables.demand((*literals, *map(tables.literal, part.asked))))
            except StructgenError:
                holds = True
            if not holds:
                excluded.setdefault((part.schema, part.member), (part, literals))
                continue
            excluded[part.schema, part.member] = None
            if part.met:
                stack.append((literals, part.met[-1:]))
    named: list[Impossible] = []
    reasons = max(1, MOST_QUESTIONS // (4 * len(network.document.schemas)))
    for part, literals in filter(None, excluded.values()):
        pointer = part.schema.pointer if part.member < 0 else f"{part.schema.pointer}/enum/{part.member}"
        why = "the reason was not looked for: they are too many"
        if len(named) < reasons:
            why = smallest(oracle, literals, part.asked).told
        named.append(Impossible(pointer, part.what, why))
    return named, True


def _questions(said: Sequence[Schema]) -> int:
    """Return as how many questions one about a value that meets some schemas counts, by measurement: the
    branches of a choice are compared in pairs, so are listed objects and arrays, and each schema is asked
    about each required key."""
    speaking = sum(bool(schema.properties or schema.required) for schema in said)
    count = 1 + speaking * (6 + sum(len(schema.required) for schema in said)) // 100
    for schema in said:
        count += len(schema.one_of) ** 3 // 1_300 + len(schema.any_of) // 20 + len(schema.prefix) // 200
        if schema.enum and isinstance(schema.enum[0], dict | list):
            count += len(schema.enum) // 3
    return count


def _said(network: SchemaNetwork, literals: Iterable[Literal]) -> Iterator[Schema]:
    """Return the schemas that literals ask for, with those that they join."""
    return conjuncts_of(literal.schema for literal in literals if not literal.denied)


def _parts(network: SchemaNetwork, place: _Place) -> Iterator[_Part]:
    """Yield the parts of a place."""
    tables = network.tables
    kinds = reduce(and_, map(tables.mask, place[0]), OBJECT | ARRAY)
    for schema in _said(network, place[1]):
        for keyword, listed in (("anyOf", schema.any_of), ("oneOf", schema.one_of)):
            for branch in listed:
                yield _Part(f"this branch of {keyword}", branch, (), (tables.literal(branch),))
        if schema.if_ is not None:
            test = tables.literal(schema.if_)
            then = "then (with what if asks)", schema.then, test
            other = "else (where if does not hold)", schema.else_, tables.negate(test)
            for what, part, met in (then, other):
                if part is not None:
                    yield _Part(what, part, (), (met, tables.literal(part)))
        if schema.enum is not None and 2 <= len(schema.enum) <= LISTED:
            for index, value in enumerate(schema.enum):
                constant = tables.constant(value, schema.pointer)
                yield _Part(f"the value {wording.value(value)} of enum", schema, (constant,), member=index)
        if kinds & OBJECT:
            for key, child in schema.properties.items():
                there = tables.schema("", types=frozenset({"object"}), required=(key,))
                yield _Part(f"the property {wording.quoted(key)}", child, (there,))
        if kinds & ARRAY:
            items = [(f"item {at}", child) for at, child in enumerate(schema.prefix, 1)]
            items += [("an item", schema.items)] if schema.items is not None else []
            for at, (what, child) in enumerate(items, 1):
                there = tables.schema("", types=frozenset({"array"}), min_items=at)
                yield _Part(what, child, (there,))
