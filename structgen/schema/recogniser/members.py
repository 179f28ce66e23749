"""Members: how a thread of an object changes when one is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from structgen.base.limits import Limits
from structgen.schema.meaning.literals import STRING, Literal
from structgen.schema.meaning.place import NOTHING, PlaceTables
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape import (
    Alternative,
    AtKey,
    AtLeast,
    AtMost,
    AtOther,
    AtPattern,
    BadKey,
    ObjectShape,
    Obligation,
    Without,
)
from structgen.schema.recogniser.excluded_values import closes, member_ways, parted, reachable
from structgen.schema.recogniser.object_frames import ObjectFrames
from structgen.schema.recogniser.object_keys import Frame, Where, Written
from structgen.schema.recogniser.value_outcomes import ValueOutcomes

S = TypeVar("S")
P = TypeVar("P")
Unmet: TypeAlias = tuple[Obligation, ...]
"""Obligations that are still open, each with the alternatives that are still possible."""


class AskedSets(NamedTuple):
    """The sets of values that matter to obligations."""

    asked: tuple[tuple[Literal, ...], ...]
    """Each set as the literals that its values meet."""
    sets: list[int]
    """For each obligation the sets any of which meets it, as bits; -1: every value meets it."""

    def only(self, at: int) -> tuple[Literal, ...] | None:
        """Return the literals of the only set that meets an obligation, or None where there are several."""
        own = self.sets[at]
        return self.asked[own.bit_length() - 1] if own and not own & (own - 1) else None


class Left:
    """The obligations that a value leaves open; worked out when the value has been read.

    A union of n objects has n outcomes of its discriminator, and each leaves n - 1 obligations.
    """

    __slots__ = ("_after", "_met", "_sets", "_unmet")

    def __init__(self, after: Sequence[Obligation | None], sets: Sequence[int], met: int) -> None:
        """`after`: what is left of each obligation unless the value meets it; the rest as in `AskedSets`."""
        self._after, self._sets, self._met = after, sets, met
        self._unmet: Unmet | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Left) or self._met != other._met:
            return False
        return self._after == other._after and self._sets == other._sets

    def __hash__(self) -> int:
        return hash(self._met)

    @property
    def unmet(self) -> Unmet:
        """The obligations; the first question takes time linear in all of them."""
        if self._unmet is None:
            self._unmet = tuple(
                [
                    rest
                    for rest, own in zip(self._after, self._sets, strict=True)
                    if rest and own >= 0 and not own & self._met
                ]
            )
        return self._unmet


_NOTHING = Left((), (), 0)


class MemberStep(NamedTuple):
    """One more member of an object, and what is written before and after it."""

    frame: Frame
    where: Where
    before: Written
    after: Written

    def gone(self, key: str) -> bool:
        """Return whether a key may not come any more, the member's own aside."""
        index = self.frame.index[key]
        if index < self.frame.ordered:
            return key != self.where and index < self.after.pos
        return bool(self.before.mask >> index & 1)

    def left_of(self, obligation: Obligation) -> Obligation | None:
        """Return the alternatives of an obligation that are left after the member, () where it is met, None
        where nothing is left. What the member's value meets is not looked at."""
        frame, before = self.frame, self.before
        kept: list[Alternative] = []
        for alternative in obligation:
            match alternative:
                case Without(key):
                    if key == self.where:
                        continue
                    index = frame.index[key]
                    if index < frame.ordered and before.pos <= index < self.after.pos:
                        return ()
                    if not frame.may_come(key, before):
                        continue
                case AtKey(key, _):
                    if key == self.where or self.gone(key):
                        continue
                case AtLeast(least):
                    if self.after.size >= least:
                        return ()
                case AtMost(most):
                    if self.after.size > most:
                        continue
            kept.append(alternative)
        # most members leave an obligation as it is: one tuple for all, which garbage collection goes through
        return obligation if len(kept) == len(obligation) else tuple(kept) or None


