"""Arrays: finds the demands on the next item, when the array may close, and its shortest rest.

A *residue* is how far an array has come, and what it still owes. As in objects it is a set of *threads*, each
one way in which a demand of the place may still come true. The threads share the number of items. It is
counted up to a *cap*, beyond which it does not matter. A *rest* is the text that completes the array: `,2]`
after `[1` where two items are required.
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
    watches_values,
)
from structgen.schema.recogniser.array_search import ArrayWitness, Live
from structgen.schema.recogniser.distinct_values import DistinctValues
from structgen.schema.recogniser.members import Unmet, without_dominated
from structgen.schema.recogniser.object_search import Ask

Thread: TypeAlias = tuple[int, ArrayShape, Progress]
"""A thread: the index of a demand in its place, one of the shapes of this demand, and its progress."""
Moves: TypeAlias = tuple[int, list[tuple[int, Thread]]]
"""The place of the next item, and the threads after it. Each thread stands beside the index of the demand
that the item must meet for it."""

CLOSE = JsonPieces((b"]",))
_NONE: Values = frozenset()


@dataclass(slots=True, eq=False)
class ArrayState:
    """A residue of an array. It never changes, except for its memos."""

    id: int
    demands: tuple[int, ...]
    cap: int
    """The number up to which items are counted. It is at least 1, since only the first item has no comma."""
    index: int
    threads: tuple[Thread, ...]
    values_so_far: Values | None
    """The values of the items, as literals; None where no thread watches them."""
    unread: bool
    """Whether one more item was written whose value is not known yet, since it makes no difference so far."""
    has_moves: bool = False
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
        """`residues` is the network's list of residues; new ones are added to it. `member` returns the demand
        on the value under a key, for `DistinctValues`."""
        self.tables = tables
        self.shapes = shapes
        self.limits = limits
        self.residues = residues
        self.progress = ArrayProgress(tables, shapes, limits)
        self.distinct = DistinctValues(tables, scalars, shapes, self.progress.item_demand, member)
        self.is_alive: Callable[[int], bool]
        """A function that returns whether some value meets a demand; set by the network."""
        self.ask_alive: Ask
        """A function that answers `is_alive` with a text (`Ask`): empty for yes, None for no; set by the
        network."""
        self._states: dict[tuple[object, ...], ArrayState] = {}
        self._live: Live = {}
        self._held_count = 0
        """The number of values in `values_so_far` of all residues, which bounds their memory."""

    # Liveness and completion

    def find_array(
        self,
        shape: ArrayShape,
        ask: Ask,
        best: JsonPieces | None,
        with_text: bool,
        any_will_do: bool,
    ) -> JsonPieces | None:
        """Return the text of an array of a shape, or `best` where none is shorter.

        `ask` gives the values of items, for example `oracle.shortest_text`. `with_text` False: the caller
        asks only whether there is an array, and gets an empty text for yes. `any_will_do`: the first text
        that is found is returned, not the shortest.
        """
        # An item takes two bytes at least, with its comma or the bracket.
        if best is not None and best.length < 2 * max(shape.lo, 1):
            return best
        search = self._make_search(shape, 0, self.progress.item_cap(shape), ask)
        if not with_text:
            if search.has_rest(self.progress.start_progress(shape), {}):
                return EMPTY
            return best
        search.any_will_do = any_will_do
        rest = search.shortest_rest(self.progress.start_progress(shape), best)
        text = best if rest is None else JsonPieces((b"[", rest))
        if text is not None and text.is_before(best):
            return text
        return best

    def _make_search(
        self,
        shape: ArrayShape,
        index: int,
        cap: int,
        ask: Ask,
        values_so_far: Values | None = None,
    ) -> ArrayWitness:
        """Return the search for a rest of an array; the parameters are the fields of `ArrayWitness`, for
        example `(shape, 0, cap, ask)` at the beginning."""
        return ArrayWitness(self.progress, self.distinct, shape, index, cap, ask, values_so_far or _NONE)

    def start(self, demands: tuple[int, ...]) -> ArrayState | None:
        """Return the residue of an array of which nothing is written, or None where no demand can be met."""
        threads: list[Thread] = []
        cap = 1
        for j, demand in enumerate(demands):
            for shape in self.shapes.array_shapes(demand):
                progress = self.progress.start_progress(shape)
                shape_cap = self.progress.item_cap(shape)
                search = self._make_search(shape, 0, shape_cap, self.ask_alive)
                if search.has_rest(progress, self._live):
                    # The threads share one count of items, so that the largest of their caps is used.
                    cap = max(cap, shape_cap)
                    threads.append((j, shape, progress))
        if not threads:
            return None
        values_so_far = self._watched_values(threads, _NONE)
        return self.intern_state(demands, cap, 0, tuple(threads), values_so_far)

    def _watched_values(self, threads: Sequence[Thread], values_so_far: Values | None) -> Values | None:
        """Return the values written where some thread watches them, else None."""
        if any(watches_values(shape, progress) for _, shape, progress in threads):
            return values_so_far
        return None

    def _goes_on(
        self,
        shape: ArrayShape,
        progress: Progress,
        index: int,
        cap: int,
    ) -> bool:
        """Return whether a thread leads to a whole array, if the values of written items are ignored.

        `index` is the number of items, counted up to `cap`. Answers are remembered. For example
        `(shape, progress, 0, 1)`.
        """
        if shape.plain:
            return True
        key = (shape.id, progress, min(index, cap), cap)
        has_rest = self._live.get(key)
        if has_rest is None:
            search = self._make_search(shape, index, cap, self.ask_alive)
            has_rest = search.has_rest(progress, self._live)
            self._live[key] = has_rest
        return has_rest

    # Residues

    def intern_state(
        self,
        demands: tuple[int, ...],
        cap: int,
        index: int,
        threads: tuple[Thread, ...],
        values_so_far: Values | None = None,
        unread: bool = False,
    ) -> ArrayState:
        """Return the residue with these contents, which are the fields of `ArrayState`, interned: for example
        `(demands, 1, 0, threads)` before the first item."""
        key = (demands, cap, index, threads, values_so_far, unread)
        state = self._states.get(key)
        if state is None:
            state = ArrayState(len(self.residues), demands, cap, index, threads, values_so_far, unread)
            self.residues.append(state)
            self._states[key] = state
        return state

    def find_moves(self, state: ArrayState) -> Moves | None:
        """Return the moves of the next item, or None where no item may come."""
        if not state.has_moves:
            state.moves = self._compute_moves(state)
            state.has_moves = True
        return state.moves

    def _compute_moves(self, state: ArrayState) -> Moves | None:
        demands: dict[int, int] = {}
        next_threads: list[tuple[int, Thread]] = []
        index = min(state.index + 1, state.cap)
        values_so_far = state.values_so_far or _NONE
        for j, shape, progress in state.threads:
            ways = [*self.progress.item_options(shape, progress, state.index, values_so_far)]
            # The weakest demand comes first: its keys come first in the order of an object.
            for demand, progress_after in reversed(ways):
                if not self.is_alive(demand):
                    continue
                thread = (j, shape, progress_after)
                if watches_values(shape, progress_after):
                    # Values that leave no rest are taken out of the demand.
                    search = self._make_search(shape, index, state.cap, self.ask_alive, state.values_so_far)
                    for narrow in search.narrow_demand(progress_after, demand):
                        if narrow == demand or self.is_alive(narrow):
                            next_threads.append((demands.setdefault(narrow, len(demands)), thread))
                elif self._goes_on(shape, progress_after, index, state.cap):
                    next_threads.append((demands.setdefault(demand, len(demands)), thread))
        if not next_threads:
            return None
        return self.tables.place(tuple(demands)), next_threads

    def demands_if_closed(self, state: ArrayState) -> frozenset[int]:
        """Return the indices of the demands that the array meets if it closes now."""
        return frozenset(
            j for j, shape, progress in state.threads if self.progress.can_close(shape, progress, state.index)
        )

    def closes_after(self, state: ArrayState, thread: Thread) -> bool:
        """Return whether the array may close after the next item, for a thread of the moves: then its rest is
        the bracket alone, whatever the item's value."""
        _, shape, progress = thread
        return self.progress.can_close(shape, progress, min(state.index + 1, state.cap))

    def closes_next(self, state: ArrayState) -> bool:
        """Return whether `closes_after` holds for all moves."""
        moves = self.find_moves(state)
        return moves is not None and all(self.closes_after(state, thread) for _, thread in moves[1])

    def read_as(self, state: ArrayState, value: Literal) -> ArrayState:
        """Return the residue after the unknown item has become known. `value` is its literal."""
        values_so_far = (state.values_so_far or _NONE) | {value}
        return self.intern_state(state.demands, state.cap, state.index, state.threads, values_so_far)

    def least_more(self, state: ArrayState) -> int:
        """Return the least number of items that must still come in any case."""
        min_count: int | None = None
        for _, shape, (_, counts) in state.threads:
            # One item may count for all counters: so the largest missing number counts, and not the sum.
            pairs = zip(shape.counters, counts, strict=True)
            counts_owed = [counter.min_count - count for counter, count in pairs]
            count_owed = max(0, shape.lo - state.index, *counts_owed)
            min_count = count_owed if min_count is None else min(min_count, count_owed)
        return min_count or 0

    def state_after(
        self,
        state: ArrayState,
        moves: Moves,
        met: frozenset[int],
        value: Literal | None = None,
    ) -> ArrayState:
        """Return the residue after an item that met these demands of its place.

        `moves` are those of the state, and `met` the indices of the demands, for example `frozenset({0})`.
        `value` is the literal of the item, if the state has `values_so_far`. Raises `LimitError` where the
        values of all arrays are too many to remember.
        """
        index, threads, values_so_far = self._advance_threads(state, moves, met)
        if values_so_far is not None:
            assert value is not None, "an item whose value must be known"
            values_so_far |= {value}
            self._held_count += len(values_so_far)
            if self._held_count > self.limits.parser_states:
                raise LimitError(
                    "the items to compare, of all arrays written so far, are too many to remember.",
                    limit="parser_states",
                    where=self.progress.source_pointer(threads[0][1]),
                )
        return self.intern_state(state.demands, state.cap, index, threads, values_so_far)

    def _advance_threads(
        self,
        state: ArrayState,
        moves: Moves,
        met: frozenset[int],
    ) -> tuple[int, tuple[Thread, ...], Values | None]:
        """Return the index after the next item, the threads that go on, and the values before it."""
        next_threads = [thread for number, thread in moves[1] if number in met]
        threads = without_dominated(_join_threads(next_threads), _is_ahead)
        index = min(state.index + 1, state.cap)
        return index, threads, self._watched_values(threads, state.values_so_far)

    def may_differ(self, state: ArrayState) -> bool:
        """Return whether two or more arrays are still possible, since any number of items may follow. False:
        unknown."""
        return any(
            self.distinct.is_endless(shape, state.index, self.ask_alive)
            and all(isinstance(obligation[0], Differs) for obligation in progress[0])
            for _, shape, progress in state.threads
        )

    def after_unread(
        self,
        state: ArrayState,
        moves: Moves,
        met: frozenset[int],
    ) -> ArrayState | None:
        """Return the residue after an item whose value has not been read, or None where the next items depend
        on that value."""
        index, threads, values_so_far = self._advance_threads(state, moves, met)
        is_unread = values_so_far is not None
        if is_unread:
            for _, shape, progress in threads:
                search = self._make_search(shape, index, state.cap, self.ask_alive, values_so_far)
                if not search.is_skippable(progress):
                    return None
        return self.intern_state(state.demands, state.cap, index, threads, values_so_far, is_unread)

    def shortest_rest(self, state: ArrayState, thread: Thread, ask: Ask) -> JsonPieces | None:
        """Return the shortest rest of the array for one of its threads, None where none is known."""
        _, shape, progress = thread
        search = self._make_search(shape, state.index, state.cap, ask, state.values_so_far)
        return search.shortest_rest(progress)


