"""Objects with many threads (a union of hundreds of schemas): finds their next keys without asking each
thread about each key.

A *thread* is one schema of the union that may still come true. Its *default* is its demand on the value of
any key that it does not mention. Most threads have their default for most keys. Threads with the same default
are grouped, so that the menu of n threads over m keys costs n + m and not n * m. The threads that go on after
a key are computed when the key is written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from structgen.schema.meaning.place import NOTHING
from structgen.schema.meaning.shape import ObjectShape
from structgen.schema.recogniser.object_frames import ObjectFrames
from structgen.schema.recogniser.object_keys import Frame

Threads: TypeAlias = Sequence[tuple[int, ObjectShape, object]]
"""The threads of a residue, each with the index of its demand, its shape and its unmet obligations."""
MANY = 16
"""The least number of threads that are grouped; fewer are asked one by one."""


class KeyDefaults(NamedTuple):
    """The keys that a shape mentions, and its default: the demand on values under all other keys."""

    default: int
    mentioned_keys: frozenset[str]


class WideUnions:
    """The keys of the residues of one network's objects that have many threads."""

    def __init__(self, frames: ObjectFrames) -> None:
        self._frames = frames
        self.is_alive: Callable[[int], bool]
        """A function that returns whether some value meets a demand; set by the network."""
        self._defaults: dict[int, KeyDefaults | None] = {}

    def can_take(self, frame: Frame, threads: Threads) -> bool:
        """Return whether threads are many, and none must be asked about a key for itself."""
        if len(threads) < MANY or not all(map(self._frames.scalars.can_be_written, frame.names)):
            return False
        return all(self._of_shape(shape) is not None for _, shape, _ in threads)

    def next_demands(
        self,
        frame: Frame,
        pos: int,
        threads: Threads,
        names: Iterable[str],
    ) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the names that may be the next key, each with the demands on its value in the order of the
        threads: for example `("a", (3, 5))`.

        `names` are the candidates in the order of the frame; `pos` is as in `MembersSoFar`. Cost of a name:
        the number of threads that mention it, and of groups.
        """
        ends: list[int] = []
        """For each thread the position in the order of its next required key, which no key may pass over."""
        mentions: dict[str, list[int]] = {}
        groups: dict[int, deque[int]] = {}
        for number, (_, shape, _) in enumerate(threads):
            required_indices = self._frames.standing_of(frame, shape).required_indices
            first_required = bisect_left(required_indices, pos)
            if first_required < len(required_indices):
                ends.append(required_indices[first_required])
            else:
                ends.append(len(frame.names))
            defaults = self._of_shape(shape)
            assert defaults is not None, "threads that were not looked at"
            for name in defaults.mentioned_keys:
                mentions.setdefault(name, []).append(number)
            if self.is_alive(defaults.default):
                groups.setdefault(defaults.default, deque()).append(number)
        for name in names:
            reach = min(frame.index[name], frame.ordered_count)
            # Each demand with the first thread that asks for it.
            first_thread: dict[int, int] = {}
            mentioning = dict.fromkeys(mentions.get(name, ()))
            for number in mentioning:
                _, shape, _ = threads[number]
                demand = self._frames.value_demand(shape, name) if ends[number] >= reach else NOTHING
                if self.is_alive(demand):
                    first_thread.setdefault(demand, number)
            for default, members in groups.items():
                # The names ascend: a thread that cannot reach this one will reach no later one.
                while members and ends[members[0]] < reach:
                    members.popleft()
                going = (number for number in members if ends[number] >= reach and number not in mentioning)
                number = next(going, len(threads))
                if number < first_thread.get(default, len(threads)):
                    first_thread[default] = number
            if first_thread:
                yield name, tuple(sorted(first_thread, key=first_thread.__getitem__))

    def _of_shape(self, shape: ObjectShape) -> KeyDefaults | None:
        if shape.id not in self._defaults:
            self._defaults[shape.id] = self._make_defaults(shape)
        return self._defaults[shape.id]

    def _make_defaults(self, shape: ObjectShape) -> KeyDefaults | None:
        """Return the default of a shape; None where keys that it does not mention differ from each other."""
        facets = shape.facets
        if not shape.simple or shape.key_literals or any(facet.pattern_properties for facet in facets):
            return None
        tables = self._frames.tables
        default = tables.intern_demand(
            tables.literal_of(facet.additional) for facet in facets if facet.additional is not None
        )
        mentioned_keys = set(shape.values)
        for facet in facets:
            mentioned_keys.update(facet.properties)
        return KeyDefaults(default, frozenset(mentioned_keys))
