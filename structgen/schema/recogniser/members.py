"""Members: how a thread of an object changes when one member is written.

A *thread* is one way in which the object may still become valid; it follows one shape. An *obligation* is a
set of *alternatives*, one of which must come true while the object is written. A member may meet an
obligation, leave it open, or make some of its alternatives impossible. For example of `(Without("a"),
AtKey("b", B))` only the second one is possible after a member "a".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

from structgen.base.limits import Limits
from structgen.schema.meaning.literals import STRING, Literal, Literals
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
    Differs,
    ObjectShape,
    Obligation,
    Without,
)
from structgen.schema.recogniser.excluded_values import (
    UnwrittenMembers,
    is_other_value,
    member_ways,
    reachable_values,
    split_exclusion,
)
from structgen.schema.recogniser.object_frames import ObjectFrames
from structgen.schema.recogniser.object_keys import Frame, MemberKey, MembersSoFar
from structgen.schema.recogniser.value_outcomes import ValueOutcomes

S = TypeVar("S")
P = TypeVar("P")
Unmet: TypeAlias = tuple[Obligation, ...]
"""The unmet obligations of a thread, each with the alternatives that are still possible."""


class AskedSets(NamedTuple):
    """The sets of values that can meet obligations: an obligation is met if the value lies in one of its
    sets."""

    set_literals: tuple[Literals, ...]
    """The sets, each given by the literals that its values meet."""
    sets: list[int]
    """For each obligation the numbers of its sets, as bits; -1: every value meets the obligation."""

    def only_set(self, number: int) -> Literals | None:
        """Return the literals of the only set that meets an obligation, or None where there are several."""
        bits = self.sets[number]
        # Exactly one bit is set if nothing is left without the lowest bit.
        if bits and not bits & (bits - 1):
            return self.set_literals[bits.bit_length() - 1]
        return None


@dataclass(eq=False, slots=True)
class ObligationsLeft:
    """The obligations that a member's value leaves open. They are computed when they are first asked for.

    A union of n objects has n outcomes of its discriminator, and each leaves n - 1 obligations.
    """

    _after: Sequence[Obligation | None]
    """The open alternatives of each obligation unless the value meets it."""
    _sets: Sequence[int]
    """The sets of `AskedSets`."""
    _met: int
    """The bits of the sets in which the value lies."""
    _unmet: Unmet | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObligationsLeft) or self._met != other._met:
            return False
        return self._after == other._after and self._sets == other._sets

    def __hash__(self) -> int:
        # Hashing all obligations would take the time that this class saves.
        return hash(self._met)

    @property
    def unmet(self) -> Unmet:
        """The open obligations; the first call takes time linear in all of them."""
        if self._unmet is None:
            unmet: list[Obligation] = []
            for rest, bits in zip(self._after, self._sets, strict=True):
                # -1: every value meets the obligation.
                if rest and bits >= 0 and not bits & self._met:
                    unmet.append(rest)
            self._unmet = tuple(unmet)
        return self._unmet


_NOTHING = ObligationsLeft((), (), 0)


class MemberStep(NamedTuple):
    """One more member of an object, with the members before and after it."""

    frame: Frame
    key: MemberKey
    members_before: MembersSoFar
    members_after: MembersSoFar

    def is_gone(self, key: str) -> bool:
        """Return whether a key cannot come any more; the key of the member itself does not count."""
        index = self.frame.index[key]
        if index < self.frame.ordered_count:
            return key != self.key and index < self.members_after.pos
        # Bit `index` of the mask is 1 if the key is written.
        return bool(self.members_before.mask >> index & 1)

    def left_of(self, obligation: Obligation) -> Obligation | None:
        """Return the alternatives of an obligation that are possible after the member. (): the obligation is
        met. None: it can no longer be met. The member's value is not considered."""
        frame = self.frame
        members_before = self.members_before
        open_alternatives: list[Alternative] = []
        for alternative in obligation:
            match alternative:
                case Without(key):
                    if key == self.key:
                        continue
                    index = frame.index[key]
                    # The member passes over the key, which can never come after that: it is absent.
                    if index < frame.ordered_count and members_before.pos <= index < self.members_after.pos:
                        return ()
                    if not frame.may_come(key, members_before):
                        continue
                case AtKey(key, _):
                    if key == self.key or self.is_gone(key):
                        continue
                case AtLeast(min_size):
                    if self.members_after.size >= min_size:
                        return ()
                case AtMost(max_size):
                    if self.members_after.size > max_size:
                        continue
            open_alternatives.append(alternative)
        # the same tuple where nothing changed: fewer objects for the garbage collector
        if len(open_alternatives) == len(obligation):
            return obligation
        return tuple(open_alternatives) or None


