"""Objects with many threads (a union of hundreds of schemas): their next keys, without asking each thread
about each key.

For most keys most threads have their default demand: that on any key which they do not mention. Threads with
the same default are grouped, so that the menu of n threads over m keys costs n + m and not n * m. The threads
that go on after a key are computed when the key is written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from structgen.schema.meaning.place import NEVER
from structgen.schema.meaning.shape import ObjectShape
from structgen.schema.recogniser.object_frames import Frames
from structgen.schema.recogniser.object_keys import Frame

Threads: TypeAlias = Sequence[tuple[int, ObjectShape, object]]
"""The threads of a residue: demand, shape, unmet obligations."""
MANY = 16
"""Fewer threads than this are asked one by one."""


class KeyDefaults(NamedTuple):
    """The keys that a shape mentions, and its default: the demand on values under all other keys."""

    default: int
    mentioned: frozenset[str]


@dataclass(slots=True)
class _Group:
    """Threads of one residue with the same default demand."""

    default: int
    members: list[int] = field(default_factory=list)
    """Indices of threads, ascending."""
    at: int = 0
    """The members before this one end before `reach`."""
    reach: int = 0


class WideUnion:
    """The threads of one residue, grouped by their default demand."""

    def __init__(
        self,
        frame: Frame,
        pos: int,
        threads: Threads,
        frames: Frames,
        defaults: Sequence[KeyDefaults],
        alive: Callable[[int], bool],
    ) -> None:
        self._frame, self._threads, self._frames, self._alive = frame, threads, frames, alive
        names = frame.names
        self._next: list[int] = []
        """For each thread the place in the order of its next required key, which no key may pass over."""
        self._mentions: dict[str, list[int]] = {}
        groups: dict[int, _Group] = {}
        for at, ((_, shape, _), said) in enumerate(zip(threads, defaults, strict=True)):
            required = frames.standing(frame, shape).required
            where = bisect_left(required, pos)
            self._next.append(required[where] if where < len(required) else len(names))
            for name in said.mentioned:
                self._mentions.setdefault(name, []).append(at)
            if said.default != NEVER and alive(said.default):
                groups.setdefault(said.default, _Group(said.default)).members.append(at)
        self._groups = list(groups.values())

    def demands(self, name: str) -> tuple[int, ...]:
        """Return the demands on a value under a key, in the order of the threads; empty: no thread goes on.

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
        mentioning = set(mentions)
        for group in self._groups:
            at = self._first(group, reach, mentioning)
            if at >= 0 and first.get(group.default, at) >= at:
                first[group.default] = at
        return tuple(sorted(first, key=first.__getitem__))

    def _first(self, group: _Group, reach: int, mentioning: set[int]) -> int:
        """Return the first thread of a group that goes on and does not mention the key, or -1."""
        if reach < group.reach:
            group.at = 0
        group.reach = reach
        members, following = group.members, self._next
        while group.at < len(members) and following[members[group.at]] < reach:
            group.at += 1
        for place in range(group.at, len(members)):
            at = members[place]
            if following[at] >= reach and at not in mentioning:
                return at
        return -1


class WideUnions:
    """Groups the threads of the residues of one network's objects."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self.alive: Callable[[int], bool] = lambda demand: True
        """Set by the network: whether some value meets a demand."""
        self._can_be_written = frames.scalars.can_be_written
        self._defaults: dict[int, KeyDefaults | None] = {}

    def of(self, frame: Frame, pos: int, threads: Threads) -> WideUnion | None:
        """Return the groups of a residue; None where its threads are few, or each must be asked about a
        key."""
        if len(threads) < MANY or not all(map(self._can_be_written, frame.names)):
            return None
        defaults: list[KeyDefaults] = []
        for _, shape, _ in threads:
            said = self._of_shape(shape)
            if said is None:
                return None
            defaults.append(said)
        return WideUnion(frame, pos, threads, self._frames, defaults, self.alive)

    def _of_shape(self, shape: ObjectShape) -> KeyDefaults | None:
        if shape.id not in self._defaults:
            self._defaults[shape.id] = self._make(shape)
        return self._defaults[shape.id]

    def _make(self, shape: ObjectShape) -> KeyDefaults | None:
        facets = shape.facets
        if not shape.simple or shape.key_literals or any(facet.pattern_properties for facet in facets):
            return None
        tables = self._frames.tables
        default = tables.demand(
            tables.literal(facet.additional) for facet in facets if facet.additional is not None
        )
        mentioned = set(shape.values)
        for facet in facets:
            mentioned.update(facet.properties)
        return KeyDefaults(default, frozenset(mentioned))
