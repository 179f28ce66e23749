"""Arrays: what the next item must be, when the array may close, and its shortest rest.

As in objects, a residue is a set of threads. They share the number of items, counted up to a cap beyond
which it does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.schema.meaning.literals import Literal
from structgen.schema.meaning.place import PlaceTables
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape import (
    ArrayShape,
    Differs,
    ObjectShape,
)
from structgen.schema.meaning.shape_disjunctions import Shapes
from structgen.schema.reading.json_values import EMPTY, JsonPieces
from structgen.schema.recogniser.array_progress import (
    MANY_KINDS,
    ArrayProgress,
    Progress,
    Values,
    counts_singly,
    watches,
)
from structgen.schema.recogniser.array_search import ArrayWitness, Live
from structgen.schema.recogniser.distinct_values import Distinct
from structgen.schema.recogniser.members import Unmet, undominated
from structgen.schema.recogniser.object_search import Ask

Thread: TypeAlias = tuple[int, ArrayShape, Progress]
"""A demand's index, one of its shapes, and how far it has come."""
Moves: TypeAlias = tuple[int, list[tuple[int, Thread]]]
"""The place of the next item, and for each thread that goes on the index of the demand it needs."""

CLOSE = JsonPieces((b"]",))
_NONE: Values = frozenset()


@dataclass(slots=True, eq=False)
class ArrayState:
    """A residue of an array. Immutable, but for its memos."""

    id: int
    demands: tuple[int, ...]
    cap: int
    """Items are counted up to here; at least 1, for the first item has no comma before it."""
    index: int
    threads: tuple[Thread, ...]
    seen: Values | None
    """The values of the items, as literals; None where no thread watches them."""
    unread: bool
    """Whether one more item was written whose value is unknown, as it makes no difference yet."""
    worked: bool = False
    moves: Moves | None = None
    rests: dict[int, JsonPieces] | None = None


