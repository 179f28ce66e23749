"""Objects with many threads (a union of hundreds of schemas): what may come next, without asking each thread
about each key.

Of most keys most threads say the same: nothing, or what they say of any key. They are taken together, so
that the menu of n threads over m keys costs n + m and not n * m. Which threads go on after a key is worked
out when the key is written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TypeAlias

from structgen.schema.meaning.place import NEVER
from structgen.schema.meaning.shape import ObjectShape
from structgen.schema.reading.json_values import has_lone_surrogate
from structgen.schema.recogniser.object_frames import Frames
from structgen.schema.recogniser.object_keys import Frame

Threads: TypeAlias = Sequence[tuple[int, ObjectShape, object]]
"""Of each thread its demand, its shape, and what it still asks for."""
MANY = 16
"""Fewer threads than this are asked one by one."""


class Habits:
    """What a shape says of keys: a demand for those that it does not mention, and which it mentions."""

    __slots__ = ("mentioned", "usual")

    def __init__(self, usual: int, mentioned: frozenset[str]) -> None:
        self.usual = usual
        self.mentioned = mentioned


class _Group:
    """Threads of one residue with the same usual demand."""

    __slots__ = ("at", "members", "reach", "usual")

    def __init__(self, usual: int) -> None:
        self.usual = usual
        self.members: list[int] = []
        """Indices of threads, ascending."""
        self.at = 0
        """Members before this one do not go on at `reach` or beyond."""
        self.reach = 0


class Crowd:
    """The threads of one residue, taken together by what they say of most keys."""

    def __init__(
        self,
        frame: Frame,
        pos: int,
        threads: Threads,
        frames: Frames,
        habits: Callable[[ObjectShape], Habits],
        alive: Callable[[int], bool],
    ) -> None:
        self._frame, self._threads, self._frames, self._alive = frame, threads, frames, alive
        names = frame.names
        self._next: list[int] = []
        """For each thread the place in the order of its next required key, which no key may pass over."""
        self._mentions: dict[str, list[int]] = {}
        groups: dict[int, _Group] = {}
        for at, (_, shape, _) in enumerate(threads):
            required = frames.standing(frame, shape).required
            where = bisect_left(required, pos)
            self._next.append(required[where] if where < len(required) else len(names))
            said = habits(shape)
            for name in said.mentioned:
                self._mentions.setdefault(name, []).append(at)
            if said.usual != NEVER and alive(said.usual):
                groups.setdefault(said.usual, _Group(said.usual)).members.append(at)
        self._groups = list(groups.values())

    def demands(self, name: str) -> tuple[int, ...]:
        """Return what a value under a key must meet, in the order of the threads; empty: no thread goes on.

        Cost: the number of threads that mention the key, and of groups, if names come in the frame's order.
        """
        frame = self._frame
        reach = min(frame.index[name], frame.ordered)
        mentions = self._mentions.get(name, [])
        first: dict[int, int] = {}
        for at in mentions:
            if self._next[at] >= reach:
                demand = self._frames.value(self._threads[at][1], name)
                if demand != NEVER and self._alive(demand):
                    first.setdefault(demand, at)
        speaking = set(mentions)
        for group in self._groups:
            at = self._first(group, reach, speaking)
            if at >= 0 and first.get(group.usual, at) >= at:
                first[group.usual] = at
        return tuple(sorted(first, key=first.__getitem__))

    def _first(self, group: _Group, reach: int, speaking: set[int]) -> int:
        """Return the first thread of a group that goes on and does not mention the key, or -1."""
        if reach < group.reach:
            group.at = 0
        group.reach = reach
        members, following = group.members, self._next
        while group.at < len(members) and following[members[group.at]] < reach:
            group.at += 1
        for place in range(group.at, len(members)):
            at = members[place]
            if following[at] >= reach and at not in speaking:
                return at
        return -1


class Crowds:
    """Makes the crowds of one network's objects."""

    def __init__(self, frames: Frames, alive: Callable[[int], bool], *, lone: bool) -> None:
        """`lone`: keys with lone surrogates can be written."""
        self._frames, self._alive, self._lone = frames, alive, lone
        self._habits: dict[int, Habits | None] = {}

    def of(self, frame: Frame, pos: int, threads: Threads) -> Crowd | None:
        """Return the crowd of a residue; None where its threads are few, or a key must be asked of each."""
        if len(threads) < MANY:
            return None
        if not self._lone and any(map(has_lone_surrogate, frame.names)):
            return None
        habits: dict[int, Habits] = {}
        for _, shape, _ in threads:
            said = self._of_shape(shape)
            if said is None:
                return None
            habits[shape.id] = said
        return Crowd(frame, pos, threads, self._frames, lambda shape: habits[shape.id], self._alive)

    def _of_shape(self, shape: ObjectShape) -> Habits | None:
        if shape.id not in self._habits:
            self._habits[shape.id] = self._make(shape)
        return self._habits[shape.id]

    def _make(self, shape: ObjectShape) -> Habits | None:
        facets = shape.facets
        if not shape.simple or shape.key_literals or any(facet.pattern_properties for facet in facets):
            return None
        tables = self._frames.tables
        usual = tables.demand(
            tables.literal(facet.additional) for facet in facets if facet.additional is not None
        )
        mentioned = set(shape.values)
        for facet in facets:
            mentioned.update(facet.properties)
        return Habits(usual, frozenset(mentioned))