class Members:
    """Computes the effect of one member on one thread."""

    def __init__(
        self,
        tables: PlaceTables,
        scalars: Scalars,
        frames: ObjectFrames,
        limits: Limits,
    ) -> None:
        self.tables = tables
        self.scalars = scalars
        self.frames = frames
        self.limits = limits
        self.outcomes = ValueOutcomes(tables, scalars, limits)

    def base_demand(self, frame: Frame, shape: ObjectShape, member_key: MemberKey) -> int:
        """Return the demand of a shape on the value of a member, without obligations."""
        if isinstance(member_key, str):
            return self.frames.value_demand(shape, member_key)
        return self.frames.extra_demand(frame, shape, member_key)

    def discharging_literals(
        self,
        frame: Frame,
        alternative: Alternative,
        member_key: MemberKey,
    ) -> Literals | None:
        """Return the literals that the member's value must meet to make an alternative true. None: the member
        cannot make it true."""
        match alternative:
            case AtKey(key, literals):
                return literals if member_key == key else None
            case AtPattern(source, literals):
                if self._pattern_matches(frame, source, member_key):
                    return literals
                return None
            case AtOther(schema, literals):
                if isinstance(member_key, str) and member_key in schema.properties:
                    return None
                sources = (source for source, _ in schema.pattern_properties)
                if any(self._pattern_matches(frame, source, member_key) for source in sources):
                    return None
                return literals
            case BadKey(literal):
                if isinstance(member_key, str):
                    formula = self.scalars.literal_formula(literal, STRING)
                    meets = self.scalars.string_meets(formula, member_key)
                else:
                    meets = frame.literal_at[literal] in member_key.true_predicates
                return None if meets else ()
        return None

    def _pattern_matches(self, frame: Frame, source: str, member_key: MemberKey) -> bool:
        if isinstance(member_key, str):
            return self.scalars.pattern_matches(source, member_key)
        # -1 is the number of no predicate: the frame does not have this pattern.
        return frame.pattern_at.get(source, -1) in member_key.true_predicates

    def ways_to_take(
        self,
        frame: Frame,
        shape: ObjectShape,
        unmet: Unmet,
        member_key: MemberKey,
        members_before: MembersSoFar,
        goes_on: Callable[[Unmet], bool] | None,
    ) -> list[tuple[int, ObligationsLeft]]:
        """Return the ways to take a member. Each is a demand on its value, with the obligations that stay
        open.

        `unmet` are the obligations of the thread, and `members_before` is what is written before the member.
        `goes_on` says whether a whole object follows where some obligations are open; ways that lead to none
        are left out. For example `[(demand, left)]` where nothing is owed.

        Cost: one question to `goes_on` where it says yes to the obligations that the least helpful value
        leaves, since a value that meets more is no worse; else one for each way.
        """
        base = self.base_demand(frame, shape, member_key)
        if base == NOTHING:
            return []
        if not unmet:
            if goes_on is None or goes_on(unmet):
                return [(base, _NOTHING)]
            return []
        others, exclusion = split_exclusion(unmet)
        step = MemberStep(frame, member_key, members_before, frame.members_after(members_before, member_key))
        asked_sets = self._asked_sets(frame, base, others, member_key)
        after = [
            step.left_of(obligation) if asked_sets.sets[number] >= 0 else ()
            for number, obligation in enumerate(others)
        ]
        owed = self._with_owed(base, asked_sets, after)
        if owed == NOTHING:
            return []
        if owed != base:
            # The owed literals may settle other obligations, so that the sets are asked again.
            base = owed
            asked_sets = self._asked_sets(frame, owed, others, member_key)
        # An obligation that every value meets (-1) is met; another that nothing else meets needs its value.
        open_pairs = [(rest, sets) for rest, sets in zip(after, asked_sets.sets, strict=True) if sets >= 0]
        worst = tuple([rest for rest, _ in open_pairs if rest])
        needed_sets = [sets for rest, sets in open_pairs if rest is None]
        ways_found = [
            (demand, ObligationsLeft(after, asked_sets.sets, met))
            for demand, met in self.outcomes.outcomes_of(base, asked_sets.set_literals)
            if all(sets & met for sets in needed_sets)
        ]
        if exclusion is not None:
            ways_found = self._with_exclusion(ways_found, exclusion, step)
        elif goes_on is None or goes_on(worst):
            goes_on = None  # it would say yes to every way
        ways_found = list(dict.fromkeys(ways_found))
        if goes_on is None:
            return ways_found
        return [
            (demand, obligations_left)
            for demand, obligations_left in ways_found
            if goes_on(obligations_left.unmet)
        ]

    def _with_exclusion(
        self,
        ways_found: list[tuple[int, ObligationsLeft]],
        exclusion: Differs[UnwrittenMembers],
        step: MemberStep,
    ) -> list[tuple[int, ObligationsLeft]]:
        """Return the ways split by the excluded values: each way knows which of them are still possible."""
        reachable = reachable_values(exclusion, step.is_gone)
        ways = [(demand, obligations_left.unmet) for demand, obligations_left in ways_found]
        if isinstance(step.key, str) and reachable is not None:
            ways = member_ways(self.tables, ways, reachable, step.key)
        # All that is left is known now: no set can meet more of it.
        return [(demand, ObligationsLeft(unmet, [0] * len(unmet), 0)) for demand, unmet in ways]

    def _with_owed(
        self,
        base: int,
        asked_sets: AskedSets,
        after: Sequence[Obligation | None],
    ) -> int:
        """Return the demand on a value, with the literals that it must meet because nothing else meets an
        obligation (None in `after`); NOTHING where no value can."""
        owed_literals: dict[Literal, None] = {}
        for number, rest in enumerate(after):
            if rest is None:
                if not asked_sets.sets[number]:
                    return NOTHING
                # With several sets to choose from none is owed: the outcomes choose.
                owed_literals.update(dict.fromkeys(asked_sets.only_set(number) or ()))
        if not owed_literals:
            return base
        demand = self.tables.add_judging_literals(base, list(owed_literals))
        if demand == NOTHING or self.scalars.are_contradictory(self.tables.demands[demand]):
            return NOTHING
        return demand

    def _asked_sets(
        self,
        frame: Frame,
        base: int,
        unmet: Unmet,
        member_key: MemberKey,
    ) -> AskedSets:
        """Return the sets in which the value of a member must lie to meet obligations.

        `base` is the demand on the value, and `unmet` are the obligations. For example the obligation
        `(AtKey("a", (literal,)),)` asks for one set where `member_key` is "a".
        """
        base_literals = self.tables.demands[base]
        set_numbers: dict[Literals, int] = {}
        sets: list[int] = []
        for obligation in unmet:
            bits = 0
            for alternative in obligation:
                if isinstance(alternative, Without):
                    continue
                if isinstance(alternative, AtKey) and alternative.key != member_key:
                    continue
                literals = self.discharging_literals(frame, alternative, member_key)
                if literals is not None:
                    # Literals that every value meets are not asked.
                    new_literals = tuple(
                        [
                            literal
                            for literal in literals
                            if not self.scalars.surely_meets(base_literals, literal)
                        ]
                    )
                    if not new_literals:
                        # -1: every value meets the obligation (`AskedSets.sets`).
                        bits = -1
                        break
                    if not self.scalars.are_contradictory((*base_literals, *new_literals)):
                        bits |= 1 << set_numbers.setdefault(new_literals, len(set_numbers))
            sets.append(bits)
        return AskedSets(tuple(set_numbers), sets)

    def can_close(
        self,
        shape: ObjectShape,
        frame: Frame,
        members_so_far: MembersSoFar,
        unmet: Unmet,
    ) -> bool:
        """Return whether an object that has all its required keys may close.

        `members_so_far` is what is written, for example `MembersSoFar(0, 0, 0)` of an empty object; `unmet`
        are the open obligations.
        """
        _, mask, count = members_so_far
        if count < shape.lo or (shape.hi is not None and count > shape.hi):
            return False
        for key, dependents in shape.conditional:
            if mask >> frame.index[key] & 1:
                if not all(mask >> frame.index[dependent] & 1 for dependent in dependents):
                    return False
        # At the end an absent key stays absent, and the number of members stays as it is.
        for obligation in unmet:
            if not any(
                isinstance(alternative, (Without, AtMost)) or is_other_value(alternative)
                for alternative in obligation
            ):
                return False
        return True

    def is_enough(self, frame: Frame, shape: ObjectShape, members_so_far: MembersSoFar) -> bool:
        """Return whether the required keys that are still to be written make an allowed number of members."""
        if shape.hi is None and not shape.lo:
            return True
        standing = self.frames.standing_of(frame, shape)
        count = members_so_far.size + len(standing.owed_indices(members_so_far))
        return count >= shape.lo and (shape.hi is None or count <= shape.hi)


def without_dominated(
    threads: Iterable[tuple[int, S, P]], dominates: Callable[[S, P, P], bool]
) -> tuple[tuple[int, S, P], ...]:
    """Return the distinct threads of an object or an array, without threads that another one of the same
    demand and shape dominates: the same with fewer obligations. The last part of a thread is what it owes."""
    distinct = tuple(dict.fromkeys(threads))
    if len(distinct) < 2 or not any(owed for _, _, owed in distinct):
        return distinct
    groups: dict[tuple[int, S], list[P]] = {}
    for j, shape, owed in distinct:
        groups.setdefault((j, shape), []).append(owed)
    return tuple(
        (j, shape, owed)
        for j, shape, owed in distinct
        if not any(dominates(shape, other_owed, owed) for other_owed in groups[j, shape])
    )
