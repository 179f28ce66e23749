"""Parts of a schema that can never hold: branches, properties, items and constants, each with the reason.

A branch is examined at its place, together with the other demands there: `{"type": "string"}` is
empty under `allOf` with `{"type": "integer"}`. It is reported if it holds at none of the places that refer to
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from structgen.errors import LimitError, StructgenError
from structgen.schema.meaning import wording
from structgen.schema.meaning.formulas import LISTED
from structgen.schema.meaning.place import ARRAY, NEVER, OBJECT, type_bit
from structgen.schema.reading.json_text import write
from structgen.schema.reading.model import Json, Schema
from structgen.schema.recogniser.schema_network import SchemaNetwork
from structgen.schema.recogniser.smallest_contradiction import signed, smallest

MOST_QUESTIONS = 20_000
"""Branches, keys and constants that are examined; those of a place with a large oneOf count many times."""


@dataclass(frozen=True, slots=True)
class Impossible:
    """A part of a schema that no document makes use of."""

    pointer: str
    """Its JSON pointer."""
    what: str
    """`this branch of oneOf`, `the property "a"`, `the value 3 of enum`."""
    why: str


def impossible(network: SchemaNetwork, demands: Iterable[int]) -> tuple[list[Impossible], bool]:
    """Return the parts that can never hold at places with these demands, in order, and whether all parts were
    examined; with more than MOST_QUESTIONS parts none is.

    Parts that a schema rules out by `false` itself are not reported. A part that a limit left undecided
    counts as possible. Cost: a question to the liveness oracle for each branch, property and constant of each
    place.
    """
    return _Search(network).run(demands)


class _Enough(Exception):
    """More was to be looked at than is."""


class _Search:
    def __init__(self, network: SchemaNetwork) -> None:
        self.network = network
        self.tables = network.tables
        self.frames = network.objects.frames
        self._found: dict[tuple[Schema, int], tuple[str, tuple[int, ...], tuple[Schema, ...]] | None] = {}
        """By schema (and index in its enum): the part, the literals that exclude each other, and schemas of
        the question that the text does not hold; None once the part can hold."""
        self._questions = 0

    def run(self, demands: Iterable[int]) -> tuple[list[Impossible], bool]:
        stack: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        for demand in demands:
            if demand != NEVER:
                stack.append((self.tables.demands[demand],) * 2)
        stack.reverse()
        seen: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
        while stack:
            place = stack.pop()
            if place in seen:
                continue
            seen.add(place)
            try:
                stack.extend(self._place(*place))
            except LimitError:
                continue
            except _Enough:
                return [], False
        oracle = self.network.oracle
        found = [
            Impossible(_pointer(*part), what, smallest(oracle, signed(oracle, literals), given).told)
            for part, known in self._found.items()
            if known is not None
            for what, literals, given in (known,)
        ]
        return found, True

    def _place(
        self, literals: tuple[int, ...], asked: tuple[int, ...]
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Examine some of the literals of a place; yield the branches that can hold there, each with all
        literals then."""
        if not self._lives(literals):
            return
        for literal in asked:
            if literal < 0 or literal & 1:
                continue
            for schema in self.network.shapes.overlaps.conjuncts(literal):
                for keyword, branches in (("anyOf", schema.any_of), ("oneOf", schema.one_of)):
                    for branch in branches:
                        met = self.tables.literal(branch)
                        both = (*literals, met)
                        if self._ask(f"this branch of {keyword}", branch, both):
                            yield both, (met,)
                if schema.if_ is not None:
                    yield from self._condition(literals, schema)
                self._constants(literals, schema)
                self._properties(literals, schema)
                self._items(literals, schema)

    def _lives(self, literals: tuple[int, ...]) -> bool:
        demand = self.tables.demand(literals)
        return demand != NEVER and self.network.oracle.alive(demand)

    def _ask(
        self,
        what: str,
        schema: Schema,
        literals: tuple[int, ...],
        given: Schema | None = None,
        index: int = -1,
    ) -> bool:
        """Return whether a part can hold, and note it where it cannot. `given`: what the value meets besides;
        `index`: of a value in its enum."""
        if index < 0 and self.tables.literal(schema) == NEVER:
            return False
        self._questions += self._weight(literals)
        if self._questions > MOST_QUESTIONS:
            raise _Enough
        also = () if given is None else (given,)
        try:
            holds = self._lives((*literals, *map(self.tables.literal, also)))
        except StructgenError:
            holds = True
        if holds:
            self._found[schema, index] = None
        else:
            self._found.setdefault((schema, index), (what, literals, also))
        return holds

    def _weight(self, literals: tuple[int, ...]) -> int:
        """Return the cost of a question: the branches of a choice are compared in pairs."""
        weight = 1
        for literal in literals:
            if literal >= 0 and not literal & 1:
                for schema in self.network.shapes.overlaps.conjuncts(literal):
                    weight += len(schema.one_of) ** 3 // 1_300 + len(schema.any_of) // 20
        return weight

    def _condition(
        self, literals: tuple[int, ...], schema: Schema
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        assert schema.if_ is not None
        test = self.tables.literal(schema.if_)
        for branch, met, what in (
            (schema.then, test, "then (with what if asks)"),
            (schema.else_, self.tables.negate(test), "else (where if does not hold)"),
        ):
            if branch is None:
                continue
            said = self.tables.literal(branch)
            both = (*literals, met, said)
            if self._ask(what, branch, both):
                yield both, (said,)

    def _constants(self, literals: tuple[int, ...], schema: Schema) -> None:
        if schema.enum is None or len(schema.enum) < 2 or len(schema.enum) > LISTED:
            return
        for index, value in enumerate(schema.enum):
            constant = self.tables.constant(value, schema.pointer)
            said = f"the value {_shown(value)} of enum"
            self._ask(said, schema, literals, constant, index)

    def _properties(self, literals: tuple[int, ...], schema: Schema) -> None:
        if not schema.properties or not self._takes(literals, OBJECT):
            return
        for key, child in schema.properties.items():
            there = self.tables.schema("", types=frozenset({"object"}), required=(key,))
            self._ask(f"the property {wording.quoted(key)}", child, literals, there)

    def _items(self, literals: tuple[int, ...], schema: Schema) -> None:
        if not (schema.prefix or schema.items is not None) or not self._takes(literals, ARRAY):
            return
        asked = [(child, index + 1, f"item {index + 1}") for index, child in enumerate(schema.prefix)]
        if schema.items is not None:
            asked.append((schema.items, len(schema.prefix) + 1, "an item"))
        for child, least, what in asked:
            there = self.tables.schema("", types=frozenset({"array"}), min_items=least)
            self._ask(what, child, literals, there)

    def _takes(self, literals: tuple[int, ...], kind: int) -> bool:
        return all(self.tables.mask(literal) & kind for literal in literals)


def _pointer(schema: Schema, index: int) -> str:
    return schema.pointer if index < 0 else f"{schema.pointer}/enum/{index}"


def _shown(value: Json) -> str:
    if isinstance(value, (dict, list)):
        return "that is an array" if type_bit(value) == ARRAY else "that is an object"
    text = write(value)
    return text if len(text) <= 60 else text[:60] + "…"
