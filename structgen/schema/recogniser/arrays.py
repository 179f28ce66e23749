"""Arrays: what the next item must be, when the array may close, and its shortest rest.

As in objects, a residue is a set of threads. They share the number of items, counted up to a cap beyond
which it does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from structgen.errors import LimitError
from structgen.limits import Limits
from structgen.schema.meaning.place import NEVER, PlaceTables
from structgen.schema.meaning.shape import (
    ArrayShape,
    DiffersList,
)
from structgen.schema.meaning.shape_disjunctions import Shapes
from structgen.schema.reading.json_values import EMPTY, JsonPieces, repeated
from structgen.schema.recogniser.array_progress import (
    MANY_KINDS,
    ArrayProgress,
    Progress,
    Values,
    counts_singly,
    watches,
)
from structgen.schema.recogniser.distinct_values import Distinct
from structgen.schema.recogniser.excluded_values import parted
from structgen.schema.recogniser.members import Unmet
from structgen.schema.recogniser.object_search import Ask
from structgen.schema.recogniser.unique_items import Unique
from structgen.system.public_calls import THIS_CALL

Thread: TypeAlias = tuple[int, ArrayShape, Progress]
"""A demand's index, one of its shapes, and how far it has come."""
Moves: TypeAlias = tuple[int, list[tuple[int, Thread]]]
"""The place of the next item, and for each thread that goes on the index of the demand it needs."""

CLOSE = JsonPieces((b"]",))
_NONE: Values = frozenset()


class ArrayState:
    """A residue of an array. Immutable, but for its memos."""

    __slots__ = (
        "cap",
        "closing",
        "demands",
        "id",
        "index",
        "moves",
        "rests",
        "seen",
        "threads",
        "unread",
        "worked",
    )

    def __init__(
        self,
        id: int,
        demands: tuple[int, ...],
        cap: int,
        index: int,
        threads: tuple[Thread, ...],
        seen: Values | None,
        unread: bool,
    ) -> None:
        self.id = id
        self.demands = demands
        self.cap = cap
        """Items are counted up to here; at least 1, for the first item has no comma before it."""
        self.index = index
        self.threads = threads
        self.seen = seen
        """The values of the items, as literals; None where no thread watches them."""
        self.unread = unread
        """Whether one more item was written whose value is unknown, as it makes no difference yet."""
        self.worked = False
        self.moves: Moves | None = None
        self.closing: frozenset[int] | None = None
        self.rests: dict[int, JsonPieces] | None = None


