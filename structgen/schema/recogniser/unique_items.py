"""Rests of arrays whose items must all differ, or of which two must be equal.

Values are identified by their literals (`Constants.value`). A later item need not be tried value by value
while its demand has more values than the array has items; where it has fewer, or a text is wanted, each value
that matters is tried.
"""

from __future__ import annotations

from collections.abc import Iterator

from structgen.errors import LimitError
from structgen.schema.meaning.place import NEVER
from structgen.schema.meaning.shape import ArrayShape, Obligation, RepeatedItem
from structgen.schema.reading.json_values import EMPTY, JsonPieces
from structgen.schema.recogniser.array_progress import ArrayProgress, Progress, Values, repeats, watches
from structgen.schema.recogniser.distinct_values import Distinct
from structgen.schema.recogniser.object_search import Ask
from structgen.system.public_calls import THIS_CALL


class Unique:
    """Rests of threads that depend on the values of their items. `seen`: the values written."""

    def __init__(self, progress: ArrayProgress, distinct: Distinct) -> None:
        self.progress = progress
        self.tables = progress.tables
        self.distinct = distinct
        self.limits = progress.limits

    # Is there a rest?

    def critical(
        self, shape: ArrayShape, progress: Progress, index: int, cap: int, seen: Values, ask: Ask
    ) -> Values | None:
        """Return values that some rest needs; None where there is no rest at all.

        After one more item of another value there still is a rest."""
        if not shape.unique:
            return frozenset() if self._repeated(shape, progress, index, cap, seen, ask) else None
        if not progress[0] and not progress[1]:
            required = self._plain(shape, index)
            return None if required is None else self.distinct.matched(required, seen, ask)
        return self._searched(shape, progress, index, cap, seen, ask)

    def _plain(self, shape: ArrayShape, index: int) -> dict[int, int] | None:
        """Return the demands of the required items, with the number of items each; None where one has no
        value."""
        required: dict[int, int] = {}
        if shape.hi is not None and shape.lo > shape.hi:
            return None
        at = index
        while at < shape.lo:
            demand = self.progress.item(shape, at)
            if demand == NEVER:
                return None
            if at >= shape.settled:
                required[demand] = required.get(demand, 0) + shape.lo - at
                break
            required[demand] = required.get(demand, 0) + 1
            at += 1
        return required

    def _searched(
        self, shape: ArrayShape, progress: Progress, index: int, cap: int, seen: Values, ask: Ask
    ) -> Values | None:
        longest = self.progress.longest(shape, progress, index, cap)
        need = longest + len(seen) + 2
        layer: dict[tuple[Progress, Values], None] = {(progress, frozenset()): None}
        steps = 0
        for count in range(index, index + longest + 1):
            following: dict[tuple[Progress, Values], None] = {}
            for now, used in layer:
                if self.progress.closes(shape, now, min(count, cap)):
                    return used
                for demand, left in self.progress.options(shape, now, count):
                    steps += 1
                    self._bounded(shape, steps + len(following))
                    unmet_after = self.progress.unmet_after(left, min(count + 1, cap))
                    if unmet_after is None or ask(demand) is None:
                        continue
                    if self.distinct.has(demand, need, ask):
                        following[unmet_after, used] = None
                        continue
                    for _, literal in self.distinct.sought(demand, self.distinct.text, seen):
                        if literal not in used and literal not in seen:
                            following[unmet_after, used | {literal}] = None
            layer = following
            if not layer:
                break
        return None

    def _repeated(
        self, shape: ArrayShape, progress: Progress, index: int, cap: int, seen: Values, ask: Ask
    ) -> bool:
        """Return whether a thread that still needs two equal items has a rest."""
        longest = self.progress.longest(shape, progress, index, cap)
        layer: dict[tuple[Progress, Values], None] = {(progress, frozenset()): None}
        steps = 0
        for count in range(index, index + longest + 1):
            following: dict[tuple[Progress, Values], None] = {}
            for now, before in layer:
                if self.progress.closes(shape, now, min(count, cap)):
                    return True
                ways = [
                    (demand, left, before) for demand, left in self.progress.options(shape, now, count, seen)
                ]
                if repeats(now):
                    free = self.progress.options(shape, now, count)
                    ways = [(demand, left, before | {demand}) for demand, left, _ in ways]
                    for earlier in sorted(before):
                        for demand, left in free:
                            both = self._both(demand, earlier)
                            # What else the item meets is the same; the repetition is met as well.
                            if both != NEVER:
                                ways.append((both, (_without_repeats(left[0]), left[1]), before))
                for demand, left, then in ways:
                    steps += 1
                    self._bounded(shape, steps)
                    unmet_after = self.progress.unmet_after(left, min(count + 1, cap))
                    if unmet_after is not None and ask(demand) is not None:
                        following[unmet_after, then if repeats(unmet_after) else frozenset()] = None
            layer = following
            if not layer:
                break
        return False

    def _both(self, demand: int, other: int) -> int:
        both = self.tables.both(demand, self.tables.demands[other])
        return NEVER if both == NEVER or self.tables.clash(self.tables.demands[both]) else both

    def _bounded(self, shape: ArrayShape, steps: int) -> None:
        if steps > self.limits.oracle_steps:
            raise LimitError(
                "the ways to complete an array here are too many.",
                limit="oracle_steps",
                where=self.progress.where(shape),
            )
        THIS_CALL.spend(2, self.limits, "How an array is completed", lambda: self.progress.where(shape))

    # The next item

    def narrowed(
        self,
        shape: ArrayShape,
        unmet_after: Progress,
        index: int,
        cap: int,
        seen: Values,
        demand: int,
        ask: Ask,
    ) -> list[int]:
        """Return demands that together cover every item that meets `demand` and leaves a rest. `index` and
        `unmet_after` hold after the item."""
        needed = self.critical(shape, unmet_after, index, cap, seen, ask)
        if needed is not None:
            dead = frozenset(
                literal
                for literal in needed
                if self.critical(shape, unmet_after, index, cap, seen | {literal}, ask) is None
            )
            if dead:
                demand = self.tables.both(demand, (self.tables.constants.none_of(dead),))
            return [demand] if demand != NEVER else []
        if not repeats(unmet_after):
            return []
        # Only an item that a later one can repeat.
        found: dict[int, None] = {}
        for later in range(index, index + self.progress.longest(shape, unmet_after, index, cap)):
            for other, _ in self.progress.options(shape, unmet_after, later):
                both = self._both(demand, other)
                if both == NEVER or both in found:
                    continue
                text = self.distinct.text(both)
                if text is None:
                    continue
                literal = self.distinct.literal(text.flat())
                if self.critical(shape, unmet_after, index, cap, seen | {literal}, ask) is not None:
                    found[both] = None
        return list(found)

    def skippable(self, shape: ArrayShape, unmet_after: Progress, index: int, seen: Values, ask: Ask) -> bool:
        """Return whether the value of the item before `index` makes no difference until another item is
        compared with it. False: unknown."""
        if not watches(shape, unmet_after):
            return True
        if unmet_after[0] or unmet_after[1]:
            return False
        plain = self._plain(shape, index)
        if plain is None:
            return False
        need = sum(plain.values()) + len(seen) + 3
        following = self.progress.item(shape, index)
        open_ended = shape.hi is None or index < shape.hi
        demands = (*plain, following) if open_ended and following != NEVER else tuple(plain)
        return all(self.distinct.has(demand, need, ask) for demand in demands)

    # The shortest rest

    def rest(
        self, shape: ArrayShape, progress: Progress, index: int, cap: int, seen: Values, ask: Ask
    ) -> JsonPieces | None:
        """Return the shortest rest of an array for one thread, closing bracket included, or None."""
        if not progress[0] and not progress[1]:
            required = self._plain(shape, index)
            if required is None:
                return None
            if len(required) <= 1:
                return self._equal_items(required, index, seen, ask)
        longest = self.progress.longest(shape, progress, index, cap)
        layer: dict[tuple[Progress, Values], JsonPieces] = {(progress, frozenset()): EMPTY}
        best: JsonPieces | None = None
        steps = 0
        for count in range(index, index + longest + 1):
            following: dict[tuple[Progress, Values], JsonPieces] = {}
            for (now, chosen), prefix in layer.items():
                if self.progress.closes(shape, now, min(count, cap)) and prefix.before(best):
                    best = prefix
                if best is not None and best.length <= prefix.length:
                    continue
                for demand, left in self.progress.options(shape, now, count, seen | chosen, unique=False):
                    unmet_then = self.progress.unmet_after(left, min(count + 1, cap))
                    if unmet_then is None:
                        continue
                    for text, literal in self._candidates(
                        shape, now, demand, count, index + longest, seen | chosen, ask
                    ):
                        steps += 1
                        self._bounded(shape, steps)
                        new = JsonPieces((prefix, b"," if count else b"", text))
                        then = chosen | {literal} if watches(shape, unmet_then) else frozenset()
                        if new.before(following.get((unmet_then, then))):
                            following[unmet_then, then] = new
            layer = following
            if not layer:
                break
        return None if best is None else JsonPieces((best, b"]"))

    def _equal_items(self, required: dict[int, int], index: int, seen: Values, ask: Ask) -> JsonPieces | None:
        """Return the rest of an array that needs so many items of one demand: the shortest values not yet
        written, the shortest first: so does an item that has begun go on."""
        chosen: list[JsonPieces] = []
        for demand, times in required.items():
            for text, literal in self.distinct.sought(demand, ask, seen):
                if literal not in seen:
                    chosen.append(text)
                    if len(chosen) == times:
                        break
            if len(chosen) < times:
                return None
        parts: list[bytes | JsonPieces] = []
        for text in chosen:
            parts.append(JsonPieces((b",", text)) if index or parts else text)
        return JsonPieces((*parts, b"]"))

    def _candidates(
        self, shape: ArrayShape, now: Progress, demand: int, count: int, end: int, taken: Values, ask: Ask
    ) -> Iterator[tuple[JsonPieces, int]]:
        """Yield the values of an item that a shortest rest may use.

        Where all must differ, each later item can take one of them; where one must be repeated, the values
        that a later item can have too are candidates.
        """
        if shape.unique:
            left = end - count
            for text, literal in self.distinct.sought(demand, ask, taken):
                if literal not in taken:
                    yield text, literal
                    left -= 1
                    if left <= 0:
                        return
            return
        demands = {demand: None}
        if repeats(now):
            for later in range(count + 1, end):
                for other, _ in self.progress.options(shape, now, later):
                    both = self._both(demand, other)
                    if both != NEVER:
                        demands[both] = None
        for each in demands:
            found = ask(each)
            if found is not None:
                yield found, self.distinct.literal(found.flat())


def _without_repeats(unmet: tuple[Obligation, ...]) -> tuple[Obligation, ...]:
    return tuple(
        obligation
        for obligation in unmet
        if not any(isinstance(alternative, RepeatedItem) for alternative in obligation)
    )