def _join_threads(threads: list[Thread]) -> list[Thread]:
    """Return the threads after an item that all of them can take. Those that differ only in counts are joined
    where each item counts for one kind: the item then counts for each kind to which it belongs."""
    if not any(len(shape.counters) > MANY_KINDS for _, shape, _ in threads):
        return threads
    joined_threads: dict[tuple[int, int, Unmet], Thread] = {}
    for number, (j, shape, (unmet, counts)) in enumerate(threads):
        # A thread that is not joined gets a key of its own: ids of shapes are positive.
        group = shape.id if counts_singly(shape, unmet) else -1 - number
        key = j, group, unmet
        earlier = joined_threads.get(key)
        if earlier is not None:
            _, _, (_, earlier_counts) = earlier
            counts = tuple(map(max, counts, earlier_counts))
        joined_threads[key] = j, shape, (unmet, counts)
    return list(joined_threads.values())


def _is_ahead(shape: ArrayShape, progress: Progress, other_progress: Progress) -> bool:
    """Return whether a thread with `progress` owes no more than one with `other_progress`, and is not
    equal."""
    unmet, counts = progress
    other_unmet, other_counts = other_progress
    if progress == other_progress or not frozenset(unmet) <= frozenset(other_unmet):
        return False
    if counts == other_counts:
        return True
    # A higher count is better only where no counter has an upper bound.
    if any(counter.max_count is not None for counter in shape.counters):
        return False
    return all(a >= b for a, b in zip(counts, other_counts, strict=True))
