"""Is there a way to write the rest of an object? A goal-directed search, obligation by obligation.

The exact shortest rest (`members`) weighs every set of members; whether there is a rest at all is mostly
plain: the required keys alone, or one member more. The search adds a member only where an obligation asks for
one, tries the cheapest alternative first (a key left out), and steps back where a choice leads nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from structgen.errors import LimitError
from structgen.limits import Limits
from structgen.schema.meaning.place import NEVER, PlaceTables
from structgen.schema.meaning.shape import (
    Alternative,
    AtKey,
    AtLeast,
    AtMost,
    ObjectShape,
    Obligation,
    Without,
)
from structgen.schema.reading.json_values import JsonPieces
from structgen.schema.recogniser.object_frames import Frames
from structgen.schema.recogniser.object_keys import Frame, KeyClass

Ask: TypeAlias = Callable[[int], JsonPieces | None]
"""Demand -> the text of a value that meets it, or None where none is known."""
Where: TypeAlias = str | KeyClass
Discharge: TypeAlias = Callable[[Frame, Alternative, Where], tuple[int, ...] | None]
Slot: TypeAlias = str | tuple[int, int]
"""A named key, or the index of a class of others and a number within it."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member that is to be written: under which key, with which value."""

    where: Where
    literals: frozenset[int]
    demand: int


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """Members that are to be written, keys that are not, and bounds on the number of all members."""

    members: Mapping[Slot, Member]
    without: frozenset[str]
    least: int
    most: int | None


class Undecided(Exception):
    """The search has no answer: a count over keys that require others would be needed."""


