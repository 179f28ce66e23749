"""One thread of an array: the demand on each item, the obligations that items meet, and when it may close.

A *thread* follows one shape of the array. Its *progress* is the obligations that are still open, and how many
items each *counter* has counted. A counter stands for `contains` with `minContains` or `maxContains`. For
example `{"contains": {"const": 1}}` is complete after one item that equals 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TypeAlias

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.schema.meaning.literals import NEVER, Literal, Literals
from structgen.schema.meaning.place import NOTHING, PlaceTables
from structgen.schema.meaning.shape import (
    Alternative,
    ArrayShape,
    AtIndex,
    AtLeast,
    AtMost,
    Differs,
    FromIndex,
    Obligation,
    RepeatedItem,
)
from structgen.schema.meaning.shape_disjunctions import Shapes
from structgen.schema.recogniser.excluded_values import is_other_value, item_ways, split_exclusion
from structgen.schema.recogniser.members import Unmet

Progress: TypeAlias = tuple[Unmet, tuple[int, ...]]
"""The open obligations of a thread, and the number of items that each counter has counted, up to its
bound."""
Values: TypeAlias = frozenset[Literal]
"""The values of several items, each as its literal."""

MANY_KINDS = 3
"""The most kinds of required items for which all combinations are tried that one item may meet at once."""
_NONE: Values = frozenset()
_Part: TypeAlias = tuple[Literals, int]
"""One choice for an item: the literals that it meets, and 1 where it then meets an obligation or counts, else
0."""


def needs_repeat(progress: Progress) -> bool:
    """Return whether a thread still needs two equal items."""
    return any(
        isinstance(alternative, RepeatedItem) for obligation in progress[0] for alternative in obligation
    )


def watches_values(shape: ArrayShape, progress: Progress) -> bool:
    """Return whether the values of the items matter to a thread, beyond the demands that they meet."""
    return shape.unique or needs_repeat(progress)


@dataclass(eq=False)
class ArrayProgress:
    """Answers questions about the progress of one thread: its open obligations and its counted items."""

    tables: PlaceTables
    shapes: Shapes
    limits: Limits
    singly: bool = False
    """Whether `pays_singly` has returned True for some array of this network."""

    def item_demand(self, shape: ArrayShape, index: int) -> int:
        """Return the demand on the item at an index."""
        # From `uniform_from` on all items have the same demand, and share an entry of the memo.
        index = min(index, shape.uniform_from)
        demand = shape.items_memo.get(index)
        if demand is None:
            facets = shape.facets
            if len(facets) == 1 and not shape.values:
                schema = facets[0]
                if index < len(schema.prefix):
                    demand = self.tables.demand_of(schema.prefix[index])
                else:
                    demand = 0 if schema.items is None else self.tables.demand_of(schema.items)
            else:
                ranked_facets = [((), schema) for schema in facets]
                literals = self.shapes.obligations.item_literals(
                    ranked_facets, dict(shape.values.items()), index
                )
                demand = self.tables.intern_demand(literals)
            demand = shape.items_memo[index] = self.tables.of_value(demand)
        return demand

    def start_progress(self, shape: ArrayShape) -> Progress:
        """Return the progress of a shape before the first item."""
        return shape.obligations, (0,) * len(shape.counters)

    def item_options(
        self,
        shape: ArrayShape,
        progress: Progress,
        index: int,
        values_so_far: Values = _NONE,
    ) -> Iterator[tuple[int, Progress]]:
        """Yield the ways to take the item at an index: the demand on it, and the progress after it. A way may
        come twice.

        Ways that meet most obligations come first. `values_so_far` are the values of the items before. For
        example `(demand, ((), (1,)))` for an item that the only counter counts.
        """
        base = self.item_demand(shape, index)
        if base == NOTHING or (shape.hi is not None and index >= shape.hi):
            return
        # The literal of an item that equals an earlier one.
        repeated = self.tables.constants.literal_of_set(values_so_far) if values_so_far else NEVER
        if values_so_far and shape.unique:
            base = self.tables.add_literals(base, (self.tables.negate_literal(repeated),))
            if self.tables.is_hopeless(base):
                return
        unmet, counts = progress
        others, exclusion = split_exclusion(unmet)
        item_progress = (others, counts)
        for demand, after in self._item_ways(shape, base, item_progress, index, repeated):
            open_obligations, new_counts = after
            ways = [(demand, open_obligations)]
            if exclusion is not None:
                ways = item_ways(self.tables, ways, exclusion)
            for narrowed_demand, unmet_after in ways:
                open_after = self.still_open(unmet_after, index + 1)
                if open_after is not None:
                    yield narrowed_demand, (open_after, new_counts)

    def _item_ways(
        self,
        shape: ArrayShape,
        base: int,
        progress: Progress,
        index: int,
        repeated: Literal,
    ) -> Iterator[tuple[int, Progress]]:
        """Yield the ways of `item_options`, also those after which an obligation can no longer be met.

        `base` is the demand on the item at `index`, `repeated` the literal of values that came before
        (`NEVER` where there are none). Raises `LimitError` where the ways are too many.
        """
        unmet, counts = progress
        if not unmet and not counts:
            yield base, progress
            return
        if index >= shape.uniform_from and self.pays_singly(shape, progress):
            # A way for each kind that is owed, and not one for each set of kinds.
            for number, count in reversed([*enumerate(counts)]):
                counter = shape.counters[number]
                if count >= counter.min_count:
                    continue
                demand = self.tables.add_literals(base, (counter.literal,))
                if not self.tables.is_hopeless(demand):
                    yield demand, ((), (*counts[:number], count + 1, *counts[number + 1 :]))
            yield base, progress
            return
        ways = self._item_parts(shape, progress, index, repeated)
        if prod(map(len, ways)) > self.limits.alternatives:
            raise LimitError(
                "one item of this array has too many ways to satisfy the schema.",
                limit="alternatives",
                where=self.source_pointer(shape),
            )
        # Each obligation and each counter has its choice: the item meets all chosen literals.
        for combination in product(*ways):
            extra = [literal for literals, _ in combination for literal in literals]
            demand = self.tables.add_judging_literals(base, extra) if extra else base
            if demand == NOTHING or (extra and self.tables.is_hopeless(demand)):
                continue
            open_obligations = tuple(
                obligation for obligation, (_, met) in zip(unmet, combination, strict=False) if not met
            )
            # The choices of obligations come first, then those of counters.
            counter_choices = combination[len(unmet) :]
            new_counts = tuple(count + met for count, (_, met) in zip(counts, counter_choices, strict=True))
            yield demand, (open_obligations, new_counts)

    def _item_parts(
        self,
        shape: ArrayShape,
        progress: Progress,
        index: int,
        repeated: Literal,
    ) -> list[list[_Part]]:
        """Return for each open obligation, and for each counter, the choices of the item at an index: each is
        the literals that the item then meets, and 1 where the obligation is met, or the item counted.

        `repeated` is as in `_item_ways`. For example `[[((literal,), 1), ((), 0)]]` for an obligation that
        the item may meet or leave.
        """
        unmet, counts = progress
        parts: list[list[_Part]] = []
        for obligation in unmet:
            choices: list[_Part] = []
            for alternative in obligation:
                match alternative:
                    case AtIndex(position, literals) if position == index:
                        choices.append((literals, 1))
                    case FromIndex(position, literals) if position <= index:
                        choices.append((literals, 1))
                    case RepeatedItem() if repeated is not NEVER:
                        choices.append(((repeated,), 1))
            if ((), 1) in choices:
                # Any item meets the obligation: there is nothing to choose.
                parts.append([((), 1)])
            else:
                parts.append([*choices, ((), 0)])
        for counter, count in zip(shape.counters, counts, strict=True):
            counted = ((counter.literal,), 1)
            if counter.max_count is None:
                # Beyond the lower bound the count does not matter.
                if count >= counter.min_count:
                    parts.append([((), 0)])
                else:
                    parts.append([counted, ((), 0)])
            else:
                # With an upper bound an item that is not counted must not meet the literal.
                not_counted = ((self.tables.negate_literal(counter.literal),), 0)
                parts.append([counted, not_counted] if count < counter.max_count else [not_counted])
        return parts

    def pays_singly(self, shape: ArrayShape, progress: Progress) -> bool:
        """Return whether it is enough that each item counts for one kind of required items.

        Any number of items may follow then, and an item of several kinds is counted for all of them once its
        value is known (`arrays._join_threads`)."""
        unmet, counts = progress
        pairs = zip(shape.counters, counts, strict=True)
        owed_kinds = sum(count < counter.min_count for counter, count in pairs)
        pays = owed_kinds > MANY_KINDS and counts_singly(shape, unmet)
        self.singly = self.singly or pays
        return pays

    def source_pointer(self, shape: ArrayShape) -> str:
        """Return the pointer of a schema that asks for the items of a shape, "" where none does."""
        counted_schemas = (counter.literal.schema for counter in shape.counters)
        return next((schema.pointer for schema in (*shape.facets, *counted_schemas)), "")

    def still_open(self, unmet: Unmet, count: int) -> Unmet | None:
        """Return the obligations that are open with `count` items written; None where one can no longer be
        met."""
        open_obligations: list[Obligation] = []
        for obligation in unmet:
            open_alternatives: list[Alternative] = []
            is_met = False
            for alternative in obligation:
                match alternative:
                    case AtIndex(index, _):
                        if index < count:
                            continue
                    case AtLeast(min_count):
                        if count >= min_count:
                            is_met = True
                            break
                    case AtMost(max_count):
                        if count > max_count:
                            continue
                open_alternatives.append(alternative)
            if is_met:
                continue
            if not open_alternatives:
                return None
            open_obligations.append(tuple(open_alternatives))
        return tuple(dict.fromkeys(open_obligations))  # equal ones are one: threads are compared by them

    def can_close(self, shape: ArrayShape, progress: Progress, count: int) -> bool:
        """Return whether an array with so many items may close."""
        unmet, counts = progress
        if count < shape.lo or (shape.hi is not None and count > shape.hi):
            return False
        if any(n < counter.min_count for counter, n in zip(shape.counters, counts, strict=True)):
            return False
        return all(
            any(isinstance(alternative, AtMost) or is_other_value(alternative) for alternative in obligation)
            for obligation in unmet
        )

    def item_cap(self, shape: ArrayShape) -> int:
        """Return the cap of a shape: the number of items beyond which more items make no difference."""
        cap = max(1, shape.uniform_from, shape.lo)
        if shape.hi is not None:
            cap = max(cap, shape.hi + 1)
        for obligation in shape.obligations:
            for alternative in obligation:
                if isinstance(alternative, AtLeast):
                    cap = max(cap, alternative.count)
                elif isinstance(alternative, AtMost):
                    cap = max(cap, alternative.count + 1)
        return cap

    def longest_rest(
        self,
        shape: ArrayShape,
        progress: Progress,
        index: int,
        cap: int,
    ) -> int:
        """Return how many more items a shortest rest has at the most, from `index` items on.

        `cap` is the number of items beyond which their number does not matter. For example 2 for an array of
        which nothing is asked, at `index` 0 and `cap` 1.
        """
        unmet, _ = progress
        counted_items = sum(counter.min_count for counter in shape.counters)
        # An item for each obligation, and one more.
        max_items = max(0, cap - index) + len(unmet) + 1 + counted_items
        for obligation in unmet:
            for alternative in obligation:
                if isinstance(alternative, Differs):
                    # An array that is longer than each excluded one differs from all.
                    max_items += max(map(len, alternative.rests)) + 1
                elif isinstance(alternative, RepeatedItem):
                    max_items += 1
        return max_items


def counts_singly(shape: ArrayShape, unmet: Unmet) -> bool:
    """Return whether a thread asks only that each of many kinds of items comes some number of times at least.

    Then each item may count for one kind alone.
    """
    if unmet or shape.hi is not None or shape.unique or len(shape.counters) <= MANY_KINDS:
        return False
    return all(counter.max_count is None for counter in shape.counters)
