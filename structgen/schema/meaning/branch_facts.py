"""What a branch says of the keys of an object, for everything that compares, denies or divides branches.

It is a conjunction of *clauses*. Of a clause one alternative holds: a key is there, with such a value; a key
is absent; there are so many members. Clauses about one key alone are *facts*, which tell branches apart. They
are read under the assumption that some keys are absent: a branch that requires one of them has no such
object, and branches that differ in these keys alone say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple, TypeAlias

from structgen.schema.meaning.assertions import Assertions
from structgen.schema.meaning.facts import FactConjunction, Hold, Obligations
from structgen.schema.meaning.literals import ALWAYS, ARRAY, NEVER, OBJECT, Literal
from structgen.schema.meaning.shape import Alternative, AtKey, AtLeast, AtMost, Obligation, Without

Clauses: TypeAlias = list[Obligation]
"""A conjunction of disjunctions; an empty disjunction is false."""

CLAUSES = 24
"""Clauses that one choice may become."""
CLAUSE_SIZE = 64
"""Alternatives of one clause."""
_NESTED = 8
"""Unions within unions are read to this depth, below which a branch is compared by its identity alone; and
`not` within `not` as clauses."""


class BranchFacts(NamedTuple):
    """Facts about all objects that meet a literal and hold none of some keys."""

    required: frozenset[str]
    asked: Mapping[str, tuple[Literal, ...]]
    """The literals that hold for the value under a key, where it is there."""
    finite: Mapping[str, frozenset[Hashable]]
    """The finitely many values that a key may have, as keys of equality."""
    residue: Hashable
    """Literals with equal residues have the same objects among those that hold none of the keys."""


class BranchReader:
    """Reads what literals say of keys, and remembers it."""

    def __init__(self, reader: Assertions, obligations: Obligations) -> None:
        self.reader, self.tables, self.obligations = reader, reader.tables, obligations
        self._facts: dict[tuple[Literal, frozenset[str]], BranchFacts | None] = {}
        self._clauses: dict[Literal, Clauses | None] = {}

    def facts(self, literal: Literal, absent: frozenset[str], depth: int = _NESTED) -> BranchFacts | None:
        """Return the facts of a literal, None where no object meets it. Cost: the keywords of the branch."""
        key = literal, absent
        if key not in self._facts:
            if literal is ALWAYS or literal.denied or not depth:
                self._facts[key] = without_facts(literal)
            else:
                said = self.reader.said(literal.schema, OBJECT)
                self._facts[key] = None if said is None else _Reading(self, absent, depth - 1).of(said)
        return self._facts[key]

    # Clauses

    def clauses(self, literal: Literal) -> Clauses | None:
        """Return the clauses of the objects that meet a literal; None: clauses cannot express it."""
        if literal not in self._clauses:
            clauses = self._read(literal, _NESTED)
            self._clauses[literal] = clauses if clauses is not None and self.fits(clauses) else None
        return self._clauses[literal]

    def _read(self, literal: Literal, depth: int) -> Clauses | None:
        if literal.schema is ALWAYS.schema:
            return [()] if literal.denied else []
        if not depth:
            return None
        said = self.reader.said(literal.schema, OBJECT)
        if said is None:
            return [] if literal.denied else [()]
        if said.choices or said.unions or said.watching or said.key_literals:
            return None
        if any(facet.pattern_properties or facet.additional is not None for _, facet in said.facets):
            return None
        denied = (self._read(asserted, depth - 1) for asserted in said.asserted if asserted.denied)
        clauses = all_of([self.own(said), *denied])
        return self.denied(clauses) if literal.denied and clauses is not None else clauses

    def own(self, said: FactConjunction) -> Clauses:
        """Return the clauses of the keys that a branch names, and of how many there are."""
        asked = [
            (key, self.tables.literal(child))
            for _, facet in said.facets
            for key, child in facet.properties.items()
        ]
        asked.extend((key, literal) for key, literals in said.values.items() for literal in literals)
        named = {key for key, _ in asked}
        asked.extend((key, ALWAYS) for key in said.required if key not in named)
        clauses: Clauses = []
        for key, literal in asked:
            here = AtKey(key, () if literal is ALWAYS else (literal,))
            if key in said.required:
                clauses.append(() if literal is NEVER else (here,))
            elif literal is NEVER:
                clauses.append((Without(key),))
            elif literal is not ALWAYS:
                clauses.append((Without(key), here))
        for key, others in said.conditional:
            clauses.extend((Without(key), AtKey(other, ())) for other in others if other != key)
        if said.lo:
            clauses.append((AtLeast(said.lo),))
        if said.hi is not None:
            clauses.append((AtMost(said.hi),))
        return clauses

    def fits(self, clauses: Clauses) -> bool:
        """Return whether no clause asks for an object or array: its keys would have a position in the
        order."""
        return not any(
            literal is not ALWAYS and not literal.denied and self.tables.mask(literal) & (OBJECT | ARRAY)
            for clause in clauses
            for alternative in clause
            if isinstance(alternative, AtKey)
            for literal in alternative.literals
        )

    def either(self, parts: Sequence[Clauses | None]) -> Clauses | None:
        """Return the clauses of a disjunction; None where they are too many."""
        known = [part for part in parts if part is not None]
        if len(known) < len(parts) or prod(map(len, known)) > 4 * CLAUSES:
            return None
        clauses: dict[Obligation, None] = {}
        for combination in product(*known):
            clause = tuple(dict.fromkeys(alternative for part in combination for alternative in part))
            if not _sure(clause):
                clauses[clause] = None
        short = [clause for clause in clauses if not any(other < set(clause) for other in map(set, clauses))]
        return short if max(map(len, short), default=0) <= CLAUSE_SIZE and len(short) <= CLAUSES else None

    def denied(self, clauses: Clauses) -> Clauses | None:
        """Return the clauses of the negation: some clause has none of its alternatives."""
        if not all(clauses):
            return []
        return self.either([self.none_of(clause) for clause in clauses])

    def failing(self, literal: Literal) -> list[tuple[Literal, ...]]:
        """Return what is asked of a value for which a literal is to fail, as literals: one way, or none. What
        is to hold under two `not` only judges a value."""
        denied = self.tables.twin(self.tables.negate(literal))
        if denied.schema is ALWAYS.schema:
            return [] if denied.denied else [()]
        return [(denied if denied.denied else self.tables.judging(denied),)]

    def none_of(self, clause: Obligation) -> Clauses | None:
        """Return the clauses of objects for which no alternative of a clause holds; None for members that no
        clause speaks of."""
        present = {alternative.key for alternative in clause if isinstance(alternative, Without)}
        clauses: Clauses = []
        for alternative in clause:
            match alternative:
                case Without(key):
                    if not any(isinstance(other, AtKey) and other.key == key for other in clause):
                        clauses.append((AtKey(key, ()),))
                case AtKey(key, literals):
                    left: list[Alternative] = [] if key in present else [Without(key)]
                    left.extend(
                        AtKey(key, failing) for literal in literals for failing in self.failing(literal)
                    )
                    clauses.append(tuple(left))
                case AtLeast(count):
                    clauses.append((AtMost(count - 1),))
                case AtMost(count):
                    clauses.append((AtLeast(count + 1),))
                case _:
                    return None
        return clauses


class _Reading:
    """The facts of one literal while they are collected."""

    def __init__(self, reader: BranchReader, absent: frozenset[str], depth: int) -> None:
        self.reader, self.tables, self.absent, self.depth = reader, reader.tables, absent, depth
        self.known = FactConjunction()
        self.finite: dict[str, frozenset[Hashable]] = {}
        self.residue: set[Hashable] = set()

    def of(self, said: FactConjunction) -> BranchFacts | None:
        """Return the facts of objects for which a conjunction holds; None where there are none."""
        if not self._take(said):
            return None
        asked: dict[str, tuple[Literal, ...]] = {}
        for key, literals in self.known.values.items():
            if isinstance(key, str) and key not in self.absent:
                asked[key] = literals
                self.residue.update((key, self.tables.twin(literal)) for literal in literals)
                for literal in literals:
                    if not literal.denied:
                        self._allow(key, literal.schema.values)
        required = frozenset(self.known.required)
        if not required.isdisjoint(self.absent) or any(NEVER in asked.get(key, ()) for key in required):
            return None
        residue = required, self.known.lo, self.known.hi, frozenset(self.residue)
        return BranchFacts(required, asked, self.finite, residue)

    def _take(self, said: FactConjunction) -> bool:
        """Take up a conjunction; return False where no object meets it."""
        tables = self.tables
        clauses = self.reader.own(said)
        for literal in [literal for literal in said.asserted if literal.denied]:
            denied = self.reader.clauses(literal)
            if denied is None:
                self.residue.add(("literal", literal))
            clauses.extend(denied or ())
        if not all(clauses):
            return False
        for clause in clauses:
            if not self.reader.obligations.take(self.known, clause):
                self.residue.add(clause)
        for _, facet in said.facets:
            patterns = tuple([(source, tables.literal(child)) for source, child in facet.pattern_properties])
            if facet.additional is not None:
                literal = tables.literal(facet.additional)
                named = frozenset(facet.properties) - self.absent
                self.residue.add(("other", named, patterns, tables.twin(literal)))
            elif patterns:
                self.residue.add(("patterns", patterns))
        self.residue.update(("names", tables.twin(literal)) for literal in said.key_literals)
        self.residue.update(("watched", watch.schema.id) for watch in said.watching)
        unions = [([tables.literal(part) for part in schema.one_of], True) for schema, _ in said.unions]
        for choice in said.choices:
            literals = [step.literal for branch in choice for step in branch if isinstance(step, Hold)]
            if all(len(branch) == 1 for branch in choice):
                unions.append((literals, False))
            else:
                self.residue.add(tuple(choice))
        return all(self._union(literals, is_one) for literals, is_one in unions)

    def _union(self, literals: Sequence[Literal], is_one: bool) -> bool:
        """Take up the facts that all branches of a union share; return False where none has an object."""
        parts = [self.reader.facts(literal, self.absent, self.depth) for literal in literals]
        counted = Counter(part.residue for part in parts if part is not None)
        self.residue.add(("oneOf" if is_one else "anyOf", frozenset(counted.items() if is_one else counted)))
        # Two branches that say the same cannot be the only one that holds.
        left = [part for part in parts if part is not None and not (is_one and counted[part.residue] > 1)]
        if not left:
            return False
        shared = frozenset.intersection(*(part.required for part in left))
        self.known.required.update(dict.fromkeys(shared))
        for key in frozenset.intersection(*(frozenset(part.finite) for part in left)):
            self._allow(key, frozenset().union(*(part.finite[key] for part in left)))
        return True

    def _allow(self, key: str, values: frozenset[Hashable] | None) -> None:
        if values is not None:
            self.finite[key] = self.finite[key] & values if key in self.finite else values


def all_of(parts: Iterable[Clauses | None]) -> Clauses | None:
    """Return the clauses of a conjunction, each once; None where they are too many."""
    clauses: dict[Obligation, None] = {}
    for part in parts:
        if part is None:
            return None
        clauses.update(dict.fromkeys(part))
    return list(clauses) if len(clauses) <= CLAUSES else None


def without_facts(literal: Literal) -> BranchFacts | None:
    """Return the facts of a branch of which nothing is known but its literal."""
    return None if literal is NEVER else BranchFacts(frozenset(), {}, {}, ("literal", literal))


def _sure(clause: Obligation) -> bool:
    """Return whether a clause holds for every object."""
    left_out = {alternative.key for alternative in clause if isinstance(alternative, Without)}
    values: list[tuple[str, Literal]] = []
    for alternative in clause:
        if isinstance(alternative, AtKey) and alternative.key in left_out and len(alternative.literals) < 2:
            literal = alternative.literals[0] if alternative.literals else ALWAYS
            if literal is ALWAYS or any(
                key == alternative.key and literal.excludes(other) for key, other in values
            ):
                return True
            values.append((alternative.key, literal))
    return False