class Arrays:
    """The arrays of one network: residues and their moves."""

    def __init__(
        self,
        tables: PlaceTables,
        shapes: Shapes,
        limits: Limits,
        *,
        residues: list[Any],
        scalars: Scalars,
        member: Callable[[ObjectShape, str], int],
    ) -> None:
        """`residues`: the network's, by number; new ones are added to it. `member`: see `Distinct`."""
        self.tables = tables
        self.shapes = shapes
        self.limits = limits
        self.residues = residues
        self.progress = ArrayProgress(tables, shapes, limits)
        self.distinct = Distinct(tables, scalars, shapes, self.progress.item, member)
        self.alive: Callable[[int], bool]
        """Set by the network: whether some value meets a demand."""
        self.known: Ask
        """Set by the network: the same as an answer."""
        self._states: dict[tuple[object, ...], ArrayState] = {}
        self._live: Live = {}
        self._held = 0
        """Values in all residues' `seen`, as often as they stand there."""

    # Liveness and completion

    def witness(
        self, shape: ArrayShape, ask: Ask, best: JsonPieces | None, with_text: bool, any_will_do: bool
    ) -> JsonPieces | None:
        """Return an array of a shape, given the values of items: the shortest text, or that of any array, or
        an empty one that stands for it; `best` where there is none, or none shorter."""
        if best is not None and best.length < 2 * max(shape.lo, 1):
            return best
        search = self._search(shape, 0, self.progress.cap(shape), ask)
        if not with_text:
            return EMPTY if search.exists(self.progress.begin(shape), {}) else best
        search.any_will_do = any_will_do
        rest = search.shortest(self.progress.begin(shape), best)
        whole = best if rest is None else JsonPieces((b"[", rest))
        return whole if whole is not None and whole.before(best) else best

    def _search(
        self, shape: ArrayShape, index: int, cap: int, ask: Ask, seen: Values | None = None
    ) -> ArrayWitness:
        return ArrayWitness(self.progress, self.distinct, shape, index, cap, ask, seen or _NONE)

    def start(self, demands: tuple[int, ...]) -> ArrayState | None:
        """Return the residue of an array of which nothing is written, or None where no demand can be met."""
        threads: list[Thread] = []
        cap = 1
        for j, demand in enumerate(demands):
            for shape in self.shapes.arrays(demand):
                begun, most = self.progress.begin(shape), self.progress.cap(shape)
                if self._search(shape, 0, most, self.known).exists(begun, self._live):
                    cap = max(cap, most)
                    threads.append((j, shape, begun))
        if not threads:
            return None
        return self.state(demands, cap, 0, tuple(threads), self._watched(threads, _NONE))

    def _watched(self, threads: Sequence[Thread], seen: Values | None) -> Values | None:
        """Return the values written where some thread watches them, else None."""
        return seen if any(watches(shape, progress) for _, shape, progress in threads) else None

    def _goes_on(self, shape: ArrayShape, progress: Progress, index: int, cap: int) -> bool:
        """Return whether a thread leads to a whole array, if the values of written items are ignored."""
        if shape.plain:
            return True
        key = (shape.id, progress, min(index, cap), cap)
        lives = self._live.get(key)
        if lives is None:
            lives = self._search(shape, index, cap, self.known).exists(progress, self._live)
            self._live[key] = lives
        return lives

    # Residues

    def state(
        self,
        demands: tuple[int, ...],
        cap: int,
        index: int,
        threads: tuple[Thread, ...],
        seen: Values | None = None,
        unread: bool = False,
    ) -> ArrayState:
        """Return the residue with these contents, interned."""
        key = (demands, cap, index, threads, seen, unread)
        state = self._states.get(key)
        if state is None:
            state = ArrayState(len(self.residues), demands, cap, index, threads, seen, unread)
            self.residues.append(state)
            self._states[key] = state
        return state

    def moves(self, state: ArrayState) -> Moves | None:
        """Return the moves of the next item, or None where no item may come."""
        if not state.worked:
            state.moves = self._moves(state)
            state.worked = True
        return state.moves

    def _moves(self, state: ArrayState) -> Moves | None:
        demands: dict[int, int] = {}
        going: list[tuple[int, Thread]] = []
        index = min(state.index + 1, state.cap)
        for j, shape, progress in state.threads:
            ways = [*self.progress.options(shape, progress, state.index, state.seen or _NONE)]
            # The demand that asks least comes first: its keys come first in an object's order.
            for demand, left in reversed(ways):
                if not self.alive(demand):
                    continue
                if watches(shape, left):
                    search = self._search(shape, index, state.cap, self.known, state.seen)
                    for narrow in search.narrowed(left, demand):
                        if narrow == demand or self.alive(narrow):
                            going.append((demands.setdefault(narrow, len(demands)), (j, shape, left)))
                elif self._goes_on(shape, left, index, state.cap):
                    going.append((demands.setdefault(demand, len(demands)), (j, shape, left)))
        if not going:
            return None
        return self.tables.place(tuple(demands)), going

    def closing(self, state: ArrayState) -> frozenset[int]:
        """Return the indices of the demands that the array meets if it closes now."""
        threads = state.threads
        return frozenset(
            j for j, shape, progress in threads if self.progress.closes(shape, progress, state.index)
        )

    def closes_after(self, state: ArrayState, thread: Thread) -> bool:
        """Return whether the array may close after the next item, for a thread of the moves: then its rest is
        the bracket alone, whatever the item's value."""
        _, shape, progress = thread
        return self.progress.closes(shape, progress, min(state.index + 1, state.cap))

    def closes_next(self, state: ArrayState) -> bool:
        """Return whether `closes_after` holds for all moves."""
        moves = self.moves(state)
        return moves is not None and all(self.closes_after(state, thread) for _, thread in moves[1])

    def read_as(self, state: ArrayState, value: Literal) -> ArrayState:
        """Return the residue where the item that is not known had this value (its literal)."""
        seen = (state.seen or _NONE) | {value}
        return self.state(state.demands, state.cap, state.index, state.threads, seen)

    def least_more(self, state: ArrayState) -> int:
        """Return how many more items there must be, whatever comes."""
        least: int | None = None
        for _, shape, (_, counts) in state.threads:
            counted = [counter.least - count for counter, count in zip(shape.counters, counts, strict=True)]
            more = max(0, shape.lo - state.index, *counted)
            least = more if least is None else min(least, more)
        return least or 0

    def after(
        self, state: ArrayState, moves: Moves, met: frozenset[int], value: Literal | None = None
    ) -> ArrayState:
        """Return the residue after an item that met these demands of its place. `value`: its literal, if the
        state has `seen`."""
        index, threads, seen = self._left(state, moves, met)
        if seen is not None:
            assert value is not None, "an item whose value must be known"
            seen |= {value}
            self._held += len(seen)
            if self._held > self.limits.parser_states:
                raise LimitError(
                    "the items that were compared, of all arrays written so far, are too many to remember.",
                    limit="parser_states",
                    where=self.progress.where(threads[0][1]),
                )
        return self.state(state.demands, state.cap, index, threads, seen)

    def _left(
        self, state: ArrayState, moves: Moves, met: frozenset[int]
    ) -> tuple[int, tuple[Thread, ...], Values | None]:
        """Return the index after the next item, the threads that go on, and the values before it."""
        threads = undominated(_joined([thread for at, thread in moves[1] if at in met]), _is_ahead)
        return min(state.index + 1, state.cap), threads, self._watched(threads, state.seen)

    def may_differ(self, state: ArrayState) -> bool:
        """Return whether two arrays or more go on: any number of items may follow. False: unknown."""
        return any(
            self.distinct.is_endless(shape, state.index, self.known)
            and all(isinstance(obligation[0], Differs) for obligation in progress[0])
            for _, shape, progress in state.threads
        )

    def after_unread(self, state: ArrayState, moves: Moves, met: frozenset[int]) -> ArrayState | None:
        """Return the residue after an item whose value has not been read, or None where the next items depend
        on that value."""
        index, threads, seen = self._left(state, moves, met)
        if seen is not None and not all(
            self._search(shape, index, state.cap, self.known, seen).skippable(progress)
            for _, shape, progress in threads
        ):
            return None
        return self.state(state.demands, state.cap, index, threads, seen, seen is not None)

    def rest(self, state: ArrayState, thread: Thread, ask: Ask) -> JsonPieces | None:
        """Return the shortest rest of the array for one of its threads."""
        _, shape, progress = thread
        return self._search(shape, state.index, state.cap, ask, state.seen).shortest(progress)


def _joined(threads: list[Thread]) -> list[Thread]:
    """Return the threads after an item that met them all, joined where they differ in counts alone and
    kinds of items are counted one by one: the item counts for each kind that it is of."""
    if not any(len(shape.counters) > MANY_KINDS for _, shape, _ in threads):
        return threads
    joined: dict[tuple[int, int, Unmet], Thread] = {}
    for at, (j, shape, (unmet, counts)) in enumerate(threads):
        key = j, shape.id if counts_singly(shape, unmet) else -1 - at, unmet
        other = joined.get(key)
        if other is not None:
            counts = tuple(map(max, counts, other[2][1]))
        joined[key] = j, shape, (unmet, counts)
    return list(joined.values())


def _is_ahead(shape: ArrayShape, progress: Progress, other: Progress) -> bool:
    """Return whether a thread owes no more than another, and is not the same."""
    if progress == other or not frozenset(progress[0]) <= frozenset(other[0]):
        return False
    is_open = all(counter.most is None for counter in shape.counters)
    return progress[1] == other[1] or (
        is_open and all(a >= b for a, b in zip(progress[1], other[1], strict=True))
    )