class Witness:
    """One question: an unfinished object, one of its shapes, and the unmet obligations."""

    def __init__(
        self,
        tables: PlaceTables,
        frames: Frames,
        limits: Limits,
        discharge: Discharge,
        frame: Frame,
        shape: ObjectShape,
        pos: int,
        mask: int,
        count: int,
        taken: Collection[str],
        ask: Ask,
    ) -> None:
        """`discharge`: the literals under which a member makes an alternative true; the rest as in
        `Members.complete`."""
        self.tables = tables
        self.frames = frames
        self.limits = limits
        self.discharge = discharge
        self.frame = frame
        self.shape = shape
        self.pos = pos
        self.mask = mask
        self.count = count
        self.taken = taken
        self.ask = ask
        self._stock: dict[int, int] = {}

    def find(self, unmet: tuple[Obligation, ...]) -> MemberPlan | None:
        """Return members that make a whole object, or None where there are none.

        Raises `Undecided` where the search has no answer, LimitError past `limits.oracle_steps`.
        """
        nothing = MemberPlan({}, frozenset(), self.shape.lo, self.shape.hi)
        wanted: list[str] = list(self.shape.required)
        for key, others in self.shape.conditional:
            if self.mask >> self.frame.index[key] & 1:
                wanted.extend(others)
        start = self._with(nothing, wanted) if wanted else nothing
        if start is None:
            return None
        # The frequent case: every obligation is met by leaving keys out.
        whole = self._left_out(start, unmet)
        if whole is not None:
            return whole
        undecided = False
        first = self._open(start, unmet)
        stack = [self._ways(start, first)]
        steps = 0
        while stack:
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
                continue
            steps += 1
            if steps > self.limits.oracle_steps:
                raise LimitError(
                    "the ways to complete an object here are too many.",
                    limit="oracle_steps",
                    where=next(iter(self.tables.sources(self.frame.demands)), ""),
                )
            self.tables.spend(3, self.limits, "How an object is completed", self.frame.demands)
            plan, left = found
            left = self._open(plan, left)
            if left:
                whole = self._left_out(plan, left)
                if whole is not None:
                    return whole
                stack.append(self._ways(plan, left))
                continue
            filled = self._fills(plan)
            if filled:
                return plan
            undecided |= filled is None
        if undecided:
            raise Undecided
        return None

    def _left_out(self, plan: MemberPlan, unmet: tuple[Obligation, ...]) -> MemberPlan | None:
        """Return the plan that meets all obligations by leaving keys out alone, or None."""
        if plan.most is not None or plan.least > self.count + len(plan.members):
            return None
        without = set(plan.without)
        for obligation in unmet:
            for alternative in obligation:
                if isinstance(alternative, Without) and alternative.key not in plan.members:
                    without.add(alternative.key)
                    break
            else:
                return None
        return MemberPlan(plan.members, frozenset(without), plan.least, None)

    def _open(self, plan: MemberPlan, unmet: tuple[Obligation, ...]) -> tuple[Obligation, ...]:
        """Return the obligations that the plan does not meet, the one with the fewest ways first;
        obligations that an absent key meets come last."""
        left = [obligation for obligation in unmet if not any(self._met(plan, one) for one in obligation)]
        left.sort(key=lambda obligation: (self._avoidable(plan, obligation), len(obligation)))
        return tuple(left)

    def _avoidable(self, plan: MemberPlan, obligation: Obligation) -> bool:
        return any(isinstance(one, Without) and one.key not in plan.members for one in obligation)

    def _met(self, plan: MemberPlan, alternative: Alternative) -> bool:
        match alternative:
            case Without(key):
                return key in plan.without or not (key in plan.members or self._may_come(key))
            case AtLeast(count):
                return plan.least >= count
            case AtMost(count):
                return plan.most is not None and plan.most <= count
            case AtKey(key, literals):
                member = plan.members.get(key)
                return member is not None and member.literals.issuperset(literals)
        for member in plan.members.values():
            asked = self.discharge(self.frame, alternative, member.where)
            if asked is not None and member.literals.issuperset(asked):
                return True
        return False

    def _may_come(self, key: str) -> bool:
        index = self.frame.index[key]
        if index < self.frame.ordered:
            return index >= self.pos
        return not self.mask >> index & 1

    def _ways(
        self, plan: MemberPlan, unmet: tuple[Obligation, ...]
    ) -> Iterator[tuple[MemberPlan, tuple[Obligation, ...]]]:
        """Yield the plans that also meet the first obligation, each with the remaining obligations."""
        if not unmet:
            yield plan, ()
            return
        left = unmet[1:]
        longer: list[Alternative] = []
        for alternative in unmet[0]:
            match alternative:
                case Without(key):
                    if key not in plan.members:
                        yield MemberPlan(plan.members, plan.without | {key}, plan.least, plan.most), left
                case AtLeast(count):
                    if plan.most is None or count <= plan.most:
                        yield MemberPlan(plan.members, plan.without, count, plan.most), left
                case AtMost(count):
                    if max(plan.least, self.count + len(plan.members)) <= count:
                        yield MemberPlan(plan.members, plan.without, plan.least, count), left
                case _:
                    longer.append(alternative)
        for alternative in longer:
            for slot, member in plan.members.items():
                literals = self.discharge(self.frame, alternative, member.where)
                if literals is not None:
                    stronger = self._member(member.where, member.literals.union(literals))
                    if stronger is not None:
                        members = {**plan.members, slot: stronger}
                        yield MemberPlan(members, plan.without, plan.least, plan.most), left
        for alternative in longer:
            names = (alternative.key,) if isinstance(alternative, AtKey) else self.frame.names
            for name in names:
                if name in plan.members or not self._may_come(name):
                    continue
                literals = self.discharge(self.frame, alternative, name)
                if literals is not None:
                    more = self._with(plan, (name,), literals)
                    if more is not None:
                        yield more, left
            if isinstance(alternative, AtKey):
                continue
            for key_class in self.frames.classes(self.frame):
                literals = self.discharge(self.frame, alternative, key_class)
                if literals is None or (
                    plan.most is not None and self.count + len(plan.members) >= plan.most
                ):
                    continue
                used = sum(1 for member in plan.members.values() if member.where is key_class)
                if self._in_stock(key_class, used + 1) > used:
                    fresh = self._member(key_class, frozenset(literals))
                    if fresh is not None:
                        members = {**plan.members, (key_class.index, used): fresh}
                        yield MemberPlan(members, plan.without, plan.least, plan.most), left

    def _with(
        self, plan: MemberPlan, keys: Collection[str], literals: tuple[int, ...] = ()
    ) -> MemberPlan | None:
        """Return the plan with named members and those that they require, or None where one cannot come.

        `literals`: further literals for the values under `keys`.
        """
        members = dict(plan.members)
        requires = self.shape.requires
        todo = list(reversed(list(keys)))
        while todo:
            name = todo.pop()
            if name in members:
                continue
            if not self._may_come(name):
                # Already written, or passed over: a key that is required where this is asked was written.
                if self.mask >> self.frame.index[name] & 1 or name in self.shape.required:
                    continue
                return None
            if name in plan.without:
                return None
            member = self._member(name, frozenset(literals if literals and name in keys else ()))
            if member is None:
                return None
            members[name] = member
            todo.extend(requires.get(name, ()))
        if plan.most is not None and self.count + len(members) > plan.most:
            return None
        return MemberPlan(members, plan.without, plan.least, plan.most)

    def _member(self, where: Where, literals: frozenset[int]) -> Member | None:
        """Return a member that meets the shape and the literals, or None where no value is known to."""
        if isinstance(where, str):
            demand = self.frames.value(self.shape, where)
        else:
            demand = self.frames.extra(self.frame, self.shape, where)
        if demand != NEVER and literals:
            demand = self.tables.both(demand, sorted(literals))
            if demand != NEVER and self.tables.clash(self.tables.demands[demand]):
                return None
        if demand == NEVER or self.ask(demand) is None:
            return None
        return Member(where, literals, demand)

    def _in_stock(self, key_class: KeyClass, wanted: int) -> int:
        """Return how many keys of a class there are for new members, up to `wanted`."""
        if self.frames.scalars.is_infinite(key_class.formula):
            return wanted
        found = self._stock.get(key_class.index, 0)
        if found < wanted:
            found = len(self.frames.fresh_keys(self.frame, key_class, wanted, self.taken))
            self._stock[key_class.index] = found
        return found

    def _fills(self, plan: MemberPlan) -> bool | None:
        """Return whether members that nothing asks for can make up the least number; None: perhaps."""
        missing = plan.least - self.count - len(plan.members)
        if plan.most is not None and max(plan.least, self.count + len(plan.members)) > plan.most:
            return False
        if missing <= 0:
            return True
        triggers = {key for key, _ in self.shape.conditional}
        sure = perhaps = 0
        for name in self.frame.names:
            if name in plan.members or name in plan.without or not self._may_come(name):
                continue
            if self._member(name, frozenset()) is not None:
                perhaps += 1
                sure += name not in triggers
                if sure >= missing:
                    return True
        unlisted = self.frames.unlisted(self.frame)
        if unlisted is not None:
            wanted, most = missing - sure, self.limits.oracle_steps
            here = len(unlisted.supply(self.shape, wanted, self.taken, self.ask, most))
            return True if here >= wanted else False if perhaps + here < missing else None
        for key_class in self.frames.classes(self.frame):
            if self._member(key_class, frozenset()) is not None:
                used = sum(1 for member in plan.members.values() if member.where is key_class)
                wanted = missing - sure
                here = self._in_stock(key_class, used + wanted) - used
                sure += here
                perhaps += here
                if sure >= missing:
                    return True
        return False if perhaps < missing else None
