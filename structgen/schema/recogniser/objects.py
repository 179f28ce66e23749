"""Objects: finds the keys that may come next, the demands on their values, and when the object may close.

A *residue* is how far an object has come, and what it still owes. It is a set of *threads* (as in Pike's
simulation of an NFA). A *thread* is one way in which a demand of the place may still come true: the demand,
one of its shapes, and the *unmet* obligations of this shape. There is one for each live shape, and more where
a member may meet an obligation now or leave it to a later member.

All threads share the written part: the position in the declared order, the keys, and their number. The
*moves* of a key are the demands on its value, with the threads that go on after it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeGuard

from structgen.base.limits import Limits
from structgen.schema.meaning.literals import Literals
from structgen.schema.meaning.place import PlaceTables
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape import Alternative, AtKey, Differs, ObjectShape, Without
from structgen.schema.meaning.shape_disjunctions import Shapes
from structgen.schema.reading.json_values import EMPTY, JsonPieces
from structgen.schema.recogniser.members import Members, ObligationsLeft, Unmet, without_dominated
from structgen.schema.recogniser.object_frames import ObjectFrames
from structgen.schema.recogniser.object_keys import Frame, KeyClass, MemberKey, MembersSoFar
from structgen.schema.recogniser.object_search import Ask, Witness, keys_of
from structgen.schema.recogniser.wide_unions import WideUnions

Thread: TypeAlias = tuple[int, ObjectShape, Unmet]
"""A thread: the index of a demand in its place, one of the shapes of this demand, the unmet obligations."""
NextThread: TypeAlias = tuple[int, ObjectShape, Unmet | ObligationsLeft]
"""A thread after the next value. Its obligations may be worked out later (`ObligationsLeft`)."""
Moves: TypeAlias = tuple[int, list[tuple[int, NextThread]]]
"""The place of the value under a key, and the threads after it. Each thread stands beside the index of the
demand that the value must meet for it."""
_NOTHING = MembersSoFar(0, 0, 0)


@dataclass(slots=True, eq=False)
class ObjectState:
    """A residue of an object. It never changes, except for its memos."""

    id: int
    frame: Frame
    members_so_far: MembersSoFar
    has_members: bool
    """Whether a member has been written, so that a comma comes before the next one."""
    threads: tuple[Thread, ...]
    moves: dict[str, Moves | None] = field(default_factory=dict)
    """The moves of the named keys that were asked for; None for a key that may not come now."""
    extra: list[tuple[list[KeyClass], Moves]] | None = None
    rests: dict[int, JsonPieces] | None = None
    new_keys: frozenset[str] | None = None


class Objects:
    """The objects of one network: residues and their moves."""

    def __init__(
        self,
        tables: PlaceTables,
        scalars: Scalars,
        shapes: Shapes,
        limits: Limits,
        *,
        any_order: bool,
        residues: list[Any],
    ) -> None:
        """Take the parts that all objects of a network share.

        `residues` is the network's list of residues; new ones are added to it. `any_order`: keys may come
        in any order (property_order="any").
        """
        self.tables = tables
        self.shapes = shapes
        self.frames = ObjectFrames(tables, scalars, shapes, limits, any_order=any_order)
        self.members = Members(tables, scalars, self.frames, limits)
        self.limits = limits
        self.residues = residues
        self.wide_unions = WideUnions(self.frames)
        self.is_alive: Callable[[int], bool]
        """A function that returns whether some value meets a demand; set by the network."""
        self.ask_alive: Ask
        """A function that answers `is_alive` with a text (`Ask`): empty for yes, None for no; set by the
        network."""
        self._states: dict[tuple[object, ...], ObjectState] = {}
        self._live: dict[tuple[object, ...], bool] = {}

    def start(self, demands: tuple[int, ...]) -> ObjectState | None:
        """Return the residue of an object of which nothing is written, or None where no demand can be met."""
        threads: list[Thread] = []
        # `j` is the index of a demand among those of the place: outcomes are sets of such indices.
        for j, demand in enumerate(demands):
            for shape in self.shapes.object_shapes(demand):
                if self._has_object(demands, shape):
                    threads.append((j, shape, shape.obligations))
        if not threads:
            return None
        return self.intern_state(self.frames.frame_of(demands), _NOTHING, False, tuple(threads))

    def find_object(
        self,
        demand: int,
        shape: ObjectShape,
        ask: Ask,
        best: JsonPieces | None,
        with_text: bool,
        any_will_do: bool,
    ) -> JsonPieces | None:
        """Return the text of an object of one shape of a demand, or `best` where none is shorter.

        `ask` gives the values of members, for example `oracle.shortest_text`. `with_text` False: the caller
        asks only whether there is an object, and gets an empty text for yes. `any_will_do`: the first text
        that is found is returned, not the shortest.
        """
        if not with_text:
            if self._has_object((demand,), shape, ask):
                return EMPTY
            return best
        # A member takes at least five bytes, `"":1,` or `"":1}`: a search that cannot be shorter is skipped.
        min_length = 1 + 5 * max(len(shape.required_keys), shape.lo)
        if best is not None and best.length < min_length:
            return best
        frame = self.frames.frame_of((demand,))
        search = self._make_search(frame, shape, _NOTHING, ask)
        rest = search.shortest_rest(shape.obligations, False, any_will_do)
        text = best if rest is None else JsonPieces((b"{", rest))
        if text is not None and text.is_before(best):
            return text
        return best

    def _make_search(
        self,
        frame: Frame,
        shape: ObjectShape,
        members_so_far: MembersSoFar,
        ask: Ask,
        used_keys: Collection[str] = (),
    ) -> Witness:
        """Return a search for a rest of an object; the parameters are the fields of `Witness`."""
        return Witness(self.members, frame, shape, members_so_far, ask, used_keys)

    def _has_object(
        self,
        demands: tuple[int, ...],
        shape: ObjectShape,
        ask: Ask | None = None,
    ) -> bool:
        """Return whether some object has the shape. `ask` gives answers that are still being worked out."""
        ask_value = ask or self.ask_alive
        if any(ask_value(self.frames.value_demand(shape, key)) is None for key in shape.required_keys):
            return False
        if shape.simple:
            return True
        return self._goes_on(self.frames.frame_of(demands), shape, shape.obligations, _NOTHING, ask)

    def _goes_on(
        self,
        frame: Frame,
        shape: ObjectShape,
        unmet: Unmet,
        members_so_far: MembersSoFar,
        ask: Ask | None = None,
    ) -> bool:
        """Return whether a thread whose required keys can all come leads to a whole object.

        For example `(frame, shape, shape.obligations, _NOTHING)` at the beginning. `unmet` has the
        obligations of the thread, `members_so_far` the members. Answers are remembered. With `ask` (answers
        that are still being worked out) a no is not final, and is not remembered.
        """
        if not unmet:
            if shape.loose or (shape.plain and self.members.is_enough(frame, shape, members_so_far)):
                return True
        has_bounds = shape.lo or shape.hi is not None
        if ask is None and not has_bounds and self._met_by_presence(frame, shape, unmet):
            return True
        key = (frame.id, shape.id, unmet, members_so_far)
        has_rest = self._live.get(key)
        if has_rest is None:
            has_rest = self._make_search(frame, shape, members_so_far, ask or self.ask_alive).has_rest(unmet)
            if has_rest or ask is None:
                self._live[key] = has_rest
        return has_rest

    def may_differ(
        self,
        state: ObjectState,
        many: Callable[[int, int], bool],
    ) -> bool:
        """Return whether two or more objects are still possible, whichever key is written next: its value, or
        that of a later key, can differ. False: unknown.

        `many(demand, count)` returns whether a demand has at least `count` values.
        """

        def open_ended(moves: Moves) -> bool:
            return any(many(demand, 2) for demand in self.tables.places[moves[0]])

        offered_members = self._offered_members(state)
        for member_key, moves in offered_members:
            if open_ended(moves):
                continue
            # The value is fixed: whichever demand it meets, some later value must be able to differ.
            for index in range(len(self.tables.places[moves[0]])):
                after = self.state_after(state, moves, member_key, frozenset((index,)))
                if not any(open_ended(then) for _, then in self._offered_members(after)):
                    return False
        return bool(offered_members)

    def _offered_members(self, state: ObjectState) -> list[tuple[MemberKey, Moves]]:
        """Return all members that may come now, with their moves. One class stands for all unnamed keys with
        the same moves."""
        members: list[tuple[MemberKey, Moves]] = []
        for name in self.named_places(state):
            name_moves = self.find_moves(state, name)
            if name_moves is not None:
                members.append((name, name_moves))
        for classes, class_moves in self.extra_moves(state):
            members.append((classes[0], class_moves))
        return members

    def _met_by_presence(self, frame: Frame, shape: ObjectShape, unmet: Unmet) -> bool:
        """Return whether members that may come at any time can meet all obligations.

        True where each obligation is met by some key's mere presence, and these keys, with all that keys
        require, have no position in the order and values of their own: then the object that holds all of them
        is whole. False: unknown.
        """
        standing = self.frames.standing_of(frame, shape)
        ready_keys = standing.ready_keys
        if ready_keys is None:
            dependents = {key for _, dependent_keys in shape.conditional for key in dependent_keys}
            alternatives = (alternative for each in shape.obligations for alternative in each)
            meeting_keys = {alternative.key for alternative in alternatives if _is_presence(alternative)}
            ready_keys = frozenset(
                key
                for key in dependents | meeting_keys
                if frame.index[key] >= frame.ordered_count
                and self.is_alive(self.frames.value_demand(shape, key))
            )
            standing.has_ready_dependents = dependents <= ready_keys
            standing.ready_keys = ready_keys
        if not standing.has_ready_dependents:
            return False
        for obligation in unmet:
            keys = (alternative.key for alternative in obligation if _is_presence(alternative))
            if ready_keys.isdisjoint(keys):
                return False
        return True

    def intern_state(
        self,
        frame: Frame,
        members_so_far: MembersSoFar,
        has_members: bool,
        threads: tuple[Thread, ...],
    ) -> ObjectState:
        """Return the residue with these contents, the fields of `ObjectState`, interned."""
        key = (frame.id, members_so_far, has_members, threads)
        state = self._states.get(key)
        if state is None:
            state = ObjectState(len(self.residues), frame, members_so_far, has_members, threads)
            self.residues.append(state)
            self._states[key] = state
        return state

    def find_moves(self, state: ObjectState, name: str) -> Moves | None:
        """Return the moves of a named key, or None where the key may not come now."""
        if name not in state.moves:
            may_come = state.frame.may_come(name, state.members_so_far)
            state.moves[name] = self._compute_moves(state, name) if may_come else None
        return state.moves[name]

    def _compute_moves(self, state: ObjectState, member_key: MemberKey) -> Moves | None:
        """Return the moves of a key: the place of its value, and the threads after it. None where no thread
        allows the key now."""
        frame = state.frame
        after = state.frame.members_after(state.members_so_far, member_key)
        # A key without a position comes after all keys that have one.
        index = frame.index[member_key] if isinstance(member_key, str) else frame.ordered_count
        reach = min(index, frame.ordered_count)
        # For each demand its index in the new place; equal demands of several threads share one.
        demands: dict[int, int] = {}
        next_threads: list[tuple[int, NextThread]] = []
        for thread in state.threads:
            j, shape, unmet = thread
            standing = self.frames.standing_of(frame, shape)
            if standing.last >= state.members_so_far.pos:
                required_indices = standing.required_indices
                first = bisect_left(required_indices, state.members_so_far.pos)
                # The key would pass over an earlier key that the thread still requires.
                if first < len(required_indices) and required_indices[first] < reach:
                    continue
            if shape.hi is not None and state.members_so_far.size >= shape.hi:
                continue
            if shape.plain:
                demand = self.members.base_demand(frame, shape, member_key)
                if not self.is_alive(demand):
                    continue
                if not self._goes_on(frame, shape, unmet, after):
                    continue
                next_threads.append((demands.setdefault(demand, len(demands)), thread))
                continue
            # Obligations may be met by this value or by later ones: the thread splits into several.
            goes_on = partial(self._goes_on, frame, shape, members_so_far=after)
            ways = self.members.ways_to_take(frame, shape, unmet, member_key, state.members_so_far, goes_on)
            for demand, obligations_left in ways:
                if self.is_alive(demand):
                    number = demands.setdefault(demand, len(demands))
                    next_threads.append((number, (j, shape, obligations_left)))
        if not next_threads:
            return None
        return self.tables.place(tuple(demands)), next_threads

    def named_places(self, state: ObjectState) -> dict[str, int]:
        """Return the named keys that may come now, each with the place of its value."""
        frame = state.frame
        # The last name that some thread can reach without passing over a key that it requires.
        limit = -1
        for _, shape, _ in state.threads:
            required_indices = self.frames.standing_of(frame, shape).required_indices
            first = bisect_left(required_indices, state.members_so_far.pos)
            reach = required_indices[first] if first < len(required_indices) else len(frame.names)
            limit = max(limit, reach)
        last = min(limit + 1, len(frame.names))
        reachable_names = frame.names[state.members_so_far.pos : last]
        names = [name for name in reachable_names if frame.may_come(name, state.members_so_far)]
        shapes = tuple([shape for _, shape, _ in state.threads])
        if self.wide_unions.can_take(frame, state.threads):
            live = dict(self.wide_unions.next_demands(frame, state.members_so_far.pos, state.threads, names))
        elif state.members_so_far.pos >= frame.ordered_count and all(shape.simple for shape in shapes):
            # the written part does not affect the values under other keys
            live = frame.live.setdefault(shapes, {})
            for name in names:
                if name not in live:
                    demands = dict.fromkeys(self.frames.value_demand(shape, name) for shape in shapes)
                    live[name] = tuple(filter(self.is_alive, demands))
        else:
            moves = ((name, self.find_moves(state, name)) for name in names)
            return {name: key_moves[0] for name, key_moves in moves if key_moves is not None}
        return {name: self.tables.place(live[name]) for name in names if live.get(name)}

    def extra_moves(self, state: ObjectState) -> list[tuple[list[KeyClass], Moves]]:
        """Return the classes of unnamed keys that may come now, those with the same moves together."""
        extra = state.extra
        if extra is None:
            extra = []
            standing = self.frames.standing_of
            pos = state.members_so_far.pos
            # Unnamed keys come after the ordered ones: some thread must have all its required ordered keys.
            if any(standing(state.frame, shape).last < pos for _, shape, _ in state.threads):
                groups: dict[object, tuple[list[KeyClass], Moves]] = {}
                for key_class in self.frames.classes_of(state.frame):
                    moves = self._compute_moves(state, key_class)
                    if moves is not None:
                        key = (moves[0], tuple(moves[1]))
                        groups.setdefault(key, ([], moves))[0].append(key_class)
                extra = list(groups.values())
            # Remembered only once it is whole: a limit may have been met on the way.
            state.extra = extra
        return extra

    def demands_if_closed(self, state: ObjectState) -> frozenset[int]:
        """Return the indices of the demands that the object meets if it closes now."""
        frame = state.frame
        members_so_far = state.members_so_far
        met: list[int] = []
        for j, shape, unmet in state.threads:
            standing = self.frames.standing_of(frame, shape)
            if standing.last < members_so_far.pos and not standing.free_required & ~members_so_far.mask:
                if self.members.can_close(shape, frame, members_so_far, unmet):
                    met.append(j)
        return frozenset(met)

    def key_signature(self, state: ObjectState, key: str) -> object:
        """Return a signature of a named key. Two keys have equal ones where every thread treats both in the
        same way; the demands on their values are not compared."""
        frame = state.frame
        index = frame.index[key]
        if index < frame.ordered_count or frame.watched_bits >> index & 1:
            return key
        needed_literals: list[Literals | None] = []
        for _, shape, unmet in state.threads:
            standing = self.frames.standing_of(frame, shape)
            if key in shape.values or standing.free_required >> index & 1:
                return key
            for obligation in unmet:
                for alternative in obligation:
                    # Such alternatives name this very key, so that no other key is like it.
                    names_key = isinstance(alternative, AtKey | Without) and alternative.key == key
                    if isinstance(alternative, Differs) or names_key:
                        return key
                    needed_literals.append(self.members.discharging_literals(frame, alternative, key))
        return tuple(needed_literals)

    def least_more(self, state: ObjectState) -> tuple[tuple[str, ...], int]:
        """Return the keys that must still come in any case, and the least number of members that must
        come."""
        frame = state.frame
        members_so_far = state.members_so_far
        common: dict[str, None] | None = None
        min_count: int | None = None
        for _, shape, _ in state.threads:
            owed = self.frames.standing_of(frame, shape).owed_indices(members_so_far)
            keys = dict.fromkeys(frame.names[index] for index in owed)
            for key, dependents in shape.conditional:
                if members_so_far.mask >> frame.index[key] & 1:
                    for dependent in dependents:
                        if not members_so_far.mask >> frame.index[dependent] & 1:
                            keys[dependent] = None
            # Any thread may be the one that ends: only keys that all of them owe must come.
            common = keys if common is None else {key: None for key in common if key in keys}
            count_owed = max(len(keys), shape.lo - members_so_far.size)
            min_count = count_owed if min_count is None else min(min_count, count_owed)
        return tuple(common or ()), min_count or 0

    def state_after(
        self,
        state: ObjectState,
        moves: Moves,
        member_key: MemberKey,
        met: frozenset[int],
    ) -> ObjectState:
        """Return the residue after a member whose value met these demands of its place.

        `moves` are those of the key, and `met` the indices of the demands, for example `frozenset({0})`.
        """
        members_so_far = state.frame.members_after(state.members_so_far, member_key)
        next_threads: list[Thread] = []
        for index, (j, shape, obligations_left) in moves[1]:
            if index in met:
                if isinstance(obligations_left, ObligationsLeft):
                    next_threads.append((j, shape, obligations_left.unmet))
                else:
                    next_threads.append((j, shape, obligations_left))
        threads = without_dominated(next_threads, _is_ahead)
        frame = state.frame
        if (members_so_far.size or frame.watched_bits) and all(shape.simple for _, shape, _ in threads):
            # The count and the watched keys were for other threads: without them more residues are equal.
            # The two shifts clear the bits of the ordered keys.
            free_mask = members_so_far.mask >> frame.ordered_count << frame.ordered_count
            members_so_far = MembersSoFar(members_so_far.pos, free_mask, 0)
        return self.intern_state(frame, members_so_far, True, threads)

    def shortest_rest(
        self,
        state: ObjectState,
        thread: Thread,
        ask: Ask,
        used_keys: Collection[str] = (),
    ) -> JsonPieces | None:
        """Return the shortest rest of the object for one of its threads, None where none is known.

        `ask` gives the values of members, for example `oracle.shortest_text`; `used_keys` are keys that must
        not come again and that the frame does not name.
        """
        _, shape, unmet = thread
        search = self._make_search(state.frame, shape, state.members_so_far, ask, used_keys)
        return search.shortest_rest(unmet, state.has_members)

    def new_keys(
        self,
        state: ObjectState,
        rests: Mapping[int, JsonPieces],
    ) -> frozenset[str]:
        """Return the keys that rests of an object write and its frame does not name.

        Cost: their members; once for a residue's `rests`."""
        if rests is state.rests and state.new_keys is not None:
            return state.new_keys
        keys = (key for rest in rests.values() for key in keys_of(rest))
        unnamed_keys = frozenset(key for key in keys if key not in state.frame.index)
        if rests is state.rests:
            state.new_keys = unnamed_keys
        return unnamed_keys


def _is_presence(alternative: Alternative) -> TypeGuard[AtKey]:
    """Return whether an alternative asks for the presence of a key, and nothing of its value."""
    return type(alternative) is AtKey and not alternative.literals


def _is_ahead(shape: ObjectShape, unmet: Unmet, other_unmet: Unmet) -> bool:
    """Return whether the unmet obligations of one thread are fewer, and all among those of another."""
    return bool(other_unmet) and frozenset(unmet) < frozenset(other_unmet)
