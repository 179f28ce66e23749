"""Witnesses of arrays: is there a way to write the rest of one, and which is the shortest?

Where items must differ, or two must be equal, values are identified by their literals (`Constants.value`). A
later item need not be tried value by value while its demand has more values than the array has items; where
it has fewer, or a text is wanted, each value that matters is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from structgen.errors import LimitError
from structgen.schema.meaning.place import NEVER
from structgen.schema.meaning.shape import ArrayShape, Obligation, RepeatedItem
from structgen.schema.reading.json_values import EMPTY, JsonPieces, repeated
from structgen.schema.recogniser.array_progress import ArrayProgress, Progress, Values, repeats, watches
from structgen.schema.recogniser.distinct_values import Distinct
from structgen.schema.recogniser.object_search import Ask
from structgen.system.public_calls import THIS_CALL

Step: TypeAlias = tuple[Progress, Values, JsonPieces]
"""The progress after an item, what is noted of all items so far, the text of the item."""
Live: TypeAlias = dict[tuple[int, Progress, int, int], bool]
"""Shape, progress, number of items, their cap -> whether a rest is known to exist, or not to."""
_NONE: Values = frozenset()


@dataclass(slots=True)
class ArrayWitness:
    """One question: an unfinished array, and one of its shapes."""

    effects: ArrayProgress
    distinct: Distinct
    shape: ArrayShape
    index: int
    cap: int
    """Items are counted up to here."""
    ask: Ask
    seen: Values = _NONE
    """The values of the items before."""
    _end: int = 0
    """No rest that is looked for goes beyond it."""

    def exists(self, progress: Progress, live: Live) -> bool:
        """Return whether there is a rest. `live` holds what is known of others, and takes what is found."""
        required = self.required()
        if required is None or any(self.ask(demand) is None for demand in required):
            return False
        if self.shape.plain:
            return True
        if watches(self.shape, progress):
            return self.critical(progress) is not None
        if self._is_counted(progress):
            return self._counted_rest(progress) is not None
        return self._reaches_end(progress, live)

    def shortest(self, progress: Progress) -> JsonPieces | None:
        """Return the shortest rest, closing bracket included, or None."""
        shape = self.shape
        if shape.plain:
            return self._plain_rest()
        if not watches(shape, progress):
            self.seen = _NONE
            if self._is_counted(progress):
                return self._counted_rest(progress)
            if self.index >= shape.settled and self.effects.pays_singly(shape, progress):
                return self._single_rest(progress)
        elif not progress[0] and not progress[1]:
            required = self.required()
            if required is None:
                return None
            if len(required) <= 1:
                return self._equal_items(required)
        found = self._search(progress, self._texts, True)
        return None if found is None else JsonPieces((found[0], b"]"))

    def required(self) -> dict[int, int] | None:
        """Return the demands of the required items, with the number of items each; None where one has no
        value."""
        shape = self.shape
        required: dict[int, int] = {}
        if shape.hi is not None and shape.lo > shape.hi:
            return None
        for at in range(self.index, min(shape.lo, max(shape.settled, self.index) + 1)):
            demand = self.effects.item(shape, at)
            if demand == NEVER:
                return None
            required[demand] = required.get(demand, 0) + (shape.lo - at if at >= shape.settled else 1)
        return required

    # Any rest, where the values of items do not matter

    def _reaches_end(self, progress: Progress, live: Live) -> bool:
        """Return whether some items lead to a state in which the array may close; every state met is noted.

        Depth first; the ways that meet most obligations are tried first, since one item often meets all.
        """
        root = progress, min(self.index, self.cap)
        path = [(root, iter((root,)))]
        met: set[tuple[Progress, int]] = set()
        steps = 0
        while path:
            after = next(path[-1][1], None)
            if after is None:
                path.pop()
                continue
            steps += 1
            self._spend(1, steps)
            if after in met:
                continue
            met.add(after)
            known = live.get((self.shape.id, *after, self.cap))
            if known is None:
                known = self._ends(*after)
            if known:
                for now, at in (after, *(place for place, _ in path)):
                    live[self.shape.id, now, at, self.cap] = True
                return True
            if known is None:
                path.append((after, self._steps(*after)))
        for now, at in met:
            live[self.shape.id, now, at, self.cap] = False
        return False

    def _ends(self, progress: Progress, index: int) -> bool | None:
        """Return True where the array may close, and for an array whose kinds of items are counted one by one
        whether it can be completed; None for others."""
        if self.effects.closes(self.shape, progress, index):
            return True
        if index < self.shape.settled or not self.effects.pays_singly(self.shape, progress):
            return None
        base = self.effects.item(self.shape, index)
        counted = zip(self.shape.counters, progress[1], strict=True)
        missing = sum(count < one.least for one, count in counted)
        found = [self.ask(demand) for demand, _ in self.effects.single_ways(self.shape, base, progress[1])]
        return base != NEVER and len(found) == missing and None not in found

    def _steps(self, progress: Progress, index: int) -> Iterator[tuple[Progress, int]]:
        """Yield the progress after one more item, and the number of items then."""
        for demand, left in self.effects.options(self.shape, progress, index, last=True):
            self._spend(1)
            if self.ask(demand) is not None:
                yield left, min(index + 1, self.cap)

    def _spend(self, steps: int, so_far: int = 0) -> None:
        if so_far > self.effects.limits.oracle_steps:
            raise LimitError(
                "the ways to complete an array here are too many.",
                limit="oracle_steps",
                where=self.effects.where(self.shape),
            )
        where = self.effects.where
        THIS_CALL.spend(steps, self.effects.limits, "How an array is completed", lambda: where(self.shape))

    # Items one after another: any rest where their values matter, or the shortest

    def _search(
        self, progress: Progress, step: Callable[[Progress, Values, int], Iterator[Step]], with_text: bool
    ) -> tuple[JsonPieces, Values] | None:
        """Return the shortest rest without its bracket, and what was noted of its items; without a text the
        rest of the fewest items. `step` yields the ways to take one more item."""
        shape, effects = self.shape, self.effects
        layer: dict[tuple[Progress, Values], JsonPieces] = {(progress, _NONE): EMPTY}
        best: tuple[JsonPieces, Values] | None = None
        steps = 0
        self._end = self.index + effects.longest(shape, progress, self.index, self.cap)
        for count in range(self.index, self._end + 1):
            following: dict[tuple[Progress, Values], JsonPieces] = {}
            for (now, noted), prefix in layer.items():
                closes = effects.closes(shape, now, min(count, self.cap))
                if closes and (best is None or prefix.before(best[0])):
                    best = prefix, noted
                    if not with_text:
                        return best
                if best is not None and best[0].length <= prefix.length:
                    continue
                for left, then, text in step(now, noted, count):
                    steps += 1
                    self._spend(2, steps)
                    state = left, then if watches(shape, left) else _NONE
                    new = JsonPieces((prefix, b"," if count else b"", text)) if with_text else EMPTY
                    if new.before(following.get(state)):
                        following[state] = new
            layer = following
        return best

    def _texts(self, now: Progress, chosen: Values, count: int) -> Iterator[Step]:
        """Yield the ways to take an item that a shortest rest may use; `chosen`: the values of the rest so
        far.

        Where all must differ, each later item can take one of them; where one must be repeated, the values
        that a later item can have too are candidates.
        """
        taken = self.seen | chosen
        for demand, left in self.effects.options(self.shape, now, count, taken, unique=False):
            if not watches(self.shape, now):
                found = self.ask(demand)
                if found is not None:
                    yield left, chosen, found
                continue
            for text, literal in self._candidates(now, demand, count, taken):
                yield left, chosen | {literal}, text

    def _candidates(
        self, now: Progress, demand: int, count: int, taken: Values
    ) -> Iterator[tuple[JsonPieces, int]]:
        if self.shape.unique:
            left = self._end - count
            for text, literal in self.distinct.sought(demand, self.ask, taken):
                if literal not in taken:
                    yield text, literal
                    left -= 1
                    if left <= 0:
                        return
            return
        demands = {demand: None}
        for later in range(count + 1, self._end):
            for other, _ in self.effects.options(self.shape, now, later):
                both = self._both(demand, other)
                if both != NEVER:
                    demands[both] = None
        for each in demands:
            found = self.ask(each)
            if found is not None:
                yield found, self.distinct.literal(found.flat())

    def _apart(self, now: Progress, used: Values, count: int) -> Iterator[Step]:
        """Yield the ways to take an item of an array whose items differ; `used`: values of the rest so far,
        those of demands that have few."""
        need = self._end - self.index + len(self.seen) + 2
        for demand, left in self.effects.options(self.shape, now, count):
            if self.ask(demand) is None:
                continue
            if self.distinct.has(demand, need, self.ask):
                yield left, used, EMPTY
                continue
            for _, literal in self.distinct.sought(demand, self.distinct.text, self.seen):
                if literal not in used and literal not in self.seen:
                    yield left, used | {literal}, EMPTY

    def _paired(self, now: Progress, before: Values, count: int) -> Iterator[Step]:
        """Yield the ways to take an item of an array that still needs two equal ones; `before`: the demands
        of the rest so far."""
        for demand, left in self.effects.options(self.shape, now, count, self.seen):
            if self.ask(demand) is not None:
                yield left, before | {demand}, EMPTY
        if not repeats(now):
            return
        for demand, left in self.effects.options(self.shape, now, count):
            for earlier in sorted(before):
                both = self._both(demand, earlier)
                # What else the item meets is the same; the repetition is met as well.
                if both != NEVER and self.ask(both) is not None:
                    yield (_without_repeats(left[0]), left[1]), before, EMPTY

    def _both(self, demand: int, other: int) -> int:
        both = self.effects.tables.both(demand, self.effects.tables.demands[other])
        return (
            NEVER if both == NEVER or self.effects.tables.clash(self.effects.tables.demands[both]) else both
        )

    # The next item, where its value matters

    def critical(self, progress: Progress) -> Values | None:
        """Return values that some rest needs; None where there is no rest at all.

        After one more item of another value there still is a rest."""
        if not self.shape.unique:
            return None if self._search(progress, self._paired, False) is None else _NONE
        if not progress[0] and not progress[1]:
            required = self.required()
            return None if required is None else self.distinct.matched(required, self.seen, self.ask)
        found = self._search(progress, self._apart, False)
        return None if found is None else found[1]

    def _with(self, value: int) -> ArrayWitness:
        """Return the question about the array with one more value among its items."""
        return replace(self, seen=self.seen | {value})

    def narrowed(self, progress: Progress, demand: int) -> list[int]:
        """Return demands that together cover every item that meets `demand` and leaves a rest. The question
        is about the array after the item."""
        needed = self.critical(progress)
        if needed is not None:
            dead = frozenset(literal for literal in needed if self._with(literal).critical(progress) is None)
            if dead:
                demand = self.effects.tables.both(demand, (self.effects.tables.constants.none_of(dead),))
            return [demand] if demand != NEVER else []
        if not repeats(progress):
            return []
        # Only an item that a later one can repeat.
        found: dict[int, None] = {}
        longest = self.effects.longest(self.shape, progress, self.index, self.cap)
        for later in range(self.index, self.index + longest):
            for other, _ in self.effects.options(self.shape, progress, later):
                both = self._both(demand, other)
                text = None if both == NEVER or both in found else self.distinct.text(both)
                if text is not None:
                    literal = self.distinct.literal(text.flat())
                    if self._with(literal).critical(progress) is not None:
                        found[both] = None
        return list(found)

    def skippable(self, progress: Progress) -> bool:
        """Return whether the value of the item before makes no difference until another item is compared with
        it. False: unknown."""
        shape = self.shape
        if not watches(shape, progress):
            return True
        required = None if progress[0] or progress[1] else self.required()
        if required is None:
            return False
        need = sum(required.values()) + len(self.seen) + 3
        following = self.effects.item(shape, self.index)
        if (shape.hi is None or self.index < shape.hi) and following != NEVER:
            required.setdefault(following, 0)
        return all(self.distinct.has(demand, need, self.ask) for demand in required)

    # Shortest rests that take no search

    def _plain_rest(self) -> JsonPieces | None:
        required = self.required()
        if required is None:
            return None
        # What is not known yet is asked for at once, not one at a time.
        texts = {demand: self.ask(demand) for demand in required}
        groups: list[tuple[JsonPieces, int]] = []
        for at in range(self.index, min(self.shape.lo, max(self.shape.settled, self.index) + 1)):
            text = texts[self.effects.item(self.shape, at)]
            if text is None:
                return None
            groups.append((text, self.shape.lo - at if at >= self.shape.settled else 1))
        return _closed(groups, self.index)

    def _equal_items(self, required: dict[int, int]) -> JsonPieces | None:
        """Return the rest of an array that needs so many items of one demand: the shortest values not yet
        written, the shortest first: so does an item that has begun go on."""
        chosen: list[tuple[JsonPieces, int]] = []
        for demand, times in required.items():
            for text, literal in self.distinct.sought(demand, self.ask, self.seen):
                if literal not in self.seen:
                    chosen.append((text, 1))
                    if len(chosen) == times:
                        break
            if len(chosen) < times:
                return None
        return _closed(chosen, self.index)

    def _is_counted(self, progress: Progress) -> bool:
        """Return whether all later items have the same demand, and one kind of them is counted."""
        return not progress[0] and len(self.shape.counters) == 1 and self.index >= self.shape.settled

    def _counted_rest(self, progress: Progress) -> JsonPieces | None:
        """Return the shortest rest where all items have the same demand and one kind of them is counted.

        It has as many items of the kind as are missing, and then the shortest items up to the least number:
        items of the kind among them as long as their number is allowed.
        """
        shape, index, ask = self.shape, self.index, self.ask
        (counter,), (count,) = shape.counters, progress[1]
        base = self.effects.item(shape, index)
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
        kind = self.effects.tables.both(base, (counter.literal,))
        other = self.effects.tables.both(base, (self.effects.tables.negate(counter.literal),))
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
        return _closed(groups, self.index)

    def _single_rest(self, progress: Progress) -> JsonPieces | None:
        """Return a short rest where many kinds of items are required: an item for each kind.

        It may not be the shortest: the fewest items that are of all kinds together are a set cover.
        """
        shape, index, ask = self.shape, self.index, self.ask
        base = self.effects.item(shape, index)
        if base == NEVER:
            return None
        missing = [max(0, one.least - count) for one, count in zip(shape.counters, progress[1], strict=True)]
        groups: list[tuple[JsonPieces, int]] = []
        for demand, (_, counts) in self.effects.single_ways(shape, base, progress[1]):
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
        return _closed(groups, self.index)


def _without_repeats(unmet: tuple[Obligation, ...]) -> tuple[Obligation, ...]:
    return tuple(obligation for obligation in unmet if RepeatedItem() not in obligation)


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