class Arrays:
    """The arrays of one network: residues and their moves."""

    def __init__(
        self,
        tables: PlaceTables,
        shapes: Shapes,
        limits: Limits,
        *,
        residues: list[Any],
        distinct: Distinct,
    ) -> None:
        """`residues`: the network's, by number; new ones are added to it."""
        self.tables = tables
        self.shapes = shapes
        self.limits = limits
        self.residues = residues
        self.progress = ArrayProgress(tables, shapes, limits)
        self.unique = Unique(self.progress, distinct)
        self.alive: Callable[[int], bool] = lambda demand: True
        """Set by the network: whether some value meets a demand."""
        self._states: dict[tuple[object, ...], ArrayState] = {}
        self._live: dict[tuple[object, ...], bool] = {}
        self._held = 0
        """Values in all residues' `seen`, as often as they stand there."""

    # Liveness and completion

    def witness(
        self, shape: ArrayShape, ask: Ask, best: JsonPieces | None, with_text: bool
    ) -> JsonPieces | None:
        """Return an array of a shape, given the values of items: the shortest text, or an empty one that
        stands for any; `best` where there is none, or none shorter."""
        if best is not None and best.length < 2 * max(shape.lo, 1):
            return best
        rest = self.complete(shape, self.progress.begin(shape), 0, self.progress.cap(shape), ask, with_text)
        if rest is None or not with_text:
            return best if rest is None else EMPTY
        whole = JsonPieces((b"[", rest))
        return whole if whole.before(best) else best

    def start(self, demands: tuple[int, ...]) -> ArrayState | None:
        """Return the residue of an array of which nothing is written, or None where no demand can be met."""
        threads: list[Thread] = []
        cap = 1
        for j, demand in enumerate(demands):
            for shape in self.shapes.arrays(demand):
                if self._begins(shape):
                    cap = max(cap, self.progress.cap(shape))
                    threads.append((j, shape, self.progress.begin(shape)))
        if not threads:
            return None
        return self.state(demands, cap, 0, tuple(threads), self._watched(threads, _NONE))

    def _watched(self, threads: Sequence[Thread], seen: Values | None) -> Values | None:
        """Return the values written where some thread watches them, else None."""
        return seen if any(watches(shape, progress) for _, shape, progress in threads) else None

    def _begins(self, shape: ArrayShape) -> bool:
        if shape.hi is not None and shape.lo > shape.hi:
            return False
        for index in range(min(shape.lo, shape.settled + 1)):
            demand = self.progress.item(shape, index)
            if demand == NEVER or not self.alive(demand):
                return False
        return shape.plain or self._goes_on(shape, self.progress.begin(shape), 0, self.progress.cap(shape))

    def _goes_on(self, shape: ArrayShape, progress: Progress, index: int, cap: int) -> bool:
        """Return whether a thread leads to a whole array, if the values of written items are ignored."""
        if shape.plain:
            return True
        key = (shape.id, progress, min(index, cap), cap)
        found = self._live.get(key)
        if found is None:
            if self._counted(shape, progress, index) or watches(shape, progress):
                found = self.complete(shape, progress, index, cap, self.known, False) is not None
                self._live[key] = found
            else:
                found = self._reaches_end(shape, progress, index, cap, self.known, self._live)
        return found

    def _reaches_end(
        self,
        shape: ArrayShape,
        progress: Progress,
        index: int,
        cap: int,
        ask: Ask,
        live: dict[tuple[object, ...], bool],
    ) -> bool:
        """Return whether some items lead to a state in which the array may close; every state met is noted.

        Depth first; the ways that meet most obligations are tried first, since one item often meets all.
        """
        index = min(index, cap)
        sure = self._ends(shape, progress, index, ask)
        if sure is not None:
            live[shape.id, progress, index, cap] = sure
            return sure
        path = [((progress, index), self._steps(shape, progress, index, cap, ask))]
        met = {path[0][0]}
        steps = 0
        ends = self.progress.closes(shape, progress, index)
        while path and not ends:
            after = next(path[-1][1], None)
            if after is None:
                path.pop()
                continue
            steps += 1
            if steps > self.limits.oracle_steps:
                raise self._too_many(shape)
            self._spend(shape, 1)
            if after in met:
                continue
            met.add(after)
            known = live.get((shape.id, *after, cap))
            if known is None:
                known = self._ends(shape, *after, ask)
            if known is None:
                path.append((after, self._steps(shape, *after, cap, ask)))
                known = self.progress.closes(shape, *after)
            ends = known
        for now, at in (place for place, _ in path) if ends else met:
            live[shape.id, now, at, cap] = ends
        return ends

    def _ends(self, shape: ArrayShape, progress: Progress, index: int, ask: Ask) -> bool | None:
        """Return whether an array whose kinds of items are counted one by one can be completed; None for
        others."""
        if index < shape.settled or not self.progress.pays_singly(shape, progress):
            return None
        base = self.progress.item(shape, index)
        missing = sum(count < one.least for one, count in zip(shape.counters, progress[1], strict=True))
        found = [ask(demand) for demand, _ in self.progress.single_ways(shape, base, progress[1])]
        return base != NEVER and len(found) == missing and None not in found

    def _steps(
        self, shape: ArrayShape, progress: Progress, index: int, cap: int, ask: Ask
    ) -> Iterator[tuple[Progress, int]]:
        """Yield the progress after one more item, and the number of items then."""
        base = self.progress.item(shape, index)
        if base == NEVER or (shape.hi is not None and index >= shape.hi):
            return
        ways: Iterable[tuple[int, Progress]]
        if isinstance(parted(progress[0])[1], DiffersList):
            ways = self.progress.options(shape, progress, index)
        else:
            ways = self.progress.ways(shape, base, progress, index, NEVER, last=True)
        count = min(index + 1, cap)
        for demand, left in ways:
            self._spend(shape, 1)
            unmet_after = self.progress.unmet_after(left, count)
            if unmet_after is not None and ask(demand) is not None:
                yield unmet_after, count

    def _spend(self, shape: ArrayShape, steps: int) -> None:
        THIS_CALL.spend(steps, self.limits, "How an array is completed", lambda: self.progress.where(shape))

    def _too_many(self, shape: ArrayShape) -> LimitError:
        return LimitError(
            "the ways to complete an array here are too many.",
            limit="oracle_steps",
            where=self.progress.where(shape),
        )

    def known(self, demand: int) -> JsonPieces | None:
        return EMPTY if self.alive(demand) else None

    def complete(
        self,
        shape: ArrayShape,
        progress: Progress,
        index: int,
        cap: int,
        ask: Ask,
        written: bool,
        seen: Values = _NONE,
    ) -> JsonPieces | None:
        """Return the shortest rest of an array for one thread, closing bracket included, or None.

        `ask` gives the text of an item; `written` False stops at the first rest that is found. `index` counts
        items up to `cap`. `seen`: the values of the items before.
        """
        if shape.plain:
            return self._plain_rest(shape, index, ask, written)
        if watches(shape, progress):
            if written:
                return self.unique.rest(shape, progress, index, cap, seen, ask)
            found = self.unique.critical(shape, progress, index, cap, seen, ask)
            return None if found is None else EMPTY
        if self._counted(shape, progress, index):
            return self._counted_rest(shape, progress, index, ask)
        if not written:
            return EMPTY if self._reaches_end(shape, progress, index, cap, ask, {}) else None
        if index >= shape.settled and self.progress.pays_singly(shape, progress):
            return self._single_rest(shape, progress, index, ask)
        longest = self.progress.longest(shape, progress, index, cap)
        layer: dict[Progress, JsonPieces] = {progress: EMPTY}
        best: JsonPieces | None = None
        steps = 0
        for count in range(index, index + longest + 1):
            following: dict[Progress, JsonPieces] = {}
            for now, prefix in layer.items():
                if prefix.before(best) and self.progress.closes(shape, now, min(count, cap)):
                    best = prefix
                for demand, left in self.progress.options(shape, now, count):
                    steps += 1
                    if steps > self.limits.oracle_steps:
                        raise self._too_many(shape)
                    self._spend(shape, 2)
                    value = ask(demand)
                    if value is None:
                        continue
                    unmet_after = self.progress.unmet_after(left, min(count + 1, cap))
                    if unmet_after is None:
                        continue
                    new = JsonPieces((prefix, b"," if count else b"", value))
                    if new.before(following.get(unmet_after)):
                        following[unmet_after] = new
            layer = following
            if not layer:
                break
        return None if best is None else JsonPieces((best, b"]"))

    def _counted(self, shape: ArrayShape, progress: Progress, index: int) -> bool:
        """Return whether all later items have the same demand, and one kind of them is counted."""
        return not progress[0] and len(shape.counters) == 1 and index >= shape.settled

    def _counted_rest(self, shape: ArrayShape, progress: Progress, index: int, ask: Ask) -> JsonPieces | None:
        """Return the shortest rest where all items have the same demand and one kind of them is counted.

        It has as many items of the kind as are missing, and then the shortest items up to the least number:
        items of the kind among them as long as their number is allowed.
        """
        (counter,), (count,) = shape.counters, progress[1]
        base = self.progress.item(shape, index)
        missing = max(0, counter.least - count)
        total = max(missing, shape.lo - index)
        if counter.most is not None and count + missing > counter.most:
            return None
        if shape.hi is not None and (shape.lo > shape.hi or index + total > shape.hi):
            return None
        if not total:
            return JsonPieces((b"]",))
        if base == NEVER:
            return None
        kind = self.tables.both(base, (counter.literal,))
        other = self.tables.both(base, (self.tables.negate(counter.literal),))
        yes = None if kind == NEVER else ask(kind)
        no = None if other == NEVER else ask(other)
        if missing and yes is None:
            return None
        more = total - missing
        chosen = missing
        if yes is not None and (no is None or yes.before(no)):
            room = more if counter.most is None else min(more, counter.most - count - missing)
            chosen += room
        if chosen < total and no is None:
            return None
        groups = [
            (text, size) for text, size in ((yes, chosen), (no, total - chosen)) if text is not None and size
        ]
        if len(groups) == 2:
            (a, _), (b, _) = groups
            if b.flat() + b"," + a.flat() < a.flat() + b"," + b.flat():
                groups.reverse()
        return _closed(groups, index)

    def _single_rest(self, shape: ArrayShape, progress: Progress, index: int, ask: Ask) -> JsonPieces | None:
        """Return a short rest where many kinds of items are required: an item for each kind.

        It may not be the shortest: the fewest items that are of all kinds together are a set cover.
        """
        base = self.progress.item(shape, index)
        if base == NEVER:
            return None
        missing = [max(0, one.least - count) for one, count in zip(shape.counters, progress[1], strict=True)]
        groups: list[tuple[JsonPieces, int]] = []
        for demand, (_, counts) in self.progress.single_ways(shape, base, progress[1]):
            kind = next(at for at, count in enumerate(counts) if count != progress[1][at])
            text = ask(demand)
            if text is not None:
                groups.append((text, missing[kind]))
        if len(groups) < sum(map(bool, missing)):
            return None
        more = shape.lo - index - sum(missing)
        if more > 0:
            plain = [text for text in (ask(base), *(text for text, _ in groups)) if text is not None]
            groups.append((min(plain, key=lambda text: (text.length, text.flat())), more))
        groups.sort(key=lambda group: group[0].flat())
        return _closed(groups, index)

    def _plain_rest(self, shape: ArrayShape, index: int, ask: Ask, written: bool) -> JsonPieces | None:
        if shape.hi is not None and shape.lo > shape.hi:
            return None
        parts: list[bytes | JsonPieces] = []
        at = index
        whole = True
        while at < shape.lo:
            demand = self.progress.item(shape, at)
            value = ask(demand) if demand != NEVER else None
            if value is None:
                if demand == NEVER or not written:
                    return None
                # What is not known yet is asked for at once, not one at a time.
                whole, value = False, EMPTY
            if at >= shape.settled and at:
                # All further items are alike.
                if written:
                    parts.append(repeated(JsonPieces((b",", value)), shape.lo - at))
                break
            parts.append(JsonPieces((b",", value)) if at else value)
            at += 1
        parts.append(b"]")
        return JsonPieces(tuple(parts)) if whole else None

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
            for demand, left in self.progress.options(shape, progress, state.index, state.seen or _NONE):
                if not self.alive(demand):
                    continue
                unmet_after = self.progress.unmet_after(left, index)
                if unmet_after is None:
                    continue
                if watches(shape, unmet_after):
                    seen = state.seen or _NONE
                    for narrow in self.unique.narrowed(
                        shape, unmet_after, index, state.cap, seen, demand, self.known
                    ):
                        if narrow == demand or self.alive(narrow):
                            going.append((demands.setdefault(narrow, len(demands)), (j, shape, unmet_after)))
                    continue
                if not self._goes_on(shape, unmet_after, index, state.cap):
                    continue
                going.append((demands.setdefault(demand, len(demands)), (j, shape, unmet_after)))
        if not going:
            return None
        return self.tables.place(tuple(demands)), going

    def closing(self, state: ArrayState) -> frozenset[int]:
        """Return the indices of the demands that the array meets if it closes now."""
        found = state.closing
        if found is None:
            found = state.closing = frozenset(
                j
                for j, shape, progress in state.threads
                if self.progress.closes(shape, progress, state.index)
            )
        return found

    def closes_after(self, state: ArrayState, thread: Thread) -> bool:
        """Return whether the array may close after the next item, for a thread of the moves: then its rest is
        the bracket alone, whatever the item's value."""
        _, shape, progress = thread
        return self.progress.closes(shape, progress, min(state.index + 1, state.cap))

    def closes_next(self, state: ArrayState) -> bool:
        """Return whether `closes_after` holds for all moves."""
        moves = self.moves(state)
        return moves is not None and all(self.closes_after(state, thread) for _, thread in moves[1])

    def read_as(self, state: ArrayState, value: int) -> ArrayState:
        """Return the residue where the item that is not known had this value (its literal)."""
        seen = (state.seen or _NONE) | {value}
        return self.state(state.demands, state.cap, state.index, state.threads, seen)

    def least_more(self, state: ArrayState) -> int:
        """Return how many more items there must be, whatever comes."""
        least: int | None = None
        for _, shape, (_, counts) in state.threads:
            counted = [one.least - count for one, count in zip(shape.counters, counts, strict=True)]
            more = max(0, shape.lo - state.index, *counted)
            least = more if least is None else min(least, more)
        return least or 0

    def after(
        self, state: ArrayState, moves: Moves, met: frozenset[int], value: int | None = None
    ) -> ArrayState:
        """Return the residue after an item that met these demands of its place. `value`: its literal, if the
        state has `seen`."""
        index = min(state.index + 1, state.cap)
        threads = _undominated(_joined([thread for at, thread in moves[1] if at in met]))
        seen = self._watched(threads, state.seen)
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

    def may_differ(self, state: ArrayState) -> bool:
        """Return whether two arrays or more go on: any number of items may follow. False: unknown."""
        for _, shape, progress in state.threads:
            if shape.counters or shape.unique or shape.hi is not None:
                continue
            if all(isinstance(obligation[0], DiffersList) for obligation in progress[0]):
                demands = {
                    self.progress.item(shape, index) for index in range(state.index, shape.settled + 1)
                }
                demands.add(self.progress.item(shape, max(state.index, shape.settled)))
                if all(demand != NEVER and self.alive(demand) for demand in demands):
                    return True
        return False

    def after_unread(self, state: ArrayState, moves: Moves, met: frozenset[int]) -> ArrayState | None:
        """Return the residue after an item whose value has not been read, or None where the next items depend
        on that value."""
        index = min(state.index + 1, state.cap)
        threads = _undominated(_joined([thread for at, thread in moves[1] if at in met]))
        seen = self._watched(threads, state.seen)
        if seen is not None and not all(
            self.unique.skippable(shape, progress, index, seen, self.known) for _, shape, progress in threads
        ):
            return None
        return self.state(state.demands, state.cap, index, threads, seen, seen is not None)

    def rest(self, state: ArrayState, thread: Thread, ask: Ask) -> JsonPieces | None:
        """Return the shortest rest of the array for one of its threads."""
        _, shape, progress = thread
        return self.complete(shape, progress, state.index, state.cap, ask, True, state.seen or _NONE)


