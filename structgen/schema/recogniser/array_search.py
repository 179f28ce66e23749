"""Searches for a rest of an array: whether there is one, and which is the shortest.

A *rest* is the text that completes the array, the bracket included: `,2]` after `[1`. The search adds one
item after another. To find out whether there is a rest it goes depth first, and begins with items that are
still required. For the shortest rest it takes the shortest text so far first (Dijkstra's algorithm). Many
items of one kind are added at once.

Where items must differ, or two must be equal, values are identified by their literals
(`Constants.literal_of_value`). A later item need not be tried value by value while its demand has more values
than the array has items. Where it has fewer, or a text is wanted, each value that matters is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush
from itertools import islice
from operator import add
from typing import Any, NamedTuple, TypeAlias

from structgen.base.errors import LimitError
from structgen.base.system.public_calls import THIS_CALL
from structgen.schema.meaning.literals import Literal
from structgen.schema.meaning.place import NOTHING
from structgen.schema.meaning.shape import ArrayShape, AtLeast, AtMost
from structgen.schema.reading.json_values import EMPTY, JsonPieces, repeat_text
from structgen.schema.recogniser.array_progress import (
    ArrayProgress,
    Progress,
    Values,
    needs_repeat,
    watches_values,
)
from structgen.schema.recogniser.distinct_values import DistinctValues
from structgen.schema.recogniser.object_search import Ask

Live: TypeAlias = dict[tuple[int, Progress, int, int], bool]
"""Known answers. The key is the id of a shape, a progress, the number of items, and their cap; the value says
whether a rest exists."""
_NONE: Values = frozenset()
_ONE_BY_ONE = 64
"""The most missing items that are added one by one to the shortest rest. Of more, those of one kind are added
at once."""


class ItemsAdded(NamedTuple):
    """One state of the search: the array after some items of a rest."""

    progress: Progress
    size: int
    """The number of all items; where their values do not matter it is counted up to the cap."""
    chosen: Values
    """The values of those items of the rest whose values matter."""
    text: JsonPieces
    """The items of the rest with their commas; empty where no text is wanted."""
    previous: ItemsAdded | None
    """The state before the last items; None at the beginning of the search."""


@dataclass(slots=True)
class ArrayWitness:
    """A search for a rest of one unfinished array, for one of its shapes."""

    effects: ArrayProgress
    distinct: DistinctValues
    shape: ArrayShape
    index: int
    cap: int
    """The number up to which items are counted."""
    ask: Ask
    values_so_far: Values
    """The values of the items that are already written."""
    any_will_do: bool = False
    """Whether any rest is enough, and not the shortest."""
    _end: int | None = None
    """The index at which the search ends; None where the values of items do not matter."""
    _max_length: int | None = None
    """The length in bytes beyond which a rest is of no use; None: no bound."""

    def has_rest(self, progress: Progress, live: Live) -> bool:
        """Return whether there is a rest. `live` holds the answers for other states, and takes new ones."""
        required_demands = self.find_required()
        if required_demands is None or any(self.ask(demand) is None for demand in required_demands):
            return False
        if self.shape.plain:
            return True
        if self.shape.unique:
            # The answer depends on the values so far, and is not kept in `live`.
            return self.critical_values(progress) is not None
        return self._search_rest(progress, False, live) is not None

    def shortest_rest(self, progress: Progress, best: JsonPieces | None = None) -> JsonPieces | None:
        """Return the shortest rest, closing bracket included, or None; none longer than `best`, if given."""
        self._max_length = None if best is None else best.length
        required_demands = self.find_required()
        # What is not known yet is asked for at once, not one at a time.
        if required_demands is None or None in [self.ask(demand) for demand in required_demands]:
            return None
        text = self._search_rest(progress, True, {})
        if text is None:
            return None
        return JsonPieces((text.text, b"]"))

    def find_required(self) -> dict[int, int] | None:
        """Return the demands of the required items, with the number of items each; None where one has no
        value."""
        shape = self.shape
        required_demands: dict[int, int] = {}
        if shape.hi is not None and shape.lo > shape.hi:
            return None
        # A counted item is one of the items below, and not one more: its demand has the number 0.
        for counter in shape.counters:
            if counter.min_count:
                required_demands[self.effects.tables.intern_demand((counter.literal,))] = 0
        if NOTHING in required_demands:
            return None
        last_single = max(shape.uniform_from, self.index)
        for index in range(self.index, min(shape.lo, last_single + 1)):
            demand = self.effects.item_demand(shape, index)
            if demand == NOTHING:
                return None
            # All items from `uniform_from` on have one demand: they are added at once.
            times = shape.lo - index if index >= shape.uniform_from else 1
            required_demands[demand] = required_demands.get(demand, 0) + times
        return required_demands

    def _search_rest(self, progress: Progress, with_text: bool, live: Live) -> ItemsAdded | None:
        """Return the items of the shortest rest, or None where there is no rest.

        Without `with_text` the items of any rest are returned. `live` then holds known answers for other
        states, and takes the answers for all states that the search meets. Raises LimitError past
        `limits.oracle_steps`.
        """
        shape = self.shape
        effects = self.effects
        is_watched = watches_values(shape, progress)
        known_states: Live = {} if with_text or is_watched else live
        # Where values matter the items are counted exactly, and the search must end by itself.
        self._end = None
        if is_watched:
            self._end = self.index + effects.longest_rest(shape, progress, self.index, self.cap)
        start = ItemsAdded(progress, self._cap_count(self.index), _NONE, EMPTY, None)
        # Each state with its shortest text so far. The key is `ItemsAdded[:3]`: progress, size, chosen.
        met: dict[tuple[Progress, int, Values], JsonPieces] = {}
        is_ordered = with_text and not self.any_will_do
        # A heap: by the length of the text (Dijkstra's algorithm), or by the step, the last one first.
        first_priority = EMPTY if is_ordered else 0
        frontier: list[tuple[Any, Iterator[ItemsAdded]]] = [(first_priority, iter((start,)))]
        steps = 0

        def keep_shorter(following: Iterable[ItemsAdded]) -> Iterator[ItemsAdded]:
            for after in following:
                self._spend_steps(1, len(met))
                if self._max_length is not None and after.text.length + 2 > self._max_length:
                    continue
                if after.text.is_before(met.get(after[:3])):
                    met[after[:3]] = after.text
                    yield after

        while frontier:
            now = next(frontier[0][1], None)
            if now is None:
                heappop(frontier)
                continue
            # A shorter text of the same state was found after this one was put on the heap.
            if met.setdefault(now[:3], now.text) is not now.text:
                continue
            is_whole = known_states.get((shape.id, *now[:2], self.cap))
            if is_whole is False:
                continue
            if is_whole or effects.can_close(shape, now.progress, now.size):
                # Every state on the way has a rest, too.
                path: ItemsAdded | None = now
                while path is not None:
                    known_states[shape.id, path.progress, path.size, self.cap] = True
                    path = path.previous
                return now
            steps += 1
            following = keep_shorter(self._next_arrays(now, with_text))
            if is_ordered:
                for after in following:
                    heappush(frontier, (after.text, iter((after,))))
            else:
                heappush(frontier, (-steps, following))
        # The search is exhausted: no state that it met has a rest.
        known_states.update(((shape.id, *state[:2], self.cap), False) for state in met)
        return None

    def _cap_count(self, count: int) -> int:
        if self._end is None:
            return min(count, self.cap)
        return count

    def _spend_steps(self, steps: int, so_far: int = 0) -> None:
        where = partial(self.effects.source_pointer, self.shape)
        if so_far > self.effects.limits.oracle_steps:
            fault = "the array has too many ways to be completed."
            raise LimitError(fault, limit="oracle_steps", where=where())
        THIS_CALL.spend_steps(steps, self.effects.limits, "How an array is completed", where)

    def _next_arrays(self, now: ItemsAdded, with_text: bool) -> Iterator[ItemsAdded]:
        """Yield the array after one item more, or several of one kind; items that meet most come first."""
        shape = self.shape
        count = now.size
        if count == self._end:
            return
        # Nothing is asked but that all differ: the missing items are added at once.
        if with_text and shape.unique and count >= shape.uniform_from and now.progress == ((), ()):
            yield from self._add_different(now, shape.lo - count)
            return
        if count >= shape.uniform_from and self.effects.pays_singly(shape, now.progress):
            yield from self._add_each_kind(now)
            return
        used_values = self.values_so_far | now.chosen
        repeatable_values = used_values if needs_repeat(now.progress) else _NONE
        options = self.effects.item_options(shape, now.progress, count, repeatable_values)
        for demand, progress in options:
            self._spend_steps(1)
            if progress == now.progress and self._is_enough(now):
                continue  # the array is no less whole without the item
            for text, literal in self._item_values(now, demand, used_values, with_text):
                for times in self._repeat_counts(now, progress, with_text):
                    after = progress if times == 1 else self._repeat_item(now, progress, times)
                    if after is None:
                        continue
                    chosen = _NONE
                    if watches_values(shape, after):
                        chosen = now.chosen if literal is None else now.chosen | {literal}
                    items = _append_items(now, [text], times) if with_text else EMPTY
                    yield ItemsAdded(after, self._cap_count(count + times), chosen, items, now)

    def _is_enough(self, now: ItemsAdded) -> bool:
        """Return whether nothing requires the next item, and nothing requires its value to come again."""
        if now.size < max(self.shape.uniform_from, self.shape.lo) or needs_repeat(now.progress):
            return False
        unmet, _ = now.progress
        alternatives = (alternative for obligation in unmet for alternative in obligation)
        return not any(isinstance(alternative, AtLeast) for alternative in alternatives)

    def _add_each_kind(self, now: ItemsAdded) -> Iterator[ItemsAdded]:
        """Yield the array after an item for each kind that is owed: there may be a shorter rest, but the
        fewest items that are of all kinds together are a set cover."""
        _, counts = now.progress
        tables = self.effects.tables
        base = self.effects.item_demand(self.shape, now.size)
        pairs = zip(self.shape.counters, counts, strict=True)
        missing = [max(0, counter.min_count - count) for counter, count in pairs]
        groups: list[tuple[JsonPieces | None, int]] = []
        for counter, times in zip(self.shape.counters, missing, strict=True):
            if times:
                demand = NOTHING if base == NOTHING else tables.add_literals(base, (counter.literal,))
                text = None if tables.is_hopeless(demand) else self.ask(demand)
                groups.append((text, times))
        # All are asked before the first that is missing ends it: their answers are worked out together.
        known_groups = [(text, times) for text, times in groups if text is not None]
        if len(known_groups) < len(groups):
            return
        counts_after = tuple(map(add, counts, missing))
        after = now._replace(progress=((), counts_after), previous=now)
        for item_text, times in sorted(known_groups, key=lambda group: group[0].to_bytes()):
            size = self._cap_count(after.size + times)
            after = after._replace(size=size, text=_append_items(after, [item_text], times))
        yield after

    def _repeat_counts(self, now: ItemsAdded, after: Progress, with_text: bool) -> Iterable[int]:
        """Return how many items of one kind are taken at once: until something changes for the array, or as
        many as leave room for what is owed."""
        shape = self.shape
        (unmet, counts) = now.progress
        unmet_after, counts_after = after
        # Where values matter, or the item meets an obligation, the next item is another question.
        if self._end is not None or now.size < shape.uniform_from or unmet_after != unmet:
            return (1,)
        # The numbers of items at which something changes.
        ends = [shape.lo, now.size if shape.hi is None else shape.hi]
        for obligation in unmet:
            for alternative in obligation:
                if isinstance(alternative, AtLeast | AtMost):
                    ends.append(alternative.count)
        until = [end - now.size for end in ends if end > now.size]
        owed = len(unmet)
        for counter, count, count_after in zip(shape.counters, counts, counts_after, strict=True):
            owed += max(0, counter.min_count - count)
            if count_after > count:
                max_count = count if counter.max_count is None else counter.max_count
                until += [end - count for end in (counter.min_count, max_count) if end > count]
        runs = [min(until, default=1)]
        # So many items leave the rest of the required ones for what is owed.
        room = shape.lo - now.size - owed
        if 0 < room < runs[0]:
            runs.append(room)
        is_simple = not shape.counters or len(shape.counters) + len(unmet) == 1
        if with_text:
            if is_simple and max(owed, shape.lo - now.size) > _ONE_BY_ONE:
                return runs
            return (1,)
        return runs if is_simple else (*runs, 1)

    def _repeat_item(self, now: ItemsAdded, after: Progress, times: int) -> Progress | None:
        """Return the progress where an item comes several times; None where it leads nowhere."""
        unmet_after, counts_after = after
        unmet = self.effects.still_open(unmet_after, now.size + times)
        if unmet is None:
            return None
        _, counts = now.progress
        pairs = zip(counts, counts_after, strict=True)
        return unmet, tuple(old + (new - old) * times for old, new in pairs)

    def _add_different(self, now: ItemsAdded, times: int) -> Iterator[ItemsAdded]:
        """Yield the array after `times` items of one demand: the shortest values that are not yet written,
        the shortest first. An item that has begun goes on in the same way."""
        demand = self.effects.item_demand(self.shape, now.size)
        values = self.distinct.unused_values(demand, self.ask, self.values_so_far | now.chosen)
        texts = [text for text, _ in islice(values, max(0, times))]
        if 0 < times == len(texts):
            items = _append_items(now, texts, 1)
            yield ItemsAdded(now.progress, now.size + times, now.chosen, items, now)

    # Values

    def _item_values(
        self,
        now: ItemsAdded,
        demand: int,
        used_values: Values,
        with_text: bool,
    ) -> Iterator[tuple[JsonPieces, Literal | None]]:
        """Yield the values of an item that a rest may need, each with its literal; None where any will do.

        `demand` is that on the item after `now`, and `used_values` are the values before it. Where all must
        differ, each later item can take one of them; where one must be repeated, the values that a later item
        can have, too, are candidates. For example `(text, None)` alone where values do not matter.
        """
        text = self.ask(demand)
        shape = self.shape
        if text is None:
            return
        if self._end is None or not watches_values(shape, now.progress):
            yield text, None
            return
        # A value is identified by its text: without a text wanted, the text of any value.
        ask = self.ask if with_text else self.distinct.text
        if not shape.unique:
            yield text, None
            # Two equal items are enough: one value is remembered.
            if now.chosen:
                return
            for repeated_demand in self._repeatable_demands(now.progress, demand, now.size + 1, self._end):
                both_text = self.ask(repeated_demand) and ask(repeated_demand)
                if both_text is not None:
                    yield both_text, self.distinct.literal_of_text(both_text.to_bytes())
            return
        # More values than the whole array can have items: one is always left.
        need = self._end - self.index + len(self.values_so_far) + 2
        if not with_text and self.distinct.has_values(demand, need, self.ask, True):
            yield text, None
        else:
            yield from islice(self.distinct.unused_values(demand, ask, used_values), self._end - now.size)

    def _repeatable_demands(
        self,
        progress: Progress,
        demand: int,
        start: int,
        end: int,
    ) -> list[int]:
        """Return demands on an item under which a later item can repeat it.

        `demand` is that on the item, and `start` to before `end` are the indices of the later items, for
        example 1 and 3. Each result is the conjunction of both demands.
        """
        tables = self.effects.tables
        pairs: dict[int, None] = {}
        # From `uniform_from` on all items have the same demand: one of them is enough.
        last_single = max(start, self.shape.uniform_from)
        for later in range(start, min(end, last_single + 1)):
            for later_demand, _ in self.effects.item_options(self.shape, progress, later):
                self._spend_steps(1)
                repeated_demand = tables.add_literals(demand, tables.demands[later_demand])
                if not tables.is_hopeless(repeated_demand):
                    pairs[repeated_demand] = None
        return list(pairs)

    # The next item, where its value matters

    def critical_values(self, progress: Progress) -> Values | None:
        """Return values that some rest needs; None where there is no rest at all.

        After one more item of another value there still is a rest."""
        if self.shape.unique and progress == ((), ()):
            required_demands = self.find_required()
            if required_demands is None:
                return None
            return self.distinct.match_values(required_demands, self.values_so_far, self.ask)
        text = self._search_rest(progress, False, {})
        if text is None:
            return None
        if self.shape.unique:
            return text.chosen
        return _NONE

    def _with_value(self, value: Literal) -> ArrayWitness:
        """Return the search for a rest of the array with one more value among its items."""
        return replace(self, values_so_far=self.values_so_far | {value})

    def narrow_demand(self, progress: Progress, demand: int) -> list[int]:
        """Return demands that together cover every item that meets `demand` and leaves a rest. The question
        is about the array after the item."""
        tables = self.effects.tables
        needed_values = self.critical_values(progress)
        if needed_values is not None:
            # Of all other values a rest is known to be left: only these must be tried.
            dead_values = frozenset(
                literal
                for literal in needed_values
                if self._with_value(literal).critical_values(progress) is None
            )
            if dead_values:
                demand = tables.add_literals(demand, (tables.constants.none_of(dead_values),))
            return [demand] if demand != NOTHING else []
        if not needs_repeat(progress):
            return []
        # Only an item that a later one can repeat.
        end = self.index + self.effects.longest_rest(self.shape, progress, self.index, self.cap)
        demands: list[int] = []
        for repeated_demand in self._repeatable_demands(progress, demand, self.index, end):
            text = self.distinct.text(repeated_demand)
            if text is not None:
                literal = self.distinct.literal_of_text(text.to_bytes())
                if self._with_value(literal).critical_values(progress) is not None:
                    demands.append(repeated_demand)
        return demands

    def is_skippable(self, progress: Progress) -> bool:
        """Return whether the value of the item before makes no difference until another item is compared with
        it. False: unknown."""
        shape = self.shape
        if not watches_values(shape, progress):
            return True
        required_demands = None if progress[0] or progress[1] else self.find_required()
        if required_demands is None:
            return False
        # So many values that neither the unknown item nor the next one can take the last.
        need = sum(required_demands.values()) + len(self.values_so_far) + 3
        following = self.effects.item_demand(shape, self.index)
        if (shape.hi is None or self.index < shape.hi) and following != NOTHING:
            required_demands.setdefault(following, 0)
        return all(self.distinct.has_values(demand, need, self.ask) for demand in required_demands)


def _append_items(now: ItemsAdded, texts: Iterable[JsonPieces], times: int) -> JsonPieces:
    """Return the text of a rest with `times` copies of one more item after it."""
    pieces = tuple(piece for text in texts for piece in (b",", text))
    # The first item of an array has no comma before it.
    first = pieces if now.size else pieces[1:]
    return JsonPieces((now.text, *first, repeat_text(JsonPieces(pieces), times - 1)))
