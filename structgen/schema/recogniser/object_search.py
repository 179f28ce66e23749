"""Searches for a rest of an object: whether there is one, and which is the shortest.

A *rest* is the text that completes the object, the brace included: `,"b":0}` after `{"a":1` where `b` is
required. A *plan* is a set of members to write, a set of keys to leave out, and bounds on the number of
members. A *slot* is the key of a planned member. An *obligation* is a set of alternatives, one of which must
come true. A *way* is a plan that meets one more obligation, with the obligations that are still open.

Mostly a rest is plain: the required keys alone, or one member more. So the search goes obligation by
obligation. It adds a member only where an obligation asks for one, and tries the cheapest alternative first
(a key that is left out). It steps back where a choice leads nowhere. For the shortest rest it goes on after
the first plan, through those that may become shorter than the best one so far.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from structgen.schema.meaning.literals import Literal, Literals
from structgen.schema.meaning.place import NOTHING, PlaceTables
from structgen.schema.meaning.shape import (
    Alternative,
    AtKey,
    AtLeast,
    AtMost,
    Differs,
    ObjectShape,
    Obligation,
    Without,
)
from structgen.schema.reading.json_values import JsonPieces
from structgen.schema.recogniser.excluded_values import UnwrittenMembers, values_of
from structgen.schema.recogniser.members import Members, Unmet
from structgen.schema.recogniser.object_frames import ObjectFrames
from structgen.schema.recogniser.object_keys import Frame, KeyClass, MemberKey, MembersSoFar

Ask: TypeAlias = Callable[[int], JsonPieces | None]
"""A function that takes a demand and returns the text of a value that meets it, or None where none is
known."""
Slot: TypeAlias = str | tuple[int, int]
"""The key of a planned member: a name, or the index of a class of unnamed keys and a number in that class."""

_MANY_CLASSES, _SOME_CLASSES = 64, 8
"""Where an object has more than 64 classes of keys, only 8 of them are tried for a shortest rest."""


@dataclass(frozen=True, slots=True)
class Member:
    """A planned member: its key and its value."""

    key: MemberKey
    literals: frozenset[Literal]
    """The literals that its value must meet, beside the demand of the shape."""
    demand: int
    """The interned conjunction of these literals and the demand of the shape."""
    text: JsonPieces
    """The text of the shortest value that meets the demand."""


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """A plan: the members to write, the keys to leave out, and bounds on the number of all members."""

    members: Mapping[Slot, Member]
    without: frozenset[str]
    """The keys that the plan leaves out."""
    min_members: int
    max_members: int | None
    """The most members of the whole object; None: no bound."""


Way: TypeAlias = tuple[MemberPlan, Unmet]
"""A plan, and the obligations that are still to be looked at."""


@dataclass(slots=True)
class Witness:
    """A search for a rest of one unfinished object, for one of its shapes."""

    effects: Members
    frame: Frame
    shape: ObjectShape
    members_so_far: MembersSoFar
    """The members that are already written."""
    ask: Ask
    used_keys: Collection[str]
    """The written keys that the frame does not name; they must not come again."""
    tables: PlaceTables = field(init=False)
    frames: ObjectFrames = field(init=False)
    _required_keys: frozenset[str] = field(init=False)
    _fresh: dict[int, list[str]] = field(default_factory=dict)
    _steps: int = 0
    _with_text: bool = False
    _room: int | None = None
    """The size of the members of the shortest rest so far, in bytes; None: no rest was found yet."""

    def __post_init__(self) -> None:
        self.tables = self.effects.tables
        self.frames = self.effects.frames
        self._required_keys = frozenset(self.shape.required_keys)

    def has_rest(self, unmet: Unmet) -> bool:
        """Return whether there is a rest. LimitError past `limits.oracle_steps`."""
        return next(self._whole_plans(unmet), None) is not None

    def shortest_rest(
        self,
        unmet: Unmet,
        has_members: bool,
        any_will_do: bool = False,
    ) -> JsonPieces | None:
        """Return the shortest rest, closing brace included, or None where there is no rest.

        `unmet` are the open obligations. `has_members`: a member was written, so that the rest begins with a
        comma. `any_will_do`: the first rest that is found is returned, not the shortest. Raises `LimitError`
        past `limits.oracle_steps`.
        """
        self._with_text = True
        best: JsonPieces | None = None
        for plan in self._whole_plans(unmet):
            text = self._plan_text(plan, has_members)
            if text.is_before(best):
                best = text
                # The search drops plans that take more: `_whole_plans` goes on while this loop runs.
                self._room = self._plan_cost(plan)
            if any_will_do:
                break
        return best

    def _whole_plans(self, unmet: Unmet) -> Iterator[MemberPlan]:
        """Yield plans of whole objects. The plan of a shortest rest is among them."""
        empty_plan = MemberPlan({}, frozenset(), self.shape.lo, self.shape.hi)
        needed_keys: list[str] = list(self.shape.required_keys)
        for key, dependents in self.shape.conditional:
            if self.members_so_far.mask >> self.frame.index[key] & 1:
                needed_keys.extend(dependents)
        start = self._add_members(empty_plan, needed_keys) if needed_keys else empty_plan
        if start is None:
            return
        # Depth first: each iterator yields the ways to meet the first open obligation of one plan.
        stack: list[Iterator[Way]] = [iter(((start, unmet),))]
        while stack:
            next_way = next(stack[-1], None)
            if next_way is None:
                stack.pop()
                continue
            plan, open_obligations = next_way
            if plan is not start:
                self._spend_steps(3 + len(open_obligations) // 8)  # each obligation is looked at
                if self._room is not None and self._plan_cost(plan) > self._room:
                    continue
            # The frequent case: every obligation is met by leaving keys out.
            whole_plan = self._plan_without_keys(plan, open_obligations)
            if whole_plan is not None:
                yield whole_plan
                continue
            open_obligations = self._unmet_obligations(plan, open_obligations)
            count = self.members_so_far.size + len(plan.members)
            if open_obligations:
                ways = self._ways_to_meet(plan, open_obligations)
                if self._with_text:
                    # The cheapest way first: then `_room` soon cuts off the expensive ones.
                    ways = iter(sorted(ways, key=lambda way: self._plan_cost(way[0])))
                stack.append(ways)
            elif plan.max_members is not None and max(plan.min_members, count) > plan.max_members:
                continue
            elif count >= plan.min_members:
                yield plan
            else:
                stack.append(self._fill_up(plan, plan.min_members - count))

    def _plan_cost(self, plan: MemberPlan) -> int:
        """Return the size of a plan's members in bytes, each with a comma."""
        return sum(self._member_price(slot, member) for slot, member in plan.members.items())

    def _member_price(self, slot: Slot, member: Member) -> int:
        """Return the size of a member in bytes: its key, the colon, its value, and a comma or brace."""
        return len(self._key_text(slot, member.key)) + 1 + member.text.length

    def _key_text(self, slot: Slot, member_key: MemberKey) -> bytes:
        """Return the text of a member's key, with the colon."""
        name = slot if isinstance(slot, str) else ""
        if isinstance(member_key, KeyClass) and not isinstance(slot, str):
            name = self._fresh_keys(member_key, slot[1] + 1)[slot[1]]
        return self.frames.scalars.write_literal(name) + b":"

    def _plan_text(self, plan: MemberPlan, has_members: bool) -> JsonPieces:
        """Return the text of a plan, closing brace included: first the keys with a position in the order,
        then the others."""
        frame = self.frame
        ordered_count = frame.ordered_count
        # The first three parts of an entry are its sort key: the position in the order, then the text of the
        # key where it has no position, then the number of an unnamed key in its class.
        entries: list[tuple[int, bytes, int, bytes, JsonPieces]] = []
        for slot, member in plan.members.items():
            key = self._key_text(slot, member.key)
            if isinstance(slot, str):
                position = min(frame.index[slot], ordered_count)
                free_key = key if position == ordered_count else b""
                entries.append((position, free_key, 0, key, member.text))
            else:
                # The shortest key of a class comes first: a key that has begun goes on in the same way.
                class_index, number = slot
                first_key = self._key_text((class_index, 0), member.key)
                entries.append((ordered_count, first_key, number, key, member.text))
        # Sorted by the first three parts alone: position, key, number.
        entries.sort(key=lambda entry: entry[:3])
        parts: list[bytes | JsonPieces] = []
        for *_, key, value in entries:
            parts.append(b"," + key if has_members or parts else key)
            parts.append(value)
        return JsonPieces((*parts, b"}"))

    def _spend_steps(self, steps: int) -> None:
        self._steps += 1
        if self._steps > self.effects.limits.oracle_steps:
            raise self.tables.too_many(
                "the object has too many ways to be completed.",
                "oracle_steps",
                self.frame.demands,
            )
        self.tables.spend_steps(steps, self.effects.limits, "How an object is completed", self.frame.demands)

    def _plan_without_keys(self, plan: MemberPlan, unmet: Unmet) -> MemberPlan | None:
        """Return the plan that meets all obligations by leaving keys out alone, or None."""
        if plan.max_members is not None or plan.min_members > self.members_so_far.size + len(plan.members):
            return None  # the bounds on the number of members need the general search
        without = set(plan.without)
        for obligation in unmet:
            for alternative in obligation:
                if isinstance(alternative, Without) and alternative.key not in plan.members:
                    without.add(alternative.key)
                    break
            else:
                return None
        return MemberPlan(plan.members, frozenset(without), plan.min_members, None)

    def _unmet_obligations(self, plan: MemberPlan, unmet: Unmet) -> Unmet:
        """Return the obligations that the plan does not meet, the one with the fewest ways first;
        obligations that an absent key meets come later, and excluded values last."""
        open_obligations: list[Obligation] = []
        for obligation in unmet:
            if isinstance(obligation[0], Differs):
                # The excluded values that an object of the plan may still equal.
                rests = obligation[0].rests
                equal_rests = frozenset(rest for rest in rests if not self._surely_differs(plan, rest))
                if equal_rests:
                    open_obligations.append((Differs(equal_rests),))
            elif not any(self._is_met(plan, alternative) for alternative in obligation):
                open_obligations.append(obligation)
        open_obligations.sort(
            key=lambda obligation: (self._obligation_rank(plan, obligation), len(obligation))
        )
        return tuple(open_obligations)

    def _obligation_rank(self, plan: MemberPlan, obligation: Obligation) -> int:
        """Return 0 for an obligation that only a member can meet, 1 if an absent key can, 2 for excluded
        values."""
        if isinstance(obligation[0], Differs):
            return 2
        return any(
            isinstance(alternative, Without) and alternative.key not in plan.members
            for alternative in obligation
        )

    def _is_met(self, plan: MemberPlan, alternative: Alternative) -> bool:
        match alternative:
            case Without(key):
                return key in plan.without or not (key in plan.members or self._may_come(key))
            case AtLeast(count):
                return plan.min_members >= count
            case AtMost(count):
                return plan.max_members is not None and plan.max_members <= count
            case AtKey(key, literals):
                member = plan.members.get(key)
                return member is not None and member.literals.issuperset(literals)
        for member in plan.members.values():
            needed_literals = self.effects.discharging_literals(self.frame, alternative, member.key)
            if needed_literals is not None and member.literals.issuperset(needed_literals):
                return True
        return False

    def _surely_differs(self, plan: MemberPlan, rest: UnwrittenMembers) -> bool:
        """Return whether every object of a plan surely differs from an excluded one.

        `rest` has the members of the excluded object that are not written yet.
        """
        rest_values = dict(rest)
        # Another key than the value has, or more members.
        if any(slot not in rest_values for slot in plan.members):
            return True
        if plan.min_members - self.members_so_far.size > len(rest_values):
            return True
        for key, literal in rest_values.items():
            member = plan.members.get(key)
            if member is None:
                if key in plan.without or not self._may_come(key):
                    return True
            elif self.tables.has_clash((*self.tables.demands[member.demand], literal)):
                return True
        return False

    def _may_come(self, key: str) -> bool:
        return self.frame.may_come(key, self.members_so_far)

    def _ways_to_meet(self, plan: MemberPlan, unmet: Unmet) -> Iterator[Way]:
        """Yield the plans that also meet the first obligation, each with the remaining obligations."""
        first = unmet[0]
        other_obligations = unmet[1:]
        # Cheap ways first: a key left out, then a member of the plan, then a new member.
        if isinstance(first[0], Differs):
            for different in self._different_plans(plan, first[0]):
                yield different, unmet
            return
        longer: list[Alternative] = []
        for alternative in first:
            match alternative:
                case Without(key):
                    if key not in plan.members:
                        yield replace(plan, without=plan.without | {key}), other_obligations
                case AtLeast(count):
                    if plan.max_members is None or count <= plan.max_members:
                        yield replace(plan, min_members=count), other_obligations
                case AtMost(count):
                    if max(plan.min_members, self.members_so_far.size + len(plan.members)) <= count:
                        yield replace(plan, max_members=count), other_obligations
                case _:
                    longer.append(alternative)
        for alternative in longer:
            for slot, member in plan.members.items():
                literals = self.effects.discharging_literals(self.frame, alternative, member.key)
                stronger = None if literals is None else self._strengthen_member(plan, slot, literals)
                if stronger is not None:
                    yield stronger, other_obligations
        for alternative in longer:
            names = (alternative.key,) if isinstance(alternative, AtKey) else self.frame.names
            for name in names:
                literals = self.effects.discharging_literals(self.frame, alternative, name)
                next_plan = None if literals is None else self._add_named(plan, name, literals)
                if next_plan is not None:
                    yield next_plan, other_obligations
            if not isinstance(alternative, AtKey):
                for next_plan in self._add_unnamed(plan, alternative):
                    yield next_plan, other_obligations

    def _different_plans(
        self, plan: MemberPlan, exclusion: Differs[UnwrittenMembers]
    ) -> Iterator[MemberPlan]:
        """Yield the plans of objects that differ from the smallest value that `exclusion` excludes."""
        values = values_of(exclusion.rests)
        smallest = min(exclusion.rests, key=lambda rest: (len(rest), sorted(rest)))
        smallest_values = dict(smallest)
        # A key left out that most of the excluded values have: so the object differs from many at once.
        for key in sorted(smallest_values, key=lambda key: (-len(values[key]), key)):
            if key not in plan.members:
                yield replace(plan, without=plan.without | {key})
        yield from self._add_unnamed(plan, None)
        by_use = sorted(self.frame.names, key=lambda name: len(values.get(name, ())))
        for name in by_use:
            if name not in smallest_values:
                next_plan = self._add_named(plan, name, ())
                if next_plan is not None:
                    yield next_plan
        for key, literal in sorted(smallest_values.items()):
            # Another value than any of them has; if there is none, than this one has.
            for excluded_literals in dict.fromkeys((frozenset(values[key]), frozenset((literal,)))):
                literals = (self.tables.constants.none_of(excluded_literals),)
                if key in plan.members:
                    other_plan = self._strengthen_member(plan, key, literals)
                else:
                    other_plan = self._add_named(plan, key, literals)
                if other_plan is not None:
                    yield other_plan

    def _strengthen_member(
        self,
        plan: MemberPlan,
        slot: Slot,
        literals: Literals,
    ) -> MemberPlan | None:
        """Return the plan with further literals for a member, or None if no value is known to meet them."""
        member = plan.members[slot]
        stronger = self._make_member(member.key, member.literals.union(literals))
        if stronger is None:
            return None
        return replace(plan, members={**plan.members, slot: stronger})

    def _add_named(
        self,
        plan: MemberPlan,
        name: str,
        literals: Literals,
    ) -> MemberPlan | None:
        """Return the plan with one more named member, or None where that member cannot come."""
        if name in plan.members or not self._may_come(name):
            return None
        return self._add_members(plan, (name,), literals)

    def _add_unnamed(self, plan: MemberPlan, alternative: Alternative | None) -> Iterator[MemberPlan]:
        """Yield the plans with one more member, of a key that no schema names. `alternative`: the alternative
        that it must make true, None for any member."""
        count = self.members_so_far.size + len(plan.members)
        if plan.max_members is not None and count >= plan.max_members:
            return
        classes = self.frames.classes_of(self.frame)
        plan_count = 0
        for key_class in classes:
            literals: Literals | None = ()
            if alternative is not None:
                literals = self.effects.discharging_literals(self.frame, alternative, key_class)
            used_count = sum(1 for member in plan.members.values() if member.key is key_class)
            if literals is not None and self._count_fresh_keys(key_class, used_count + 1) > used_count:
                fresh = self._make_member(key_class, frozenset(literals))
                if fresh is not None:
                    yield replace(plan, members={**plan.members, (key_class.index, used_count): fresh})
                    plan_count += 1
                    if self._with_text and plan_count >= _SOME_CLASSES and len(classes) > _MANY_CLASSES:
                        return

    def _add_members(
        self,
        plan: MemberPlan,
        keys: Collection[str],
        literals: Literals = (),
    ) -> MemberPlan | None:
        """Return the plan with named members and those that they require, or None where one cannot come.

        `literals`: further literals for the values under `keys`.
        """
        members = dict(plan.members)
        requires = self.shape.requires
        is_known = True
        todo = list(reversed(list(keys)))
        while todo:
            name = todo.pop()
            if name in members:
                continue
            if not self._may_come(name):
                # Already written, or passed over: a key that is required where this is asked was written.
                if self.members_so_far.mask >> self.frame.index[name] & 1 or name in self._required_keys:
                    continue
                return None
            if name in plan.without:
                return None
            # Keys that others require get no further literals.
            member = self._make_member(name, frozenset(literals if literals and name in keys else ()))
            if member is None:
                if not self._with_text:
                    return None
                is_known = False  # what is not known yet is asked for at once, not one at a time
                continue
            members[name] = member
            todo.extend(requires.get(name, ()))
        if not is_known:
            return None
        if plan.max_members is not None and self.members_so_far.size + len(members) > plan.max_members:
            return None
        return replace(plan, members=members)

    def _make_member(self, member_key: MemberKey, literals: frozenset[Literal]) -> Member | None:
        """Return a member whose value meets the shape and the literals, or None if none is known."""
        demand = self.effects.base_demand(self.frame, self.shape, member_key)
        if demand != NOTHING and literals:
            # Sorted: equal sets of literals are one demand, whose answer is known.
            demand = self.tables.add_judging_literals(demand, sorted(literals))
            if self.tables.is_hopeless(demand):
                return None
        text = self.ask(demand)
        if text is None:
            return None
        return Member(member_key, literals, demand, text)

    def _count_fresh_keys(self, key_class: KeyClass, needed_count: int) -> int:
        """Return how many keys of a class there are for new members, up to `needed_count`."""
        if key_class.infinite:
            return needed_count
        return len(self._fresh_keys(key_class, needed_count))

    def _fresh_keys(self, key_class: KeyClass, needed_count: int) -> list[str]:
        """Return `needed_count` new keys of a class, the shortest first, or all that there are."""
        names = self._fresh.get(key_class.index, [])
        if len(names) < needed_count:
            names = self.frames.fresh_keys(self.frame, key_class, needed_count, self.used_keys)
            self._fresh[key_class.index] = names
        return names[:needed_count]

    def _fill_up(self, plan: MemberPlan, missing: int) -> Iterator[Way]:
        """Yield the plans with more members that nothing asks for: all that are missing where none of them
        requires other keys, else one, each without the keys that were tried before."""
        requires = self.shape.requires
        # Of each member: whether it requires others, its bytes, its slot.
        options: list[tuple[bool, int, Slot, Member]] = []
        for name in self.frame.names:
            if name in plan.members or name in plan.without or not self._may_come(name):
                continue
            member = self._make_member(name, frozenset())
            if member is not None:
                options.append((name in requires, self._member_price(name, member), name, member))
                if not self._with_text and sum(not option[0] for option in options) >= missing:
                    break
        # keys that require others may be impossible: they do not count
        is_short = sum(not option[0] for option in options) < missing
        for next_plan in self._add_unnamed(plan, None) if is_short or self._with_text else ():
            # The plan's last member is the new one: the first of its class that is still free.
            slot, member = list(next_plan.members.items())[-1]
            assert isinstance(member.key, KeyClass) and not isinstance(slot, str)
            class_index, first = slot
            stock = self._count_fresh_keys(member.key, first + missing) - first
            for number in range(first, first + min(stock, missing)):
                price = self._member_price((class_index, number), member) if self._with_text else 0
                options.append((False, price, (class_index, number), member))
        if len(options) < missing:
            return
        if self._with_text:

            def price_and_key(option: tuple[bool, int, Slot, Member]) -> tuple[int, bytes]:
                _, price, slot, member = option
                return price, self._key_text(slot, member.key)

            options.sort(key=price_and_key)
        else:
            options.sort(key=lambda option: option[0])
        if not any(requiring for requiring, *_ in options[:missing]):
            chosen = {slot: member for _, _, slot, member in options[:missing]}
            yield replace(plan, members={**plan.members, **chosen}), ()
            return
        # Some member requires others: one is added, and the search goes on from there.
        without = plan.without
        cost = self._plan_cost(plan) if self._with_text else 0
        for position, (_, _, slot, member) in enumerate(options):
            # The options are sorted by price: no later plan costs less than this sum.
            min_cost = cost + sum(price for _, price, _, _ in options[position : position + missing])
            if self._room is not None and min_cost >= self._room:
                return
            if isinstance(slot, str):
                one_more = self._add_named(replace(plan, without=without), slot, ())
                without |= {slot}
            else:
                one_more = replace(plan, members={**plan.members, slot: member})
            if one_more is not None:
                yield one_more, ()


def keys_of(rest: JsonPieces) -> Iterator[str]:
    """Yield the keys of a shortest rest."""
    # Its parts are keys and values in turn, and the brace at the end (`Witness._plan_text`). The slice takes
    # every second part, which is a key such as `,"a":`, and leaves the brace out.
    for key in rest.parts[:-1:2]:
        assert isinstance(key, bytes), "a key before its value"
        yield json.loads(key.lstrip(b",").removesuffix(b":"))
