"""Settles obligations that what is known already decides, and says what a conjunction asks of one value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from structgen.schema.facts import Facts, Rank
from structgen.schema.model import Schema
from structgen.schema.place import NEVER, STRING, Tables
from structgen.schema.scalars import Scalars
from structgen.schema.shape import (
    Alternative,
    AtIndex,
    AtKey,
    AtLeast,
    AtMost,
    BadKey,
    FromIndex,
    Obligation,
    Repeat,
    Without,
)


class Obligations:
    """Simplifies conjunctions; every step keeps the language."""

    def __init__(self, tables: Tables, scalars: Scalars) -> None:
        self.tables = tables
        self.scalars = scalars

    def value_literals(self, facets: Iterable[Schema], key: str) -> list[int]:
        """Return the literals that facets ask of the value under a key, in text order."""
        tables = self.tables
        found: list[int] = []
        for schema in facets:
            own = schema.properties.get(key)
            matched = own is not None
            if own is not None:
                found.append(tables.literal(own))
            for source, child in schema.pattern_properties:
                if self.scalars.pattern_matches(source, key):
                    matched = True
                    found.append(tables.literal(child))
            if not matched and schema.additional is not None:
                found.append(tables.literal(schema.additional))
        return found

    def item_literals(
        self,
        facets: Iterable[tuple[Rank, Schema]],
        values: Mapping[str | int, tuple[int, ...]],
        index: int,
    ) -> list[int]:
        """Return the literals asked of the item at an index, in text order."""
        found: list[int] = []
        for _, schema in facets:
            if index < len(schema.prefix):
                found.append(self.tables.literal(schema.prefix[index]))
            elif schema.items is not None:
                found.append(self.tables.literal(schema.items))
        found.extend(values.get(index, ()))
        return found

    def simplify_object(self, facts: Facts) -> bool:
        """Settle obligations that what is known decides; return False on a contradiction."""
        facets = [schema for _, schema in facts.facets]

        def known(key: str) -> list[int]:
            return [*self.value_literals(facets, key), *facts.values.get(key, ())]

        def impossible(key: str) -> bool:
            return NEVER in facts.values.get(key, ()) or self.tables.clash(known(key))

        again = True
        while again:
            again = False
            left: list[Obligation] = []
            for obligation in facts.obligations:
                kept: list[Alternative] = []
                held = False
                for alternative in obligation:
                    match alternative:
                        case Without(key):
                            if key in facts.required:
                                continue
                            held = impossible(key)
                        case AtKey(key, literals):
                            if NEVER in facts.values.get(key, ()):
                                continue
                            said = known(key)
                            if self.tables.clash((*said, *literals)):
                                continue
                            held = key in facts.required and all(
                                literal in said or self.tables.clash((*said, self.tables.negate(literal)))
                                for literal in literals
                            )
                        case AtLeast(count):
                            if facts.hi is not None and facts.hi < count:
                                continue
                            held = max(facts.lo, len(facts.required)) >= count
                        case AtMost(count):
                            if max(facts.lo, len(facts.required)) > count:
                                continue
                            held = facts.hi is not None and facts.hi <= count
                        case BadKey(literal):
                            formula = self.scalars.literal(literal, STRING)
                            held = any(not self.scalars.string_meets(formula, key) for key in facts.required)
                    if held:
                        break
                    kept.append(alternative)
                if held:
                    again = True
                    continue
                if not kept:
                    return False
                if self._unit(facts, kept):
                    again = True
                else:
                    left.append(tuple(kept))
            facts.obligations = left
        if facts.hi is not None and max(facts.lo, len(facts.required)) > facts.hi:
            return False
        return not any(impossible(key) for key in facts.required)

    def simplify_array(self, facts: Facts) -> bool:
        again = True
        while again:
            again = False
            left: list[Obligation] = []
            for obligation in facts.obligations:
                kept: list[Alternative] = []
                held = False
                for alternative in obligation:
                    match alternative:
                        case AtIndex(index, literals) | FromIndex(index, literals):
                            if facts.hi is not None and facts.hi <= index:
                                continue
                            if isinstance(alternative, AtIndex):
                                said = self.item_literals(facts.facets, facts.values, index)
                                if self.tables.clash((*said, *literals)):
                                    continue
                                held = facts.lo > index and all(
                                    literal in said or self.tables.clash((*said, self.tables.negate(literal)))
                                    for literal in literals
                                )
                        case AtLeast(count):
                            if facts.hi is not None and facts.hi < count:
                                continue
                            held = facts.lo >= count
                        case AtMost(count):
                            if facts.lo > count:
                                continue
                            held = facts.hi is not None and facts.hi <= count
                        case Repeat():
                            if facts.unique or (facts.hi is not None and facts.hi < 2):
                                continue
                    if held:
                        break
                    kept.append(alternative)
                if held:
                    again = True
                    continue
                if not kept:
                    return False
                if self._unit(facts, kept):
                    again = True
                else:
                    left.append(tuple(kept))
            facts.obligations = left
        return facts.hi is None or facts.lo <= facts.hi

    def _unit(self, facts: Facts, kept: list[Alternative]) -> bool:
        """Turn an obligation into a plain fact where it is one; return whether it was."""
        match kept:
            case [Without(key)]:
                facts.add_value(key, (NEVER,))
            case [AtKey(key, literals)]:
                facts.required[key] = None
                facts.add_value(key, literals)
            case [AtLeast(count)]:
                facts.bound(count, None)
            case [AtMost(count)]:
                facts.bound(0, count)
            case [Without(key), AtKey(other, literals)] | [AtKey(other, literals), Without(key)] if (
                key == other
            ):
                facts.add_value(key, literals)
            case [AtIndex(index, literals)]:
                facts.bound(index + 1, None)
                facts.add_value(index, literals)
            case [FromIndex(_, literals)] if len(literals) == 1:
                return False
            case _:
                return False
        return True
