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
from structgen.schema.meaning.literals import ARRAY, NEVER, OBJECT, Literal, Literals
from structgen.schema.meaning.place import NOTHING
from structgen.schema.reading.model import Schema, Schemas, conjuncts_of
from structgen.schema.recogniser.schema_network import SchemaNetwork
from structgen.schema.recogniser.smallest_contradiction import find_contradiction

MOST_QUESTIONS = 20_000
"""The most branches, keys and constants that are examined, some 0.1 ms each. Those of a place with many
required keys, items or branches count several times (`_count_questions`)."""


@dataclass(frozen=True, slots=True)
class Impossible:
    """A part of a schema that no document uses."""

    pointer: str
    """The JSON pointer of the part."""
    what: str
    """The part in words: `this branch of oneOf`, `the property "a"`, `the value 3 of enum`."""
    why: str


class _Part(NamedTuple):
    """A part of a schema, with the question whether a value uses it."""

    label: str
    schema: Schema
    further_schemas: Schemas
    """More schemas that the value must meet for the question; no text contains them."""
    met: Literals = ()
    """Literals of a value of the place that uses the part, that of the part last; empty where the part is
    about another value."""
    member: int = -1
    """The index of the value in its enum; -1: the part is not a value of an enum."""


_Place: TypeAlias = tuple[Literals, Literals]
"""The literals of a value, and the literals whose parts are examined."""


def find_impossible(network: SchemaNetwork, demands: Iterable[int]) -> tuple[list[Impossible], bool]:
    """Return the parts that can never hold at places with these demands, in order, and whether all parts were
    examined; with more than MOST_QUESTIONS parts none is examined.

    Parts that a schema rules out by `false` itself are not reported. A part that a limit left undecided
    counts as possible. Of many parts in a large schema the first alone have a reason. Cost: a question to the
    liveness oracle for each branch, property and constant of each place, and some 0.4 ms for each subschema
    and reason.
    """
    tables = network.tables
    oracle = network.oracle
    empty_parts: dict[tuple[Schema, int], tuple[_Part, Literals] | None] = {}
    """The parts, with the literals that exclude each other; None once a part can hold."""
    # At the first places all literals are examined.
    stack: list[_Place] = []
    for demand in demands:
        if demand != NOTHING:
            literals = tables.demands[demand]
            stack.append((literals, literals))
    stack.reverse()
    visited: set[_Place] = set()
    questions = 0
    while stack:
        place = stack.pop()
        if place in visited:
            continue
        visited.add(place)
        value_literals, _ = place
        parts: list[_Part] = []
        try:
            # A place without values is not examined: the part that leads there is reported.
            if oracle.is_alive(tables.intern_demand(value_literals)):
                for part in _parts_of_place(network, place):
                    # A schema that is `false` itself is meant so.
                    if part.member >= 0 or tables.literal_of(part.schema) is not NEVER:
                        parts.append(part)
        except LimitError:
            continue
        for part in parts:
            literals = (*value_literals, *part.met)
            questions += _count_questions([*_conjoined_schemas(literals)])
            if questions > MOST_QUESTIONS:
                return [], False
            further_literals = map(tables.literal_of, part.further_schemas)
            try:
                holds = oracle.is_alive(tables.intern_demand((*literals, *further_literals)))
            except StructgenError:
                holds = True  # a limit: undecided
            # A part that holds at one place is not reported, whatever other places say.
            if not holds:
                empty_parts.setdefault((part.schema, part.member), (part, literals))
                continue
            empty_parts[part.schema, part.member] = None
            if part.met:
                stack.append((literals, part.met[-1:]))
    return _explain_parts(network, filter(None, empty_parts.values())), True


def _explain_parts(
    network: SchemaNetwork,
    empty_parts: Iterable[tuple[_Part, Literals]],
) -> list[Impossible]:
    """Return the parts with their reasons; each comes with the literals that exclude each other."""
    impossible_parts: list[Impossible] = []
    # Each reason reads the schema anew: in a large schema few of them are looked for.
    max_reasons = max(1, MOST_QUESTIONS // (4 * len(network.document.schemas)))
    for part, literals in empty_parts:
        pointer = part.schema.pointer
        if part.member >= 0:
            pointer = f"{pointer}/enum/{part.member}"
        why = "the reason was not looked for: they are too many"
        if len(impossible_parts) < max_reasons:
            why = find_contradiction(network.oracle, literals, part.further_schemas).explanation
        impossible_parts.append(Impossible(pointer, part.label, why))
    return impossible_parts


def _count_questions(schemas: Sequence[Schema]) -> int:
    """Return the cost of a question about a value that meets some schemas, in plain questions, by
    measurement: the branches of a choice are compared in pairs, and so are listed objects and arrays; each
    schema is asked about each required key."""
    object_schemas = sum(bool(schema.properties or schema.required) for schema in schemas)
    required_count = sum(len(schema.required) for schema in schemas)
    count = 1 + object_schemas * (6 + required_count) // 100
    for schema in schemas:
        count += len(schema.one_of) ** 3 // 1_300
        count += len(schema.any_of) // 20 + len(schema.prefix) // 200
        if schema.enum and isinstance(schema.enum[0], dict | list):
            count += len(schema.enum) // 3
    return count


def _conjoined_schemas(literals: Iterable[Literal]) -> Iterator[Schema]:
    """Yield the schemas of literals that are not negated, with the schemas that they ask for by `$ref` and
    `allOf`."""
    return conjuncts_of(literal.schema for literal in literals if not literal.is_negated)


def _parts_of_place(network: SchemaNetwork, place: _Place) -> Iterator[_Part]:
    """Yield the parts of a place: branches, constants, properties and items."""
    tables = network.tables
    value_literals, examined_literals = place
    kinds = reduce(and_, map(tables.type_mask, value_literals), OBJECT | ARRAY)
    for schema in _conjoined_schemas(examined_literals):
        for keyword, branches in (("anyOf", schema.any_of), ("oneOf", schema.one_of)):
            for branch in branches:
                yield _Part(f"this branch of {keyword}", branch, (), (tables.literal_of(branch),))
        if schema.if_ is not None:
            test = tables.literal_of(schema.if_)
            if schema.then is not None:
                then = tables.literal_of(schema.then)
                yield _Part("then (with what if asks)", schema.then, (), (test, then))
            if schema.else_ is not None:
                met = (tables.negate_literal(test), tables.literal_of(schema.else_))
                yield _Part("else (where if does not hold)", schema.else_, (), met)
        if schema.enum is not None and 2 <= len(schema.enum) <= LISTED:
            for index, value in enumerate(schema.enum):
                constant = tables.constant_schema(value, schema.pointer)
                label = f"the value {wording.show_value(value)} of enum"
                yield _Part(label, schema, (constant,), member=index)
        if kinds & OBJECT:
            # An object that has the key: the property is used if its value can be one.
            for key, child in schema.properties.items():
                container = tables.make_schema("", types=frozenset({"object"}), required=(key,))
                yield _Part(f"the property {wording.quote_text(key)}", child, (container,))
        if kinds & ARRAY:
            items = [(f"item {number}", child) for number, child in enumerate(schema.prefix, 1)]
            if schema.items is not None:
                items.append(("an item", schema.items))
            for length, (label, child) in enumerate(items, 1):
                container = tables.make_schema("", types=frozenset({"array"}), min_items=length)
                yield _Part(label, child, (container,))
