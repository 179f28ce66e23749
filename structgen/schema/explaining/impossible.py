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
from structgen.schema.recogniser.smallest_contradiction import find_contradiction

MOST_QUESTIONS = 20_000
"""Branches, keys and constants that are examined, some 0.1 ms each. Those of a place with many required keys,
items or branches count many times: see `_count_questions`."""


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

    label: str
    schema: Schema
    further_schemas: tuple[Schema, ...]
    """Schemas that a value meets besides, of which the text has none."""
    met: tuple[Literal, ...] = ()
    """Literals of a value of the place that meets it, its own last; empty where it is about another value."""
    member: int = -1
    """The index of a value in its enum."""


_Place: TypeAlias = tuple[tuple[Literal, ...], tuple[Literal, ...]]
"""The literals of a value, and those of them whose parts are examined."""


def find_impossible(network: SchemaNetwork, demands: Iterable[int]) -> tuple[list[Impossible], bool]:
    """Return the parts that can never hold at places with these demands, in order, and whether all parts were
    examined; with more than MOST_QUESTIONS parts none is.

    Parts that a schema rules out by `false` itself are not reported. A part that a limit left undecided
    counts as possible. Of many parts in a large schema the first alone have a reason. Cost: a question to the
    liveness oracle for each branch, property and constant of each place, and some 0.4 ms for each subschema
    and reason.
    """
    tables = network.tables
    oracle = network.oracle
    empty_parts: dict[tuple[Schema, int], tuple[_Part, tuple[Literal, ...]] | None] = {}
    """The parts, with the literals that exclude each other; None once a part can hold."""
    stack: list[_Place] = [(tables.demands[demand],) * 2 for demand in demands if demand != NOTHING]
    stack.reverse()
    visited: set[_Place] = set()
    questions = 0
    while stack:
        place = stack.pop()
        if place in visited:
            continue
        visited.add(place)
        try:
            parts = (
                list(_parts_of_place(network, place))
                if oracle.is_alive(tables.intern_demand(place[0]))
                else []
            )
            # what is `false` itself is meant so
            parts = [
                part for part in parts if part.member >= 0 or tables.literal_of(part.schema) is not NEVER
            ]
        except LimitError:
            continue
        for part in parts:
            literals = (*place[0], *part.met)
            questions += _count_questions([*_conjoined_schemas(network, literals)])
            if questions > MOST_QUESTIONS:
                return [], False
            try:
                holds = oracle.is_alive(
                    tables.intern_demand((*literals, *map(tables.literal_of, part.further_schemas)))
                )
            except StructgenError:
                holds = True
            if not holds:
                empty_parts.setdefault((part.schema, part.member), (part, literals))
                continue
            empty_parts[part.schema, part.member] = None
            if part.met:
                stack.append((literals, part.met[-1:]))
    impossible_parts: list[Impossible] = []
    reasons = max(1, MOST_QUESTIONS // (4 * len(network.document.schemas)))
    for part, literals in filter(None, empty_parts.values()):
        pointer = part.schema.pointer if part.member < 0 else f"{part.schema.pointer}/enum/{part.member}"
        why = "the reason was not looked for: they are too many"
        if len(impossible_parts) < reasons:
            why = find_contradiction(oracle, literals, part.further_schemas).explanation
        impossible_parts.append(Impossible(pointer, part.label, why))
    return impossible_parts, True


def _count_questions(schemas: Sequence[Schema]) -> int:
    """Return as how many questions one about a value that meets some schemas counts, by measurement: the
    branches of a choice are compared in pairs, so are listed objects and arrays, and each schema is asked
    about each required key."""
    speaking = sum(bool(schema.properties or schema.required) for schema in schemas)
    count = 1 + speaking * (6 + sum(len(schema.required) for schema in schemas)) // 100
    for schema in schemas:
        count += len(schema.one_of) ** 3 // 1_300 + len(schema.any_of) // 20 + len(schema.prefix) // 200
        if schema.enum and isinstance(schema.enum[0], dict | list):
            count += len(schema.enum) // 3
    return count


def _conjoined_schemas(network: SchemaNetwork, literals: Iterable[Literal]) -> Iterator[Schema]:
    """Return the schemas that literals ask for, with those that they join."""
    return conjuncts_of(literal.schema for literal in literals if not literal.is_negated)


def _parts_of_place(network: SchemaNetwork, place: _Place) -> Iterator[_Part]:
    """Yield the parts of a place."""
    tables = network.tables
    kinds = reduce(and_, map(tables.type_mask, place[0]), OBJECT | ARRAY)
    for schema in _conjoined_schemas(network, place[1]):
        for keyword, branches in (("anyOf", schema.any_of), ("oneOf", schema.one_of)):
            for branch in branches:
                yield _Part(f"this branch of {keyword}", branch, (), (tables.literal_of(branch),))
        if schema.if_ is not None:
            test = tables.literal_of(schema.if_)
            then = "then (with what if asks)", schema.then, test
            else_branch = "else (where if does not hold)", schema.else_, tables.negate_literal(test)
            for label, part, met in (then, else_branch):
                if part is not None:
                    yield _Part(label, part, (), (met, tables.literal_of(part)))
        if schema.enum is not None and 2 <= len(schema.enum) <= LISTED:
            for index, value in enumerate(schema.enum):
                constant = tables.constant_schema(value, schema.pointer)
                yield _Part(
                    f"the value {wording.show_value(value)} of enum", schema, (constant,), member=index
                )
        if kinds & OBJECT:
            for key, child in schema.properties.items():
                there = tables.make_schema("", types=frozenset({"object"}), required=(key,))
                yield _Part(f"the property {wording.quote_text(key)}", child, (there,))
        if kinds & ARRAY:
            items = [(f"item {at}", child) for at, child in enumerate(schema.prefix, 1)]
            items += [("an item", schema.items)] if schema.items is not None else []
            for at, (label, child) in enumerate(items, 1):
                there = tables.make_schema("", types=frozenset({"array"}), min_items=at)
                yield _Part(label, child, (there,))
