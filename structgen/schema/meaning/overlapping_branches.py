"""Finds which branches of a `oneOf` may hold at once, and the cases into which a key divides the branches.

A *discriminator* is a key whose value tells the branches apart, for example `kind`. Branches that it tells
apart exclude each other where the key is there: none of them has to be denied. Where the key is optional, its
absence is a case of its own. There the branches are compared by their other keywords: two that say the same
cannot be the only one that holds.

So a union of n objects with a discriminator becomes n conjunctions, or 2 n, and not n * (n - 1) denials.
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
"""So many pairs are compared for each of `limits.alternatives`: it costs less than a conjunction."""


class OverlappingBranches:
    """Cheap proofs that two schemas exclude each other; where none is found they may."""

    def __init__(self, reader: BranchReader, limits: Limits) -> None:
        self.reader = reader
        self.tables = reader.tables
        self.scalars = reader.obligations.scalars
        self.limits = limits

    def branches_of(self, schema: Schema, rank: Rank, kind: int) -> list[Hold]:
        """Return the branches of a `oneOf` that may hold for objects, or arrays."""
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
        """Yield the pairs of branches of a `oneOf` that may hold at once, in order."""
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
        """Yield the cases of a `oneOf`, each as steps: the values for which exactly one branch holds meet one
        of the cases.

        For example the case `(presence of "type", branch 0)`, if `type` tells branch 0 from all others.
        `rank` is the position of the schema in the text, `kind` OBJECT or ARRAY, `required_keys` the keys
        that are there in any case.

        Cost: n log n comparisons where one key tells the branches apart; LimitError past so many pairs that
        may overlap as `limits.alternatives` says.
        """
        branches = self.branches_of(schema, rank, kind)

        def make_case(branch_number: int, others: Iterable[int], *keys: Step) -> tuple[Step, ...]:
            branch = branches[branch_number]
            negations = (self.tables.negate_literal(branches[number].literal) for number in others)
            return (*keys, branch, *(Hold(literal, branch.rank) for literal in negations))

        # Each round handles the objects that have a key; the next round handles those that lack it.
        keys: list[str] = []
        while True:
            facts = self._number_facts(branches, kind, frozenset(keys), required_keys)
            # Branches that mean the same cannot be the only one; the first of them must still be denied.
            groups_by_residue: dict[Hashable, list[int]] = {}
            for branch_number, branch in facts.items():
                groups_by_residue.setdefault(branch.residue, []).append(branch_number)
            firsts = {group[0]: facts[group[0]] for group in groups_by_residue.values()}
            lone = [group[0] for group in groups_by_residue.values() if len(group) == 1]
            if not lone:
                return
            comparison = _BranchComparison(self, branches, firsts, schema)
            overlaps = comparison.find_overlapping()
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
        """Return the facts of the branches that may hold, by their numbers.

        `absent` are keys that are not there, and `required_keys` keys that are: for example
        `(branches, OBJECT, frozenset(), frozenset({"kind"}))`.
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
        """`branches` are all of a `oneOf`, `facts` those of the branches that are compared, by their numbers
        (for example `{0: ..., 2: ...}`), `schema` the schema with the `oneOf`, for errors."""
        self.tables = owner.tables
        self.scalars = owner.scalars
        self.limits = owner.limits
        self.branches = branches
        self.facts = facts
        self.schema = schema

    def dividing_key(self, *, is_there: bool) -> str | None:
        """Return the key that divides the branches into most groups, or None where no key divides them.

        `is_there`: a key that some branch requires; else one that some branch does not require.
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

    def find_overlapping(self) -> list[tuple[int, int]] | None:
        """Return the pairs of branches that may overlap; None: too many for `limits.alternatives`."""
        max_pairs = self.limits.alternatives
        return overlapping_pairs(
            self._candidate_pairs(), self._are_apart, _PAIRS_PER_ALTERNATIVE * max_pairs, max_pairs
        )

    def all_overlapping(self) -> list[tuple[int, int]]:
        """Return the pairs of branches that may overlap; LimitError where they are too many."""
        pairs = self.find_overlapping()
        if pairs is None:
            raise LimitError(
                f"oneOf has {len(self.facts):,} branches that no key tells apart: too many pairs of them may "
                f"hold at once.",
                limit="alternatives",
                where=self.schema.pointer,
            )
        return pairs

    def _candidate_pairs(self) -> Iterable[tuple[int, int]]:
        """Return the pairs that the values of one key do not tell apart."""
        best = self.dividing_key(is_there=True)
        order = list(self.facts)
        if best is None:
            return combinations(order, 2)
        spans = [self._key_spans(self.facts[number], best) for number in order]
        return ((order[i], order[j]) for i, j in neighbour_pairs(spans))

    def _key_spans(self, facts: BranchFacts, key: str) -> list[Span]:
        """Return spans outside of which no value under a key lies."""
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
        """Return whether two branches exclude each other for a cheap reason. False: unknown."""
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
    """Return where a value, given by its key of equality, lies among all values."""
    kind = bit_of_key(key)
    return kind, key if kind in (STRING, NUMBER) else repr(key)
