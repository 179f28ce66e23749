"""Which branches of a `oneOf` may overlap, and the cases into which a key divides them.

Branches that a key tells apart exclude each other where the key is there: none then has to be denied. Where
the key is optional, its absence is a case of its own, in which the branches are compared by what is left of
them: two that say the same there cannot be the only one. So a union of n objects with a discriminator becomes
n conjunctions, or 2 n, and not n times n - 1 denials.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from functools import reduce
from itertools import combinations
from operator import and_
from typing import NamedTuple

from structgen.errors import LimitError
from structgen.limits import Limits
from structgen.schema.meaning.branch_facts import BranchFacts, BranchReader, without_facts
from structgen.schema.meaning.formulas import ALL, Span, neighbours, spans
from structgen.schema.meaning.place import EVERY, NEVER, NUMBER, OBJECT, STRING, bit_of_key
from structgen.schema.reading.model import Schema

_PAIRS_PER_ALTERNATIVE = 5
"""So many pairs are compared for each of `limits.alternatives`: it costs less than a conjunction."""


class BranchCase(NamedTuple):
    """A branch of a union as the only one that holds, under a condition on some keys."""

    branch: int
    present: str | None
    """The key that must be there, if any."""
    absent: tuple[str, ...]
    """The keys that may not be there."""
    others: tuple[int, ...]
    """The branches that have to be denied."""


class OverlappingBranches:
    """Cheap proofs that two schemas exclude each other; where none is found they may."""

    def __init__(self, reader: BranchReader, limits: Limits) -> None:
        self.reader = reader
        self.tables = reader.tables
        self.scalars = reader.obligations.scalars
        self.limits = limits
        self.conjuncts = reader.conjuncts
        self._cases: dict[tuple[object, ...], list[BranchCase]] = {}

    def of(self, literals: list[int], kind: int, schema: Schema) -> list[tuple[int, ...]]:
        """Return for each branch the others that it may overlap with."""
        facts = [self._facts(literal, kind, frozenset(), frozenset()) for literal in literals]
        overlaps = _Comparing(self, literals, facts, schema).all_overlapping()
        return _rows(range(len(literals)), overlaps)

    def cases(
        self, literals: list[int], kind: int, schema: Schema, required: Collection[str] = ()
    ) -> list[BranchCase]:
        """Return the cases of a `oneOf`: the values for which exactly one branch holds meet one of them.

        `required`: keys that are there in any case.

        Remembered. Cost: n log n comparisons where one key tells the branches apart; LimitError past so many
        pairs that may overlap as `limits.alternatives` says.
        """
        given = frozenset(required)
        key = (kind, given, *literals)
        found = self._cases.get(key)
        if found is None:
            found = self._cases[key] = list(self._divide(literals, kind, schema, given))
        return found

    def _divide(
        self, literals: list[int], kind: int, schema: Schema, required: frozenset[str]
    ) -> Iterator[BranchCase]:
        absent: tuple[str, ...] = ()
        while True:
            facts = [self._facts(literal, kind, frozenset(absent), required) for literal in literals]
            # Of branches that say the same none can be the only one; the first of them is still denied.
            same: dict[Hashable, list[int]] = {}
            for at, one in enumerate(facts):
                if one is not None:
                    same.setdefault(one.residue, []).append(at)
            firsts = [group[0] for group in same.values()]
            lone = [group[0] for group in same.values() if len(group) == 1]
            if not lone:
                return
            known: list[BranchFacts | None] = [None] * len(literals)
            for at in firsts:
                known[at] = facts[at]
            comparing = _Comparing(self, literals, known, schema)
            overlaps = comparing.overlapping(None)
            key = None if overlaps == set() else comparing.optional_key()
            if key is not None:
                # Where the key is there, branches that only differ in it are no longer the same.
                there = _Comparing(self, literals, facts, schema)
                told = there.overlapping(key)
                pairs = len(firsts) * (len(firsts) - 1) // 2 if overlaps is None else len(overlaps)
                if told is not None and 2 * len(told) < pairs:
                    active = sorted(there.facts)
                    for at, others in zip(active, _rows(active, told), strict=True):
                        yield BranchCase(at, key, absent, others)
                    absent = (*absent, key)
                    continue
            if overlaps is None:
                overlaps = comparing.all_overlapping()
            for at, others in zip(lone, _rows(lone, overlaps), strict=True):
                yield BranchCase(at, None, absent, others)
            return

    def _facts(
        self, literal: int, kind: int, absent: frozenset[str], required: frozenset[str]
    ) -> BranchFacts | None:
        if kind != OBJECT:
            return without_facts(literal)
        found = self.reader.facts(literal, absent)
        return found._replace(required=found.required | required) if found and required else found


class _Comparing:
    """The branches of one union, compared with each other."""

    def __init__(
        self,
        owner: OverlappingBranches,
        literals: Sequence[int],
        facts: Sequence[BranchFacts | None],
        schema: Schema,
    ) -> None:
        """`facts`: of each branch; None: it is left out."""
        self.tables, self.scalars, self.limits = owner.tables, owner.scalars, owner.limits
        self.literals, self.schema = literals, schema
        self.facts = {at: one for at, one in enumerate(facts) if one is not None}

    def optional_key(self) -> str | None:
        """Return the key that divides the branches into most groups and may be absent, or None."""
        everywhere = frozenset.intersection(*(facts.required for facts in self.facts.values()))
        return self._dividing(
            lambda facts: [key for key in (*facts.asked, *facts.finite) if key not in everywhere]
        )

    def sure_key(self, present: str | None) -> str | None:
        """Return the key that surely is there and divides the branches into most groups, or None."""
        given = () if present is None else (present,)
        return self._dividing(lambda facts: (*facts.required, *given))

    def _dividing(self, keys: Callable[[BranchFacts], Iterable[str]]) -> str | None:
        tally: dict[str, set[Hashable]] = {}
        for facts in self.facts.values():
            for key in keys(facts):
                says = facts.finite.get(key) or tuple(map(self.tables.twin, facts.asked.get(key, ())))
                if says:
                    tally.setdefault(key, set()).add(says)
        best = max(tally, key=lambda key: len(tally[key]), default=None)
        return None if best is None or len(tally[best]) < 2 else best

    def overlapping(self, present: str | None) -> set[tuple[int, int]] | None:
        """Return the pairs of branches that may overlap, where the key `present` is there; None where they
        are too many for `limits.alternatives`."""
        found: set[tuple[int, int]] = set()
        for compared, (a, b) in enumerate(self._candidates(present)):
            most = self.limits.alternatives
            if compared >= _PAIRS_PER_ALTERNATIVE * most or len(found) > most:
                return None
            if not self._apart(a, b, present):
                found.add((a, b))
        return found

    def all_overlapping(self) -> set[tuple[int, int]]:
        """Return the pairs of branches that may overlap; LimitError where they are too many."""
        found = self.overlapping(None)
        if found is None:
            raise LimitError(
                f"oneOf has {len(self.facts):,} branches that no key tells apart: too many pairs of them may "
                f"hold at once.",
                limit="alternatives",
                where=self.schema.pointer,
            )
        return found

    def _candidates(self, present: str | None) -> Iterable[tuple[int, int]]:
        """Return the pairs that the values of one key do not tell apart."""
        best, order = self.sure_key(present), sorted(self.facts)
        if best is None:
            return combinations(order, 2)
        spans = [self._spans(self.facts[at], best, best == present) for at in order]
        return sorted({(order[i], order[j]) for i, j in neighbours(spans)})

    def _spans(self, facts: BranchFacts, key: str, is_there: bool) -> list[Span]:
        """Return spans outside of which no value under a key lies."""
        if not is_there and key not in facts.required:
            return [ALL]
        if key in facts.finite:
            return [(point, point) for point in map(_point, facts.finite[key])]
        said = facts.asked.get(key, ())
        kind = reduce(and_, map(self.tables.mask, said), EVERY)
        if kind not in (STRING, NUMBER):
            return [ALL]
        return spans(self.scalars.narrowed([self.scalars.literal(one, kind) for one in said], kind), kind)

    def _apart(self, a: int, b: int, present: str | None) -> bool:
        """Return whether two branches exclude each other for a cheap reason."""
        one, other = self.facts[a], self.facts[b]
        there = one.required | other.required
        if present is not None:
            there |= {present}
        for key in there:
            if key in one.finite and key in other.finite and one.finite[key].isdisjoint(other.finite[key]):
                return True
            said = (*one.asked.get(key, ()), *other.asked.get(key, ()))
            if NEVER in said or (len(said) > 1 and self.scalars.contradictory(said)):
                return True
        both = (self.literals[a], self.literals[b])
        return both[0] ^ 1 == both[1] or self.tables.clash(both)


def _point(key: Hashable) -> tuple[object, ...]:
    """Return where a value, given by its key of equality, lies among all values."""
    kind = bit_of_key(key)
    return kind, key if kind in (STRING, NUMBER) else repr(key)


def _rows(active: Sequence[int], pairs: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Return for each active branch all that it overlaps with."""
    rows: dict[int, list[int]] = {}
    for a, b in pairs:
        rows.setdefault(a, []).append(b)
        rows.setdefault(b, []).append(a)
    return [tuple(sorted(rows.get(at, ()))) for at in active]
