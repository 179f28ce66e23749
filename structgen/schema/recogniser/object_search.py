"""Witnesses of objects: is there a way to write the rest of one, and which is the shortest?

Whether there is a rest is mostly plain: the required keys alone, or one member more. So the search is led by
what is owed, obligation by obligation: it adds a member only where an obligation asks for one, tries the
cheapest alternative first (a key left out), and steps back where a choice leads nowhere. The shortest rest is
found over the keys in the order in which they are written, within the length of the witness.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from structgen.schema.meaning.place import NEVER, PlaceTables
from structgen.schema.meaning.shape import (
    Alternative,
    AtKey,
    AtLeast,
    AtMost,
    AtOther,
    AtPattern,
    BadKey,
    Differs,
    ObjectShape,
    Obligation,
    Without,
)
from structgen.schema.reading.json_values import EMPTY, JsonPieces
from structgen.schema.recogniser.excluded_values import values_of
from structgen.schema.recogniser.members import Members, Unmet, passed_over
from structgen.schema.recogniser.object_frames import Frames
from structgen.schema.recogniser.object_keys import Frame, KeyClass, Where, Written

Ask: TypeAlias = Callable[[int], JsonPieces | None]
"""Demand -> the text of a value that meets it, or None where none is known."""
Slot: TypeAlias = str | tuple[int, int]
"""A named key, or the index of a class of others and a number within it."""
Layer: TypeAlias = dict[tuple[Written, Unmet, bool], JsonPieces]
"""What is written (of the keys those that matter), what is owed, whether a member was written -> text."""
Candidate: TypeAlias = tuple[bytes, Where]
"""The text of a key with its colon, and where it stands."""

_MANY_CLASSES, _SOME_CLASSES = 64, 8
"""Of more classes of keys than the first only so many are looked at for a shortest rest."""


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


Way: TypeAlias = tuple[MemberPlan, Unmet]
"""A plan, and the obligations that it need not meet yet."""


@dataclass(slots=True)
class Witness:
    """One question: an unfinished object, and one of its shapes."""

    effects: Members
    frame: Frame
    shape: ObjectShape
    written: Written
    ask: Ask
    taken: Collection[str] = ()
    """Keys that the object already holds and the frame does not name."""
    tables: PlaceTables = field(init=False)
    frames: Frames = field(init=False)
    _required: frozenset[str] = field(init=False)
    _stock: dict[int, int] = field(default_factory=dict)
    _steps: int = 0

    def __post_init__(self) -> None:
        self.tables, self.frames = self.effects.tables, self.effects.frames
        self._required = frozenset(self.shape.required)

    # Is there a rest?

    def find(self, unmet: Unmet) -> MemberPlan | None:
        """Return members that make a whole object, or None where there are none.

        LimitError past `limits.oracle_steps`.
        """
        nothing = MemberPlan({}, frozenset(), self.shape.lo, self.shape.hi)
        wanted: list[str] = list(self.shape.required)
        for key, others in self.shape.conditional:
            if self.written.mask >> self.frame.index[key] & 1:
                wanted.extend(others)
        start = self._with(nothing, wanted) if wanted else nothing
        if start is None:
            return None
        stack: list[Iterator[Way]] = [iter(((start, unmet),))]
        while stack:
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
                continue
            plan, left = found
            if plan is not start:
                self._spend(3)
            # The frequent case: every obligation is met by leaving keys out.
            whole = self._left_out(plan, left)
            if whole is not None:
                return whole
            left = self._open(plan, left)
            if left:
                stack.append(self._ways(plan, left))
                continue
            filled = self._fills(plan)
            if filled:
                return plan
            if filled is None:
                stack.append(self._fuller(plan))
        return None

    def _spend(self, steps: int) -> None:
        self._steps += 1
        if self._steps > self.effects.limits.oracle_steps:
            raise self.tables.too_many(
                "the ways to complete an object here are too many.",
                "oracle_steps",
                self.frame.demands,
            )
        self.tables.spend(steps, self.effects.limits, "How an object is completed", self.frame.demands)

    def _left_out(self, plan: MemberPlan, unmet: Unmet) -> MemberPlan | None:
        """Return the plan that meets all obligations by leaving keys out alone, or None."""
        if plan.most is not None or plan.least > self.written.size + len(plan.members):
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

    def _open(self, plan: MemberPlan, unmet: Unmet) -> Unmet:
        """Return the obligations that the plan does not meet, the one with the fewest ways first;
        obligations that an absent key meets come later, and excluded values last."""
        left: list[Obligation] = []
        for obligation in unmet:
            if isinstance(obligation[0], Differs):
                same = frozenset(rest for rest in obligation[0].rests if not self._differs(plan, rest))
                if same:
                    left.append((Differs(same),))
            elif not any(self._met(plan, one) for one in obligation):
                left.append(obligation)
        left.sort(key=lambda obligation: (self._rank(plan, obligation), len(obligation)))
        return tuple(left)

    def _rank(self, plan: MemberPlan, obligation: Obligation) -> int:
        if isinstance(obligation[0], Differs):
            return 2
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
            asked = self.effects.discharge(self.frame, alternative, member.where)
            if asked is not None and member.literals.issuperset(asked):
                return True
        return False

    def _differs(self, plan: MemberPlan, rest: frozenset[tuple[str, int]]) -> bool:
        """Return whether every object of a plan differs from one of which these members are not written."""
        said = dict(rest)
        if any(slot not in said for slot in plan.members) or plan.least - self.written.size > len(said):
            return True
        for key, literal in said.items():
            member = plan.members.get(key)
            if member is None:
                if key in plan.without or not self._may_come(key):
                    return True
            elif self.tables.clash((*self.tables.demands[member.demand], literal)):
                return True
        return False

    def _may_come(self, key: str) -> bool:
        return self.frame.may_come(key, self.written)

    def _ways(self, plan: MemberPlan, unmet: Unmet) -> Iterator[Way]:
        """Yield the plans that also meet the first obligation, each with the remaining obligations."""
        first, left = unmet[0], unmet[1:]
        if isinstance(first[0], Differs):
            for different in self._different(plan, first[0]):
                yield different, unmet
            return
        longer: list[Alternative] = []
        for alternative in first:
            match alternative:
                case Without(key):
                    if key not in plan.members:
                        yield replace(plan, without=plan.without | {key}), left
                case AtLeast(count):
                    if plan.most is None or count <= plan.most:
                        yield replace(plan, least=count), left
                case AtMost(count):
                    if max(plan.least, self.written.size + len(plan.members)) <= count:
                        yield replace(plan, most=count), left
                case _:
                    longer.append(alternative)
        for alternative in longer:
            for slot, member in plan.members.items():
                literals = self.effects.discharge(self.frame, alternative, member.where)
                stronger = None if literals is None else self._stronger(plan, slot, literals)
                if stronger is not None:
                    yield stronger, left
        for alternative in longer:
            names = (alternative.key,) if isinstance(alternative, AtKey) else self.frame.names
            for name in names:
                literals = self.effects.discharge(self.frame, alternative, name)
                more = None if literals is None else self._named(plan, name, literals)
                if more is not None:
                    yield more, left
            if not isinstance(alternative, AtKey):
                for more in self._unnamed(plan, alternative):
                    yield more, left

    def _different(self, plan: MemberPlan, held: Differs) -> Iterator[MemberPlan]:
        """Yield the plans of objects that differ from the smallest of some excluded values."""
        values = values_of(held.rests)
        smallest = min(held.rests, key=lambda rest: (len(rest), sorted(rest)))
        same = dict(smallest)
        for key in sorted(same, key=lambda key: (-len(values[key]), key)):
            if key not in plan.members:
                yield replace(plan, without=plan.without | {key})
        yield from self._unnamed(plan, None)
        for name in sorted(self.frame.names, key=lambda name: len(values.get(name, ()))):
            if name not in same:
                more = self._named(plan, name, ())
                if more is not None:
                    yield more
        for key, literal in sorted(same.items()):
            # Another value than any of them has; if there is none, than this one has.
            for excluded in dict.fromkeys((frozenset(values[key]), frozenset((literal,)))):
                literals = (self.tables.constants.none_of(excluded),)
                in_plan = key in plan.members
                other = (self._stronger if in_plan else self._named)(plan, key, literals)
                if other is not None:
                    yield other

    def _stronger(self, plan: MemberPlan, slot: Slot, literals: tuple[int, ...]) -> MemberPlan | None:
        """Return the plan with more asked of a member, or None where no value is known to meet that."""
        member = plan.members[slot]
        stronger = self._member(member.where, member.literals.union(literals))
        return None if stronger is None else replace(plan, members={**plan.members, slot: stronger})

    def _named(self, plan: MemberPlan, name: str, literals: tuple[int, ...]) -> MemberPlan | None:
        """Return the plan with one named member more, or None where it cannot come."""
        if name in plan.members or not self._may_come(name):
            return None
        return self._with(plan, (name,), literals)

    def _unnamed(self, plan: MemberPlan, alternative: Alternative | None) -> Iterator[MemberPlan]:
        """Yield the plans with one member more of which no schema names the key. `alternative`: what it must
        meet."""
        if plan.most is not None and self.written.size + len(plan.members) >= plan.most:
            return
        for key_class in self.frames.classes(self.frame):
            literals: tuple[int, ...] | None = ()
            if alternative is not None:
                literals = self.effects.discharge(self.frame, alternative, key_class)
            used = sum(1 for member in plan.members.values() if member.where is key_class)
            if literals is not None and self._in_stock(key_class, used + 1) > used:
                fresh = self._member(key_class, frozenset(literals))
                if fresh is not None:
                    yield replace(plan, members={**plan.members, (key_class.index, used): fresh})

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
                if self.written.mask >> self.frame.index[name] & 1 or name in self._required:
                    continue
                return None
            if name in plan.without:
                return None
            member = self._member(name, frozenset(literals if literals and name in keys else ()))
            if member is None:
                return None
            members[name] = member
            todo.extend(requires.get(name, ()))
        if plan.most is not None and self.written.size + len(members) > plan.most:
            return None
        return replace(plan, members=members)

    def _member(self, where: Where, literals: frozenset[int]) -> Member | None:
        """Return a member that meets the shape and the literals, or None where no value is known to."""
        demand = self.effects.base(self.frame, self.shape, where)
        if demand != NEVER and literals:
            demand = self.tables.both(demand, sorted(literals))
            if demand != NEVER and self.tables.clash(self.tables.demands[demand]):
                return None
        if demand == NEVER or self.ask(demand) is None:
            return None
        return Member(where, literals, demand)

    def _in_stock(self, key_class: KeyClass, wanted: int) -> int:
        """Return how many keys of a class there are for new members, up to `wanted`."""
        if key_class.infinite:
            return wanted
        found = self._stock.get(key_class.index, 0)
        if found < wanted:
            found = len(self.frames.fresh_keys(self.frame, key_class, wanted, self.taken))
            self._stock[key_class.index] = found
        return found

    def _fills(self, plan: MemberPlan) -> bool | None:
        """Return whether members that nothing asks for can make up the least number; None: perhaps."""
        missing = plan.least - self.written.size - len(plan.members)
        if plan.most is not None and max(plan.least, self.written.size + len(plan.members)) > plan.most:
            return False
        if missing <= 0:
            return True
        sure = perhaps = 0
        for name in self._optional(plan, plan.without):
            if self._member(name, frozenset()) is not None:
                perhaps += 1
                sure += name not in self.shape.requires
                if sure >= missing:
                    return True
        wanted = missing - sure
        here = 0
        for key_class in self.frames.classes(self.frame):
            if here < wanted and self._member(key_class, frozenset()) is not None:
                used = sum(1 for member in plan.members.values() if member.where is key_class)
                here += self._in_stock(key_class, used + wanted - here) - used
        return True if here >= wanted else False if perhaps + here < missing else None

    def _fuller(self, plan: MemberPlan) -> Iterator[Way]:
        """Yield the plans with one named member more that nothing asks for, and with what it requires; each
        without those that were tried before."""
        without = plan.without
        for name in self._optional(plan, without):
            more = self._named(replace(plan, without=without), name, ())
            if more is not None:
                yield more, ()
            without |= {name}

    def _optional(self, plan: MemberPlan, without: Collection[str]) -> Iterator[str]:
        """Yield the named keys that may come, of which a plan says nothing."""
        for name in self.frame.names:
            if name not in plan.members and name not in without and self._may_come(name):
                yield name

    # Which is the shortest?

    def shortest(self, unmet: Unmet, begun: bool) -> JsonPieces | None:
        """Return the shortest rest, closing brace included, or None. `begun`: a member was written."""
        if self.shape.plain and self.effects.is_enough(self.frame, self.shape, self.written):
            return self._plain(begun)
        plan = self.find(unmet)
        if plan is None:
            return None
        room = self._size(plan, begun)
        candidates = self._candidates(unmet, plan)
        named = {where for _, where in candidates}
        owed: Unmet | None = unmet
        for key in {one.key for each in unmet for one in each if isinstance(one, Without)} - named:
            owed = None if owed is None else passed_over(owed, key)
        if owed is None:
            return None
        self._steps = 0
        watched = self._watched()
        start = self.written._replace(mask=self.written.mask & watched)
        layer: Layer = {(start, owed, begun): EMPTY}
        for candidate, after in zip(candidates, self._least_after(candidates), strict=True):
            layer = self._layer(layer, candidate, watched, after, room)
        best: JsonPieces | None = None
        for (written, left, _), prefix in layer.items():
            if self.effects.closes(self.shape, self.frame, written, left) and prefix.before(best):
                best = prefix
        return None if best is None else JsonPieces((best, b"}"))

    def _plain(self, begun: bool) -> JsonPieces | None:
        """Return the shortest rest of an object that needs its required keys alone, or None."""
        frame, literal = self.frame, self.frames.scalars.written
        owed = self.frames.standing(frame, self.shape).owed(self.written)
        names = [frame.names[at] for at in owed if at < frame.ordered]
        names += sorted((frame.names[at] for at in owed if at >= frame.ordered), key=literal)
        parts: list[bytes | JsonPieces] = []
        whole = True
        for name in names:
            demand = self.frames.value(self.shape, name)
            if demand == NEVER:
                return None
            value = self.ask(demand)
            if value is None:
                # What is not known yet is asked for at once, not one at a time.
                whole, value = False, EMPTY
            parts.append((b"," if begun else b"") + literal(name) + b":")
            parts.append(value)
            begun = True
        parts.append(b"}")
        return JsonPieces(tuple(parts)) if whole else None

    def _watched(self) -> int:
        """Return the keys whose presence asks for others, and those others, as bits."""
        index = self.frame.index
        found = 0
        for key, others in self.shape.conditional:
            for one in (key, *others):
                found |= 1 << index[one]
        return found

    def _least_after(self, candidates: list[Candidate]) -> list[int]:
        """Return for each candidate what the members after it cost at the least."""
        found: list[int] = []
        least = 0
        for text, where in reversed(candidates):
            found.append(least)
            if where in self._required:
                value = self.ask(self.effects.base(self.frame, self.shape, where))
                least += len(text) + (value.length if value is not None else 1) + 1
        found.reverse()
        return found

    def _layer(self, layer: Layer, candidate: Candidate, watched: int, after: int, room: int | None) -> Layer:
        """Return the shortest texts that have one candidate more behind them, written or not.

        `watched`: the keys whose presence matters, as bits; `after`: the length of the members that must
        follow; `room`: the most that all may take."""
        text, where = candidate
        frame, shape = self.frame, self.shape
        following: Layer = {}
        if where not in self._required:
            for (written, owed, begun), prefix in layer.items():
                passed = passed_over(owed, where) if isinstance(where, str) else owed
                if passed is not None:
                    state = written, passed, begun
                    if prefix.before(following.get(state)):
                        following[state] = prefix
        for (written, owed, begun), prefix in layer.items():
            least = prefix.length + len(text) + begun + after
            if shape.hi is not None and written.size >= shape.hi:
                continue
            if room is not None and least >= room:
                continue
            then = frame.after(written, where)
            then = Written(then.pos, then.mask & watched, then.size)
            for demand, left in self.effects.ways(frame, shape, owed, where, written):
                self._spend(1 + len(shape.obligations) // 3)
                value = self.ask(demand)
                if value is None or (room is not None and least + value.length > room):
                    continue
                state = then, left.unmet, True
                new = JsonPieces((prefix, b"," + text if begun else text, value))
                if new.before(following.get(state)):
                    following[state] = new
        return following

    def _size(self, plan: MemberPlan, begun: bool) -> int | None:
        """Return the length of a plan's text without the closing brace, or None where it is not known."""
        if self.written.size + len(plan.members) < plan.least:
            return None
        size = len(plan.members) - (not begun and bool(plan.members))
        for slot, member in plan.members.items():
            value = self.ask(member.demand)
            if value is None:
                return None
            key = slot
            if not isinstance(key, str):
                assert isinstance(member.where, KeyClass)
                fresh = self.frames.fresh_keys(self.frame, member.where, key[1] + 1, self.taken)
                if len(fresh) <= key[1]:
                    return None
                key = fresh[key[1]]
            size += len(self.frames.scalars.written(key)) + 1 + value.length
        return size

    def _candidates(self, unmet: Unmet, plan: MemberPlan) -> list[Candidate]:
        """Return the candidates for members of a shortest rest, in the order of their writing. Of very many
        classes of keys some are taken, among them those of a plan."""
        frame, scalars = self.frame, self.frames.scalars
        wanted, extras = self._wanted(unmet)
        ordered: list[tuple[bytes, str]] = []
        free: list[Candidate] = []
        for name in wanted:
            if self._may_come(name):
                entry = scalars.written(name) + b":", name
                if frame.index[name] < frame.ordered:
                    ordered.append(entry)
                else:
                    free.append(entry)
        ordered.sort(key=lambda candidate: frame.index[candidate[1]])
        classes = self.frames.classes(frame) if extras else []
        if len(classes) > _MANY_CLASSES:
            some = itertools.islice((one for one in classes if self._member(one, frozenset())), _SOME_CLASSES)
            planned = [one.where for one in plan.members.values() if isinstance(one.where, KeyClass)]
            classes = [*dict.fromkeys((*planned, *some))]
        for key_class in classes:
            if self.frames.extra(frame, self.shape, key_class) != NEVER:
                fresh = self.frames.fresh_keys(frame, key_class, extras, self.taken)
                free.extend((scalars.written(key) + b":", key_class) for key in fresh)
        # of keys without a name, the shortest comes first: so does a key that has begun go on
        first: dict[Where, bytes] = {}
        for text, where in free:
            first.setdefault(where, text)
        free.sort(key=lambda candidate: first[candidate[1]])
        return [*ordered, *free]

    def _wanted(self, unmet: Unmet) -> tuple[set[str], int]:
        """Return the named keys that a shortest rest may have, and how many others."""
        frame = self.frame
        wanted: set[str] = set(self.shape.required)
        for key, others in self.shape.conditional:
            wanted.update((key, *others))
        least = self.shape.lo
        open_ended = 0
        for obligation in unmet:
            any_key = False
            for alternative in obligation:
                match alternative:
                    case AtKey(key, _):
                        wanted.add(key)
                    case AtLeast(count):
                        least = max(least, count)
                    case AtPattern() | AtOther() | BadKey():
                        any_key = True
                        discharged = self.effects.discharge
                        wanted.update(
                            name for name in frame.names if discharged(frame, alternative, name) is not None
                        )
                    case Differs():
                        any_key = True
                        wanted.update(frame.names)
            open_ended += any_key
        missing = max(0, least - self.written.size)
        if missing:
            wanted.update(frame.names)
        return wanted, missing + open_ended


def keys_of(rest: JsonPieces) -> Iterator[str]:
    """Yield the keys of a shortest rest, unless it is of a plain shape, which writes none that no schema
    names."""
    if len(rest.parts) != 2:
        return
    text = rest.parts[0]
    while isinstance(text, JsonPieces) and text.parts:
        text, key, _value = text.parts
        assert isinstance(key, bytes), "a key before its value"
        yield json.loads(key.lstrip(b",").removesuffix(b":"))
