"""Reads what a branch of a union says about the keys of an object, so that branches can be compared or
denied.

A branch is read as a conjunction of *clauses*. A *clause* is a set of alternatives, one of which holds: a key
is there with such a value; a key is absent; there are so many members. For example `{"required": ["a"],
"properties": {"b": B}}` has two clauses: "`a` is there", and "`b` is absent or meets B". Clauses about one
key alone are *facts*, and tell branches apart.

Facts are read under the assumption that some keys are absent. A branch that requires one of these keys has no
such object. Branches that differ in these keys alone mean the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple, TypeAlias

from structgen.schema.meaning.assertions import Assertions
from structgen.schema.meaning.facts import FactConjunction, Hold, Obligations
from structgen.schema.meaning.literals import ALWAYS, ARRAY, NEVER, OBJECT, Literal, Literals
from structgen.schema.meaning.shape import Alternative, AtKey, AtLeast, AtMost, Obligation, Without

Clauses: TypeAlias = list[Obligation]
"""A conjunction of disjunctions; an empty disjunction is false."""

CLAUSES = 24
"""The most clauses that one choice may become."""
CLAUSE_SIZE = 64
"""The most alternatives of one clause."""
_NESTED = 8
"""The depth to which unions within unions, and `not` within `not`, are read. Deeper branches are compared by
their identity alone."""


class BranchFacts(NamedTuple):
    """Facts about all objects that meet a literal and hold none of some keys."""

    required_keys: frozenset[str]
    literals_by_key: Mapping[str, Literals]
    """The literals that hold for the value under a key, where it is there."""
    finite: Mapping[str, frozenset[Hashable]]
    """The finitely many values that a key may have, as keys of equality."""
    residue: Hashable
    """A key of comparison: literals with equal ones accept the same objects among those without the keys."""


class BranchReader:
    """Reads the facts and clauses of literals, and remembers them."""

    def __init__(self, reader: Assertions, obligations: Obligations) -> None:
        self.reader = reader
        self.tables = reader.tables
        self.obligations = obligations
        self._facts: dict[tuple[Literal, frozenset[str]], BranchFacts | None] = {}
        self._clauses: dict[Literal, Clauses | None] = {}

    def facts_of(
        self,
        literal: Literal,
        absent: frozenset[str],
        depth: int = _NESTED,
    ) -> BranchFacts | None:
        """Return the facts of a literal, None where no object meets it. Cost: the keywords of the branch."""
        key = literal, absent
        if key in self._facts:
            return self._facts[key]
        facts: BranchFacts | None
        if literal is ALWAYS or literal.is_negated or not depth:
            facts = without_facts(literal)
        else:
            conjunction = self.reader.facts_of(literal.schema, OBJECT)
            facts = None
            if conjunction is not None:
                facts = _Reading(self, absent, depth - 1).collect_facts(conjunction)
        self._facts[key] = facts
        return facts

    # Clauses

    def clauses_of(self, literal: Literal) -> Clauses | None:
        """Return the clauses of the objects that meet a literal; None: clauses cannot express it."""
        if literal not in self._clauses:
            clauses = self._read_clauses(literal, _NESTED)
            if clauses is not None and not self.keeps_key_order(clauses):
                clauses = None
            self._clauses[literal] = clauses
        return self._clauses[literal]

    def _read_clauses(self, literal: Literal, depth: int) -> Clauses | None:
        if literal.schema is ALWAYS.schema:
            if literal.is_negated:
                return [()]
            return []
        if not depth:
            return None
        conjunction = self.reader.facts_of(literal.schema, OBJECT)
        if conjunction is None:
            if literal.is_negated:
                return []
            return [()]
        # Clauses speak of single keys and of the number of members. Other keywords do not fit them.
        if conjunction.choices or conjunction.unions or conjunction.watching or conjunction.key_literals:
            return None
        if any(facet.pattern_properties or facet.additional is not None for _, facet in conjunction.facets):
            return None
        negations = (
            self._read_clauses(true_literal, depth - 1)
            for true_literal in conjunction.true_literals
            if true_literal.is_negated
        )
        clauses = all_of([self.own_clauses(conjunction), *negations])
        if literal.is_negated and clauses is not None:
            return self.negate_clauses(clauses)
        return clauses

    def own_clauses(self, conjunction: FactConjunction) -> Clauses:
        """Return the clauses about the keys that a branch names, and about the number of members."""
        # Each key with a literal of its value; a key may come more than once.
        literal_pairs = [
            (key, self.tables.literal_of(child))
            for _, facet in conjunction.facets
            for key, child in facet.properties.items()
        ]
        for key, literals in conjunction.values.items():
            literal_pairs.extend((key, literal) for literal in literals)
        named_keys = {key for key, _ in literal_pairs}
        literal_pairs.extend((key, ALWAYS) for key in conjunction.required_keys if key not in named_keys)
        clauses: Clauses = []
        for key, literal in literal_pairs:
            with_value = AtKey(key, () if literal is ALWAYS else (literal,))
            if key in conjunction.required_keys:
                clauses.append(() if literal is NEVER else (with_value,))
            elif literal is NEVER:
                clauses.append((Without(key),))
            elif literal is not ALWAYS:
                clauses.append((Without(key), with_value))
        for key, dependents in conjunction.conditional:
            for dependent in dependents:
                if dependent != key:
                    clauses.append((Without(key), AtKey(dependent, ())))
        if conjunction.lo:
            clauses.append((AtLeast(conjunction.lo),))
        if conjunction.hi is not None:
            clauses.append((AtMost(conjunction.hi),))
        return clauses

    def keeps_key_order(self, clauses: Clauses) -> bool:
        """Return whether no clause asks for an object or array: its keys would have a position in the
        order."""
        alternatives = (alternative for clause in clauses for alternative in clause)
        at_keys = (alternative for alternative in alternatives if isinstance(alternative, AtKey))
        literals = (literal for at_key in at_keys for literal in at_key.literals)
        return not any(
            literal is not ALWAYS
            and not literal.is_negated
            and self.tables.type_mask(literal) & (OBJECT | ARRAY)
            for literal in literals
        )

    def any_of_parts(self, parts: Sequence[Clauses | None]) -> Clauses | None:
        """Return the clauses of a disjunction; None where they are too many."""
        known_parts = [part for part in parts if part is not None]
        # Some of the combinations go again below, so that more than CLAUSES are tried.
        if len(known_parts) < len(parts) or prod(map(len, known_parts)) > 4 * CLAUSES:
            return None
        clauses: dict[Obligation, None] = {}
        # Distributive law: one clause of each part, joined, for each combination.
        for combination in product(*known_parts):
            clause = tuple(dict.fromkeys(alternative for part in combination for alternative in part))
            if not _is_certain(clause):
                clauses[clause] = None
        # A clause that contains another one says nothing more than that one.
        short = [
            clause for clause in clauses if not any(shorter < set(clause) for shorter in map(set, clauses))
        ]
        if max(map(len, short), default=0) <= CLAUSE_SIZE and len(short) <= CLAUSES:
            return short
        return None

    def negate_clauses(self, clauses: Clauses) -> Clauses | None:
        """Return the clauses of the negation: some clause has none of its alternatives."""
        if not all(clauses):
            return []  # an empty clause is false, and its negation asks for nothing
        return self.any_of_parts([self.none_of(clause) for clause in clauses])

    def ways_to_fail(self, literal: Literal) -> list[Literals]:
        """Return the ways in which a value fails a literal, as literals that it meets then: one way, or none.
        A schema that is to hold under two `not` only judges a value."""
        negation = self.tables.twin_literal(self.tables.negate_literal(literal))
        if negation.schema is ALWAYS.schema:
            if negation.is_negated:
                return []
            return [()]
        if not negation.is_negated:
            negation = self.tables.judging_literal(negation)
        return [(negation,)]

    def none_of(self, clause: Obligation) -> Clauses | None:
        """Return the clauses of objects for which no alternative of a clause holds; None for members that no
        clause speaks of."""
        present = {alternative.key for alternative in clause if isinstance(alternative, Without)}
        clauses: Clauses = []
        for alternative in clause:
            match alternative:
                case Without(key):
                    # An `AtKey` of this key in the clause asks below that the key is there.
                    if not any(isinstance(sibling, AtKey) and sibling.key == key for sibling in clause):
                        clauses.append((AtKey(key, ()),))
                case AtKey(key, literals):
                    alternatives: list[Alternative] = [] if key in present else [Without(key)]
                    for literal in literals:
                        alternatives.extend(AtKey(key, failing) for failing in self.ways_to_fail(literal))
                    clauses.append(tuple(alternatives))
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
        self.reader = reader
        self.tables = reader.tables
        self.absent = absent
        self.depth = depth
        self.facts = FactConjunction()
        self.finite: dict[str, frozenset[Hashable]] = {}
        # Everything that the literal says, and that is not left out because of an absent key.
        self.residue: set[Hashable] = set()

    def collect_facts(self, conjunction: FactConjunction) -> BranchFacts | None:
        """Return the facts of objects for which a conjunction holds; None where there are none."""
        if not self._take_conjunction(conjunction):
            return None
        literals_by_key: dict[str, Literals] = {}
        for key, literals in self.facts.values.items():
            if isinstance(key, str) and key not in self.absent:
                literals_by_key[key] = literals
                self.residue.update((key, self.tables.twin_literal(literal)) for literal in literals)
                for literal in literals:
                    if not literal.is_negated:
                        self._allow_values(key, literal.schema.values)
        required_keys = frozenset(self.facts.required_keys)
        if not required_keys.isdisjoint(self.absent):
            return None
        if any(NEVER in literals_by_key.get(key, ()) for key in required_keys):
            return None
        residue = required_keys, self.facts.lo, self.facts.hi, frozenset(self.residue)
        return BranchFacts(required_keys, literals_by_key, self.finite, residue)

    def _take_conjunction(self, conjunction: FactConjunction) -> bool:
        """Take up a conjunction; return False where no object meets it."""
        tables = self.tables
        clauses = self.reader.own_clauses(conjunction)
        for literal in conjunction.true_literals:
            if literal.is_negated:
                negation_clauses = self.reader.clauses_of(literal)
                if negation_clauses is None:
                    # Clauses cannot express it: it is compared by its identity.
                    self.residue.add(("literal", literal))
                clauses.extend(negation_clauses or ())
        if not all(clauses):
            return False
        for clause in clauses:
            if not self.reader.obligations.take_obligation(self.facts, clause):
                self.residue.add(clause)
        for _, facet in conjunction.facets:
            pattern_pairs = facet.pattern_properties
            patterns = tuple([(source, tables.literal_of(child)) for source, child in pattern_pairs])
            if facet.additional is not None:
                literal = tables.literal_of(facet.additional)
                named_keys = frozenset(facet.properties) - self.absent
                self.residue.add(("other", named_keys, patterns, tables.twin_literal(literal)))
            elif patterns:
                self.residue.add(("patterns", patterns))
        self.residue.update(("names", tables.twin_literal(literal)) for literal in conjunction.key_literals)
        self.residue.update(("watched", watch.schema.id) for watch in conjunction.watching)
        # Unions of literals, each with whether exactly one of them must hold.
        unions: list[tuple[list[Literal], bool]] = []
        for schema, _ in conjunction.unions:
            unions.append(([tables.literal_of(part) for part in schema.one_of], True))
        for choice in conjunction.choices:
            literals = [step.literal for branch in choice for step in branch if isinstance(step, Hold)]
            if all(len(branch) == 1 for branch in choice):
                unions.append((literals, False))
            else:
                self.residue.add(tuple(choice))
        return all(self._take_union(literals, is_one) for literals, is_one in unions)

    def _take_union(self, literals: Sequence[Literal], is_one: bool) -> bool:
        """Take up the facts that all branches of a union share; return False where none has an object."""
        parts = [self.reader.facts_of(literal, self.absent, self.depth) for literal in literals]
        residue_counts = Counter(part.residue for part in parts if part is not None)
        # For `anyOf` it does not matter how many branches say the same, and for `oneOf` it does.
        if is_one:
            self.residue.add(("oneOf", frozenset(residue_counts.items())))
        else:
            self.residue.add(("anyOf", frozenset(residue_counts)))
        # Two branches that say the same cannot be the only one that holds.
        remaining = [
            part for part in parts if part is not None and not (is_one and residue_counts[part.residue] > 1)
        ]
        if not remaining:
            return False
        shared_keys = frozenset.intersection(*(part.required_keys for part in remaining))
        self.facts.required_keys.update(dict.fromkeys(shared_keys))
        # A key has one of the values that some branch allows, if each branch has a finite set.
        finite_keys = frozenset.intersection(*(frozenset(part.finite) for part in remaining))
        for key in finite_keys:
            self._allow_values(key, frozenset().union(*(part.finite[key] for part in remaining)))
        return True

    def _allow_values(self, key: str, values: frozenset[Hashable] | None) -> None:
        if values is not None:
            self.finite[key] = self.finite[key] & values if key in self.finite else values


def all_of(parts: Iterable[Clauses | None]) -> Clauses | None:
    """Return the clauses of a conjunction, each once; None where they are too many."""
    clauses: dict[Obligation, None] = {}
    for part in parts:
        if part is None:
            return None
        clauses.update(dict.fromkeys(part))
    if len(clauses) <= CLAUSES:
        return list(clauses)
    return None


def without_facts(literal: Literal) -> BranchFacts | None:
    """Return the facts of a branch of which nothing is known but its literal."""
    if literal is NEVER:
        return None
    return BranchFacts(frozenset(), {}, {}, ("literal", literal))


def _is_certain(clause: Obligation) -> bool:
    """Return whether a clause holds for every object."""
    # "The key is absent, or there with any value" holds always; so does "absent, or a value that meets a
    # literal, or one that does not".
    absent_keys = {alternative.key for alternative in clause if isinstance(alternative, Without)}
    earlier_literals: list[tuple[str, Literal]] = []
    for alternative in clause:
        if not isinstance(alternative, AtKey) or alternative.key not in absent_keys:
            continue
        if len(alternative.literals) > 1:
            continue
        literal = alternative.literals[0] if alternative.literals else ALWAYS
        if literal is ALWAYS:
            return True
        for key, earlier in earlier_literals:
            if key == alternative.key and literal.is_negation_of(earlier):
                return True
        earlier_literals.append((alternative.key, literal))
    return False
