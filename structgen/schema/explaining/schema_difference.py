"""One schema, and the same without a keyword, in one network: is there a value that only one of them takes?

A place of the second document that equals its counterpart in the first one is replaced by it. The places that
remain differ, and the liveness oracle is asked about them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from structgen.json_text.exact_json import Json, unescape
from structgen.schema.meaning.place import NEVER, parts_of, with_others
from structgen.schema.reading.document import Document
from structgen.schema.reading.model import Schema
from structgen.schema.reading.schema_place import SchemaPlace
from structgen.schema.recogniser.schema_network import SchemaNetwork


class SchemaDifference:
    """A document with its network, to which other documents are held that differ in little."""

    def __init__(self, document: Document, network: SchemaNetwork) -> None:
        """`network` is that of `document`; both grow with each question."""
        self.network = network
        self.places = {
            place.pointer: place
            for place in document.schemas
            if isinstance(place, SchemaPlace) and isinstance(place.raw, dict)
        }
        self._by_raw = {id(place.raw): place for place in self.places.values()}
        self._next = len(document.schemas)

    def difference(self, other: Document, pointer: str = "#") -> int | None:
        """Return a demand that some value meets, and only values that one of the two documents takes and the
        other does not (or their places at a pointer); None where there is no such value.

        `other` must not be used afterwards: its places then lead to those of this document. Cost: linear in
        the places of both, and at most two questions to the liveness oracle. Raises LimitError where the
        oracle does not decide.
        """
        counterparts = self._merged(other)
        one = self.places[pointer]
        two = next((place for place in other.schemas if place.pointer == pointer), other.root)
        two = counterparts.get(two.id, two)
        if one is two:
            return None
        tables = self.network.tables
        ours, theirs = tables.literal(one), tables.literal(two)
        for more, less in ((theirs, ours), (ours, theirs)):
            demand = tables.demand((more, tables.negate(less)))
            if demand != NEVER and self.network.oracle.alive(demand):
                return demand
        return None

    def _merged(self, other: Document) -> dict[int, Schema]:
        """Return the equal places of this document by the ids of another's places; the other's remaining
        places then refer to them."""
        for place in other.schemas:
            place.id += self._next
        self._next += len(other.schemas)
        counterparts: dict[int, Schema] = {}
        for place in other.schemas:
            if isinstance(place, SchemaPlace) and isinstance(place.raw, dict):
                counterpart = self._by_raw.get(id(place.raw)) or self.places.get(place.pointer)
                if counterpart is not None:
                    counterparts[place.id] = counterpart
        for one in _different(other.schemas, counterparts):
            counterparts.pop(one, None)
        for place in other.schemas:
            if place.id not in counterparts:
                for name, held in place.__dict__.items():
                    setattr(place, name, with_others(held, counterparts))
        return counterparts


def without(value: Json, pointer: str, keyword: str) -> Json:
    """Return a schema without a keyword at a place (`#/properties/a`); places off the path are shared."""
    root: Json = copy(value)
    here: Any = root
    for step in map(unescape, pointer.split("/")[1:]):
        at = int(step) if isinstance(here, list) else step
        here[at] = copy(here[at])
        here = here[at]
    del here[keyword]
    return root


def _different(schemas: Sequence[Schema], counterparts: Mapping[int, Schema]) -> set[int]:
    """Return the ids of the schemas that differ from their counterparts: in their own fields, or in a schema
    that they lead to."""
    holders: dict[int, list[int]] = {}
    different: set[int] = set()
    for schema in schemas:
        for child in parts_of(schema.__dict__.values()):
            holders.setdefault(child.id, []).append(schema.id)
        counterpart = counterparts.get(schema.id)
        if counterpart is None or with_others(schema.__dict__, counterparts) != counterpart.__dict__:
            different.add(schema.id)
    todo = list(different)
    while todo:
        for above in holders.get(todo.pop(), ()):
            if above not in different:
                different.add(above)
                todo.append(above)
    return different