def _joined(threads: list[Thread]) -> list[Thread]:
    """Return the threads after an item that met them all, joined where they differ in counts alone and
    kinds of items are counted one by one: the item counts for each kind that it is of."""
    if not any(len(shape.counters) > MANY_KINDS for _, shape, _ in threads):
        return threads
    found: dict[tuple[int, int, Unmet], Thread] = {}
    for at, (j, shape, (unmet, counts)) in enumerate(threads):
        key = j, shape.id if counts_singly(shape, unmet) else -1 - at, unmet
        other = found.get(key)
        if other is not None:
            counts = tuple(map(max, counts, other[2][1]))
        found[key] = j, shape, (unmet, counts)
    return list(found.values())


def _undominated(threads: list[Thread]) -> tuple[Thread, ...]:
    """Return the distinct threads without those that another dominates: the same but for more obligations."""
    distinct = tuple(dict.fromkeys(threads))
    if len(distinct) < 2:
        return distinct
    groups: dict[tuple[int, int], list[Progress]] = {}
    for j, shape, progress in distinct:
        groups.setdefault((j, shape.id), []).append(progress)

    def dominated(shape: ArrayShape, progress: Progress, others: list[Progress]) -> bool:
        open_counters = all(counter.most is None for counter in shape.counters)
        for other in others:
            if other == progress:
                continue
            if not frozenset(other[0]) <= frozenset(progress[0]):
                continue
            if other[1] == progress[1] or (
                open_counters and all(a >= b for a, b in zip(other[1], progress[1], strict=True))
            ):
                return True
        return False

    return tuple(
        (j, shape, progress)
        for j, shape, progress in distinct
        if not dominated(shape, progress, groups[j, shape.id])
    )


def _closed(groups: Iterable[tuple[JsonPieces, int]], index: int) -> JsonPieces:
    """Return the rest of an array that goes on at an index with so many items of each text."""
    parts: list[bytes | JsonPieces] = []
    for text, size in groups:
        if not (index or parts):
            parts.append(text)
            size -= 1
        parts.append(repeated(JsonPieces((b",", text)), size))
    parts.append(b"]")
    return JsonPieces(tuple(parts))
