"""Members: how a thread of an object changes when one is written, and the shortest rest of an object."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from structgen.errors import LimitError
from structgen.limits import Limits
from structgen.schema.meaning.place import NEVER, STRING, PlaceTables
from structgen.schema.meaning.scalars import Scalars
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
from structgen.schema.recogniser.excluded_values import closes, member_ways, parted, reachable, values_of
from structgen.schema.recogniser.object_frames import Frames
from structgen.schema.recogniser.object_keys import Frame
from structgen.schema.recogniser.object_search import Ask, MemberPlan, Undecided, Where, Witness
from structgen.schema.recogniser.value_outcomes import ValueOutcomes

Unmet: TypeAlias = tuple[Obligation, ...]
"""Obligations that are still open, each with the alternatives that are still possible."""
Layer: TypeAlias = dict[tuple[int, int, Unmet, bool, int], JsonPieces]
"""Keys written that matter, number of members, unmet obligations, whether any was written, place in the order
-> text."""


class AskedSets(NamedTuple):
    """The sets of values that matter to obligations."""

    asked: tuple[tuple[int, ...], ...]
    """Each set as the literals that its values meet."""
    sets: list[int]
    """For each obligation the sets any of which meets it, as bits; -1: every value meets it."""

    def only(self, at: int) -> tuple[int, ...] | None:
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


class Members:
    """The effects of members on threads; without residues."""

    def __init__(self, tables: PlaceTables, scalars: Scalars, frames: Frames, limits: Limits) -> None:
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

    def discharge(self, frame: Frame, alternative: Alternative, where: Where) -> tuple[int, ...] | None:
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

    def options(
        self, frame: Frame, shape: ObjectShape, unmet: Unmet, where: Where
    ) -> list[tuple[int, Unmet]]:
        """Return the ways to take a member: the demand on its value, and the unmet obligations after it."""
        base = self.base(frame, shape, where)
        if base == NEVER:
            return []
        if not unmet:
            return [(base, unmet)]
        others, held = parted(unmet)
        asked_sets = self._asked_sets(frame, base, others, where)
        found = dict.fromkeys(
            (demand, Left(others, asked_sets.sets, met).unmet)
            for demand, met in self.outcomes.of(base, asked_sets.asked)
        )
        if isinstance(held, Differs):
            key = where if isinstance(where, str) else None
            return member_ways(self.tables, list(found), held, key)
        return list(found)

    def going(
        self,
        frame: Frame,
        shape: ObjectShape,
        unmet: Unmet,
        where: Where,
        goes_on: Callable[[Unmet], bool],
        trim: Callable[[Obligation], Obligation | None],
    ) -> list[tuple[int, Left]]:
        """Return the ways to take a member that lead to a whole object: the demand on its value, and the
        unmet obligations after it.

        `trim`: an obligation with the alternatives that are left after the member, () where it is met, None
        where nothing is left. Cost: one question to `goes_on` where it says yes to the obligations that are
        left after the least helpful value, since a value that meets more is no worse; else one for each way.
        """
        base = self.base(frame, shape, where)
        if base == NEVER:
            return []
        after: list[Obligation | None] = []
        musts: dict[int, None] = {}
        asked_sets = self._asked_sets(frame, base, unmet, where)
        for at, obligation in enumerate(unmet):
            rest = trim(obligation) if asked_sets.sets[at] >= 0 else ()
            after.append(rest)
            if rest is None:
                # Only this value can meet the obligation.
                if not asked_sets.sets[at]:
                    return []
                only = asked_sets.only(at)
                if only is not None:
                    musts.update(dict.fromkeys(only))
        if musts:
            base = self.tables.both_judging(base, list(musts))
            if base == NEVER or self.scalars.contradictory(self.tables.demands[base]):
                return []
            asked_sets = self._asked_sets(frame, base, unmet, where)
        outcomes = self.outcomes.of(base, asked_sets.asked)
        sets = asked_sets.sets
        worst = tuple([rest for at, rest in enumerate(after) if sets[at] >= 0 and rest])
        # An obligation that every value meets is met; another that nothing else meets needs its value.
        needed = [sets[at] for at, rest in enumerate(after) if rest is None and sets[at] >= 0]
        is_sure = goes_on(worst)
        found: dict[tuple[int, Left], None] = {}
        for demand, met in outcomes:
            if all(one & met for one in needed):
                left = Left(after, sets, met)
                if is_sure or goes_on(left.unmet):
                    found[demand, left] = None
        return list(found)

    def _asked_sets(self, frame: Frame, base: int, unmet: Unmet, where: Where) -> AskedSets:
        """Return which sets the value of a member must lie in to meet obligations."""
        said = self.tables.demands[base]
        asked: dict[tuple[int, ...], int] = {}
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
                    news = tuple([one for one in literals if not self.scalars.surely(said, one)])
                    if not news:
                        own = -1
                        break
                    if not self.scalars.contradictory((*said, *news)):
                        own |= 1 << asked.setdefault(news, len(asked))
            sets.append(own)
        return AskedSets(tuple(asked), sets)

    def unmet_after(
        self, frame: Frame, unmet: Unmet, where: Where, before: int, pos: int, mask: int, count: int
    ) -> Unmet | None:
        """Return the unmet obligations after a member; None where one can no longer be met."""
        if not unmet:
            return unmet
        left: list[Obligation] = []
        for obligation in unmet:
            kept: list[Alternative] = []
            held = False
            for alternative in obligation:
                match alternative:
                    case Without(key):
                        if key == where:
                            continue
                        index = frame.index[key]
                        if index < frame.ordered:
                            if before <= index < pos:
                                held = True
                                break
                            if index < before:
                                continue
                        elif mask >> index & 1:
                            continue
                    case AtKey(key, _):
                        index = frame.index[key]
                        if key == where or (index < pos if index < frame.ordered else mask >> index & 1):
                            continue
                    case AtLeast(least):
                        if count >= least:
                            held = True
                            break
                    case AtMost(most):
                        if count > most:
                            continue
                    case Differs():

                        def gone(key: str) -> bool:
                            index = frame.index[key]
                            return index < pos if index < frame.ordered else bool(mask >> index & 1)

                        still = reachable(alternative, gone)
                        if still is None:
                            held = True
                            break
                        kept.append(still)
                        continue
                kept.append(alternative)
            if held:
                continue
            if not kept:
                return None
            left.append(tuple(kept))
        return tuple(left)

    def closes(self, shape: ObjectShape, frame: Frame, mask: int, count: int, unmet: Unmet) -> bool:
        """Return whether an object that has all its required keys may close."""
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

    def missing(self, frame: Frame, shape: ObjectShape, pos: int, mask: int) -> int:
        """Return how many required keys are still to be written."""
        standing = self.frames.standing(frame, shape)
        missing = len(standing.required) - bisect_left(standing.required, pos)
        return missing + (standing.free_required & ~mask).bit_count()

    def complete(
        self,
        frame: Frame,
        shape: ObjectShape,
        unmet: Unmet,
        pos: int,
        mask: int,
        count: int,
        begun: bool,
        ask: Ask,
        written: bool,
        taken: Collection[str] = (),
    ) -> JsonPieces | None:
        """Return the shortest rest of an object for one thread, closing brace included, or None.

        `ask` gives the text of a value; `written` False leaves keys out (only whether there is a rest
        matters). A shortest-path search over the keys in the order in which they are written. `taken`: keys
        that the object already holds and the frame does not name.
        """
        required = set(shape.required)
        if shape.plain:
            missing = self.missing(frame, shape, pos, mask)
            if count + missing >= shape.lo and (shape.hi is None or count + missing <= shape.hi):
                return self._plain_rest(frame, shape, pos, mask, begun, ask, written)
        witness = Witness(
            self.tables,
            self.frames,
            self.limits,
            self.discharge,
            frame,
            shape,
            pos,
            mask,
            count,
            taken,
            ask,
        )
        room: int | None = None
        alternatives, held = parted(unmet)
        try:
            plan = witness.find(alternatives)
            if plan is None:
                return None
            if held is None:
                if not written:
                    return EMPTY
                room = self._size(frame, plan, count, begun, ask, taken)
            elif not written and isinstance(held, Differs) and self._differs(plan, held, count, ask):
                return EMPTY
        except Undecided:
            pass
        candidates = self._candidates(frame, shape, unmet, pos, mask, count, written, taken, ask)
        conditional = 0
        for key, others in shape.conditional:
            conditional |= 1 << frame.index[key]
            for other in others:
                conditional |= 1 << frame.index[other]
        # What the members after each candidate cost at the least.
        after = [0] * (len(candidates) + 1)
        for at in range(len(candidates) - 1, -1, -1):
            text, where, _ = candidates[at]
            after[at] = after[at + 1]
            if isinstance(where, str) and where in required:
                value = ask(self.base(frame, shape, where))
                after[at] += len(text) + (value.length if value is not None else 1) + 1
        named = {where for _, where, _ in candidates if isinstance(where, str)}
        start: Unmet | None = unmet
        for key in _keys_without(unmet) - named:
            start = None if start is None else _passed_over(start, key)
        if start is None:
            return None
        layer: Layer = {(mask & conditional, count, start, begun, pos): EMPTY}
        steps = 0
        for at, (text, where, index) in enumerate(candidates):
            needed = isinstance(where, str) and where in required
            following: Layer = {}
            if not needed:
                for (mask_now, count_now, owed, begun_now, pos_now), prefix in layer.items():
                    passed = _passed_over(owed, where) if isinstance(where, str) else owed
                    if passed is not None:
                        state = (mask_now, count_now, passed, begun_now, pos_now)
                        if prefix.before(following.get(state)):
                            following[state] = prefix
            for (mask_now, count_now, debt_now, begun_now, pos_now), prefix in layer.items():
                count_then = min(count_now + 1, frame.cap) if frame.cap else 0
                if shape.hi is not None and count_now + 1 > shape.hi:
                    continue
                least = prefix.length + len(text) + begun_now + after[at + 1]
                if room is not None and least + 1 > room:
                    continue
                pos_then = index + 1 if 0 <= index < frame.ordered else frame.ordered
                mask_then = mask_now | (1 << index & conditional if index >= 0 else 0)
                for demand, left in self.options(frame, shape, debt_now, where):
                    steps += 1
                    if steps > self.limits.oracle_steps:
                        raise LimitError(
                            "the ways to complete an object here are too many.",
                            limit="oracle_steps",
                            where=next(iter(self.tables.sources(frame.demands)), ""),
                        )
                    steps_of_one = 1 + len(shape.obligations) // 3
                    self.tables.spend(steps_of_one, self.limits, "How an object is completed", frame.demands)
                    value = ask(demand)
                    if value is None or (room is not None and least + value.length > room):
                        continue
                    unmet_after = self.unmet_after(
                        frame, left, where, pos_now, pos_then, mask_now, count_then
                    )
                    if unmet_after is None:
                        continue
                    state = (mask_then, count_then, unmet_after, True, pos_then)
                    new = (
                        JsonPieces((prefix, b"," + text if begun_now else text, value)) if written else EMPTY
                    )
                    if new.before(following.get(state)):
                        following[state] = new
            layer = following
            if not layer:
                return None
        best: JsonPieces | None = None
        for (mask_now, count_now, debt_now, _, _), prefix in layer.items():
            if self.closes(shape, frame, mask_now, count_now, debt_now) and prefix.before(best):
                best = prefix
        return None if best is None else JsonPieces((best, b"}"))

    def _differs(self, plan: MemberPlan, held: Differs, count: int, ask: Ask) -> bool:
        """Return whether the members of a plan alone make an object that differs from all excluded values by
        one member. False: unknown."""
        if count + len(plan.members) < plan.least:
            return False
        names = {slot for slot in plan.members if isinstance(slot, str)}
        same = [rest for rest in held.rests if {key for key, _ in rest} == names]
        if not same or len(names) < len(plan.members):
            return True
        values = values_of(same)
        for name in sorted(names):
            other = self.tables.constants.none_of(frozenset(values[name]))
            demand = self.tables.both(plan.members[name].demand, (other,))
            if demand != NEVER and ask(demand) is not None:
                return True
        return False

    def _size(
        self, frame: Frame, plan: MemberPlan, count: int, begun: bool, ask: Ask, taken: Collection[str]
    ) -> int | None:
        """Return the length of a plan's text without the closing brace, or None where a text is unknown."""
        if count + len(plan.members) < plan.least:
            return None
        size = len(plan.members) - (not begun and bool(plan.members))
        used: dict[int, int] = {}
        for member in plan.members.values():
            value = ask(member.demand)
            if value is None:
                return None
            if isinstance(member.where, str):
                key = member.where
            else:
                nth = used.get(member.where.index, 0)
                used[member.where.index] = nth + 1
                fresh = self.frames.fresh_keys(frame, member.where, nth + 1, taken)
                if len(fresh) <= nth:
                    return None
                key = fresh[nth]
            size += len(self.scalars.written(key)) + 1 + value.length
        return size

    def keys_of(self, rest: JsonPieces) -> Iterator[str]:
        """Yield the keys of a text that `complete` returned, unless it is of a plain shape, which writes
        none that no schema names."""
        if len(rest.parts) != 2:
            return
        text = rest.parts[0]
        while isinstance(text, JsonPieces) and text.parts:
            text, key, _value = text.parts
            assert isinstance(key, bytes), "a key before its value"
            yield json.loads(key.lstrip(b",").removesuffix(b":"))

    def _plain_rest(
        self, frame: Frame, shape: ObjectShape, pos: int, mask: int, begun: bool, ask: Ask, written: bool
    ) -> JsonPieces | None:
        standing = self.frames.standing(frame, shape)
        parts: list[bytes | JsonPieces] = []
        indices = standing.required[bisect_left(standing.required, pos) :]
        free = standing.free_required & ~mask
        if free:
            rest = [frame.names[index] for index in _bits(free)]
            rest.sort(key=self.scalars.written)
            names = [*(frame.names[index] for index in indices), *rest]
        else:
            names = [frame.names[index] for index in indices]
        whole = True
        for name in names:
            demand = self.frames.value(shape, name)
            value = ask(demand) if demand != NEVER else None
            if value is None:
                if demand == NEVER or not written:
                    return None
                # What is not known yet is asked for at once, not one at a time.
                whole, value = False, EMPTY
            parts.append((b"," if begun else b"") + self.scalars.written(name) + b":")
            parts.append(value)
            begun = True
        parts.append(b"}")
        return JsonPieces(tuple(parts)) if whole else None

    def _candidates(
        self,
        frame: Frame,
        shape: ObjectShape,
        unmet: Unmet,
        pos: int,
        mask: int,
        count: int,
        written: bool,
        taken: Collection[str],
        ask: Ask,
    ) -> list[tuple[bytes, Where, int]]:
        """Return the candidates for members of a shortest rest, in the order of their writing."""
        wanted: set[str] = set(shape.required)
        for key, others in shape.conditional:
            wanted.add(key)
            wanted.update(others)
        least = shape.lo
        open_ended = 0
        for obligation in unmet:
            any_key = False
            for alternative in obligation:
                if isinstance(alternative, AtKey):
                    wanted.add(alternative.key)
                elif isinstance(alternative, AtLeast):
                    least = max(least, alternative.count)
                elif isinstance(alternative, (AtPattern, AtOther, BadKey)):
                    any_key = True
                    wanted.update(
                        name for name in frame.names if self.discharge(frame, alternative, name) is not None
                    )
                elif isinstance(alternative, Differs):
                    any_key = True
                    wanted.update(key for rest in alternative.rests for key, _ in rest)
                    wanted.update(frame.names)
            open_ended += any_key
        missing = max(0, least - count)
        if missing:
            wanted.update(frame.names)
        ordered: list[tuple[bytes, Where, int]] = []
        free: list[tuple[bytes, Where, int]] = []
        for name in wanted:
            index = frame.index[name]
            if index < frame.ordered:
                if index >= pos:
                    ordered.append((self.scalars.written(name) + b":" if written else b"", name, index))
            elif not mask >> index & 1:
                free.append((self.scalars.written(name) + b":", name, index))
        ordered.sort(key=lambda candidate: candidate[2])
        extras = missing + open_ended
        unlisted = self.frames.unlisted(frame) if extras else None
        if unlisted is not None:
            supply = unlisted.supply(shape, extras, taken, ask, self.limits.oracle_steps)
            free.extend((self.scalars.written(key) + b":", key_class, -1) for key, key_class in supply)
        elif extras:
            for key_class in self.frames.classes(frame):
                if self.frames.extra(frame, shape, key_class) == NEVER:
                    continue
                if not written and self.scalars.is_infinite(key_class.formula):
                    free.extend((b"", key_class, -1) for _ in range(extras))
                else:
                    free.extend(
                        (self.scalars.written(key) + b":", key_class, -1)
                        for key in self.frames.fresh_keys(frame, key_class, extras, taken)
                    )
        # of keys without a name, the shortest comes first: so does a key that has begun go on
        first: dict[Where, bytes] = {}
        for text, where, _ in free:
            first.setdefault(where, text)
        free.sort(key=lambda candidate: first[candidate[1]])
        return [*ordered, *free]


def _keys_without(unmet: Unmet) -> set[str]:
    """Return the keys whose absence meets an obligation."""
    return {one.key for obligation in unmet for one in obligation if isinstance(one, Without)}


def _passed_over(unmet: Unmet, key: str) -> Unmet | None:
    """Return the obligations that are left where a key never comes; None where one cannot be met then.

    Rests of an object that differ in what they left out before need the same from here on.
    """
    if not any(isinstance(one, (Without, AtKey)) and one.key == key for each in unmet for one in each):
        return unmet
    left: list[Obligation] = []
    for obligation in unmet:
        if not any(isinstance(one, Without) and one.key == key for one in obligation):
            kept = tuple([one for one in obligation if not (isinstance(one, AtKey) and one.key == key)])
            if not kept:
                return None
            left.append(kept)
    return tuple(left)


def _bits(mask: int) -> list[int]:
    found: list[int] = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found
