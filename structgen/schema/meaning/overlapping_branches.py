"""Which branches of a `oneOf` may overlap, and the cases into which a key divides them.

Branches that a key tells apart exclude each other where the key is there: none then has to be denied. Where
the key is optional, its absence is a case of its own, in which the branches are compared by what is left of
them: two that say the same there cannot be the only one. So a union of n objects with a discriminator becomes
n conjunctions, or 2 n, and not n times n - 1 denials.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import combinations
from operator import and_

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.schema.meaning.assertions import ranked
from structgen.schema.meaning.branch_facts import BranchFacts, BranchReader, without_facts
from structgen.schema.meaning.facts import Hold, Rank, Step, absent, present
from structgen.schema.meaning.formulas import ALL, Span, exclusions, neighbours, overlapping, spans
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

    def branches(self, schema: Schema, rank: Rank, kind: int) -> list[Hold]:
        """Return the branches of a `oneOf` that may hold for objects, or arrays."""
        branches = map(self.reader.reader.hold, ranked(schema, rank, "oneOf", *schema.one_of))
        return [branch for branch in branches if self.tables.mask(branch.literal) & kind]

    def pairs(self, schema: Schema, rank: Rank, kind: int) -> Iterator[tuple[Hold, Hold]]:
        """Yield the pairs of branches of a `oneOf` that may hold at once, in order."""
        branches = self.branches(schema, rank, kind)
        comparing = _Comparing(self, branches, self._facts(branches, kind, frozenset(), frozenset()), schema)
        yield from ((branches[a], branches[b]) for a, b in sorted(comparing.all_overlapping()))

    def cases(
        self, schema: Schema, rank: Rank, kind: int, required: frozenset[str]
    ) -> Iterator[tuple[Step, ...]]:
        """Yield the cases of a `oneOf`: the values for which exactly one branch holds meet one of them.

        `required`: keys that are there in any case.

        Cost: n log n comparisons where one key tells the branches apart; LimitError past so many pairs that
        may overlap as `limits.alternatives` says.
        """
        branches = self.branches(schema, rank, kind)

        def case(at: int, others: Iterable[int], *keys: Step) -> tuple[Step, ...]:
            denied = (self.tables.negate(branches[other].literal) for other in others)
            return (*keys, branches[at], *(Hold(literal, branches[at].rank) for literal in denied))

        keys: list[str] = []
        while True:
            facts = self._facts(branches, kind, frozenset(keys), required)
            # Of branches that say the same none can be the only one; the first of them is still denied.
            same: dict[Hashable, list[int]] = {}
            for at, branch in facts.items():
                same.setdefault(branch.residue, []).append(at)
            firsts = {group[0]: facts[group[0]] for group in same.values()}
            lone = [group[0] for group in same.values() if len(group) == 1]
            if not lone:
                return
            comparing = _Comparing(self, branches, firsts, schema)
            overlaps = comparing.overlapping()
            key = None if overlaps == [] else comparing.dividing_key(is_there=False)
            if key is not None:
                # Where the key is there, branches that only differ in it are no longer the same.
                facts = self._facts(branches, kind, frozenset(keys), required | {key})
                told = _Comparing(self, branches, facts, schema).overlapping()
                pairs = len(firsts) * (len(firsts) - 1) // 2 if overlaps is None else len(overlaps)
                if told is not None and 2 * len(told) < pairs:
                    for at, others in exclusions(facts, told):
                        yield case(at, others, present(key), *map(absent, keys))
                    keys.append(key)
                    continue
            if overlaps is None:
                overlaps = comparing.all_overlapping()
            for at, others in exclusions(lone, overlaps):
                yield case(at, others, *map(absent, keys))
            return

    def _facts(
        self, branches: Iterable[Hold], kind: int, absent: frozenset[str], required: frozenset[str]
    ) -> dict[int, BranchFacts]:
        """Return the facts of the branches that may hold, by their numbers. `absent`, `required`: the keys
        that are not there, and those that are."""
        known: dict[int, BranchFacts] = {}
        for at, branch in enumerate(branches):
            is_object = kind == OBJECT
            facts = self.reader.facts(branch.literal, absent) if is_object else without_facts(branch.literal)
            if facts is not None:
                known[at] = facts._replace(required=facts.required | required) if required else facts
        return known


class _Comparing:
    """The branches of one union, compared with each other."""

    def __init__(
        self,
        owner: OverlappingBranches,
        branches: Sequence[Hold],
        facts: Mapping[int, BranchFacts],
        schema: Schema,
    ) -> None:
        """`facts`: of those that are compared, by their numbers."""
        self.tables, self.scalars, self.limits = owner.tables, owner.scalars, owner.limits
        self.branches, self.facts, self.schema = branches, facts, schema

    def dividing_key(self, *, is_there: bool) -> str | None:
        """Return the key that divides the branches into most groups, or None: one that surely is there, or
        one that may be absent."""
        required = Counter(key for facts in self.facts.values() for key in facts.required)
        tally: dict[str, set[Hashable]] = {}
        for facts in self.facts.values():
            for key in facts.required if is_there else (*facts.asked, *facts.finite):
                says = facts.finite.get(key) or tuple(map(self.tables.twin, facts.asked.get(key, ())))
                if says and (is_there or required[key] < len(self.facts)):
                    tally.setdefault(key, set()).add(says)
        best = max(tally, key=lambda key: len(tally[key]), default=None)
        return None if best is None or len(tally[best]) < 2 else best

    def overlapping(self) -> list[tuple[int, int]] | None:
        """Return the pairs of branches that may overlap; None: too many for `limits.alternatives`."""
        most = self.limits.alternatives
        return overlapping(self._candidates(), self._apart, _PAIRS_PER_ALTERNATIVE * most, most)

    def all_overlapping(self) -> list[tuple[int, int]]:
        """Return the pairs of branches that may overlap; LimitError where they are too many."""
        pairs = self.overlapping()
        if pairs is None:
            raise LimitError(
                f"oneOf has {len(self.facts):,} branches that no key tells apart: too many pairs of them may "
                f"hold at once.",
                limit="alternatives",
                where=self.schema.pointer,
            )
        return pairs

    def _candidates(self) -> Iterable[tuple[int, int]]:
        """Return the pairs that the values of one key do not tell apart."""
        best, order = self.dividing_key(is_there=True), list(self.facts)
        if best is None:
            return combinations(order, 2)
        spans = [self._spans(self.facts[at], best) for at in order]
        return ((order[i], order[j]) for i, j in neighbours(spans))

    def _spans(self, facts: BranchFacts, key: str) -> list[Span]:
        """Return spans outside of which no value under a key lies."""
        if key not in facts.required:
            return [ALL]
        if key in facts.finite:
            return [(point, point) for point in map(_point, facts.finite[key])]
        said = facts.asked.get(key, ())
        kind = reduce(and_, map(self.tables.mask, said), EVERY)
        if kind not in (STRING, NUMBER):
            return [ALL]
        return spans(
            self.scalars.narrowed([self.scalars.literal(literal, kind) for literal in said], kind), kind
        )

    def _apart(self, a: int, b: int) -> bool:
        """Return whether two branches exclude each other for a cheap reason."""
        facts, other = self.facts[a], self.facts[b]
        for key in facts.required | other.required:
            if (
                key in facts.finite
                and key in other.finite
                and facts.finite[key].isdisjoint(other.finite[key])
            ):
                return True
            said = (*facts.asked.get(key, ()), *other.asked.get(key, ()))
            if NEVER in said or (len(said) > 1 and self.scalars.contradictory(said)):
                return True
        both = (self.branches[a].literal, self.branches[b].literal)
        return both[0].excludes(both[1]) or self.tables.clash(both)


def _point(key: Hashable) -> tuple[object, ...]:
    """Return where a value, given by its key of equality, lies among all values."""
    kind = bit_of_key(key)
    return kind, key if kind in (STRING, NUMBER) else repr(key)
