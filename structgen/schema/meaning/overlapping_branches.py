"""Finds which branches of a `oneOf` may hold at once, and the cases into which a key divides the branches.

A *branch* is one schema of a `oneOf`; it *holds* for a value that meets it. A *pair* is two branches, by
their numbers in the `oneOf`; the two *overlap* where one value may meet both. A *case* is a conjunction of
*steps*: "this key is there", "branch 0 holds", "branch 3 does not hold". The *facts* of a branch are what it
asks of single keys. Its *residue* is what it asks besides the keys that are assumed to be absent.

A *discriminator* is a key whose value tells the branches apart, for example `kind`. Branches that it tells
apart exclude each other where the key is there: none of them has to be denied. Where the key is optional, its
absence is a case of its own. There the branches are compared by their other keywords. If two branches have
the same residue, neither can be the only one that holds.

So a union of n objects with a discriminator becomes n conjunctions, or 2 n, and not n * (n - 1) denials. For
example `{"oneOf": [A, B]}`, where A wants `"kind": "a"` and B `"kind": "b"`, has the cases "A" and "B".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import combinations
from operator import and_

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.schema.meaning.assertions import rank_parts
from structgen.schema.meaning.branch_facts import BranchFacts, BranchReader, without_facts
from structgen.schema.meaning.facts import Hold, Rank, Step, absence_step, presence_step
from structgen.schema.meaning.formulas import (
    ALL,
    BranchPair,
    Span,
    branch_exclusions,
    neighbour_pairs,
    overlapping_pairs,
    spans_of,
)
from structgen.schema.meaning.literals import EVERY, NEVER, NUMBER, OBJECT, STRING
from structgen.schema.meaning.place import bit_of_key
from structgen.schema.reading.model import Schema

_PAIRS_PER_ALTERNATIVE = 5
"""The number of pairs that may be compared for each of `limits.alternatives`. Comparing a pair costs less
than making a conjunction, so it is more than one."""


class OverlappingBranches:
    """Finds cheap proofs that two branches exclude each other. Without a proof the two may overlap."""

    def __init__(self, reader: BranchReader, limits: Limits) -> None:
        self.reader = reader
        self.tables = reader.tables
        self.scalars = reader.obligations.scalars
        self.limits = limits

    def branches_of(self, schema: Schema, rank: Rank, kind: int) -> list[Hold]:
        """Return the branches of the `oneOf` of `schema` that may hold for a value of `kind`.

        `rank` is the position of the schema in the text, `kind` is OBJECT or ARRAY.
        """
        parts = rank_parts(schema, rank, "oneOf", *schema.one_of)
        branches = map(self.reader.reader.hold_step, parts)
        # A branch for other types alone cannot hold.
        return [branch for branch in branches if self.tables.type_mask(branch.literal) & kind]

    def pairs_of(
        self,
        schema: Schema,
        rank: Rank,
        kind: int,
    ) -> Iterator[tuple[Hold, Hold]]:
        """Yield the pairs of branches of a `oneOf` that may hold at once, in the order of the branches.

        `rank` is the position of the schema in the text, `kind` is OBJECT or ARRAY. Raises LimitError for
        too many pairs.
        """
        branches = self.branches_of(schema, rank, kind)
        facts = self._number_facts(branches, kind, frozenset(), frozenset())
        comparison = _BranchComparison(self, branches, facts, schema)
        for a, b in sorted(comparison.all_overlapping()):
            yield branches[a], branches[b]

    def cases_of(
        self,
        schema: Schema,
        rank: Rank,
        kind: int,
        required_keys: frozenset[str],
    ) -> Iterator[tuple[Step, ...]]:
        """Yield the cases of a `oneOf`, each as steps. A value for which exactly one branch holds meets one
        of the cases.

        For example `(presence of "type", branch 0)` is a case if `type` tells branch 0 from all others.
        `rank` is the position of the schema in the text. `kind` is OBJECT or ARRAY. `required_keys` are the
        keys that are there in any case.

        Raises LimitError if more than `limits.alternatives` pairs may overlap. Cost: n log n comparisons
        where one key tells the n branches apart.
        """
        branches = self.branches_of(schema, rank, kind)

        # `others` are the branches that the case denies, `keys` its steps about the presence of keys.
        def make_case(branch_number: int, others: Iterable[int], *keys: Step) -> tuple[Step, ...]:
            branch = branches[branch_number]
            negations = (self.tables.negate_literal(branches[number].literal) for number in others)
            return (*keys, branch, *(Hold(literal, branch.rank) for literal in negations))

        # Each round handles the objects that have one more key; the next round, those that lack it. `keys`
        # are the keys that the objects of this round lack.
        keys: list[str] = []
        while True:
            facts = self._number_facts(branches, kind, frozenset(keys), required_keys)
            # Branches with equal residues accept the same objects: none of them can be the only one that
            # holds. The first of each group is kept, because the cases of other branches must deny it.
            groups_by_residue: dict[Hashable, list[int]] = {}
            for branch_number, branch in facts.items():
                groups_by_residue.setdefault(branch.residue, []).append(branch_number)
            firsts = {group[0]: facts[group[0]] for group in groups_by_residue.values()}
            lone = [group[0] for group in groups_by_residue.values() if len(group) == 1]
            if not lone:
                return
            comparison = _BranchComparison(self, branches, firsts, schema)
            overlaps = comparison.find_overlapping()
            # `[]`: no pair overlaps, so no key is needed. `None`: too many pairs, so a key is.
            key = None if overlaps == [] else comparison.dividing_key(is_there=False)
            if key is not None:
                # Where the key is there, branches that differ in it alone are not the same.
                facts = self._number_facts(branches, kind, frozenset(keys), required_keys | {key})
                key_overlaps = _BranchComparison(self, branches, facts, schema).find_overlapping()
                if overlaps is None:
                    pairs = len(firsts) * (len(firsts) - 1) // 2  # too many to be compared
                else:
                    pairs = len(overlaps)
                # The key gets a case of its own if it tells at least half of the pairs apart.
                if key_overlaps is not None and 2 * len(key_overlaps) < pairs:
                    for branch_number, others in branch_exclusions(facts, key_overlaps):
                        yield make_case(branch_number, others, presence_step(key), *map(absence_step, keys))
                    keys.append(key)
                    continue
            if overlaps is None:
                overlaps = comparison.all_overlapping()
            for branch_number, others in branch_exclusions(lone, overlaps):
                yield make_case(branch_number, others, *map(absence_step, keys))
            return

    def _number_facts(
        self,
        branches: Iterable[Hold],
        kind: int,
        absent: frozenset[str],
        required_keys: frozenset[str],
    ) -> dict[int, BranchFacts]:
        """Return the facts of the branches that may hold, by the numbers of the branches.

        `absent` are keys that the object lacks, and `required_keys` are keys that it has. For example
        `(branches, OBJECT, frozenset(), frozenset({"kind"}))` gives facts about objects with a key `kind`.
        """
        facts_by_number: dict[int, BranchFacts] = {}
        for number, branch in enumerate(branches):
            # Facts are about keys; branches of arrays are compared by their literals alone.
            if kind == OBJECT:
                facts = self.reader.facts_of(branch.literal, absent)
            else:
                facts = without_facts(branch.literal)
            if facts is not None:
                if required_keys:
                    facts = facts._replace(required_keys=facts.required_keys | required_keys)
                facts_by_number[number] = facts
        return facts_by_number


class _BranchComparison:
    """Compares the branches of one union with each other."""

    def __init__(
        self,
        owner: OverlappingBranches,
        branches: Sequence[Hold],
        facts: Mapping[int, BranchFacts],
        schema: Schema,
    ) -> None:
        """Take the branches of one `oneOf` and the facts that they are compared by.

        `branches` are all branches of the `oneOf`. `facts` has the facts of each branch that is compared, by
        its number: `{0: ..., 2: ...}` leaves branch 1 out. `schema` has the `oneOf`; errors name its place.
        """
        self.tables = owner.tables
        self.scalars = owner.scalars
        self.limits = owner.limits
        self.branches = branches
        self.facts = facts
        self.schema = schema

    def dividing_key(self, *, is_there: bool) -> str | None:
        """Return the key that divides the branches into most groups, or None where no key divides them.

        A group is the branches that ask the same of the value under the key. With `is_there` only keys count
        that some branch requires; without it only keys that some branch does not require.
        """
        required_counts = Counter(key for facts in self.facts.values() for key in facts.required_keys)
        # For each key the different conditions of the branches on its value: one group for each.
        groups: dict[str, set[Hashable]] = {}
        for facts in self.facts.values():
            keys = facts.required_keys if is_there else (*facts.literals_by_key, *facts.finite)
            for key in keys:
                literals = facts.literals_by_key.get(key, ())
                group = facts.finite.get(key) or tuple(map(self.tables.twin_literal, literals))
                if group and (is_there or required_counts[key] < len(self.facts)):
                    groups.setdefault(key, set()).add(group)
        best = max(groups, key=lambda key: len(groups[key]), default=None)
        if best is None or len(groups[best]) < 2:
            return None
        return best

    def find_overlapping(self) -> list[BranchPair] | None:
        """Return the pairs of branches that may overlap, or None for more than `limits.alternatives`."""
        max_pairs = self.limits.alternatives
        return overlapping_pairs(
            self._candidate_pairs(), self._are_apart, _PAIRS_PER_ALTERNATIVE * max_pairs, max_pairs
        )

    def all_overlapping(self) -> list[BranchPair]:
        """Return the pairs of branches that may overlap. Raises LimitError where they are too many."""
        pairs = self.find_overlapping()
        if pairs is None:
            raise LimitError(
                f"oneOf has {len(self.facts):,} branches that no key distinguishes: too many pairs "
                "of them may match together.",
                limit="alternatives",
                where=self.schema.pointer,
            )
        return pairs

    def _candidate_pairs(self) -> Iterable[BranchPair]:
        """Return the pairs of branches that the values of the best dividing key do not tell apart."""
        best = self.dividing_key(is_there=True)
        order = list(self.facts)
        if best is None:
            return combinations(order, 2)
        spans = [self._key_spans(self.facts[number], best) for number in order]
        return ((order[i], order[j]) for i, j in neighbour_pairs(spans))

    def _key_spans(self, facts: BranchFacts, key: str) -> list[Span]:
        """Return spans that contain every value a branch with these facts allows under a key.

        A span is a lower and an upper end, both included; `ALL` is the span of all values.
        """
        if key not in facts.required_keys:
            return [ALL]
        if key in facts.finite:
            return [(point, point) for point in map(_point_of, facts.finite[key])]
        literals = facts.literals_by_key.get(key, ())
        kind = reduce(and_, map(self.tables.type_mask, literals), EVERY)
        if kind not in (STRING, NUMBER):
            return [ALL]
        formulas = [self.scalars.literal_formula(literal, kind) for literal in literals]
        return spans_of(self.scalars.narrow_formulas(formulas, kind), kind)

    def _are_apart(self, a: int, b: int) -> bool:
        """Return whether there is a cheap proof that two branches, given by number, exclude each other.

        False means that it is not known.
        """
        facts = self.facts[a]
        other_facts = self.facts[b]
        # A key that one branch requires is there if both hold: its value would have to meet both.
        for key in facts.required_keys | other_facts.required_keys:
            if key in facts.finite and key in other_facts.finite:
                if facts.finite[key].isdisjoint(other_facts.finite[key]):
                    return True
            literals = facts.literals_by_key.get(key, ())
            literals += other_facts.literals_by_key.get(key, ())
            if NEVER in literals or (len(literals) > 1 and self.scalars.are_contradictory(literals)):
                return True
        both_literals = (self.branches[a].literal, self.branches[b].literal)
        return both_literals[0].is_negation_of(both_literals[1]) or self.tables.has_clash(both_literals)


def _point_of(key: Hashable) -> tuple[object, ...]:
    """Return a point that orders values: the kind, then the value, or its text for other kinds than strings
    and numbers. `key` is the value's key of equality."""
    kind = bit_of_key(key)
    return kind, key if kind in (STRING, NUMBER) else repr(key)