class Members:
    """The effects of members on threads; without residues."""

    def __init__(self, tables: PlaceTables, scalars: Scalars, frames: ObjectFrames, limits: Limits) -> None:
        self.tables = tables
        self.scalars = scalars
        self.frames = frames
        self.limits = limits
        self.outcomes = ValueOutcomes(tables, scalars, limits)

    def base(self, frame: Frame, shape: ObjectShape, where: Where) -> int:
        return (
            self.frames.value(shape, where)
            if isinstance(where, str)
            else self.frames.extra(frame, shape, where)
        )

    def discharge(self, frame: Frame, alternative: Alternative, where: Where) -> tuple[Literal, ...] | None:
        """Return the literals under which a member at `where` makes an alternative true; None: it cannot."""
        match alternative:
            case AtKey(key, literals):
                return literals if where == key else None
            case AtPattern(source, literals):
                return literals if self._matches(frame, source, where) else None
            case AtOther(schema, literals):
                if isinstance(where, str) and where in schema.properties:
                    return None
                if any(self._matches(frame, source, where) for source, _ in schema.pattern_properties):
                    return None
                return literals
            case BadKey(literal):
                if isinstance(where, str):
                    meets = self.scalars.string_meets(self.scalars.literal(literal, STRING), where)
                else:
                    meets = frame.literal_at[literal] in where.true
                return None if meets else ()
        return None

    def _matches(self, frame: Frame, source: str, where: Where) -> bool:
        if isinstance(where, str):
            return self.scalars.pattern_matches(source, where)
        return frame.pattern_at.get(source, -1) in where.true

    def ways(
        self,
        frame: Frame,
        shape: ObjectShape,
        unmet: Unmet,
        where: Where,
        before: Written,
        goes_on: Callable[[Unmet], bool] | None = None,
    ) -> list[tuple[int, Left]]:
        """Return the ways to take a member: the demand on its value, and what it leaves open.

        `before`: what is written before it. `goes_on`: whether a whole object follows where some obligations
        are open; ways that lead to none are left out. Cost: one question to it where it says yes to what the
        least helpful value leaves open, since a value that meets more is no worse; else one for each way.
        """
        base = self.base(frame, shape, where)
        if base == NOTHING:
            return []
        if not unmet:
            return [(base, _NOTHING)] if goes_on is None or goes_on(unmet) else []
        others, held = parted(unmet)
        step = MemberStep(frame, where, before, frame.after(before, where))
        asked = self._asked_sets(frame, base, others, where)
        after = [
            step.left_of(obligation) if asked.sets[at] >= 0 else () for at, obligation in enumerate(others)
        ]
        owed = self._with_owed(base, asked, after)
        if owed == NOTHING:
            return []
        if owed != base:
            base, asked = owed, self._asked_sets(frame, owed, others, where)
        worst = tuple([rest for at, rest in enumerate(after) if asked.sets[at] >= 0 and rest])
        # An obligation that every value meets is met; another that nothing else meets needs its value.
        needed = [asked.sets[at] for at, rest in enumerate(after) if rest is None and asked.sets[at] >= 0]
        found = [
            (demand, Left(after, asked.sets, met))
            for demand, met in self.outcomes.of(base, asked.asked)
            if all(sets & met for sets in needed)
        ]
        if held is not None:
            still = reachable(held, step.gone)
            ways = [(demand, left.unmet) for demand, left in found]
            if isinstance(where, str) and still is not None:
                ways = member_ways(self.tables, ways, still, where)
            found = [(demand, Left(left, [0] * len(left), 0)) for demand, left in ways]
        elif goes_on is None or goes_on(worst):
            goes_on = None
        found = list(dict.fromkeys(found))
        return found if goes_on is None else [(demand, left) for demand, left in found if goes_on(left.unmet)]

    def _with_owed(self, base: int, asked: AskedSets, after: Sequence[Obligation | None]) -> int:
        """Return the demand on a value, with all that it must meet because nothing else meets an obligation
        (None in `after`); NOTHING where it cannot."""
        musts: dict[Literal, None] = {}
        for at, rest in enumerate(after):
            if rest is None:
                if not asked.sets[at]:
                    return NOTHING
                musts.update(dict.fromkeys(asked.only(at) or ()))
        if not musts:
            return base
        demand = self.tables.both_judging(base, list(musts))
        if demand == NOTHING or self.scalars.contradictory(self.tables.demands[demand]):
            return NOTHING
        return demand

    def _asked_sets(self, frame: Frame, base: int, unmet: Unmet, where: Where) -> AskedSets:
        """Return which sets the value of a member must lie in to meet obligations."""
        said = self.tables.demands[base]
        asked: dict[tuple[Literal, ...], int] = {}
        sets: list[int] = []
        for obligation in unmet:
            own = 0
            for alternative in obligation:
                if isinstance(alternative, Without):
                    continue
                if isinstance(alternative, AtKey) and alternative.key != where:
                    continue
                literals = self.discharge(frame, alternative, where)
                if literals is not None:
                    # What every value meets is not asked.
                    news = tuple([literal for literal in literals if not self.scalars.surely(said, literal)])
                    if not news:
                        own = -1
                        break
                    if not self.scalars.contradictory((*said, *news)):
                        own |= 1 << asked.setdefault(news, len(asked))
            sets.append(own)
        return AskedSets(tuple(asked), sets)

    def closes(self, shape: ObjectShape, frame: Frame, written: Written, unmet: Unmet) -> bool:
        """Return whether an object that has all its required keys may close."""
        _, mask, count = written
        if count < shape.lo or (shape.hi is not None and count > shape.hi):
            return False
        for key, others in shape.conditional:
            if mask >> frame.index[key] & 1 and not all(mask >> frame.index[other] & 1 for other in others):
                return False
        return all(
            any(
                isinstance(alternative, (Without, AtMost)) or closes(alternative)
                for alternative in obligation
            )
            for obligation in unmet
        )

    def is_enough(self, frame: Frame, shape: ObjectShape, written: Written) -> bool:
        """Return whether the required keys that are still to be written make an allowed number of members."""
        if shape.hi is None and not shape.lo:
            return True
        count = written.size + len(self.frames.standing(frame, shape).owed(written))
        return count >= shape.lo and (shape.hi is None or count <= shape.hi)


def undominated(
    threads: Iterable[tuple[int, S, P]], dominates: Callable[[S, P, P], bool]
) -> tuple[tuple[int, S, P], ...]:
    """Return the distinct threads of an object or an array without those that another of the same demand and
    shape dominates: the same but for more obligations. Each thread ends in what it still owes."""
    distinct = tuple(dict.fromkeys(threads))
    if len(distinct) < 2 or not any(owed for _, _, owed in distinct):
        return distinct
    groups: dict[tuple[int, S], list[P]] = {}
    for j, shape, owed in distinct:
        groups.setdefault((j, shape), []).append(owed)
    return tuple(
        (j, shape, owed)
        for j, shape, owed in distinct
        if not any(dominates(shape, other, owed) for other in groups[j, shape])
    )
